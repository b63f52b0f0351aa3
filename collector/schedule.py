"""The scheduler: one collector a database, jobs in code and in memory, times in UTC.

APScheduler's defaults lose runs (a misfire grace of one second), cancel running work on shutdown and let interval
jitter add up; the settings below are the answer to each.
"""

import asyncio
import hashlib
from collections.abc import Callable, Coroutine, MutableMapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import structlog
from apscheduler.events import EVENT_JOB_ERROR, EVENT_JOB_MAX_INSTANCES, EVENT_JOB_MISSED, JobEvent
from apscheduler.schedulers.asyncio import AsyncIOScheduler
from apscheduler.triggers.cron import CronTrigger
from sqlalchemy import Engine

from collector.jobs import alert
from collector.jobs.poll import Desk, fetcher_for, open_client, poll, utc_now
from collector.jobs.probe import probe_due
from collector.jobs.watching import TICK, watch_from_settings
from collector.probers.measure import MOST_AT_ONCE, open_connections
from collector.settings import Collecting
from collector.sources import SOURCES
from collector.sources.base import Source
from db.engine import collector_lock, reading, writing
from db.errors import StorageError, UsageError
from db.polls import read as polls
from db.polls.breaker import closed_until
from db.polls.facts import Status
from db.probes import store as probe_store
from db.usage.presence import has_any

log = structlog.get_logger("ratecard.collector")

JITTER_S: Final = 90
ALERT_JITTER_S: Final = 5


def trigger(source: Source) -> CronTrigger:
    """When a source is polled: at a minute of its own, so that not all users and sources come at once."""
    spread = hashlib.blake2b(source.name.encode(), digest_size=2).digest()
    minute = spread[0] % 60
    minutes = int(source.every / timedelta(minutes=1))
    if minutes < 60:
        return CronTrigger(minute=f"{minute % minutes}-59/{minutes}", timezone=UTC, jitter=min(JITTER_S, minutes * 20))
    hours = max(1, minutes // 60)
    hour = str(spread[1] % 24) if hours >= 24 else f"{spread[1] % hours}-23/{hours}"
    return CronTrigger(hour=hour, minute=minute, timezone=UTC, jitter=JITTER_S)


def next_run(source: Source, now: datetime) -> datetime:
    """When the schedule polls `source` next, without its jitter."""
    plain = trigger(source)
    plain.jitter = None
    at: datetime | None = plain.get_next_fire_time(None, now)
    if at is None:
        raise UsageError(f"The schedule of {source.name} never comes.")
    return at.astimezone(UTC)


def chosen(settings: Collecting) -> list[Source]:
    """The sources that the settings name."""
    for name in settings.sources:
        if name not in SOURCES:
            raise UsageError(f"The setting sources names {name!r}, which is none of: {', '.join(SOURCES)}.")
    return [SOURCES[name] for name in settings.sources]


class Collector:
    """Polls each source when it is due, one poll of a source at a time."""

    def __init__(self, settings: Collecting, engine: Engine, now: Callable[[], datetime] = utc_now) -> None:
        self.settings = settings
        self.engine = engine
        self.now = now
        self.running: set[asyncio.Task[None]] = set()
        self.desks = {source.name: Desk(source) for source in chosen(settings)}
        self.probing: set[str] = set()
        self.probe_gate = asyncio.Semaphore(MOST_AT_ONCE)
        self.unwatched = watch_from_settings(engine, settings)
        self.alert_scope = alert.Scope({name: desk.source.every for name, desk in self.desks.items()}, now())

    async def run(self, stop: asyncio.Event) -> None:
        """Collect until `stop` is set; then let what runs finish, for at most the grace time."""
        with collector_lock(self.engine, self.settings.home):
            async with open_client(self.settings) as client, open_connections() as self.connections:
                self.fetchers = {
                    name: fetcher_for(desk.source, client, self.settings) for name, desk in self.desks.items()
                }
                scheduler = self._scheduler()
                scheduler.start()
                log.info("collecting", sources=list(self.desks))
                try:
                    self._catch_up()
                    await stop.wait()
                finally:
                    scheduler.remove_all_jobs()
                    await self._finish()
                    scheduler.shutdown(wait=False)
                    log.info("stopped")

    def _scheduler(self) -> AsyncIOScheduler:
        scheduler = AsyncIOScheduler(timezone=UTC)
        for name, desk in self.desks.items():
            scheduler.add_job(
                self._start,
                trigger(desk.source),
                args=[name],
                id=name,
                misfire_grace_time=None,
                coalesce=True,
                max_instances=1,
            )
        safe = {"misfire_grace_time": None, "coalesce": True, "max_instances": 1}
        scheduler.add_job(self._probe, CronTrigger(second=f"*/{TICK.seconds}", timezone=UTC), id="probe", **safe)
        pace = CronTrigger(
            minute=f"*/{self.settings.alerts.every_minutes}", second=40, timezone=UTC, jitter=ALERT_JITTER_S
        )
        scheduler.add_job(self._alert, pace, id="alert", **safe)
        scheduler.add_job(self._restate, CronTrigger(minute=7, timezone=UTC), id="restate", **safe)
        scheduler.add_job(self._prune, CronTrigger(hour=3, minute=17, timezone=UTC), id="prune", **safe)
        scheduler.add_listener(_report, EVENT_JOB_MISSED | EVENT_JOB_MAX_INSTANCES | EVENT_JOB_ERROR)
        return scheduler

    def _catch_up(self) -> None:
        """Poll, probe and send at once what is due since before this process began."""
        for name, desk in self.desks.items():
            with reading(self.engine) as connection:
                newest = polls.newest(connection, name).poll
            if newest is None or self.now() - newest.observed_at >= desk.source.every:
                self._launch(name)
        self._run_on(self._probe_due(), "probe")
        self._run_on(self._alert_once(), "alert")

    async def _start(self, name: str) -> None:
        """What the scheduler calls; returns when the poll is done, so that runs of one source never overlap."""
        await asyncio.wait([self._launch(name)])

    def _launch(self, name: str) -> "asyncio.Task[None]":
        return self._run_on(self._poll(name), name)

    def _run_on(self, work: Coroutine[Any, Any, None], name: str) -> "asyncio.Task[None]":
        # The task is ours, not the scheduler's: its shutdown would cancel it in the middle.
        task = asyncio.create_task(work, name=name)
        self.running.add(task)
        task.add_done_callback(self._done)
        return task

    def _done(self, task: "asyncio.Task[None]") -> None:
        self.running.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("job failed", job=task.get_name(), error=f"{type(error).__name__}: {error}")

    async def _poll(self, name: str) -> None:
        if any(task.get_name() == name and task is not asyncio.current_task() for task in self.running):
            log.warning("still polling", source=name)
            return
        desk = self.desks[name]
        try:
            with reading(self.engine) as connection:
                until = closed_until(polls.failures_since_success(connection, name), desk.source.every)
            if until is not None and self.now() < until:
                log.info("left alone", source=name, until=until.isoformat())
                return
            done = await poll(desk, self.fetchers[name], self.engine, at_once=self.settings.at_once, now=self.now)
        except StorageError as error:
            log.error("not stored", source=name, error=str(error))
            return
        say = log.warning if done.status in (Status.FAILED, Status.IMPLAUSIBLE) else log.info
        say(
            "polled",
            source=name,
            status=str(done.status),
            items=done.items,
            changed=done.changed,
            rejected=done.rejected,
            error=done.error,
            ms=done.duration_ms,
        )
        if done.changed and self.unwatched:
            # What ratecard.toml names may have come with this poll.
            self.unwatched = watch_from_settings(self.engine, self.settings, self.unwatched)

    async def _probe(self) -> None:
        """Probe what is due, and do not wait: a server that hangs holds up no other. Like a poll, a probe that runs is
        let finish when the collector stops."""
        self._run_on(self._probe_due(), "probe")

    async def _probe_due(self) -> None:
        try:
            for probe in await probe_due(
                self.connections, self.engine, self.settings, self.now(), gate=self.probe_gate, busy=self.probing
            ):
                log.info(
                    "probed",
                    target=probe.target,
                    prober=probe.prober,
                    outcome=str(probe.outcome),
                    ttft_ms=probe.ttft_ms,
                    reason=probe.reason,
                )
        except StorageError as error:
            log.error("not stored", job="probe", error=str(error))

    async def _alert(self) -> None:
        """What the scheduler calls; like a poll, a message under way is let finish when the collector stops."""
        await asyncio.wait([self._run_on(self._alert_once(), "alert")])

    async def _alert_once(self) -> None:
        try:
            await asyncio.to_thread(alert.run, self.engine, self.settings.alerts, self.alert_scope, self.now)
        except StorageError as error:
            log.error("not stored", job="alert", error=str(error))

    async def _restate(self) -> None:
        """Bring past cost up to the prices and names that were learned since."""
        await asyncio.to_thread(self._restate_now)

    def _restate_now(self) -> None:
        with reading(self.engine) as connection:
            if not has_any(connection):
                return
        # Imported here: the engine is heavy, and without usage nothing needs it.
        from collector.jobs.restate import restate_all
        from db.usage.engine import Costing

        settings = Costing(home=self.settings.home, database_url=self.settings.database_url)
        try:
            for each in restate_all(self.engine, settings, self.now()):
                log.info("restated", import_id=each.import_id, cells=each.cells, delta_nano_usd=each.delta_nano)
        except StorageError as error:
            log.warning("not restated", error=str(error))

    async def _prune(self) -> None:
        """Let raw probes go that are past their retention; roll-ups stay."""
        await asyncio.to_thread(self._prune_now)

    def _prune_now(self) -> None:
        with writing(self.engine) as connection:
            log.info("pruned", probes=probe_store.prune(connection, self.now()))

    async def _finish(self) -> None:
        if not self.running:
            return
        log.info("finishing", polls=[task.get_name() for task in self.running], at_most_s=self.settings.grace_s)
        _, late = await asyncio.wait(self.running, timeout=self.settings.grace_s)
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)


def _report(event: JobEvent) -> None:
    if event.code == EVENT_JOB_ERROR:
        log.error("job failed", job=event.job_id, error=str(getattr(event, "exception", "")))
    elif event.code == EVENT_JOB_MAX_INSTANCES:
        log.warning("job skipped: the last run is not done", job=event.job_id)
    else:
        log.warning("job missed", job=event.job_id)


def redacted(secrets: Sequence[str]) -> Callable[[Any, str, MutableMapping[str, Any]], MutableMapping[str, Any]]:
    """A structlog processor that keeps known keys out of every log line, wherever they came from."""

    def redact(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        for secret in secrets:
            for name, value in event.items():
                if secret in str(value):
                    event[name] = str(value).replace(secret, "***")
        return event

    return redact
