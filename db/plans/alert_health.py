"""The rules of alerts on sources, endpoints and models: from their state at one time to findings. Pure.

Every rule says of its subject whether it is bad, good or neither: bad and good have different limits, so that nothing
flaps between them, and too few figures say nothing.
"""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final

from db.plans.alerts import Finding, Kind, Thresholds, Verdict, minute, stamp
from db.probes.facts import Summary

SETTLING: Final = timedelta(minutes=10)
"""A collector that has just begun gets so long to poll what became stale while there was none."""
LEAST_PROBES: Final = 5
LEAST_FOR_P95: Final = 20
LEAST_USUAL: Final = 50
"""Fewer figures than these say nothing: in the window, for its p95, and in the baseline."""
LEAST_SLOWER_MS: Final = 100.0
"""Nobody notices less, whatever multiple it is."""


@dataclass(frozen=True, slots=True)
class SourceState:
    """When a source was last seen, since when its polls fail, and with what last."""

    name: str
    every: timedelta
    last_success: datetime | None
    failing_since: datetime | None = None
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Health:
    """A watched target and its probes of late, by each prober that probed it."""

    target: str
    of_late: tuple[Summary, ...]


@dataclass(frozen=True, slots=True)
class Latency:
    """A watched target, its probes of late, and those of before; None where there are none."""

    target: str
    window: Summary | None
    usual: Summary | None


@dataclass(frozen=True, slots=True)
class Expiring:
    """A model, and when its source says it goes (a year, month or day)."""

    model: str
    source: str
    expires: str


def stale(source: SourceState, now: datetime, limits: Thresholds, began: datetime | None) -> Finding | None:
    """Whether a source was not seen for too long; None: it cannot be said. `began`: when the collector did."""
    seen = source.last_success or source.failing_since
    if seen is None:
        return None
    is_late = now - seen > source.every * limits.stale_intervals
    settling = began is not None and now - began < SETTLING
    verdict = Verdict.GOOD if not is_late and source.last_success else Verdict.BAD if is_late else Verdict.UNSURE
    since = f"since {minute(seen)}" if source.last_success else "at all"
    why = f" Its last poll failed: {source.error}" if source.error else ""
    text = f"No poll of {source.name} succeeded {since}; it is due every {span(source.every)}.{why}"
    return Finding(
        Kind.STALE,
        source.name,
        Verdict.UNSURE if settling and verdict is Verdict.BAD else verdict,
        f"stale:{source.name}:{stamp(seen) if source.last_success else 'never'}",
        f"{source.name} is stale",
        f"It was polled at {minute(seen)}." if verdict is Verdict.GOOD else text,
        over=f"{source.name} is fresh again",
    )


def down(health: Health, now: datetime, limits: Thresholds) -> Finding:
    """Whether the probes of a target fail: the uptime over all its probers, 429 left out."""
    ok = sum(each.ok for each in health.of_late)
    failed = sum(each.errors for each in health.of_late)
    verdict, text = Verdict.UNSURE, ""
    if ok + failed >= LEAST_PROBES:
        percent = 100 * ok / (ok + failed)
        # Halfway back to faultless: one failure more would not make it bad again.
        well = (100 + limits.down_percent) / 2
        verdict = Verdict.BAD if percent < limits.down_percent else Verdict.GOOD if percent >= well else Verdict.UNSURE
        since = min(each.start for each in health.of_late)
        causes: dict[str, int] = {}
        for each in health.of_late:
            for cause, count in each.causes.items():
                causes[str(cause)] = causes.get(str(cause), 0) + count
        why = f" ({', '.join(f'{count} {cause}' for cause, count in causes.items())})" if causes else ""
        text = f"{failed} of {ok + failed} probes since {minute(since)} failed{why}: uptime {percent:.0f} %."
    return Finding(
        Kind.DOWN,
        health.target,
        verdict,
        f"down:{health.target}:{stamp(now)[:13]}",
        f"{health.target} is down",
        text,
        over=f"{health.target} is up again",
    )


def slow(latency: Latency, now: datetime, limits: Thresholds) -> Finding:
    """Whether the first token of a target takes a multiple of what it usually takes, at p50 or p95."""
    ratios = {percentile: (now_ms / usual_ms, now_ms, usual_ms) for percentile, now_ms, usual_ms in _latencies(latency)}
    worse = {p: each for p, each in ratios.items() if each[1] - each[2] >= LEAST_SLOWER_MS}
    bad = {p: each for p, each in worse.items() if each[0] >= limits.slow_multiple}
    halfway = (1 + limits.slow_multiple) / 2
    is_well = ratios and all(each[0] <= halfway for each in worse.values())
    verdict = Verdict.BAD if bad else Verdict.GOOD if is_well else Verdict.UNSURE
    window, usual = latency.window, latency.usual
    said = [f"{p} {each[1]:,.0f} ms, usually {each[2]:,.0f} ms" for p, each in (bad or ratios).items()]
    of = f" ({window.n_of['ttft_ms']} probes against {usual.n_of['ttft_ms']})" if said and window and usual else ""
    return Finding(
        Kind.SLOW,
        latency.target,
        verdict,
        f"slow:{latency.target}:{stamp(now)[:13]}",
        f"{latency.target} is slow",
        f"Time to first token: {'; '.join(said)}{of}." if said else "",
        over=f"{latency.target} is as fast as usual again",
    )


def _latencies(latency: Latency) -> list[tuple[str, float, float]]:
    """Percentile, its value of late and its usual one, for those with enough behind them; of one series only."""
    window, usual = latency.window, latency.usual
    if window is None or usual is None:
        return []
    if (window.prober, window.prompt, window.warm) != (usual.prober, usual.prompt, usual.warm):
        return []
    n, n_usual = window.n_of.get("ttft_ms", 0), usual.n_of.get("ttft_ms", 0)
    enough = {"p50": n >= LEAST_PROBES, "p95": n >= LEAST_FOR_P95}
    return [
        (percentile, window.ttft_ms[percentile], usual.ttft_ms[percentile])
        for percentile, is_enough in enough.items()
        if is_enough and n_usual >= LEAST_USUAL and usual.ttft_ms[percentile] > 0
    ]


def expire(each: Expiring, now: datetime, limits: Thresholds) -> Finding | None:
    """Whether a model is about to go; None where its date is none. It is over when the source says so no longer."""
    day = _first_day(each.expires)
    if day is None:
        return None
    left = (day - now.date()).days
    when = f"in {left} days" if left > 1 else "tomorrow" if left == 1 else "today" if left == 0 else "any time now"
    return Finding(
        Kind.EXPIRE,
        f"{each.model}@{each.expires}",
        Verdict.BAD if left <= limits.expire_days else Verdict.UNSURE,
        f"expire:{each.model}:{each.expires}",
        f"{each.model} expires {when}",
        f"{each.source} says that {each.model} goes on {each.expires}. Move its usage before.",
    )


def _first_day(text: str) -> date | None:
    """The first day that a year, month or day can mean: better too early than too late."""
    try:
        return date.fromisoformat({4: f"{text}-01-01", 7: f"{text}-01"}.get(len(text), text[:10]))
    except ValueError:
        return None


def span(length: timedelta) -> str:
    """`10 min`, `6 h`."""
    minutes = length / timedelta(minutes=1)
    return f"{minutes:g} min" if minutes < 120 else f"{minutes / 60:g} h"
