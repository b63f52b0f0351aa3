"""`ratecard collect` that is told to end, or killed, in the middle of a probe."""

import asyncio
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path

import pytest
from sqlalchemy import Engine

from collector.jobs.probe import plan, send
from collector.jobs.watching import due_at, resolve
from collector.probers.measure import open_connections
from db.engine import migrate, open_engine, reading
from db.probes import read
from db.probes.facts import Outcome, Target
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
    priced,
    reservations,
    running_billing,
    settings_for,
    spending,
)
from tests.scripts.conftest import environment, program

DAY = timedelta(days=1)


@pytest.fixture
def engine(isolated_environment: Path) -> Iterator[Engine]:
    """The database of RATECARD_HOME."""
    opened = open_engine(f"sqlite:///{isolated_environment / 'ratecard.db'}")
    migrate(opened)
    yield opened
    opened.dispose()


@pytest.fixture
def slow() -> Iterator[Billing]:
    with running_billing(holding=True) as running:
        yield running


def due_already() -> str:
    """A model whose moment of the day has come."""
    now = datetime.now(UTC)
    for number in count():
        name = f"acme/atlas-{number}"
        if due_at(Target(f"openrouter:{name}@{TAG}", "chat", "", every=DAY), now) <= now:
            return name
    raise AssertionError


@contextmanager
def collecting(engine: Engine, server: Billing, folder: Path, grace_s: float) -> Iterator[subprocess.Popen[str]]:
    """`ratecard collect` in the middle of its first probe."""
    model = due_already()
    priced(engine, offer(model))
    entry = f'[[watch]]\nendpoint = "openrouter:{model}@{TAG}"\nevery_minutes = 1440\n'
    (folder / "ratecard.toml").write_text(entry, encoding="utf-8")
    settings = {
        "RATECARD_OPENROUTER_URL": f"{server.url}/api/v1",
        "RATECARD_SOURCES": "[]",
        "RATECARD_PROBE_BUDGET_USD": str(CENT),
        "RATECARD_GRACE_S": str(grace_s),
        "OPENROUTER_API_KEY": KEY,
    }
    command = program("collect")
    with subprocess.Popen(
        command, cwd=folder, env=environment(**settings), stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            assert server.asked.wait(60)
            yield process
        finally:
            process.kill()


def stored(engine: Engine) -> list[Outcome]:
    with reading(engine) as connection:
        return [each.outcome for each in read.recent(connection)]


def test_a_probe_that_ends_in_time_is_stored(engine: Engine, slow: Billing, tmp_path: Path) -> None:
    with collecting(engine, slow, tmp_path, grace_s=60) as process:
        assert process.stderr is not None
        process.send_signal(signal.SIGTERM)
        said = ""
        for line in process.stderr:
            said += line
            if '"finishing"' in line:
                slow.may_end.set()
        assert process.wait() == 0

    assert stored(engine) == [Outcome.OK]
    with reading(engine) as connection:
        assert reservations(connection) == [("spent", str(ESTIMATE), "0.0009")]
    assert "Traceback" not in said
    assert KEY not in said


def test_a_probe_that_does_not_is_stored_not_at_all_and_counts_as_spent(
    engine: Engine, slow: Billing, tmp_path: Path
) -> None:
    with collecting(engine, slow, tmp_path, grace_s=0.1) as process:
        process.send_signal(signal.SIGTERM)
        assert process.stderr is not None
        said = process.stderr.read()
        assert process.wait() == 0

    tables = dump(engine)
    assert (tables["probe"], tables["probe_hour"], tables["probe_day"]) == ([], [], [])
    with reading(engine) as connection:
        assert reservations(connection) == [("spent", str(ESTIMATE), None)]
    assert (spending(engine).spent_usd, spending(engine).reserved_usd) == (ESTIMATE, NOTHING)
    assert '"stopped"' in said
    assert "Traceback" not in said
    assert KEY not in f"{said}{tables}"


def test_after_a_kill_the_budget_of_the_day_still_holds(engine: Engine, slow: Billing, tmp_path: Path) -> None:
    with collecting(engine, slow, tmp_path, grace_s=60) as process:
        process.kill()
        process.wait()
    assert (spending(engine).spent_usd, spending(engine).reserved_usd) == (NOTHING, ESTIMATE)
    assert dump(engine)["probe"] == []

    slow.cost = str(ESTIMATE)
    slow.may_end.set()
    priced(engine, *(offer(model) for model in MODELS), at=datetime.now(UTC))
    settings = settings_for(slow)

    async def all_of_them() -> None:
        with reading(engine) as connection:
            plans = plan(connection, resolve(connection, MODELS, settings), settings, datetime.now(UTC))
        async with open_connections() as connections:
            await send(plans, connections, engine, settings)

    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setenv("OPENROUTER_API_KEY", KEY)
        asyncio.run(all_of_them())

    # The killed probe is among those that the server bills.
    assert len(slow.chats) == int(CENT // ESTIMATE)
    assert slow.billed <= CENT
    now = spending(engine)
    assert now.spent_usd + now.reserved_usd <= CENT
