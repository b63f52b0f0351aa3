"""How much a day counts: its weekday, the share of it that is meant, and what the same usage costs then. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from math import isfinite
from typing import Final

import numpy as np

from db.plans.runrate import Floats

WEEKS: Final = 13
"""So many of the last whole weeks show the shape of a week."""
CAUTION: Final = 2.0
"""Weekdays are shrunk to alike by CAUTION x (variance within) / (variance between): the positive-part estimator of
James and Stein (1961), with more caution."""
LEAST: Final = 0.01
"""No day counts less than this, so that spend on it still says something."""


@dataclass(frozen=True, slots=True)
class Step:
    """A price change: from `day` on, `share` (0 to 1) of the spend costs `factor` times as much.

    Raises ValueError for a factor that is negative or not finite, or a share beyond 0 to 1.
    """

    day: date
    factor: float
    share: float = 1.0

    def __post_init__(self) -> None:
        if not (isfinite(self.factor) and self.factor >= 0):
            raise ValueError(f"the factor of a price step is finite and not negative, not {self.factor}")
        if not 0 <= self.share <= 1:
            raise ValueError(f"the share of a price step is from 0 to 1, not {self.share}")


def price_factors(days: Sequence[date], steps: Sequence[Step]) -> Floats:
    """What the same usage costs on each of the days, as a multiple of what it cost before every step."""
    factors = np.ones(len(days))
    for step in steps:
        factors[[day >= step.day for day in days]] *= 1 + step.share * (step.factor - 1)
    return factors


def exposures(spend: Floats, price: Floats) -> Floats:
    """The exposure of each day: those of `spend` (whole days, oldest first), then those that follow, (len(price),)."""
    known = len(spend)
    before = np.maximum(price[:known], LEAST)
    from_end = np.arange(-known, len(price) - known)
    return np.concatenate([before, price[known:]]) * week(spend / before)[from_end % 7]


def week(spend: Floats) -> Floats:
    """The factors of seven weekdays, mean 1, the first for the day after `spend`; all 1 in under two whole weeks.

    Each week is divided by its own mean, so that a change of level is none of shape.
    """
    weeks = min(WEEKS, len(spend) // 7)
    rows = spend[len(spend) - 7 * weeks :].reshape(weeks, 7)
    rows = rows[rows.sum(axis=1) > 0]
    if len(rows) < 2:
        return np.ones(7)
    rows = rows / rows.mean(axis=1, keepdims=True)
    mean = rows.mean(axis=0)
    between = len(rows) * float(((mean - 1) ** 2).sum()) / 6
    within = float(((rows - mean) ** 2).sum()) / (6 * (len(rows) - 1))
    trust = max(0.0, 1 - CAUTION * within / between) if between else 0.0
    factors = np.maximum(LEAST, 1 + trust * (mean - 1))
    return np.asarray(factors / factors.mean())
