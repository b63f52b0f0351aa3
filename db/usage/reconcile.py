"""Where a log carries its own cost: how far ours is from it, and why. Pure.

residual = logged - ours, split into parts that sum to it to the nano-dollar. A part explains at most what is left of
the residual, in its direction; what remains is the next one's.
"""

from dataclasses import dataclass

import numpy as np

from db.usage.exact import Bools, Ints, totals
from db.usage.rollup import half_even


@dataclass(frozen=True)
class Costs:
    """Columns of cells with both views of their cost, in 1e-9 USD.

    `priced`: whether `ours` is a cost; `base`: ours at the base tier of the same price, whatever the prompt's length.
    `logged` is what the log says for `logged_requests` of the `requests`. `counted`: tokens by our meters;
    `total_tokens`: by the log's own total, 0 where it has none.
    """

    requests: Ints
    priced: Bools
    ours: Ints
    base: Ints
    logged: Ints
    logged_requests: Ints
    counted: Ints
    total_tokens: Ints


@dataclass(frozen=True, slots=True)
class Reconciled:
    """Money in 1e-9 USD.

    `residual` = `logged` - `ours` = `tier` + `tokens` + `price` + `missing`. `tier`: what disappears when our cost is
    taken at the base tier; `tokens`: what the tokens that only one of the two counted cost at our average;
    `price`: the rest of requests that have both costs; `missing`: requests that have only one, or that the log gives
    a cost for only in part. `compared` requests have both; `unpriced` only the log's, `unlogged` not (all) the log's.
    """

    requests: int = 0
    compared: int = 0
    unpriced: int = 0
    unlogged: int = 0
    logged: int = 0
    ours: int = 0
    tier: int = 0
    tokens: int = 0
    price: int = 0
    missing: int = 0

    @property
    def residual(self) -> int:
        return self.logged - self.ours

    def __add__(self, other: "Reconciled") -> "Reconciled":
        mine, others = ([getattr(each, name) for name in Reconciled.__slots__] for each in (self, other))
        return Reconciled(*(a + b for a, b in zip(mine, others, strict=True)))


def reconciled(costs: Costs, group: Ints, groups: int) -> list[Reconciled]:
    """The residual of each of `groups` groups of cells, in parts; `group`: the number of a cell's own."""
    ours = np.where(costs.priced, costs.ours, 0)
    whole = costs.logged_requests == costs.requests
    both = costs.priced & whole
    residual = np.where(both, costs.logged - ours, 0)
    tier = _explained(residual, np.where(both, costs.base - ours, 0))
    tokens = _explained(residual - tier, _of_tokens(costs, both))
    measures = (
        costs.requests,
        np.where(both, costs.requests, 0),
        np.where(whole & ~costs.priced, costs.requests, 0),
        np.where(whole, 0, costs.requests),
        costs.logged,
        ours,
        tier,
        tokens,
        residual - tier - tokens,
        np.where(both, 0, costs.logged - ours),
    )
    return [Reconciled(*row) for row in zip(*(totals(m, group, groups) for m in measures), strict=True)]


def _explained(residual: Ints, cause: Ints) -> Ints:
    """As much of the residual as the cause can account for, in its direction."""
    size = np.minimum(np.abs(residual), np.abs(cause))
    return np.where(np.sign(residual) == np.sign(cause), np.sign(residual) * size, 0)


def _of_tokens(costs: Costs, both: Bools) -> Ints:
    """Our average cost of a token times the tokens by which the log's total differs from what we counted."""
    found = np.zeros(len(costs.requests), np.int64)
    differ = both & (costs.total_tokens > 0) & (costs.counted > 0) & (costs.total_tokens != costs.counted)
    for i in np.flatnonzero(differ).tolist():
        counted = int(costs.counted[i])
        found[i] = half_even(int(costs.ours[i]) * (int(costs.total_tokens[i]) - counted), counted)
    return found
