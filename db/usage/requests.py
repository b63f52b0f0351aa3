"""Requests at rest: Parquet files, one folder an import. A column that no row needs is left out."""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Context, Decimal
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from db.meters import decimal_text
from db.usage.costing import LABELS, NAMES
from db.usage.facts import COUNTED, Usage
from db.usage.tags import canonical

MOST: Final = 10**12
"""No request counts more of anything."""
_MOST_USD: Final = Decimal(10**9)
_FEMTO: Final = Decimal(1).scaleb(-15)
_EXACT: Final = Context(prec=60)
EARLIEST: Final = datetime(1971, 1, 1, tzinfo=UTC)
"""Before it, a time is a clock that was not set."""

_TIME: Final = pa.timestamp("us")
KINDS: Final[Mapping[str, pa.DataType]] = {
    "time": _TIME,
    "until": _TIME,
    "requests": pa.int64(),
    **dict.fromkeys((*NAMES, *LABELS), pa.string()),
    **dict.fromkeys(COUNTED, pa.int64()),
    "cost_usd": pa.decimal128(38, 15),
    "total_tokens": pa.int64(),
}
DEFAULTS: Final[Mapping[str, str]] = {
    "time": "NULL::TIMESTAMP",
    "until": "NULL::TIMESTAMP",
    "requests": "1::BIGINT",
    **dict.fromkeys((*NAMES, *LABELS), "''"),
    **dict.fromkeys(COUNTED, "0::BIGINT"),
    "cost_usd": "NULL::DECIMAL(38,15)",
    "total_tokens": "NULL::BIGINT",
}
"""Every column of a request, and what it is where a file leaves it out, as SQL."""
INCOMING: Final = pa.schema(
    [("file", pa.int32()), ("line", pa.int64()), ("key", pa.string()), ("rank", pa.int64()), *KINDS.items()]
)
"""What an import writes first: `file` (its number in the import), `line`, `key` and `rank` tell copies of a request."""


@dataclass(frozen=True, slots=True)
class Held:
    """The requests of one import: its Parquet files, and the time that they span (aware)."""

    files: tuple[Path, ...]
    first_at: datetime
    last_at: datetime


def unfit(usage: Usage) -> str:
    """Why a request cannot be stored; empty if it can."""
    if usage.at < EARLIEST:
        return f"its time is {usage.at.isoformat()}, before {EARLIEST.year}"
    over = next((m for m, units in usage.quantities.items() if not 0 <= units <= MOST), None)
    if over is not None:
        return f"{over} is {usage.quantities[over]}; a count is from 0 to 10^12"
    if not 0 < usage.requests <= MOST:
        return f"it stands for {usage.requests} requests; a count is from 1 to 10^12"
    if usage.total_tokens is not None and not 0 <= usage.total_tokens <= MOST:
        return f"its total is {usage.total_tokens} tokens; a count is from 0 to 10^12"
    if usage.cost_usd is not None and not abs(usage.cost_usd) <= _MOST_USD:
        return f"its cost is ${decimal_text(usage.cost_usd)}; one request costs at most 10^9"
    return ""


def batch(file: int, rows: Sequence[tuple[int, Usage]]) -> pa.RecordBatch:
    """(line, usage) as an Arrow batch of INCOMING."""
    used = [usage for _, usage in rows]
    columns: dict[str, list[Any]] = {
        "file": [file] * len(rows),
        "line": [line for line, _ in rows],
        "key": [usage.key for usage in used],
        "rank": [usage.rank for usage in used],
        "time": [_naive(usage.at) for usage in used],
        "until": [_naive(usage.until) if usage.until else None for usage in used],
        "requests": [usage.requests for usage in used],
        **{name: [getattr(usage, name) for usage in used] for name in (*NAMES, "project", "api_key", "user")},
        "tags": [canonical(usage.tags) for usage in used],
        **{meter: [usage.quantities.get(meter, 0) for usage in used] for meter in COUNTED},
        "cost_usd": [_exact(usage.cost_usd) for usage in used],
        "total_tokens": [usage.total_tokens for usage in used],
    }
    return pa.record_batch([pa.array(columns[field.name], field.type) for field in INCOMING], schema=INCOMING)


def _naive(at: datetime) -> datetime:
    return at.astimezone(UTC).replace(tzinfo=None)


def _exact(cost: Decimal | None) -> Decimal | None:
    return None if cost is None else cost.quantize(_FEMTO, context=_EXACT)


@dataclass(frozen=True, slots=True)
class Profile:
    """What the statistics of Parquet files say, without reading a row. `untimed`: rows whose time is null."""

    rows: int
    untimed: int
    first_at: datetime | None
    last_at: datetime | None
    needed: frozenset[str]
    present: frozenset[str]


def profile(files: Iterable[Path]) -> Profile:
    """The sums of all files. A column is needed where it holds anything but its default."""
    rows = untimed = 0
    times: list[datetime] = []
    needed: set[str] = set()
    present: set[str] = set()
    for file in files:
        metadata = pq.read_metadata(file)
        names = [metadata.schema.column(i).name for i in range(metadata.num_columns)]
        present |= set(names)
        rows += metadata.num_rows
        for group in map(metadata.row_group, range(metadata.num_row_groups)):
            for i, name in enumerate(names):
                facts = group.column(i).statistics
                if not _default(name, facts, group.num_rows):
                    needed.add(name)
                if name == "time" and facts is not None:
                    untimed += facts.null_count
                    times += [facts.min, facts.max] if facts.has_min_max else []
    aware = [at.replace(tzinfo=UTC) for at in times]
    first_at, last_at = (min(aware), max(aware)) if aware else (None, None)
    return Profile(rows, untimed, first_at, last_at, frozenset(needed), frozenset(present))


def _default(name: str, facts: Any, rows: int) -> bool:
    """Whether the statistics of a row group prove that all its rows have the column's default."""
    if facts is None or name == "time":
        return False
    if facts.null_count == rows:
        return True
    if name not in KINDS or name in {"until", "cost_usd", "total_tokens"} or not facts.has_min_max:
        return False
    default: Any = "" if KINDS[name] == pa.string() else 1 if name == "requests" else 0
    with suppress(UnicodeDecodeError):
        return bool(facts.null_count == 0 and facts.min == default == facts.max)
    return False
