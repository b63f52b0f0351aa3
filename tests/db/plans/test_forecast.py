"""A period's total: exact behind, ordered and bounded ahead, on every shape of history."""

from collections.abc import Sequence
from dataclasses import astuple
from datetime import date, timedelta
from math import isclose
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from db.plans.exposure import Step
from db.plans.forecast import Projection, Range, project

DOLLAR = 1_000_000_000
APRIL = date(2026, 4, 1)
MAY = date(2026, 5, 1)
DAYS = st.lists(st.one_of(st.just(0), st.integers(1, 10**15)), max_size=60)


def ending(as_of: date, spend: Sequence[float]) -> dict[date, int]:
    """Daily spend in dollars, the last of it on `as_of`."""
    return {as_of - timedelta(len(spend) - 1 - i): round(each * DOLLAR) for i, each in enumerate(spend)}


def ascending(total: Range) -> list[int]:
    bounds = (
        total.low95,
        total.low80,
        total.low50,
        total.median,
        total.high50,
        total.high80,
        total.high95,
    )
    return [bound for bound in bounds if bound is not None]


def on_the_12th(spend: Sequence[float], limit: float | None = None) -> Projection:
    """The projection of April from a history that ends with the 12th."""
    nano = None if limit is None else round(limit * DOLLAR)
    return project(ending(date(2026, 4, 12), spend), date(2026, 4, 12), APRIL, MAY, limit=nano)


def test_steady_spend_goes_on_as_it_was() -> None:
    projection = on_the_12th([10] * 60, limit=255)

    assert projection.spent == 120 * DOLLAR
    assert isclose(projection.total.median, 300 * DOLLAR, rel_tol=1e-6)
    assert [day.day for day in projection.path] == [date(2026, 4, d) for d in range(13, 31)]
    assert projection.path[-1].total == projection.total
    assert projection.crossing is not None
    assert projection.crossing.day == date(2026, 4, 26)
    assert projection.crossing.probability > 0.8
    assert projection.backtest is not None
    assert projection.backtest.horizon == 18
    assert projection.backtest.windows == 60 - 18 - 3 + 1
    assert projection.backtest.median_error_percent < 1e-6


@given(DAYS, st.integers(0, 45), st.sampled_from([0.0, 0.2, 1.0]), st.integers(0, 10**16))
def test_bounds_ascend_and_never_fall_below_what_was_spent(
    nanos: list[int], after_start: int, elapsed: float, limit: int
) -> None:
    as_of = APRIL + timedelta(after_start - 10)
    daily = {as_of - timedelta(i): nano for i, nano in enumerate(nanos)}
    projection = project(daily, as_of, APRIL, MAY, elapsed=elapsed, limit=limit)

    assert projection.spent == sum(nano for day, nano in daily.items() if APRIL <= day < MAY)
    before = [projection.spent] * len(ascending(projection.total))
    for day in projection.path:
        bounds = ascending(day.total)
        assert bounds == sorted(bounds)
        assert all(now >= then for now, then in zip(bounds, before, strict=True))
        before = bounds
    assert before == ascending(projection.total)
    crossing = projection.crossing
    assert crossing is not None
    assert 0 <= crossing.probability <= 1
    assert (crossing.day is not None) == (projection.total.median > limit)
    if abs(projection.total.median - limit) > 1:
        assert (crossing.probability > 0.5) == (projection.total.median > limit) or not projection.path


@given(st.lists(st.floats(0, 1000), min_size=1, max_size=40), st.sampled_from([1e-3, 7.0, 1e4]))
def test_a_bill_in_another_unit_projects_to_the_same(spend: list[float], scale: float) -> None:
    # Whole cents, so that neither unit rounds any of it away.
    spend = [round(each, 2) for each in spend]
    as_is, scaled = on_the_12th(spend).total, on_the_12th([each * scale for each in spend]).total

    for one, other in zip(ascending(as_is), ascending(scaled), strict=True):
        assert isclose(one * scale, other, rel_tol=1e-6, abs_tol=100 * max(1, scale))


@pytest.mark.parametrize("spend", [[], [0], [0] * 90], ids=["no day", "one day", "90 days"])
def test_without_any_spend_the_total_is_zero(spend: list[float]) -> None:
    projection = on_the_12th(spend, limit=0)

    assert projection.spent == 0
    assert set(ascending(projection.total)) == {0}
    assert projection.history == 0
    assert projection.backtest is None
    assert projection.crossing is not None
    assert (projection.crossing.day, projection.crossing.probability) == (None, 0)


def test_one_day_projects_with_a_wide_interval_and_no_more_than_it_knows() -> None:
    projection = on_the_12th([10])

    assert isclose(projection.total.median, (10 + 18 * 10) * DOLLAR, rel_tol=1e-6)
    assert projection.total.high80 > 2 * projection.total.median
    assert (projection.total.low95, projection.total.high95, projection.backtest) == (None, None, None)
    assert projection.history == 1


@pytest.mark.parametrize(
    ("start", "days"),
    [(date(2026, 2, 1), 28), (date(2028, 2, 1), 29), (APRIL, 30), (date(2025, 12, 1), 31), (date(2025, 12, 20), 31)],
)
def test_a_period_has_the_days_it_has(start: date, days: int) -> None:
    as_of, end = start + timedelta(11), start + timedelta(days)
    projection = project(ending(as_of, [10] * 40), as_of, start, end)

    assert isclose(projection.total.median, days * 10 * DOLLAR, rel_tol=1e-6)
    assert len(projection.path) == days - 12


def test_a_day_under_way_counts_for_the_share_that_is_over() -> None:
    history = [10.0] * 40
    whole = on_the_12th(history)
    half = project(ending(date(2026, 4, 12), [*history[1:], 5]), date(2026, 4, 12), APRIL, MAY, elapsed=0.5)

    assert half.spent == whole.spent - 5 * DOLLAR
    assert isclose(half.total.median, whole.total.median, rel_tol=1e-6)
    assert half.path[0].day == date(2026, 4, 12)
    assert isclose(half.path[0].total.median, whole.spent, rel_tol=1e-6)


def test_a_quiet_first_minute_of_a_day_changes_little() -> None:
    history = [10.0] * 40
    minute = project(ending(date(2026, 4, 13), [*history, 0]), date(2026, 4, 13), APRIL, MAY, elapsed=1 / 1440)

    assert isclose(minute.total.median, on_the_12th(history).total.median, rel_tol=0.01)


def test_a_first_day_under_way_is_scaled_up() -> None:
    projection = project({APRIL: 10 * DOLLAR}, APRIL, APRIL, MAY, elapsed=0.25)

    assert isclose(projection.total.median, 30 * 40 * DOLLAR, rel_tol=1e-6)


def test_a_stopped_series_fades_and_ends() -> None:
    medians, highs = [], []
    for silent in (0, 1, 3, 10, 30):
        total = on_the_12th([10] * 40 + [0] * silent).total
        spent = on_the_12th([10] * 40 + [0] * silent).spent
        medians.append(total.median - spent)
        highs.append(total.high80 - spent)

    assert medians == sorted(medians, reverse=True)
    assert medians[0] > 170 * DOLLAR
    assert medians[2] == 0
    assert highs[1] > 0
    assert highs[3] == highs[4] == 0


def test_silence_no_longer_than_usual_is_no_end() -> None:
    with_gaps, without = (on_the_12th(spend) for spend in ([10, 0, 0, 0, 0] * 12, [10] * 56 + [0] * 4))

    assert with_gaps.total.median > with_gaps.spent
    assert without.total.median == without.spent


def test_a_series_that_has_just_begun_is_judged_by_its_own_days() -> None:
    begun = on_the_12th([0] * 300 + [10] * 3)

    assert begun.history == 3
    assert begun.total == on_the_12th([10] * 3).total
    assert isclose(begun.total.median, (30 + 180) * DOLLAR, rel_tol=1e-6)


def test_a_new_level_is_followed_within_days() -> None:
    total = on_the_12th([10] * 60 + [40] * 10).total

    assert 90 * DOLLAR < (total.median - on_the_12th([10] * 60 + [40] * 10).spent) / 18 * 5 <= 201 * DOLLAR


def test_the_shape_of_a_week_is_learned() -> None:
    office = [0.0 if (date(2026, 4, 10) - timedelta(i)).weekday() >= 5 else 10.0 for i in range(70)][::-1]
    as_of = date(2026, 4, 10)  # a Friday
    projection = project(ending(as_of, office), as_of, APRIL, MAY)
    saturday, sunday, monday, tuesday = (day.total.median for day in projection.path[:4])

    assert sunday - projection.spent < DOLLAR
    assert saturday <= sunday
    assert isclose(monday - sunday, 10 * DOLLAR, rel_tol=0.05)
    assert isclose(tuesday - monday, 10 * DOLLAR, rel_tol=0.05)


def test_a_known_step_raises_the_days_from_it_on() -> None:
    history = ending(date(2026, 4, 12), [10] * 40)
    doubled = Step(date(2026, 4, 21), factor=2, share=0.5)
    projection = project(history, date(2026, 4, 12), APRIL, MAY, steps=[doubled])

    assert isclose(projection.total.median, (120 + 8 * 10 + 10 * 15) * DOLLAR, rel_tol=1e-6)


def test_a_step_behind_rescales_the_days_before_it() -> None:
    spend = [20.0] * 38 + [10.0] * 2
    halved = Step(date(2026, 4, 11), factor=0.5)
    projection = project(ending(date(2026, 4, 12), spend), date(2026, 4, 12), APRIL, MAY, steps=[halved])

    assert isclose(projection.total.median, (10 * 20 + 2 * 10 + 18 * 10) * DOLLAR, rel_tol=1e-6)


def test_what_becomes_free_costs_nothing_from_then_on() -> None:
    history = ending(date(2026, 4, 12), [10] * 40)
    free = Step(date(2026, 4, 21), factor=0)

    assert isclose(
        project(history, date(2026, 4, 12), APRIL, MAY, steps=[free]).total.median, 200 * DOLLAR, rel_tol=1e-6
    )
    after = project(history | {date(2026, 4, 13): 0}, date(2026, 4, 25), APRIL, MAY, steps=[free])
    assert after.total.median == after.spent


def test_a_period_that_is_over_is_what_it_was() -> None:
    projection = project(ending(MAY, [10] * 60), MAY, APRIL, MAY, limit=205 * DOLLAR)

    assert set(astuple(projection.total)) == {300 * DOLLAR}
    assert (projection.path, projection.backtest) == ((), None)
    assert projection.crossing is not None
    assert (projection.crossing.day, projection.crossing.probability) == (date(2026, 4, 21), 1)


def test_a_period_to_come_is_projected_whole() -> None:
    projection = project(ending(date(2026, 3, 20), [10] * 40), date(2026, 3, 20), APRIL, MAY)

    assert projection.spent == 0
    assert [projection.path[0].day, projection.path[-1].day] == [APRIL, date(2026, 4, 30)]
    assert isclose(projection.total.median, 300 * DOLLAR, rel_tol=1e-6)


def test_a_limit_already_crossed_is_crossed_on_that_day() -> None:
    crossing = on_the_12th([10] * 40, limit=45).crossing

    assert crossing is not None
    assert (crossing.day, crossing.probability) == (date(2026, 4, 5), 1)


def test_days_after_the_moment_are_not_looked_at() -> None:
    history = ending(date(2026, 4, 12), [10] * 40)

    assert project(history | {date(2026, 4, 13): 10**15}, date(2026, 4, 12), APRIL, MAY) == on_the_12th([10] * 40)


def test_the_95_percent_interval_waits_for_39_windows_of_its_length() -> None:
    # 18 days ahead: the first window begins after two days, the 39th 38 days later.
    assert on_the_12th([10] * 57).total.low95 is None
    assert on_the_12th([10] * 58).total.low95 is not None


def test_three_years_of_history_are_no_trouble() -> None:
    rng = Random(3)
    projection = on_the_12th([10 * rng.lognormvariate(0, 0.3) for _ in range(3 * 365)])

    assert projection.backtest is not None
    assert projection.backtest.windows == 60
    assert projection.backtest.median_error_percent < 15
    assert abs(projection.total.median - 310 * DOLLAR) < 30 * DOLLAR


@pytest.mark.parametrize(
    ("given_", "message"),
    [
        ({"end": APRIL}, "ends after it starts"),
        ({"elapsed": 1.5}, "from 0 to 1"),
        ({"daily": {APRIL: -1}}, "not negative"),
    ],
)
def test_wrong_use_is_refused(given_: dict[str, object], message: str) -> None:
    arguments: dict[str, object] = {"daily": {}, "as_of": APRIL, "start": APRIL, "end": MAY} | given_

    with pytest.raises(ValueError, match=message):
        project(**arguments)  # type: ignore[arg-type]


@pytest.mark.parametrize("step", [{"factor": -1}, {"factor": float("inf")}, {"factor": 2, "share": 1.5}])
def test_a_step_that_makes_no_sense_is_refused(step: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="price step"):
        Step(APRIL, **step)
