"""Reading the catalogue."""

import json
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, and_, func, or_, select

from db.catalog.facts import Detail, Endpoint, Listing, Native, Reported
from db.catalog.identity import REFERENCE, Known, known, split_variant
from db.catalog.tables import (
    AbsenceRow,
    AliasRow,
    BenchmarkRow,
    ContentRow,
    DetailRow,
    EndpointRow,
    ReportedRow,
)
from db.versions import believed, in_force, table_of

ENDPOINT = table_of(EndpointRow)
CONTENT = table_of(ContentRow)
DETAIL = table_of(DetailRow)


def endpoint_fact(row: Row[Any]) -> Endpoint:
    """The endpoint in a row that selects all columns of the endpoint table first."""
    return Endpoint(*row[: len(ENDPOINT.c)])


def endpoints(
    connection: Connection, model: str | None = None, provider: str | None = None, source: str | None = None
) -> list[Endpoint]:
    """Endpoints, the gone ones too, by model, provider and source."""
    query = select(ENDPOINT).where(matching(model, provider, source)).order_by(ENDPOINT.c.id)
    return [endpoint_fact(row) for row in connection.execute(query)]


def matching(model: str | None = None, provider: str | None = None, source: str | None = None) -> ColumnElement[bool]:
    """The condition on the endpoint table; a model may be named with its variant (`author/model:free`)."""
    wanted: list[ColumnElement[bool]] = [ENDPOINT.c.id.is_not(None)]
    if model is not None:
        base, variant = split_variant(model)
        wanted.append(ENDPOINT.c.model == base)
        if variant is not None:
            wanted.append(ENDPOINT.c.variant == variant)
    if provider is not None:
        wanted.append(or_(ENDPOINT.c.provider == provider.lower(), ENDPOINT.c.provider_name == provider))
    if source is not None:
        wanted.append(ENDPOINT.c.source == source)
    return and_(*wanted)


def models(connection: Connection) -> list[str]:
    """The ids of all models, the gone ones too."""
    return list(connection.execute(select(ENDPOINT.c.model).distinct().order_by(ENDPOINT.c.model)).scalars())


def listings(
    connection: Connection,
    model: str | None = None,
    at: datetime | None = None,
    known_at: datetime | None = None,
    source: str | None = None,
    author: str | None = None,
) -> list[Listing]:
    """What was said of each endpoint that was there at `at`, as known at `known_at` (None: now)."""
    query = (
        select(ENDPOINT, CONTENT.c.body, DETAIL.c.valid_from, DETAIL.c.recorded_at)
        .join(DETAIL, DETAIL.c.endpoint_id == ENDPOINT.c.id)
        .join(CONTENT, CONTENT.c.id == DETAIL.c.value_id)
        .where(matching(model, source=source), in_force(DETAIL, at), believed(DETAIL, known_at))
        .order_by(ENDPOINT.c.id)
    )
    if author is not None:
        query = query.where(ENDPOINT.c.model.startswith(f"{author}/", autoescape=True))
    return [
        Listing(endpoint_fact(row), Detail.from_json(json.loads(row.body)), row.valid_from, row.recorded_at)
        for row in connection.execute(query)
    ]


def detail_history(
    connection: Connection, model: str | None = None, since: datetime | None = None, source: str | None = None
) -> Iterator[tuple[Endpoint, Detail, datetime, datetime | None]]:
    """Every version of what was said, by endpoint and oldest first; with `since`, only of endpoints that changed."""
    query = (
        select(ENDPOINT, CONTENT.c.body, DETAIL.c.valid_from, DETAIL.c.valid_to)
        .join(DETAIL, DETAIL.c.endpoint_id == ENDPOINT.c.id)
        .join(CONTENT, CONTENT.c.id == DETAIL.c.value_id)
        .where(matching(model, source=source), believed(DETAIL))
        .order_by(ENDPOINT.c.id, DETAIL.c.valid_from)
    )
    if since is not None:
        recent = select(DETAIL.c.endpoint_id).where(
            believed(DETAIL), or_(DETAIL.c.valid_from >= since, DETAIL.c.valid_to >= since)
        )
        # The version before the window is needed too, to tell what changed.
        query = query.where(ENDPOINT.c.id.in_(recent), or_(DETAIL.c.valid_to.is_(None), DETAIL.c.valid_to >= since))
    for row in connection.execute(query):
        yield endpoint_fact(row), Detail.from_json(json.loads(row.body)), row.valid_from, row.valid_to


def first_seen(connection: Connection) -> dict[int, datetime]:
    """Endpoint id -> when it was first there."""
    query = select(DETAIL.c.endpoint_id, func.min(DETAIL.c.valid_from)).where(believed(DETAIL))
    return {row[0]: row[1] for row in connection.execute(query.group_by(DETAIL.c.endpoint_id))}


def offered(connection: Connection, at: datetime | None = None) -> dict[tuple[str, str], int]:
    """(source, model) -> at how many providers the source told of the model at `at` (None: now)."""
    query = (
        select(ENDPOINT.c.source, ENDPOINT.c.model, func.count(ENDPOINT.c.provider.distinct()))
        .join(DETAIL, DETAIL.c.endpoint_id == ENDPOINT.c.id)
        .where(in_force(DETAIL, at), believed(DETAIL))
        .group_by(ENDPOINT.c.source, ENDPOINT.c.model)
    )
    return {(source, model): providers for source, model, providers in connection.execute(query)}


def appearances(
    connection: Connection, since: datetime, until: datetime
) -> dict[tuple[str, str], tuple[datetime, datetime | None, datetime | None]]:
    """(source, model) -> when the source first told of it at all, and in [since, until) first and no longer."""
    began, ended = DETAIL.c.valid_from, DETAIL.c.valid_to
    query = (
        select(
            ENDPOINT.c.source,
            ENDPOINT.c.model,
            func.min(began).label("first"),
            func.min(began).filter(began >= since, began < until).label("came"),
            func.max(ended).filter(ended >= since, ended < until).label("went"),
        )
        .join(DETAIL, DETAIL.c.endpoint_id == ENDPOINT.c.id)
        .where(believed(DETAIL))
        .group_by(ENDPOINT.c.source, ENDPOINT.c.model)
    )
    return {(row.source, row.model): (row.first, row.came, row.went) for row in connection.execute(query)}


def benchmarks(connection: Connection, model: str, at: datetime | None = None) -> dict[str, Any]:
    """Endpoint name -> the benchmark results that its source gave, in the source's own shape."""
    table = table_of(BenchmarkRow)
    query = (
        select(ENDPOINT, CONTENT.c.body)
        .join(table, table.c.endpoint_id == ENDPOINT.c.id)
        .join(CONTENT, CONTENT.c.id == table.c.value_id)
        .where(matching(model), in_force(table, at), believed(table))
    )
    return {endpoint_fact(row).name: json.loads(row.body) for row in connection.execute(query)}


def reported(
    connection: Connection, endpoint_ids: Iterable[int], at: datetime | None = None
) -> dict[int, tuple[datetime, Reported]]:
    """Endpoint id -> the newest figures that its source reported (up to `at`), and from when they are."""
    table = table_of(ReportedRow)
    ids = list(endpoint_ids)
    newest = select(table.c.endpoint_id, func.max(table.c.at).label("at")).where(table.c.endpoint_id.in_(ids))
    if at is not None:
        newest = newest.where(table.c.at <= at)
    latest = newest.group_by(table.c.endpoint_id).subquery()
    query = select(table).join(latest, and_(latest.c.endpoint_id == table.c.endpoint_id, latest.c.at == table.c.at))
    return {
        row.endpoint_id: (
            row.at,
            Reported(
                row.uptime_5m,
                row.uptime_30m,
                row.uptime_1d,
                tuple((row.latency_ms or {}).items()),
                tuple((row.tokens_per_s or {}).items()),
            ),
        )
        for row in connection.execute(query)
    }


def aliases(connection: Connection) -> dict[str, str]:
    """What users declared: name -> model."""
    table = table_of(AliasRow)
    return {row.name: row.model for row in connection.execute(select(table.c.name, table.c.model))}


def natives(connection: Connection, source: str | None = None) -> list[tuple[Endpoint, Native]]:
    """Every endpoint with what its source calls it, from the newest that the source said of it."""
    newest = (
        select(DETAIL.c.endpoint_id, func.max(DETAIL.c.valid_from).label("at"))
        .where(believed(DETAIL))
        .group_by(DETAIL.c.endpoint_id)
        .subquery()
    )
    query = (
        select(ENDPOINT, CONTENT.c.body)
        .join(newest, newest.c.endpoint_id == ENDPOINT.c.id)
        .join(
            DETAIL,
            and_(DETAIL.c.endpoint_id == ENDPOINT.c.id, DETAIL.c.valid_from == newest.c.at, believed(DETAIL)),
        )
        .join(CONTENT, CONTENT.c.id == DETAIL.c.value_id)
        .where(matching(source=source))
    )
    found = []
    for row in connection.execute(query):
        endpoint, detail = endpoint_fact(row), Detail.from_json(json.loads(row.body))
        found.append((endpoint, native_of(endpoint.source, endpoint.provider, endpoint.native_model, detail)))
    return found


def native_of(source: str, provider: str, model: str, detail: Detail) -> Native:
    """What identity needs of an endpoint."""
    return Native(source, provider, model, detail.hugging_face_id, detail.permaslug, detail.quantization)


def models_for(connection: Connection, source: str) -> Known:
    """The index by which new endpoints of `source` are told; the reference names its own."""
    return known((), aliases(connection)) if source == REFERENCE else known_models(connection)


def known_models(connection: Connection) -> Known:
    """The index that names models."""
    reference = (native for _, native in natives(connection, REFERENCE))
    return known(reference, aliases(connection))


def absences(connection: Connection, source: str, *, pending_only: bool = False) -> dict[int, frozenset[datetime]]:
    """Endpoint id -> when it was missed although its poll was complete."""
    table = table_of(AbsenceRow)
    query = select(table.c.endpoint_id, table.c.at).join(ENDPOINT, ENDPOINT.c.id == table.c.endpoint_id)
    query = query.where(ENDPOINT.c.source == source)
    if pending_only:
        query = query.where(table.c.pending)
    found: dict[int, set[datetime]] = {}
    for endpoint_id, at in connection.execute(query):
        found.setdefault(endpoint_id, set()).add(at)
    return {endpoint_id: frozenset(instants) for endpoint_id, instants in found.items()}
