"""Made-up alerts and figures, written short."""

from datetime import UTC, datetime, timedelta
from typing import Any

from db.plans.alerts import Alert, Decision, Finding, Kind, Verdict
from db.probes.facts import Outcome, Prompt, Summary

NOON = datetime(2026, 1, 6, 12, tzinfo=UTC)


def after(**lapse: float) -> datetime:
    return NOON + timedelta(**lapse)


def alert(number: int, *, urgent: bool = False, at: datetime = NOON, kind: Kind = Kind.PRICE, **given: Any) -> Alert:
    return Alert(
        f"key-{number}", kind, f"subject-{number}", f"Alert {number}", "", urgent, at, **({"id": number} | given)
    )


def raised(*numbers: int, at: datetime = NOON, **given: Any) -> Decision:
    return Decision(tuple(alert(number, at=at, **given) for number in numbers), ())


def finding(verdict: Verdict, subject: str = "openrouter", key: str = "stale:openrouter:1", **given: Any) -> Finding:
    usual: dict[str, Any] = {"title": f"{subject} is stale", "over": f"{subject} is fresh again"}
    return Finding(Kind.STALE, subject, verdict, key, **(usual | given))


def probed(ok: int, failed: int = 0, p50: float = 400, p95: float = 600, **given: Any) -> Summary:
    """A summary of chat probes up to noon."""
    usual: dict[str, Any] = {
        "target": "openrouter:author/model@nebius",
        "start": after(hours=-1),
        "end": NOON,
        "probes": ok + failed,
        "ok": ok,
        "limited": 0,
        "errors": failed,
        "causes": {Outcome.TIMEOUT: failed} if failed else {},
        "n": ok,
        "ttft_ms": {"p50": p50, "p95": p95} if ok else {},
        "tokens_per_s": {},
        "total_ms": {},
        "relative_error": 0.01,
        "newest": NOON,
        "cost_usd": None,
        "prompt": Prompt.SHORT,
        "warm": True,
        "n_of": {"ttft_ms": ok},
    }
    return Summary(**(usual | given))
