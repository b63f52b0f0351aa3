"""Reading what a bridge stands on: usage of two periods, or of one and of what this month is projected to be."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from fractions import Fraction
from functools import cache
from typing import Final

from sqlalchemy import Connection

from db.errors import UsageError
from db.plans.bridge import REQUEST, Bridge, Lot, Route, Side, Tier, bridge
from db.plans.facts import ALL
from db.plans.lot_read import lots, used_prices, whole_hours
from db.plans.lots import Lots
from db.plans.periods import ONE_DAY, Period, moment, month_of, span
from db.plans.projection import Question, answers
from db.prices.cells import cells
from db.prices.facts import Rates
from db.prices.read import rates_of_rows
from db.usage.billing import Billed, billed
from db.usage.keys import Names
from db.usage.pricing import ANY_LENGTH
from db.usage.read import names
from db.usage.rollup import FEMTO_PER_NANO

PROJECTED: Final = "projected"
MIX_DAYS: Final = 30
"""Of the last so many days is the mix of a month that has no cost yet."""

BilledAt = Callable[[int, int, int], Billed | None]
"""(price id, prompt length, minute of the day) -> what each meter was billed at."""


@dataclass(frozen=True)
class Account:
    """The usage of one period. `projected`: it is scaled to the projection's median; `period` then is where its mix is
    from."""

    period: Period
    whole: Side
    projects: Mapping[str, Side]
    requests: int
    unpriced_requests: int
    projected: bool = False


@dataclass(frozen=True)
class Bridged:
    """`whole` with the share of each model in it, and each project's own bridge."""

    a: Account
    b: Account
    whole: Bridge
    models: Mapping[str, Bridge]
    projects: Mapping[str, Bridge]


def bridged(a: Account, b: Account) -> Bridged:
    """The bridge from A to B, as a whole, by model and by project, the largest difference first."""
    whole, models = bridge(a.whole, b.whole)
    every = sorted(a.projects.keys() | b.projects.keys())
    projects = {name: bridge(a.projects.get(name, Side()), b.projects.get(name, Side()))[0] for name in every}
    return Bridged(a, b, whole, models, dict(sorted(projects.items(), key=lambda item: -abs(item[1].difference))))


def account(connection: Connection, period: Period, until: datetime | None = None) -> Account:
    """The usage of a period; `until`: of its hours before that."""
    end = min(period.until, until) if until is not None else period.until
    rates = rates_of_rows(connection, used_prices(connection))
    usage = lots(connection, whole_hours(period.since, end), rates.values(), by_day=False)
    whole, projects = gathered(usage, names(connection), billed_at(rates))
    unpriced = int(usage.requests[usage.priced == 0].sum())
    return Account(period, whole, projects, int(usage.requests.sum()), unpriced)


def projected(connection: Connection, as_of: datetime, timezone: str = "UTC") -> Account:
    """This month as it is projected: its mix so far, scaled to the median. Raises UsageError without a projection."""
    month = month_of(moment(as_of, timezone).day, timezone)
    [told] = answers(connection, [Question(ALL, month)], as_of)
    if told.projection is None:
        raise UsageError(f"This month has no projection. {told.note or ''}".strip())
    found = account(connection, month, as_of)
    if not told.spent:
        day = moment(as_of, timezone).day + ONE_DAY
        found = account(connection, span(day - timedelta(days=MIX_DAYS), day, timezone), as_of)
    cost = sum((lot.cost for routes in found.whole.lots.values() for lot in routes.values()), Fraction(0))
    by = Fraction(told.projection.total.median) / cost if cost else Fraction(1)
    projects = {name: side.scaled(by) for name, side in found.projects.items()}
    requests, unpriced = (round(n * by) for n in (found.requests, found.unpriced_requests))
    return Account(found.period, found.whole.scaled(by), projects, requests, unpriced, projected=True)


@dataclass
class _Sums:
    """A lot that is being added up. Whole numbers."""

    requests: int = 0
    units: dict[str, int] = field(default_factory=dict)
    charges: dict[str, int] = field(default_factory=dict)
    tiers: dict[Tier, tuple[int, int]] = field(default_factory=dict)

    def lot(self) -> Lot:
        units, charges = ({m: Fraction(n) for m, n in each.items()} for each in (self.units, self.charges))
        tiers = {tier: (Fraction(used), Fraction(charge)) for tier, (used, charge) in self.tiers.items()}
        return Lot(Fraction(self.requests), units, charges, tiers)


def gathered(usage: Lots, known: Names, billed_at: BilledAt) -> tuple[Side, dict[str, Side]]:
    """The whole and each project, of lots whose days are not told apart. Pure."""
    sums: dict[tuple[str, str, Route], _Sums] = {}
    requests: dict[str, int] = {}
    meters = list(usage.units)
    ids = zip(usage.subject_id.tolist(), usage.label_id.tolist(), usage.requests.tolist(), strict=True)
    at = zip(usage.price_id.tolist(), usage.band.tolist(), usage.slot.tolist(), strict=True)
    money = zip(usage.priced.tolist(), usage.cost_nano.tolist(), strict=True)
    units = zip(*(column.tolist() for column in usage.units.values()), strict=True) if meters else [()] * len(usage)
    for (subject_id, label_id, count), place, (priced, nano), used in zip(ids, at, money, units, strict=True):
        project, subject = known.labels[label_id][0], known.subjects[subject_id]
        requests[project] = requests.get(project, 0) + count
        if priced:
            route = (subject.as_provider or subject.provider, subject.variant)
            each = sums.setdefault((project, subject.as_model or subject.model, route), _Sums())
            quantities = {meter: n for meter, n in zip(meters, used, strict=True) if n} | {REQUEST: count}
            _add(each, quantities, count, nano, billed_at(*place))
    projects = {name: Side(_lots(sums, name), Fraction(total)) for name, total in requests.items()}
    return Side(_lots(sums), Fraction(sum(requests.values()))), projects


def _add(sums: _Sums, quantities: Mapping[str, int], requests: int, nano: int, at: Billed | None) -> None:
    charges = charged(quantities, nano, at)
    condition = (at.cell.from_tokens, at.cell.from_minute) if at is not None else (0, 0)
    for meter, units in quantities.items():
        tier = (meter, *condition)
        used, charge = sums.tiers.get(tier, (0, 0))
        sums.tiers[tier] = (used + units, charge + charges.get(meter, 0))
    sums.requests += requests
    for into, values in ((sums.units, quantities), (sums.charges, charges)):
        for meter, value in values.items():
            into[meter] = into.get(meter, 0) + value


def _lots(sums: Mapping[tuple[str, str, Route], _Sums], project: str | None = None) -> dict[str, dict[Route, Lot]]:
    found: dict[str, dict[Route, Lot]] = {}
    for (of, model, route), each in sums.items():
        if project is None or of == project:
            lots_of = found.setdefault(model, {})
            lots_of[route] = lots_of[route] + each.lot() if route in lots_of else each.lot()
    return found


def charged(quantities: Mapping[str, int], nano: int, at: Billed | None) -> dict[str, int]:
    """What each meter cost, in 1e-15 USD; together exactly `nano` (1e-9 USD).

    What the rounding of cells to 1e-9 USD left is on the dearest meter. A cost whose price is not on record is one of
    the requests.
    """
    total = nano * FEMTO_PER_NANO
    if at is None:
        return {REQUEST: total}
    rates = {**at.femto, REQUEST: at.request_femto}
    charges = {meter: n * rates.get(meter, 0) for meter, n in quantities.items()}
    dearest = max(charges, key=lambda meter: charges[meter])
    charges[dearest] += total - sum(charges.values())
    return charges


def billed_at(rates: Mapping[int, Rates]) -> BilledAt:
    """What is billed where. `rates`: of each ledger row. Pure."""

    @cache
    def of(price_id: int) -> Sequence[Billed]:
        return [billed(cell) for cell in cells(rates.get(price_id, ()))]

    @cache
    def at(price_id: int, length: int, minute: int) -> Billed | None:
        return next((each for each in of(price_id) if _holds(each, length, minute)), None)

    return lambda price_id, length, minute: at(price_id, length, minute) if price_id in rates else None


def _holds(each: Billed, length: int, minute: int) -> bool:
    cell = each.cell
    in_time = cell.from_minute <= minute < cell.to_minute
    return in_time and cell.from_tokens <= length < (cell.to_tokens or ANY_LENGTH)
