"""Latency histograms that merge without loss, and percentiles from them with a bounded relative error. Pure.

A DDSketch (Masson, Rim, Lee: "DDSketch: a fast and fully-mergeable quantile sketch", VLDB 2019): bucket i counts the
values in (gamma^(i-1), gamma^i] with gamma = (1 + a) / (1 - a), and stands for 2 gamma^i / (gamma + 1), which is within
the share `a` of each of them. All buckets of a histogram are kept in one integer, 32 bits each, so that merging is one
addition however many there are.
"""

import struct
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from math import ceil, exp, isfinite, log
from typing import Final

RELATIVE_ERROR: Final = 0.01
"""The bound of every percentile. Stored histograms depend on it: another bound needs a migration."""
SMALLEST: Final = 0.001
LARGEST: Final = 1e9
"""Values in [SMALLEST, LARGEST] have that bound. Smaller ones (under a microsecond) count as zero, larger ones (over
eleven days) as the largest."""

_LOG_GAMMA: Final = log((1 + RELATIVE_ERROR) / (1 - RELATIVE_ERROR))
_BEFORE_FIRST: Final = ceil(log(SMALLEST) / _LOG_GAMMA) - 1
_BITS: Final = 32
_BYTES: Final = 4
_DENSE, _SPARSE = 0, 1
_HEAD: Final = struct.Struct("<BH")
_PAIR: Final = struct.Struct("<HI")


@dataclass(frozen=True, slots=True)
class Histogram:
    """How many values fell into each bucket. `packed`: slot s has the 32 bits from 32 s on; slot 0 counts zeros."""

    packed: int = 0

    def __add__(self, other: "Histogram") -> "Histogram":
        return Histogram(self.packed + other.packed)

    @property
    def count(self) -> int:
        """How many values it holds."""
        return sum(self._used()[1])

    def percentiles(self, wanted: Sequence[int]) -> list[float] | None:
        """The `wanted` percentiles (whole ones, 0 to 100), by nearest rank as in `exact`; None of no values."""
        first, counts = self._used()
        if not counts:
            return None
        reached = list(accumulate(counts))
        return [_value(first + bisect_left(reached, nearest_rank(percent, reached[-1]))) for percent in wanted]

    def percentile(self, percent: int) -> float | None:
        """One percentile, as `percentiles` gives it."""
        found = self.percentiles((percent,))
        return found[0] if found is not None else None

    def encode(self) -> bytes:
        """The same in few bytes: the used stretch of slots where most of it is used, else only those in use."""
        first, stretch = self._used()
        used = [(slot, count) for slot, count in enumerate(stretch, first) if count]
        if len(stretch) <= 4 * len(used):
            return _HEAD.pack(_DENSE, first) + struct.pack(f"<{len(stretch)}I", *stretch) if used else b""
        return _HEAD.pack(_SPARSE, 0) + b"".join(_PAIR.pack(*each) for each in used)

    def _used(self) -> tuple[int, tuple[int, ...]]:
        """The first slot in use, and the counts from there to the last in use."""
        lowest_bit = self.packed & -self.packed
        first = max(0, lowest_bit.bit_length() - 1) // _BITS
        packed = self.packed >> (first * _BITS)
        length = -(-packed.bit_length() // _BITS)
        return first, struct.unpack(f"<{length}I", packed.to_bytes(length * _BYTES, "little"))


def histogram(values: Iterable[float]) -> Histogram:
    """The histogram of durations or speeds. Raises ValueError for one that is negative or not finite."""
    return Histogram(_pack(Counter(map(_slot, values))))


def decode(encoded: Iterable[bytes]) -> Histogram:
    """The sum of any number of encoded histograms."""
    packed = 0
    scattered: dict[int, int] = {}
    for body in encoded:
        if not body:
            continue
        kind, first = _HEAD.unpack_from(body)
        if kind == _DENSE:
            packed += int.from_bytes(body[_HEAD.size :], "little") << (first * _BITS)
        else:
            for slot, count in _PAIR.iter_unpack(body[_HEAD.size :]):
                scattered[slot] = scattered.get(slot, 0) + count
    return Histogram(packed + _pack(scattered))


def exact(values: Iterable[float], percent: int) -> float | None:
    """The exact percentile of values that are all at hand: the one at the nearest rank; None of no values."""
    ordered = sorted(values)
    return ordered[nearest_rank(percent, len(ordered)) - 1] if ordered else None


def nearest_rank(percent: int, count: int) -> int:
    """ceil(percent / 100 x count), counted from 1: the smallest value that `percent` of all are not above."""
    if not 0 <= percent <= 100:
        raise ValueError(f"a percentile is from 0 to 100, not {percent}")
    return max(1, -(-percent * count // 100))


def _pack(counts: Mapping[int, int]) -> int:
    return sum(count << (slot * _BITS) for slot, count in counts.items())


def _slot(value: float) -> int:
    if not isfinite(value) or value < 0:
        raise ValueError(f"a duration or speed is finite and not negative, not {value}")
    if value < SMALLEST:
        return 0
    return ceil(log(min(value, LARGEST)) / _LOG_GAMMA) - _BEFORE_FIRST


def _value(slot: int) -> float:
    # 2 / (gamma + 1) = 1 - RELATIVE_ERROR.
    return exp((slot + _BEFORE_FIRST) * _LOG_GAMMA) * (1 - RELATIVE_ERROR) if slot else 0.0
