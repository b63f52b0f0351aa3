"""Writing polls."""

from collections.abc import Sequence
from dataclasses import asdict

from sqlalchemy import Connection, insert, update

from db.polls.facts import Poll, Rejection
from db.polls.tables import PollRow, RejectionRow
from db.versions import table_of

_POLL = table_of(PollRow)


def add(connection: Connection, polls: Sequence[tuple[Poll, Sequence[Rejection]]]) -> list[int]:
    """Append polls with their rejections; their ids, in the same order."""
    if not polls:
        return []
    rows = []
    for poll, _ in polls:
        rows.append(asdict(poll) | {"parts": ",".join(poll.parts)})
        del rows[-1]["id"]
    added = insert(_POLL).returning(_POLL.c.id, sort_by_parameter_order=True)
    ids = list(connection.execute(added, rows).scalars())
    rejected = [
        {"poll_id": poll_id, "part": each.part, "item": each.item, "reason": each.reason}
        for poll_id, (_, rejections) in zip(ids, polls, strict=True)
        for each in rejections
    ]
    if rejected:
        connection.execute(insert(RejectionRow), rejected)
    return ids


def reclassify(connection: Connection, poll: Poll) -> None:
    """Write down that a poll proves more, or less, than was thought before an earlier one arrived."""
    seen = list(poll.seen) if poll.seen is not None else None
    connection.execute(update(_POLL).where(_POLL.c.id == poll.id).values(status=poll.status, seen=seen))
