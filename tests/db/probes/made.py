"""Made-up probes, written short."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Connection, Engine

from db.engine import writing
from db.probes import store
from db.probes.facts import Outcome, Probe, Prompt
from db.probes.percentiles import RELATIVE_ERROR

START = datetime(2026, 1, 1, tzinfo=UTC)
ENDPOINT = "openrouter:author/model@nebius"


def at(hours: float) -> datetime:
    return START + timedelta(hours=hours)


def probe(hour: float, outcome: Outcome = Outcome.OK, ttft_ms: float | None = None, **given: Any) -> Probe:
    """A warm chat probe with a short prompt, `hour` hours after START."""
    usual: dict[str, Any] = {
        "target": ENDPOINT,
        "prober": "chat",
        "prompt": Prompt.SHORT,
        "scheduled_at": at(hour),
        "started_at": at(hour),
        "warm": True,
    }
    return Probe(**(usual | given), outcome=outcome, ttft_ms=ttft_ms)


def near(value: float) -> Any:
    """Equal to any figure within the stated error (and what a float is short of at the very edge of a bucket)."""
    return pytest.approx(value, rel=RELATIVE_ERROR * (1 + 1e-9), abs=0)


def stored(engine: Engine, *probes: Probe) -> int:
    """Add them in one transaction; how many were new."""
    with writing(engine) as connection:
        return add(connection, *probes)


def add(connection: Connection, *probes: Probe) -> int:
    return store.add(connection, probes)
