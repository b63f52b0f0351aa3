"""What the costing expression joins with: segments of time, and the rates inside them. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa

from db.prices.cells import bands, cells, cuts
from db.prices.facts import Price, Rates
from db.usage.billing import Billed, assumed, billed
from db.usage.costing import NAMES, Grid
from db.usage.facts import COUNTED
from db.usage.resolve import Name, Resolved
from db.usage.segments import Segment, segments

ANY_LENGTH = 2**62


@dataclass(frozen=True, slots=True)
class Priced:
    """One segment of one logged name: what it means, and the price that held."""

    resolved: Resolved
    segment: Segment


@dataclass(frozen=True)
class Pricing:
    """`segments` and `rates` as db.usage.costing wants them; `entries`: segment number -> what it stands for."""

    grid: Grid
    segments: pa.Table
    rates: pa.Table
    entries: Sequence[Priced]
    _cells: Mapping[int, Sequence[Billed]]

    def billed(self, segment: int, band: int, minute: int) -> Billed | None:
        """How one roll-up cell was billed; `minute` of the UTC day. None: the segment has no price."""
        for each in self._cells.get(segment, ()):
            cell = each.cell
            if (
                cell.from_tokens <= band < (cell.to_tokens or ANY_LENGTH)
                and cell.from_minute <= minute < cell.to_minute
            ):
                return each
        return None


def grid_of(quotes: Iterable[Rates]) -> Grid:
    """Cuts that let usage be re-costed exactly at any of the quotes."""
    quotes = list(quotes)
    return Grid(bands(quotes), cuts(quotes))


def pricing(names: Iterable[Resolved], prices: Mapping[int, Sequence[Price]], grid: Grid) -> Pricing:
    """Prices of what the names mean. `prices`: endpoint id -> its versions, oldest first."""
    entries = [
        Priced(resolved, segment)
        for resolved in names
        for segment in segments([prices.get(endpoint.id, ()) for endpoint in resolved.candidates])
    ]
    by_segment = {
        i: [billed(cell) for cell in cells(entry.segment.price.rates)]
        for i, entry in enumerate(entries)
        if entry.segment.price is not None
    }
    return Pricing(grid, _segments(entries), _rates(by_segment), entries, by_segment)


def by_name(priced: Pricing) -> dict[Name, list[Priced]]:
    """Each name's segments, in the order of time."""
    found: dict[Name, list[Priced]] = {}
    for entry in priced.entries:
        found.setdefault(entry.resolved.name, []).append(entry)
    return found


def _segments(entries: Sequence[Priced]) -> pa.Table:
    rows: dict[str, list[Any]] = {
        "segment": list(range(len(entries))),
        "start": [naive(e.segment.start) for e in entries],
        "end": [naive(e.segment.end) for e in entries],
        **{name: [getattr(e.resolved.name, name) for e in entries] for name in NAMES},
    }
    times = dict.fromkeys(("start", "end"), pa.timestamp("us"))
    kinds = {"segment": pa.int64(), **times, **dict.fromkeys(NAMES, pa.string())}
    return pa.table(rows, pa.schema(kinds.items()))


def _rates(by_segment: Mapping[int, Sequence[Billed]]) -> pa.Table:
    each = [(i, b) for i, found in by_segment.items() for b in found]
    rows: dict[str, list[int | None]] = {
        "segment": [i for i, _ in each],
        "from_tokens": [b.cell.from_tokens for _, b in each],
        "to_tokens": [b.cell.to_tokens or ANY_LENGTH for _, b in each],
        "from_minute": [b.cell.from_minute for _, b in each],
        "to_minute": [b.cell.to_minute for _, b in each],
        "known": [b.known for _, b in each],
        "fallbacks": [assumed(b.fallbacks) for _, b in each],
        "request_femto": [b.request_femto for _, b in each],
        **{f"{meter}_femto": [b.femto.get(meter) for _, b in each] for meter in COUNTED},
    }
    return pa.table(rows, pa.schema([(name, pa.int64()) for name in rows]))


def naive(at: datetime) -> datetime:
    """The engine's timestamps are UTC without a zone, alike on DuckDB and Spark."""
    return at.astimezone(UTC).replace(tzinfo=None)
