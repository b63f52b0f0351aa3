"""How long a failing source is left alone."""

from datetime import datetime, timedelta

import pytest

from db.polls.breaker import closed_until
from db.polls.facts import Poll, Status
from tests.db.worlds import at

HOUR = timedelta(hours=1)


def failure(hour: float, retry_at: datetime | None = None) -> Poll:
    return Poll("s", (), at(hour), at(hour), Status.FAILED, error="it did not answer", retry_at=retry_at)


def in_a_row(count: int, last_hour: float = 100) -> list[Poll]:
    return [failure(last_hour - i) for i in range(count)]


def test_a_source_that_answers_is_polled() -> None:
    assert closed_until([], HOUR) is None


@pytest.mark.parametrize("count", [1, 2])
def test_a_failure_or_two_change_nothing(count: int) -> None:
    assert closed_until(in_a_row(count), HOUR) is None


@pytest.mark.parametrize(("count", "pause_h"), [(3, 1), (4, 2), (5, 4), (6, 8), (7, 12), (8, 12), (90, 12)])
def test_from_the_third_on_the_pause_doubles_up_to_12_hours(count: int, pause_h: int) -> None:
    assert closed_until(in_a_row(count), HOUR) == at(100 + pause_h)


def test_a_daily_source_is_tried_twice_a_day() -> None:
    assert closed_until(in_a_row(3), timedelta(days=1)) == at(112)


def test_the_pause_that_a_source_asked_for_is_kept_from_the_first_failure_on() -> None:
    assert closed_until([failure(100, retry_at=at(107))], HOUR) == at(107)
    # Also where someone polled by hand meanwhile.
    assert closed_until([failure(100), failure(99, retry_at=at(107))], HOUR) == at(107)


def test_the_longer_of_both_pauses_counts() -> None:
    assert closed_until([failure(100, retry_at=at(150)), *in_a_row(2, 99)], HOUR) == at(150)
    assert closed_until([failure(100, retry_at=at(100.1)), *in_a_row(2, 99)], HOUR) == at(101)
