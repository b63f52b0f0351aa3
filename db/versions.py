"""Bitemporal rows: what a value was over an interval, and from when to when we believed so.

A row is never edited but for `superseded_at`. `write` turns one belief about an endpoint into another by
superseding the rows that no longer hold and appending those that do.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import cast

from sqlalchemy import ColumnElement, Connection, Table, and_, bindparam, insert, null, or_, select, update
from sqlmodel import Field, SQLModel

from db.columns import Instant
from db.timeline import Edit, Version


class Versioned(SQLModel):
    """The columns of a bitemporal table. `value_id` names the immutable row that holds the value."""

    id: int | None = Field(default=None, primary_key=True)
    endpoint_id: int = Field(foreign_key="endpoint.id")
    value_id: int
    valid_from: datetime = Field(sa_type=Instant)
    valid_to: datetime | None = Field(default=None, sa_type=Instant)
    recorded_at: datetime = Field(sa_type=Instant)
    superseded_at: datetime | None = Field(default=None, sa_type=Instant)
    suspect: bool = False


def table_of(model: type[SQLModel]) -> Table:
    """The Core table of a table model."""
    return cast(Table, model.__table__)  # type: ignore[attr-defined]


def write(
    connection: Connection, table: Table, edits: Sequence[Edit], value_ids: dict[str, int], now: datetime
) -> None:
    """Supersede and append, in two statements however many endpoints changed."""
    outdated = [{"of": edit.endpoint_id, "since": version.valid_from} for edit in edits for version in edit.outdated()]
    if outdated:
        same = and_(
            table.c.endpoint_id == bindparam("of"),
            table.c.valid_from == bindparam("since"),
            table.c.superseded_at.is_(null()),
        )
        connection.execute(update(table).where(same).values(superseded_at=now), outdated)
    rows = [
        {
            "endpoint_id": edit.endpoint_id,
            "value_id": value_ids[version.value],
            "valid_from": version.valid_from,
            "valid_to": version.valid_to,
            "recorded_at": now,
            "suspect": version.suspect,
        }
        for edit in edits
        for version in edit.new()
    ]
    if rows:
        connection.execute(insert(table), rows)


def believed(table: Table, known_at: datetime | None = None) -> ColumnElement[bool]:
    """Rows that we believed at `known_at`; those that we believe now where it is None."""
    if known_at is None:
        return table.c.superseded_at.is_(null())
    return and_(
        table.c.recorded_at <= known_at,
        or_(table.c.superseded_at.is_(null()), table.c.superseded_at > known_at),
    )


def in_force(table: Table, at: datetime | None = None) -> ColumnElement[bool]:
    """Rows whose interval covers `at`; those still open where it is None."""
    if at is None:
        return table.c.valid_to.is_(null())
    return and_(table.c.valid_from <= at, or_(table.c.valid_to.is_(null()), table.c.valid_to > at))


def load(
    connection: Connection, table: Table, values: Table, wanted: ColumnElement[bool]
) -> dict[int, tuple[Version[str], ...]]:
    """Endpoint id -> its versions as believed now, oldest first, values as digests. `wanted` is a condition on
    `table`."""
    query = (
        select(table.c.endpoint_id, values.c.digest, table.c.valid_from, table.c.valid_to, table.c.suspect)
        .join(values, values.c.id == table.c.value_id)
        .where(believed(table), wanted)
        .order_by(table.c.endpoint_id, table.c.valid_from)
    )
    found: dict[int, list[Version[str]]] = {}
    for endpoint_id, digest, valid_from, valid_to, suspect in connection.execute(query):
        versions = found.setdefault(endpoint_id, [])
        trusted = digest if not suspect else versions[-1].trusted if versions else None
        versions.append(Version(digest, valid_from, valid_to, bool(suspect), trusted))
    return {endpoint_id: tuple(versions) for endpoint_id, versions in found.items()}


def value_ids(connection: Connection, table: Table, wanted: Iterable[str]) -> dict[str, int]:
    """Digest -> id for those of `wanted` that are stored already."""
    digests = list(set(wanted))
    found: dict[str, int] = {}
    for start in range(0, len(digests), 500):
        chunk = digests[start : start + 500]
        rows = connection.execute(select(table.c.digest, table.c.id).where(table.c.digest.in_(chunk)))
        found.update((digest, row_id) for digest, row_id in rows)
    return found


def add_values(connection: Connection, table: Table, rows: Sequence[Mapping[str, object]]) -> dict[str, int]:
    """Append immutable values, each with its digest; digest -> id."""
    if not rows:
        return {}
    added = connection.execute(insert(table).returning(table.c.digest, table.c.id), rows)
    return {row.digest: row.id for row in added}
