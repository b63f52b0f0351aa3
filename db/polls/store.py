"""Writing polls."""

from collections.abc import Sequence
from dataclasses import asdict

from sqlalchemy import Connection, insert, update

from db.polls.facts import Poll, Rejection
from db.polls.tables import PollRow, RejectionRow
from db.versions import table_of

_POLL = table_of(PollRow)


def add(connection: Connection, poll: Poll, rejections: Sequence[Rejection] = ()) -> int:
    """Append a poll with its rejections; its id."""
    row = asdict(poll) | {"parts": ",".join(poll.parts)}
    del row["id"]
    poll_id: int = connection.execute(insert(_POLL).values(**row).returning(_POLL.c.id)).scalar_one()
    if rejections:
        rows = [{"poll_id": poll_id, "part": r.part, "item": r.item, "reason": r.reason} for r in rejections]
        connection.execute(insert(RejectionRow), rows)
    return poll_id


def reclassify(connection: Connection, poll: Poll) -> None:
    """Write down that a poll proves more, or less, than was thought before an earlier one arrived."""
    seen = list(poll.seen) if poll.seen is not None else None
    connection.execute(update(_POLL).where(_POLL.c.id == poll.id).values(status=poll.status, seen=seen))
