"""Daily series to project: recorded traces, and made-up ones of the kinds that a bill shows."""

import csv
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from pyarrow import parquet

from db.plans.runrate import Floats

HOURS_A_DAY: Final = 24
DAYS: Final = 100
OFFICE: Final = np.array([1.3, 1.35, 1.3, 1.25, 1.1, 0.4, 0.3])


@dataclass(frozen=True)
class Group:
    """Series that are judged together. `tuned`: constants of the method were chosen on them."""

    name: str
    tuned: bool
    series: list[Floats]


def groups(data: Path) -> list[Group]:
    """Every group; a series begins on its first day of use."""
    clients = _clients(data / "usage" / "servegen_hourly_by_client.parquet")
    return [
        Group("BurstGPT", False, _by_day(data / "usage" / "burstgpt_hourly.csv", "", HOURS_A_DAY)),
        Group("ServeGen models", False, _by_day(data / "usage" / "servegen_hourly_by_model.csv", "model", 1)),
        Group("ServeGen clients, odd", False, [days for client, days in clients if client % 2]),
        Group("ServeGen clients, even", True, [days for client, days in clients if client % 2 == 0]),
        Group("made up, other seeds", False, made_up(range(3, 6))),
        Group("made up", True, made_up(range(3))),
    ]


def made_up(seeds: range) -> list[Floats]:
    """One series of each kind for each seed, DAYS days from the first one with spend."""
    return [
        np.trim_zeros(np.round(make(np.random.default_rng([seed, kind]), seed)), "f")
        for kind, make in enumerate(KINDS)
        for seed in seeds
    ]


def _by_day(file: Path, name: str, hours_a_row: int) -> list[Floats]:
    """Requests a day of an hourly file, a series for each value of the column `name` ("": just one)."""
    series: dict[str, dict[int, float]] = defaultdict(lambda: defaultdict(float))
    with file.open(newline="") as lines:
        for row in csv.DictReader(lines):
            day = int(row["day"]) if hours_a_row == HOURS_A_DAY else int(row["hour"]) // HOURS_A_DAY
            series[row.get(name, "")][day] += float(row["requests"])
    return [np.array([days[day] for day in sorted(days)]) for days in series.values() if len(days) >= 7]


def _clients(file: Path) -> list[tuple[int, Floats]]:
    days: dict[tuple[str, int], dict[int, float]] = defaultdict(lambda: defaultdict(float))
    table = parquet.read_table(file, columns=["model", "client", "hour", "requests"])
    for row in table.to_pylist():
        days[row["model"], row["client"]][row["hour"] // HOURS_A_DAY] += row["requests"]
    last = max(max(each) for each in days.values()) + 1
    return [
        (client, np.trim_zeros(np.array([of_client[day] for day in range(last)]), "f"))
        for (_, client), of_client in days.items()
    ]


def _noise(rng: np.random.Generator) -> Floats:
    return np.exp(rng.normal(0, 0.25, DAYS) - 0.03)


def _week(seed: int) -> Floats:
    return np.asarray(OFFICE[(np.arange(DAYS) + seed) % 7])


def _office(rng: np.random.Generator, seed: int) -> Floats:
    return 1000 * _week(seed) * _noise(rng)


def _growing(rng: np.random.Generator, seed: int) -> Floats:
    noise = _noise(rng)
    return np.asarray(300 * np.exp(np.arange(DAYS) * rng.uniform(0.005, 0.02)) * _week(seed) * noise)


def _wandering(rng: np.random.Generator, _seed: int) -> Floats:
    noise = _noise(rng)
    return 1000 * np.exp(np.cumsum(rng.normal(0, 0.08, DAYS))) * noise


def _stepping(rng: np.random.Generator, seed: int) -> Floats:
    noise = _noise(rng)
    levels = np.exp(rng.normal(0, 0.7, DAYS))
    held = np.maximum.accumulate(np.where(rng.random(DAYS) < 1 / 25, np.arange(DAYS), 0))
    return np.asarray(1000 * levels[held] * _week(seed) * noise)


def _bursting(rng: np.random.Generator, _seed: int) -> Floats:
    noise = _noise(rng)
    bursts = rng.random(DAYS) < 0.12
    return 200 * noise * np.where(bursts, np.exp(rng.normal(2.5, 0.7, DAYS)), 1)


def _sparse(rng: np.random.Generator, _seed: int) -> Floats:
    _noise(rng)
    used = rng.random(DAYS) < 0.25
    return np.where(used, 1000 * np.exp(rng.normal(0, 0.8, DAYS)), 0)


def _stopped(rng: np.random.Generator, seed: int) -> Floats:
    noise = _noise(rng)
    return np.where(np.arange(DAYS) < rng.integers(30, 90), 1000 * _week(seed) * noise, 0)


def _begun(rng: np.random.Generator, seed: int) -> Floats:
    noise = _noise(rng)
    since = np.arange(DAYS) - rng.integers(10, 60) + 1
    return np.asarray(1000 * np.clip(since / 14, 0, 1) * _week(seed) * noise)


KINDS: Final[tuple[Callable[[np.random.Generator, int], Floats], ...]] = (
    _office,
    _growing,
    _wandering,
    _stepping,
    _bursting,
    _sparse,
    _stopped,
    _begun,
)
