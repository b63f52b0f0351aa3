"""What polls come to in the ledger: short ones, absences, jumps, late arrivals."""

from sqlalchemy import Engine

from db.catalog import read as catalog
from db.engine import reading, writing
from db.polls import read as polls
from db.polls import store as polls_store
from db.polls.facts import Poll, Status
from db.prices import store
from db.prices.cards import model_events
from tests.db import worlds
from tests.db.loading import history, load, row_counts, statuses
from tests.db.worlds import SOURCE, Seen, at


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


def test_a_poll_at_the_instant_of_a_failed_one_is_not_stored(engine: Engine) -> None:
    book = store.Book()
    load(engine, Seen(0, {"a": 1}), book=book)
    with writing(engine) as connection:
        polls_store.add(connection, [(Poll(SOURCE, (), at(5), at(5), Status.FAILED, error="it did not answer"), ())])
        again = worlds.record(connection, Seen(5, {"a": 2}), book)

    assert again is None
    assert history(engine) == {"a": [(1, at(0), None, False)]}
