"""What must hold for every set of polls, in every order of arrival."""

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from db.engine import writing
from db.prices import store
from tests.db import worlds
from tests.db.worlds import Seen, at

NAMES = ("a", "b", "c", "d", "e", "f")
# 1 -> 1000 is a suspect jump, 1 -> 2 is none.
PRICES = st.sampled_from([1, 2, 1000])


@st.composite
def polls(draw: st.DrawFn, hours: st.SearchStrategy[int]) -> Seen:
    present = draw(st.sets(st.sampled_from(NAMES), min_size=1))
    if draw(st.booleans()):
        present = set(NAMES) - draw(st.sets(st.sampled_from(NAMES), max_size=2))
    rejected = draw(st.sets(st.sampled_from(NAMES), max_size=1)) if draw(st.booleans()) else set()
    return Seen(
        draw(hours),
        {name: draw(PRICES) for name in sorted(present - rejected)},
        frozenset(rejected),
        draw(st.integers(0, 7)) != 0,
    )


WORLDS = st.lists(polls(st.integers(0, 40)), min_size=1, max_size=9, unique_by=lambda seen: seen.hour)


def folded(world: list[Seen], *, fresh_book: bool = False) -> dict[str, list[worlds.Span]]:
    engine = worlds.empty_engine()
    book = store.Book()
    for i, seen in enumerate(world):
        with writing(engine) as connection:
            worlds.record(connection, seen, store.Book() if fresh_book else book, at(100 + i))
    with engine.connect() as connection:
        return worlds.history(connection)


@given(WORLDS)
def test_polls_in_order_give_what_the_rules_say(world: list[Seen]) -> None:
    world = sorted(world, key=lambda seen: seen.hour)
    assert folded(world) == worlds.expected(world)


@given(WORLDS, st.randoms(use_true_random=False))
def test_any_order_of_the_same_polls_gives_the_same_history(world: list[Seen], random: object) -> None:
    shuffled = list(world)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert folded(shuffled) == worlds.expected(world)


@given(WORLDS)
def test_a_writer_that_remembers_and_one_that_reads_anew_write_the_same(world: list[Seen]) -> None:
    assert folded(world) == folded(world, fresh_book=True)


@given(WORLDS, st.randoms(use_true_random=False), st.integers(1, 4))
def test_polls_written_several_at_once_give_the_same_history(world: list[Seen], random: object, size: int) -> None:
    random.shuffle(world)  # type: ignore[attr-defined]
    engine = worlds.empty_engine()
    book = store.Book()
    for start in range(0, len(world), size):
        with writing(engine) as connection:
            recorder = store.Recorder(connection, worlds.SOURCE, book, ())
            for seen in world[start : start + size]:
                recorder.add(worlds.draft(seen, at(100 + start)), worlds.snapshot(seen))
            recorder.flush()
    with engine.connect() as connection:
        assert worlds.history(connection) == worlds.expected(world)


@given(WORLDS)
def test_the_same_polls_again_change_nothing(world: list[Seen]) -> None:
    engine = worlds.empty_engine()
    book = store.Book()
    for _ in range(2):
        for i, seen in enumerate(world):
            with writing(engine) as connection:
                again = worlds.record(connection, seen, book, at(100 + i))
    assert again is None
    with engine.connect() as connection:
        assert worlds.history(connection) == worlds.expected(world)


@given(WORLDS)
def test_what_was_believed_at_any_time_can_be_asked_for(world: list[Seen]) -> None:
    engine = worlds.empty_engine()
    book = store.Book()
    believed = []
    for i, seen in enumerate(world):
        with writing(engine) as connection:
            worlds.record(connection, seen, book, at(100 + i))
            believed.append(worlds.history(connection))
    with engine.connect() as connection:
        for i, then in enumerate(believed):
            assert worlds.history(connection, known_at=at(100 + i) + timedelta(minutes=1)) == then
        assert worlds.history(connection, known_at=at(99)) == {}
