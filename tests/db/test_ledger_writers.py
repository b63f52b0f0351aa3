"""Several writers at once, transactions that fail, and many polls in one transaction."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from threading import Barrier

import pytest
from sqlalchemy import Engine
from sqlalchemy.exc import StatementError

from db.engine import open_engine, writing
from db.polls.facts import Poll, Status
from db.prices import store
from db.prices.facts import Rate, Snapshot
from tests.db import worlds
from tests.db.loading import history, load, statuses
from tests.db.worlds import SOURCE, Seen, at


def test_two_writers_at_once_lose_nothing(engine: Engine, database_url: str) -> None:
    """Each writes every second poll; whoever is behind the other's clock arrives late, and that is folded too."""
    world = [Seen(hour, {"a": 1 + hour // 4, "b": 7, "c": 1 + hour % 3}) for hour in range(24)]
    start = Barrier(2)

    def write(mine: list[Seen]) -> None:
        own = open_engine(database_url)
        book = store.Book()
        start.wait()
        for seen in mine:
            with writing(own) as connection:
                assert worlds.record(connection, seen, book) is not None
        own.dispose()

    with ThreadPoolExecutor(2) as threads:
        for done in [threads.submit(write, world[0::2]), threads.submit(write, world[1::2])]:
            done.result()

    assert [hour for hour, _ in statuses(engine)] == list(range(24))
    assert history(engine) == worlds.expected(world)


def test_two_writers_of_the_same_polls_store_each_once(engine: Engine, database_url: str) -> None:
    world = [Seen(hour, {"a": 1 + hour // 2}) for hour in range(10)]
    start = Barrier(2)

    def write() -> list[int]:
        own = open_engine(database_url)
        book = store.Book()
        start.wait()
        stored = []
        for seen in world:
            with writing(own) as connection:
                if worlds.record(connection, seen, book) is not None:
                    stored.append(seen.hour)
        own.dispose()
        return stored

    with ThreadPoolExecutor(2) as threads:
        one, other = threads.submit(write), threads.submit(write)
        stored = one.result() + other.result()

    assert sorted(stored) == list(range(10))
    assert history(engine) == worlds.expected(world)


def test_a_writer_notices_what_another_one_filled_in_before_its_newest_poll(engine: Engine) -> None:
    """A backfill beside the collector: the collector's newest poll stays the newest, what it knows of it does not."""
    world = [Seen(0, {"a": 1}), Seen(10, {"a": 2}), Seen(5, {"a": 2}), Seen(20, {"a": 3})]
    collector, backfill = store.Book(), store.Book()

    load(engine, *world[:2], book=collector)
    load(engine, world[2], book=backfill)
    load(engine, world[3], book=collector)

    assert history(engine) == worlds.expected(world)


class DiskFullError(Exception):
    """Stands for whatever may go wrong after a poll was folded and before it was committed."""


def failing(engine: Engine, seen: Seen, book: store.Book) -> None:
    with suppress(DiskFullError), writing(engine) as connection:
        worlds.record(connection, seen, book)
        raise DiskFullError


def test_a_writer_goes_on_after_a_transaction_that_failed(engine: Engine) -> None:
    book = store.Book()
    load(engine, Seen(0, {"a": 1, "b": 1}), book=book)
    failing(engine, Seen(1, {"a": 2}), book)

    load(engine, Seen(2, {"a": 1, "b": 1}), Seen(3, {"a": 3}), book=book)

    assert history(engine) == {
        "a": [(1, at(0), at(3), False), (3, at(3), None, False)],
        "b": [(1, at(0), None, False)],
    }


def test_a_failed_transaction_is_not_mistaken_for_another_writers_poll(engine: Engine) -> None:
    """SQLite gives the id of the poll that was rolled back to the next one."""
    world = [Seen(0, {"a": 1, "b": 1}), Seen(2, {"a": 5, "b": 1}), Seen(3, {"a": 6, "b": 1})]
    book = store.Book()
    load(engine, world[0], book=book)
    failing(engine, Seen(1, {"a": 9, "b": 9}), book)
    load(engine, world[1], book=store.Book())

    load(engine, world[2], book=book)

    assert history(engine) == worlds.expected(world)


def test_a_failure_in_the_middle_of_folding_leaves_the_book_usable(engine: Engine) -> None:
    book = store.Book()
    load(engine, Seen(0, {"a": 1, "b": 1}), book=book)
    inexact = replace(worlds.offer("b", 1), rates=(Rate("prompt", 0.1),))  # type: ignore[arg-type]
    broken = Snapshot(("models",), 2, (worlds.offer("a", 2), inexact))

    with pytest.raises(StatementError, match="money is a Decimal"), writing(engine) as connection:
        store.record(connection, Poll(SOURCE, (), at(1), at(1), Status.OK), broken, book)
    load(engine, Seen(2, {"a": 2, "b": 1}), book=book)

    assert history(engine) == {
        "a": [(1, at(0), at(2), False), (2, at(2), None, False)],
        "b": [(1, at(0), None, False)],
    }


def test_many_polls_in_one_transaction_come_to_the_same(engine: Engine) -> None:
    """A replay: in order, with one poll twice, and with one that arrives late in the middle."""
    world = [
        Seen(0, {"a": 1, "b": 1}),
        Seen(1, {"a": 1}),
        Seen(1, {"a": 1}),
        Seen(4, {"a": 2}),
        Seen(3, {"a": 1}),
        Seen(5, {"a": 2, "b": 1}),
        Seen(6, {"a": 2000, "b": 1}),
        Seen(7, {"a": 2000, "b": 1}),
    ]
    book = store.Book()
    with writing(engine) as connection:
        recorder = store.Recorder(connection, SOURCE, book, ())
        is_new = [recorder.add(worlds.draft(seen), worlds.snapshot(seen)) for seen in world]
        stored = recorder.flush()

    assert is_new == [True, True, False, True, True, True, True, True]
    assert sorted(poll.observed_at for poll in stored) == [at(hour) for hour in (0, 1, 3, 4, 5, 6, 7)]
    assert history(engine) == worlds.expected([seen for i, seen in enumerate(world) if i != 2])

    load(engine, Seen(8, {"a": 2000}), book=book)
    assert history(engine)["b"] == [(1, at(0), at(1), False), (1, at(5), None, False)]
