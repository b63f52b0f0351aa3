"""Figures over any window come from the roll-ups alone, and what was not measured is not there."""

from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Connection, Engine, create_engine, delete
from sqlalchemy.pool import StaticPool

from db.engine import reading, writing
from db.migrations import metadata
from db.probes import read
from db.probes.facts import CellClass, Outcome, Probe, Prompt
from db.probes.percentiles import exact
from tests.db.probes.made import ENDPOINT, add, at, near, probe, stored

MONTHS = 24 * 100


@pytest.fixture
def months(engine: Engine) -> Iterator[Connection]:
    """A hundred days of probes: every four hours one that gets slower by a millisecond, each tenth fails; the raw ones
    are gone."""
    stored(
        engine,
        *(probe(hour, Outcome.TIMEOUT if hour % 40 == 0 else Outcome.OK, 500 + hour) for hour in range(0, MONTHS, 4)),
        *(probe(hour, ttft_ms=50, target="other") for hour in range(0, MONTHS, 24)),
    )
    with writing(engine) as connection:
        connection.execute(delete(read.PROBE))
    with reading(engine) as connection:
        yield connection


@pytest.mark.parametrize(
    ("start", "end", "since"),
    [
        (0, MONTHS, 0),
        (14.5, 14.5 + 24 * 30, 0),  # of a week or more: from the beginning of its day
        (14.5, 20.5, 14),  # within a day
        (30, 53, 30),  # over midnight
        (24, 48, 24),  # a whole day
        (13, 13 + 24 * 3, 13),
        (MONTHS - 24 * 40, MONTHS + 24 * 300, MONTHS - 24 * 40),
    ],
)
def test_a_summary_is_of_the_probes_of_its_window(months: Connection, start: float, end: float, since: int) -> None:
    found = read.summaries(months, at(start), at(end))[ENDPOINT]

    inside = [hour for hour in range(0, MONTHS, 4) if since <= hour < end]
    ok = [500 + hour for hour in inside if hour % 40]
    assert found.start == at(since)
    assert at(end) <= found.end < at(end) + timedelta(hours=1)
    assert (found.probes, found.ok, found.errors) == (len(inside), len(ok), len(inside) - len(ok))
    assert found.newest == at(inside[-1])
    assert found.n == len(ok)
    assert found.ttft_ms == {f"p{p}": near(exact(ok, p) or 0) for p in (10, 50, 75, 90, 95, 99)}


def test_a_summary_is_of_the_targets_that_were_asked_for(months: Connection) -> None:
    def of(*names: str) -> set[str]:
        return set(read.summaries(months, at(0), at(MONTHS), targets=names))

    assert set(read.summaries(months, at(0), at(MONTHS))) == {ENDPOINT, "other"}
    assert of("other") == {"other"}
    assert of("other", "nobody") == {"other"}
    assert of("nobody") == of() == set()


def test_no_data_is_no_summary_and_no_hour_and_never_zero(months: Connection) -> None:
    later = (at(MONTHS), at(MONTHS + 24))

    assert read.summaries(months, *later) == {}
    assert read.hours(months, ENDPOINT, *later) == []
    assert read.strips(months, *later) == {}
    assert read.hours(months, "nobody", at(0), at(24)) == []
    # Another prober measures something else.
    assert read.summaries(months, at(0), at(24), "reach") == {}


def test_the_hours_of_a_target(months: Connection) -> None:
    found = read.hours(months, ENDPOINT, at(30), at(53))

    assert [(hour.start, hour.ok) for hour in found] == [(at(h), int(h != 40)) for h in (32, 36, 40, 44, 48, 52)]
    assert found[2].causes == {Outcome.TIMEOUT: 1}
    assert found[2].ttft_ms == {}
    assert found[0].ttft_ms == {"p50": near(532), "p90": near(532)}


def test_the_strip_of_a_target(months: Connection) -> None:
    found = read.strips(months, at(24 * 30), at(24 * 60))

    assert len(found[ENDPOINT]) == len(found["other"]) == 120
    assert {cell.shows for cell in found[ENDPOINT]} == {CellClass.ALL_OK, CellClass.ONE_FAILED}
    assert [cell.shows for cell in found["other"]][:5] == [CellClass.ALL_OK, *[CellClass.NO_DATA] * 3, CellClass.ALL_OK]
    assert set(read.strips(months, at(0), at(24), targets=["other"])) == {"other"}


def test_when_each_target_was_last_probed_outlives_the_raw_probes(months: Connection) -> None:
    assert read.last_probes(months) == {ENDPOINT: at(MONTHS - 4), "other": at(MONTHS - 24)}
    assert read.recent(months) == []
    assert read.newest_id(months) == 0


def test_a_window_is_told_apart_from_what_came_after_it_on_its_last_day(engine: Engine) -> None:
    stored(engine, *(probe(hour, ttft_ms=100) for hour in range(24 * 10)))
    with reading(engine) as connection:

        def probes(end: float) -> int:
            return read.summaries(connection, at(0), at(end))[ENDPOINT].probes

        assert [probes(end) for end in (24 * 8 + 6, 24 * 9, 24 * 9 + 12, 24 * 10, 24 * 10 + 5)] == [
            198,
            216,
            228,
            240,
            240,
        ]


def test_probes_of_one_kind_alone(engine: Engine) -> None:
    stored(
        engine,
        *(probe(i, ttft_ms=100) for i in range(4)),
        *(probe(i, ttft_ms=300, prompt=Prompt.LONG) for i in range(3)),
        probe(5, ttft_ms=200, warm=False),
        probe(6, prompt=None, prober="reach", total_ms=20),
    )
    with reading(engine) as connection:

        def told(prober: str = "chat", **kind: Prompt | bool) -> tuple[int, Prompt | None, bool | None]:
            found = read.summaries(connection, at(0), at(24), prober, **kind)[ENDPOINT]  # type: ignore[arg-type]
            return found.probes, found.prompt, found.warm

        assert told() == (8, Prompt.SHORT, True)
        assert told(prompt=Prompt.LONG) == (3, Prompt.LONG, True)
        assert told(prompt=Prompt.SHORT) == (5, Prompt.SHORT, True)
        assert told(warm=False) == (1, Prompt.SHORT, False)
        assert told("reach") == (1, None, True)
        long = read.hours(connection, ENDPOINT, at(0), at(24), prompt=Prompt.LONG)
    assert [hour.ttft_ms["p50"] for hour in long] == [near(300)] * 3


def test_the_newest_probes(engine: Engine) -> None:
    stored(engine, probe(1), probe(2, Outcome.TIMEOUT, target="other"), probe(3), probe(0, Outcome.LIMITED))
    with reading(engine) as connection:

        def hours(target: str | None = None, limit: int = 50, *, failed_only: bool = False) -> list[float]:
            found = read.recent(connection, target, limit, failed_only=failed_only)
            return [(each.started_at - at(0)) / timedelta(hours=1) for each in found]

        assert hours() == [3, 2, 1, 0]
        assert hours(limit=2) == [3, 2]
        assert hours(ENDPOINT) == [3, 1, 0]
        assert hours(failed_only=True) == [2, 0]
        assert hours("nobody") == []
        assert read.newest_id(connection) == 4


@pytest.mark.parametrize("end", [at(0), at(-1)])
def test_a_window_ends_after_it_starts(engine: Engine, end: datetime) -> None:
    with reading(engine) as connection, pytest.raises(ValueError, match="a window ends after it starts"):
        read.summaries(connection, at(0), end)


MINUTES = st.integers(0, 60 * 24 * 20)
WORLDS = st.dictionaries(MINUTES, st.tuples(st.sampled_from(list(Outcome)), st.floats(1, 60_000)), max_size=30)


@given(WORLDS, MINUTES, st.integers(1, 60 * 24 * 10))
def test_any_window_of_any_probes_comes_to_what_the_raw_ones_say(
    world: dict[int, tuple[Outcome, float]], start: int, length: int
) -> None:
    probes = [probe(minute / 60, outcome, ttft_ms) for minute, (outcome, ttft_ms) in world.items()]
    engine = create_engine("sqlite://", poolclass=StaticPool)
    metadata.create_all(engine)
    with engine.begin() as connection:
        add(connection, *probes)
        found = read.summaries(connection, at(start / 60), at((start + length) / 60)).get(ENDPOINT)
        cells = read.strips(connection, at(start / 60), at((start + length) / 60)).get(ENDPOINT, [])
    engine.dispose()

    if found is None:
        inside: list[Probe] = [each for each in probes if at(start / 60) <= each.started_at < at((start + length) / 60)]
        assert inside == []
        return
    inside = [each for each in probes if found.start <= each.started_at < found.end]
    ok = [each.ttft_ms or 0.0 for each in inside if each.outcome is Outcome.OK]
    assert found.probes == len(inside)
    assert found.ok == len(ok)
    assert found.limited == sum(each.outcome is Outcome.LIMITED for each in inside)
    assert sum(found.causes.values()) == found.errors == found.probes - found.ok - found.limited
    assert found.newest == max(each.started_at for each in inside)
    assert found.ttft_ms.get("p90") == (near(exact(ok, 90) or 0) if ok else None)
    assert all(cell.n == cell.ok + cell.failed + cell.limited for cell in cells)
