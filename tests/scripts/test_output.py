"""CSV for spreadsheets, and text by third parties that must not do anything anywhere."""

import csv
import io
import re
from pathlib import Path

import pytest

from tests.collector.bodies import model
from tests.scripts import recordings
from tests.scripts.conftest import Ran, Verb
from tests.scripts.recordings import EXACT, HERMES, TIERED, day


def test_csv_has_the_same_values(filled: Verb) -> None:
    ran = filled("price", TIERED, "--format", "csv")
    rows = list(csv.DictReader(io.StringIO(ran.out)))

    assert [(row["meter"], row["usd"], row["min_prompt_tokens"], row["utc_start"]) for row in rows] == [
        ("prompt", EXACT, "0", ""),
        ("prompt", "0.0000002", "200000", ""),
        ("completion", "0.0000005", "0", ""),
        ("completion", "0", "0", "1630"),
        ("web_search", "0.01", "0", ""),
    ]
    assert {row["valid_from"] for row in rows} == {day(1)}


def test_no_amount_is_written_with_an_exponent(filled: Verb) -> None:
    for verb in (("models",), ("model", TIERED), ("price", TIERED), ("history", TIERED), ("changes",)):
        for format_ in ("json", "csv", "table"):
            assert not re.search(r"\dE[+-]?\d", filled(*verb, "--format", format_).out), (verb, format_)


HOSTILE = "\x1b[31mRed\x1b]0;owned\x07 \x9b31m \x7f \u202egnp \u2028 \x00 \r\n =cmd"


@pytest.fixture
def hostile(ratecard: Verb, tmp_path: Path) -> Verb:
    """A database of third parties who write what they like into every field that is text."""
    bad = model(
        "evil/model-1",
        name=HOSTILE,
        description=HOSTILE,
        supported_parameters=[HOSTILE],
        architecture={"input_modalities": [HOSTILE], "output_modalities": [HOSTILE], "tokenizer": HOSTILE},
        expiration_date="2026-12-31",
        surprise={HOSTILE: HOSTILE},
        benchmarks={HOSTILE: HOSTILE},
    )
    seller = recordings.provider(HOSTILE, {"evil/model-1": recordings.sold(1, 2, name='=HYPERLINK("http://x")')})
    evil = recordings.provider('=HYPERLINK("http://x"),"a"', {"evil/model-1": recordings.sold(3, 4)})
    dash = recordings.provider("-2+3", {"evil/model-1": recordings.sold(5, 6)})
    sellers = {"seller": seller, "evil": evil, "dash": dash}
    polls = [
        recordings.line(day(1), [bad]),
        recordings.line(day(2), [bad | {"name": f"{HOSTILE}!", "pricing": {"prompt": "0.1", "completion": "0.1"}}]),
        recordings.line(day(2), sellers, "models_dev"),
        recordings.line(day(3), [bad | {"id": HOSTILE}]),
        recordings.line(HOSTILE, [bad]),
        recordings.line(day(4), [bad], HOSTILE),
    ]
    ran = ratecard("replay", recordings.write(tmp_path / "polls.jsonl", polls))
    assert harmless(ran)
    assert ran.code == 2
    return ratecard


def harmless(ran: Ran) -> bool:
    """Whether nothing in the output can steer a terminal, hide text, or break a line."""
    return all(c.isprintable() or c == "\n" for c in ran.out + ran.err)


@pytest.mark.parametrize("format_", ["json", "csv", "table"])
@pytest.mark.parametrize(
    "verb",
    [("models",), ("model", "evil/model-1"), ("price", "evil/model-1"), ("history", "evil/model-1"), ("changes",),
     ("status",), ("model", HOSTILE), ("price", "evil/model-1", "--at", HOSTILE), ("alias",)],
    ids=lambda verb: verb[0],
)  # fmt: skip
def test_third_party_text_cannot_steer_a_terminal(hostile: Verb, verb: tuple[str, ...], format_: str) -> None:
    assert harmless(hostile(*verb, "--format", format_))


def test_third_party_text_is_whole_in_json(hostile: Verb) -> None:
    (row,) = hostile("models").json()

    assert row["name"] == f"{HOSTILE}!".replace("\x00", "\ufffd")


def test_a_spreadsheet_finds_no_formula_in_a_cell(hostile: Verb) -> None:
    rows = list(csv.DictReader(io.StringIO(hostile("price", "evil/model-1", "--format", "csv").out)))

    names = {row["provider"]: row["provider_name"] for row in rows}
    assert names["evil"] == """'=HYPERLINK("http://x"),"a\""""
    assert names["dash"] == "'-2+3"
    assert not [cell for row in rows for cell in row.values() if cell.lstrip()[:1] in {"=", "+", "-", "@"} and cell]


def test_a_negative_number_stays_a_number_in_csv(filled: Verb, tmp_path: Path) -> None:
    cheaper = recordings.line(day(5), [model(HERMES, "0.0000005", "0.0000012"), model(TIERED), model("a/b-1")])
    filled("replay", recordings.write(tmp_path / "cheaper.jsonl", [cheaper]))

    (row,) = csv.DictReader(io.StringIO(filled("changes", "--model", HERMES, "--from", day(5), "--format", "csv").out))
    assert row["change_percent"] == "-50.0"
