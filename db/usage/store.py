"""Writing usage: imports, names, and the roll-up that the engine computed."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq
from sqlalchemy import Connection, bindparam, func, insert, select, update

from db.catalog import read as catalog
from db.prices import read as prices
from db.usage.costing import LABELS
from db.usage.pricing import Pricing, grid_of, pricing
from db.usage.resolve import Directory, Name, Resolved, resolve_all
from db.usage.rollup import COLUMNS, Ids, Label, labels_in, rows
from db.usage.tables import CostingRow, HourRow, LabelRow, SubjectRow
from db.versions import table_of

_SUBJECT, _LABEL = table_of(SubjectRow), table_of(LabelRow)
_HOUR, _COSTING = table_of(HourRow), table_of(CostingRow)
_BATCH: Final = 50_000

Loaded = Callable[[int], None]
"""Told how many cells were loaded since the last call."""


@dataclass(frozen=True, slots=True)
class Costed:
    """What one costing came to. Money in 1e-9 USD, of priced requests only."""

    costing_id: int
    cells: int
    requests: int
    unpriced: int
    nano: int


def priced_names(connection: Connection, names: Iterable[Name], known_at: datetime | None = None) -> Pricing:
    """What the names mean and cost, as known at `known_at` (None: now)."""
    resolved = resolve_all(names, directory(connection)).values()
    wanted = sorted({endpoint.id for each in resolved for endpoint in each.candidates})
    return pricing(
        resolved, prices.of_endpoints(connection, wanted, known_at), grid_of(prices.all_conditions(connection))
    )


def directory(connection: Connection) -> Directory:
    """The catalogue, ready for lookups by name."""
    return Directory(catalog.endpoints(connection), catalog.known_models(connection))


def load(
    connection: Connection,
    import_id: int,
    cells: Path,
    priced: Pricing,
    now: datetime,
    loaded: Loaded = lambda _cells: None,
) -> Costed:
    """Load the engine's result, the Parquet files in `cells`, as the costing of one import."""
    costing_id = add_costing(connection, import_id, "import", now)
    total = requests = unpriced = nano = 0
    cost, count = COLUMNS.index("cost_nano"), COLUMNS.index("requests")
    ids = ids_of(connection, cells, priced)
    for batch in batches(cells):
        found = list(rows(batch, priced, ids))
        add_cells(connection, costing_id, import_id, found)
        total += len(found)
        requests += sum(row[count] for row in found)
        unpriced += sum(row[count] for row in found if row[cost] is None)
        nano += sum(row[cost] or 0 for row in found)
        loaded(len(found))
    set_sums(connection, costing_id, total, 0, nano, unpriced)
    return Costed(costing_id, total, requests, unpriced, nano)


def ids_of(connection: Connection, cells: Path, priced: Pricing) -> Ids:
    """The ids of every name and label that the engine's result has; new ones are added."""
    labels: set[Label] = set()
    for batch in batches(cells, [*LABELS]):
        labels |= labels_in(batch)
    subjects = subject_ids(connection, (entry.resolved for entry in priced.entries))
    return Ids(subjects, label_ids(connection, labels))


def add_costing(connection: Connection, import_id: int | None, kind: str, now: datetime) -> int:
    """Begin an act of costing; its id."""
    empty = {"cells": 0, "superseded": 0, "delta_nano": 0, "delta_unpriced": 0}
    row = {"recorded_at": now, "import_id": import_id, "kind": kind, **empty}
    return int(connection.execute(insert(_COSTING).returning(_COSTING.c.id), row).scalar_one())


def set_sums(
    connection: Connection, costing_id: int, cells: int, superseded: int, delta_nano: int, delta_unpriced: int
) -> None:
    """Note what an act of costing came to."""
    sums = {"cells": cells, "superseded": superseded, "delta_nano": delta_nano, "delta_unpriced": delta_unpriced}
    connection.execute(update(_COSTING).where(_COSTING.c.id == costing_id).values(**sums))


def batches(folder: Path, only: Sequence[str] | None = None) -> Iterator[pa.RecordBatch]:
    """The engine's result, piece by piece; `only` those of its columns."""
    for part in sorted(folder.glob("*.parquet")):
        file = pq.ParquetFile(part)
        columns = None if only is None else [name for name in only if name in file.schema_arrow.names]
        yield from file.iter_batches(_BATCH, columns=columns)


def add_cells(connection: Connection, costing_id: int, import_id: int, found: Sequence[tuple[Any, ...]]) -> None:
    """Append roll-up rows (db.usage.rollup.COLUMNS), by the quickest way that the driver has."""
    names = ("costing_id", "import_id", *COLUMNS)
    full = [(costing_id, import_id, *row) for row in found]
    listed = ", ".join(names)
    if connection.dialect.name == "sqlite":
        marks = ", ".join("?" * len(names))
        if full:
            connection.exec_driver_sql(f"INSERT INTO {_HOUR.name} ({listed}) VALUES ({marks})", full)  # noqa: S608
        return
    driver: Any = connection.connection.driver_connection
    with driver.cursor() as cursor, cursor.copy(f"COPY {_HOUR.name} ({listed}) FROM STDIN") as copy:
        for row in full:
            copy.write_row(row)


def subject_ids(connection: Connection, resolved: Iterable[Resolved]) -> dict[Name, int]:
    """Name -> id; new names are added, and known ones follow the identity rules."""
    meant = {each.name: each for each in resolved}
    columns = (_SUBJECT.c.model, _SUBJECT.c.provider, _SUBJECT.c.endpoint, _SUBJECT.c.variant)
    found = {Name(*row[1:5]): row for row in connection.execute(select(_SUBJECT.c.id, *columns, *_MEANING))}
    new = [
        {"model": n.model, "provider": n.provider, "endpoint": n.endpoint, "variant": n.variant, **_meaning(each)}
        for n, each in meant.items()
        if n not in found
    ]
    moved = [
        {"of": found[n][0], **_meaning(each)}
        for n, each in meant.items()
        if n in found and tuple(found[n][5:]) != tuple(_meaning(each).values())
    ]
    if new:
        connection.execute(insert(_SUBJECT), new)
    if moved:
        meaning: dict[str, Any] = {column.name: bindparam(column.name) for column in _MEANING}
        connection.execute(update(_SUBJECT).where(_SUBJECT.c.id == bindparam("of")).values(**meaning), moved)
    rows_now = connection.execute(select(_SUBJECT.c.id, *columns))
    return {name: row[0] for row in rows_now if (name := Name(*row[1:])) in meant}


_MEANING: Final = (_SUBJECT.c.as_model, _SUBJECT.c.as_provider, _SUBJECT.c.hint)


def _meaning(resolved: Resolved) -> dict[str, str]:
    hint = f"{resolved.why.value}: {resolved.hint}" if resolved.why else ""
    return {"as_model": resolved.model, "as_provider": resolved.provider, "hint": hint}


def label_ids(connection: Connection, labels: Iterable[Label]) -> dict[Label, int]:
    """Label -> id; new ones are added."""
    wanted = set(labels)
    if not wanted:
        return {}
    found = _stored_labels(connection, wanted)
    new = [dict(zip(_LABELS, label, strict=True)) for label in sorted(wanted - found.keys())]
    if new:
        connection.execute(insert(_LABEL), new)
        found |= _stored_labels(connection, wanted)
    return found


_LABELS: Final = ("project", "api_key", "user", "tags")


def _stored_labels(connection: Connection, wanted: set[Label]) -> dict[Label, int]:
    """By project: few have so many users that reading all of them would matter."""
    columns = (_LABEL.c.project, _LABEL.c.api_key, _LABEL.c.user, _LABEL.c.tags)
    found: dict[Label, int] = {}
    projects = iter(sorted({label[0] for label in wanted}))
    while chunk := list(islice(projects, 500)):
        for row in connection.execute(select(_LABEL.c.id, *columns).where(_LABEL.c.project.in_(chunk))):
            label = (row[1], row[2], row[3], row[4])
            if label in wanted:
                found[label] = row[0]
    return found


def newest_costing(connection: Connection) -> int:
    """The id of the last costing; 0 before the first."""
    return int(connection.execute(select(func.coalesce(func.max(_COSTING.c.id), 0))).scalar_one())
