"""When sources are polled."""

import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from apscheduler.triggers.cron import CronTrigger

from collector.schedule import next_run, trigger
from collector.sources import SOURCES

NEW_YEAR = datetime(2026, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)


def runs(of: CronTrigger, count: int) -> list[datetime]:
    """The next so many times from the new year on."""
    found: list[datetime] = []
    before: datetime | None = None
    for _ in range(count):
        before = of.get_next_fire_time(before, before or NEW_YEAR)
        assert before is not None
        found.append(before)
    return found


@pytest.mark.parametrize("name", SOURCES)
def test_a_source_is_polled_at_a_minute_of_its_own(name: str) -> None:
    of = trigger(SOURCES[name])

    assert of.timezone == UTC
    assert 0 < of.jitter <= 90
    assert str(trigger(SOURCES[name])) == str(of)
    assert len({next_run(source, NEW_YEAR).minute for source in SOURCES.values()}) == len(SOURCES)


@pytest.mark.parametrize("every", [*(source.every for source in SOURCES.values()), timedelta(minutes=15)], ids=str)
@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin", "America/New_York"])
def test_a_year_has_no_run_too_many_and_none_too_few(
    every: timedelta, zone: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also in the nights in which the clocks of the machine are set."""
    monkeypatch.setenv("TZ", zone)
    time.tzset()
    try:
        plain = trigger(replace(SOURCES["openrouter"], every=every))
        plain.jitter = None
        count = min(timedelta(days=366) // every, 9000)
        steps = {later - earlier for earlier, later in pairwise(runs(plain, count))}
    finally:
        monkeypatch.undo()
        time.tzset()

    assert steps == {every}


def test_jitter_does_not_add_up() -> None:
    of = trigger(SOURCES["openrouter"])
    plain = trigger(SOURCES["openrouter"])
    plain.jitter = None

    late_s = [(at - due).total_seconds() for at, due in zip(runs(of, 2000), runs(plain, 2000), strict=True)]

    assert min(late_s) >= 0
    assert max(late_s) <= of.jitter
    assert len(set(late_s)) > 1000


def test_the_next_run_is_told_without_jitter() -> None:
    source = SOURCES["openrouter"]
    at = next_run(source, NEW_YEAR)

    assert NEW_YEAR < at <= NEW_YEAR + HOUR
    assert (at.second, at.microsecond) == (0, 0)
    assert next_run(source, at - timedelta(seconds=1)) == at
    assert next_run(source, at + timedelta(seconds=1)) == at + HOUR
