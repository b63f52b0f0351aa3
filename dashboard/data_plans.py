"""The one reader, for plans: budgets, projections, bridges, scenarios, impacts and alerts.

What was read is kept until usage is imported, restated or taken out, or a budget or scenario is set or removed.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from itertools import accumulate

from sqlalchemy import Connection, Table, func, select

from dashboard.data import Reader, end_of, engine_of, kept
from db.catalog import read as catalog
from db.engine import reading
from db.plans import alert_read, bridging, impacts, projection, read, suggest, what_if
from db.plans.alert_read import Told
from db.plans.bridging import Account, Bridged
from db.plans.facts import SCOPES, Budget, Scope
from db.plans.impact import Impact
from db.plans.lot_read import whole_hours
from db.plans.periods import Period, moment, month_of
from db.plans.projection import Answer, Question
from db.plans.scenario import Scenario
from db.plans.store import BUDGET, SCENARIO
from db.plans.suggest import Suggestion
from db.usage.outdated import instant
from db.usage.read import COSTING, HOUR, cells_of, known_costing, names
from db.usage.read import View as UsageView

Stamp = tuple[int, int, datetime | None]


@dataclass(frozen=True, slots=True)
class Seen:
    """The state of usage and plans that a page shows. `until`: up to when usage is known; `first`: when it begins,
    None where there is none up to then; `sampled`: whether synthetic usage is in it; `asof`: the day that was asked
    for, None for now."""

    usage: Stamp
    plans: tuple[Stamp, Stamp]
    until: datetime
    first: datetime | None
    sampled: bool
    asof: date | None = None

    @property
    def has_usage(self) -> bool:
        return self.first is not None


def seen(reader: Reader, asof: date | None = None) -> Seen:
    """The state at the end of the as-of day, or now."""
    with reading(engine_of(reader.url)) as connection:
        usage = (known_costing(connection), *_count_and_newest(connection, COSTING, "recorded_at"))
        budgets, scenarios = ((0, *_count_and_newest(connection, table, "set_at")) for table in (BUDGET, SCENARIO))
    extent = _extent(reader, usage, read.whole_hour(reader.now), end_of(asof))
    return Seen(usage, (budgets, scenarios), *extent, asof)


def _count_and_newest(connection: Connection, table: Table, column: str) -> tuple[int, datetime | None]:
    newest = func.max(table.c[column], type_=table.c[column].type)
    count, at = connection.execute(select(func.count(), newest).select_from(table)).one()
    return int(count), at


@kept
def _extent(
    connection: Connection, _usage: Stamp, hour: datetime, end: datetime | None
) -> tuple[datetime, datetime | None, bool]:
    """`until`, `first` and `sampled` of a state; `hour`: the last whole one, `end`: of the as-of day."""
    until = read.usage_until(connection, hour)
    if end is not None:
        until = min(until, end + timedelta(microseconds=1))
    inside = cells_of(connection, UsageView(until=until))
    first = connection.execute(select(func.min(HOUR.c.minute)).where(inside)).scalar_one()
    sampled = bool(names(connection, ()).samples)
    return until, None if first is None else instant(first), sampled


@kept
def budgets(connection: Connection, _seen: Seen) -> tuple[Budget, ...]:
    """Every budget, by name."""
    return tuple(read.budgets(connection))


@kept
def standings(connection: Connection, seen: Seen) -> tuple[Answer, ...]:
    """Where every budget stands in its period, by name."""
    return tuple(projection.of_budgets(connection, seen.until))


@kept
def scopes(connection: Connection, _seen: Seen) -> tuple[Scope, ...]:
    """Whose usage can be asked for: each project, model, provider and key that has some."""
    known = names(connection)
    labels, subjects = known.labels.values(), known.subjects.values()
    values: dict[str, Iterable[str]] = {
        "project": (label[0] for label in labels),
        "model": (each.as_model or each.model for each in subjects),
        "provider": (each.as_provider or each.provider for each in subjects),
        "api_key": (label[1] for label in labels),
    }
    return tuple(Scope(key, value) for key in SCOPES.values() for value in sorted(set(values[key])) if value)


@kept
def answer(connection: Connection, seen: Seen, question: Question) -> Answer:
    """What the asked period comes to."""
    return projection.answers(connection, [question], seen.until)[0]


@kept
def monthly(connection: Connection, seen: Seen) -> Answer:
    """All usage of this month, against the monthly budget that all of it has, and in whose time zone the month is."""
    asked = projection.of_month(connection, None, seen.until)
    return projection.answers(connection, asked, seen.until)[0]


@kept
def running(connection: Connection, seen: Seen, scope: Scope, period: Period) -> tuple[tuple[date, int], ...]:
    """Each day of the period up to the one under way, with what had been spent at its end (1e-9 USD)."""
    if not seen.has_usage or period.since >= seen.until:
        return ()
    known = names(connection)
    view = whole_hours(period.since, min(period.until, seen.until))
    sums: dict[date, int] = {}
    if view.since is not None and view.until is not None and view.since < view.until:
        for spent in read.daily(connection, period.timezone, view.until, view.since):
            if scope.holds(known.subjects[spent.subject_id], known.labels[spent.label_id]):
                sums[spent.day] = sums.get(spent.day, 0) + spent.nano
    end = min(moment(seen.until, period.timezone).day + timedelta(days=1), period.end)
    days = [period.start + timedelta(days=i) for i in range((end - period.start).days)]
    return tuple(zip(days, accumulate(sums.get(day, 0) for day in days), strict=True))


@kept
def bridged(connection: Connection, seen: Seen, a: Period, b: Period) -> Bridged:
    """From one period to another, as far as its usage is known."""
    return bridging.bridged(_account(connection, seen, a), _account(connection, seen, b))


@kept
def bridged_ahead(connection: Connection, seen: Seen, a: Period) -> Bridged:
    """From a period to this month as it is projected. Raises UsageError without a projection."""
    ahead = bridging.projected(connection, seen.until, a.timezone)
    # Where its mix is from is not the period that it stands for.
    month = month_of(moment(seen.until, a.timezone).day, a.timezone)
    return bridging.bridged(_account(connection, seen, a), replace(ahead, period=month))


def _account(connection: Connection, seen: Seen, period: Period) -> Account:
    return bridging.account(connection, period, seen.until)


@kept
def impacts_of(
    connection: Connection, seen: Seen, since: datetime | None, until: datetime | None, model: str | None
) -> tuple[Impact, ...]:
    """What each price change in [since, until) does to the bill of a month, the newest first."""
    if not seen.has_usage:
        return ()
    return tuple(impacts.impacts(connection, since, until, seen.until, model))


@kept
def scenarios(connection: Connection, _seen: Seen) -> tuple[Scenario, ...]:
    """Every scenario, by name."""
    return tuple(read.scenarios(connection))


@kept
def recosted(connection: Connection, seen: Seen, scenario: Scenario, since: datetime, until: datetime) -> what_if.Told:
    """What the usage of [since, until) would have cost. Raises UsageError for a move that names no endpoint."""
    del seen  # only tells one state from the next
    return what_if.recosted(connection, scenario, ("model",), UsageView(since=since, until=until))


@kept
def suggestions(connection: Connection, seen: Seen) -> tuple[Suggestion, ...]:
    """The switches that would save most, the largest saving first."""
    return tuple(suggest.suggestions(connection, seen.until)) if seen.has_usage else ()


@kept
def used(connection: Connection, _seen: Seen) -> tuple[str, ...]:
    """MODEL@PROVIDER of all usage, as a move names it."""
    found = {
        (each.as_model or each.model, each.as_provider or each.provider) for each in names(connection).subjects.values()
    }
    return tuple(sorted(f"{model}@{provider}" if provider else model for model, provider in found))


@kept
def endpoints(connection: Connection) -> tuple[str, ...]:
    """MODEL@PROVIDER of every endpoint that is known, as a move names it."""
    return tuple(sorted({f"{each.model}@{each.provider}" for each in catalog.endpoints(connection)}))


def alerts(reader: Reader, since: datetime, limit: int) -> tuple[Told, ...]:
    """Alerts that are open, or were raised since then, newest first."""
    with reading(engine_of(reader.url)) as connection:
        return tuple(alert_read.alerts(connection, since, limit))
