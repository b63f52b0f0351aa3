"""From the engine's batches to rows of the roll-up: names become ids, femto-dollars become nano-dollars. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pyarrow as pa

from db.usage.billing import assumed
from db.usage.costing import LABELS
from db.usage.facts import COUNTED
from db.usage.pricing import Priced, Pricing
from db.usage.resolve import Name, Why

Label = tuple[str, str, str, str]
"""Project, API key, user, tags."""

FEMTO_PER_NANO: Final = 1_000_000
COLUMNS: Final = (
    "minute",
    "subject_id",
    "label_id",
    "band",
    "shape",
    "price_id",
    "why",
    "assumed",
    "requests",
    *COUNTED,
    "total_tokens",
    "cost_nano",
    "logged_nano",
    "logged_requests",
)
"""What a cell says, in the order of the rows."""


@dataclass(frozen=True)
class Ids:
    """The ids of names and labels in the database."""

    subjects: Mapping[Name, int]
    labels: Mapping[Label, int]


def labels_in(batch: pa.RecordBatch) -> set[Label]:
    """The labels that a batch names."""
    return set(_labels(batch))


def rows(batch: pa.RecordBatch, pricing: Pricing, ids: Ids) -> Iterator[tuple[Any, ...]]:
    """One tuple a cell, in the order of COLUMNS."""
    numbers = _numbers(batch)
    segments = numbers("segment").tolist()
    cost = nano_of(batch.column("cost_femto"))
    logged = _nano_of_usd(batch)
    meters = [numbers(meter) for meter in COUNTED]
    used = sum((meter > 0).astype(np.int64) << i for i, meter in enumerate(meters))
    bucket = (numbers("bucketed") > 0) * assumed(["bucket"])
    fallen = used & numbers("fallbacks") | bucket
    label_ids = [ids.labels[label] for label in _labels(batch)]
    entries = pricing.entries
    about = {i: _about(entries[i], ids) for i in set(segments)}
    minutes = (batch.column("slot").cast(pa.timestamp("us")).cast(pa.int64()).to_numpy() // 60_000_000).tolist()
    plain = [numbers(name).tolist() for name in ("band", "shape")]
    sums = [numbers("requests").tolist(), *(m.tolist() for m in meters), numbers("total_tokens").tolist()]
    logged_requests = numbers("logged_requests").tolist()
    for i, segment in enumerate(segments):
        subject, price, why, choice = about[segment]
        nano = cost[i]
        yield (
            minutes[i],
            subject,
            label_ids[i],
            plain[0][i],
            plain[1][i],
            price,
            None if nano is not None else why,
            int(fallen[i]) | choice if nano is not None else 0,
            *(column[i] for column in sums),
            nano,
            logged[i],
            logged_requests[i],
        )


def _about(entry: Priced, ids: Ids) -> tuple[int, int | None, str, int]:
    """Subject id, price id, why a cell of the segment would be unpriced, and what the choice of endpoint assumes."""
    resolved, price = entry.resolved, entry.segment.price
    why = resolved.why or (Why.NO_PRICE if price is None else Why.NO_RATE)
    choice = assumed(["choice"]) if resolved.chosen_among > 1 else 0
    return ids.subjects[resolved.name], price.id if price is not None else None, why.value, choice


def _numbers(batch: pa.RecordBatch) -> Any:
    """A column as int64, zeros where the log has no such column or the engine no value."""
    names = set(batch.schema.names)

    def column(name: str) -> np.ndarray[Any, Any]:
        if name not in names:
            return np.zeros(batch.num_rows, np.int64)
        values: np.ndarray[Any, Any] = batch.column(name).fill_null(0).to_numpy(zero_copy_only=False)
        return values.astype(np.int64)

    return column


def _labels(batch: pa.RecordBatch) -> list[Label]:
    names = set(batch.schema.names)
    columns = [batch.column(n).to_pylist() if n in names else [""] * batch.num_rows for n in LABELS]
    return list(zip(*columns, strict=True))


def nano_of(femto: pa.Array) -> Sequence[int | None]:
    """1e-15 USD -> 1e-9 USD, rounded once, half to even; None stays None."""
    return [None if value is None else half_even(int(value), FEMTO_PER_NANO) for value in femto.to_pylist()]


def half_even(value: int, by: int) -> int:
    """`value` / `by`, rounded half to even."""
    quotient, rest = divmod(value, by)
    return quotient + (2 * rest > by or (2 * rest == by and quotient % 2 == 1))


def _nano_of_usd(batch: pa.RecordBatch) -> list[int]:
    if "logged_usd" not in batch.schema.names:
        return [0] * batch.num_rows
    return [
        half_even(int(v * 10**15), FEMTO_PER_NANO) if v is not None else 0
        for v in batch.column("logged_usd").to_pylist()
    ]
