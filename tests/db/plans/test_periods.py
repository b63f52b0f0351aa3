"""Days and periods in a zone: nights when clocks change, odd offsets, months and years."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from db.errors import UsageError
from db.plans.periods import EPOCH, Moment, moment, month, month_of, offsets, parse, quarter_of, span

HOURS_A_YEAR = 8766
ZONES = ("UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe", "Africa/Cairo")


@pytest.mark.parametrize(
    ("text", "days"), [("2026-01", 31), ("2026-02", 28), ("2028-02", 29), ("2026-04", 30), ("2026-12", 31)]
)
def test_a_month_has_its_own_days(text: str, days: int) -> None:
    assert (month(text).end - month(text).start).days == days


def test_the_last_quarter_ends_with_the_year() -> None:
    quarter = quarter_of(date(2026, 12, 31), "Europe/Berlin")
    assert (quarter.key, quarter.start, quarter.end) == ("2026-Q4", date(2026, 10, 1), date(2027, 1, 1))
    assert quarter.until == datetime(2026, 12, 31, 23, tzinfo=UTC)


def test_a_month_begins_at_its_own_midnight() -> None:
    march = month("2026-03", "Europe/Berlin")
    assert (march.since, march.until) == (
        datetime(2026, 2, 28, 23, tzinfo=UTC),
        datetime(2026, 3, 31, 22, tzinfo=UTC),
    )
    assert month_of(moment(datetime(2026, 12, 31, 23, 30, tzinfo=UTC), "Europe/Berlin").day).key == "2027-01"


@pytest.mark.parametrize(("day", "hours"), [(date(2026, 3, 29), 23), (date(2026, 10, 25), 25), (date(2026, 6, 1), 24)])
def test_a_day_is_as_long_as_it_is_where_clocks_change(day: date, hours: int) -> None:
    one = span(day, day + timedelta(days=1), "Europe/Berlin")
    assert one.until - one.since == timedelta(hours=hours)
    assert moment(one.since + timedelta(hours=hours / 4), "Europe/Berlin") == Moment(day, 0.25)


def test_midnight_is_the_end_of_the_day_before() -> None:
    assert moment(datetime(2026, 1, 1, tzinfo=UTC), "UTC") == Moment(date(2025, 12, 31), 1)


@given(st.sampled_from(ZONES), st.integers(20 * HOURS_A_YEAR, 65 * HOURS_A_YEAR))
def test_offsets_say_of_every_hour_in_which_local_day_it_begins(timezone: str, number: int) -> None:
    hour = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(hours=number)
    minute = int(hour.timestamp()) // 60
    first = hour.date() - timedelta(days=200)
    known = offsets(timezone, first, hour.date() + timedelta(days=200))
    ahead = next(offset for since, offset in reversed(known) if since <= minute)
    assert EPOCH + timedelta(days=(minute + ahead) // 1440) == hour.astimezone(ZoneInfo(timezone)).date()


@pytest.mark.parametrize("text", ["2026-13", "january", "2026-01-05..2026-01-05", "2026-02-01..2026-01-01", "..2026"])
def test_what_is_no_period_is_said(text: str) -> None:
    with pytest.raises(UsageError):
        parse(text)


def test_an_unknown_zone_is_said() -> None:
    with pytest.raises(UsageError, match="There is no time zone 'Mars/Olympus'"):
        _ = month("2026-01", "Mars/Olympus").since
