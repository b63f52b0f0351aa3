"""Probes as a job: what they may cost, that the budget holds, and that nothing is stored by halves."""

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from threading import Barrier, Event
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine
from structlog.testing import capture_logs

from collector import schedule
from collector.jobs import probe as job
from collector.jobs.watching import resolve
from collector.probers import PROBERS, prompts
from collector.probers.base import Prober
from collector.probers.measure import MOST_AT_ONCE, open_connections
from collector.probers.wire import Bounds, Wire
from collector.schedule import Collector
from collector.settings import Collecting
from db.engine import migrate, open_engine, reading, writing
from db.errors import StorageError
from db.prices.facts import Rate
from db.prices.rates import rate_for
from db.probes import read, store
from db.probes.facts import Outcome, Probe, Prompt, Target
from tests.collector.billing import (
    CENT,
    KEY,
    TAG,
    USUAL,
    Billing,
    dump,
    offer,
    priced,
    reservations,
    running_billing,
    settings_for,
    spending,
)

PATIENT = Bounds(deadline_s=60)
MODELS = [f"acme/atlas-{number:02}" for number in range(48)]
ESTIMATE = PROBERS["chat"].estimate(Target("any", "chat", "http://any"), Prompt.SHORT, *(r.usd or CENT for r in USUAL))


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    opened = open_engine(database_url)
    migrate(opened)
    yield opened
    opened.dispose()


@pytest.fixture
def sqlite(sqlite_database: str) -> Iterator[Engine]:
    opened = open_engine(sqlite_database)
    migrate(opened)
    yield opened
    opened.dispose()


@pytest.fixture
def server() -> Iterator[Billing]:
    with running_billing() as running:
        yield running


@pytest.fixture(autouse=True)
def with_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENROUTER_API_KEY", KEY)


def planned(engine: Engine, settings: Collecting, *names: str, **options: object) -> list[job.Plan]:
    """What a probe of these would send now."""
    with reading(engine) as connection:
        targets = resolve(connection, names, settings, **options)
        return job.plan(connection, targets, settings, datetime.now(UTC))


def sent(engine: Engine, settings: Collecting, plans: list[job.Plan]) -> list[Probe]:
    async def all_of_them() -> list[Probe]:
        async with open_connections() as connections:
            return await job.send(plans, connections, engine, settings, bounds=PATIENT)

    return asyncio.run(all_of_them())


def stored(engine: Engine) -> list[Probe]:
    with reading(engine) as connection:
        return read.recent(connection, limit=1000)


# What is planned


def test_a_priced_endpoint_with_a_key_and_a_budget_is_chatted_with(sqlite: Engine, server: Billing) -> None:
    priced(sqlite, offer("acme/atlas"))

    (plan,) = planned(sqlite, settings_for(server), "acme/atlas")

    assert (plan.prober, plan.prompt, plan.estimate_usd, plan.instead) == ("chat", Prompt.SHORT, ESTIMATE, None)


def test_each_prompt_is_a_probe_of_its_own(sqlite: Engine, server: Billing) -> None:
    priced(sqlite, offer("acme/atlas"))

    short, long = planned(sqlite, settings_for(server, "1"), "acme/atlas", prompts=(Prompt.SHORT, Prompt.LONG))

    assert (short.prompt, long.prompt) == (Prompt.SHORT, Prompt.LONG)
    assert long.estimate_usd > short.estimate_usd + 9000 * Decimal("0.000001")


UNKNOWN = "its price is unknown"
NO_BUDGET = "there is no probe budget (RATECARD_PROBE_BUDGET_USD)"
TOO_DEAR = "one probe may cost more than the probe budget of a day (RATECARD_PROBE_BUDGET_USD)"


@pytest.mark.parametrize(
    ("rates", "budget", "why"),
    [
        (USUAL, "0", NO_BUDGET),
        (USUAL, "0.0001", TOO_DEAR),
        ((), "1", UNKNOWN),
        (USUAL[:1], "1", UNKNOWN),
        ((USUAL[0], Rate("completion", None)), "1", UNKNOWN),
        ((*USUAL, Rate("prompt", None, utc_start=800, utc_end=900)), "1", UNKNOWN),
        ((*USUAL, Rate("request", None)), "1", UNKNOWN),
        ((*USUAL, Rate("internal_reasoning", None)), "1", UNKNOWN),
    ],
)
def test_what_cannot_be_paid_or_priced_is_only_reached(
    sqlite: Engine, server: Billing, rates: tuple[Rate, ...], budget: str, why: str
) -> None:
    priced(sqlite, offer("acme/atlas", rates))

    (plan,) = planned(sqlite, settings_for(server, budget), "acme/atlas", prompts=(Prompt.SHORT, Prompt.LONG))

    assert (plan.prober, plan.prompt, plan.estimate_usd, plan.instead) == ("reach", None, Decimal(0), why)


def test_without_a_key_it_is_only_reached(sqlite: Engine, server: Billing, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENROUTER_API_KEY")
    priced(sqlite, offer("acme/atlas"))

    (plan,) = planned(sqlite, settings_for(server), "acme/atlas")

    assert (plan.prober, plan.instead) == ("reach", "the environment has no OPENROUTER_API_KEY")


def test_a_key_that_is_none_costs_the_other_targets_nothing(
    sqlite: Engine, server: Billing, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME_KEY", "two words")
    priced(sqlite, offer("acme/atlas"))
    home = Target("home", "chat", f"{server.url}/v1", "llama", key_variable="HOME_KEY")
    settings = settings_for(server)

    with reading(sqlite) as connection:
        targets = [home, *resolve(connection, ["acme/atlas"], settings)]
        of_home, of_atlas = job.plan(connection, targets, settings, datetime.now(UTC))

    assert of_home.prober == "reach"
    assert of_home.instead == "The key in HOME_KEY holds a space or an unprintable character. Was it pasted whole?"
    assert of_atlas.prober == "chat"


def test_what_is_free_needs_no_budget(sqlite: Engine, server: Billing) -> None:
    free = (Rate("prompt", Decimal(0)), Rate("completion", Decimal(0)))
    priced(sqlite, offer("acme/atlas", free))

    (plan,) = planned(sqlite, settings_for(server, "0"), "acme/atlas")

    assert (plan.prober, plan.estimate_usd) == ("chat", Decimal(0))


def test_a_server_without_a_key_bills_nobody(sqlite: Engine, server: Billing) -> None:
    home = Target("home", "chat", f"{server.url}/v1", "llama")

    with reading(sqlite) as connection:
        (plan,) = job.plan(connection, [home], settings_for(server, "0"), datetime.now(UTC))

    assert (plan.prober, plan.estimate_usd, plan.instead) == ("chat", Decimal(0), None)


USD = st.decimals(0, Decimal("0.001"), places=12)
TIER = st.sampled_from([0, 0, 50, 128, 8_000, 200_000])
HHMM = st.sampled_from([0, 830, 1630, 2359])
BASE = [st.builds(Rate, st.just(meter), USD) for meter in ("prompt", "completion")]
CONDITIONAL = st.builds(Rate, st.sampled_from(["prompt", "completion", "request", "internal_reasoning"]), USD, TIER)
WINDOWED = st.builds(Rate, st.sampled_from(["prompt", "completion"]), USD, TIER, HHMM, HHMM)


@given(
    st.tuples(*BASE, st.lists(st.one_of(CONDITIONAL, WINDOWED), max_size=4)),
    st.sampled_from(Prompt),
    st.data(),
    st.datetimes(datetime(2026, 1, 1), datetime(2026, 1, 2), timezones=st.just(UTC)),
)
def test_an_estimate_is_the_most_that_a_probe_can_cost(
    drawn: tuple[Rate, Rate, list[Rate]], prompt: Prompt, data: st.DataObject, at: datetime
) -> None:
    rates = (*drawn[:2], *drawn[2])
    target = Target("any", "chat", "http://any", "any", "any")
    prompt_tokens = data.draw(st.integers(0, prompts.tokens_at_most(prompt)))
    answer_tokens = data.draw(st.integers(0, target.max_tokens))
    thoughts = data.draw(st.integers(0, answer_tokens))

    def usd(meter: str, otherwise: Decimal = Decimal(0)) -> Decimal:
        rate = rate_for(rates, meter, prompt_tokens, at)
        return rate.usd if rate is not None and rate.usd is not None else otherwise

    completion = usd("completion")
    cost = usd("prompt") * prompt_tokens + completion * (answer_tokens - thoughts) + usd("request")
    cost += usd("internal_reasoning", completion) * thoughts

    most = job._at_most(rates, target, prompt)

    assert most is not None
    assert cost <= most


# What is sent


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
    assert (now.spent_usd, now.reserved_usd) == (Decimal(server.cost), 0)
    (chat,) = server.chats
    assert chat["provider"] == {"only": [TAG], "allow_fallbacks": False}
    assert server.keys == [f"Bearer {KEY}"]


def test_a_cost_that_nobody_told_counts_as_estimated(sqlite: Engine, server: Billing) -> None:
    server.cost = None
    priced(sqlite, offer("acme/atlas"))
    settings = settings_for(server)

    (probe,) = sent(sqlite, settings, planned(sqlite, settings, "acme/atlas"))

    assert (probe.outcome, probe.cost_usd) == (Outcome.OK, None)
    assert (spending(sqlite).spent_usd, spending(sqlite).reserved_usd) == (ESTIMATE, 0)


def test_what_could_not_be_sent_cost_nothing(sqlite: Engine) -> None:
    with running_billing() as gone:
        settings = settings_for(gone)
    priced(sqlite, offer("acme/atlas"))

    (probe,) = sent(sqlite, settings, planned(sqlite, settings, "acme/atlas"))

    assert probe.outcome is Outcome.REFUSED
    assert (spending(sqlite).spent_usd, spending(sqlite).reserved_usd) == (0, 0)


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


# What is interrupted


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
        assert (spending(engine).spent_usd, spending(engine).reserved_usd) == (ESTIMATE, 0)


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
    assert (spending(sqlite).spent_usd, spending(sqlite).reserved_usd) == (0, 0)
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


# What fails


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


# What nobody may see


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
        server.provider = f"Nebius {planted}"

    with capture_logs() as logs:
        (probe,) = sent(sqlite, settings, plans)

    assert server.keys == [f"Bearer {planted}"]
    assert probe.outcome.is_error
    assert planted not in f"{logs}{probe!r}{plans!r}{settings!r}{dump(sqlite)}"
    assert probe.reason is not None
    assert "(key)" in probe.reason
