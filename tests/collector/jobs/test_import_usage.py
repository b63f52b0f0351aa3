"""Importing logs: every row is accounted for, nothing counts twice, and a bad file costs only itself."""

import gzip
import json
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, text

from collector.jobs.import_usage import Imported, import_usage
from collector.jobs.origin import Wanted, expanded
from collector.logs.generic import parse_mapping
from db.engine import migrate, open_engine, reading
from db.errors import StorageError, UsageError
from db.usage.engine import Costing
from db.usage.staging import alone

NOW = datetime(2026, 8, 1, tzinfo=UTC)
MAP = Wanted(mapping=parse_mapping("time=t,model=m,prompt=p,completion=c"))
HEADER = "t,m,p,c\n"

Import = Callable[..., Imported]


def importer(engine: Engine, home: Path) -> Import:
    def run(*files: Path, wanted: Wanted = MAP) -> Imported:
        return import_usage(engine, Costing(home=home), files, wanted, NOW)

    return run


@pytest.fixture
def run(sqlite: Engine, tmp_path: Path) -> Import:
    return importer(sqlite, tmp_path / "home")


def requests(engine: Engine, home: Path) -> list[tuple[Any, ...]]:
    """What is stored: time, model, prompt, key of every request of every import."""
    with reading(engine) as connection:
        folders = list(connection.execute(text("SELECT folder FROM usage_import ORDER BY id")).scalars())
    rows = [
        row
        for folder in folders
        for file in (home / "usage" / folder).glob("*.parquet")
        for row in pq.read_table(file).to_pylist()
    ]
    return [(row["time"], row.get("model", ""), row.get("prompt", 0), row.get("key")) for row in rows]


def cells(engine: Engine) -> list[tuple[Any, ...]]:
    with reading(engine) as connection:
        query = (
            "SELECT minute, m.model, sum(requests), sum(prompt), sum(completion) FROM usage_hour h "
            "JOIN usage_subject m ON m.id = h.subject_id WHERE superseded_by IS NULL GROUP BY 1, 2 ORDER BY 1, 2"
        )
        return [tuple(map(str, row)) for row in connection.execute(text(query))]


def counts(done: Imported) -> tuple[int, int, int, int]:
    return done.rows, done.imported, done.duplicates, done.rejected


def line(second: int, model: str = "acme/atlas-1", prompt: object = 5) -> str:
    return f"2026-01-05T10:{second // 60:02}:{second % 60:02}Z,{model},{prompt},1\n"


LINES = st.one_of(
    st.integers(0, 9).map(line),
    st.integers(0, 9).map(lambda second: line(second, prompt=6)),
    st.sampled_from(["garbage\n", line(3, prompt=-1), line(4, prompt="x"), "2030-01-01T00:00:00Z,m,1,1\n", ",,,\n"]),
)
FILES = st.lists(st.lists(LINES, max_size=12), min_size=1, max_size=3)


@settings(max_examples=12)
@given(runs=st.lists(FILES, min_size=1, max_size=3))
def test_every_row_of_a_table_is_accounted_for(
    runs: list[list[list[str]]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    home = tmp_path_factory.mktemp("home")
    engine = open_engine(f"sqlite:///{home / 'ratecard.db'}")
    migrate(engine)
    most: Counter[str] = Counter()
    for number, files in enumerate(runs):
        written = []
        rows = rejected = 0
        for place, lines in enumerate(files):
            written.append(home / f"{number}-{place}.csv")
            written[-1].write_text(HEADER + line(100) + "".join(lines))
            good = Counter(each for each in [line(100), *lines] if each[-5:] in {",5,1\n", ",6,1\n"} or ",6,1" in each)
            bad = sum(each not in good and each != ",,,\n" for each in lines)
            most |= good
            rows, rejected = rows + good.total() + bad, rejected + bad
        before = len(requests(engine, home))
        done = importer(engine, home)(*written)

        assert done.problems == ()
        assert (done.rows, done.rejected) == (rows, rejected)
        assert done.rows == done.imported + done.duplicates + done.rejected
        assert len(requests(engine, home)) == before + done.imported
    # However the files overlap: as many of each as the file that has the most of it.
    assert len(requests(engine, home)) == most.total()
    assert sum(int(row[2]) for row in cells(engine)) == most.total()
    engine.dispose()


def said(message: int, tokens: int, *, side: bool = False, second: int = 0) -> str:
    usage = {"input_tokens": tokens, "output_tokens": 1, "cache_read_input_tokens": 2, "cache_creation_input_tokens": 0}
    return json.dumps(
        {
            "type": "assistant",
            "timestamp": f"2026-01-05T10:00:{second:02}.000Z",
            "sessionId": "s",
            "requestId": f"req_{message}",
            "isSidechain": side,
            "cwd": "/home/someone/shop",
            "message": {"id": f"msg_{message}", "model": "claude-sonnet-4-5", "role": "assistant", "usage": usage},
        }
    )


SAID = st.builds(said, st.integers(0, 5), st.integers(1, 3), side=st.booleans(), second=st.integers(0, 3))
OTHER = st.sampled_from(['{"type": "user", "message": {"role": "user"}}', "{broken", '"text"'])


@settings(max_examples=12)
@given(runs=st.lists(st.lists(st.lists(st.one_of(SAID, SAID, OTHER), max_size=8), min_size=1, max_size=3), max_size=3))
def test_every_record_of_a_keyed_log_is_accounted_for(
    runs: list[list[list[str]]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    home = tmp_path_factory.mktemp("home")
    engine = open_engine(f"sqlite:///{home / 'ratecard.db'}")
    migrate(engine)
    keys = set()
    for number, files in enumerate(runs):
        written = []
        for place, lines in enumerate(files):
            written.append(home / f"{number}-{place}.jsonl")
            written[-1].write_text("\n".join([said(9, 1), *lines]) + "\n")
            keys |= {json.loads(each)["message"]["id"] for each in [said(9, 1), *lines] if '"usage"' in each}
        done = importer(engine, home)(*written, wanted=Wanted(log_format="claude_code"))

        given = [each for lines in files for each in [said(9, 1), *lines]]
        assert done.rows == sum('"usage"' in each or each in {"{broken", '"text"'} for each in given)
        assert done.rejected == sum(each in {"{broken", '"text"'} for each in given)
        assert done.ignored == sum('"user"' in each for each in given)
        assert done.rows == done.imported + done.duplicates + done.rejected
    stored = [key for *_, key in requests(engine, home)]
    assert len(stored) == len(set(stored)) == len(keys)
    engine.dispose()


def test_the_same_again_under_another_name_is_all_duplicates(run: Import, sqlite: Engine, tmp_path: Path) -> None:
    first, again = tmp_path / "a.csv", tmp_path / "renamed.csv"
    first.write_text(HEADER + line(1) + line(1) + line(2))
    again.write_text(
        "m,c,t,p\nacme/atlas-1,1,2026-01-05T12:00:01+02:00,5\n" + "acme/atlas-1,1,2026-01-05T10:00:02Z,5\n"
    )

    assert counts(run(first)) == (3, 3, 0, 0)
    assert counts(run(again)) == (2, 0, 2, 0)
    assert counts(run(first, again)) == (5, 0, 5, 0)
    with reading(sqlite) as connection:
        assert connection.execute(text("SELECT count(*), sum(imported) FROM usage_import")).one() == (1, 3)


def test_one_more_of_the_same_is_a_new_request(run: Import, tmp_path: Path) -> None:
    fewer, more = tmp_path / "fewer.csv", tmp_path / "more.csv"
    fewer.write_text(HEADER + line(1) * 2)
    more.write_text(HEADER + line(1) * 5 + line(2))

    assert counts(run(fewer)) == (2, 2, 0, 0)
    assert counts(run(more)) == (6, 4, 2, 0)
    assert counts(run(fewer, more)) == (8, 0, 8, 0)


def test_an_id_tells_requests_whatever_else_they_say(run: Import, sqlite: Engine, tmp_path: Path) -> None:
    wanted = replace(MAP, mapping=parse_mapping("time=t,model=m,prompt=p,completion=c,id=i,user=u"))
    first, again = tmp_path / "a.csv", tmp_path / "b.csv"
    first.write_text(
        "t,m,p,c,i,u\n2026-01-05T10:00:00Z,m,5,1,1,ana\n2026-01-05T10:00:00Z,m,5,1,2,ana\n2026-01-05T11:00:00Z,m,7,1,1,x\n"
    )
    again.write_text(
        "t,m,p,c,i,u\n2026-06-05T10:00:00Z,m,9,1,2,ana\n2026-01-05T10:00:00Z,m,5,1,1,ana\n2026-01-05T10:00:00Z,m,5,1,3,bo\n"
    )

    assert counts(run(first, wanted=wanted)) == (3, 2, 1, 0)
    done = run(again, wanted=wanted)
    assert counts(done) == (3, 1, 2, 0)
    assert done.differing == 1
    with reading(sqlite) as connection:
        users = connection.execute(text('SELECT "user" FROM usage_label ORDER BY 1')).scalars().all()
    assert users == ["ana", "bo"]


def test_a_file_that_cannot_be_read_costs_only_itself(run: Import, tmp_path: Path) -> None:
    good = tmp_path / "good.csv"
    good.write_text(HEADER + line(1))
    empty, binary, prose = tmp_path / "empty.csv", tmp_path / "binary.bin", tmp_path / "prose.txt"
    empty.write_bytes(b"")
    binary.write_bytes(b"\x00\x01" * 500)
    prose.write_text("What follows is no log.\n" * 9)
    other = tmp_path / "other.csv"
    other.write_text("when,who\n2026-01-01,me\n")
    broken = tmp_path / "broken.parquet"
    broken.write_bytes(b"PAR1 and nothing else")

    done = run(empty, binary, prose, good, other, broken)

    assert counts(done) == (1, 1, 0, 0)
    assert [problem.split(str(tmp_path))[1].split(":")[0].split(" ")[0] for problem in done.problems] == [
        f"/{each.name}" for each in (empty, binary, prose, other, broken)
    ]
    assert "has no column 't', which the mapping takes for time" in done.problems[3]
    assert all(problem.endswith(".") for problem in done.problems)


@pytest.mark.parametrize("compress", [gzip.compress])
def test_what_comes_before_the_break_of_a_cut_file_is_imported(
    compress: Callable[[bytes], bytes], run: Import, tmp_path: Path
) -> None:
    chance = random.Random(1)
    rows = [line(n % 3600, prompt=chance.randrange(10**6)) for n in range(5000)]
    file = tmp_path / "log.csv.gz"
    packed = compress((HEADER + "".join(rows)).encode())
    file.write_bytes(packed[: len(packed) // 2])

    done = run(file)

    assert 1000 < done.imported < 4000
    assert (done.rows, done.rejected) == (done.imported, 0)
    assert len(done.problems) == 1
    assert "ends early" in done.problems[0]
    file.write_bytes(packed)
    assert counts(run(file)) == (5000, 5000 - done.imported, done.imported, 0)


def test_a_stray_quote_and_a_long_line_lose_nothing(run: Import, tmp_path: Path) -> None:
    file = tmp_path / "log.csv"
    odd = ['2026-01-05T10:00:00Z,"open,1,1\n', f"2026-01-05T10:00:00Z,{'x' * 5_000_000},1,1\n", "é\xff,,\n"]
    file.write_text(HEADER + "".join(line(n) for n in range(3000)) + odd[0] + line(1) + odd[1] + line(2))

    done = run(file)

    assert counts(done) == (3004, 3003, 0, 1)
    assert done.rejects is not None
    (reject,) = map(json.loads, done.rejects.read_text().splitlines())
    assert (reject["file"], reject["line"]) == (str(file), 3002)


def test_shifted_files_keep_their_pace_and_stay_the_same_requests(run: Import, sqlite: Engine, tmp_path: Path) -> None:
    wanted = Wanted(
        mapping=parse_mapping("time=timestamp,prompt=n,completion=n2"), shift_to=datetime(2026, 1, 7, tzinfo=UTC)
    )
    trace = tmp_path / "trace.jsonl"
    trace.write_text("".join(json.dumps({"timestamp": ms, "n": 1, "n2": 2}) + "\n" for ms in (500, 0, 1500)))
    dated = tmp_path / "dated.csv"
    dated.write_text("timestamp,n,n2\n2023-11-16T00:00:01.5Z,1,2\n2023-11-16T00:00:01Z,1,2\n")

    done = run(trace, dated, wanted=wanted)

    assert counts(done) == (5, 3, 2, 0)
    assert [at.isoformat() for at, *_ in sorted(requests(sqlite, tmp_path / "home"))] == [
        "2026-01-07T00:00:00", "2026-01-07T00:00:00.500000", "2026-01-07T00:00:01.500000",
    ]  # fmt: skip
    assert "milliseconds" in done.notes[0]
    assert counts(run(dated, wanted=wanted)) == (2, 0, 2, 0)


def test_a_clock_without_a_date_is_refused(run: Import, tmp_path: Path) -> None:
    trace = tmp_path / "trace.jsonl"
    trace.write_text(json.dumps({"timestamp": 500, "n": 1}) + "\n")

    done = run(trace, wanted=Wanted(mapping=parse_mapping("time=timestamp,prompt=n")))

    assert counts(done) == (1, 0, 0, 1)
    assert done.rejects is not None
    assert "--shift-to" in done.rejects.read_text()


def test_without_a_ledger_all_is_unpriced_and_says_why(run: Import, tmp_path: Path) -> None:
    file = tmp_path / "log.csv"
    file.write_text(HEADER + line(1) * 3 + line(1, model="acme/other"))

    done = run(file)

    assert done.unpriced == 4
    assert not done.cost_usd
    assert [(each.model, each.requests) for each in done.names] == [("acme/atlas-1", 3), ("acme/other", 1)]


def test_names_of_columns_that_leave_no_doubt_need_no_mapping(run: Import, tmp_path: Path) -> None:
    file = tmp_path / "log.csv"
    file.write_text("created_at,model,prompt_tokens,completion_tokens\n2026-01-05T10:00:00Z,m,5,1\n")

    done = run(file, wanted=Wanted())

    assert counts(done) == (1, 1, 0, 0)
    assert "--map time=created_at" in done.notes[0]


def test_a_second_import_at_the_same_time_is_refused(run: Import, tmp_path: Path) -> None:
    file = tmp_path / "log.csv"
    file.write_text(HEADER + line(1))

    with alone(tmp_path / "home" / "usage"), pytest.raises(StorageError, match="Another import works"):
        run(file)
    assert run(file).imported == 1


def test_what_a_killed_import_left_is_swept_away_but_not_what_others_own(run: Import, tmp_path: Path) -> None:
    usage = tmp_path / "home" / "usage"
    file = tmp_path / "log.csv"
    file.write_text(HEADER + line(1))
    run(file)
    whole = next(each for each in usage.iterdir() if each.name.startswith("2026"))
    left = {"half": whole / "unfinished", "other": usage / "other" / "unfinished"}
    mine = f"sqlite:///{tmp_path / 'ratecard.db'}"
    (usage / ".import-x").mkdir()
    for name, owner in (("orphan", mine), ("other", "sqlite:////elsewhere.db")):
        (usage / name).mkdir()
        (usage / name / "unfinished").write_text(owner)
    left["half"].write_text(mine)

    run(file)

    assert sorted(each.name for each in usage.iterdir() if not each.name.startswith(".")) == sorted(
        [whole.name, "other"]
    )
    assert not (usage / ".import-x").exists()
    assert not left["half"].exists()


def test_files_are_found_in_folders_and_by_patterns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("a.csv", "deep/b.jsonl.gz", "deep/.hidden.csv", "deep/notes.md"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("x")

    assert [each.name for each in expanded([tmp_path, tmp_path / "a.csv"])] == ["a.csv", "b.jsonl.gz"]
    assert [each.name for each in expanded([tmp_path / "**" / "*.gz"])] == ["b.jsonl.gz"]
    with pytest.raises(UsageError, match="There is no file"):
        expanded([tmp_path / "missing.csv"])
