"""Loading made-up worlds, and looking at what the database holds of them."""

from sqlalchemy import Engine, func, select

from db.engine import reading, writing
from db.migrations import metadata
from db.polls import read as polls
from db.polls.facts import Poll
from db.prices import store
from tests.db import worlds
from tests.db.worlds import SOURCE, Seen, Span, at


def load(engine: Engine, *world: Seen, book: store.Book | None = None) -> list[Poll]:
    """Record polls in the order given, an hour apart from hour 100 on; the polls as stored."""
    book = book if book is not None else store.Book()
    stored = []
    for i, seen in enumerate(world):
        with writing(engine) as connection:
            poll = worlds.record(connection, seen, book, at(100 + i))
        assert poll is not None
        stored.append(poll)
    return stored


def history(engine: Engine) -> dict[str, list[Span]]:
    with reading(engine) as connection:
        return worlds.history(connection)


def statuses(engine: Engine) -> list[tuple[int, str]]:
    """(hour, status) of every poll, oldest first."""
    with reading(engine) as connection:
        stored = polls.recent(connection, SOURCE, limit=1000)
    return sorted((int((poll.observed_at - at(0)).total_seconds() // 3600), poll.status.value) for poll in stored)


def row_counts(engine: Engine) -> dict[str, int]:
    with reading(engine) as connection:
        return {
            name: connection.execute(select(func.count()).select_from(table)).scalar_one()
            for name, table in metadata.tables.items()
        }
