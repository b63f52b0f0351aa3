"""`ratecard collect` as a process of its own: how it ends, and what it never says."""

import json
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from db.engine import collector_lock, migrate, open_engine
from tests.collector.bodies import market, model
from tests.scripts.conftest import environment, program, run_program
from tests.scripts.databases import content, dump
from tests.support.outcome import eventually
from tests.support.upstream import Reply, Upstream

MODELS = "/api/v1/models"
KEY = "sk-or-v1-planted-0123456789abcdef"


@dataclass(frozen=True, slots=True)
class Collecting:
    """A collector that runs, with its log."""

    process: subprocess.Popen[bytes]
    log: Path

    def logged(self, event: str) -> list[dict[str, Any]]:
        """The log lines of an event so far."""
        lines = self.log.read_text(encoding="utf-8").splitlines()
        return [line for line in map(json.loads, lines) if line["event"] == event]

    def ended(self) -> int:
        """Its exit code, when it has ended."""
        eventually(lambda: self.process.poll() is not None, "the collector to end")
        return self.process.returncode


@contextmanager
def collecting(folder: Path, upstream: Upstream, **settings: str) -> Iterator[Collecting]:
    """`ratecard collect`, for OpenRouter only, against the local server."""
    of = {"OPENROUTER_URL": f"{upstream.url}/api/v1", "SOURCES": '["openrouter"]', "ATTEMPTS": "1"} | settings
    named = {f"RATECARD_{name}": value for name, value in of.items()}
    log = folder / "log"
    with log.open("wb") as stderr:
        process = subprocess.Popen(
            program("collect"), cwd=folder, env=environment(**named), stdout=subprocess.PIPE, stderr=stderr
        )
    try:
        yield Collecting(process, log)
    finally:
        process.kill()
        assert process.communicate()[0] == b""


@pytest.fixture
def database(isolated_environment: Path) -> Path:
    return isolated_environment / "ratecard.db"


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGINT])
def test_a_poll_that_runs_is_finished_and_stored_before_the_end(
    tmp_path: Path, upstream: Upstream, database: Path, end: signal.Signals
) -> None:
    upstream.answer_all(market([model("acme/atlas-1")]))
    release = upstream.hold_back(MODELS)

    with collecting(tmp_path, upstream) as collector:
        eventually(lambda: bool(upstream.asked(MODELS)), "the poll to begin")
        collector.process.send_signal(end)
        eventually(lambda: bool(collector.logged("finishing")), "the collector to stop")
        release.set()
        assert collector.ended() == 0

    assert [line["status"] for line in collector.logged("polled")] == ["ok"]
    stored = dump(database)
    assert (len(stored["poll"]), len(stored["endpoint"]), len(stored["price"])) == (1, 2, 2)


def test_a_poll_beyond_the_grace_time_is_left_without_a_trace(
    tmp_path: Path, upstream: Upstream, database: Path
) -> None:
    upstream.answer_all(market([model("acme/atlas-1")]))
    # The list of models was read by then; its endpoints never come.
    release = upstream.hold_back(f"{MODELS}/acme/atlas-1/endpoints")

    with collecting(tmp_path, upstream, GRACE_S="0.2") as collector:
        eventually(lambda: len(upstream.requests) == 2, "the poll to be half done")
        collector.process.terminate()
        assert collector.ended() == 0
    release.set()

    assert collector.logged("stopped")
    assert {table: rows for table, rows in content(database).items() if rows and table != "alembic_version"} == {}


def test_a_second_collector_says_so_and_leaves(tmp_path: Path, upstream: Upstream, database: Path) -> None:
    engine = open_engine(f"sqlite:///{database}")
    migrate(engine)

    with collector_lock(engine, tmp_path):
        ran = run_program("collect", cwd=tmp_path, RATECARD_OPENROUTER_URL=upstream.url)

    engine.dispose()
    assert (ran.code, ran.out) == (2, "")
    assert ran.err == (
        "ratecard: Another collector already works on this database. Stop it first, or use `ratecard dashboard` "
        "beside it.\n"
    )


@pytest.mark.parametrize(
    "reply",
    [
        None,
        Reply(json.dumps({"error": {"message": f"key {KEY} is not known"}}).encode(), status=401),
        Reply(status=302, headers={"Location": f"http://127.0.0.1:1/{KEY}"}),
        Reply(b"{", headers={"X-Key": KEY}),
    ],
    ids=["answered", "refused", "sent elsewhere", "no JSON"],
)
def test_a_key_is_in_no_log_and_in_no_database(
    tmp_path: Path, upstream: Upstream, database: Path, monkeypatch: pytest.MonkeyPatch, reply: Reply | None
) -> None:
    monkeypatch.setenv("OPENROUTER_API_KEY", KEY)
    upstream.answer_all(market([model("acme/atlas-1")]))
    if reply is not None:
        upstream.answer(MODELS, reply)

    with collecting(tmp_path, upstream) as collector:
        eventually(lambda: bool(collector.logged("polled")), "the poll to be done")
        collector.process.terminate()
        assert collector.ended() == 0

    assert upstream.asked(MODELS)[0].headers["Authorization"] == f"Bearer {KEY}"
    assert len(dump(database)["poll"]) == 1
    written = [file for file in tmp_path.rglob("*") if file.is_file()]
    assert {database, collector.log} <= set(written)
    assert [file for file in written if KEY.encode() in file.read_bytes()] == []
