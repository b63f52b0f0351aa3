"""Reading usage as lots."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import numpy as np
from sqlalchemy import ColumnElement, Connection, Select, case, func, literal, select

from db.plans.lots import KEYS, Lots
from db.prices.cells import cuts
from db.prices.facts import Rates
from db.prices.tables import PriceRow
from db.usage.keys import MINUTES_A_DAY
from db.usage.read import HOUR, View, cells_of, meters, streamed
from db.versions import table_of

PRICE = table_of(PriceRow)


def whole_hours(since: datetime, until: datetime) -> View:
    """The usage of the hours that begin in [since, until)."""
    return View(_next_hour(since), _next_hour(until))


def _next_hour(at: datetime) -> datetime:
    hour = at.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    return hour if hour == at else hour + timedelta(hours=1)


def used_prices(connection: Connection) -> list[int]:
    """The ledger rows at which usage was costed."""
    ids = connection.execute(select(HOUR.c.price_id).where(HOUR.c.price_id.is_not(None)).distinct()).scalars()
    return sorted(ids)


def endpoint_of(connection: Connection) -> dict[int, int]:
    """Ledger row -> its endpoint, of the rows at which usage was costed."""
    ids = used_prices(connection)
    found: dict[int, int] = {}
    for start in range(0, len(ids), 900):
        query = select(PRICE.c.id, PRICE.c.endpoint_id).where(PRICE.c.id.in_(ids[start : start + 900]))
        found.update((row.id, row.endpoint_id) for row in connection.execute(query))
    return found


def lots(
    connection: Connection, view: View, rates: Iterable[Rates], price_ids: Sequence[int] | None = None, *, by_day: bool
) -> Lots:
    """The view's usage; with `price_ids`, what was costed at those alone. `rates`: those that it is to be costed at,
    whose daily windows it is cut at."""
    used = meters(connection, view)
    starts = sorted({0, *cuts(rates)})
    day = HOUR.c.minute // _written(MINUTES_A_DAY) if by_day else None
    slot = _slot(starts) if len(starts) > 1 else None
    without = HOUR.c.cost_nano.is_(None)
    keys = {
        "day": day,
        "subject_id": HOUR.c.subject_id,
        "label_id": HOUR.c.label_id,
        "price_id": func.coalesce(HOUR.c.price_id, _written(0)),
        "band": HOUR.c.band,
        "slot": slot,
        "shape": HOUR.c.shape,
        "priced": case((without, _written(0)), else_=_written(1)),
    }
    # What does not vary is no column to group by.
    named = {name: column.label(f"of_{name}") for name, column in keys.items() if column is not None}
    sums = (func.coalesce(func.sum(HOUR.c[name]), 0) for name in ("requests", "cost_nano", *used))
    query = select(*named.values(), *sums).where(cells_of(connection, view)).group_by(*named.values())
    rows = [tuple(map(int, row)) for part in _of_prices(query, price_ids) for row in streamed(connection, part)]
    found = np.array(rows, np.int64).reshape(len(rows), len(named) + 2 + len(used)).T
    columns = dict(zip((*named, "requests", "cost_nano", *used), found, strict=True))
    nothing = np.zeros(len(rows), np.int64)
    plain = {name: columns.get(name, nothing) for name in (*KEYS, "requests", "cost_nano")}
    return Lots(**plain, units={meter: columns[meter] for meter in used})


def _of_prices(query: Select[Any], price_ids: Sequence[int] | None) -> Iterator[Select[Any]]:
    """The query for what was costed at some prices, so many at a time."""
    if price_ids is None:
        yield query
        return
    for start in range(0, len(price_ids), 900):
        yield query.where(HOUR.c.price_id.in_(price_ids[start : start + 900]))


def _slot(starts: Sequence[int]) -> ColumnElement[int]:
    """The last of the `starts` (minutes of the day, 0 first) at which a cell has begun."""
    minute = HOUR.c.minute % _written(MINUTES_A_DAY)
    whens = ((minute < _written(end), _written(begin)) for begin, end in pairwise(starts))
    return case(*whens, else_=_written(starts[-1]))


def _written(value: int) -> ColumnElement[int]:
    """Part of the statement's text: PostgreSQL would take two parameters for two different expressions."""
    return literal(value, literal_execute=True)
