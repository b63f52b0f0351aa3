"""What a source is: pure functions from bodies to a snapshot. Fetching is done by a job, not here."""

import json
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from db.errors import InputError, SourceError
from db.polls.facts import Rejection
from db.prices.facts import Offer, Snapshot

Json = Any


@dataclass(frozen=True, slots=True)
class Request:
    """One document to get: a path below the source's base URL."""

    path: str


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back for a request: a body, or the reason why there is none."""

    body: bytes | None
    error: SourceError | None = None

    def document(self, what: str) -> Json:
        """The JSON in the body. Raises the request's own error, or InputError where the body is no JSON."""
        if self.error is not None:
            raise self.error
        return parse_json(self.body or b"", what)


@dataclass
class Memo:
    """What the items of the last poll came to, so that an item which did not change is not parsed again."""

    items: dict[str, tuple[Json, "Read"]] = field(default_factory=dict)

    def read(self, name: str, item: Json, parse: Callable[[Json], "Read"]) -> "Read":
        before = self.items.get(name)
        if before is not None and before[0] == item:
            return before[1]
        result = parse(item)
        self.items[name] = (item, result)
        return result


@dataclass(frozen=True, slots=True)
class Read:
    """What one item came to: offers, the reasons for what was refused, and fields that are not known here."""

    offers: tuple[Offer, ...] = ()
    rejections: tuple[Rejection, ...] = ()
    unknown: tuple[str, ...] = ()


Conversation = Generator[list[Request], list[Answer], Snapshot]
"""Yields batches of requests, is sent their answers in the same order, and returns what it saw."""


@dataclass(frozen=True)
class Source:
    """A place that tells prices.

    `url`: its default address (None: it is a package on this machine); `converse`: how a live poll goes;
    `read`: one recorded body of its main list. Both raise InputError for a body that is not theirs at all.
    """

    name: str
    title: str
    every: timedelta
    url: str | None
    url_setting: str | None
    converse: Callable[[Memo, datetime], Conversation]
    read: Callable[[Json, Memo], Snapshot]


def parse_json(body: bytes | str, what: str) -> Json:
    """JSON with exact numbers: fractions as Decimal; NaN and Infinity as text, so that the item is refused."""
    try:
        return json.loads(body, parse_float=Decimal, parse_constant=str)
    except RecursionError as error:
        raise InputError(f"{what} is not usable: it is nested too deeply.") from error
    except ValueError as error:
        start = body[:200].lstrip().lower()
        html = start.startswith(b"<") if isinstance(start, bytes) else start.startswith("<")
        reason = "it is HTML, not JSON" if html else f"it is not JSON ({error})" if body else "it is empty"
        raise InputError(f"{what} is not usable: {reason}.") from error


def collect(
    parts: tuple[str, ...],
    items: int,
    reads: list[Read],
    *,
    whole: bool = True,
    extra: list[Rejection] | None = None,
) -> Snapshot:
    """Merge what the items came to. An endpoint offered twice is kept if both agree, and unknown if not."""
    offers: dict[str, Offer] = {}
    rejections = [*(extra or []), *(r for read in reads for r in read.rejections)]
    torn: set[str] = set()
    for offer in (offer for read in reads for offer in read.offers):
        other = offers.setdefault(offer.key, offer)
        if other is not offer and other.digests != offer.digests and offer.key not in torn:
            torn.add(offer.key)
            reason = f"{offer.key} is listed twice with different content"
            rejections.append(Rejection(offer.part, offer.key, reason))
    unknown: dict[str, int] = {}
    for name in (name for read in reads for name in read.unknown):
        unknown[name] = unknown.get(name, 0) + 1
    kept = tuple(offer for key, offer in offers.items() if key not in torn)
    return Snapshot(parts, items, kept, tuple(rejections), whole, unknown)
