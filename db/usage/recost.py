"""What usage would have cost elsewhere, from roll-up cells. Pure.

A cell holds requests of a span of time and a range of prompt lengths. Where the other endpoint's rates are constant
over both, its cost there is exact, to the nano-dollar as if it had been costed there. Where a rate changes inside, it
is a range: each meter at the lowest and at the highest of the rates that may apply.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import numpy as np

from db.prices.cells import MINUTES_A_DAY, cells
from db.prices.facts import Rates
from db.usage.billing import PRICED, Billed, billed
from db.usage.cells import MINUTE_US, Cells, microseconds
from db.usage.exact import Bools, Ints, nano_sum, totals
from db.usage.facts import COUNTED
from db.usage.pricing import ANY_LENGTH

_DAY_US: Final = MINUTES_A_DAY * MINUTE_US


@dataclass(frozen=True)
class Recosted:
    """Cell by cell: whether it has a price there, and what it costs (1e-9 USD; 0 without a price).

    `best` is exact where `low` equals `high`; else as if every request had come at the start of its cell and at the
    mean length of its prompts.
    """

    priced: Bools
    best: Ints
    low: Ints
    high: Ints


Tile = tuple[datetime, Rates | None]
"""From when on which rates hold, up to the next tile; None: no price is known."""


class Target:
    """An endpoint's prices, ready for cells: the rates of each tile x part of the day x prompt length, by number."""

    def __init__(self, tiles: Iterable[Tile]) -> None:
        """`tiles` cover all time from 1970 on, oldest first."""
        since, rates = zip(*tiles, strict=True)
        quotes = [[billed(c) for c in cells(each)] if each is not None else [] for each in rates]
        every = [b for quote in quotes for b in quote]
        minutes = sorted({0, *(b.cell.from_minute for b in every)})
        lengths = sorted({0, *(b.cell.from_tokens for b in every)})
        numbers: dict[tuple[int, ...], int] = {}

        def number(quote: Sequence[Billed], minute: int, length: int) -> int:
            return numbers.setdefault(_rates(_applying(quote, minute, length)), len(numbers))

        grid = [[[number(quote, m, n) for n in lengths] for m in minutes] for quote in quotes]
        self._since = np.array([microseconds(at) for at in since], np.int64)
        self._minutes, self._lengths = np.array(minutes, np.int64) * MINUTE_US, np.array(lengths, np.int64)
        self._number = np.array(grid, np.int64)
        table = np.array(list(numbers), np.int64)
        self._known, self._femto = table[:, 0], table[:, 1:]

    def recost(self, usage: Cells) -> Recosted:
        """What the cells would have cost here; no price where a rate that was used is, or may be, unknown."""
        time = _range(self._since, usage.start, usage.end)
        day = _range(self._minutes, usage.start % _DAY_US, (usage.end - 1) % _DAY_US + 1)
        length = _range(self._lengths, usage.low, usage.high)
        typical = np.searchsorted(self._lengths, usage.typical, "right") - 1
        number = self._number[time[0], day[0], typical]
        known, best = self._known[number], _cost(usage, self._femto[number])
        low, high = best.copy(), best.copy()
        bounds = np.stack([*time, *day, *length], axis=1)
        wide = (bounds[:, ::2] != bounds[:, 1::2]).any(axis=1)
        if wide.any():
            boxes, box = np.unique(bounds[wide], axis=0, return_inverse=True)
            inside = [self._inside(each) for each in boxes.tolist()]
            known[wide] = np.array([np.bitwise_and.reduce(self._known[each]) for each in inside])[box]
            some = usage.chosen(wide)
            low[wide] = _cost(some, np.array([self._femto[each].min(axis=0) for each in inside])[box])
            high[wide] = _cost(some, np.array([self._femto[each].max(axis=0) for each in inside])[box])
        needed = usage.shape | PRICED
        priced = known & needed == needed
        return Recosted(priced, *(np.where(priced, cost, 0) for cost in (best, low, high)))

    def _inside(self, box: Sequence[int]) -> Ints:
        """The numbers of the rates that apply somewhere in a box."""
        t0, t1, d0, d1, n0, n1 = box
        return np.unique(self._number[t0 : t1 + 1, d0 : d1 + 1, n0 : n1 + 1])


def _applying(quote: Sequence[Billed], minute: int, length: int) -> Billed | None:
    for each in quote:
        cell = each.cell
        if cell.from_minute <= minute < cell.to_minute and cell.from_tokens <= length < (cell.to_tokens or ANY_LENGTH):
            return each
    return None


def _rates(billed: Billed | None) -> tuple[int, ...]:
    """What is known, as bits, then the rates: a request's fee and each meter of COUNTED; the same for equal prices."""
    if billed is None:
        return (0,) * (len(COUNTED) + 2)
    return (billed.known, billed.request_femto, *(billed.femto.get(meter, 0) for meter in COUNTED))


def _range(starts: Ints, since: Ints, until: Ints) -> tuple[Ints, Ints]:
    """The first and the last of the tiles that begin at `starts` which [since, until) meets."""
    return np.searchsorted(starts, since, "right") - 1, np.searchsorted(starts, until - 1, "right") - 1


def _cost(usage: Cells, femto: Ints) -> Ints:
    used = [i for i, meter in enumerate(COUNTED) if meter in usage.units]
    units = np.stack([usage.requests, *(usage.units[COUNTED[i]] for i in used)], axis=1)
    return nano_sum(units, femto[:, [0, *(i + 1 for i in used)]])


@dataclass(frozen=True, slots=True)
class Comparison:
    """What usage did cost against what it would have cost, like with like. Money in 1e-9 USD.

    `actual`, `best`, `low`, `high` are over the `compared` requests, which have a price on both sides. Those with one
    on a single side stand apart: `only_here` with what they did cost, `only_there` with what they would have.
    """

    requests: int = 0
    compared: int = 0
    actual: int = 0
    best: int = 0
    low: int = 0
    high: int = 0
    only_here: int = 0
    only_here_nano: int = 0
    only_there: int = 0
    only_there_nano: int = 0

    def __add__(self, other: "Comparison") -> "Comparison":
        mine, others = ([getattr(each, name) for name in Comparison.__slots__] for each in (self, other))
        return Comparison(*(a + b for a, b in zip(mine, others, strict=True)))

    @property
    def unpriced(self) -> int:
        """Requests that have no price there."""
        return self.requests - self.compared - self.only_there


def compared(requests: Ints, here: Bools, actual: Ints, there: Recosted, group: Ints, groups: int) -> list[Comparison]:
    """Cells as they were costed (`here`: whether they have a price; `actual`: 1e-9 USD) against a re-costing, for
    each of `groups` groups; `group`: the number of a cell's own."""
    both, left, right = here & there.priced, here & ~there.priced, ~here & there.priced
    measures = (
        requests,
        np.where(both, requests, 0),
        *(np.where(both, nano, 0) for nano in (actual, there.best, there.low, there.high)),
        np.where(left, requests, 0),
        np.where(left, actual, 0),
        np.where(right, requests, 0),
        np.where(right, there.best, 0),
    )
    return [Comparison(*row) for row in zip(*(totals(m, group, groups) for m in measures), strict=True)]
