"""Made-up requests as an import stores them, with every kind of request in them, the same for the same seed."""

from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from tests.db.usage.market import DAYS, FIRST_DAY, THRESHOLDS, WINDOWS, Market

Ints = np.ndarray[Any, np.dtype[np.int64]]

DAY_US = 86_400_000_000
EPOCH = FIRST_DAY.replace(year=1970)
# Meter -> how often it is used, and roughly how much of it.
RARE = {
    "internal_reasoning": (0.2, 800),
    "input_cache_read": (0.4, 6_000),
    "input_cache_write": (0.2, 3_000),
    "input_cache_write_1h": (0.1, 3_000),
    "audio": (0.05, 900),
    "audio_output": (0.04, 900),
    "input_audio_cache": (0.03, 400),
    "image_token": (0.04, 1_200),
    "image": (0.03, 3),
    "image_output": (0.02, 2),
    "web_search": (0.04, 5),
}
LENGTH = ("input_cache_read", "input_cache_write", "input_cache_write_1h", "audio", "input_audio_cache", "image_token")
LABELS = ("project", "api_key", "user", "tags")
WHOSE = (
    ("", "", "", ""),
    ("search", "key-1", "ann", ""),
    ("search", "key-1", "bob", '{"team":"a"}'),
    ("naïve “quotes”", "", "ann", '{"team":"a"}'),
)


def traffic(market: Market, rows: int, seed: int) -> pa.Table:
    rng = np.random.default_rng(seed)
    which = np.minimum(rng.zipf(1.3, rows) - 1, rng.integers(0, len(market.names), rows))
    requests = np.where(rng.random(rows) < 0.03, rng.integers(1, 60, rows), 1)
    units = _units(rng, rows, requests)
    is_bucket = requests > 1
    time = _times(rng, market, which)
    whose = np.minimum(rng.geometric(0.6, rows) - 1, len(WHOSE) - 1)
    names = [each.name for each in market.names]
    columns: dict[str, Any] = {
        "time": pa.array(time, pa.timestamp("us")),
        "until": pa.array(time + 3_600_000_000, pa.timestamp("us"), mask=~is_bucket),
        **{n: pa.array([getattr(name, n) for name in names]).take(which) for n in ("model", "provider", "endpoint")},
        "variant": pa.array([name.variant for name in names]).take(which),
        **{label: pa.array(values).take(whose) for label, values in zip(LABELS, zip(*WHOSE, strict=True), strict=True)},
        "requests": pa.array(requests),
        **{meter: pa.array(values) for meter, values in units.items()},
        "cost_usd": _costs(rng, rows),
        "total_tokens": pa.array(sum(units.values(), np.zeros(rows, np.int64)), mask=rng.random(rows) < 0.5),
    }
    return pa.table(columns)


def stored(table: pa.Table, folder: Path, files: int) -> list[Path]:
    """The table as Parquet files of about one size."""
    step = -(-table.num_rows // files)
    found = [folder / f"{i}.parquet" for i in range(files)]
    for i, file in enumerate(found):
        pq.write_table(table.slice(i * step, step), file)
    return found


def _units(rng: np.random.Generator, rows: int, requests: Ints) -> dict[str, Ints]:
    """Heavy-tailed lengths; some exactly at a threshold or one above it; some requests used nothing at all."""
    units = {
        "prompt": rng.lognormal(7, 2, rows).astype(np.int64),
        "completion": rng.lognormal(5, 1.2, rows).astype(np.int64),
    }
    for meter, (often, size) in RARE.items():
        units[meter] = np.where(rng.random(rows) < often, rng.geometric(1 / size, rows), 0)
    others = sum((units[meter] for meter in LENGTH), np.zeros(rows, np.int64))
    edge = rng.choice(np.array(THRESHOLDS), rows) + rng.integers(0, 2, rows) - others
    at_edge = (rng.random(rows) < 0.05) & (edge >= 0)
    units["prompt"] = np.where(at_edge, edge, units["prompt"]) * requests
    # A bucket's mean length is at the edge too, or one token of all its requests short of the next.
    units["prompt"] += np.where(at_edge, others * (requests - 1), 0)
    units["prompt"] += np.where(at_edge & (requests > 1), rng.integers(0, 2, rows) * (requests - 1), 0)
    empty = rng.random(rows) < 0.005
    return {meter: np.where(empty, 0, values) for meter, values in units.items()}


def _times(rng: np.random.Generator, market: Market, which: Ints) -> Ints:
    """Any moment of the month; some exactly when a price or a window begins or ends, or a microsecond before."""
    rows = len(which)
    first = _us(FIRST_DAY)
    time = first + rng.integers(0, DAYS * DAY_US, rows)
    edges = [_edges(market, i) for i in range(len(market.names))]
    padded = np.array([(each * 16)[:16] for each in edges])
    kind = rng.random(rows)
    before = rng.integers(0, 2, rows)
    at_price = padded[which, rng.integers(0, 16, rows)] - before
    clock = np.array([(hhmm // 100 * 60 + hhmm % 100) * 60_000_000 for window in WINDOWS for hhmm in window])
    at_window = first + rng.integers(1, DAYS, rows) * DAY_US + rng.choice(clock, rows) - before
    return np.where(kind < 0.03, at_price, np.where(kind < 0.06, at_window, time))


def _edges(market: Market, i: int) -> list[int]:
    versions = [p for e in market.names[i].candidates for p in market.prices[e.id]]
    times = [t for p in versions for t in (p.valid_from, p.valid_to) if t is not None]
    return [_us(t) for t in times] or [_us(FIRST_DAY)]


def _us(at: datetime) -> int:
    return (at - EPOCH) // timedelta(microseconds=1)


def _costs(rng: np.random.Generator, rows: int) -> pa.Array:
    """What the log itself says, in femto-dollars; most rows do not say."""
    femto = pa.array(rng.integers(0, 10**13, rows), mask=rng.random(rows) < 0.7)
    scaled = pc.multiply(femto.cast(pa.decimal128(19, 0)), pa.scalar(Decimal("0.000000000000001")))
    return scaled.cast(pa.decimal128(38, 15))
