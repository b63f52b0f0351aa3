"""Alerts from what is stored to real receivers, whatever happens in between."""

import re
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, Engine

from collector.jobs import alert as job
from collector.jobs.alert import Readers, Scope, deliver, raise_alerts
from collector.settings import Alerting
from db.engine import open_engine, reading, writing
from db.errors import StorageError
from db.migrations import metadata
from db.plans import alert_read, outbox
from db.plans.alerts import BudgetState, Decision, Kind, Restated
from db.polls import store as polls
from db.polls.facts import Poll, Status
from db.prices import store as prices
from db.prices.store import Book
from db.probes import store as probes
from db.probes.facts import Outcome, Prompt, Target
from db.probes.facts import Probe as Probed
from tests.db import worlds
from tests.db.plans.made import NOON, after, raised
from tests.db.worlds import Seen
from tests.support.receivers import Hook, running_hook

HOURLY = {"openrouter": timedelta(hours=1)}
URL = "json://127.0.0.1:9/secret"


@pytest.fixture
def hook(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hook]:
    with running_hook() as running:
        monkeypatch.setenv("ONCALL_URL", running.url())
        yield running


def alerting(**given: Any) -> Alerting:
    return Alerting.model_validate({"channels": {"oncall": "ONCALL_URL"}, "timeout_s": 5} | given)


def look(engine: Engine, now: datetime = NOON, readers: Readers | None = None, **given: Any) -> list[str]:
    """The titles of what is raised now."""
    scope = Scope(HOURLY, readers=readers or Readers())
    return [each.title for each in raise_alerts(engine, alerting(**given), scope, now)]


def poll(engine: Engine, at: datetime, status: Status = Status.OK) -> None:
    error = "openrouter answered 500" if status is Status.FAILED else None
    with writing(engine) as connection:
        polls.add(connection, [(Poll("openrouter", ("models",), at, at, status, error=error), [])])


# What is raised


def test_a_source_that_is_stale_is_told_once_and_its_recovery_once(engine: Engine) -> None:
    poll(engine, after(hours=-4))

    assert look(engine) == ["openrouter is stale"]
    assert look(engine, after(hours=1)) == []
    poll(engine, after(hours=2))
    assert look(engine, after(hours=2)) == ["openrouter is fresh again"]
    assert look(engine, after(hours=3)) == []


def test_a_price_that_moved_is_told_once(engine: Engine) -> None:
    book = Book()
    for seen in (Seen(0, {"a": 10, "b": 10}), Seen(1, {"a": 15, "b": 11})):
        with writing(engine) as connection:
            assert worlds.record(connection, seen, book) is not None
    now = worlds.at(2)

    assert look(engine, now) == ["The price of author/a rose"]
    assert look(engine, now) == []
    assert look(engine, now + timedelta(days=30)) == ["openrouter is stale"]


def test_what_moved_long_before_anybody_looked_is_no_news(engine: Engine) -> None:
    book = Book()
    for seen in (Seen(0, {"a": 10}), Seen(1, {"a": 15})):
        with writing(engine) as connection:
            assert worlds.record(connection, seen, book) is not None

    assert look(engine, worlds.at(72)) == ["openrouter is stale"]


def test_the_impact_on_the_bill_makes_a_small_move_matter(engine: Engine) -> None:
    book = Book()
    for seen in (Seen(0, {"a": 100}), Seen(1, {"a": 101})):
        with writing(engine) as connection:
            assert worlds.record(connection, seen, book) is not None

    def impacts(_connection: Connection, moved: Sequence[Any], _now: datetime) -> dict[tuple[int, datetime], Decimal]:
        return {(each.endpoint.id, each.at): Decimal(412) for each in moved}

    assert look(engine, worlds.at(2)) == []
    assert look(engine, worlds.at(2), Readers(impacts=impacts)) == [
        "The price of author/a rose: +$412.00 a month at your mix"
    ]


def probe(engine: Engine, *outcomes: Outcome, until: datetime, ttft_ms: float = 400) -> None:
    """One probe every five minutes, the last one at `until`."""
    times = [until - timedelta(minutes=5 * back) for back in reversed(range(len(outcomes)))]
    with writing(engine) as connection:
        probes.watch(connection, [Target("home", "chat", "http://127.0.0.1/v1", "llama")])
        probes.add(
            connection,
            [
                Probed("home", "chat", Prompt.SHORT, at, at, outcome, True, ttft_ms=ttft_ms)
                for at, outcome in zip(times, outcomes, strict=True)
            ],
        )


def test_an_endpoint_that_fails_is_told_and_so_is_its_recovery(engine: Engine) -> None:
    probe(engine, *[Outcome.TIMEOUT] * 6, until=after(minutes=-5))
    assert look(engine) == ["home is down"]
    assert look(engine, after(minutes=5)) == []

    probe(engine, *[Outcome.OK] * 24, until=after(hours=3, minutes=-5))
    assert look(engine, after(hours=3)) == ["home is up again"]


def test_an_endpoint_that_takes_longer_than_it_used_to_is_told(engine: Engine) -> None:
    probe(engine, *[Outcome.OK] * 100, until=after(hours=-5))
    probe(engine, *[Outcome.OK] * 12, until=after(minutes=-5), ttft_ms=1200)

    assert look(engine) == ["home is slow"]


def test_a_model_that_is_about_to_go_is_told_once(engine: Engine) -> None:
    whole = worlds.snapshot(Seen(0, {"a": 10}))
    (offer,) = whole.offers
    going = replace(offer, detail=replace(offer.detail, expires="2026-01-20"))
    observed = Poll("openrouter", ("models",), worlds.at(0), worlds.at(0), Status.OK, items=1)
    with writing(engine) as connection:
        prices.record(connection, observed, replace(whole, offers=(going,)), Book())

    assert look(engine, worlds.at(1)) == ["author/a expires in 19 days"]
    assert look(engine, worlds.at(2)) == []


def test_budgets_and_the_past_bill_are_read_by_whoever_knows_them(engine: Engine) -> None:
    state = BudgetState("team", "2026-01", Decimal(850), Decimal(1000), Decimal("0.85"), crossing_probability=0.9)
    readers = Readers(
        budgets=lambda _connection, _now: [state],
        restated=lambda _connection, _now: [Restated(NOON, "restatement", Decimal(40))],
    )

    told = ["80 % of the budget team is spent", "The budget team is projected to be crossed"]
    assert look(engine, readers=readers) == [*told, "The past bill moved by +$40.00"]
    assert look(engine, readers=readers) == []


def test_a_reader_that_fails_costs_the_others_nothing_and_ends_no_alert(engine: Engine) -> None:
    state = BudgetState("team", "2026-01", Decimal(850), Decimal(1000), Decimal("0.85"))
    look(engine, readers=Readers(budgets=lambda _connection, _now: [state]))
    poll(engine, after(hours=-4))

    def broken(_connection: Connection, _now: datetime) -> list[BudgetState]:
        raise StorageError("It is broken.")

    assert look(engine, readers=Readers(budgets=broken)) == ["openrouter is stale"]
    with reading(engine) as connection:
        assert {kind for kind, _ in outbox.open_alerts(connection)} == {Kind.BUDGET, Kind.STALE}


# What is sent


def write(engine: Engine, decision: Decision, settings: Alerting) -> None:
    with writing(engine) as connection:
        outbox.record(connection, decision, settings.wanted, NOON)


def test_a_channel_that_is_down_then_refuses_then_recovers_gets_each_alert_once(engine: Engine, hook: Hook) -> None:
    hook.statuses = [500, 503, 200]
    write(engine, raised(1, 2), alerting())

    def sent(minutes: float) -> list[str | None]:
        return [each.error for each in deliver(engine, alerting(), lambda: after(minutes=minutes))]

    assert [sent(0), sent(2), sent(9)] == [["answered 500"], ["answered 503"], [None, None]]
    assert sorted(hook.titles) == ["Ratecard: Alert 1", "Ratecard: Alert 2"]
    assert deliver(engine, alerting(), lambda: after(days=1)) == []


def test_a_channel_that_hangs_is_bounded_and_holds_up_no_other(
    engine: Engine, hook: Hook, monkeypatch: pytest.MonkeyPatch
) -> None:
    both = alerting(channels={"oncall": "ONCALL_URL", "slow": "SLOW_URL"}, timeout_s=1)
    with running_hook() as hanging:
        hanging.statuses = [None]
        monkeypatch.setenv("SLOW_URL", hanging.url())
        write(engine, raised(1, 2, 3), both)
        tried = {(each.message.channel, each.error is None) for each in deliver(engine, both, lambda: NOON)}

    # One message is enough to learn that nobody answers.
    assert (len(hanging.seen), len(hook.received)) == (1, 3)
    assert tried == {("oncall", True), ("slow", False)}


def test_messages_wait_for_a_channel_without_a_url(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    write(engine, raised(1), alerting())
    assert deliver(engine, alerting(), lambda: NOON) == []

    with reading(engine) as connection:
        assert alert_read.channels(connection)["oncall"].waiting == 1
    with running_hook() as late:
        monkeypatch.setenv("ONCALL_URL", late.url())
        deliver(engine, alerting(), lambda: after(days=3))
    assert late.titles == ["Ratecard: Alert 1"]


def test_a_quiet_night_over_the_change_of_clocks_ends_with_one_summary(engine: Engine, hook: Hook) -> None:
    quiet = alerting(quiet="22:00-07:00", quiet_zone="Europe/Berlin")
    evening = datetime.fromisoformat("2026-03-28T22:30:00+01:00")
    write(engine, raised(1, 2, at=evening), quiet)
    write(engine, raised(3, at=evening, urgent=True), quiet)

    def at(text: str) -> list[str]:
        before = len(hook.received)
        deliver(engine, quiet, lambda: datetime.fromisoformat(text))
        return hook.titles[before:]

    assert at("2026-03-28T22:30:00+01:00") == ["Ratecard: Alert 3"]
    assert at("2026-03-29T06:59:00+02:00") == []
    assert at("2026-03-29T07:00:00+02:00") == ["Ratecard: 2 alerts"]


# Whatever dies when


class Killed(BaseException):
    """The process is gone."""


STEPS = st.one_of(
    st.sampled_from(["alert", "rows only", "messages only", "run", "twice at once", "cut off", "mended"]),
    st.sampled_from(["killed before sending", "killed while sending"]),
    st.sampled_from(["a minute", "an hour"]),
)
LAPSES = {"a minute": timedelta(minutes=1), "an hour": timedelta(hours=1)}


class World:
    """A database, a channel that may be cut off, and a process that may be killed at any step."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.now = NOON
        self.raised = 0
        self.got: Counter[str] = Counter()
        self.killed_while_sending: Counter[str] = Counter()
        self.is_cut_off = False
        self.settings = alerting(an_hour=2)

    def step(self, name: str) -> None:
        match name:
            case "alert":
                self.raised += 1
                write(self.engine, raised(self.raised, at=self.now), self.settings)
            case "rows only":
                write(self.engine, raised(*range(1, self.raised + 1), at=self.now), self.settings)
            case "messages only":
                with writing(self.engine) as connection:
                    outbox.compose(connection, "oncall", 2, None, self.now)
            case "run":
                self.run(self.send)
            case "twice at once":
                self.run(self.meanwhile_another)
            case "cut off" | "mended":
                self.is_cut_off = name == "cut off"
            case "killed before sending" | "killed while sending":
                self.run(self.killing(while_sending=name == "killed while sending"))
            case _:
                self.now += LAPSES[name]

    def run(self, send: job.Send) -> None:
        try:
            deliver(self.engine, self.settings, lambda: self.now, send)
        except Killed:
            return

    def send(self, _url: str, title: str, body: str, _uid: str, _timeout_s: float) -> str | None:
        if self.is_cut_off:
            return "could not be reached"
        self.got.update(told(title, body))
        return None

    def meanwhile_another(self, *order: Any) -> str | None:
        self.run(self.send)
        return self.send(*order)

    def killing(self, *, while_sending: bool) -> Callable[..., str | None]:
        def send(_url: str, title: str, body: str, _uid: str, _timeout_s: float) -> str | None:
            if while_sending and not self.is_cut_off:
                self.got.update(told(title, body))
                self.killed_while_sending.update(told(title, body))
            raise Killed

        return send


def told(title: str, body: str) -> set[str]:
    return set(re.findall(r"Alert \d+", f"{title}\n{body}"))


@contextmanager
def fresh_world() -> Iterator[World]:
    with tempfile.TemporaryDirectory() as folder:
        engine = open_engine(f"sqlite:///{Path(folder) / 'ratecard.db'}")
        metadata.create_all(engine)
        yield World(engine)
        engine.dispose()


@pytest.mark.usefixtures("oncall_url")
@settings(max_examples=60)
@given(st.lists(STEPS, min_size=1, max_size=10))
def test_each_alert_arrives_once_unless_the_process_was_killed_while_sending_it(steps: list[str]) -> None:
    with fresh_world() as world:
        for name in ["alert", *steps]:
            world.step(name)
        world.step("mended")
        for _ in range(30):
            world.now += timedelta(hours=1)
            world.step("run")

        for number in range(1, world.raised + 1):
            name = f"Alert {number}"
            assert 1 <= world.got[name] <= 1 + world.killed_while_sending[name], (name, world.got)


@pytest.fixture(scope="module")
def oncall_url() -> Iterator[None]:
    patch = pytest.MonkeyPatch()
    patch.setenv("ONCALL_URL", URL)
    yield
    patch.undo()
