"""What the fan shows: what a period has cost so far, what it may come to, its budget, and where the two meet.

Days are days of the period's zone; they are drawn as if that zone were UTC. The end of a day is the next midnight.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Any, Final

import pandas as pd

from dashboard import format as fmt
from db.plans.forecast import Projection, Range
from db.plans.periods import Moment

WIDE: Final = 1.8
"""A range whose end is farther up than so many times the 80% range's runs out of the chart."""
FAR: Final = 3.0
"""A budget that is so many times as high as all that may be spent is told in words, not drawn."""


@dataclass(frozen=True, slots=True)
class Point:
    """A running total (1e-9 USD) at a place of the time axis."""

    at: datetime
    nano: int


@dataclass(frozen=True, slots=True)
class Fan:
    """What is drawn. `spent`: oldest first, from nothing at the start; `ahead`: from where it ends; `limit`: 1e-9 USD,
    None without a budget; `crossing`: where the total is first above it; `is_live`: usage is known up to now."""

    start: datetime
    end: datetime
    spent: tuple[Point, ...]
    ahead: tuple[tuple[datetime, Range], ...]
    limit: int | None
    crossing: Point | None
    crossing_day: date | None
    is_live: bool

    @property
    def has_95(self) -> bool:
        return bool(self.ahead) and self.ahead[-1][1].high95 is not None


def fan(
    running: Sequence[tuple[date, int]], projection: Projection, now: Moment, limit: int | None, *, is_live: bool
) -> Fan:
    """`running`: each day with the total at its end, or now; `now`: up to when usage is known."""
    start, end = midnight(projection.start), midnight(projection.end)
    here = midnight(now.day) + timedelta(days=now.elapsed)
    spent = (Point(start, 0), *(Point(min(_end_of(day), here), nano) for day, nano in running))
    last = spent[-1]
    path = [(_end_of(each.day), each.total) for each in projection.path]
    ahead = ((last.at, _already(last.nano, path[-1][1])), *path) if path else ()
    found = _crossed([*spent, *(Point(at, total.median) for at, total in ahead[1:])], limit)
    day = projection.crossing.day if projection.crossing is not None else None
    return Fan(start, end, spent, ahead, limit, found, day, is_live)


def _already(nano: int, total: Range) -> Range:
    """What is spent, as the range that it is: none."""
    widest = nano if total.high95 is not None else None
    return Range(nano, nano, nano, nano, nano, widest, widest)


def midnight(day: date) -> datetime:
    """Where a day begins on the time axis."""
    return datetime.combine(day, time(), UTC)


def _end_of(day: date) -> datetime:
    return midnight(day + timedelta(days=1))


def _crossed(points: Sequence[Point], limit: int | None) -> Point | None:
    """Where the line through the points first comes above the limit."""
    if limit is None:
        return None
    for before, after in pairwise(points):
        if after.nano > limit >= before.nano:
            share = (limit - before.nano) / (after.nano - before.nano)
            return Point(before.at + share * (after.at - before.at), limit)
    return None


def money(nano: int) -> str:
    """An amount as a label: whole dollars from a thousand on, else cents, or what a smaller one needs."""
    usd = Decimal(nano).scaleb(-9)
    if abs(usd) >= 1000:
        return f"{fmt.MINUS if usd < 0 else ''}${abs(usd):,.0f}"
    return fmt.money(round(usd, 2) if abs(usd) >= Decimal("0.1") else usd)


def top(drawn: Fan) -> float:
    """The highest value of the money axis, in US$."""
    highest = drawn.spent[-1].nano
    if drawn.ahead:
        total = drawn.ahead[-1][1]
        highest = max(highest, total.high80, min(total.high95 or 0, int(total.high80 * WIDE)))
    if drawn.limit is not None and drawn.limit <= FAR * max(highest, 1):
        highest = max(highest, drawn.limit)
    return float(highest) / 1e9 * 1.08 or 1.0


def spent_frame(drawn: Fan) -> pd.DataFrame:
    """The line so far: {at, usd, told}."""
    rows = [
        {
            "at": point.at,
            "usd": point.nano / 1e9,
            "told": f"{day_of(point.at)}: {money(point.nano)} spent so far",
        }
        for point in drawn.spent
    ]
    return pd.DataFrame(rows, columns=["at", "usd", "told"])


def ahead_frame(drawn: Fan) -> pd.DataFrame:
    """The fan: {at, told, and in US$ median, low50, high50, low80, high80, low95, high95}; the first row is now."""
    names = ("median", "low50", "high50", "low80", "high80", "low95", "high95")
    rows: list[dict[str, Any]] = []
    for at, total in drawn.ahead:
        usd = {name: None if (nano := getattr(total, name)) is None else nano / 1e9 for name in names}
        rows.append({"at": at, "told": _told(at, total), **usd})
    return pd.DataFrame(rows, columns=["at", "told", *names])


def _told(at: datetime, total: Range) -> str:
    told = f"End of {day_of(at)}: median {money(total.median)}, 80% {money(total.low80)} to {money(total.high80)}"
    if total.low95 is None or total.high95 is None:
        return told
    return f"{told}, 95% {money(total.low95)} to {money(total.high95)}"


def day_of(at: datetime) -> str:
    """The day that ends, or is under way, there."""
    return fmt.day(at - timedelta(microseconds=1))


def end_labels(drawn: Fan) -> list[tuple[str, int]]:
    """What stands at the right, from the top, and at which amount."""
    if not drawn.ahead:
        return []
    total = drawn.ahead[-1][1]
    low, high = (total.low95, total.high95) if drawn.has_95 else (total.low80, total.high80)
    names = ("97.5%", "Median", "2.5%") if drawn.has_95 else ("90%", "Median", "10%")
    values = (high or 0, total.median, low or 0)
    return [(f"{name} {money(nano)}", nano) for name, nano in zip(names, values, strict=True)]
