"""What goes straight through DuckDB is what the record-by-record reader makes of it, to the letter."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collector.jobs import reader
from collector.jobs.intake import Defaults, Rejects, Taken
from collector.jobs.origin import Wanted
from collector.jobs.reader import Reader
from collector.logs.generic import parse_mapping
from db.usage.engine import Costing, closing_duckdb
from db.usage.requests import KINDS

NOW = datetime(2026, 8, 1, tzinfo=UTC)
MAP = "time=time,model=model,prompt_total=in,completion=out,cache_read=cached,cost=cost,project=team"
HEADER = ("time", "model", "in", "out", "cached", "cost", "team", "remark")


@pytest.fixture(scope="module")
def duckdb(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    with closing_duckdb(Costing(home=tmp_path_factory.mktemp("duckdb"))) as backend:
        yield backend.con


def taken(
    connection: Any, folder: Path, file: Path, wanted: Wanted, *, one_by_one: bool = False
) -> tuple[Taken, list[dict[str, Any]], list[dict[str, Any]]]:
    """What reading a file came to; its requests, in some fixed order; its rejects."""
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.iterdir():
        old.unlink()
    rejects = folder / "rejects"
    with pytest.MonkeyPatch.context() as patched:
        if one_by_one:
            patched.setattr(reader, "through", lambda *_: None)
        with Rejects(rejects) as kept:
            _, came_to = Reader(connection, folder, wanted, NOW, kept, lambda _: None).take(0, file, lambda _: None)
    rows = [row for part in came_to.files for row in pq.read_table(part).to_pylist()]
    lines = rejects.read_text(encoding="utf-8").split("\n")[:-1] if rejects.exists() else []
    return came_to, normal(rows), [json.loads(line) for line in lines]


def normal(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    absent: dict[str, Any] = dict.fromkeys(KINDS, 0) | dict.fromkeys(("model", "provider", "project"), "")
    absent |= {"requests": 1, "cost_usd": None, "until": None, "total_tokens": None}
    shown = ("time", "model", "provider", "project", "prompt", "completion", "input_cache_read", "cost_usd")
    return sorted(({name: row.get(name, absent[name]) for name in shown} for row in rows), key=repr)


TIMES = st.sampled_from([
    "2026-01-05T10:00:00Z", "2026-01-05T10:00:00.123456Z", "2026-01-05T10:00:00.1234567Z", "2026-01-05 10:00:00",
    "2026-01-05T10:00:00+02:00", "2026-01-05T10:00:00.5-05:30", "2026-03-29T02:30:00", "2026-10-25T02:30:00",
    "2026-03-29T05:59:00", "2026-01-05", "2026-01-05T10:00:00 UTC", "2027-01-05T10:00:00Z", "1969-01-05T10:00:00Z",
    "", "yesterday", "1767607200", "1767607200000", "17", "2026-01-05T25:00:00Z",
])  # fmt: skip
COUNTS = st.sampled_from(
    ["0", "7", "1200", "12.0", "1.5", "-3", "", "x", "1e3", "1000000000001", "nan", "inf", "9" * 30]
)
COSTS = st.sampled_from(["", "0", "0.1", "0.000000000123", "-1", "$3", "1e-7", "99999999999"])
NAMES = st.sampled_from(
    ["", "a", "acme/atlas-1", "two  blanks ", "sk-abcdefgh12345678", "naïve", 'quo"ted', "a,b", "x" * 300, "l1\nl2"]
)
ROWS = st.tuples(TIMES, NAMES, COUNTS, COUNTS, COUNTS, COSTS, NAMES, NAMES)
GARBAGE = st.sampled_from(["garbage", "a,b,c", ",,,,,,,", "", "2026-01-05T10:00:00Z,m,1,2,0,,t,r,more", '"open,1,2'])


def csv_line(row: tuple[str, ...]) -> str:
    return ",".join('"' + cell.replace('"', '""') + '"' if set(cell) & set('",\n') else cell for cell in row)


@settings(max_examples=150)
@given(
    lines=st.lists(st.one_of(ROWS.map(csv_line), ROWS.map(csv_line), GARBAGE), min_size=1, max_size=12),
    zone=st.sampled_from([None, "UTC", "Europe/Berlin"]),
)
def test_both_ways_come_to_the_same(
    lines: list[str], zone: str | None, duckdb: Any, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("log")
    file = folder / "log.csv"
    first = "2026-01-01T00:00:00Z,m,5,2,1,,t,r"
    file.write_text("\n".join([",".join(HEADER), first, *lines, ""]), encoding="utf-8")
    wanted = Wanted(mapping=parse_mapping(MAP), timezone=ZoneInfo(zone) if zone else None)

    quick, quick_rows, quick_rejects = taken(duckdb, folder / "quick", file, wanted)
    slow, slow_rows, slow_rejects = taken(duckdb, folder / "slow", file, wanted, one_by_one=True)

    assert quick_rows == slow_rows
    assert sorted(each["reason"] for each in quick_rejects) == sorted(each["reason"] for each in slow_rejects)
    assert (quick.rows, quick.rejected) == (slow.rows, slow.rejected)
    assert quick.rows == len(quick_rows) + quick.rejected


PLAIN: list[dict[str, Any]] = [
    {"time": "2026-01-05T10:00:00.25Z", "model": "acme/atlas-1", "in": 120, "out": 7, "cached": 20, "cost": "0.000012"},
    {"time": "2026-01-05T12:00:00+02:00", "model": "acme/atlas-1", "in": 120, "out": 7, "cached": 0, "cost": None},
    {"time": "2026-01-06T10:00:00Z", "model": None, "in": 0, "out": 0, "cached": None, "cost": "0"},
]
DOUBTFUL: dict[str, Any] = PLAIN[1] | {"in": 5, "cached": 6}


def written(file: Path, rows: list[dict[str, Any]]) -> Path:
    match file.suffix:
        case ".csv":
            lines = [",".join(rows[0]), *(",".join("" if v is None else str(v) for v in row.values()) for row in rows)]
            file.write_text("\r\n".join(lines), encoding="utf-8-sig")
        case ".tsv":
            lines = [
                "\t".join(rows[0]),
                *("\t".join("" if v is None else str(v) for v in row.values()) for row in rows),
            ]
            file.write_text("\n".join(lines), encoding="utf-8")
        case ".jsonl":
            file.write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")
        case ".json":
            file.write_text(json.dumps(rows, indent=1), encoding="utf-8")
        case ".parquet":
            times = [datetime.fromisoformat(row["time"]) for row in rows]
            table = pa.Table.from_pylist([row | {"time": None} for row in rows])
            pq.write_table(table.set_column(0, "time", pa.array(times, pa.timestamp("us", "UTC"))), file)
    return file


@pytest.mark.parametrize("doubts", [0, 1])
@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".jsonl", ".json", ".parquet"])
def test_a_table_says_the_same_in_every_shape(suffix: str, doubts: int, duckdb: Any, tmp_path: Path) -> None:
    file = written(tmp_path / f"log{suffix}", PLAIN + [DOUBTFUL] * doubts)
    wanted = Wanted(mapping=parse_mapping(MAP.removesuffix(",project=team")), defaults=Defaults(project="shop"))

    came_to, rows, rejects = taken(duckdb, tmp_path / "into", file, wanted)

    assert (came_to.rows, came_to.rejected, len(rows)) == (3 + doubts, doubts, 3)
    assert [(str(r["time"])[11:], r["model"], r["prompt"], r["input_cache_read"], r["cost_usd"]) for r in rows] == [
        ("10:00:00", "acme/atlas-1", 120, 0, None),
        ("10:00:00.250000", "acme/atlas-1", 100, 20, Decimal("0.000012")),
        ("10:00:00", "", 0, 0, Decimal(0)),
    ]
    assert {row["project"] for row in rows} == {"shop"}
    assert [each["reason"] for each in rejects] == ["input_cache_read (6) exceed in (5), which includes them"] * doubts
    numbered = 5 if suffix in {".csv", ".tsv"} else 4
    assert [each["line"] for each in rejects] == [numbered] * doubts
