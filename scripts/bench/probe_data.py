"""A month of roll-ups of a thousand endpoints, as if each had been probed every ten minutes. No raw probe is stored."""

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection, Engine, insert

from db.catalog import store as catalog
from db.catalog.facts import Detail
from db.engine import migrate, open_engine, writing
from db.polls.facts import Poll, Status
from db.prices.facts import Offer, Rate, Snapshot
from db.prices.store import Book, record
from db.probes import read, store
from db.probes.facts import Target
from db.probes.percentiles import decode, histogram
from db.probes.rollup import hour_of

MODELS, PROVIDERS, DAYS, PER_HOUR = 50, 20, 30, 6
MEASURES = ("ttft_ms", "tokens_per_s", "total_ms")
_LEVELS, _VARIANTS, _SPREAD = 40, 24, 0.2


def model_name(number: int) -> str:
    return f"bench/model-{number:02}"


def build(url: str) -> Engine:
    """Fill the empty database at `url`, up to the running hour."""
    now = datetime.now(UTC)
    engine = open_engine(url)
    migrate(engine)
    with writing(engine) as connection:
        at = now - timedelta(hours=1)
        record(connection, Poll("openrouter", (), at, at, Status.OK, duration_ms=1), _snapshot(), Book())
        catalog.relink(connection)
        names = [f"openrouter:{key}" for _, _, key in _endpoints()]
        store.watch(connection, [Target(name, "chat", "http://127.0.0.1:9/v1") for name in names])
        _roll_ups(connection, now)
    return engine


def _endpoints() -> Iterator[tuple[str, int, str]]:
    """Model, number of the provider, and the source's key."""
    for model in map(model_name, range(MODELS)):
        for provider in range(PROVIDERS):
            yield model, provider, f"{model}@provider-{provider:02}"


def _snapshot() -> Snapshot:
    draw = random.Random(1)  # noqa: S311 - made-up prices
    offers = []
    for model, provider, key in _endpoints():
        usd = Decimal(round(draw.lognormvariate(0, 0.8), 3)).quantize(Decimal("0.001"))
        rates = (Rate("prompt", usd / 1_000_000), Rate("completion", usd * 3 / 1_000_000))
        detail = Detail(name=model, context_length=131_072, parameters=("max_tokens", "tools"), status=0)
        offers.append(
            Offer("endpoints", model, key, f"provider-{provider:02}", f"Provider {provider:02}", model, rates, detail)
        )
    return Snapshot(("endpoints",), len(offers), tuple(offers), ())


def _roll_ups(connection: Connection, now: datetime) -> None:
    """One row an hour and endpoint, and the days that they add up to."""
    draw = random.Random(2)  # noqa: S311 - made-up latencies
    pool = [[_hour_of_values(draw, 200 * 1.08**level) for _ in range(_VARIANTS)] for level in range(_LEVELS)]
    last = hour_of(now) + 1
    first = last - DAYS * 24
    ids = {name: target_id for target_id, name in read._names(connection, None).items()}
    for name, target_id in ids.items():
        rng = random.Random(name)  # noqa: S311
        variants, failing = rng.choice(pool), rng.choice((0.0, 0.001, 0.005, 0.02))
        hours = [_row(target_id, hour, rng.choice(variants), rng.random() < failing * PER_HOUR) for hour in
                 range(first, last)]  # fmt: skip
        connection.execute(insert(read.HOUR), hours)
        connection.execute(insert(read.DAY), list(_days(hours)))


def _hour_of_values(draw: random.Random, base_ms: float) -> dict[str, bytes]:
    values = [base_ms * draw.lognormvariate(0, _SPREAD) for _ in range(PER_HOUR)]
    speeds = [20_000 / value for value in values]
    of_measure = {"ttft_ms": values, "tokens_per_s": speeds, "total_ms": [value * 2 for value in values]}
    return {name: histogram(each).encode() for name, each in of_measure.items()}


def _row(target_id: int, period: int, measures: dict[str, bytes], has_failed: bool) -> dict[str, Any]:
    counts = dict.fromkeys(read.COUNTERS, 0) | {"ok": PER_HOUR - has_failed, "timeout": int(has_failed)}
    newest = datetime.fromtimestamp(period * 3600 + 3000, UTC)
    key = {"target_id": target_id, "period": period, "prober": "chat", "prompt": "short", "warm": False}
    return key | counts | measures | {"cost_usd": None, "unpriced": PER_HOUR, "newest": newest}


def _days(hours: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    by_day: dict[int, list[dict[str, Any]]] = {}
    for row in hours:
        by_day.setdefault(row["period"] // 24, []).append(row)
    for day, rows in by_day.items():
        summed = {name: sum(row[name] for row in rows) for name in (*read.COUNTERS, "unpriced")}
        measures = {name: decode(row[name] for row in rows).encode() for name in MEASURES}
        yield rows[-1] | {"period": day} | summed | measures
