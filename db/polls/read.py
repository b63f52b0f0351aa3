"""Reading polls."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, and_, func, select

from db.polls.facts import Gap, Poll, Rejection, Status
from db.polls.gaps import gaps
from db.polls.tables import PollRow, RejectionRow
from db.versions import table_of

_ANSWERED = (Status.OK, Status.PARTIAL, Status.IMPLAUSIBLE)
_POLL = table_of(PollRow)


def _fact(row: Row[Any]) -> Poll:
    values = {column.name: row._mapping[column.name] for column in _POLL.c}
    values["parts"] = tuple(filter(None, values["parts"].split(",")))
    values["status"] = Status(values["status"])
    values["seen"] = tuple(values["seen"]) if values["seen"] is not None else None
    return Poll(**values)


@dataclass(frozen=True, slots=True)
class Newest:
    """Where the polls of a source stand: the newest answered one, whether it also was the last to be added, and the
    size of the newest complete one."""

    poll: Poll | None
    is_last_added: bool
    complete_items: int | None


def newest(connection: Connection, source: str) -> Newest:
    """Where the polls of `source` stand."""
    mine = and_(_POLL.c.source == source, _POLL.c.status.in_(_ANSWERED))
    last_id = select(func.max(_POLL.c.id)).where(mine).scalar_subquery()
    query = select(_POLL, last_id.label("last_id")).where(mine)
    row = connection.execute(query.order_by(_POLL.c.observed_at.desc()).limit(1)).first()
    if row is None:
        return Newest(None, True, None)
    poll = _fact(row)
    if poll.complete:
        return Newest(poll, poll.id == row.last_id, poll.items)
    complete = select(_POLL).where(mine, _POLL.c.seen.is_(None), _POLL.c.status != Status.IMPLAUSIBLE)
    before = connection.execute(complete.order_by(_POLL.c.observed_at.desc()).limit(1)).first()
    return Newest(poll, poll.id == row.last_id, before.items if before else None)


def exists(connection: Connection, source: str, observed_at: datetime) -> bool:
    """Whether the poll of `source` at that instant is stored."""
    query = select(_POLL.c.id).where(_POLL.c.source == source, _POLL.c.observed_at == observed_at)
    return connection.execute(query).first() is not None


def answered(connection: Connection, source: str) -> list[Poll]:
    """Every poll of `source` that was answered, oldest first."""
    query = select(_POLL).where(_POLL.c.source == source, _POLL.c.status.in_(_ANSWERED))
    return [_fact(row) for row in connection.execute(query.order_by(_POLL.c.observed_at))]


def recent(connection: Connection, source: str | None = None, limit: int = 50) -> list[Poll]:
    """The newest polls, failed ones too, newest first."""
    query = select(_POLL).order_by(_POLL.c.observed_at.desc(), _POLL.c.id.desc()).limit(limit)
    if source is not None:
        query = query.where(_POLL.c.source == source)
    return [_fact(row) for row in connection.execute(query)]


def instants(connection: Connection, source: str, *, answered_only: bool = True) -> list[datetime]:
    """When `source` was polled, oldest first."""
    query = select(_POLL.c.observed_at).where(_POLL.c.source == source)
    if answered_only:
        query = query.where(_POLL.c.status.in_(_ANSWERED))
    return list(connection.execute(query.order_by(_POLL.c.observed_at)).scalars())


def newest_id(connection: Connection) -> int:
    """The id of the poll that was added last, of any source; 0 where there is none. Any news comes with a new one."""
    return connection.execute(select(func.max(_POLL.c.id))).scalar_one() or 0


def source_gaps(connection: Connection, source: str, until: datetime | None = None) -> list[Gap]:
    """Where the record of `source` has gaps."""
    return gaps(source, instants(connection, source), until)


def failures_since_success(connection: Connection, source: str) -> list[Poll]:
    """The failed polls after the last answered one, newest first."""
    newest = select(func.max(_POLL.c.observed_at)).where(_POLL.c.source == source, _POLL.c.status.in_(_ANSWERED))
    since = connection.execute(newest).scalar_one()
    query = select(_POLL).where(_POLL.c.source == source, _POLL.c.status == Status.FAILED)
    if since is not None:
        query = query.where(_POLL.c.observed_at > since)
    return [_fact(row) for row in connection.execute(query.order_by(_POLL.c.observed_at.desc()).limit(100))]


def rejections(connection: Connection, poll_ids: Iterable[int]) -> dict[int, list[Rejection]]:
    """Poll id -> what it rejected."""
    found: dict[int, list[Rejection]] = {}
    table = table_of(RejectionRow)
    query = select(table).where(table.c.poll_id.in_(list(poll_ids)))
    for row in connection.execute(query):
        found.setdefault(row.poll_id, []).append(Rejection(row.part, row.item, row.reason))
    return found


def sources(connection: Connection) -> list[str]:
    """The sources that were ever polled."""
    return list(connection.execute(select(_POLL.c.source).distinct().order_by(_POLL.c.source)).scalars())


def unknown_items(connection: Connection, source: str) -> set[tuple[int, str, str]]:
    """(poll id, part, item) of everything that a poll of `source` could not tell about."""
    table = table_of(RejectionRow)
    query = (
        select(table.c.poll_id, table.c.part, table.c.item)
        .join(_POLL, _POLL.c.id == table.c.poll_id)
        .where(_POLL.c.source == source, table.c.item.is_not(None))
    )
    return {(poll_id, part, item) for poll_id, part, item in connection.execute(query)}


def record_began(connection: Connection) -> dict[tuple[str, str], datetime]:
    """(source, part) -> the first answered poll that read it."""
    query = select(_POLL.c.source, _POLL.c.parts, func.min(_POLL.c.observed_at))
    query = query.where(_POLL.c.status.in_(_ANSWERED)).group_by(_POLL.c.source, _POLL.c.parts)
    began: dict[tuple[str, str], datetime] = {}
    for source, parts, at in connection.execute(query):
        for part in parts.split(","):
            began[source, part] = min(at, began.get((source, part), at))
    return began
