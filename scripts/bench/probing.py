"""What figures of probes cost: summaries, hours and strips from roll-ups, against reading the same rows bare."""

import random
import tempfile
import time
from collections.abc import Callable, Sized
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import reduce
from pathlib import Path
from statistics import median

from sqlalchemy import Connection, Engine, Table, insert, select

from db.engine import migrate, open_engine, reading, writing
from db.probes import read, store
from db.probes.facts import Outcome, Probe, Prompt, Target
from db.probes.rollup import HOURS_A_DAY, RollUp, hour_of, of_probe

ENDPOINTS = 1_000
DAYS = 30
PROBES_AN_HOUR = 6
DIFFERENT_HOURS = 500
FEW = 30
ROUNDS = 7
START = datetime(2026, 1, 1, tzinfo=UTC)
END = START + timedelta(days=DAYS)


def main() -> None:
    """Print the table."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "probes.db"
        engine = open_engine(f"sqlite:///{file}")
        migrate(engine)
        fill(engine)
        hours = ENDPOINTS * DAYS * HOURS_A_DAY
        print(f"{DAYS} days of {ENDPOINTS:,} endpoints, {PROBES_AN_HOUR} probes an hour: {hours:,} hours")
        print(f"  database {file.stat().st_size / 1e6:.0f} MB")
        reads(engine)
        writes(engine)
        engine.dispose()


def fill(engine: Engine) -> None:
    """Roll-ups alone: hours drawn from a set of different ones, days as their sums."""
    rng = random.Random(1)  # noqa: S311 - made-up latencies
    pool = [_hour(rng) for _ in range(DIFFERENT_HOURS)]
    encoded = [store._values(rolled) for rolled in pool]
    with writing(engine) as connection:
        store.watch(connection, [Target(_name(i), "chat", "http://127.0.0.1") for i in range(ENDPOINTS)])
    for day in range(hour_of(START) // HOURS_A_DAY, hour_of(END) // HOURS_A_DAY):
        hours, days = [], []
        for target_id in range(1, ENDPOINTS + 1):
            drawn = rng.choices(range(DIFFERENT_HOURS), k=HOURS_A_DAY)
            key = {"target_id": target_id, "prober": "chat", "prompt": Prompt.SHORT, "warm": True}
            hours += [key | {"period": day * HOURS_A_DAY + i} | encoded[each] for i, each in enumerate(drawn)]
            days.append(key | {"period": day} | store._values(reduce(RollUp.__add__, (pool[each] for each in drawn))))
        with writing(engine) as connection:
            connection.execute(insert(read.HOUR), hours)
            connection.execute(insert(read.DAY), days)


def reads(engine: Engine) -> None:
    """Each figure in turn with its floor, so that a busy machine slows both."""
    few = [_name(i) for i in range(FEW)]
    month, day = (START, END), (END - timedelta(days=1), END)
    for what, figure, table, targets, days in (
        ("summary of all, 30 days", lambda c: read.summaries(c, *month), read.DAY, ENDPOINTS, DAYS),
        ("summary of all, 1 day", lambda c: read.summaries(c, *day), read.DAY, ENDPOINTS, 1),
        ("summary of 30, 30 days", lambda c: read.summaries(c, *month, targets=few), read.DAY, FEW, DAYS),
        ("strips of 30, 30 days", lambda c: read.strips(c, *month, targets=few), read.HOUR, FEW, DAYS),
        ("hours of 1, 30 days", lambda c: read.hours(c, few[0], *month), read.HOUR, 1, DAYS),
    ):
        taken = [
            (_seconds(engine, lambda c: _bare(c, table, targets, days)), _seconds(engine, figure))  # noqa: B023
            for _ in range(ROUNDS)
        ]
        floor, figure_s = (median(each) for each in zip(*taken, strict=True))
        print(f"  {what}: {figure_s * 1e3:.1f} ms = {figure_s / floor:.1f}x reading its rows ({floor * 1e3:.1f} ms)")


def writes(engine: Engine) -> None:
    """A probe that is stored and rolled up, against an empty transaction."""
    rng = random.Random(2)  # noqa: S311
    taken = []
    for i in range(100):
        started = time.perf_counter()
        with writing(engine):
            pass
        empty = time.perf_counter() - started
        started = time.perf_counter()
        with writing(engine) as connection:
            store.add(connection, [_probe(rng, _name(i % ENDPOINTS), END + timedelta(seconds=i))])
        taken.append((empty, time.perf_counter() - started))
    floor, figure = (median(each) for each in zip(*taken, strict=True))
    print(f"  a probe is stored in {figure * 1e3:.2f} ms; an empty transaction takes {floor * 1e3:.2f} ms")


def _bare(connection: Connection, table: Table, targets: int, days: int) -> Sized:
    unit = HOURS_A_DAY if table is read.HOUR else 1
    last = hour_of(END) // HOURS_A_DAY * unit
    ids = table.c.target_id.in_(range(1, targets + 1))
    return connection.execute(select(table).where(ids, table.c.period >= last - days * unit)).all()


def _seconds(engine: Engine, work: Callable[[Connection], Sized]) -> float:
    with reading(engine) as connection:
        started = time.perf_counter()
        if not work(connection):
            raise AssertionError("nothing was read")
        return time.perf_counter() - started


def _name(i: int) -> str:
    return f"openrouter:author-{i % 50}/model-{i}@provider"


def _hour(rng: random.Random) -> RollUp:
    probes = (_probe(rng, "", START + timedelta(minutes=10 * i)) for i in range(PROBES_AN_HOUR))
    return reduce(RollUp.__add__, map(of_probe, probes))


def _probe(rng: random.Random, target: str, at: datetime) -> Probe:
    outcome = rng.choices((Outcome.OK, Outcome.LIMITED, Outcome.TIMEOUT), (98, 1, 1))[0]
    ttft_ms, speed = rng.lognormvariate(6.2, 0.35), rng.lognormvariate(4, 0.3)
    return Probe(
        target,
        "chat",
        Prompt.SHORT,
        at,
        at,
        outcome,
        warm=True,
        ttft_ms=ttft_ms,
        total_ms=ttft_ms + 64_000 / speed,
        tokens_per_s=speed,
        cost_usd=Decimal(rng.randint(1, 99_999)) / 10**9,
    )


if __name__ == "__main__":
    main()
