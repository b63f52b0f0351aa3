"""Price steps that are known ahead, and what is made of each. Where nothing is known, nothing is assumed.

- An endpoint whose source tells when it expires, or whose price has an end in the ledger: from that day (the first that
  a month or year can mean) its usage is taken to go to the cheapest standard endpoint of the same model that is priced
  and not known to end by then, at your own mix. Where there is none, it is taken to go on at today's cost.
- A price that the ledger already knows to begin later: its usage is re-costed at that price.
- A discount that is contained in rates: no source tells when one ends, so it is taken to go on.

Factors are of the usage of the last 28 days.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Final

import numpy as np
from sqlalchemy import Connection, select

from db.catalog import read as catalog
from db.catalog.read import CONTENT, DETAIL, ENDPOINT
from db.plans.lot_read import endpoint_of, lots
from db.plans.lots import Lots
from db.prices import read as prices
from db.prices.facts import Price
from db.usage.read import View
from db.usage.recost import Target
from db.usage.segments import BEGINNING
from db.versions import believed, in_force

WINDOW: Final = timedelta(days=28)


@dataclass(frozen=True, slots=True)
class Ahead:
    """From `day` on the usage of a subject costs `factor` times as much; None: nobody knows, so nothing is assumed.
    `text`: what is known, and what is made of it."""

    day: date
    subject_id: int
    factor: float | None
    text: str


def known_ahead(connection: Connection, at: datetime) -> list[Ahead]:
    """The steps after `at` (a whole hour), of usage that had a cost in the WINDOW before."""
    view = View(since=at - WINDOW, until=at)
    of_price = endpoint_of(connection)
    if not of_price:
        return []
    versions = prices.of_endpoints(connection, sorted(set(of_price.values())))
    ends = _ends(connection, versions, at)
    later = {i: price for i, each in versions.items() if (price := _later(each, at)) is not None}
    if not ends and not later:
        return []
    wanted = ends.keys() | later.keys()
    ids = [price_id for price_id, endpoint_id in of_price.items() if endpoint_id in wanted]
    others = {i: _others(connection, versions[i], day, at) for i, (day, _) in ends.items()}
    rates = [price.rates for each in (*others.values(), later.values()) for price in each]
    usage = lots(connection, view, rates, ids, by_day=False)
    endpoint = np.array([of_price[price_id] for price_id in usage.price_id.tolist()], np.int64)
    found: list[Ahead] = []
    for i in sorted(wanted):
        mine = usage.chosen((endpoint == i) & (usage.priced == 1))
        name = versions[i][0].endpoint.name
        if i in ends:
            found += _moved(mine, ends[i], name, others[i])
        if i in later:
            day = later[i].valid_from.astimezone(UTC).date()
            text = f"{name} has another price from {day} on, as the ledger knows already."
            found += [Ahead(day, *each, text) for each in _factors(mine, [later[i]])]
    return sorted(found, key=lambda each: (each.day, each.subject_id))


def _moved(usage: Lots, end: tuple[date, str], name: str, others: Sequence[Price]) -> list[Ahead]:
    day, why = end
    found = []
    for subject_id, factor in _factors(usage, others):
        then = "at the cheapest other endpoint of the model" if factor is not None else "elsewhere at the same cost"
        found.append(Ahead(day, subject_id, factor, f"{name} {why} on {day}; its usage is taken to go on {then}."))
    return found


def _factors(usage: Lots, others: Sequence[Price]) -> list[tuple[int, float | None]]:
    """Each subject with what its usage costs at the cheapest of the prices that covers all of it, as a factor."""
    found: list[tuple[int, float | None]] = []
    for subject_id in np.unique(usage.subject_id).tolist():
        mine = usage.chosen(usage.subject_id == subject_id)
        there = [Target([(BEGINNING, price.rates)]).recost(mine.cells()) for price in others]
        costs = [int(each.best.sum()) for each in there if each.priced.all()]
        actual = int(mine.cost_nano.sum())
        if actual:
            found.append((subject_id, min(costs) / actual if costs else None))
    return found


def _later(versions: Iterable[Price], at: datetime) -> Price | None:
    """The next price that is known at `at` to begin after it."""
    return next((each for each in versions if each.valid_from > at >= each.recorded_at and not each.suspect), None)


def _ends(connection: Connection, versions: dict[int, list[Price]], at: datetime) -> dict[int, tuple[date, str]]:
    """Endpoint id -> the day after `at` on which it is known to end, and how."""
    found: dict[int, tuple[date, str]] = {}
    for i, each in versions.items():
        last = each[-1]
        if last.valid_to is not None and last.valid_to > at >= last.recorded_at:
            found[i] = (last.valid_to.astimezone(UTC).date(), "has no price any more")
    found |= {i: (day, "expires") for i, day in _expiring(connection, at).items() if i in versions}
    return {i: end for i, end in found.items() if end[0] > at.date()}


def _expiring(connection: Connection, at: datetime) -> dict[int, date]:
    """Endpoint id -> the day on which its source says that it goes."""
    said = CONTENT.c.body.contains('"expires":', autoescape=True)
    query = (
        select(ENDPOINT.c.id, CONTENT.c.body)
        .join(DETAIL, DETAIL.c.endpoint_id == ENDPOINT.c.id)
        .join(CONTENT, CONTENT.c.id == DETAIL.c.value_id)
        .where(said, in_force(DETAIL, at), believed(DETAIL))
    )
    days = ((row.id, first_day(str(json.loads(row.body).get("expires")))) for row in connection.execute(query))
    return {endpoint_id: day for endpoint_id, day in days if day is not None}


def first_day(text: str) -> date | None:
    """The first day that a year, month or day can mean; None where it is none."""
    try:
        return date.fromisoformat({4: f"{text}-01-01", 7: f"{text}-01"}.get(len(text), text[:10]))
    except ValueError:
        return None


def _others(connection: Connection, versions: Sequence[Price], day: date, at: datetime) -> list[Price]:
    """The standard endpoints of the same model that are priced, and not known to be gone by `day`."""
    mine = versions[0].endpoint
    gone = _expiring(connection, at)
    there = {each.endpoint.id for each in catalog.listings(connection, mine.model, at)}
    return [
        price
        for price in prices.in_force_at(connection, mine.model, at=at)
        if price.endpoint.id in there
        and price.endpoint.id != mine.id
        and price.endpoint.variant is None
        and not price.suspect
        and any(rate.usd for rate in price.rates)
        and not (price.endpoint.id in gone and gone[price.endpoint.id] <= day)
    ]
