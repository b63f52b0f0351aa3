"""Which of the incoming requests are new."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import count
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from db.usage.distinct import settle
from db.usage.engine import Costing, closing_duckdb
from db.usage.facts import Usage
from db.usage.requests import INCOMING, Held, batch, profile, unfit

START = datetime(2026, 1, 1, tzinfo=UTC)
numbers = count()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("requests")


@pytest.fixture(scope="module")
def duckdb(folder: Path) -> Iterator[Any]:
    with closing_duckdb(Costing(home=folder)) as backend:
        yield backend.con


def used(second: int = 0, prompt: int = 5, **more: Any) -> Usage:
    return Usage(START + timedelta(seconds=second), {"prompt": prompt}, "m", **more)


def incoming(folder: Path, *files: Sequence[Usage]) -> dict[int, list[Path]]:
    written = {}
    for number, usages in enumerate(files):
        path = folder / f"{next(numbers)}.parquet"
        with pq.ParquetWriter(path, INCOMING) as writer:
            writer.write_batch(batch(number, list(enumerate(usages))))
        written[number] = [path]
    return written


def rows(held: Held | None) -> list[dict[str, Any]]:
    return [row for file in (held.files if held else ()) for row in pq.read_table(file).to_pylist()]


SECONDS = st.lists(st.lists(st.tuples(st.integers(0, 4), st.integers(1, 2)), max_size=8), min_size=1, max_size=3)


@given(runs=st.lists(SECONDS, min_size=1, max_size=3))
def test_of_equal_rows_the_file_that_has_most_of_them_counts(
    runs: list[list[list[tuple[int, int]]]], duckdb: Any, folder: Path
) -> None:
    held: list[Held] = []
    most: dict[tuple[int, int], int] = {}
    for files in runs:
        found = incoming(folder, *([used(*each) for each in file] for file in files))
        settled = settle(duckdb, found, held, folder / f"out-{next(numbers)}")
        held += [settled.held] if settled.held else []
        for number, file in enumerate(files):
            new = sum(max(0, file.count(each) - most.get(each, 0)) for each in set(file))
            assert settled.imported.get(number, 0) == new
            most |= {each: max(file.count(each), most.get(each, 0)) for each in set(file)}
    assert sum(len(rows(each)) for each in held) == sum(most.values())


def test_of_one_key_the_highest_rank_counts_then_the_first(duckdb: Any, folder: Path) -> None:
    first = [used(1, 1, key="a"), used(2, 2, key="a", rank=7), used(3, 3, key="a", rank=7), used(4, 4, key="b")]
    second = [used(5, 5, key="b"), used(6, 6, key="c"), used(7, 7)]

    settled = settle(duckdb, incoming(folder, first, second), [], folder / "keyed")

    assert settled.imported == {0: 2, 1: 2}
    assert sorted((row["prompt"], row["key"]) for row in rows(settled.held)) == [
        (2, "a"),
        (4, "b"),
        (6, "c"),
        (7, None),
    ]
    assert settled.held is not None
    changed = [used(2, 2, key="a"), used(4, 9, key="b"), used(9, 4, key="d"), used(7, 7)]
    again = settle(duckdb, incoming(folder, changed), [settled.held], folder / "again")
    assert (again.imported, again.differing) == ({0: 1}, 1)


def test_a_column_that_no_row_needs_is_left_out(duckdb: Any, folder: Path) -> None:
    plain = settle(duckdb, incoming(folder, [used()]), [], folder / "plain").held
    bucket = used(
        0, 5, requests=3, until=START + timedelta(hours=1), tags={"b": "2", "a": "1"}, cost_usd=Decimal("0.1")
    )
    whole = settle(duckdb, incoming(folder, [used(), bucket]), [], folder / "whole").held

    assert list(rows(plain)[0]) == ["file", "time", "model", "prompt"]
    assert rows(whole)[0].keys() == {"file", "time", "until", "requests", "model", "prompt", "tags", "cost_usd"}
    assert [row["tags"] for row in rows(whole)] == ["", '{"a":"1","b":"2"}']
    assert whole is not None
    assert profile(whole.files).needed >= {"tags", "until"}
    # What the file of an earlier import leaves out is as good as said.
    assert settle(duckdb, incoming(folder, [used()]), [whole], folder / "known").held is None


@pytest.mark.parametrize(
    ("usage", "said"),
    [
        (used(prompt=-1), "prompt is -1"),
        (used(prompt=10**12 + 1), "from 0 to 10^12"),
        (used(requests=0), "stands for 0 requests"),
        (used(cost_usd=Decimal(10**10)), "costs at most"),
        (used(-(10**10)), "before 1971"),
        (used(total_tokens=-5), "its total"),
    ],
)
def test_what_cannot_be_stored_says_why(usage: Usage, said: str) -> None:
    assert said in unfit(usage)
    assert unfit(used()) == ""
