"""Made-up usage in the database, and made-up requests costed one by one by the plain rules."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Engine, insert, select, update

from db.engine import writing
from db.prices.tables import PriceRow
from db.usage import imports
from db.usage.billing import shape_of
from db.usage.facts import COUNTED
from db.usage.rollup import COLUMNS, Label
from db.usage.segments import BEGINNING
from db.usage.store import add_cells, add_costing, label_ids
from db.usage.tables import HourRow, SubjectRow
from db.versions import table_of
from tests.db.loading import load
from tests.db.worlds import Seen, at

USD = 10**9
"""In nano-dollars."""

NOBODY: Label = ("", "", "", "")


@dataclass(frozen=True)
class Cell:
    """A roll-up cell, written short. `hour`: since the start of the worlds; `usd` None is unpriced."""

    hour: float
    units: Mapping[str, int]
    usd: int | None = 0
    requests: int = 1
    model: str = "author/a"
    provider: str = "openrouter"
    variant: str = ""
    label: Label = NOBODY
    band: int = 0
    logged: int | None = None
    total_tokens: int = 0
    assumed: int = 0
    price_id: int | None = None
    why: str = "unknown model"

    def row(self, subjects: Mapping[tuple[str, str, str], int], labels: Mapping[Label, int]) -> tuple[Any, ...]:
        values: dict[str, Any] = {
            "minute": minute(at(self.hour)),
            "subject_id": subjects[self.model, self.provider, self.variant],
            "label_id": labels[self.label],
            "band": self.band,
            "shape": shape_of(self.units),
            "price_id": self.price_id,
            "why": self.why if self.usd is None else None,
            "assumed": self.assumed,
            "requests": self.requests,
            **{meter: self.units.get(meter, 0) for meter in COUNTED},
            "total_tokens": self.total_tokens,
            "cost_nano": self.usd,
            "logged_nano": self.logged or 0,
            "logged_requests": self.requests if self.logged is not None else 0,
        }
        return tuple(values[name] for name in COLUMNS)


@dataclass
class Book:
    """What was put into a database, by the number of the import."""

    engine: Engine
    rows: dict[int, list[Cell]] = field(default_factory=dict)

    def add(self, cells: Sequence[Cell], recorded_at: datetime, *, sample: bool = False) -> int:
        """Import cells; the import's id."""
        with writing(self.engine) as connection:
            row = {
                "recorded_at": recorded_at,
                "log_format": "generic",
                "folder": f"folder-{len(self.rows)}",
                "files": [{"name": "log.csv", "rows": len(cells)}],
                **dict.fromkeys(("rows", "imported"), len(cells)),
                **dict.fromkeys(("duplicates", "rejected", "ignored"), 0),
                "sample": sample,
            }
            import_id = imports.add(connection, row)
            _add(connection, cells, add_costing(connection, import_id, "import", recorded_at), import_id)
        self.rows[import_id] = list(cells)
        return import_id

    def restate(self, import_id: int, cells: Sequence[Cell], recorded_at: datetime) -> None:
        """Supersede all cells of an import by others."""
        hour = table_of(HourRow)
        with writing(self.engine) as connection:
            costing = add_costing(connection, import_id, "restatement", recorded_at)
            stale = update(hour).where(hour.c.import_id == import_id, hour.c.superseded_by.is_(None))
            connection.execute(stale.values(superseded_by=costing))
            _add(connection, cells, costing, import_id)
        self.rows[import_id] = list(cells)


def _add(connection: Connection, cells: Sequence[Cell], costing: int, import_id: int) -> None:
    subject = table_of(SubjectRow)
    wanted = {(cell.model, cell.provider, cell.variant) for cell in cells}
    columns = (subject.c.model, subject.c.provider, subject.c.variant)
    known = {tuple(row) for row in connection.execute(select(*columns))}
    for model, provider, variant in sorted(wanted - known):
        names = {"model": model, "provider": provider, "variant": variant, "as_model": model, "as_provider": provider}
        connection.execute(insert(subject), [{**names, "endpoint": "", "hint": "a hint"}])
    subjects = {(row[1], row[2], row[3]): row[0] for row in connection.execute(select(subject.c.id, *columns))}
    labels = label_ids(connection, {cell.label for cell in cells})
    add_cells(connection, costing, import_id, [cell.row(subjects, labels) for cell in cells])


def minute(when: datetime) -> int:
    return (when - BEGINNING) // timedelta(minutes=1)


def two_models(engine: Engine) -> dict[str, int]:
    """A ledger of models a and b, whose prices change at hours 10 and 20; name and version -> price id."""
    load(
        engine,
        Seen(0, {"a": 1, "b": 5}),
        Seen(10, {"a": 2, "b": 5}),
        Seen(20, {"a": 2, "b": 6}),
        Seen(21, {"a": 2, "b": 6}),
    )
    price = table_of(PriceRow)
    query = select(price.c.id, price.c.endpoint_id, price.c.valid_from).where(price.c.superseded_at.is_(None))
    with engine.connect() as connection:
        rows = connection.execute(query.order_by(price.c.endpoint_id, price.c.valid_from)).all()
    first = min(row.endpoint_id for row in rows)
    return {
        f"{'a' if row.endpoint_id == first else 'b'}{int((row.valid_from - at(0)) / timedelta(hours=1))}": row.id
        for row in rows
    }
