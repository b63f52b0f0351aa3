"""Probes that are sent: stored whole, within the budget of a day, never more than sixteen at once."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from threading import Barrier

import pytest
from sqlalchemy import Engine
from structlog.testing import capture_logs

from collector.jobs import probe as job
from collector.probers.measure import MOST_AT_ONCE, open_connections
from db.engine import reading
from db.probes import read
from db.probes.facts import Outcome
from tests.collector.jobs.billing import (
    CENT,
    ESTIMATE,
    KEY,
    MODELS,
    NOTHING,
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


def test_a_probe_is_stored_with_its_roll_up_and_its_cost(engine: Engine, server: Billing) -> None:
    server.cost = "0.00000008333333333333334"
    priced(engine, offer("acme/atlas"))
    settings = settings_for(server)

    (probe,) = sent(engine, settings, planned(engine, settings, "acme/atlas"))

    assert (probe.outcome, probe.reason, probe.cost_usd) == (Outcome.OK, None, Decimal(server.cost))
    assert stored(engine) == [probe]
    with reading(engine) as connection:
        summary = read.summaries(connection, probe.started_at, datetime.now(UTC))[probe.target]
        (target,) = read.targets(connection)
        assert reservations(connection) == [("spent", str(ESTIMATE), server.cost)]
    assert (summary.probes, summary.ok, summary.cost_usd) == (1, 1, Decimal(server.cost))
    assert (target.name, target.url, target.tag) == (f"openrouter:acme/atlas@{TAG}", settings.openrouter_url, TAG)
    now = spending(engine)
    assert (now.spent_usd, now.reserved_usd) == (Decimal(server.cost), NOTHING)
    (chat,) = server.chats
    assert chat["provider"] == {"only": [TAG], "allow_fallbacks": False}
    assert server.keys == [f"Bearer {KEY}"]


def test_a_cost_that_nobody_told_counts_as_estimated(sqlite: Engine, server: Billing) -> None:
    server.cost = None
    priced(sqlite, offer("acme/atlas"))
    settings = settings_for(server)

    (probe,) = sent(sqlite, settings, planned(sqlite, settings, "acme/atlas"))

    assert (probe.outcome, probe.cost_usd) == (Outcome.OK, None)
    assert (spending(sqlite).spent_usd, spending(sqlite).reserved_usd) == (ESTIMATE, NOTHING)


def test_what_could_not_be_sent_cost_nothing(sqlite: Engine) -> None:
    with running_billing() as gone:
        settings = settings_for(gone)
    priced(sqlite, offer("acme/atlas"))

    (probe,) = sent(sqlite, settings, planned(sqlite, settings, "acme/atlas"))

    assert probe.outcome is Outcome.REFUSED
    assert (spending(sqlite).spent_usd, spending(sqlite).reserved_usd) == (NOTHING, NOTHING)


def test_with_sixteen_at_once_the_budget_of_a_day_holds(engine: Engine, server: Billing) -> None:
    priced(engine, *(offer(model) for model in MODELS))
    settings = settings_for(server)
    affordable = int(CENT // ESTIMATE)
    server.cost = str(ESTIMATE)

    probes = sent(engine, settings, planned(engine, settings, *MODELS))

    assert 5 < affordable < MOST_AT_ONCE
    assert server.billed <= CENT
    assert len(server.chats) == affordable
    assert [probe.prober for probe in probes].count("chat") == affordable
    assert [probe.prober for probe in probes].count("reach") == len(MODELS) - affordable == server.reaches
    assert {probe.outcome for probe in probes} == {Outcome.OK}
    assert spending(engine).spent_usd == server.billed
    assert len(stored(engine)) == len(MODELS)


def test_what_a_probe_did_not_need_is_there_for_the_next(sqlite: Engine, server: Billing) -> None:
    priced(sqlite, *(offer(model) for model in MODELS))
    settings = settings_for(server)
    server.cost = "0.0001"

    for _ in range(4):
        sent(sqlite, settings, planned(sqlite, settings, *MODELS[:32]))

    assert CENT - ESTIMATE < server.billed <= CENT
    assert spending(sqlite).spent_usd == server.billed


def test_a_reservation_that_a_killed_process_left_counts(engine: Engine, server: Billing) -> None:
    priced(engine, *(offer(model) for model in MODELS))
    settings = settings_for(server)
    server.cost = str(ESTIMATE)
    plans = planned(engine, settings, *MODELS)
    for plan in plans[:3]:
        assert job._reserve(engine, plan, CENT, lambda: datetime.now(UTC)) is not None

    sent(engine, settings, plans)

    assert server.billed <= CENT - 3 * ESTIMATE
    assert len(server.chats) == int(CENT // ESTIMATE) - 3
    now = spending(engine)
    assert now.reserved_usd == 3 * ESTIMATE
    assert now.spent_usd + now.reserved_usd <= CENT


def test_at_most_sixteen_are_open_at_once(sqlite: Engine, server: Billing) -> None:
    priced(sqlite, *(offer(model) for model in MODELS))
    settings = settings_for(server, "1")
    server.together = Barrier(MOST_AT_ONCE)

    probes = sent(sqlite, settings, planned(sqlite, settings, *MODELS))

    assert server.most_at_once == MOST_AT_ONCE
    assert [probe.outcome for probe in probes] == [Outcome.OK] * len(MODELS)


def test_those_who_send_at_the_same_time_share_the_gate(sqlite: Engine, server: Billing) -> None:
    priced(sqlite, *(offer(model) for model in MODELS))
    settings = settings_for(server, "1")
    server.together = Barrier(MOST_AT_ONCE)
    plans = planned(sqlite, settings, *MODELS)

    async def together() -> None:
        gate = asyncio.Semaphore(MOST_AT_ONCE)
        async with open_connections() as connections:
            halves = (plans[:24], plans[24:])
            await asyncio.gather(*(job.send(half, connections, sqlite, settings, gate=gate) for half in halves))

    asyncio.run(together())

    assert (server.most_at_once, len(server.chats)) == (MOST_AT_ONCE, len(MODELS))


@pytest.mark.parametrize("own", [False, True], ids=["OPENROUTER_API_KEY", "own variable"])
@pytest.mark.parametrize("way", ["refused", "named as provider"])
def test_a_key_is_in_no_log_no_error_and_no_row(
    sqlite: Engine, server: Billing, monkeypatch: pytest.MonkeyPatch, own: bool, way: str
) -> None:
    planted = "hk-" + "c0ffee" * 7 if own else KEY
    monkeypatch.setenv("HOME_KEY", planted)
    priced(sqlite, offer("acme/atlas"))
    settings = settings_for(server)
    plans = planned(sqlite, settings, "acme/atlas")
    if own:
        plans = [replace(each, target=replace(each.target, key_variable="HOME_KEY")) for each in plans]
    if way == "refused":
        server.refusal = (401, f"Incorrect API key provided: {planted}. Find yours at https://acme.example/keys.")
    else:
        server.provider = f"{planted} Zenith"

    with capture_logs() as logs:
        (probe,) = sent(sqlite, settings, plans)

    assert server.keys == [f"Bearer {planted}"]
    assert probe.outcome.is_error
    assert planted not in f"{logs}{probe!r}{plans!r}{settings!r}{dump(sqlite)}"
    assert probe.reason is not None
    assert "(key)" in probe.reason
