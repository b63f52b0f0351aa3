"""When silence is a gap, and when a list is too short to be believed."""

from datetime import timedelta

import pytest

from db.polls.facts import Gap
from db.polls.gaps import gaps, is_short
from tests.db.worlds import at


def test_a_source_that_is_seen_as_usual_has_no_gap() -> None:
    assert gaps("s", [at(hour) for hour in range(0, 100, 6)], until=at(97)) == []


def test_a_pause_of_more_than_three_intervals_is_a_gap() -> None:
    hourly = [at(hour) for hour in (0, 1, 2, 3, 6, 7, 8)]  # 3 hours: as long as three intervals, not longer
    assert gaps("s", hourly) == []

    assert gaps("s", [at(hour) for hour in (0, 1, 2, 3, 6.5, 7, 8)]) == [Gap("s", at(3), at(6.5))]


def test_the_pause_that_lasts_until_now_is_open() -> None:
    hourly = [at(hour) for hour in range(10)]

    assert gaps("s", hourly, until=at(12)) == []
    assert gaps("s", hourly, until=at(12.5)) == [Gap("s", at(9), None)]


def test_each_habit_has_its_own_gaps() -> None:
    weekly = [at(24 * 7 * week) for week in range(30)]
    hourly = [weekly[-1] + timedelta(hours=hour) for hour in range(1, 60) if not 20 <= hour < 30]

    assert gaps("s", [*weekly, *hourly]) == [Gap("s", weekly[-1] + timedelta(hours=19), hourly[19])]


def test_a_gap_of_96_hours_in_polls_every_six_hours() -> None:
    instants = [at(hour) for hour in (*range(0, 60, 6), *range(150, 210, 6))]

    assert gaps("s", instants) == [Gap("s", at(54), at(150))]


def test_no_pause_under_half_an_hour_is_a_gap() -> None:
    every_minute = [at(minute / 60) for minute in (0, 1, 2, 3, 32, 33, 34)]

    assert gaps("s", every_minute) == []
    assert gaps("s", every_minute, until=at(63 / 60)) == []


def test_one_poll_says_little() -> None:
    assert gaps("s", []) == []
    assert gaps("s", [], until=at(0)) == []
    assert gaps("s", [at(0)], until=at(72)) == []
    # With nothing to go by, a day is taken as usual.
    assert gaps("s", [at(0)], until=at(73)) == [Gap("s", at(0), None)]


@pytest.mark.parametrize(
    ("items", "last", "short"),
    [(3, 300, True), (149, 300, True), (150, 300, False), (400, 300, False), (0, None, False), (0, 0, False)],
)
def test_under_half_of_the_last_complete_poll_is_short(items: int, last: int | None, short: bool) -> None:
    assert is_short(items, last) is short
