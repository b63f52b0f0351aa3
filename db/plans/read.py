"""Reading budgets, scenarios, and what was spent on each day of a zone."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Row, case, func, literal, select

from db.plans.facts import Budget, parse_scope
from db.plans.periods import EPOCH, Kind, offsets
from db.plans.scenario import Scenario, parse_move
from db.plans.store import BUDGET, SCENARIO, unknown
from db.usage.keys import MINUTES_A_DAY
from db.usage.outdated import HOUR_MINUTES, instant
from db.usage.read import HOUR, View, cells_of, last_minute, streamed

PATIENCE: Final = timedelta(days=7)
"""So long after the last usage on record nothing says whether there was more; later, there was none."""


def budgets(connection: Connection) -> list[Budget]:
    """Every budget, by name."""
    return [_budget(row) for row in connection.execute(select(BUDGET).order_by(BUDGET.c.name))]


def budget(connection: Connection, name: str) -> Budget:
    """Raises UsageError where there is none of that name."""
    row = connection.execute(select(BUDGET).where(BUDGET.c.name == name)).one_or_none()
    if row is None:
        raise unknown(connection, BUDGET, name)
    return _budget(row)


def _budget(row: Row[Any]) -> Budget:
    warn_at = tuple(Decimal(share) for share in row.warn_at)
    of = parse_scope(row.scope)
    return Budget(row.name, row.limit_usd, Kind(row.kind), row.timezone, of, warn_at, row.start, row.end)


def scenarios(connection: Connection) -> list[Scenario]:
    """Every scenario, by name."""
    return [_scenario(row) for row in connection.execute(select(SCENARIO).order_by(SCENARIO.c.name))]


def scenario(connection: Connection, name: str) -> Scenario:
    """Raises UsageError where there is none of that name."""
    row = connection.execute(select(SCENARIO).where(SCENARIO.c.name == name)).one_or_none()
    if row is None:
        raise unknown(connection, SCENARIO, name)
    return _scenario(row)


def _scenario(row: Row[Any]) -> Scenario:
    return Scenario(row.name, tuple(map(parse_move, row.moves)), row.volume, row.cache_rate)


def usage_until(connection: Connection, now: datetime) -> datetime:
    """Up to when usage is known: the last whole hour, or the end of the last one with usage where that is no longer
    than PATIENCE ago. Logs that were not imported yet are unknown, not $0."""
    hour, end = whole_hour(now), last_use(connection, now)
    return end if hour - end <= PATIENCE else hour


def last_use(connection: Connection, now: datetime) -> datetime:
    """The end of the last hour with usage before `now`'s own; the start of that without any."""
    hour = whole_hour(now)
    last = last_minute(connection, View(until=hour))
    return hour if last is None else instant(last // HOUR_MINUTES * HOUR_MINUTES + HOUR_MINUTES)


def whole_hour(at: datetime) -> datetime:
    """The start of its UTC hour."""
    return at.astimezone(UTC).replace(minute=0, second=0, microsecond=0)


@dataclass(frozen=True, slots=True)
class Spent:
    """What the usage of one subject and label came to on one day: 1e-9 USD of what has a price."""

    day: date
    subject_id: int
    label_id: int
    nano: int
    requests: int
    unpriced_requests: int


def daily(connection: Connection, timezone: str, until: datetime, since: datetime | None = None) -> Iterator[Spent]:
    """Spend by day of a zone, subject and label: of the hours that begin in [since, until), both whole hours."""
    view = View(since=since, until=until)
    # An import may reach back for years, and no further than 1970.
    first = connection.execute(select(func.min(HOUR.c.minute)).where(cells_of(connection, view))).scalar_one()
    if first is None:
        return
    day = _local_day(timezone, instant(first).date(), until.date())
    unpriced = case((HOUR.c.cost_nano.is_(None), HOUR.c.requests), else_=0)
    group = (day, HOUR.c.subject_id, HOUR.c.label_id)
    sums = (func.coalesce(func.sum(each), 0) for each in (HOUR.c.cost_nano, HOUR.c.requests, unpriced))
    query = select(*group, *sums).where(cells_of(connection, view)).group_by(*group)
    for number, subject_id, label_id, nano, requests, without in streamed(connection, query):
        yield Spent(EPOCH + timedelta(days=int(number)), subject_id, label_id, int(nano), int(requests), int(without))


def _local_day(timezone: str, first: date, last: date) -> ColumnElement[int]:
    """The number of the zone's day, since 1970, in which a cell begins."""
    ahead = offsets(timezone, first, last)
    minutes = (
        case(
            *((HOUR.c.minute < _written(begin), _written(before)) for (begin, _), (_, before) in zip(ahead[1:], ahead)),  # noqa: B905
            else_=_written(ahead[-1][1]),
        )
        if len(ahead) > 1
        else _written(ahead[0][1])
    )
    return ((HOUR.c.minute + minutes) // _written(MINUTES_A_DAY)).label("local_day")


def _written(value: int) -> ColumnElement[int]:
    """Part of the statement's text: PostgreSQL would take two parameters for two different expressions."""
    return literal(value, literal_execute=True)
