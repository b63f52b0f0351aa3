"""Roll-up cells as columns: which requests a cell may hold, by time and by prompt length. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Final

import numpy as np

from db.meters import PROMPT
from db.prices.cells import MINUTES_A_DAY
from db.usage.billing import family
from db.usage.costing import Grid
from db.usage.exact import Bools, Ints
from db.usage.facts import COUNTED
from db.usage.pricing import ANY_LENGTH

MINUTE_US: Final = 60_000_000
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_INPUT: Final = tuple(meter for meter in COUNTED if family(meter) == PROMPT)
COLUMNS: Final = ("minute", "costing_id", "price_id", "band", "shape", "requests")
"""What cells are made of, besides the meters."""

Spans = Mapping[int, tuple[datetime, datetime | None]]
"""Price id -> from when to when it was in force."""


@dataclass(frozen=True)
class Cells:
    """Columns of roll-up cells: requests of [start, end) (microseconds since 1970) with prompts of [low, high) tokens.

    No cell crosses midnight. `units`: meter -> units; a meter that is missing was not used.
    """

    start: Ints
    end: Ints
    low: Ints
    high: Ints
    shape: Ints
    requests: Ints
    units: Mapping[str, Ints]

    def chosen(self, which: Bools | Ints) -> "Cells":
        """Some of the cells."""
        start, end, low, high, shape, requests = (
            column[which] for column in (self.start, self.end, self.low, self.high, self.shape, self.requests)
        )
        units = {meter: column[which] for meter, column in self.units.items()}
        return Cells(start, end, low, high, shape, requests, units)

    @cached_property
    def typical(self) -> Ints:
        """The mean prompt length, inside the cell's own range."""
        tokens = sum((self.units[m] for m in _INPUT if m in self.units), np.zeros(len(self.low), np.int64))
        return np.clip(tokens // np.maximum(self.requests, 1), self.low, self.high - 1)


def cells_from(columns: Mapping[str, Ints], spans: Spans, grids: Mapping[int, Grid]) -> Cells:
    """Cells from the columns COLUMNS and meters of the roll-up, `price_id` 0 where there was no price.

    A cell ends where the next one of its grid begins. It was costed at one price, so all of it lies in that price's
    interval, too.
    """
    start = columns["minute"] * MINUTE_US
    end, high = np.empty_like(start), np.empty_like(start)
    for costing_id in np.unique(columns["costing_id"]).tolist():
        of = columns["costing_id"] == costing_id
        end[of] = start[of] + _left(columns["minute"][of] % MINUTES_A_DAY, grids[costing_id].cuts) * MINUTE_US
        high[of] = _next(columns["band"][of], [*grids[costing_id].bands, ANY_LENGTH])
    since, until = _bounds(columns["price_id"], spans)
    meets = (since < end) & (until > start)
    start, end = np.where(meets, np.maximum(start, since), start), np.where(meets, np.minimum(end, until), end)
    units = {meter: columns[meter] for meter in COUNTED if meter in columns}
    return Cells(start, end, columns["band"], high, columns["shape"], columns["requests"], units)


def _left(minute: Ints, cuts: Sequence[int]) -> Ints:
    """Minutes up to the next hour, or the next cut of the day if it comes first."""
    return _next(minute, sorted({*range(0, MINUTES_A_DAY + 1, 60), *cuts})) - minute


def _next(values: Ints, bounds: Sequence[int]) -> Ints:
    """For each value the least bound above it."""
    table = np.array(bounds, np.int64)
    return table[np.searchsorted(table, values, "right")]


def _bounds(price_ids: Ints, spans: Spans) -> tuple[Ints, Ints]:
    """From when to when each cell's price was in force, in microseconds; without a price there is no bound."""
    found, which = np.unique(price_ids, return_inverse=True)
    far = np.iinfo(np.int64).max
    pairs = [spans.get(price_id, (_EPOCH, None)) for price_id in found.tolist()]
    since = np.array([microseconds(begin) for begin, _ in pairs], np.int64)
    until = np.array([far if stop is None else microseconds(stop) for _, stop in pairs], np.int64)
    return since[which], until[which]


def microseconds(at: datetime) -> int:
    """Since 1970."""
    return (at - _EPOCH) // timedelta(microseconds=1)
