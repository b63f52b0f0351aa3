"""The collector: what is made up for, what is left alone, and that no run is lost or done twice."""

import asyncio
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import pytest
from apscheduler.triggers.cron import CronTrigger
from apscheduler.triggers.date import DateTrigger
from sqlalchemy import Engine
from structlog.testing import capture_logs

from collector import schedule
from collector.schedule import Collector
from collector.settings import Collecting
from db.engine import collector_lock, migrate, open_engine, reading, writing
from db.errors import StorageError
from db.polls import read as polls
from db.polls import store as polls_store
from db.polls.facts import Poll, Status
from tests.collector.bodies import market, model
from tests.support.upstream import Reply, Upstream, running_upstream

MODELS = "/api/v1/models"
NEW_YEAR = datetime(2026, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    with running_upstream() as server:
        server.answer_all(market([model("acme/atlas-1")]) | {"/api.json": {"acme": {"models": {}}}})
        yield server


@pytest.fixture
def engine(sqlite_database: str) -> Iterator[Engine]:
    opened = open_engine(sqlite_database)
    migrate(opened)
    yield opened
    opened.dispose()


@pytest.fixture
def settings(upstream: Upstream) -> Collecting:
    return Collecting(
        openrouter_url=f"{upstream.url}/api/v1",
        models_dev_url=upstream.url,
        sources=["openrouter", "models_dev"],
        attempts=1,
    )


@pytest.fixture
def only_when_due(monkeypatch: pytest.MonkeyPatch) -> None:
    """The clock starts no poll while the test runs; what is due at the start is polled."""
    monkeypatch.setattr(schedule, "trigger", lambda _source: CronTrigger(year=2999, timezone=UTC))


def noted(engine: Engine, source: str, at: datetime, status: Status = Status.OK) -> None:
    """A poll of earlier on."""
    poll = Poll(source, ("models",), at, at, status, items=1, error="no answer" if status == Status.FAILED else None)
    with writing(engine) as connection:
        polls_store.add(connection, [(poll, ())])


def stored(engine: Engine, source: str) -> list[Poll]:
    """The polls of a source, newest first."""
    with reading(engine) as connection:
        return polls.recent(connection, source)


def collect(collector: Collector, until: Callable[[], bool], *, meanwhile: Callable[[], None] = lambda: None) -> None:
    """Collect until the outcome is there."""

    async def run() -> None:
        stop = asyncio.Event()
        collecting = asyncio.create_task(collector.run(stop))
        await asyncio.sleep(0)
        meanwhile()
        try:
            while not (until() or collecting.done()):
                await asyncio.sleep(0.01)
        finally:
            stop.set()
            await collecting

    asyncio.run(asyncio.wait_for(run(), timeout=60))


def test_jobs_lose_no_run_and_never_overlap(engine: Engine, settings: Collecting) -> None:
    jobs = Collector(settings, engine)._scheduler().get_jobs()

    assert {"openrouter", "models_dev"} <= {job.id for job in jobs}
    assert {(job.misfire_grace_time, job.coalesce, job.max_instances) for job in jobs} == {(None, True, 1)}
    assert {str(job.trigger.timezone) for job in jobs} == {"UTC"}


@pytest.mark.usefixtures("only_when_due")
def test_what_is_due_at_the_start_is_polled_and_what_is_fresh_is_not(
    engine: Engine, settings: Collecting, upstream: Upstream
) -> None:
    now = datetime.now(UTC)
    noted(engine, "openrouter", now - timedelta(minutes=59))
    noted(engine, "models_dev", now - timedelta(hours=6))

    collect(Collector(settings, engine, now=lambda: now), until=lambda: len(stored(engine, "models_dev")) == 2)

    assert upstream.asked(MODELS) == []
    assert len(stored(engine, "openrouter")) == 1


@pytest.mark.usefixtures("only_when_due")
def test_a_source_that_was_never_polled_is_due(engine: Engine, settings: Collecting) -> None:
    collect(Collector(settings, engine), until=lambda: len(stored(engine, "openrouter")) == 1)

    (poll,) = stored(engine, "openrouter")
    assert (poll.status, poll.items) == (Status.OK, 1)


def failing_collector(engine: Engine, settings: Collecting, at: datetime) -> Collector:
    """A new one, as after a restart, that polls OpenRouter only."""
    return Collector(settings.model_copy(update={"sources": ["openrouter"]}), engine, now=lambda: at)


@pytest.mark.usefixtures("only_when_due")
def test_after_three_failures_in_a_row_a_source_is_left_alone_also_after_a_restart(
    engine: Engine, settings: Collecting, upstream: Upstream
) -> None:
    upstream.answer(MODELS, Reply(status=500))
    for failures in (1, 2, 3):
        collector = failing_collector(engine, settings, NEW_YEAR + failures * HOUR)
        collect(collector, until=lambda failures=failures: len(stored(engine, "openrouter")) == failures)  # type: ignore[misc]

    with capture_logs() as logged:
        early = failing_collector(engine, settings, NEW_YEAR + 3.9 * HOUR)
        collect(early, until=lambda: any(line["event"] == "left alone" for line in logged))
    assert len(upstream.asked(MODELS)) == 3

    upstream.answer_all(market([model("acme/atlas-1")]))
    later = failing_collector(engine, settings, NEW_YEAR + 4 * HOUR)
    collect(later, until=lambda: stored(engine, "openrouter")[0].status == Status.OK)


@pytest.mark.usefixtures("only_when_due")
def test_a_source_that_asks_for_a_pause_gets_it(engine: Engine, settings: Collecting, upstream: Upstream) -> None:
    upstream.answer(MODELS, Reply(status=429, headers={"Retry-After": "86400"}))
    began = datetime.now(UTC)
    collect(failing_collector(engine, settings, began), until=lambda: len(stored(engine, "openrouter")) == 1)
    (asked,) = stored(engine, "openrouter")
    assert asked.retry_at is not None
    assert asked.retry_at >= began + timedelta(days=1)

    with capture_logs() as logged:
        early = failing_collector(engine, settings, asked.retry_at - HOUR)
        collect(early, until=lambda: any(line["event"] == "left alone" for line in logged))
    assert len(upstream.asked(MODELS)) == 1

    later = failing_collector(engine, settings, asked.retry_at)
    collect(later, until=lambda: len(upstream.asked(MODELS)) == 2)


def test_a_run_that_falls_into_a_blocked_second_is_not_lost(
    engine: Engine, settings: Collecting, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The scheduler's own default drops a run that is a second late."""
    now = datetime.now(UTC)
    noted(engine, "openrouter", now)
    noted(engine, "models_dev", now)
    due = now + timedelta(seconds=0.2)
    monkeypatch.setattr(schedule, "trigger", lambda _source: DateTrigger(due))

    def block_the_loop() -> None:
        while datetime.now(UTC) < due + timedelta(seconds=1.5):
            time.sleep(0.1)

    def polls() -> list[int]:
        return [len(stored(engine, source)) for source in ("openrouter", "models_dev")]

    collect(Collector(settings, engine), until=lambda: polls() == [2, 2], meanwhile=block_the_loop)

    assert polls() == [2, 2]


def test_a_source_is_not_polled_twice_at_once(
    engine: Engine, settings: Collecting, upstream: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The schedule comes round while the poll of the start still waits for an answer."""
    release = upstream.hold_back(MODELS)
    due = datetime.now(UTC) + timedelta(seconds=0.2)
    monkeypatch.setattr(schedule, "trigger", lambda _source: DateTrigger(due))

    with capture_logs() as logged:

        def outcome() -> bool:
            if any(line["event"] == "still polling" for line in logged):
                release.set()
            return len(stored(engine, "openrouter")) == 1

        collect(Collector(settings, engine), until=outcome)

    assert len(upstream.asked(MODELS)) == 1


@pytest.mark.usefixtures("only_when_due")
def test_a_database_that_is_busy_for_once_ends_neither_the_collector_nor_the_poll_in_silence(
    engine: Engine, settings: Collecting, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object) -> None:
        raise StorageError("The database refused.")

    monkeypatch.setattr(schedule, "closed_until", refused)

    with capture_logs() as logged:
        collect(Collector(settings, engine), until=lambda: any(line["event"] == "not stored" for line in logged))

    assert {
        "event": "not stored",
        "source": "openrouter",
        "error": "The database refused.",
        "log_level": "error",
    } in logged
    assert logged[-1]["event"] == "stopped"


@pytest.mark.usefixtures("only_when_due")
def test_what_nobody_foresaw_in_a_poll_is_logged(
    engine: Engine, settings: Collecting, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError("one by none")

    monkeypatch.setattr(schedule, "closed_until", broken)

    with capture_logs() as logged:
        collect(Collector(settings, engine), until=lambda: any(line["event"] == "job failed" for line in logged))

    assert {line["error"] for line in logged if line["event"] == "job failed"} == {"ZeroDivisionError: one by none"}


def test_the_second_collector_polls_nothing(engine: Engine, settings: Collecting, upstream: Upstream) -> None:
    with collector_lock(engine, settings.home), pytest.raises(StorageError, match="Another collector"):
        collect(Collector(settings, engine), until=lambda: False)

    assert upstream.requests == []
