"""The verbs that say how things are: status, doctor."""

import os
import shutil
from collections.abc import Iterator
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import typer

from db.errors import RatecardError
from scripts.cli import output
from scripts.cli.database import read_only
from scripts.cli.logs import configure

STALE_AFTER = 3
"""A source is stale when its last success is older than this many of its intervals."""


def status(format_: output.FormatOption = None) -> None:
    """Each source's last success, age, next run, gaps and rejected items. Exit code 1 if anything is stale.

    Example: ratecard status
    """
    from collector.schedule import chosen
    from collector.settings import Collecting
    from db.settings import load

    now = datetime.now(UTC)
    settings = load(Collecting)
    wanted = chosen(settings)
    with read_only() as connection:
        found = [_source(connection, source, now) for source in wanted]
        found += _probing(connection, settings, now)
        found += _alerting(connection, settings, now)
    if output.chosen(format_) is output.Format.table:
        found = [row | {"age": age(row["age_s"])} for row in found]
    columns = {
        "source": "Source",
        "state": "State",
        "last_success": "Last success (UTC)",
        "age": "Age",
        "next_run": "Next run (UTC)",
        "polls": "Polls",
        "failures": "Failed in a row",
        "gaps": "Gaps",
        "rejected_items": "Rejected in last poll",
        "note": "Note",
    }
    output.rows(found, format_, columns, "No source is set up.")
    if any(row["state"] != "fresh" for row in found):
        raise typer.Exit(1)


def _source(connection: Any, source: Any, now: datetime) -> dict[str, Any]:
    from collector.schedule import next_run
    from db.polls import read as polls
    from db.polls.breaker import closed_until

    newest = polls.newest(connection, source.name).poll
    failures = polls.failures_since_success(connection, source.name)
    closed = closed_until(failures, source.every)
    gaps = polls.source_gaps(connection, source.name)
    age_s = (now - newest.observed_at).total_seconds() if newest else None
    fresh = newest is not None and now - newest.observed_at <= source.every * STALE_AFTER
    due = next_run(source, max(now, closed) if closed else now)
    return {
        "source": source.name,
        "state": "fresh" if fresh else "stale" if newest else "never polled",
        "last_success": newest.observed_at if newest else None,
        "age_s": round(age_s) if age_s is not None else None,
        "interval_s": round(source.every.total_seconds()),
        "next_run": due,
        "left_alone_until": closed if closed and closed > now else None,
        "polls": len(polls.instants(connection, source.name, answered_only=False)),
        "failures": len(failures),
        "last_error": failures[0].error if failures else None,
        "gaps": len(gaps),
        "last_gap": {"from": gaps[-1].start, "to": gaps[-1].end} if gaps else None,
        "rejected_items": newest.rejected if newest else 0,
        "last_status": str(newest.status) if newest else None,
        "note": _note(newest, failures, fresh),
    }


def _probing(connection: Any, settings: Any, now: datetime) -> list[dict[str, Any]]:
    """One row for the probes, where anything is watched."""
    from collector.jobs.probe import plan
    from collector.jobs.watching import next_due
    from db.probes import read as probes

    watched = probes.targets(connection, watched=True)
    if not watched:
        return []
    last = probes.last_probes(connection)
    latest = max((last[target.name] for target in watched if target.name in last), default=None)
    interval = min(target.every for target in watched)
    fresh = latest is not None and now - latest <= interval * STALE_AFTER
    reasons = dict.fromkeys(each.instead for each in plan(connection, watched, settings, now) if each.instead)
    note = f"{len(watched)} watched" + (f"; only reached, because {' and '.join(map(str, reasons))}" if reasons else "")
    left = probes.spending(connection, now, settings.probe_budget_usd)
    return [
        {
            "source": "probes",
            "state": "fresh" if fresh else "stale" if latest else "never probed",
            "last_success": latest,
            "age_s": round((now - latest).total_seconds()) if latest else None,
            "interval_s": round(interval.total_seconds()),
            "next_run": min(next_due(target, now) for target in watched),
            "budget_usd": left.budget_usd,
            "budget_left_usd": left.left_usd,
            "note": note,
        }
    ]


def _alerting(connection: Any, settings: Any, now: datetime) -> list[dict[str, Any]]:
    """One row for the alerts, where a channel is set up or ever was."""
    from collector.jobs.alert import address
    from collector.notify import service
    from db.plans import alert_read

    stored = alert_read.channels(connection)
    channels = settings.alerts.channels
    if not channels and not stored:
        return []
    kinds, problems = [], []
    for name, channel in channels.items():
        try:
            kinds.append(f"{name} ({service(address(name, channel))})")
        except RatecardError as error:
            problems.append(str(error))
    for name, each in stored.items():
        if each.given_up:
            problems.append(f"{each.given_up} messages to {name} are given up: the channel {each.error}.")
        elif each.error:
            problems.append(f"The channel {name} {each.error}; {each.waiting} alerts wait.")
        elif each.waiting and name not in channels:
            problems.append(f"{each.waiting} alerts wait for {name}, which is not set up any more.")
    last = max((each.last_sent_at for each in stored.values() if each.last_sent_at), default=None)
    return [
        {
            "source": "alerts",
            "state": "failing" if problems else "fresh",
            "last_success": last,
            "age_s": round((now - last).total_seconds()) if last else None,
            "interval_s": settings.alerts.every_minutes * 60,
            "open": sum(each.alert.is_open for each in alert_read.alerts(connection, now)),
            "channels": {name: asdict(each) for name, each in stored.items()},
            "note": " ".join(problems) or f"to {', '.join(kinds)}",
        }
    ]


def _note(newest: Any, failures: list[Any], fresh: bool) -> str | None:
    if failures:
        return str(failures[0].error)
    if newest is None:
        return "`ratecard poll` asks it now."
    if not fresh:
        return "Is the collector running? `ratecard run` starts it."
    return None


def age(seconds: float | None) -> str:
    """`5 min`, `3 h`, `12 days`."""
    if seconds is None:
        return "never"
    for size, unit in ((86_400 * 2, "days"), (3_600 * 2, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds / {'days': 86_400, 'h': 3_600, 'min': 60}[unit]:.0f} {unit}"
    return f"{seconds:.0f} s"


def doctor(format_: output.FormatOption = None) -> None:
    """Check settings, database, clock, sources and what is installed, and say what to do. Exit code 1 on a problem.

    Example: ratecard doctor
    """
    configure(quiet=True)
    found = list(_checks())
    columns = {"check": "Check", "ok": "OK", "finding": "Finding"}
    output.rows(found, format_, columns, "Nothing to check.")
    if not all(row["ok"] for row in found):
        raise typer.Exit(1)


def _checks() -> Iterator[dict[str, Any]]:
    from db.settings import Storage, config_file, load

    try:
        storage = load(Storage)
    except RatecardError as error:
        yield _row("settings", False, str(error))
        return
    file = config_file()
    said = f"from {file.resolve()} and the environment" if file.exists() else "from the environment (no ratecard.toml)"
    yield _row("settings", True, f"{said}; home is {storage.home}")
    yield _home(storage.home)
    yield _database()
    yield from _sources()
    git = shutil.which("git")
    yield _row("git", git is not None, git or "not installed; only `replay --git` and `backfill` need it")


def _row(check: str, ok: bool, finding: str) -> dict[str, Any]:
    return {"check": check, "ok": ok, "finding": finding}


def _home(home: Path) -> dict[str, Any]:
    place = home if home.exists() else next(parent for parent in home.parents if parent.exists())
    if not os.access(place, os.W_OK):
        return _row("home", False, f"{place} is not writable; set RATECARD_HOME to a folder that is")
    free = shutil.disk_usage(place).free
    return _row("home", free > 200 * 1024**2, f"{place} is writable, {free / 1024**3:.1f} GB free")


def _database() -> dict[str, Any]:
    from db.engine import newest_version
    from db.polls import read as polls

    try:
        with read_only() as connection:
            newest = polls.recent(connection, limit=1)
            backend = connection.engine.url.render_as_string(hide_password=True)
    except RatecardError as error:
        return _row("database", False, str(error))
    ahead = newest[0].recorded_at - datetime.now(UTC) if newest else timedelta(0)
    if ahead > timedelta(minutes=5):
        return _row(
            "clock", False, f"the newest poll was recorded {age(ahead.total_seconds())} in the future; set the clock"
        )
    return _row("database", True, f"{backend} at version {newest_version()}; the clock agrees with its records")


def _sources() -> Iterator[dict[str, Any]]:
    import asyncio
    from dataclasses import replace

    from collector.jobs.poll import fetcher_for, open_client
    from collector.schedule import chosen
    from collector.settings import Collecting, secret
    from db.settings import load

    try:
        settings = load(Collecting)
        sources = chosen(settings)
        has_key = secret("OPENROUTER_API_KEY") is not None
    except RatecardError as error:
        yield _row("sources", False, str(error))
        return

    async def reach(source: Any) -> str | None:
        async with open_client(settings) as client:
            fetcher = fetcher_for(source, client, settings)
            fetcher.bounds = replace(fetcher.bounds, attempts=1, deadline_s=10)
            path = "/models" if source.name == "openrouter" else "/api.json"
            try:
                await fetcher.get(path)
            except RatecardError as error:
                return str(error)
        return None

    for source in sources:
        if source.url is None:
            yield _row(source.name, True, "a package on this machine; needs no network")
            continue
        problem = asyncio.run(reach(source))
        key = "" if source.name != "openrouter" else "with a key" if has_key else "without a key (prices need none)"
        yield _row(source.name, problem is None, problem or f"answers {key}".strip())
