"""Where a measured figure stands among all that were measured in the same window. Pure."""

from collections.abc import Sequence
from typing import Final

from db.quality.facts import Rating

LEAST: Final = 5
"""A percentile among fewer says more about who was measured than about the figure."""


def rate(value: float, cohort: Sequence[float], *, is_high_good: bool = False) -> Rating | None:
    """How many percent of the others `value` is better than; None where the cohort is smaller than LEAST.

    `cohort`: the same figure of everything measured in the same window, `value` itself among them.
    """
    if len(cohort) < LEAST:
        return None
    below = sum(each < value for each in cohort)
    above = sum(each > value for each in cohort)
    worse = below if is_high_good else above
    same = len(cohort) - below - above - 1
    return Rating(100 * (worse + same / 2) / (len(cohort) - 1), len(cohort))
