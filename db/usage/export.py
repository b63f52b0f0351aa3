"""Usage as charges, read in the order of time and never all at once."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Connection, Select, case, func, or_, select, union_all

from db.usage import read
from db.usage.charges import Charge
from db.usage.keys import Names
from db.usage.outdated import HOUR_MINUTES, instant
from db.usage.read import COSTING, HOUR, View

_OWNER = (HOUR.c.subject_id, HOUR.c.label_id)
_UNPRICED: ColumnElement[int] = case((HOUR.c.cost_nano.is_(None), HOUR.c.requests), else_=0)


def charges(connection: Connection, view: View, minutes: int = HOUR_MINUTES) -> Iterator[Charge]:
    """Every charge as first costed, by steps of so many minutes, then what restatements moved, each oldest first.

    Together they sum to what is in force.
    """
    names = read.names(connection)
    yield from _first(connection, view, minutes, names)
    yield from _corrections(connection, view, minutes, names)


def _first(connection: Connection, view: View, minutes: int, names: Names) -> Iterator[Charge]:
    used = read.meters(connection, view)
    step, unpriced = read.step_of(minutes), HOUR.c.cost_nano.is_(None).label("unpriced")
    group = (step, *_OWNER, unpriced)
    sums = (HOUR.c[name] for name in ("requests", "cost_nano", "logged_nano", "logged_requests", *used))
    known = read.known_costing(connection, view.known_at)
    imported = select(COSTING.c.id).where(COSTING.c.kind == "import", COSTING.c.id <= known)
    query = (
        select(*group, *(func.coalesce(func.sum(each), 0) for each in sums))
        .where(HOUR.c.costing_id.in_(imported), read.asked(view))
        .group_by(*group)
        .order_by(step, *_OWNER)
    )
    for row in read.streamed(connection, query):
        start, subject, label, without = row[:4]
        requests, cost, logged, logged_requests, *units = map(int, row[4:])
        yield Charge(
            *_span(start, minutes),
            names.subjects[subject],
            names.labels[label],
            requests,
            unpriced_requests=requests if without else 0,
            cost_nano=None if without else cost,
            logged_nano=logged if logged_requests else None,
            units=dict(zip(used, units, strict=True)),
        )


def _corrections(connection: Connection, view: View, minutes: int, names: Names) -> Iterator[Charge]:
    """What each restatement added and what it superseded, as one difference; none where nothing moved."""
    known = read.known_costing(connection, view.known_at)
    restated = select(COSTING.c.id).where(COSTING.c.kind != "import")
    moved = union_all(
        _signed(view, HOUR.c.costing_id, 1, minutes).where(HOUR.c.costing_id.in_(restated)),
        _signed(view, HOUR.c.superseded_by, -1, minutes),
    ).subquery()
    by = (moved.c.step, moved.c.subject_id, moved.c.label_id)
    nano, unpriced = func.sum(moved.c.nano), func.sum(moved.c.unpriced)
    query = (
        select(COSTING.c.recorded_at, *by, nano, unpriced)
        .join(COSTING, COSTING.c.id == moved.c.costing)
        .where(moved.c.costing <= known)
        .group_by(COSTING.c.id, COSTING.c.recorded_at, *by)
        .having(or_(nano != 0, unpriced != 0))
        .order_by(COSTING.c.id, *by)
    )
    for row in read.streamed(connection, query):
        at, start, subject, label, cost, without = row
        yield Charge(
            *_span(start, minutes),
            names.subjects[subject],
            names.labels[label],
            requests=0,
            unpriced_requests=int(without),
            cost_nano=int(cost),
            corrected_at=at,
        )


def _signed(view: View, costing: ColumnElement[int], sign: int, minutes: int) -> Select[tuple[int, ...]]:
    return select(
        costing.label("costing"),
        read.step_of(minutes),
        *_OWNER,
        (func.coalesce(HOUR.c.cost_nano, 0) * sign).label("nano"),
        (_UNPRICED * sign).label("unpriced"),
    ).where(read.asked(view), costing.is_not(None))


def _span(step: int, minutes: int) -> tuple[datetime, datetime]:
    start = instant(step * minutes)
    return start, start + timedelta(minutes=minutes)
