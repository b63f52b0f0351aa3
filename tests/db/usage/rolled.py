"""The engine's result beside the reference's."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from db.usage.billing import ASSUMPTIONS
from db.usage.facts import COUNTED
from db.usage.pricing import Pricing
from db.usage.rollup import COLUMNS, Ids, labels_in, rows
from tests.db.usage.reference import METERS, Key, Tally, nano, words

Row = dict[str, Any]


def engine_rows(folder: Path, priced: Pricing) -> Iterator[tuple[Key, Row]]:
    """Each row of the roll-up as it would be stored, with the exact `cost_femto` and `logged_usd` beside it."""
    names = list(dict.fromkeys(entry.resolved.name for entry in priced.entries))
    subjects = {name: i for i, name in enumerate(names)}
    for part in sorted(folder.glob("*.parquet")):
        for batch in pq.ParquetFile(part).iter_batches(50_000):
            labels = sorted(labels_in(batch))
            found = rows(batch, priced, Ids(subjects, {label: i for i, label in enumerate(labels)}))
            exact = (batch.column(name).to_pylist() for name in ("cost_femto", "logged_usd"))
            for values, femto, usd in zip(found, *exact, strict=True):
                row = {**dict(zip(COLUMNS, values, strict=True)), "cost_femto": femto, "logged_usd": usd or 0}
                name, label = words(names[row["subject_id"]]), labels[row["label_id"]]
                yield (row["minute"], name, label, row["band"], row["shape"], row["price_id"]), row


def tallies(found: Iterator[tuple[Key, Row]]) -> dict[Key, Tally]:
    """The roll-up as the reference writes it. One price may hold in two stretches of one hour: two rows of one key.

    Asserts on the way that each row's money was rounded once, half to even. That one of several endpoints was chosen
    is not the reference's to know.
    """
    merged: dict[Key, Tally] = {}
    for key, row in found:
        femto = row["cost_femto"]
        assert row["cost_nano"] == (None if femto is None else nano(int(femto)))
        assert row["logged_nano"] == nano(int(row["logged_usd"] * 10**15))
        tally = merged.setdefault(key, Tally(None if femto is None else 0))
        if femto is not None:
            tally.femto = (tally.femto or 0) + int(femto)
        tally.requests += row["requests"]
        tally.units = [units + row[meter] for units, meter in zip(tally.units, METERS, strict=True)]
        tally.total_tokens += row["total_tokens"]
        tally.logged += row["logged_usd"]
        tally.logged_requests += row["logged_requests"]
        assumed = {name for i, name in enumerate(ASSUMPTIONS) if row["assumed"] >> i & 1}
        tally.assumed |= assumed - {"choice"}
    return merged


Difference = tuple[Key, Tally | None, Tally | None]
"""Cell, what was expected, what was found."""


def differences(expected: Mapping[Key, Tally], found: Mapping[Key, Tally]) -> list[Difference]:
    """Where the two are not alike."""
    keys = expected.keys() | found.keys()
    return [(key, expected.get(key), found.get(key)) for key in keys if expected.get(key) != found.get(key)]


def femto_and_unpriced(cells: Mapping[Key, Tally]) -> tuple[int, int]:
    """The total in femto-dollars, and the requests without a price."""
    femto = sum(tally.femto for tally in cells.values() if tally.femto is not None)
    return femto, sum(tally.requests for tally in cells.values() if tally.femto is None)


assert METERS == COUNTED
