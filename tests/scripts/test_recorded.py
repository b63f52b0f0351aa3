"""Two years of real polls, through the same path as live ones."""

import json
import lzma
import os
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice, pairwise
from pathlib import Path
from typing import Any
from zlib import crc32

import pytest

from tests.scripts.conftest import Verb, program
from tests.scripts.databases import content, dump, size_after_checkpoint
from tests.support.repository import ROOT

OPENROUTER = "openrouter/models_replay_daily_2024-09_2026-08.jsonl.xz"
MODELS_DEV = "modelsdev/modelsdev_replay_weekly.jsonl.xz"
HERMES = "nousresearch/hermes-4-405b"

HERMES_PRICES = [
    ("0.0000001999188", "0.000000800064", "2025-08-27T12:12:30Z"),
    ("0.00000024999988", "0.000000999999888", "2025-09-11T12:12:29Z"),
    ("0.00000025", "0.000001", "2025-09-30T12:13:15Z"),
    ("0.0000003", "0.0000012", "2025-10-04T12:11:08Z"),
    ("0.000001", "0.000003", "2026-01-05T12:15:29Z"),
]


def home_environment(home: Path) -> dict[str, str]:
    """No setting but the home."""
    others = {name: value for name, value in os.environ.items() if not name.startswith("RATECARD_")}
    return others | {"RATECARD_HOME": str(home), "PYTHONPATH": str(ROOT)}


# A program's peak counts the memory of whoever forked it, which is a whole test run here; so a small one forks it.
MEASURED = """
import pathlib, resource, subprocess, sys
ran = subprocess.run(sys.argv[2:])
pathlib.Path(sys.argv[1]).write_text(str(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss))
sys.exit(ran.returncode)
"""


@dataclass(frozen=True, slots=True)
class Loaded:
    """The whole recording in a database, and what loading it took."""

    home: Path
    summary: dict[str, int]
    peak_mb: float

    @property
    def database(self) -> Path:
        return self.home / "ratecard.db"


@pytest.fixture(scope="session")
def loaded(recorded: Path, tmp_path_factory: pytest.TempPathFactory) -> Loaded:
    """Replays the recording once. Nobody may change its database."""
    home = tmp_path_factory.mktemp("recorded")
    command = program("replay", "--source", "openrouter", recorded / OPENROUTER)
    replay = subprocess.run(
        [sys.executable, "-c", MEASURED, home / "peak", *command],
        cwd=home,
        env=home_environment(home),
        capture_output=True,
        check=False,
        text=True,
    )
    assert replay.returncode == 0, replay.stderr
    kilobytes = int((home / "peak").read_text()) / (1024 if sys.platform == "darwin" else 1)
    return Loaded(home, json.loads(replay.stdout), kilobytes / 1024)


@pytest.fixture
def asked(loaded: Loaded, ratecard: Verb, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Ask a read verb of the loaded database; its answer as JSON."""
    monkeypatch.setenv("RATECARD_HOME", str(loaded.home))

    def ask(*arguments: str) -> Any:
        ran = ratecard(*arguments, "--format", "json")
        assert ran.code == 0, ran.err
        return ran.json()

    return ask


def test_every_recorded_poll_loads(loaded: Loaded) -> None:
    assert {name: loaded.summary[name] for name in ("loaded", "skipped", "rejected", "rejected_items")} == {
        "loaded": 656,
        "skipped": 0,
        "rejected": 0,
        "rejected_items": 0,
    }


@pytest.mark.parametrize(("meter", "column"), [("prompt", 0), ("completion", 1)])
def test_the_history_of_a_model_is_what_the_recording_says(asked: Callable[..., Any], meter: str, column: int) -> None:
    rows = asked("history", HERMES, "--meter", meter)

    assert [(row["usd"], row["valid_from"]) for row in rows] == [(p[column], p[2]) for p in HERMES_PRICES]
    assert [earlier["valid_to"] for earlier, _ in pairwise(rows)] == [
        later["valid_from"] for _, later in pairwise(rows)
    ]
    assert rows[-1]["valid_to"] is None
    assert {row["provider"] for row in rows} == {"openrouter"}


def test_the_changes_of_a_model_are_what_the_recording_says(asked: Callable[..., Any]) -> None:
    rows = asked("changes", "--model", HERMES, "--from", "2025-10-01", "--to", "2026-02-01")

    assert [(row["at"], row["meter"], row["old_usd"], row["new_usd"], row["change_percent"]) for row in rows] == [
        ("2025-10-04T12:11:08Z", "completion", "0.000001", "0.0000012", "20.0"),
        ("2025-10-04T12:11:08Z", "prompt", "0.00000025", "0.0000003", "20.0"),
        ("2026-01-05T12:15:29Z", "completion", "0.0000012", "0.000003", "150.0"),
        ("2026-01-05T12:15:29Z", "prompt", "0.0000003", "0.000001", "233.3333"),
    ]


def test_a_price_between_two_changes(asked: Callable[..., Any]) -> None:
    (row,) = asked("price", HERMES, "--at", "2025-10-04T12:11:07Z")

    assert {rate["meter"]: rate["usd"] for rate in row["rates"]}["prompt"] == "0.00000025"
    assert (row["valid_from"], row["valid_to"]) == ("2025-09-30T12:13:15Z", "2025-10-04T12:11:08Z")


def test_two_years_take_at_most_20_mb(loaded: Loaded) -> None:
    assert size_after_checkpoint(loaded.database) <= 20 * 1024 * 1024


def test_loading_two_years_takes_less_than_400_mb_of_memory(loaded: Loaded) -> None:
    assert loaded.peak_mb < 400


def copied(loaded: Loaded, home: Path) -> Path:
    size_after_checkpoint(loaded.database)
    home.mkdir()
    return Path(shutil.copy(loaded.database, home / "ratecard.db"))


def test_again_changes_nothing(loaded: Loaded, ratecard: Verb, isolated_environment: Path, recorded: Path) -> None:
    database = copied(loaded, isolated_environment)
    before = dump(database)

    again = ratecard("replay", "--source", "openrouter", recorded / OPENROUTER)

    assert (again.code, again.json()["loaded"], again.json()["skipped"], again.json()["changed"]) == (0, 0, 656, 0)
    assert dump(database) == before


def test_what_providers_ask_for_the_same_model_comes_from_a_second_source(
    loaded: Loaded, ratecard: Verb, isolated_environment: Path, recorded: Path
) -> None:
    copied(loaded, isolated_environment)
    replayed = ratecard("replay", "--source", "models_dev", recorded / MODELS_DEV)
    assert (replayed.code, replayed.json()["loaded"]) == (0, 56)

    at = "2026-01-06T18:00:00Z"
    prices = {
        (row["source"], row["provider"], row["variant"]): (
            *(rate["usd"] for rate in row["rates"] if rate["meter"] in {"prompt", "completion"}),
            row["context"],
            row["quantization"],
        )
        for row in ratecard("price", HERMES, "--at", at, "--format", "json").json()
    }
    assert prices == {
        ("openrouter", "openrouter", None): ("0.000001", "0.000003", 131_072, None),
        ("models_dev", "openrouter", None): ("0.000001", "0.000003", 131_072, None),
        ("models_dev", "nebius", None): ("0.000001", "0.000003", 131_072, None),
        ("models_dev", "chutes", None): ("0.0000003", "0.0000012", 131_072, "fp8"),
        ("models_dev", "chutes", "tee"): ("0.0000003", "0.0000012", 40_960, "fp8"),
        ("models_dev", "nano-gpt", "thinking"): ("0.000001", "0.000002", 128_000, None),
    }

    card = ratecard("model", HERMES, "--at", at, "--format", "json").json()
    assert (card["model"], card["author"], card["at"]) == (HERMES, "nousresearch", at)
    facts = {fact["name"]: (fact["value"], fact["source"]) for fact in card["specifications"]}
    assert facts["parameter_count"][0] == "405B"
    assert facts["context_length"] == (131_072, f"openrouter:{HERMES}")
    assert {(each["source"], each["provider"], each["variant"]) for each in card["endpoints"]} == set(prices)
    assert card["disagreements"] == []
    assert all(event["at"] <= at for event in card["events"])
    assert f"{HERMES}:free" not in {other["model"] for other in card["other_models"]}
    assert "nousresearch/hermes-4-70b" in {other["model"] for other in card["other_models"]}


KILLS_EACH = 5
DATABASES = 4


@pytest.fixture(scope="module")
def thinned(recorded: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sixty of the recorded polls, in two years of months that are each one transaction; every tenth model."""
    file = tmp_path_factory.mktemp("thinned") / "polls.jsonl"
    with lzma.open(recorded / OPENROUTER, "rb") as polls, file.open("w", encoding="utf-8") as kept:
        for line in islice(polls, 0, None, 11):
            poll = json.loads(line)
            poll["data"] = [model for model in poll["data"] if crc32(model["id"].encode()) % 10 == 0]
            kept.write(f"{json.dumps(poll)}\n")
    return file


def test_a_backfill_behind_a_live_poll_comes_to_the_same(
    thinned: Path, tmp_path: Path, ratecard: Verb, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who starts collecting first and loads the past later has the same history as who does it in order."""
    lines = thinned.read_text(encoding="utf-8").splitlines(keepends=True)
    for name, kept in (("past", lines[:-1]), ("live", lines[-1:])):
        (tmp_path / name).write_text("".join(kept), encoding="utf-8")

    def believed(home: str, *recordings: str) -> dict[str, list[str]]:
        monkeypatch.setenv("RATECARD_HOME", str(tmp_path / home))
        for recording in recordings:
            assert ratecard("replay", "--source", "openrouter", tmp_path / recording).code == 0
        held = content(tmp_path / home / "ratecard.db")
        return {
            table: [row for row in held[table] if "'superseded_at': False" in row]
            for table in ("price", "detail", "benchmark")
        }

    in_order = believed("in-order", "past", "live")
    assert believed("backfilled", "live", "past") == in_order
    assert len(in_order["price"]) > 100


def test_a_replay_that_is_killed_at_any_moment_goes_on_where_it_was(thinned: Path, tmp_path: Path) -> None:
    command = program("replay", "--source", "openrouter", thinned)

    def start(home: Path) -> subprocess.Popen[bytes]:
        home.mkdir(exist_ok=True)
        nowhere = subprocess.DEVNULL
        return subprocess.Popen(command, cwd=home, env=home_environment(home), stdout=nowhere, stderr=nowhere)

    def finish(home: Path) -> dict[str, list[str]]:
        with start(home) as replay:
            assert replay.wait() == 0
        return content(home / "ratecard.db")

    began = time.monotonic()
    undisturbed = finish(tmp_path / "undisturbed")
    duration_s = time.monotonic() - began
    assert len(undisturbed["poll"]) == 60

    def killed(number: int) -> tuple[int, dict[str, list[str]]]:
        """How many kills came in time, and what the database held when one replay was let be."""
        home, chance, kills = tmp_path / f"killed-{number}", random.Random(number), 0
        for _ in range(KILLS_EACH):
            with start(home) as replay:
                try:
                    replay.wait(timeout=chance.uniform(0, duration_s))
                except subprocess.TimeoutExpired:
                    replay.kill()
                    kills += 1
        return kills, finish(home)

    with ThreadPoolExecutor(2) as threads:
        outcomes = list(threads.map(killed, range(DATABASES)))

    assert [held == undisturbed for _, held in outcomes] == [True] * DATABASES
    assert sum(kills for kills, _ in outcomes) > 0
