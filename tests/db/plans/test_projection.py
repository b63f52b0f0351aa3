"""Budgets and projections from usage in the database."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import Engine

from db.engine import reading, writing
from db.errors import UsageError
from db.plans import projection, read, store
from db.plans.facts import ALL, Budget, Scope, parse_scope, parse_share, parse_usd
from db.plans.known_steps import Ahead
from db.plans.periods import Kind, month
from db.plans.projection import Answer, Question
from db.usage.rollup import Label
from tests.db.usage_reading.made import USD, Book, Cell
from tests.db.worlds import START

SEARCH: Label = ("search", "key-1", "", '{"team":"web"}')
CHAT: Label = ("chat", "key-2", "", "")


def cell(when: datetime, usd: int | None = 1, **given: Any) -> Cell:
    hour = (when - START) / timedelta(hours=1)
    return Cell(hour, {"prompt": 10}, usd * USD if usd is not None else None, **given)


def day(number: int, hour: int = 12, of: int = 1) -> datetime:
    return datetime(2026, of, number, hour, tzinfo=UTC)


def ask(engine: Engine, as_of: datetime, question: Question) -> Answer:
    with reading(engine) as connection:
        return projection.answers(connection, [question], as_of)[0]


def months_total(engine: Engine, text: str, timezone: str) -> int | None:
    found = ask(engine, day(28, 0, 12), Question(ALL, month(text, timezone)))
    return found.spent


def test_spent_is_exact_and_the_rest_is_projected(engine: Engine) -> None:
    Book(engine).add([cell(day(n), 2) for n in range(1, 15)], day(20))
    found = ask(engine, day(15, 0), Question(ALL, month("2026-01"), Budget("b", Decimal(40))))
    assert (found.spent, found.requests, found.share) == (28 * USD, 14, Decimal("0.7"))
    told = found.projection
    assert told is not None
    assert told.total.median == pytest.approx(62 * USD, rel=0.05)
    assert told.total.low80 <= told.total.low50 <= told.total.median <= told.total.high50 <= told.total.high80
    assert told.crossing is not None
    assert told.crossing.day is not None
    assert abs((told.crossing.day - date(2026, 1, 21)).days) <= 1
    assert found.will_be_over
    assert not found.is_over


def test_as_of_takes_nothing_after_it(engine: Engine) -> None:
    Book(engine).add([cell(day(n), 2) for n in range(1, 15)] + [cell(day(20), 900)], day(20))
    found = ask(engine, day(15, 0), Question(ALL, month("2026-01")))
    later = ask(engine, day(10, 13), Question(ALL, month("2026-01")))
    assert (found.spent, later.spent) == (28 * USD, 20 * USD)
    assert found.projection is not None
    assert found.projection.total.median < 100 * USD


def test_no_usage_at_all_is_nothing_spent_and_nothing_to_project_from(engine: Engine) -> None:
    found = ask(engine, day(15), Question(ALL, month("2026-01"), Budget("b", Decimal(40))))
    assert (found.spent, found.projection, found.share) == (0, None, Decimal(0))
    assert found.note == "No usage is on record (all): there is nothing to project from."


def test_one_day_of_usage_has_a_range_without_its_outer_bounds(engine: Engine) -> None:
    Book(engine).add([cell(day(1))], day(20))
    told = ask(engine, day(2, 0), Question(ALL, month("2026-01"))).projection
    assert told is not None
    assert (told.history, told.total.low95, told.backtest) == (1, None, None)
    assert told.total.low80 < told.total.median < told.total.high80


@pytest.mark.parametrize(("text", "days"), [("2026-02", 28), ("2026-04", 30), ("2026-05", 31), ("2028-02", 29)])
def test_a_month_holds_its_days_and_no_others(engine: Engine, text: str, days: int) -> None:
    period = month(text)
    hours = [period.since - timedelta(hours=1) + timedelta(hours=n) for n in range(days * 24 + 2)]
    Book(engine).add([cell(hour) for hour in hours], period.until)
    found = ask(engine, period.until + timedelta(days=1), Question(ALL, period))
    assert found.spent == days * 24 * USD
    assert found.projection is not None
    assert found.projection.total.high80 == found.spent


def test_an_hour_belongs_to_the_period_in_which_it_begins(engine: Engine) -> None:
    kolkata = [datetime(2026, 1, 31, hour, tzinfo=UTC) for hour in (17, 18, 19)]  # midnight is at 18:30
    Book(engine).add([cell(hour) for hour in kolkata], day(20))
    assert months_total(engine, "2026-01", "Asia/Kolkata") == 2 * USD
    assert months_total(engine, "2026-02", "Asia/Kolkata") == 1 * USD


@pytest.mark.parametrize(("night", "hours"), [(date(2026, 3, 29), 23), (date(2026, 10, 25), 25)])
def test_the_night_when_clocks_change_is_an_hour_shorter_or_longer(engine: Engine, night: date, hours: int) -> None:
    noon = datetime(night.year, night.month, night.day, 12, tzinfo=UTC)
    Book(engine).add([cell(noon + timedelta(hours=n)) for n in range(-40, 40)], day(20))
    with reading(engine) as connection:
        spent = {each.day: each.nano for each in read.daily(connection, "Europe/Berlin", noon + timedelta(days=9))}
    assert spent[night] == hours * USD
    assert spent[night + timedelta(days=1)] == 24 * USD


def test_the_years_turn_is_in_the_zone(engine: Engine) -> None:
    turn = datetime(2025, 12, 31, 22, tzinfo=UTC)
    Book(engine).add([cell(turn), cell(turn + timedelta(hours=1)), cell(turn + timedelta(hours=2))], day(20))
    assert months_total(engine, "2025-12", "Europe/Berlin") == 1 * USD
    assert months_total(engine, "2026-01", "Europe/Berlin") == 2 * USD


def test_what_has_no_price_is_unknown_and_not_nothing(engine: Engine) -> None:
    Book(engine).add([cell(day(n), None, requests=3) for n in range(1, 10)], day(20))
    found = ask(engine, day(15), Question(ALL, month("2026-01"), Budget("b", Decimal(40))))
    assert (found.spent, found.projection, found.share, found.unpriced_requests) == (None, None, None, 27)
    assert found.note == "None of the 27 requests of all has a price: what they cost is unknown, not $0."


def test_some_without_a_price_stand_beside(engine: Engine) -> None:
    Book(engine).add([cell(day(1)), cell(day(2)), cell(day(2), None, requests=3)], day(20))
    found = ask(engine, day(15), Question(ALL, month("2026-01")))
    assert (found.spent, found.requests, found.unpriced_requests) == (2 * USD, 5, 3)
    assert found.projection is not None


def test_a_budget_of_nothing_is_crossed_by_anything(engine: Engine) -> None:
    nothing = Budget("b", Decimal(0))
    Book(engine).add([cell(day(1))], day(20))
    before = ask(engine, day(1, 0), Question(ALL, month("2026-01"), nothing))
    after = ask(engine, day(3), Question(ALL, month("2026-01"), nothing))
    assert (before.share, before.is_over) == (Decimal(0), False)
    assert (after.share, after.is_over) == (Decimal("Infinity"), True)


def test_each_scope_has_its_own_usage_and_its_own_budget(engine: Engine) -> None:
    cells = [cell(day(1), 3, label=SEARCH), cell(day(2), 4, label=CHAT, model="author/b")]
    Book(engine).add(cells, day(20))
    with writing(engine) as connection:
        limit = Budget("web", Decimal(9), timezone="Europe/Berlin", scope=Scope("project", "search"))
        store.set_budget(connection, limit, day(1))
    with reading(engine) as connection:
        asked = projection.of_month(connection, None, day(15), "project")
        found = {str(each.question.scope): each for each in projection.answers(connection, asked, day(15))}
        for text, nano in {
            "tag:team=web": 3,
            "key=key-2": 4,
            "model=author/b": 4,
            "provider=openrouter": 7,
            "project=none": 0,
        }.items():
            question = Question(parse_scope(text), month("2026-01"))
            assert projection.answers(connection, [question], day(15))[0].spent == nano * USD
    assert {name: each.spent for name, each in found.items()} == {"project=search": 3 * USD, "project=chat": 4 * USD}
    web, other = found["project=search"].question, found["project=chat"].question
    assert (web.budget, web.period.timezone) == (limit, "Europe/Berlin")
    assert (other.budget, other.period.timezone) == (None, "UTC")


def test_a_step_known_ahead_changes_the_rest_by_its_share(engine: Engine) -> None:
    Book(engine).add([cell(day(n), 2) for n in range(1, 15)], day(20))
    with reading(engine) as connection:
        spent = list(read.daily(connection, "UTC", day(15, 0)))
    question = Question(ALL, month("2026-01"))
    subject = spent[0].subject_id
    plain = projection.answer(question, day(15, 0), spent)
    doubled = projection.answer(question, day(15, 0), spent, [Ahead(date(2026, 1, 15), subject, 2.0, "")])
    unknown = projection.answer(question, day(15, 0), spent, [Ahead(date(2026, 1, 15), subject, None, "it ends")])
    assert plain.projection is not None
    assert doubled.projection is not None
    assert doubled.spent == plain.spent
    rest = plain.projection.total.median - 28 * USD
    assert doubled.projection.total.median == pytest.approx(28 * USD + 2 * rest, rel=0.01)
    assert unknown.projection == plain.projection
    assert unknown.steps[0].text == "it ends"


def test_logs_that_are_not_imported_yet_are_not_silence(engine: Engine) -> None:
    Book(engine).add([cell(day(3))], day(20))
    with reading(engine) as connection:
        assert read.usage_until(connection, day(6)) == day(3, 13)
        assert read.usage_until(connection, day(20, 7)) == day(20, 7)
        assert read.usage_until(connection, day(1, 7)) == day(1, 7)


def test_budgets_are_kept_replaced_and_removed(engine: Engine) -> None:
    custom = Budget("launch", Decimal("99.9"), Kind.CUSTOM, start=date(2026, 1, 5), end=date(2026, 3, 1))
    with writing(engine) as connection:
        store.set_budget(connection, Budget("a", Decimal(1)), day(1))
        store.set_budget(connection, Budget("a", Decimal("0.10"), Kind.QUARTER, "Asia/Tokyo", SCOPE), day(2))
        store.set_budget(connection, custom, day(2))
    with reading(engine) as connection:
        assert read.budgets(connection) == [Budget("a", Decimal("0.1"), Kind.QUARTER, "Asia/Tokyo", SCOPE), custom]
        assert custom.period(date(2027, 1, 1)).key == "2026-01-05..2026-03-01"
    with writing(engine) as connection:
        store.remove_budget(connection, "a")
        with pytest.raises(UsageError, match=r"There is no budget 'a'\. There are: launch\."):
            store.remove_budget(connection, "a")
        with pytest.raises(UsageError, match="There is no budget 'a'"):
            read.budget(connection, "a")


SCOPE = Scope("tag:team", "a=b")


def test_alerts_see_the_budgets_whose_period_is_under_way(engine: Engine) -> None:
    Book(engine).add([cell(day(n), 2) for n in range(1, 15)], day(20))
    over = Budget("over", Decimal(1), Kind.CUSTOM, start=date(2025, 1, 1), end=date(2025, 2, 1))
    with writing(engine) as connection:
        for each in (Budget("month", Decimal(56)), over):
            store.set_budget(connection, each, day(1))
    with reading(engine) as connection:
        [state] = projection.budget_states(connection, day(15, 0))
    assert (state.name, state.period, state.spent_usd, state.share) == ("month", "2026-01", Decimal(28), Decimal("0.5"))
    assert state.projected_usd == pytest.approx(Decimal(62), rel=Decimal("0.1"))
    assert state.crossing_probability is not None


@pytest.mark.parametrize("text", ["", "project", "project=", "team=web", "tag:=x"])
def test_what_is_no_scope_is_said(text: str) -> None:
    with pytest.raises(UsageError, match="There is no scope"):
        parse_scope(text)


def test_amounts_and_shares_are_refused_in_one_sentence() -> None:
    assert (parse_usd("0", "--limit"), parse_share("80%", "--warn")) == (Decimal(0), Decimal("0.8"))
    for text in ("much", "-1", "NaN", "1e12", "0.0000000001"):
        with pytest.raises(UsageError, match="--limit is"):
            parse_usd(text, "--limit")
    for text in ("half", "-0.1", "120%", "inf"):
        with pytest.raises(UsageError, match="--warn is"):
            parse_share(text, "--warn")
