"""Probes go in whole or not at all, once each; raw ones leave after a while and their roll-ups stay."""

from dataclasses import fields, replace
from datetime import datetime, timedelta, timezone
from decimal import Decimal

import pytest
from sqlalchemy import Engine, insert, select
from sqlalchemy.exc import StatementError

from db.catalog.tables import EndpointRow
from db.engine import reading, writing
from db.probes import read, store
from db.probes.facts import Outcome, Phases, Probe, Prompt, Target
from db.probes.tables import RolledUp
from tests.db.probes.made import ENDPOINT, START, add, at, near, probe, stored

WHOLE = Probe(
    target=ENDPOINT,
    prober="chat",
    prompt=Prompt.LONG,
    scheduled_at=at(1),
    started_at=at(1) + timedelta(microseconds=123_456),
    outcome=Outcome.TRUNCATED,
    warm=False,
    reason="The stream ended without [DONE].",
    http_status=200,
    queue_ms=81.5,
    ttft_ms=412.25,
    ttfat_ms=900.125,
    total_ms=2000.5,
    tokens_per_s=48.75,
    prompt_tokens=10_004,
    output_tokens=64,
    phases=Phases(1.5, 20.25, 31.75, 380.5, 1600.0),
    provider="Nebius",
    generation_id="gen-1",
    cost_usd=Decimal("0.00000008333333333333334"),
)


def recent(engine: Engine) -> list[Probe]:
    with reading(engine) as connection:
        return read.recent(connection)


def roll_ups(engine: Engine) -> list[int]:
    """The rows of hours and of days."""
    with reading(engine) as connection:
        return [len(connection.execute(select(table)).all()) for table in (read.HOUR, read.DAY)]


def test_a_probe_comes_back_as_it_went_in(engine: Engine) -> None:
    assert {field.name for field in fields(Probe) if getattr(WHOLE, field.name) is None} == set()

    assert stored(engine, WHOLE) == 1
    assert recent(engine) == [WHOLE]


def test_what_a_probe_does_not_know_stays_unknown_and_zero_stays_zero(engine: Engine) -> None:
    reach = probe(0, prompt=None, prober="reach")
    zeros = probe(1, ttft_ms=0.0, output_tokens=0, cost_usd=Decimal(0), phases=Phases(resolve_ms=0.0))

    stored(engine, reach, zeros)

    assert recent(engine) == [zeros, reach]


def test_an_instant_in_another_zone_is_the_same_in_utc(engine: Engine) -> None:
    local = at(3).astimezone(timezone(timedelta(hours=5, minutes=45)))

    stored(engine, probe(3, started_at=local))

    (only,) = recent(engine)
    assert only.started_at == at(3)
    assert only.started_at.utcoffset() == timedelta(0)
    with reading(engine) as connection:
        (hour,) = read.hours(connection, ENDPOINT, at(0), at(9))
    assert hour.start == at(3)


def test_a_time_without_a_zone_is_refused_and_nothing_stored(engine: Engine) -> None:
    naive = datetime(2026, 1, 1)  # noqa: DTZ001

    with pytest.raises((StatementError, TypeError)):
        stored(engine, probe(0, started_at=naive))

    assert recent(engine) == []


def test_the_same_probe_again_changes_nothing(engine: Engine) -> None:
    one, other = probe(0, ttft_ms=100), probe(0, Outcome.TIMEOUT, prompt=Prompt.LONG)
    assert stored(engine, one, other, one) == 2

    assert stored(engine, one) == 0
    assert stored(engine, other, probe(1, ttft_ms=300), one) == 1

    with reading(engine) as connection:
        found = read.summaries(connection, at(0), at(24))[ENDPOINT]
    assert (found.probes, found.ok, found.errors, found.n) == (3, 2, 1, 2)


def test_half_a_transaction_leaves_nothing(engine: Engine) -> None:
    stored(engine, probe(0, ttft_ms=100))

    def killed() -> None:
        with writing(engine) as connection:
            add(connection, probe(0.5, ttft_ms=900), probe(30, Outcome.TIMEOUT))
            store.watch(connection, [Target("other", "chat", "http://127.0.0.1:1")])
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        killed()

    assert recent(engine) == [probe(0, ttft_ms=100)]
    assert roll_ups(engine) == [1, 1]
    with reading(engine) as connection:
        assert [target.name for target in read.targets(connection)] == [ENDPOINT]


def test_a_probe_that_cannot_be_rolled_up_is_not_stored_either(engine: Engine) -> None:
    with pytest.raises(ValueError, match="not negative"):
        stored(engine, probe(0, ttft_ms=100), probe(1, ttft_ms=-1))

    assert recent(engine) == []
    assert roll_ups(engine) == [0, 0]


def test_probes_of_an_hour_share_a_row_whether_they_come_together_or_one_by_one(engine: Engine) -> None:
    probes = [probe(i / 10, ttft_ms=100 + i, cost_usd=Decimal("0.001")) for i in range(9)]
    other = [replace(each, target="other") for each in probes]

    stored(engine, *probes)
    for each in reversed(other):
        stored(engine, each)

    assert roll_ups(engine) == [2, 2]
    with reading(engine) as connection:
        found = read.summaries(connection, at(0), at(24))
        assert found[ENDPOINT] == replace(found["other"], target=ENDPOINT)
    assert found[ENDPOINT].cost_usd == Decimal("0.009")


def test_every_outcome_and_figure_of_a_summary_has_its_column() -> None:
    assert {outcome.name.lower() for outcome in Outcome} <= set(RolledUp.model_fields)


def test_failed_probes_are_kept_longer_than_ok_ones(engine: Engine) -> None:
    now = at(24 * 100)
    ages = (1, 13, 15, 80, 95)
    for outcome in (Outcome.OK, Outcome.LIMITED, Outcome.TIMEOUT):
        minute = timedelta(minutes=list(Outcome).index(outcome))
        stored(engine, *(probe(0, outcome, started_at=now - timedelta(days=age) + minute) for age in ages))

    with writing(engine) as connection:
        gone = store.prune(connection, now)

    kept = sorted(((now - each.started_at).days + 1, each.outcome) for each in recent(engine))
    assert [age for age, outcome in kept if outcome is Outcome.TIMEOUT] == [1, 13, 15, 80]
    assert len([1 for _, outcome in kept if outcome is Outcome.LIMITED]) == 4
    assert len([1 for _, outcome in kept if outcome is Outcome.OK]) == 2
    assert gone == 15 - len(kept) == 5
    with reading(engine) as connection:
        found = read.summaries(connection, START, now + timedelta(days=1))[ENDPOINT]
    # What was measured is still counted.
    assert (found.probes, found.ok, found.limited, found.errors) == (15, 5, 5, 5)


def test_the_retention_can_be_told(engine: Engine) -> None:
    stored(engine, probe(0), probe(1, Outcome.EMPTY))

    with writing(engine) as connection:
        assert store.prune(connection, at(3), timedelta(hours=1), timedelta(hours=1)) == 2

    assert recent(engine) == []


def test_the_watch_list_is_what_was_put_on_it_last(engine: Engine) -> None:
    with writing(engine) as connection:
        endpoint = {"scope": "", "model": "m", "provider_name": "", "native_model": "", "rule": "own id"}
        named = {"source": "openrouter", "part": "endpoints", "key": "author/model@nebius", "provider": "nebius"}
        connection.execute(insert(EndpointRow).values(endpoint | named))
    first = Target(ENDPOINT, "chat", "https://openrouter.ai/api/v1", "author/model", "nebius", "OPENROUTER_API_KEY")
    own = Target("own", "chat", "http://127.0.0.1:8000/v1", "llama")
    changed = replace(first, prompts=(Prompt.SHORT, Prompt.LONG), every=timedelta(hours=1), max_tokens=8, endpoint_id=1)
    with writing(engine) as connection:
        store.watch(connection, [own, first])
        store.watch(connection, [changed])
        assert store.unwatch(connection, ["own", "nobody"]) == 1
        assert store.unwatch(connection, ["own"]) == 0

    with reading(engine) as connection:
        assert read.targets(connection, watched=True) == [changed]
        assert read.targets(connection, watched=False) == [own]
        assert read.targets(connection) == [changed, own]


def test_to_describe_a_target_does_not_watch_it_nor_stop_to(engine: Engine) -> None:
    watched, once = Target("watched", "chat", "http://127.0.0.1:1"), Target("once", "reach", "http://127.0.0.1:2")
    with writing(engine) as connection:
        store.watch(connection, [watched])
        store.register(connection, [once, replace(watched, max_tokens=1)])

    with reading(engine) as connection:
        assert read.targets(connection, watched=True) == [replace(watched, max_tokens=1)]
        assert read.targets(connection, watched=False) == [once]


def test_a_probe_of_a_target_that_nobody_described_is_kept(engine: Engine) -> None:
    stored(engine, probe(0, ttft_ms=100))

    with reading(engine) as connection:
        (target,) = read.targets(connection)
        found = read.summaries(connection, at(0), at(1))
    assert (target.name, target.prober, target.url, target.prompts) == (ENDPOINT, "chat", "", ())
    assert found[ENDPOINT].ttft_ms["p50"] == near(100)
