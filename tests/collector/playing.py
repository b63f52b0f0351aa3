"""Reading a source without a server, and a snapshot as plain JSON."""

import json
from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from collector.sources.base import Answer, Memo, Source
from db.catalog.facts import json_text
from db.errors import InputError, SourceError
from db.meters import decimal_text
from db.prices.facts import Offer, Rate, Snapshot

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def play(source: Source, body_at: Callable[[str], bytes | SourceError], memo: Memo | None = None) -> Snapshot:
    """Hold the source's conversation, with `body_at(path)` for the server."""
    conversation = source.converse(memo or Memo(), NOON)
    answers: list[Answer] | None = None
    while True:
        try:
            requests = next(conversation) if answers is None else conversation.send(answers)
        except StopIteration as done:
            snapshot: Snapshot = done.value
            return snapshot
        got = [body_at(request.path) for request in requests]
        answers = [Answer(None, body) if isinstance(body, SourceError) else Answer(body) for body in got]


def refused(source: Source, body_at: Callable[[str], bytes | SourceError]) -> str | None:
    """Why the source could make nothing at all of what it got; None where it could."""
    try:
        play(source, body_at)
    except InputError as error:
        return str(error)
    return None


def offer_at(snapshot: Snapshot, key: str) -> Offer:
    """The one offer with that key."""
    (found,) = (offer for offer in snapshot.offers if offer.key == key)
    return found


def rates_of(offer: Offer) -> dict[str, str | None]:
    """Meter -> USD as plain text, unconditional rates only."""
    return {rate.meter: usd_text(rate) for rate in offer.rates if rate.is_base}


def conditional(offer: Offer) -> list[tuple[str, str | None, int, int | None, int | None]]:
    """The rates under a condition, in their order."""
    return [
        (rate.meter, usd_text(rate), rate.min_prompt_tokens, rate.utc_start, rate.utc_end)
        for rate in offer.rates
        if not rate.is_base
    ]


def usd_text(rate: Rate) -> str | None:
    return None if rate.usd is None else decimal_text(rate.usd)


def facts(snapshot: Snapshot) -> dict[str, Any]:
    """The snapshot as JSON: what is not there is left out, a dynamic rate is null."""
    seen = {
        "parts": list(snapshot.parts),
        "items": snapshot.items,
        "whole": snapshot.whole,
        "offers": [_offer(offer) for offer in sorted(snapshot.offers, key=lambda offer: offer.key)],
        "rejections": [asdict(rejection) for rejection in snapshot.rejections],
        "unknown_fields": dict(sorted(snapshot.unknown_fields.items())),
    }
    plain: dict[str, Any] = json.loads(json_text(seen))
    return plain


def _offer(offer: Offer) -> dict[str, Any]:
    rates = []
    for rate in offer.rates:
        condition = {
            "min_prompt_tokens": rate.min_prompt_tokens or None,
            "utc_start": rate.utc_start,
            "utc_end": rate.utc_end,
        }
        given = {name: value for name, value in condition.items() if value is not None}
        rates.append({"meter": rate.meter, "usd": usd_text(rate), **given})
    said = {
        "key": offer.key,
        "part": offer.part,
        "scope": offer.scope,
        "provider": offer.provider,
        "provider_name": offer.provider_name,
        "native_model": offer.native_model,
        "rates": rates,
        "detail": offer.detail.to_json(),
        "benchmarks": offer.benchmarks,
        "reported": asdict(offer.reported) if offer.reported else None,
    }
    return {name: value for name, value in said.items() if value is not None}
