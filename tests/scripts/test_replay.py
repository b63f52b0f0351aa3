"""`ratecard replay`: what can be read is loaded, what cannot is named, and again is a no-op."""

import gzip
import json
import lzma
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.collector.bodies import model
from tests.scripts import recordings
from tests.scripts.conftest import Ran, Verb
from tests.scripts.recordings import line


def at(hour: int) -> str:
    return f"2026-01-01T{hour:02}:00:00Z"


def good(hour: int, prompt: str = "0.000001") -> str:
    return line(at(hour), [model("acme/atlas-1", prompt)])


def summary(ran: Ran) -> tuple[int, int, int]:
    """(loaded, skipped, rejected)"""
    found = ran.json()
    assert list(found) == ["loaded", "skipped", "rejected", "changed", "rejected_items"]
    return found["loaded"], found["skipped"], found["rejected"]


def prompt_prices(ratecard: Verb) -> list[str]:
    rows: list[dict[str, Any]] = ratecard("history", "acme/atlas-1", "--meter", "prompt").json()
    return [row["usd"] for row in rows]


MALFORMED = [
    ("<!DOCTYPE html><title>Rate limited</title>", "polls.jsonl line 2 is not usable: it is HTML, not JSON."),
    ('{"observed_at": ', "polls.jsonl line 2 is not usable: it is not JSON (Expecting value"),
    ("\x00\x01\x02", "polls.jsonl line 2 is not usable: it is not JSON ("),
    ('["not", "a", "poll"]', "polls.jsonl line 2: not a recorded poll; it needs observed_at and data."),
    (json.dumps({"observed_at": at(2)}), "polls.jsonl line 2: not a recorded poll; it needs observed_at and data."),
    (line(None, [model("acme/atlas-1")]), "polls.jsonl line 2: observed_at is no time: 'None'."),
    (line(1_767_225_600, [model("acme/atlas-1")]), "polls.jsonl line 2: observed_at is no time: '1767225600'."),
    (
        line("2026-01-01T02:00:00", [model("acme/atlas-1")]),
        "polls.jsonl line 2: observed_at has no time zone: '2026-01-01T02:00:00'. Add Z for UTC.",
    ),
    (
        line("0001-01-01T00:00:00+14:00", [model("acme/atlas-1")]),
        "polls.jsonl line 2: observed_at is no time: '0001-01-01T00:00:00+14:00'.",
    ),
    (
        line("2999-01-01T00:00:00Z", [model("acme/atlas-1")]),
        "polls.jsonl line 2: it was observed in the future, at 2999-01-01T00:00:00Z",
    ),
    (
        line(at(2), {"error": {"code": 502}}),
        "polls.jsonl line 2: OpenRouter's list of models is not usable: it holds no list named data.",
    ),
    (line(at(2), [model("acme/atlas-1")], "unheard-of"), "polls.jsonl line 2: there is no source named 'unheard-of'"),
]


@pytest.mark.parametrize(("bad", "reason"), MALFORMED, ids=[reason[20:60] for _, reason in MALFORMED])
def test_a_line_that_cannot_be_read_is_named_and_the_others_load(
    ratecard: Verb, tmp_path: Path, bad: str, reason: str
) -> None:
    file = recordings.write(tmp_path / "polls.jsonl", [good(1), bad, good(3, "0.000002")])

    first, again = ratecard("replay", file), ratecard("replay", file)

    assert (first.code, summary(first)) == (2, (2, 0, 1))
    told, counted = first.err.splitlines()
    assert told.startswith(reason)
    assert counted == "2 polls loaded, 0 were stored before, 1 could not be read."
    assert (again.code, summary(again)) == (2, (0, 2, 1))
    assert prompt_prices(ratecard) == ["0.000001", "0.000002"]


def test_a_poll_of_the_year_one_is_stored_as_what_it_says(ratecard: Verb, tmp_path: Path) -> None:
    file = recordings.write(tmp_path / "polls.jsonl", [line("0001-01-01T00:00:00Z", [model("acme/atlas-1")]), good(1)])

    assert ratecard("replay", file).code == 0
    (row,) = ratecard("history", "acme/atlas-1", "--meter", "prompt").json()
    assert row["valid_from"] == "0001-01-01T00:00:00Z"


@pytest.mark.parametrize(("suffix", "module"), [("xz", lzma), ("gz", gzip)])
def test_a_file_that_breaks_off_keeps_what_came_before(
    ratecard: Verb, tmp_path: Path, suffix: str, module: Any
) -> None:
    polls = "".join(f"{good(hour)}\n" for hour in range(1, 9)) + "x" * 200_000
    whole = module.compress(polls.encode())
    # Named as something else: what it is is told by its content.
    file = tmp_path / "polls.jsonl"
    file.write_bytes(whole[:-30])

    ran = ratecard("replay", file)

    assert (ran.code, summary(ran)) == (2, (8, 0, 1))
    assert ran.err.startswith("polls.jsonl line 9: the file breaks off here (")
    assert "; what came before it is kept." in ran.err


def test_a_line_of_70_mb_is_passed_over(ratecard: Verb, tmp_path: Path) -> None:
    file = tmp_path / "polls.jsonl.gz"
    with gzip.open(file, "wb", compresslevel=1) as stream:
        stream.write(f"{good(1)}\n".encode())
        for _ in range(70):
            stream.write(b" " * 1024 * 1024)
        stream.write(f"\n{good(2)}\n".encode())

    ran = ratecard("replay", file)

    assert (ran.code, summary(ran)) == (2, (2, 0, 1))
    assert ran.err.startswith("polls.jsonl.gz line 2: longer than 64 MB.")


def test_bad_items_are_counted_and_cost_nothing_else(ratecard: Verb, tmp_path: Path) -> None:
    items = [model("acme/atlas-1"), model("acme/bad-1", "free!"), {"name": "nameless"}, "text"]
    file = recordings.write(tmp_path / "polls.jsonl", [line(at(1), items)])

    ran = ratecard("replay", file)

    assert (ran.code, ran.json()["rejected_items"]) == (0, 3)
    assert [row["model"] for row in ratecard("models").json()] == ["acme/atlas-1"]


def test_files_are_read_in_the_order_given_and_late_polls_find_their_place(ratecard: Verb, tmp_path: Path) -> None:
    new = recordings.write(tmp_path / "new.jsonl", [good(5, "0.000005"), good(6, "0.000006")])
    old = recordings.write(tmp_path / "old.jsonl", [good(1, "0.000001"), good(2, "0.000002")])

    assert summary(ratecard("replay", new, old)) == (4, 0, 0)
    assert prompt_prices(ratecard) == ["0.000001", "0.000002", "0.000005", "0.000006"]


def test_a_source_that_is_named_wins_over_the_line(ratecard: Verb, tmp_path: Path) -> None:
    """Recordings by others name the source as they like."""
    file = recordings.write(tmp_path / "polls.jsonl", [line(at(1), [model("acme/atlas-1")], "somebody/scraper")])

    assert ratecard("replay", file).code == 2
    assert ratecard("replay", "--source", "openrouter", file).code == 0
    assert ratecard("price", "acme/atlas-1").json()[0]["source"] == "openrouter"


def test_when_it_was_seen_and_when_it_was_learned_are_two_things(ratecard: Verb, tmp_path: Path) -> None:
    before = datetime.now(UTC)
    ratecard("replay", recordings.write(tmp_path / "polls.jsonl", [good(1)]))

    (row,) = ratecard("price", "acme/atlas-1").json()

    assert row["valid_from"] == at(1)
    learned = datetime.fromisoformat(row["recorded_at"])
    assert before <= learned <= before + timedelta(minutes=10)


def test_a_package_has_no_recorded_polls(ratecard: Verb, tmp_path: Path) -> None:
    file = recordings.write(tmp_path / "polls.jsonl", [line(at(1), {}, "genai_prices")])

    ran = ratecard("replay", file)

    assert (ran.code, summary(ran)) == (2, (0, 0, 1))
    assert "polls.jsonl line 1: genai_prices is a package on this machine" in ran.err
    assert "Use `ratecard poll genai_prices`." in ran.err


def test_more_than_twenty_problems_are_counted(ratecard: Verb, tmp_path: Path) -> None:
    ran = ratecard("replay", recordings.write(tmp_path / "polls.jsonl", ["<html>"] * 50))

    assert len(ran.err.splitlines()) == 22
    assert "… and 30 more." in ran.err
