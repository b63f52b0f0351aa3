"""Where a scope's spend stands in a period, and what the period will come to. Pure but for reading in `projections`."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Final

from sqlalchemy import Connection

from db.plans import read
from db.plans.alerts import BudgetState
from db.plans.exposure import Step
from db.plans.facts import ALL, Budget, Scope, share_of
from db.plans.forecast import Projection, project
from db.plans.known_steps import Ahead, known_ahead
from db.plans.periods import ONE_DAY, Kind, Period, moment, month, month_of
from db.plans.read import Spent
from db.usage.exact import usd
from db.usage.keys import TAG, Names
from db.usage.read import names

METHOD: Final = "blend of run rates with conformal intervals"
SHARE_WINDOW: Final = timedelta(days=28)
"""A step concerns the share of the spend that its usage had over so many days."""

Pair = tuple[int, int]
"""The ids of a subject and a label."""


@dataclass(frozen=True, slots=True)
class Question:
    """Of whom, for which period, against which budget (None: none)."""

    scope: Scope
    period: Period
    budget: Budget | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """Where a scope stands at `as_of`, and what its period comes to. Money in 1e-9 USD.

    `spent`: exact, of the period up to `as_of`; None where none of its requests has a price. `projection`: None where
    there is nothing to project from; a `note` says why. `unpriced_requests` of `requests` are in neither.
    """

    question: Question
    as_of: datetime
    spent: int | None
    projection: Projection | None
    requests: int
    unpriced_requests: int
    steps: tuple[Ahead, ...] = ()
    note: str | None = None

    @property
    def share(self) -> Decimal | None:
        """How much of the budget is spent; None without a budget, or where nothing has a price."""
        budget = self.question.budget
        return share_of(self.spent, budget.limit_nano) if budget is not None and self.spent is not None else None

    @property
    def is_over(self) -> bool:
        """Whether more than the budget is spent."""
        budget = self.question.budget
        return budget is not None and self.spent is not None and self.spent > budget.limit_nano

    @property
    def will_be_over(self) -> bool:
        """Whether the median of the period's total is above the budget."""
        budget = self.question.budget
        return budget is not None and self.projection is not None and self.projection.total.median > budget.limit_nano


@dataclass
class _Sums:
    """What some usage came to, day by day of a zone."""

    nano: dict[date, int] = field(default_factory=dict)
    requests: dict[date, int] = field(default_factory=dict)
    unpriced: dict[date, int] = field(default_factory=dict)

    def add(self, each: Spent) -> None:
        for sums, value in (
            (self.nano, each.nano),
            (self.requests, each.requests),
            (self.unpriced, each.unpriced_requests),
        ):
            sums[each.day] = sums.get(each.day, 0) + value

    @property
    def has_price(self) -> bool:
        """Whether any request has one, were it $0."""
        return sum(self.requests.values()) > sum(self.unpriced.values())

    def within(self, sums: Mapping[date, int], period: Period) -> int:
        return sum(value for day, value in sums.items() if period.start <= day < period.end)


def answer(question: Question, as_of: datetime, spent: Iterable[Spent], ahead: Sequence[Ahead] = ()) -> Answer:
    """The answer from what the scope's usage came to on each day of the period's zone, before `as_of`. Pure."""
    sums, by_subject = _Sums(), dict[int, int]()
    at, period = moment(as_of, question.period.timezone), question.period
    for each in spent:
        sums.add(each)
        if each.day > at.day - SHARE_WINDOW:
            by_subject[each.subject_id] = by_subject.get(each.subject_id, 0) + each.nano
    requests, unpriced = sums.within(sums.requests, period), sums.within(sums.unpriced, period)
    known = None if requests and requests == unpriced else sums.within(sums.nano, period)
    mine = tuple(each for each in ahead if at.day < each.day < period.end and by_subject.get(each.subject_id))
    is_over = at.day >= period.end or (at.day, at.elapsed) == (period.end - ONE_DAY, 1)
    projection = None
    if known is not None and (is_over or sums.has_price):
        limit = question.budget.limit_nano if question.budget is not None else None
        steps = _steps(mine, by_subject)
        projection = project(sums.nano, at.day, period.start, period.end, elapsed=at.elapsed, limit=limit, steps=steps)
    note = _note(question.scope, sums, requests, unpriced, is_over=is_over)
    return Answer(question, as_of, known, projection, requests, unpriced, mine, note)


def _note(of: Scope, sums: _Sums, requests: int, unpriced: int, *, is_over: bool) -> str | None:
    """What stands in the way of a projection, or is not in it."""
    if requests and requests == unpriced:
        return f"None of the {requests:,} requests of {of} has a price: what they cost is unknown, not $0."
    if unpriced:
        return f"{unpriced:,} of {requests:,} requests of {of} are unpriced; their cost is not in these amounts."
    if is_over or sums.has_price:
        return None
    had = "No request ever had a price" if sums.requests else "No usage is on record"
    return f"{had} ({of}): there is nothing to project from."


def _steps(ahead: Sequence[Ahead], by_subject: Mapping[int, int]) -> list[Step]:
    total = sum(by_subject.values())
    return [
        Step(each.day, each.factor, by_subject[each.subject_id] / total)
        for each in ahead
        if each.factor is not None and total
    ]


def answers(connection: Connection, questions: Sequence[Question], as_of: datetime) -> list[Answer]:
    """An answer to each question, from the usage of the hours that ended by `as_of`.

    Price steps that are known ahead are in it (see db.plans.known_steps).
    """
    known, until = names(connection), read.whole_hour(as_of)
    found: dict[str, dict[Pair, list[Spent]]] = {}
    for timezone in {each.period.timezone for each in questions}:
        pairs = found.setdefault(timezone, {})
        for spent in read.daily(connection, timezone, until):
            pairs.setdefault((spent.subject_id, spent.label_id), []).append(spent)
    ahead = known_ahead(connection, until) if any(found.values()) else []
    return [answer(each, until, _of(each.scope, found[each.period.timezone], known), ahead) for each in questions]


def _of(scope: Scope, found: Mapping[Pair, Sequence[Spent]], known: Names) -> Iterable[Spent]:
    return (
        spent
        for (subject_id, label_id), each in found.items()
        if scope.holds(known.subjects[subject_id], known.labels[label_id])
        for spent in each
    )


def of_month(connection: Connection, text: str | None, as_of: datetime, by: str | None = None) -> list[Question]:
    """All usage (or that of each value of a scope key `by`) in a month, against the budget that it has.

    The month is `text`, else the one of `as_of`. Of several monthly budgets of one scope, the least counts. Days are in
    the budget's zone, UTC without one.
    """
    monthly = {}
    for budget in sorted(read.budgets(connection), key=lambda each: each.limit_usd, reverse=True):
        if budget.kind is Kind.MONTH:
            monthly[budget.scope] = budget
    found = []
    for scope in _scopes(names(connection), by):
        mine = monthly.get(scope)
        zone = mine.timezone if mine is not None else "UTC"
        period = month(text, zone) if text else month_of(moment(as_of, zone).day, zone)
        found.append(Question(scope, period, mine))
    return found


def _scopes(known: Names, by: str | None) -> list[Scope]:
    if by is None:
        return [ALL]
    of_subject = {"model": "as_model", "provider": "as_provider"}
    values: set[str] = set()
    if by in of_subject:
        values = {getattr(each, of_subject[by]) or getattr(each, by) for each in known.subjects.values()}
    elif by.startswith(TAG):
        from db.usage.tags import tags_of

        tagged = (tags_of(label[3]).get(by.removeprefix(TAG)) for label in known.labels.values())
        values = {value for value in tagged if value is not None}
    else:
        values = {label[0 if by == "project" else 1] for label in known.labels.values()}
    return [Scope(by, value) for value in sorted(values)] or [ALL]


def of_budget(budget: Budget, as_of: datetime, month_text: str | None = None) -> Question:
    """A budget in its period at `as_of`, or in a month of its own zone."""
    if month_text is not None and budget.kind is Kind.MONTH:
        return Question(budget.scope, month(month_text, budget.timezone), budget)
    return Question(budget.scope, budget.period(moment(as_of, budget.timezone).day), budget)


def of_budgets(connection: Connection, as_of: datetime) -> list[Answer]:
    """Where every budget stands in its period at `as_of`, by name."""
    return answers(connection, [of_budget(each, as_of) for each in read.budgets(connection)], as_of)


def budget_states(connection: Connection, now: datetime) -> list[BudgetState]:
    """Every budget whose period is under way, as alerts want it."""
    as_of = read.usage_until(connection, now)
    return [
        _state(each)
        for each in of_budgets(connection, as_of)
        if each.question.period.since <= as_of <= each.question.period.until
    ]


def _state(each: Answer) -> BudgetState:
    budget, projection = each.question.budget, each.projection
    assert budget is not None  # noqa: S101  # the question was about one
    crossing = projection.crossing if projection is not None else None
    return BudgetState(
        budget.name,
        each.question.period.key,
        usd(each.spent or 0),
        budget.limit_usd,
        each.share or Decimal(0),
        budget.warn_at,
        usd(projection.total.median) if projection is not None else None,
        crossing.probability if crossing is not None else None,
        each.unpriced_requests,
    )
