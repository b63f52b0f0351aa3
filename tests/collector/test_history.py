"""Replaying recorded polls: what is written together."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import count

import pytest
from sqlalchemy import Engine

from collector.history import POLLS_AT_ONCE, Recorded, replay
from collector.sources import SOURCES
from db.engine import migrate, open_engine, reading
from db.polls import read as polls_read
from tests.collector.bodies import model

JANUARY = datetime(2026, 1, 1, tzinfo=UTC)
LATER = datetime(2026, 6, 1, tzinfo=UTC)


@pytest.fixture
def engine(sqlite_database: str) -> Iterator[Engine]:
    """An empty database."""
    engine = open_engine(sqlite_database)
    migrate(engine)
    yield engine
    engine.dispose()


def hourly(hours: int) -> Iterator[Recorded]:
    """One poll an hour, with a price that moves now and then."""
    for hour in range(hours):
        body = {"data": [model("acme/atlas-1", f"0.00000{1 + hour // 7}")]}
        yield Recorded(f"line {hour + 1}", JANUARY + timedelta(hours=hour), "openrouter", body)


def transactions(engine: Engine, *recordings: Iterator[Recorded]) -> list[int]:
    """How many polls each transaction of replays came to, oldest first."""
    seconds = count()
    for recorded in recordings:
        replay(engine, recorded, SOURCES["openrouter"], now=lambda: LATER + timedelta(seconds=next(seconds)))
    with reading(engine) as connection:
        written = [poll.recorded_at for poll in polls_read.answered(connection, "openrouter")]
    return [written.count(at) for at in sorted(set(written))]


def test_a_transaction_holds_polls_of_one_month_and_a_hundred_at_most(engine: Engine) -> None:
    january = 31 * 24

    assert transactions(engine, hourly(january + 24)) == [POLLS_AT_ONCE] * 7 + [january - 7 * POLLS_AT_ONCE, 24]


def test_a_replay_that_goes_on_writes_the_same_polls_together(engine: Engine) -> None:
    assert transactions(engine, hourly(POLLS_AT_ONCE), hourly(250)) == [100, 100, 50]
