"""Reading the effect of price changes on one's own bill, for the feed, model cards and alerts."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise

import numpy as np
from sqlalchemy import Connection, select

from db.plans.impact import Impact, impact, window
from db.plans.lot_read import endpoint_of, lots
from db.plans.lots import Lots
from db.plans.periods import midnight
from db.plans.read import last_use
from db.prices import read as prices
from db.prices.changes import changes
from db.prices.facts import Change, Price
from db.usage.exact import usd
from db.usage.read import LABEL, View

Pair = tuple[Price, Price, tuple[Change, ...]]
"""The price before a change, the one after, and what moved."""


def impacts(
    connection: Connection,
    since: datetime | None = None,
    until: datetime | None = None,
    now: datetime | None = None,
    model: str | None = None,
) -> list[Impact]:
    """What each price change in [since, until) did or does to the bill of a month, the newest first.

    Only changes of endpoints at whose prices own usage was costed; one that no usage met is left out.
    """
    as_of = last_use(connection, now or datetime.now(UTC))
    of_price = endpoint_of(connection)
    versions = prices.of_endpoints(connection, sorted(set(of_price.values())))
    pairs = [
        pair
        for each in versions.values()
        for pair in _pairs(each, since, until)
        if model is None or pair[1].endpoint.model == model
    ]
    if not pairs:
        return []
    days = [window(after, as_of) for _, after, _ in pairs]
    moved = {after.endpoint.id for _, after, _ in pairs}
    ids = [price_id for price_id, endpoint_id in of_price.items() if endpoint_id in moved]
    view = View(midnight(min(first for first, _ in days), "UTC"), midnight(max(last for _, last in days), "UTC"))
    rates = [price.rates for before, after, _ in pairs for price in (before, after)]
    usage = _by_endpoint(lots(connection, view, rates, ids, by_day=True), of_price)
    project_of = {row.id: row.project for row in connection.execute(select(LABEL.c.id, LABEL.c.project))}
    found = (
        impact(before, after, what, span, usage[after.endpoint.id], project_of)
        for (before, after, what), span in zip(pairs, days, strict=True)
        if after.endpoint.id in usage
    )
    return sorted((each for each in found if each is not None), key=lambda each: (each.at, abs(each.monthly or 0)))[
        ::-1
    ]


def usd_by_change(
    connection: Connection, moved: Sequence[Change], now: datetime
) -> dict[tuple[int, datetime], Decimal]:
    """(endpoint id, when its price moved) -> its effect on the bill of a month in USD, as alerts want it."""
    if not moved:
        return {}
    since, until = min(each.at for each in moved), max(each.at for each in moved)
    wanted = {(each.endpoint.id, each.at) for each in moved}
    found = impacts(connection, since, until + timedelta(microseconds=1), now)
    return {
        (each.endpoint.id, each.at): usd(each.monthly)
        for each in found
        if each.monthly is not None and (each.endpoint.id, each.at) in wanted
    }


def _pairs(versions: Sequence[Price], since: datetime | None, until: datetime | None) -> Iterable[Pair]:
    """The changes of one endpoint. A price in doubt is none until it is settled."""
    for before, after in pairwise([each for each in versions if not each.suspect]):
        what = tuple(changes([before, after], since, until))
        if what:
            yield before, after, what


def _by_endpoint(usage: Lots, of_price: dict[int, int]) -> dict[int, Lots]:
    if not len(usage):
        return {}
    known = np.array(sorted(of_price.items()), np.int64)
    endpoint = known[np.searchsorted(known[:, 0], usage.price_id), 1]
    return {each: usage.chosen(endpoint == each) for each in np.unique(endpoint).tolist()}
