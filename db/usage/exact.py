"""Exact money over whole columns: 64-bit integers where they suffice, Python's own where they do not. Pure."""

from decimal import Decimal
from typing import Any, Final

import numpy as np

from db.usage.rollup import FEMTO_PER_NANO, half_even

Ints = np.ndarray[Any, np.dtype[np.int64]]
Bools = np.ndarray[Any, np.dtype[np.bool_]]

_SAFE: Final = 2.0**62
_HALF_WORD: Final = 32


def nano_sum(units: Ints, femto: Ints) -> Ints:
    """Row by row, units x rates (1e-15 USD a unit) as 1e-9 USD, rounded once, half to even.

    Both are of shape (rows, meters).
    """
    size = np.einsum("ij,ij->i", np.abs(units.astype(np.float64)), np.abs(femto.astype(np.float64)))
    # Where a product would not fit it wraps silently; those rows are computed again.
    nano = _half_even(np.einsum("ij,ij->i", units, femto))
    for i in np.flatnonzero(size >= _SAFE).tolist():
        exact = sum(u * f for u, f in zip(units[i].tolist(), femto[i].tolist(), strict=True))
        nano[i] = half_even(exact, FEMTO_PER_NANO)
    return nano


def _half_even(femto: Ints) -> Ints:
    quotient, rest = np.divmod(femto, FEMTO_PER_NANO)
    half = FEMTO_PER_NANO // 2
    up = (rest > half) | ((rest == half) & (quotient % 2 == 1))
    return np.asarray(quotient + up, np.int64)


def totals(values: Ints, group: Ints, groups: int) -> list[int]:
    """The sum of the values of each group, however large; `group`: the number of a value's group."""
    high, low = np.zeros(groups, np.int64), np.zeros(groups, np.int64)
    np.add.at(high, group, values >> _HALF_WORD)
    np.add.at(low, group, values & ((1 << _HALF_WORD) - 1))
    return [(h << _HALF_WORD) + rest for h, rest in zip(high.tolist(), low.tolist(), strict=True)]


def usd(nano: int) -> Decimal:
    """1e-9 USD -> USD."""
    return Decimal(nano).scaleb(-9)
