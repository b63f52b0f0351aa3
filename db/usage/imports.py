"""Imports of usage: which there are, where their requests lie, and taking one back."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, bindparam, delete, func, insert, select

from db.usage.requests import Held
from db.usage.tables import CostingRow, HourRow, ImportRow, LabelRow, SubjectRow
from db.versions import table_of

_IMPORT, _COSTING, _HOUR = table_of(ImportRow), table_of(CostingRow), table_of(HourRow)
_SUBJECT, _LABEL = table_of(SubjectRow), table_of(LabelRow)


@dataclass(frozen=True, slots=True)
class Unpriced:
    """Requests of one logged name that have no price, and why."""

    model: str
    provider: str
    variant: str
    why: str
    hint: str
    requests: int


def add(connection: Connection, row: dict[str, Any]) -> int:
    """Store an import (the columns of ImportRow); its id."""
    return int(connection.execute(insert(_IMPORT).returning(_IMPORT.c.id), row).scalar_one())


def folders(connection: Connection, *, sample: bool | None = None) -> list[str]:
    """The folders of requests that the database names, oldest first; only of samples, or of none, if asked."""
    query = select(_IMPORT.c.folder).order_by(_IMPORT.c.id)
    if sample is not None:
        query = query.where(_IMPORT.c.sample.is_(sample))
    return list(connection.execute(query).scalars())


def held(connection: Connection, usage: Path) -> list[Held]:
    """The requests of every import. One whose files were deleted is no longer compared with."""
    query = select(_IMPORT.c.folder, _IMPORT.c.first_at, _IMPORT.c.last_at).order_by(_IMPORT.c.id)
    found = [
        Held(tuple(sorted((usage / folder).glob("*.parquet"))), first_at, last_at)
        for folder, first_at, last_at in connection.execute(query)
        if first_at is not None and last_at is not None
    ]
    return [each for each in found if each.files]


def files(connection: Connection, usage: Path, import_id: int) -> list[Path]:
    """Where the requests of one import lie; none if its files were deleted."""
    folder = connection.execute(select(_IMPORT.c.folder).where(_IMPORT.c.id == import_id)).scalar_one()
    return sorted((usage / folder).glob("*.parquet"))


def unpriced(connection: Connection, import_id: int, limit: int) -> Sequence[Unpriced]:
    """The unpriced names of one import, those with the most requests first."""
    requests = func.sum(_HOUR.c.requests)
    columns = (_SUBJECT.c.model, _SUBJECT.c.provider, _SUBJECT.c.variant, _HOUR.c.why, _SUBJECT.c.hint)
    query = (
        select(*columns, requests)
        .join(_SUBJECT, _SUBJECT.c.id == _HOUR.c.subject_id)
        .where(_HOUR.c.import_id == import_id, _HOUR.c.cost_nano.is_(None), _HOUR.c.superseded_by.is_(None))
        .group_by(*columns)
        .order_by(requests.desc(), *columns)
        .limit(limit)
    )
    return [Unpriced(*row[:5], int(row[5])) for row in connection.execute(query)]


def remove_samples(connection: Connection) -> None:
    """Forget every sample: its cells, costings and imports, and the names that only it used."""
    ids = select(_IMPORT.c.id).where(_IMPORT.c.sample)
    names = (_SUBJECT, _HOUR.c.subject_id), (_LABEL, _HOUR.c.label_id)
    of_sample = [
        set(connection.execute(select(c).where(_HOUR.c.import_id.in_(ids)).distinct()).scalars()) for _, c in names
    ]
    connection.execute(delete(_HOUR).where(_HOUR.c.import_id.in_(ids)))
    connection.execute(delete(_COSTING).where(_COSTING.c.import_id.in_(ids)))
    connection.execute(delete(_IMPORT).where(_IMPORT.c.sample))
    for (table, column), candidates in zip(names, of_sample, strict=True):
        unused = candidates - set(connection.execute(select(column).distinct()).scalars())
        if unused:
            connection.execute(delete(table).where(table.c.id == bindparam("unused")), [{"unused": i} for i in unused])
    # A restatement that moved nothing but the sample.
    moved = select(_HOUR.c.costing_id).union(select(_HOUR.c.superseded_by).where(_HOUR.c.superseded_by.is_not(None)))
    connection.execute(delete(_COSTING).where(_COSTING.c.import_id.is_(None), _COSTING.c.id.not_in(moved)))
