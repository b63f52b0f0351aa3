"""Reading what a comparison needs: prices, what sources report, and what was measured."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Final

from sqlalchemy import Connection

from db.catalog import read as catalog
from db.catalog.facts import Listing, Reported
from db.errors import UsageError
from db.prices import read as prices
from db.prices.cards import require_model
from db.prices.facts import Price
from db.probes import read as probes
from db.probes.facts import Prompt, Summary
from db.quality.compare import effective, ranked
from db.quality.facts import Compared, Measure, Mix, Origin

WINDOW: Final = timedelta(days=3)
"""How far back measured figures go: p50 and p95 over 72 hours are the field's custom."""


def compared(
    connection: Connection,
    model: str,
    mix: Mix,
    at: datetime | None = None,
    known_at: datetime | None = None,
    window: timedelta = WINDOW,
) -> list[Compared]:
    """Every endpoint of a model that can be had at `at` (None: now), the cheapest for the mix first.

    Measured figures are of short prompts over fresh connections: the kind that every target has.
    """
    require_model(connection, model)
    when = at or datetime.now(UTC)
    in_force = {p.endpoint.id: p for p in prices.in_force_at(connection, model, at=at, known_at=known_at)}
    listings = catalog.listings(connection, model, at, known_at)
    reported = catalog.reported(connection, [each.endpoint.id for each in listings], at)
    names = [each.endpoint.name for each in listings]
    measured = probes.summaries(connection, when - window, when, targets=names, prompt=Prompt.SHORT, warm=False)
    return ranked(
        [
            _row(each, in_force.get(each.endpoint.id), reported.get(each.endpoint.id), measured, mix, when)
            for each in listings
        ]
    )


def _row(
    listing: Listing,
    price: Price | None,
    reported: tuple[datetime, Reported] | None,
    measured: Mapping[str, Summary],
    mix: Mix,
    at: datetime,
) -> Compared:
    summary = measured.get(listing.endpoint.name)
    return Compared(
        endpoint=listing.endpoint,
        effective=effective(price.rates, mix, at) if price is not None else None,
        ttft_ms=_measured(summary, "ttft_ms") or _reported(reported, "latency_ms"),
        tokens_per_s=_measured(summary, "tokens_per_s") or _reported(reported, "tokens_per_s"),
        uptime_percent=_measured_uptime(summary) or _reported_uptime(reported),
        context=listing.detail.context_length,
        quantization=listing.endpoint.quantization or listing.detail.quantization,
        parameters=listing.detail.parameters,
        lost_parameters=None,
        priced_since=price.valid_from if price is not None else None,
        status=listing.detail.status,
        rates=price.rates if price is not None else (),
    )


def _measured(summary: Summary | None, name: str) -> Measure | None:
    if summary is None or (median := getattr(summary, name).get("p50")) is None:
        return None
    return Measure(median, Origin.MEASURED, _span(summary), summary.n_of.get(name, summary.n), summary.newest)


def _measured_uptime(summary: Summary | None) -> Measure | None:
    if summary is None or summary.uptime is None:
        return None
    return Measure(summary.uptime * 100, Origin.MEASURED, _span(summary), summary.ok + summary.errors, summary.newest)


def _span(summary: Summary) -> str:
    return f"{(summary.end - summary.start) / timedelta(hours=1):g} h"


def _reported(reported: tuple[datetime, Reported] | None, name: str) -> Measure | None:
    if reported is None or (median := dict(getattr(reported[1], name)).get("p50")) is None:
        return None
    return Measure(median, Origin.REPORTED, "30 min", None, reported[0])


def _reported_uptime(reported: tuple[datetime, Reported] | None) -> Measure | None:
    """The longest window that the source gives."""
    if reported is None:
        return None
    at, figures = reported
    for value, window in ((figures.uptime_1d, "1 day"), (figures.uptime_30m, "30 min"), (figures.uptime_5m, "5 min")):
        if value is not None:
            return Measure(value, Origin.REPORTED, window, None, at)
    return None


def chosen(rows: list[Compared], name: str) -> Compared:
    """The row of an endpoint, named in full or by its provider. Raises UsageError that lists what there is."""
    exact = [row for row in rows if row.endpoint.name == name]
    of_provider = [row for row in rows if row.endpoint.provider == name.lower()]
    if not exact and not of_provider:
        known = ", ".join(dict.fromkeys(row.endpoint.provider for row in rows)) or "none"
        raise UsageError(f"No endpoint or provider {name!r} serves it then. There are: {known}.")
    return (exact or of_provider)[0]


def baseline(rows: list[Compared]) -> Compared | None:
    """What a switch is measured against where nobody said: the lister's own price, else the dearest."""
    own = [row for row in rows if row.endpoint.is_headline and row.endpoint.variant is None and row.effective]
    priced = [row for row in rows if row.effective]
    return (own or priced[-1:] or [None])[0]  # type: ignore[list-item]
