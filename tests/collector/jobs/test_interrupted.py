"""Probes that are interrupted or fail: nothing is stored by halves, no money is lost, the others go on."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from threading import Event
from typing import Any

import pytest
from sqlalchemy import Engine

from collector import schedule
from collector.jobs import probe as job
from collector.jobs.watching import resolve
from collector.probers import PROBERS
from collector.probers.base import Prober
from collector.probers.measure import open_connections
from collector.probers.wire import Wire
from collector.schedule import Collector
from collector.settings import Collecting
from db.engine import reading, writing
from db.errors import StorageError
from db.probes import store
from db.probes.facts import Probe, Prompt, Target
from tests.collector.jobs.billing import (
    ESTIMATE,
    MODELS,
    NOTHING,
    PATIENT,
    TAG,
    Billing,
    dump,
    offer,
    planned,
    priced,
    reservations,
    running_billing,
    sent,
    settings_for,
    spending,
    stored,
)


def interrupted(
    engine: Engine, settings: Collecting, plans: list[job.Plan], begun: Event, go_on: Event | None = None
) -> None:
    """Send, and cancel it when it has begun."""

    async def run() -> None:
        async with open_connections() as connections:
            sending = asyncio.create_task(job.send(plans, connections, engine, settings, bounds=PATIENT))
            assert await asyncio.to_thread(begun.wait, 60)
            sending.cancel()
            # One turn of the loop delivers it.
            await asyncio.sleep(0)
            if go_on is not None:
                go_on.set()
            with pytest.raises(asyncio.CancelledError):
                await sending

    asyncio.run(run())


def test_a_probe_cancelled_in_the_middle_leaves_no_half_row_and_its_estimate_as_spent(engine: Engine) -> None:
    priced(engine, offer("acme/atlas"))
    with running_billing(holding=True) as server:
        settings = settings_for(server)
        interrupted(engine, settings, planned(engine, settings, "acme/atlas"), server.asked)

        tables = dump(engine)
        assert (tables["probe"], tables["probe_hour"], tables["probe_day"]) == ([], [], [])
        with reading(engine) as connection:
            assert reservations(connection) == [("spent", str(ESTIMATE), None)]
        assert (spending(engine).spent_usd, spending(engine).reserved_usd) == (ESTIMATE, NOTHING)


def halting(work: Callable[..., Any]) -> tuple[Callable[..., Any], Event, Event]:
    """`work`, which says when it begins and then waits to be let on."""
    begun, go_on = Event(), Event()

    def halted(*arguments: Any) -> Any:
        begun.set()
        assert go_on.wait(60)
        return work(*arguments)

    return halted, begun, go_on


def test_a_probe_cancelled_while_it_reserves_gives_the_money_back(
    sqlite: Engine, server: Billing, monkeypatch: pytest.MonkeyPatch
) -> None:
    priced(sqlite, offer("acme/atlas"))
    settings = settings_for(server)
    halted, begun, go_on = halting(job._reserve)
    monkeypatch.setattr(job, "_reserve", halted)

    interrupted(sqlite, settings, planned(sqlite, settings, "acme/atlas"), begun, go_on)

    with reading(sqlite) as connection:
        assert reservations(connection) == [("released", str(ESTIMATE), None)]
    assert (spending(sqlite).spent_usd, spending(sqlite).reserved_usd) == (NOTHING, NOTHING)
    assert server.chats == []


def test_a_probe_cancelled_while_it_is_stored_is_stored_whole(
    sqlite: Engine, server: Billing, monkeypatch: pytest.MonkeyPatch
) -> None:
    priced(sqlite, offer("acme/atlas"))
    settings = settings_for(server)
    halted, begun, go_on = halting(job._settle)
    monkeypatch.setattr(job, "_settle", halted)

    interrupted(sqlite, settings, planned(sqlite, settings, "acme/atlas"), begun, go_on)

    assert len(stored(sqlite)) == 1
    with reading(sqlite) as connection:
        assert reservations(connection) == [("spent", str(ESTIMATE), "0.0009")]


def breaking(model: str) -> Prober:
    """The chat prober with a bug in it that one model brings to light."""
    chat = PROBERS["chat"]

    async def speak(wire: Wire, target: Target, prompt: Prompt | None, nonce: str) -> None:
        if target.model == model:
            raise RuntimeError("a bug")
        await chat.speak(wire, target, prompt, nonce)

    return replace(chat, speak=speak)


def test_a_bug_in_a_prober_costs_no_other_probe(
    sqlite: Engine, server: Billing, monkeypatch: pytest.MonkeyPatch
) -> None:
    priced(sqlite, *(offer(model) for model in MODELS[:5]))
    settings = settings_for(server)
    plans = planned(sqlite, settings, *MODELS[:5])
    monkeypatch.setitem(PROBERS, "chat", breaking(MODELS[0]))

    with pytest.raises(RuntimeError, match="a bug"):
        sent(sqlite, settings, plans)

    assert {probe.target for probe in stored(sqlite)} == {plan.target.name for plan in plans[1:]}
    assert spending(sqlite).spent_usd == ESTIMATE + 4 * Decimal("0.0009")
    assert spending(sqlite).reserved_usd == 0


class Diary:
    """Stands in for a log, and says when something was logged."""

    def __init__(self, awaited: str) -> None:
        self.lines: list[tuple[str, dict[str, Any]]] = []
        self.awaited = awaited
        self.is_there = asyncio.Event()

    def info(self, said: str, **about: Any) -> None:
        self.lines.append((said, about))
        if said == self.awaited:
            self.is_there.set()

    warning = error = info


def collected(
    engine: Engine, settings: Collecting, monkeypatch: pytest.MonkeyPatch, until: str
) -> list[tuple[str, dict[str, Any]]]:
    """Run a collector until it logs `until`, then stop it; what it logged."""

    async def run() -> Diary:
        diary, stop = Diary(until), asyncio.Event()
        monkeypatch.setattr(schedule, "log", diary)
        collecting = asyncio.create_task(Collector(settings, engine).run(stop))
        async with asyncio.timeout(60):
            await diary.is_there.wait()
        assert not collecting.done()
        stop.set()
        await collecting
        return diary

    return asyncio.run(run()).lines


def watched(engine: Engine, settings: Collecting, *names: str) -> None:
    with writing(engine) as connection:
        store.watch(connection, resolve(connection, names, settings))


@pytest.fixture
def always_due(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job, "due", lambda targets, _last, _now: list(targets))


@pytest.mark.usefixtures("always_due")
def test_a_bug_in_a_prober_does_not_end_the_collector(
    sqlite: Engine, server: Billing, monkeypatch: pytest.MonkeyPatch
) -> None:
    priced(sqlite, *(offer(model) for model in MODELS[:3]))
    settings = settings_for(server)
    watched(sqlite, settings, *MODELS[:3])
    monkeypatch.setitem(PROBERS, "chat", breaking(MODELS[0]))

    lines = collected(sqlite, settings, monkeypatch, "job failed")

    assert ("job failed", {"job": "probe", "error": "RuntimeError: a bug"}) in lines
    assert lines[-1][0] == "stopped"
    assert len(stored(sqlite)) == 2


@pytest.mark.usefixtures("always_due")
def test_a_database_that_refuses_does_not_end_the_collector(
    sqlite: Engine, server: Billing, monkeypatch: pytest.MonkeyPatch
) -> None:
    priced(sqlite, offer("acme/atlas"))
    settings = settings_for(server)
    watched(sqlite, settings, "acme/atlas")

    def refuse(*_: Any) -> None:
        raise StorageError("The disk is full.")

    monkeypatch.setattr(store, "add", refuse)

    lines = collected(sqlite, settings, monkeypatch, "not stored")

    assert ("not stored", {"job": "probe", "error": "The disk is full."}) in lines
    # The transaction took the reconciliation back too, so the money still counts.
    assert spending(sqlite).reserved_usd == ESTIMATE


@pytest.mark.usefixtures("always_due")
def test_a_collector_probes_what_is_due_when_it_starts(
    sqlite: Engine, server: Billing, monkeypatch: pytest.MonkeyPatch
) -> None:
    priced(sqlite, offer("acme/atlas"))
    settings = settings_for(server)
    watched(sqlite, settings, "acme/atlas")

    lines = collected(sqlite, settings, monkeypatch, "probed")

    (about,) = (about for said, about in lines if said == "probed")
    assert (about["target"], about["outcome"]) == (f"openrouter:acme/atlas@{TAG}", "ok")


@pytest.mark.usefixtures("always_due")
def test_what_is_being_probed_is_left_alone(sqlite: Engine) -> None:
    priced(sqlite, *(offer(model) for model in MODELS[:2]))
    with running_billing(holding=True) as server:
        settings = settings_for(server)
        watched(sqlite, settings, MODELS[0])

        async def run() -> list[list[Probe]]:
            busy: set[str] = set()
            async with open_connections() as connections:
                slow = asyncio.create_task(job.probe_due(connections, sqlite, settings, datetime.now(UTC), busy=busy))
                assert await asyncio.to_thread(server.asked.wait, 60)
                watched(sqlite, settings, MODELS[1])
                server.may_end.set()
                others = await job.probe_due(connections, sqlite, settings, datetime.now(UTC), busy=busy | {_name(0)})
                return [await slow, others]

        slow, others = asyncio.run(run())

    assert [[probe.target for probe in each] for each in (slow, others)] == [[_name(0)], [_name(1)]]


def _name(number: int) -> str:
    return f"openrouter:{MODELS[number]}@{TAG}"
