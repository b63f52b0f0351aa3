"""`ratecard usage import` and `ratecard sample`, as a user runs them."""

import json
import random
import sqlite3
import subprocess
import time
from collections import Counter
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
from sqlalchemy import create_engine, text

from tests.collector.bodies import model
from tests.scripts import recordings
from tests.scripts.conftest import Verb, program, run_program
from tests.scripts.databases import dump
from tests.scripts.test_recorded import Loaded, copied, home_environment, loaded  # noqa: F401  # a fixture

HERMES = "nousresearch/hermes-4-405b"
AZURE_MAP = "time=TIMESTAMP,prompt=ContextTokens,completion=GeneratedTokens"
MOONCAKE_MAP = "time=timestamp,prompt=input_length,completion=output_length"
KEYS = ["files", "rows", "imported", "duplicates", "rejected", "ignored", "unpriced", "cost_usd"]


def log(file: Path, rows: int, *, seed: int = 1, name: str = HERMES) -> Path:
    chance = random.Random(seed)
    start = datetime(2026, 1, 2, 12, tzinfo=UTC)
    lines = [
        f"{at.isoformat()},{name},openrouter,{chance.randrange(1, 5000)},{chance.randrange(900)}"
        for at in (start + timedelta(seconds=3 * n) for n in range(rows))
    ]
    file.write_text("\n".join(["at,model,seller,in,out", *lines, ""]), encoding="utf-8")
    return file


LOG_MAP = ("--map", "time=at,model=model,provider=seller,prompt=in,completion=out")


def test_an_import_is_priced_and_again_is_nothing_new(filled: Verb, tmp_path: Path) -> None:
    file = tmp_path / "log.csv"
    file.write_text(
        "at,model,seller,in,out\n"
        f"2026-01-01T13:00:00Z,{HERMES},openrouter,1000,10\n"
        f"2026-01-03T13:00:00Z,{HERMES},openrouter,1000,10\n"
        "2026-01-03T13:00:00Z,hermes-405b-typo,openrouter,1000,10\n"
        f"2026-01-03T13:00:00,{HERMES},openrouter,1000,10\n"
    )

    ran = filled("usage", "import", file, *LOG_MAP)

    assert ran.code == 0
    assert list(ran.json()) == KEYS
    # 1000 at $0.30 and then at $1 per million, and 10 at $1.20 each.
    assert ran.json() == {
        "files": 1, "rows": 4, "imported": 3, "duplicates": 0, "rejected": 1, "ignored": 0, "unpriced": 1,
        "cost_usd": "0.001324",
    }  # fmt: skip
    rejects, heading, name = ran.err.splitlines()
    assert rejects.startswith("1 rows were rejected; why stands in ")
    (reject,) = map(json.loads, Path(rejects.split("stands in ")[1].rstrip(".")).read_text().splitlines())
    assert (reject["file"], reject["line"]) == (str(file), 5)
    assert "--timezone" in reject["reason"]
    assert heading == "1 requests have no price:"
    assert "hermes-405b-typo at openrouter: unknown model" in name
    again = filled("usage", "import", file, *LOG_MAP).json()
    assert (again["imported"], again["duplicates"], again["rejected"]) == (0, 3, 1)


def test_options_are_checked_before_anything_is_read(ratecard: Verb, tmp_path: Path) -> None:
    file = log(tmp_path / "log.csv", 1)
    for arguments, said in (
        ((tmp_path / "missing.csv",), "There is no file"),
        ((file, "--log-format", "nonsense"), "--log-format is 'nonsense'; it is one of: "),
        ((file, "--map", "prompt=in"), "names no column for time"),
        ((file, "--timezone", "Mars/Base"), "--timezone is 'Mars/Base'"),
        ((file, "--shift-to", "soon"), "--shift-to is no time"),
        ((file, "--log-format", "codex", "--map", "time=at"), "--map is for the format generic"),
    ):
        ran = ratecard("usage", "import", *arguments)
        assert (ran.code, ran.out) == (2, "")
        assert said in ran.err
        assert len(ran.err.splitlines()) == 1


def test_a_mapping_and_defaults_may_stand_in_the_settings(filled: Verb, tmp_path: Path) -> None:
    (tmp_path / "working-folder" / "ratecard.toml").write_text(
        f'[usage]\nprovider = "openrouter"\nmodel = "{HERMES}"\ntimezone = "UTC"\n'
        '[usage.map]\ntime = "at"\nprompt = "in"\n'
    )
    file = tmp_path / "log.csv"
    file.write_text("at,in\n2026-01-03T13:00:00,1000\n")

    ran = filled("usage", "import", file)

    assert (ran.code, ran.json()["cost_usd"], ran.json()["unpriced"]) == (0, "0.001", 0)


def test_a_file_that_is_no_log_ends_in_2_and_the_others_are_imported(filled: Verb, tmp_path: Path) -> None:
    empty = tmp_path / "empty.csv"
    empty.touch()

    ran = filled("usage", "import", empty, log(tmp_path / "log.csv", 10), *LOG_MAP)

    assert (ran.code, ran.json()["imported"]) == (2, 10)
    assert ran.err.splitlines() == [f"{empty} is no log that can be read: it is empty."]


def test_the_real_traces_at_a_past_date(
    loaded: Loaded,  # noqa: F811
    ratecard: Verb,
    isolated_environment: Path,
    recorded: Path,
) -> None:
    copied(loaded, isolated_environment)
    named = ("--model", HERMES, "--provider", "openrouter", "--shift-to", "2026-01-07")
    azure = [recorded / "usage" / f"azure2023_{kind}.csv" for kind in ("code", "conv")]
    traces = (
        (azure, AZURE_MAP, 28_185),
        ([recorded / "usage" / "mooncake_conversation.jsonl.gz"], MOONCAKE_MAP, 12_031),
    )

    for files, mapping, rows in traces:
        first = ratecard("usage", "import", *files, "--map", mapping, "--timezone", "UTC", *named).json()
        again = ratecard("usage", "import", *files, "--map", mapping, "--timezone", "UTC", *named).json()
        assert [first[key] for key in KEYS[:7]] == [len(files), rows, rows, 0, 0, 0, 0]
        assert [again[key] for key in KEYS] == [len(files), rows, 0, rows, 0, 0, 0, "0"]
        assert 1 < float(first["cost_usd"]) < 1000


def held(home: Path, url: str) -> tuple[Counter[str], list[Any], dict[str, int]]:
    """The requests, the roll-up, and how many rows each table has. Nothing else lies in the folder of requests."""
    engine = create_engine(url)
    with engine.connect() as connection:
        folders = list(connection.execute(text("SELECT folder FROM usage_import")).scalars())
        query = (
            "SELECT minute, sum(requests), sum(prompt), sum(completion), sum(coalesce(cost_nano, -1)) "
            "FROM usage_hour GROUP BY minute ORDER BY minute"
        )
        sums = [tuple(map(int, row)) for row in connection.execute(text(query))]
        tables = ("usage_import", "usage_costing", "usage_hour", "usage_subject", "usage_label")
        sizes = {each: connection.execute(text(f"SELECT count(*) FROM {each}")).scalar_one() for each in tables}
    engine.dispose()
    found: Counter[str] = Counter()
    for folder in folders:
        for file in (home / "usage" / folder).glob("*.parquet"):
            found.update(map(repr, pq.read_table(file).to_pylist()))
    assert sorted(each.name for each in (home / "usage").iterdir() if not each.name.startswith(".")) == sorted(folders)
    return found, sums, sizes


def test_a_program_of_its_own_says_no_more_than_its_result(tmp_path: Path) -> None:
    """At its end too, where libraries tell of what was not taken down."""
    ran = run_program(
        "usage", "import", log(tmp_path / "log.csv", 10), *LOG_MAP, cwd=tmp_path, RATECARD_HOME=str(tmp_path)
    )

    assert ran.code == 0
    assert [line[:30] for line in ran.err.splitlines()] == ["10 requests have no price:", f"  10 of {HERMES}"[:30]]
    assert (ran.json()["imported"], ran.json()["unpriced"]) == (10, 10)


KILLS_EACH = 5


def killed_and_finished(homes: dict[Path, str], command: list[str]) -> list[Any]:
    """What each home (with its database) holds after an import: undisturbed in the first, killed in the others."""
    nowhere = subprocess.DEVNULL

    def start(home: Path, url: str) -> subprocess.Popen[bytes]:
        environment = home_environment(home) | {"RATECARD_DATABASE_URL": url}
        return subprocess.Popen(command, cwd=home, env=environment, stdout=nowhere, stderr=nowhere)

    outcomes: list[Any] = []
    duration_s, kills = 0.0, 0
    for number, (home, url) in enumerate(homes.items()):
        home.mkdir(exist_ok=True)
        chance = random.Random(number)
        for _ in range(KILLS_EACH if outcomes else 0):
            with start(home, url) as importing:
                try:
                    importing.wait(timeout=chance.uniform(0.4, 1) * duration_s)
                except subprocess.TimeoutExpired:
                    importing.kill()
                    kills += 1
        began = time.monotonic()
        with start(home, url) as importing:
            assert importing.wait() == 0
        duration_s = duration_s or time.monotonic() - began
        outcomes.append(held(home, url))
    assert kills > 0
    return outcomes


def test_an_import_that_is_killed_at_any_moment_ends_right_the_next_time(tmp_path: Path) -> None:
    command = program("usage", "import", log(tmp_path / "log.csv", 20_000), *LOG_MAP)
    homes = {tmp_path / name: f"sqlite:///{tmp_path / name / 'ratecard.db'}" for name in ("whole", "one", "two")}

    whole, *killed = killed_and_finished(homes, command)

    assert whole[0].total() == 20_000
    assert killed == [whole, whole]


def test_a_killed_import_into_postgresql_ends_right_the_next_time(tmp_path: Path, postgres_database: str) -> None:
    command = program("usage", "import", log(tmp_path / "log.csv", 20_000), *LOG_MAP)
    homes = {tmp_path / "whole": f"sqlite:///{tmp_path / 'whole' / 'ratecard.db'}", tmp_path / "one": postgres_database}

    whole, killed = killed_and_finished(homes, command)

    assert killed == whole


def test_a_sample_comes_and_goes_without_a_trace(ratecard: Verb, isolated_environment: Path, tmp_path: Path) -> None:
    now = datetime.now(UTC)
    sellers = [model(f"author{n}/model-{n}", "0.000001", "0.000002") for n in range(20)]
    polls = [recordings.line((now - timedelta(days=ago)).isoformat(), sellers) for ago in (100, 50, 1)]
    assert ratecard("replay", "--source", "openrouter", recordings.write(tmp_path / "polls.jsonl", polls)).code == 0
    mine = log(tmp_path / "mine.csv", 50)
    assert ratecard("usage", "import", mine, *LOG_MAP).code == 0
    before = dump(isolated_environment / "ratecard.db")
    folders = sorted(each.name for each in (isolated_environment / "usage").rglob("*") if each.is_file())

    added = ratecard("sample")

    assert added.code == 0
    found = added.json()
    assert found["rejected"] == found["duplicates"] == 0
    assert found["imported"] > 5000
    assert 0 < found["unpriced"] < 0.05 * found["imported"]
    assert "marked as a sample" in added.err
    with closing(sqlite3.connect(isolated_environment / "ratecard.db")) as connection:
        assert connection.execute("SELECT sample, count(*) FROM usage_import GROUP BY 1 ORDER BY 1").fetchall() == [
            (0, 1),
            (1, 1),
        ]
        models = "SELECT count(DISTINCT as_model) FROM usage_subject WHERE hint = ''"
        assert connection.execute(models).fetchone() == (12,)

    again = ratecard("sample")
    assert (again.code, again.out, "imported already" in again.err) == (0, "", True)
    assert ratecard("sample", "--remove").err == "The sample is gone.\n"
    assert dump(isolated_environment / "ratecard.db") == before
    assert sorted(each.name for each in (isolated_environment / "usage").rglob("*") if each.is_file()) == folders
    assert ratecard("sample", "--remove").err == "There is no sample to remove.\n"


def test_a_sample_without_prices_says_what_to_do(ratecard: Verb) -> None:
    ran = ratecard("sample")

    assert (ran.code, ran.out) == (2, "")
    assert "ratecard poll" in ran.err


def test_help_shows_examples(ratecard: Verb) -> None:
    ran = ratecard("usage", "import", "--help")
    assert ran.code == 0
    assert "Example: ratecard usage import" in " ".join(ran.out.split())
