"""Writing the catalogue."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, and_, bindparam, delete, insert, select, update

from db.catalog import read
from db.catalog.facts import Identity, Native, Reported
from db.catalog.identity import Known, identify
from db.catalog.tables import AbsenceRow, AliasRow, ContentRow, EndpointRow, ReportedRow
from db.versions import add_values, table_of

_ENDPOINT = table_of(EndpointRow)


def add_endpoints(
    connection: Connection, rows: Iterable[tuple[Native, Mapping[str, str]]], index: Known
) -> dict[str, int]:
    """Register endpoints, each by what identity needs and the columns that never change; key -> id."""
    added = connection.execute(
        insert(_ENDPOINT).returning(_ENDPOINT.c.key, _ENDPOINT.c.id),
        [{"source": native.source, **columns, **_identity(identify(native, index))} for native, columns in rows],
    )
    return {row.key: row.id for row in added}


def relink(connection: Connection) -> int:
    """Apply the identity rules anew to every endpoint; how many changed their model.

    Needed when the reference learned of a model after another source had, and when the alias table changed.
    """
    index = read.known_models(connection)
    changed = []
    for endpoint, native in read.natives(connection):
        identity = identify(native, index)
        before = (endpoint.model, endpoint.variant, endpoint.quantization, endpoint.rule)
        if before != (identity.model, identity.variant, identity.quantization, identity.rule):
            changed.append({"of": endpoint.id, **_identity(identity)})
    if changed:
        names = ("model", "variant", "quantization", "rule")
        connection.execute(
            update(_ENDPOINT)
            .where(_ENDPOINT.c.id == bindparam("of"))
            .values({name: bindparam(name) for name in names}),
            changed,
        )
    return len(changed)


def _identity(identity: Identity) -> dict[str, Any]:
    return {
        "model": identity.model,
        "variant": identity.variant,
        "quantization": identity.quantization,
        "rule": identity.rule,
    }


def add_contents(connection: Connection, bodies: Mapping[str, str]) -> dict[str, int]:
    """Store bodies (digest -> JSON text) that are not stored yet; digest -> id."""
    rows = [{"digest": digest, "body": body} for digest, body in bodies.items()]
    return add_values(connection, table_of(ContentRow), rows)


def note_absences(connection: Connection, noted: Mapping[tuple[int, datetime], bool]) -> None:
    """Remember that endpoints were missed: (endpoint id, instant) -> whether it is pending still."""
    if not noted:
        return
    table = table_of(AbsenceRow)
    ids = {endpoint_id for endpoint_id, _ in noted}
    query = select(table.c.endpoint_id, table.c.at, table.c.pending)
    stored = {
        (row.endpoint_id, row.at): row.pending for row in connection.execute(query.where(table.c.endpoint_id.in_(ids)))
    }
    new = [
        {"endpoint_id": key[0], "at": key[1], "pending": pending} for key, pending in noted.items() if key not in stored
    ]
    moved = [
        {"of": key[0], "since": key[1], "now": pending}
        for key, pending in noted.items()
        if key in stored and stored[key] != pending
    ]
    if new:
        connection.execute(insert(table), new)
    if moved:
        same = and_(table.c.endpoint_id == bindparam("of"), table.c.at == bindparam("since"))
        connection.execute(update(table).where(same).values(pending=bindparam("now")), moved)


def add_reported(connection: Connection, at: datetime, reported: Mapping[int, Reported]) -> None:
    """Append what the source measured, for the endpoints where it differs from what it said last."""
    before = read.reported(connection, reported)
    rows = [
        {
            "endpoint_id": endpoint_id,
            "at": at,
            "uptime_5m": now.uptime_5m,
            "uptime_30m": now.uptime_30m,
            "uptime_1d": now.uptime_1d,
            "latency_ms": dict(now.latency_ms) or None,
            "tokens_per_s": dict(now.tokens_per_s) or None,
        }
        for endpoint_id, now in reported.items()
        if endpoint_id not in before or (before[endpoint_id][0] < at and before[endpoint_id][1] != now)
    ]
    if rows:
        connection.execute(insert(ReportedRow), rows)


def set_alias(connection: Connection, name: str, model: str | None) -> None:
    """Declare `name` to be `model`, or take the declaration back (None)."""
    table = table_of(AliasRow)
    connection.execute(delete(table).where(table.c.name == name.lower()))
    if model is not None:
        connection.execute(insert(table).values(name=name.lower(), model=model.lower()))


def endpoint_ids(connection: Connection, source: str, keys: Iterable[str]) -> dict[str, int]:
    """Key -> id of the endpoints of `source` among `keys`."""
    wanted = list(keys)
    found: dict[str, int] = {}
    for start in range(0, len(wanted), 500):
        chunk = wanted[start : start + 500]
        query = select(_ENDPOINT.c.key, _ENDPOINT.c.id).where(_ENDPOINT.c.source == source, _ENDPOINT.c.key.in_(chunk))
        found.update((key, row_id) for key, row_id in connection.execute(query))
    return found
