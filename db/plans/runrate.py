"""What a daily series comes to over the next days, as a distribution learned from its own past. Pure.

The median is a blend of run rates over the last 1, 3, 7, 28 and 91 days. A look-back counts fully for horizons up to
its own length, and beyond with (look-back / horizon) squared; both times (1 / its own rolling error) ** SHARPNESS, so
that a series which changes its level is judged by its last days and one that returns to its mean by its last months.
(Combining forecasts by their past errors: Bates and Granger, "The Combination of Forecasts", 1969.)

The spread is conformal (Vovk, Gammerman, Shafer: "Algorithmic Learning in a Random World", 2005): the log ratios of
what past windows came to against what the same blend said before them. They are errors of a window's *total*, since
errors of single days are not independent, and weigh as many as windows without overlap would. An error made with a
shorter history than today's counts for less by what the shorter history explains (Papadopoulos, Gammerman, Vovk:
"Normalized Nonconformity Measures for Regression Conformal Prediction", 2008). Normal pseudo-errors stand beside them;
their spread starts wide and shrinks, or grows, to what the series shows over a week.

A series that has stopped comes back with the probability 1 / (1 + (days of silence / (RESTS + longest gap)) ** 2).

Days enter with an *exposure* (see db.plans.exposure); a rate is spend by exposure. The constants were chosen on made-up
series and on the even-numbered half of the ServeGen clients, the square above and the scaling of early errors with
BurstGPT in sight. scripts/bench/forecast shows how all that does there and elsewhere.
"""

from dataclasses import dataclass
from statistics import NormalDist
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

Floats: TypeAlias = npt.NDArray[np.float64]

LOOK_BACKS: Final = (91, 28, 7, 3, 1)
SHARPNESS: Final = 12.0
EXPECTED_ERROR: Final = 0.3
"""The |log ratio| of any look-back before there is a window to learn from; counts as one window without overlap."""
SOFTENING: Final = 0.1
"""Ratios are taken of rates plus this share of the mean rate, so that a window without spend has an error too."""
CARRY: Final = 0.1
"""A rate is smoothed by this much exposure at the rate of the next longer look-back."""
PRIOR_WEIGHT: Final = 3.0
"""The pseudo-errors count as this many windows without overlap."""
PRIOR_SPREAD: Final = 0.5
SHORT_HISTORY: Final = 10.0
"""The standard deviation of errors is expected to be PRIOR_SPREAD x sqrt(1 + SHORT_HISTORY / days of history)."""
RESTS: Final = 1.5
"""Days of silence after which a series that never had a gap has stopped for good with a probability of one half."""
TINY: Final = 1e-9
"""Less than the exposure of any day."""

_PSEUDO: Final = np.array([NormalDist().inv_cdf((i + 0.5) / 99) for i in range(99)])


@dataclass(frozen=True, slots=True)
class Outlook:
    """A total: 0 with the probability `stopped`, else a weighted sample. `values`: ascending, not negative. `reached`:
    the share of the weight up to the middle of each. `windows`: the past windows of this length behind it."""

    values: Floats
    reached: Floats
    windows: int = 0
    stopped: float = 0.0

    def quantile(self, share: float) -> float:
        """The value that the total stays under with the probability `share`."""
        if share <= self.stopped:
            return 0.0
        return float(np.interp((share - self.stopped) / (1 - self.stopped), self.reached, self.values))

    def above(self, limit: float) -> float:
        """The probability of a total above `limit` (0 or more); 0 from the largest value of the sample on."""
        if limit >= self.values[-1]:
            return 0.0
        return (1 - self.stopped) * (1 - float(np.interp(limit, self.values, self.reached, left=0)))


class Past:
    """What a series shows of itself, from its first day with spend to its last; the silence since has its own say.

    `spend`, `exposure`: a day each, oldest first, the same length; no exposure is 0. `elapsed`: the share of the last
    day that is over.
    """

    def __init__(self, spend: Floats, exposure: Floats, elapsed: float = 1) -> None:
        used = np.flatnonzero(spend)
        first, end = (int(used[0]), int(used[-1]) + 1) if len(used) else (0, 0)
        silent = len(spend) - end - (1 - elapsed if end < len(spend) else 0)
        longest_gap = int(np.diff(used).max()) - 1 if len(used) > 1 else 0
        self.days = end - first
        self.history = len(spend) - first
        self.comes_back = 1 / (1 + (silent / (RESTS + longest_gap)) ** 2)
        self._spent = np.concatenate([[0.0], np.cumsum(spend[first:end])])
        self._exposed = np.concatenate([[0.0], np.cumsum(exposure[first:end])])
        self._rates = _rates(self._spent, self._exposed)
        self._soft = SOFTENING * self._spent[-1] / self._exposed[-1] if self.days else 0.0

    def outlook(self, horizon: int, ahead: float, blend: Floats | None = None) -> Outlook:
        """The total over days ahead with the exposure `ahead`, of which the last is `horizon` (1 or more) days away.
        `blend`: the weights of the look-backs, else those that suit this horizon. Surely 0 where nothing was spent."""
        if not self.days:
            return Outlook(np.zeros(1), np.full(1, 0.5))
        blend = self.blend(horizon) if blend is None else blend
        length = min(horizon, max(1, self.days // 2))
        own = self._errors(length, blend)
        errors = np.concatenate([own, _PSEUDO * self._spread(horizon, blend)])
        weight = np.repeat([1 / length, PRIOR_WEIGHT / len(_PSEUDO)], [len(own), len(_PSEUDO)])
        errors -= Outlook(*_ordered(errors, weight)).quantile(0.5)
        rate = float(blend @ self._rates[:, -1])
        totals = np.maximum(0, (rate + self._soft) * np.exp(errors) - self._soft) * ahead
        values, reached = _ordered(totals, weight)
        return Outlook(values, reached, len(own) if length == horizon else 0, 1 - self.comes_back)

    def blend(self, horizon: int) -> Floats:
        """The weights of LOOK_BACKS for this horizon; they sum to 1."""
        length = min(horizon, max(1, self.days // 4))
        errors = np.abs(self._log_ratios(length, self._rates_before(length)))
        windows = errors.shape[1] / length
        error = (errors.sum(axis=1) / length + EXPECTED_ERROR) / (windows + 1)
        weights = np.minimum(1, np.array(LOOK_BACKS) / horizon) ** 2 * (error / error.min()) ** -SHARPNESS
        return np.asarray(weights / weights.sum())

    def _spread(self, horizon: int, blend: Floats) -> float:
        """The standard deviation of the pseudo-errors. Variance grows with the square root of the horizon."""
        length = min(7, horizon, max(1, self.days // 4))
        errors = self._errors(length, blend)
        shown = float((errors**2).sum()) / length * (horizon / length) ** 0.5
        expected = PRIOR_SPREAD**2 * float(_variance(self.history))
        return float(((PRIOR_WEIGHT * expected + shown) / (PRIOR_WEIGHT + len(errors) / length)) ** 0.5)

    def _errors(self, length: int, blend: Floats) -> Floats:
        """The blend's log ratios over windows of this length, as they would be with all of today's history."""
        before = np.arange(2, self.days - length + 1)
        scale = np.sqrt(_variance(self.history) / _variance(before))
        return np.asarray(self._log_ratios(length, blend @ self._rates_before(length)) * scale)

    def _rates_before(self, length: int) -> Floats:
        """The rates before each window of this length, from the third day on: (look-backs, windows)."""
        return self._rates[:, 2 : self.days - length + 1]

    def _log_ratios(self, length: int, rates: Floats) -> Floats:
        """log(what each of those windows came to / what `rates`, (..., windows), said)."""
        spent = self._spent[2 + length :] - self._spent[2 : len(self._spent) - length]
        exposed = self._exposed[2 + length :] - self._exposed[2 : len(self._exposed) - length]
        return np.asarray(np.log((spent / exposed + self._soft) / (rates + self._soft)))


def _variance(days: npt.ArrayLike) -> Floats:
    """How the variance of errors falls with the days of history, as a multiple of what it comes to in the end."""
    return np.asarray(1 + SHORT_HISTORY / np.asarray(days, dtype=np.float64))


def _rates(spent: Floats, exposed: Floats) -> Floats:
    """Spend by exposure over each look-back before each day, from running sums: (look-backs, days + 1); 0 before the
    first day."""
    end = np.arange(len(spent))
    rate = spent / np.maximum(exposed, TINY)
    rates = []
    for look_back in LOOK_BACKS:
        begin = np.maximum(0, end - look_back)
        rate = (spent - spent[begin] + CARRY * rate) / (exposed - exposed[begin] + CARRY)
        rates.append(rate)
    return np.array(rates)


def _ordered(values: Floats, weight: Floats) -> tuple[Floats, Floats]:
    """Ascending, and the share of the weight up to the middle of each."""
    order = np.argsort(values)
    values, weight = values[order], weight[order]
    return values, (np.cumsum(weight) - weight / 2) / weight.sum()
