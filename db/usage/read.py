"""Reading usage: sums of roll-up cells, the cells themselves, and what their ids stand for."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import chain
from typing import Any, Final

import numpy as np
import pyarrow as pa
from sqlalchemy import ColumnElement, Connection, Row, Select, and_, case, func, literal, or_, select

from db.catalog.identity import provider_slug, split_variant
from db.catalog.read import ENDPOINT, endpoint_fact
from db.errors import UsageError
from db.prices.facts import Rate
from db.prices.tables import PriceRow, RateRow
from db.usage import keys as key
from db.usage.costing import Grid
from db.usage.exact import Ints
from db.usage.facts import COUNTED
from db.usage.keys import Names, Subject
from db.usage.pricing import grid_of
from db.usage.rollup import Label
from db.usage.summary import MEASURES, TOKENS, UNPRICED
from db.usage.tables import CostingRow, HourRow, ImportRow, LabelRow, SubjectRow
from db.versions import table_of

HOUR, SUBJECT, LABEL = table_of(HourRow), table_of(SubjectRow), table_of(LabelRow)
COSTING, IMPORT = table_of(CostingRow), table_of(ImportRow)
_PRICE, _RATE = table_of(PriceRow), table_of(RateRow)
_BATCH: Final = 100_000


@dataclass(frozen=True, slots=True)
class View:
    """Which usage: of [since, until) (whole hours), of a model, provider or project, as known at `known_at` (None:
    now). A model is meant in the catalogue's spelling or as the logs name it."""

    since: datetime | None = None
    until: datetime | None = None
    known_at: datetime | None = None
    model: str | None = None
    provider: str | None = None
    project: str | None = None


def minute_of(at: datetime) -> int:
    """Minutes since 1970. Raises UsageError inside an hour: usage is summed by the hour."""
    seconds = at.timestamp()
    if seconds % 3600:
        whole = at.astimezone(UTC).replace(minute=0, second=0, microsecond=0).isoformat().replace("+00:00", "Z")
        raise UsageError(f"{at.isoformat()} lies inside an hour, and usage is summed by the UTC hour: write {whole}.")
    return int(seconds) // 60


def known_costing(connection: Connection, known_at: datetime | None = None) -> int:
    """The id of the last costing at `known_at` (None: now); 0 before the first."""
    query = select(func.coalesce(func.max(COSTING.c.id), 0))
    if known_at is not None:
        query = query.where(COSTING.c.recorded_at <= known_at)
    return int(connection.execute(query).scalar_one())


def cells_of(connection: Connection, view: View) -> ColumnElement[bool]:
    """The condition on the roll-up: the cells in force, of the view's usage."""
    known = known_costing(connection, view.known_at)
    in_force = or_(HOUR.c.superseded_by.is_(None), HOUR.c.superseded_by > known)
    return and_(HOUR.c.costing_id <= known, in_force, asked(view))


def asked(view: View) -> ColumnElement[bool]:
    """The condition on the roll-up for the view's usage, whenever it was costed."""
    wanted: list[ColumnElement[bool]] = [HOUR.c.id.is_not(None)]
    if view.since is not None:
        wanted.append(HOUR.c.minute >= minute_of(view.since))
    if view.until is not None:
        wanted.append(HOUR.c.minute < minute_of(view.until))
    if view.model is not None or view.provider is not None:
        wanted.append(HOUR.c.subject_id.in_(select(SUBJECT.c.id).where(_meant(view))))
    if view.project is not None:
        wanted.append(HOUR.c.label_id.in_(select(LABEL.c.id).where(LABEL.c.project == view.project)))
    return and_(*wanted)


def _meant(view: View) -> ColumnElement[bool]:
    wanted: list[ColumnElement[bool]] = [SUBJECT.c.id.is_not(None)]
    if view.model is not None:
        wanted.append(or_(SUBJECT.c.as_model == split_variant(view.model)[0], SUBJECT.c.model == view.model))
    if view.provider is not None:
        wanted.append(or_(SUBJECT.c.as_provider == provider_slug(view.provider), SUBJECT.c.provider == view.provider))
    return and_(*wanted)


def grouped(connection: Connection, view: View, by: Sequence[str], meters: Sequence[str]) -> Iterator[Sequence[Any]]:
    """Sums of MEASURES and `meters` by the columns of `by` (db.usage.keys) and by basis: what the costs assume, or
    UNPRICED."""
    minutes = key.minutes_of(by)
    columns = [_column(name, minutes) for name in key.columns(by)]
    basis = case((HOUR.c.cost_nano.is_(None), _written(UNPRICED)), else_=HOUR.c.assumed).label("basis")
    query = (
        select(*columns, basis, *(func.coalesce(func.sum(HOUR.c[name]), 0) for name in (*MEASURES, *meters)))
        .where(cells_of(connection, view))
        .group_by(*columns, basis)
    )
    return streamed(connection, query)


def _column(name: str, minutes: int) -> ColumnElement[Any]:
    return step_of(minutes) if name == key.TIME else HOUR.c[name]


def step_of(minutes: int) -> ColumnElement[int]:
    """The number of the step of so many minutes since 1970 in which a cell lies."""
    return (HOUR.c.minute // _written(minutes)).label("step")


def _written(value: int) -> ColumnElement[int]:
    """Part of the statement's text: PostgreSQL would take two parameters for two different expressions."""
    return literal(value, literal_execute=True)


def streamed(connection: Connection, query: Select[Any]) -> Iterator[Sequence[Any]]:
    """The rows of a query, a batch in memory at a time."""
    for batch in _batches(connection, query):
        yield from batch


def _batches(connection: Connection, query: Select[Any]) -> Iterator[Sequence[Row[Any]]]:
    # SQLite's cursors stream by themselves, and quicker without SQLAlchemy's own buffer.
    streams = connection.dialect.name == "postgresql"
    options = {"stream_results": True, "max_row_buffer": _BATCH} if streams else {}
    yield from connection.execute(query, execution_options=options).partitions(_BATCH)


def days(connection: Connection, view: View) -> pa.Table:
    """Sums by day, subject and label, for charts: {day: date32, subject_id, label_id, requests, unpriced_requests,
    cost_nano, logged_nano, logged_requests, priced_tokens, and each meter that was used: int64}.

    `cost_nano` (1e-9 USD) and `priced_tokens` are of the priced requests; 0 where there is none is no cost of zero.
    """
    used = meters(connection, view)
    priced = HOUR.c.cost_nano.is_not(None)
    tokens = sum((HOUR.c[meter] for meter in used if meter in TOKENS), literal(0))
    sums = {
        "requests": HOUR.c.requests,
        "unpriced_requests": case((priced, 0), else_=HOUR.c.requests),
        **{name: HOUR.c[name] for name in ("cost_nano", "logged_nano", "logged_requests")},
        "priced_tokens": case((priced, tokens), else_=0),
        **{meter: HOUR.c[meter] for meter in used},
    }
    group = [step_of(key.MINUTES_A_DAY), HOUR.c.subject_id, HOUR.c.label_id]
    query = select(*group, *(func.coalesce(func.sum(each), 0) for each in sums.values()))
    rows = _batches(connection, query.where(cells_of(connection, view)).group_by(*group))
    names = ["day", "subject_id", "label_id", *sums]
    parts = [pa.record_batch(list(_columns(batch, len(names))), names) for batch in rows]
    table = pa.Table.from_batches(parts, pa.schema([(name, pa.int64()) for name in names]))
    return table.set_column(0, "day", table["day"].cast(pa.int32()).cast(pa.date32()))


def columns(
    connection: Connection, view: View, names: Sequence[str], where: ColumnElement[bool] | None = None
) -> Iterator[dict[str, Ints]]:
    """Columns of the view's cells (those that fit `where`), a batch at a time: `names`, 0 where a cell has no value,
    and `priced`, 0 or 1."""
    wanted = [func.coalesce(HOUR.c[name], 0) if HOUR.c[name].nullable else HOUR.c[name] for name in names]
    priced = case((HOUR.c.cost_nano.is_(None), 0), else_=1)
    query = select(*wanted, priced).where(cells_of(connection, view))
    every = [*names, "priced"]
    for rows in _batches(connection, query if where is None else query.where(where)):
        yield dict(zip(every, _columns(rows, len(every)), strict=True))


def _columns(rows: Sequence[Row[Any]], width: int) -> Ints:
    """Rows of integers as columns. What PostgreSQL sums is a Decimal."""
    flat = np.fromiter(chain.from_iterable(rows), np.int64, len(rows) * width)
    return np.ascontiguousarray(flat.reshape(len(rows), width).T)


def last_minute(connection: Connection, view: View) -> int | None:
    """The minute in which the view's last cell begins; None without any."""
    last: int | None = connection.execute(
        select(func.max(HOUR.c.minute)).where(cells_of(connection, view))
    ).scalar_one()
    return last


def meters(connection: Connection, view: View) -> list[str]:
    """The meters that the view's usage used."""
    query = select(*(func.max(HOUR.c[meter]) for meter in COUNTED)).where(cells_of(connection, view))
    return [meter for meter, most in zip(COUNTED, connection.execute(query).one(), strict=True) if most]


def logging_imports() -> ColumnElement[bool]:
    """The condition on the roll-up: cells of imports whose logs carry costs of their own."""
    return HOUR.c.import_id.in_(select(HOUR.c.import_id).where(HOUR.c.logged_requests > 0).distinct())


def names(connection: Connection, by: Sequence[str] = ()) -> Names:
    """What the ids in the roll-up stand for; priced endpoints only where `by` asks for them."""
    subject = (getattr(SUBJECT.c, name) for name in Subject.__slots__)
    label = (getattr(LABEL.c, name) for name in ("project", "api_key", "user", "tags"))
    samples = select(IMPORT.c.id).where(IMPORT.c.sample.is_(True))
    labels: dict[int, Label] = {
        row[0]: (row[1], row[2], row[3], row[4]) for row in connection.execute(select(LABEL.c.id, *label))
    }
    return Names(
        {row[0]: Subject(*row[1:]) for row in connection.execute(select(SUBJECT.c.id, *subject))},
        labels,
        _endpoints(connection) if "endpoint" in by else {},
        frozenset(connection.execute(samples).scalars()),
    )


def _endpoints(connection: Connection) -> dict[int, str]:
    used = select(HOUR.c.price_id).distinct()
    query = select(ENDPOINT, _PRICE.c.id.label("price_id")).join(_PRICE, _PRICE.c.endpoint_id == ENDPOINT.c.id)
    return {row.price_id: endpoint_fact(row).name for row in connection.execute(query.where(_PRICE.c.id.in_(used)))}


def imports(connection: Connection) -> list[dict[str, Any]]:
    """Every import, the newest first, with the columns of ImportRow but its folder."""
    query = select(*(column for column in IMPORT.c if column.name != "folder")).order_by(IMPORT.c.id.desc())
    return [dict(row) for row in connection.execute(query).mappings()]


def price_spans(connection: Connection) -> dict[int, tuple[datetime, datetime | None]]:
    """Price id -> from when to when it was in force, for the prices that usage was costed at."""
    used = select(HOUR.c.price_id).distinct()
    query = select(_PRICE.c.id, _PRICE.c.valid_from, _PRICE.c.valid_to).where(_PRICE.c.id.in_(used))
    return {row[0]: (row[1], row[2]) for row in connection.execute(query)}


def grids(connection: Connection) -> dict[int, Grid]:
    """Costing id -> where it cut its cells: at every condition of a rate that was known by then."""
    conditions = (_RATE.c.min_prompt_tokens, _RATE.c.utc_start, _RATE.c.utc_end)
    query = (
        select(*conditions, func.min(_PRICE.c.recorded_at, type_=_PRICE.c.recorded_at.type))
        .join(_PRICE, _PRICE.c.value_id == _RATE.c.quote_id)
        .where(or_(_RATE.c.min_prompt_tokens > 0, _RATE.c.utc_start.is_not(None)))
        .group_by(*conditions)
    )
    known = [((Rate("", None, *row[:3]),), row[3]) for row in connection.execute(query)]
    costings = connection.execute(select(COSTING.c.id, COSTING.c.recorded_at))
    return {costing_id: grid_of(rates for rates, since in known if since <= at) for costing_id, at in costings}
