"""The costing expression: usage x price, in Ibis, the same on DuckDB and on Spark.

Rows are summed first, by all that a rate can depend on, and each sum is multiplied by its rate once: exact, since a
rate is constant where the key is.
"""

import functools
import operator
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import ibis
import ibis.expr.types as ir

from db.meters import PROMPT
from db.usage.billing import FAMILIES, PRICED, family
from db.usage.facts import COUNTED

NAMES: Final = ("model", "provider", "endpoint", "variant")
"""What a log calls an endpoint."""
LABELS: Final = ("project", "api_key", "user", "tags")
"""Whose usage it was."""
_UNITS, _RATE, _COST = "decimal(19, 0)", "decimal(18, 0)", "decimal(38, 0)"
"""Of two decimals of 18 digits DuckDB makes a product of 18 again, and fails where that is too short."""


@dataclass(frozen=True, slots=True)
class Grid:
    """Where roll-up cells are cut besides the hours, so that what they hold can be re-costed at any known price.

    `bands`: prompt lengths (tokens), 0 first; `cuts`: minutes of the UTC day.
    """

    bands: Sequence[int]
    cuts: Sequence[int]


def rolled_up(usage: ir.Table, segments: ir.Table, grid: Grid) -> ir.Table:
    """Sum requests by hour, segment, labels and all that a rate can depend on.

    `usage`: as stored; a column that no row needs may be missing. `segments`: {segment: int64, start, end: timestamp,
    and the NAMES that `usage` has}, tiling all time of each name. Result: {segment, slot: timestamp, band: int64,
    shape: int64, the LABELS that `usage` has, requests, each meter in `usage`, logged_*}.
    """
    has = set(usage.columns)
    meters = [m for m in COUNTED if m in has]
    length = _total(usage, [m for m in meters if family(m) == PROMPT])
    if "requests" in has:
        length = (length / usage.requests).floor().cast("int64")
    rows = usage.mutate(slot=_slot(usage.time, grid.cuts), band=_band(length, grid.bands), shape=_shape(usage, meters))
    same_name = [rows[n] == segments[n] for n in NAMES if n in has]
    joined = rows.join(segments, [*same_name, rows.time >= segments.start, rows.time < segments.end])
    keys = ["segment", "slot", "band", "shape", *(n for n in LABELS if n in has)]
    requests = _sum(joined.requests) if "requests" in has else joined.count()
    sums = {"requests": requests, **{m: _sum(joined[m]) for m in meters}}
    if "requests" in has:
        sums["bucketed"] = _sum(joined.until.notnull().ifelse(joined.requests, 0))
    if "cost_usd" in has:
        sums["logged_usd"] = joined.cost_usd.sum()
        sums["logged_requests"] = _sum(joined.cost_usd.notnull().ifelse(requests_of(joined), 0))
    if "total_tokens" in has:
        sums["total_tokens"] = _sum(joined.total_tokens)
    return joined.group_by(keys).aggregate(**sums)


def requests_of(usage: ir.Table) -> ir.IntegerValue:
    return usage.requests if "requests" in usage.columns else ibis.literal(1, "int64")


def _sum(column: ir.IntegerColumn) -> ir.IntegerValue:
    """DuckDB's sum has 128 bits, which Parquet would hold as floats; Ibis thinks that it has 64 and drops one cast."""
    return column.sum().cast("decimal(18, 0)").cast("int64")


def costed(cells: ir.Table, rates: ir.Table) -> ir.Table:
    """Add `cost_femto` (decimal(38, 0), 1e-15 USD; null: unpriced) and `fallbacks` (of the rate; see ASSUMPTIONS) to
    rolled-up cells.

    `rates`: {segment, from_tokens, to_tokens, from_minute, to_minute, known, fallbacks, request_femto, and
    `<meter>_femto` for each meter in `cells`: int64}; a segment without a price has no row.
    """
    minute = cells.slot.hour() * 60 + cells.slot.minute()
    at_rate = [
        cells.segment == rates.segment,
        cells.band >= rates.from_tokens,
        cells.band < rates.to_tokens,
        minute >= rates.from_minute,
        minute < rates.to_minute,
    ]
    joined = cells.left_join(rates, at_rate)
    meters = ["requests", *(m for m in COUNTED if m in cells.columns)]
    parts = [_product(joined[m], joined["request_femto" if m == "requests" else f"{m}_femto"]) for m in meters]
    priced = _covers(joined)
    cost = priced.ifelse(functools.reduce(operator.add, parts).cast(_COST), ibis.null(_COST))
    return joined.mutate(cost_femto=cost).select(*cells.columns, "cost_femto", "fallbacks")


def _covers(joined: ir.Table) -> ir.BooleanValue:
    """Whether there is a price, and every family that was used has a known rate in it."""
    needed = joined.shape | PRICED
    return ibis.coalesce((needed & joined.known) == needed, False)


def _product(units: ir.Column, rate: ir.Column) -> ir.DecimalValue:
    return ibis.coalesce((units.cast(_UNITS) * rate.cast(_RATE)).cast(_COST), ibis.literal(0).cast(_COST))


def _slot(time: ir.TimestampColumn, cuts: Sequence[int]) -> ir.TimestampValue:
    """The hour's start, or a later cut inside the hour."""
    hour = time.truncate("h")
    inside = sorted((c for c in cuts if c % 60), reverse=True)
    if not inside:
        return hour
    minute = time.hour() * 60 + time.minute()
    branches = [
        ((minute >= cut) & (minute < cut // 60 * 60 + 60), hour + ibis.interval(minutes=cut % 60)) for cut in inside
    ]
    return ibis.cases(*branches, else_=hour)


def _band(length: ir.IntegerValue, bands: Sequence[int]) -> ir.IntegerValue:
    """The greatest bound that is not above `length`."""
    lows = sorted(bands)
    # The shortest first: nearly all prompts are, and the first branch that holds ends the search.
    branches = [(length < above, ibis.literal(low, "int64")) for low, above in pairwise(lows)]
    last = ibis.literal(lows[-1], "int64")
    return ibis.cases(*branches, else_=last) if branches else last


def _shape(usage: ir.Table, meters: Sequence[str]) -> ir.IntegerValue:
    bits = [ibis.literal(0, "int64")]
    for i, name in enumerate(FAMILIES):
        members = [m for m in meters if family(m) == name]
        if members:
            used = functools.reduce(operator.or_, [usage[m] > 0 for m in members])
            bits.append(used.ifelse(ibis.literal(1 << i, "int64"), ibis.literal(0, "int64")))
    return functools.reduce(operator.add, bits)


def _total(usage: ir.Table, meters: Sequence[str]) -> ir.IntegerValue:
    return functools.reduce(operator.add, [usage[m] for m in meters], ibis.literal(0, "int64"))
