"""What a period will come to: spent so far, and the rest as a median with intervals on the total. Pure.

Money is whole nano-dollars. What was spent is summed exactly; what is projected goes through floating point and is
rounded. The method: db.plans.runrate and db.plans.exposure. Figures of it: scripts/bench/forecast.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import accumulate
from math import inf, isfinite
from statistics import median
from typing import Final

import numpy as np

from db.plans.exposure import LEAST, Step, exposures, price_factors
from db.plans.runrate import Floats, Outlook, Past

SHARES: Final = (0.025, 0.1, 0.25, 0.5, 0.75, 0.9, 0.975)
"""The quantiles of a range: low95, low80, low50, median, high50, high80, high95."""
WINDOWS_FOR_95: Final = 39
"""A conformal 95% interval with two sides needs 2 / 0.05 - 1 errors (Vovk, Gammerman, Shafer, 2005)."""
FEWEST_WINDOWS: Final = 5
MOST_WINDOWS: Final = 60
"""A backtest needs so many windows, and takes the last so many."""
FIRST_ORIGIN: Final = 3
"""A backtest projects from the third day of a series on."""
ONE_DAY: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Range:
    """A median and its intervals, ascending: low95 <= low80 <= low50 <= median <= high50 <= high80 <= high95.
    The 95% interval is None where history is too short for it."""

    median: int
    low50: int
    high50: int
    low80: int
    high80: int
    low95: int | None
    high95: int | None


@dataclass(frozen=True, slots=True)
class PathDay:
    """What the period will have come to at the end of `day`."""

    day: date
    total: Range


@dataclass(frozen=True, slots=True)
class Crossing:
    """How a period meets a limit. `day`: the first at whose end the total is above it, as it was or as the median has
    it; None: never in the period. `probability`: that the period's total is above it."""

    limit: int
    day: date | None
    probability: float


@dataclass(frozen=True, slots=True)
class Backtest:
    """The method on this very series: the median over `windows` past days of |projected - actual| in percent of what
    the next `horizon` days actually came to, each projected from what was known then."""

    median_error_percent: float
    horizon: int
    windows: int


@dataclass(frozen=True, slots=True)
class Projection:
    """A period's total [start, end). `spent`: exact, up to `as_of`. `path`: its remaining days, from the one under way.
    `history`: the days since the first spend. `crossing`: None without a limit. `backtest`: None where history is too
    short for it, or at the end of the period."""

    start: date
    end: date
    as_of: date
    spent: int
    total: Range
    path: tuple[PathDay, ...]
    history: int
    crossing: Crossing | None
    backtest: Backtest | None


def project(
    daily: Mapping[date, int],
    as_of: date,
    start: date,
    end: date,
    *,
    elapsed: float = 1,
    limit: int | None = None,
    steps: Sequence[Step] = (),
) -> Projection:
    """The total of the days [start, end), from the spend of each day up to and with `as_of`.

    `daily`: nano-dollars; a day without an entry had no spend, and days after `as_of` are not looked at. `elapsed`: the
    share (0 to 1) of `as_of` that is over. `limit`: nano-dollars. `steps`: price changes; one in the past rescales the
    days before it. Raises ValueError for an empty period, an `elapsed` beyond 0 to 1, or a negative spend.
    """
    _check(daily, start, end, elapsed)
    known = {day: nano for day, nano in sorted(daily.items()) if nano and day <= as_of}
    inside = {day: nano for day, nano in known.items() if start <= day < end}
    spent = sum(inside.values())
    first = min(known, default=as_of)
    spend = np.array([known.get(day, 0) for day in _days(first, as_of + ONE_DAY)], dtype=np.float64)
    price = price_factors(_days(first, max(end, as_of + ONE_DAY)), steps)
    ahead = _days(max(start, as_of + ONE_DAY if elapsed == 1 else as_of), end)
    outlooks = _outlooks(spend, price, elapsed, (ahead[0] - first).days, len(ahead)) if ahead else []
    path = _path(spent, ahead, outlooks)
    chance = outlooks[-1].above(limit - spent) if outlooks and limit is not None and limit >= spent else None
    return Projection(
        start,
        end,
        as_of,
        spent,
        path[-1].total if path else Range(*[spent] * len(SHARES)),
        path,
        len(spend) if known else 0,
        _crossing(limit, inside, path, chance) if limit is not None else None,
        _backtest(spend, price, elapsed, (end - as_of).days - (elapsed == 1)) if ahead else None,
    )


def _check(daily: Mapping[date, int], start: date, end: date, elapsed: float) -> None:
    if end <= start:
        raise ValueError(f"a period ends after it starts, not on {end} when it starts on {start}")
    if not 0 <= elapsed <= 1:
        raise ValueError(f"the elapsed share of a day is from 0 to 1, not {elapsed}")
    for day, nano in daily.items():
        if nano < 0:
            raise ValueError(f"the spend of a day is not negative, as it is on {day}")


def _days(start: date, end: date) -> list[date]:
    return [start + timedelta(i) for i in range((end - start).days)]


def _learned(spend: Floats, price: Floats, elapsed: float) -> tuple[Past, Floats]:
    """What is known from `spend`, and the exposure of what is left of the days of `price`, the one under way first."""
    whole = len(spend) - (elapsed < 1)
    exposure = exposures(spend[:whole], price)
    seen = len(spend) if elapsed >= LEAST else whole
    past, ahead = exposure[:seen].copy(), exposure[whole:].copy()
    if elapsed < 1:
        past[whole:] *= elapsed
        ahead[0] *= 1 - elapsed
    return Past(spend[:seen], past, elapsed), ahead


def _outlooks(spend: Floats, price: Floats, elapsed: float, begin: int, days: int) -> list[Outlook]:
    """What the first 1, 2, ... of the `days` days from the index `begin` on come to together."""
    past, ahead = _learned(spend, price, elapsed)
    gap = begin - (len(price) - len(ahead))
    blend = past.blend(gap + days)
    together = np.cumsum(ahead[gap : gap + days])
    return [past.outlook(gap + i, float(exposure), blend) for i, exposure in enumerate(together, 1)]


def _path(spent: int, days: Sequence[date], outlooks: Sequence[Outlook]) -> tuple[PathDay, ...]:
    """The running total at the end of each day. It never falls, and never exceeds what it ends with."""
    if not outlooks:
        return ()
    rest = np.array([[outlook.quantile(share) for share in SHARES] for outlook in outlooks])
    rest = np.minimum(np.maximum.accumulate(rest), rest[-1])
    long_enough = outlooks[-1].windows >= WINDOWS_FOR_95
    return tuple(PathDay(day, _range(spent, row, long_enough)) for day, row in zip(days, rest, strict=True))


def _range(spent: int, rest: Floats, long_enough: bool) -> Range:
    low95, low80, low50, middle, high50, high80, high95 = (spent + round(float(each)) for each in rest)
    if not long_enough:
        return Range(middle, low50, high50, low80, high80, None, None)
    return Range(middle, low50, high50, low80, high80, low95, high95)


def _crossing(limit: int, inside: Mapping[date, int], path: Sequence[PathDay], chance: float | None) -> Crossing:
    """`inside`: the spend of the period's days, in order. `chance`: None where the limit is behind or nothing ahead."""
    running = zip(inside, accumulate(inside.values()), strict=True)
    crossed = next((day for day, total in running if total > limit), None)
    if crossed is not None:
        return Crossing(limit, crossed, 1)
    return Crossing(limit, next((each.day for each in path if each.total.median > limit), None), chance or 0)


def _backtest(spend: Floats, price: Floats, elapsed: float, horizon: int) -> Backtest | None:
    whole = len(spend) - (elapsed < 1)
    origins = range(FIRST_ORIGIN, whole - horizon + 1)[-MOST_WINDOWS:]
    if len(origins) < FEWEST_WINDOWS:
        return None
    errors = []
    for origin in origins:
        past, ahead = _learned(spend[:origin], price[: origin + horizon], 1)
        actual = float(spend[origin : origin + horizon].sum())
        missed = abs(past.outlook(horizon, float(ahead.sum())).quantile(0.5) - actual)
        errors.append(100 * missed / actual if actual else inf if missed else 0.0)
    error = median(errors)
    return Backtest(error, horizon, len(errors)) if isfinite(error) else None
