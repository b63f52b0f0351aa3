"""Periods and days in a time zone. Pure.

Usage is summed by the UTC hour, and an hour is not cut: it belongs to the day, and so to the period, in which it
begins. Where a zone's midnight lies inside a UTC hour (offsets of half an hour), that hour counts for the old day.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from enum import StrEnum
from functools import cache
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from db.errors import UsageError

ONE_DAY: Final = timedelta(days=1)
EPOCH: Final = date(1970, 1, 1)
_MINUTE: Final = timedelta(minutes=1)


class Kind(StrEnum):
    """How long a budget is for."""

    MONTH = "month"
    QUARTER = "quarter"
    CUSTOM = "custom"


@dataclass(frozen=True, slots=True)
class Period:
    """The days [start, end) of a zone. `key`: its name (`2026-01`, `2026-Q1`, `2026-01-05..2026-03-01`)."""

    key: str
    start: date
    end: date
    timezone: str = "UTC"

    @property
    def since(self) -> datetime:
        """The instant (UTC) at which it begins."""
        return midnight(self.start, self.timezone)

    @property
    def until(self) -> datetime:
        """The instant (UTC) at which it ends."""
        return midnight(self.end, self.timezone)


def zone_of(name: str) -> tzinfo:
    """An IANA time zone. Raises UsageError."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise UsageError(f"There is no time zone {name!r}. Write one like Europe/Berlin or UTC.") from error


def midnight(day: date, timezone: str) -> datetime:
    """When a day begins in a zone, in UTC; where a clock skips midnight, when it does."""
    return datetime.combine(day, time(), zone_of(timezone)).astimezone(UTC)


def month(text: str, timezone: str = "UTC") -> Period:
    """`2026-01`. Raises UsageError."""
    try:
        start = date.fromisoformat(f"{text}-01")
    except ValueError as error:
        raise UsageError(f"{text!r} is no month. Write it like 2026-01.") from error
    return Period(text, start, _first_of_next(start), timezone)


def month_of(day: date, timezone: str = "UTC") -> Period:
    """The month in which a day lies."""
    return month(day.isoformat()[:7], timezone)


def quarter_of(day: date, timezone: str = "UTC") -> Period:
    """The quarter of a year in which a day lies."""
    number = (day.month - 1) // 3
    end = start = date(day.year, number * 3 + 1, 1)
    for _ in range(3):
        end = _first_of_next(end)
    return Period(f"{day.year}-Q{number + 1}", start, end, timezone)


def span(start: date, end: date, timezone: str = "UTC") -> Period:
    """The days [start, end). Raises UsageError where there are none."""
    if end <= start:
        raise UsageError(f"A period ends after it starts, not on {end} when it starts on {start}.")
    return Period(f"{start}..{end}", start, end, timezone)


def parse(text: str, timezone: str = "UTC") -> Period:
    """`2026-01`, or `2026-01-05..2026-02-01` (to: exclusive). Raises UsageError."""
    if ".." not in text:
        return month(text, timezone)
    first, _, last = text.partition("..")
    try:
        return span(date.fromisoformat(first), date.fromisoformat(last), timezone)
    except ValueError as error:
        raise UsageError(f"{text!r} is no range of days. Write it like 2026-01-05..2026-02-01.") from error


def _first_of_next(day: date) -> date:
    return (day.replace(day=1) + timedelta(days=32)).replace(day=1)


@dataclass(frozen=True, slots=True)
class Moment:
    """An instant on a zone's calendar: `elapsed` (above 0, up to 1) of `day` is over."""

    day: date
    elapsed: float


def moment(at: datetime, timezone: str) -> Moment:
    """Midnight is the end of the day before. A day is as long as it is: 23 or 25 hours when clocks change."""
    day = at.astimezone(zone_of(timezone)).date()
    start, end = midnight(day, timezone), midnight(day + ONE_DAY, timezone)
    if at <= start:
        return Moment(day - ONE_DAY, 1.0)
    return Moment(day, (at - start) / (end - start))


@cache
def offsets(timezone: str, first: date, last: date) -> Sequence[tuple[int, int]]:
    """From which minute (since 1970, UTC) on local time is so many minutes ahead, over the days [first, last]."""
    zone = zone_of(timezone)
    at = datetime.combine(first, time(), UTC) - ONE_DAY
    found = [(_minute(at), _ahead(at, zone))]
    end = datetime.combine(last, time(), UTC) + 2 * ONE_DAY
    while at < end:
        following = at + ONE_DAY
        if _ahead(following, zone) != _ahead(at, zone):
            change = _change(at, following, zone)
            found.append((_minute(change), _ahead(change, zone)))
        at = following
    return tuple(found)


def _change(low: datetime, high: datetime, zone: tzinfo) -> datetime:
    """The first minute of (low, high] with the offset of `high`."""
    before = _ahead(low, zone)
    while high - low > _MINUTE:
        middle = low + (high - low) // _MINUTE // 2 * _MINUTE
        low, high = (middle, high) if _ahead(middle, zone) == before else (low, middle)
    return high


def _ahead(at: datetime, zone: tzinfo) -> int:
    return (at.astimezone(zone).utcoffset() or timedelta()) // _MINUTE


def _minute(at: datetime) -> int:
    return (at - datetime(1970, 1, 1, tzinfo=UTC)) // _MINUTE
