"""What polls come to in the ledger: short ones, absences, jumps, late arrivals, two writers at once."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from threading import Barrier

import pytest
from sqlalchemy import Engine, func, select
from sqlalchemy.exc import StatementError

from db.catalog import read as catalog
from db.engine import open_engine, reading, writing
from db.migrations import metadata
from db.polls import read as polls
from db.polls import store as polls_store
from db.polls.facts import Poll, Status
from db.prices import store
from db.prices.cards import model_events
from db.prices.facts import Rate, Snapshot
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


def market(models: int, usd: int = 1) -> dict[str, int]:
    return {f"m{i}": usd for i in range(models)}


def test_a_poll_with_3_of_300_models_removes_nothing(engine: Engine) -> None:
    everything, short = market(300), market(3)

    full, first_short, second_short, full_again = load(
        engine, Seen(0, everything), Seen(1, short), Seen(2, short), Seen(3, everything)
    )

    assert (full.status, full.changed) == (Status.OK, 600)  # a price and a detail of each
    assert (first_short.status, first_short.changed) == (Status.IMPLAUSIBLE, 0)
    assert (second_short.status, second_short.changed) == (Status.IMPLAUSIBLE, 0)
    assert (full_again.status, full_again.changed) == (Status.OK, 0)
    assert history(engine) == {name: [(1, at(0), None, False)] for name in everything}


def test_a_short_poll_still_tells_the_prices_that_it_holds(engine: Engine) -> None:
    load(engine, Seen(0, market(300)), Seen(1, {"m0": 2}))

    assert history(engine)["m0"] == [(1, at(0), at(1), False), (2, at(1), None, False)]
    assert history(engine)["m1"] == [(1, at(0), None, False)]


def test_absence_from_two_complete_polls_is_a_removal_at_the_first_of_them(engine: Engine) -> None:
    load(engine, Seen(0, {"a": 1, "b": 1}), Seen(1, {"a": 1}))
    assert history(engine)["b"] == [(1, at(0), None, False)]

    load(engine, Seen(2, {"a": 1}))
    assert history(engine)["b"] == [(1, at(0), at(1), False)]


def test_absence_from_one_poll_is_none(engine: Engine) -> None:
    _, missed, seen_again = load(engine, Seen(0, {"a": 1, "b": 1}), Seen(1, {"a": 1}), Seen(2, {"a": 1, "b": 1}))

    assert (missed.changed, missed.unsettled) == (0, 1)
    assert (seen_again.changed, seen_again.unsettled) == (0, 0)
    assert history(engine)["b"] == [(1, at(0), None, False)]


def test_what_returns_is_the_same_endpoint(engine: Engine) -> None:
    both, one = {"a": 1, "b": 1}, {"a": 1}
    load(engine, Seen(0, both), Seen(1, one), Seen(2, one))
    with reading(engine) as connection:
        (before,) = catalog.endpoints(connection, "author/b")
    load(engine, Seen(3, both))

    with reading(engine) as connection:
        (after,) = catalog.endpoints(connection, "author/b")
        events = model_events(connection, "author/b")

    assert after == before
    assert [(e.at, e.kind, e.endpoint.id) for e in events] == [
        (at(1), "removed", before.id),
        (at(3), "returned", before.id),
    ]
    assert history(engine)["b"] == [(1, at(0), at(1), False), (1, at(3), None, False)]


def test_an_unchanged_poll_of_1000_endpoints_adds_one_row(engine: Engine) -> None:
    everything, book = market(1000), store.Book()
    load(engine, Seen(0, everything), Seen(1, everything), book=book)
    before = row_counts(engine)

    load(engine, Seen(2, everything), book=book)
    load(engine, Seen(3, everything), book=store.Book())

    assert row_counts(engine) == before | {"poll": before["poll"] + 2}


def test_a_jump_of_more_than_100x_is_suspect_until_it_is_repeated(engine: Engine) -> None:
    _, jumped = load(engine, Seen(0, {"a": 1}), Seen(1, {"a": 101}))
    assert jumped.unsettled == 1
    assert history(engine)["a"] == [(1, at(0), at(1), False), (101, at(1), None, True)]

    (repeated,) = load(engine, Seen(2, {"a": 101}))
    assert repeated.unsettled == 0
    assert history(engine)["a"] == [(1, at(0), at(1), False), (101, at(1), None, False)]


def test_a_jump_of_100x_is_none(engine: Engine) -> None:
    load(engine, Seen(0, {"a": 1}), Seen(1, {"a": 100}), Seen(2, {"a": 1}))

    assert [suspect for *_, suspect in history(engine)["a"]] == [False, False, False]


def test_a_jump_that_goes_back_stays_suspect(engine: Engine) -> None:
    load(engine, Seen(0, {"a": 1}), Seen(1, {"a": 1000}), Seen(2, {"a": 1}), Seen(3, {"a": 1}))

    assert history(engine)["a"] == [
        (1, at(0), at(1), False),
        (1000, at(1), at(2), True),
        # Measured against what was trusted before, going back is no jump.
        (1, at(2), None, False),
    ]


def test_a_rejected_item_is_unknown_and_not_absent(engine: Engine) -> None:
    unreadable = frozenset({"b"})
    _, rejected, *_ = load(
        engine,
        Seen(0, {"a": 1, "b": 1}),
        Seen(1, {"a": 1}, rejected=unreadable),
        Seen(2, {"a": 1}, rejected=unreadable),
        Seen(3, {"a": 1}),
    )

    assert (rejected.status, rejected.rejected) == (Status.PARTIAL, 1)
    assert history(engine)["b"] == [(1, at(0), None, False)]
    with reading(engine) as connection:
        assert rejected.id is not None
        (reason,) = polls.rejections(connection, [rejected.id])[rejected.id]
    assert (reason.item, reason.reason) == ("author/b", "unreadable")


def test_a_late_poll_between_two_absences_takes_the_removal_back(engine: Engine) -> None:
    unreadable = frozenset({"a"})
    load(engine, Seen(1, {"a": 1, "b": 1}), Seen(3, {"b": 1}), Seen(5, {"b": 1}, rejected=unreadable))
    load(engine, Seen(4, {"a": 1, "b": 1}))  # late: it proves the absence at 3 a blip
    load(engine, Seen(6, {"b": 1}))

    # Only one absence in a row at 6.
    assert history(engine)["a"] == [(1, at(1), None, False)]

    load(engine, Seen(7, {"b": 1}))
    assert history(engine)["a"] == [(1, at(1), at(6), False)]


def test_a_late_poll_tells_which_of_the_stored_polls_were_short(engine: Engine) -> None:
    everything, short = market(300), market(3)
    load(engine, Seen(5, short), Seen(6, short))
    assert statuses(engine) == [(5, "ok"), (6, "ok")]

    load(engine, Seen(1, everything))

    assert statuses(engine) == [(1, "ok"), (5, "implausible"), (6, "implausible")]
    assert history(engine) == {name: [(1, at(1), None, False)] for name in everything}


def test_a_late_poll_splits_the_version_that_covered_its_instant(engine: Engine) -> None:
    load(engine, Seen(0, {"a": 1}), Seen(10, {"a": 1}), Seen(20, {"a": 1}))

    load(engine, Seen(5, {"a": 2}))

    assert history(engine)["a"] == [
        (1, at(0), at(5), False),
        (2, at(5), at(10), False),
        (1, at(10), None, False),
    ]


def test_what_was_believed_before_a_correction_stays_on_record(engine: Engine) -> None:
    book = store.Book()
    for seen, recorded_at in ((Seen(0, {"a": 1}), at(0)), (Seen(10, {"a": 1}), at(10)), (Seen(5, {"a": 2}), at(30))):
        with writing(engine) as connection:
            worlds.record(connection, seen, book, recorded_at)

    with reading(engine) as connection:
        assert worlds.history(connection, known_at=at(-1)) == {}
        assert worlds.history(connection, known_at=at(29)) == {"a": [(1, at(0), None, False)]}
        assert worlds.history(connection, known_at=at(30)) == worlds.history(connection)
        assert worlds.history(connection)["a"][1] == (2, at(5), at(10), False)


def test_the_same_poll_twice_is_stored_once(engine: Engine) -> None:
    load(engine, Seen(0, {"a": 1}))

    with writing(engine) as connection:
        again = worlds.record(connection, Seen(0, {"a": 9}), store.Book(), at(200))

    assert again is None
    assert history(engine) == {"a": [(1, at(0), None, False)]}


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


def test_a_poll_at_the_instant_of_a_failed_one_is_not_stored(engine: Engine) -> None:
    book = store.Book()
    load(engine, Seen(0, {"a": 1}), book=book)
    with writing(engine) as connection:
        polls_store.add(connection, [(Poll(SOURCE, (), at(5), at(5), Status.FAILED, error="it did not answer"), ())])
        again = worlds.record(connection, Seen(5, {"a": 2}), book)

    assert again is None
    assert history(engine) == {"a": [(1, at(0), None, False)]}


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
        recorder = store.Recorder(connection, SOURCE, book)
        stored = [recorder.add(worlds.draft(seen), worlds.snapshot(seen)) for seen in world]
        recorder.flush()

    assert [poll is None for poll in stored] == [False, False, True, False, False, False, False, False]
    assert history(engine) == worlds.expected([seen for i, seen in enumerate(world) if i != 2])

    load(engine, Seen(8, {"a": 2000}), book=book)
    assert history(engine)["b"] == [(1, at(0), at(1), False), (1, at(5), None, False)]
