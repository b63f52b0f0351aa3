"""Restating: when a price or a name is learned later, the cells that rested on the old one are superseded."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Connection, bindparam, func, select, update

from db.prices import read as prices
from db.usage.outdated import HOUR_MINUTES, Doubt, Stretch
from db.usage.pricing import Pricing
from db.usage.resolve import Name
from db.usage.rollup import COLUMNS, rows
from db.usage.store import add_cells, add_costing, batches, ids_of, set_sums
from db.usage.tables import HourRow, SubjectRow
from db.versions import table_of

_HOUR, _SUBJECT = table_of(HourRow), table_of(SubjectRow)
_COST, _COUNT, _PRICE = (COLUMNS.index(name) for name in ("cost_nano", "requests", "price_id"))
_CURRENT: Final = _HOUR.c.superseded_by.is_(None)

Cell = tuple[Any, ...]
"""A roll-up row, in the order of db.usage.rollup.COLUMNS."""


@dataclass(frozen=True, slots=True)
class Restated:
    """What one restatement changed: cells added and superseded, and by how much the totals moved (1e-9 USD;
    requests)."""

    import_id: int
    costing_id: int
    cells: int
    superseded: int
    delta_nano: int
    delta_unpriced: int


def stretches(connection: Connection) -> list[Stretch]:
    """What the cells in force rest on."""
    subjects = {row.id: Name(row.model, row.provider, row.endpoint, row.variant) for row in _subjects(connection)}
    key = (_HOUR.c.import_id, _HOUR.c.subject_id, _HOUR.c.price_id, _HOUR.c.why)
    query = select(*key, func.min(_HOUR.c.minute), func.max(_HOUR.c.minute)).where(_CURRENT).group_by(*key)
    found = connection.execute(query).all()
    rates = prices.rates_of_rows(connection, {row.price_id for row in found if row.price_id is not None})
    return [
        Stretch(
            import_id,
            subjects[subject_id],
            first // HOUR_MINUTES * HOUR_MINUTES,
            last // HOUR_MINUTES * HOUR_MINUTES + HOUR_MINUTES,
            rates[price_id] if price_id is not None else None,
            why,
        )
        for import_id, subject_id, price_id, why, first, last in found
    ]


def _subjects(connection: Connection) -> Sequence[Any]:
    return connection.execute(select(_SUBJECT)).all()


def restate(connection: Connection, doubt: Doubt, cells: Path, priced: Pricing, now: datetime) -> Restated | None:
    """Replace the cells in doubt by the engine's new result, the Parquet files in `cells`, where the two differ.

    None: they say the same, and nothing was written.
    """
    before = _in_force(connection, doubt)
    after: list[Cell] = []
    ids = ids_of(connection, cells, priced)
    for batch in batches(cells):
        after += rows(batch, priced, ids)
    stale, fresh = _difference(before, after)
    if not stale and not fresh:
        return None
    costing_id = add_costing(connection, doubt.import_id, "restatement", now)
    if stale:
        of = update(_HOUR).where(_HOUR.c.id == bindparam("of")).values(superseded_by=costing_id)
        connection.execute(of, [{"of": row_id} for row_id, _ in stale])
    add_cells(connection, costing_id, doubt.import_id, fresh)
    old = [cell for _, cell in stale]
    result = Restated(
        doubt.import_id,
        costing_id,
        len(fresh),
        len(old),
        _nano(fresh) - _nano(old),
        _unpriced(fresh) - _unpriced(old),
    )
    set_sums(connection, costing_id, result.cells, result.superseded, result.delta_nano, result.delta_unpriced)
    return result


def _in_force(connection: Connection, doubt: Doubt) -> list[tuple[int, Cell]]:
    names = {Name(row.model, row.provider, row.endpoint, row.variant): row.id for row in _subjects(connection)}
    wanted = [names[name] for name in doubt.names]
    query = select(_HOUR.c.id, *(_HOUR.c[name] for name in COLUMNS)).where(
        _CURRENT,
        _HOUR.c.import_id == doubt.import_id,
        _HOUR.c.subject_id.in_(wanted),
        _HOUR.c.minute >= doubt.first,
        _HOUR.c.minute < doubt.last,
    )
    return [(row[0], tuple(row[1:])) for row in connection.execute(query)]


def _difference(before: Sequence[tuple[int, Cell]], after: Sequence[Cell]) -> tuple[list[tuple[int, Cell]], list[Cell]]:
    """What is in force and should not be, and what should be and is not.

    Cells that differ only in the ledger row they name say the same: a row is written anew when its interval ends.
    """
    wanted = Counter(_said(cell) for cell in after)
    stale = []
    for row_id, cell in before:
        if wanted[_said(cell)] > 0:
            wanted[_said(cell)] -= 1
        else:
            stale.append((row_id, cell))
    fresh = []
    for cell in after:
        if wanted[_said(cell)] > 0:
            wanted[_said(cell)] -= 1
            fresh.append(cell)
    return stale, fresh


def _said(cell: Cell) -> Cell:
    return (*cell[:_PRICE], cell[_PRICE] is None, *cell[_PRICE + 1 :])


def _nano(cells: Sequence[Cell]) -> int:
    return sum(cell[_COST] or 0 for cell in cells)


def _unpriced(cells: Sequence[Cell]) -> int:
    return sum(cell[_COUNT] for cell in cells if cell[_COST] is None)
