"""The mapping of columns, and what it makes of a row."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from collector.logs.generic import SHORT, TARGETS, Column, parse_mapping
from collector.logs.guessing import guess_mapping
from collector.logs.mapped import parser
from db.errors import UsageError
from db.usage.facts import COUNTED
from tests.collector.logs.parsing import CONTEXT, IN_BERLIN, facts, reasons, usages


def columns(*parts: Any) -> dict[str, Any]:
    found = parse_mapping(*parts).columns
    return {target: (column.name, column.unit) if column.unit else column.name for target, column in found.items()}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "time=TIMESTAMP,prompt=ContextTokens,completion=GeneratedTokens",
            {"time": "TIMESTAMP", "prompt": "ContextTokens", "completion": "GeneratedTokens"},
        ),
        (" time = at , input = in , output=out, ", {"time": "at", "prompt": "in", "completion": "out"}),
        ("time=ts:ms,until=end:ns", {"time": ("ts", "ms"), "until": ("end", "ns")}),
        ("time=log:time,model=a:ms", {"time": "log:time", "model": "a:ms"}),
        ('time="ts:ms"', {"time": "ts:ms"}),
        ('time="ts:ms":us', {"time": ("ts:ms", "us")}),
        (
            "time=t,prompt='tokens, \"in\"',cost=a\\=b\\,c\\\\",
            {"time": "t", "prompt": 'tokens, "in"', "cost": "a=b,c\\"},
        ),
        (
            "time=t,cache_read=r,cache_write=w,cache_write_1h=h,reasoning=x,tag.team=Team",
            {"time": "t", "input_cache_read": "r", "input_cache_write": "w", "input_cache_write_1h": "h"}
            | {"internal_reasoning": "x", "tag.team": "Team"},
        ),
    ],
)
def test_a_mapping_is_written_as_target_equals_column(text: str, expected: dict[str, Any]) -> None:
    assert columns(text) == expected


def test_a_mapping_is_a_table_of_ratecard_toml_too() -> None:
    table = {"time": {"column": "a:ms", "unit": "s"}, "model": "m, n", "tag": {"team": "Team"}, "until": "end:ms"}

    assert columns(table) == {"time": ("a:ms", "s"), "model": "m, n", "tag.team": "Team", "until": ("end", "ms")}


def test_a_later_part_overrides_an_earlier_one() -> None:
    assert columns("time=a,prompt=b,model=c", {"input_total": "d", "model": "e"}) == {
        "time": "a",
        "prompt_total": "d",
        "model": "e",
    }


def test_every_target_and_short_name_can_be_mapped() -> None:
    for target in (*TARGETS, *SHORT):
        assert parse_mapping(f"time=t,{target}=c" if target != "time" else "time=c").columns
    assert set(COUNTED) < set(TARGETS)


@pytest.mark.parametrize(
    ("part", "sentence"),
    [
        ("prompt=x", "The mapping names no column for time; it can name columns for time, until, id,"),
        ("time=a,time=b", "The mapping names time twice; name one of them."),
        ("time=a,input=b,prompt=c", "The mapping names prompt twice; name one of them."),
        ("time=a,prompt=b,prompt_total=c", "The mapping names prompt and prompt_total, which count the same;"),
        ("time=a,promt=b", "The mapping names 'promt', which is none of time, until,"),
        ("time=a,model", "The mapping's 'model' is not of the form TARGET=COLUMN."),
        ("time=a,model=", "The mapping's 'model=' is not of the form TARGET=COLUMN."),
        ("time='a", "has a quote that is not closed, or ends with a backslash."),
        ("time=a,tag.=b", "The mapping's tag. is no usable tag: its name has 1 to 60 letters, digits, _, . or -."),
        ({"time": 5}, 'The mapping\'s time is no column: write time = "COLUMN".'),
        (
            {"time": {"column": "a", "unit": "min"}},
            "The mapping's time has the unit 'min', which is none of s, ms, us, ns.",
        ),
        (
            {"time": "a", "cost": {"column": "b", "unit": "s"}},
            "The mapping gives cost a unit, which only time and until",
        ),
    ],
)
def test_a_wrong_mapping_is_refused_in_one_sentence(part: Any, sentence: str) -> None:
    with pytest.raises(UsageError) as refusal:
        parse_mapping(part)

    assert sentence in str(refusal.value)
    assert str(refusal.value).endswith(".")


def test_a_misspelt_target_is_told_what_was_meant() -> None:
    with pytest.raises(UsageError, match=r"and tag\.NAME \(did you mean completion\?\)\."):
        parse_mapping("time=a,completions=b")


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["TIMESTAMP", "ContextTokens", "GeneratedTokens"], {"time": "TIMESTAMP", "prompt": "ContextTokens"}),
        (["created_at", "Model", "input_tokens", "output_tokens", "note"], {"time": "created_at", "model": "Model"}),
        (
            ["time", "prompt_tokens", "completion_tokens", "cached_tokens", "reasoning_tokens"],
            {
                "prompt_total": "prompt_tokens",
                "input_cache_read": "cached_tokens",
                "completion_total": "completion_tokens",
            },
        ),
        (
            ["time", "input_tokens", "output_tokens", "cache_read_input_tokens", "cache_creation_input_tokens"],
            {"prompt": "input_tokens", "input_cache_read": "cache_read_input_tokens"},
        ),
    ],
)
def test_obvious_names_are_guessed(names: list[str], expected: dict[str, str]) -> None:
    guessed = guess_mapping(names)

    assert guessed is not None
    assert expected.items() <= {target: column.name for target, column in guessed.columns.items()}.items()
    assert all(column.unit == "" for column in guessed.columns.values())


@pytest.mark.parametrize(
    "names",
    [
        [],
        ["time", "prompt_tokens"],
        ["prompt_tokens", "completion_tokens"],
        ["time", "created_at", "prompt_tokens", "completion_tokens"],
        ["time", "prompt_tokens", "input_tokens", "completion_tokens"],
        ["time", "prompt_tokens", "completion_tokens", "audio_seconds"],
        ["time", "prompt_tokens", "completion_tokens", "cache_tokens_saved"],
        ["time", "input_tokens", "output_tokens", "cached_tokens", "cache_creation_input_tokens"],
        ["timestamp", "input_length", "output_length", "hash_ids"],
    ],
)
def test_what_leaves_a_doubt_is_not_guessed(names: list[str]) -> None:
    assert guess_mapping(names) is None


def rows(mapping: str, *records: dict[str, Any], context: Any = CONTEXT) -> Any:
    return list(parser(parse_mapping(mapping))(list(enumerate(records, 2)), context))


def test_a_row_means_what_the_mapping_says() -> None:
    mapping = (
        "time=at,id=id,model=m,provider=p,api_key=k,prompt_total=in,cache_read=hit,completion_total=out,reasoning=why,"
        "cost=usd,tag.team=Team,total_tokens=all"
    )
    record = {"at": "2026-03-02T10:00:00Z", "id": "r1", "m": "acme/atlas", "p": "Nebius", "in": "100", "hit": "60"}
    record |= {"out": "30", "why": "", "usd": "0.10", "Team": "blue", "all": "130", "k": "sk-or-v1-0123456789abcdef"}

    (usage,) = usages(rows(mapping, record))

    assert facts(usage) == {
        "at": "2026-03-02T10:00:00+00:00",
        "model": "acme/atlas",
        "provider": "Nebius",
        "key": "generic:r1",
        "quantities": {"prompt": 40, "input_cache_read": 60, "completion": 30},
        "cost_usd": "0.1",
        "tags": {"team": "blue"},
        "total_tokens": 130,
        "api_key": "sk-or-v1-…cdef",
    }
    assert usage.cost_usd == Decimal("0.10")


def test_times_are_read_in_their_unit_or_zone() -> None:
    assert usages(rows("time=t:ms,prompt=p", {"t": "1772445600000", "p": 1}))[0].at == datetime(
        2026, 3, 2, 10, tzinfo=UTC
    )
    assert usages(rows("time=t,prompt=p", {"t": "2026-03-02 11:00:00", "p": 1}, context=IN_BERLIN))[0].at.hour == 10


def test_a_bucket_has_an_end_and_its_requests() -> None:
    bucket = {"a": 1772445600, "b": 1772449200, "n": 7, "p": 70}
    (usage,) = usages(rows("time=a:s,until=b:s,requests=n,prompt=p", bucket))

    assert (usage.requests, usage.until) == (7, datetime(2026, 3, 2, 11, tzinfo=UTC))
    assert reasons(rows("time=a:s,until=b:s,requests=n,prompt=p", {**bucket, "n": 0}, {**bucket, "b": 1773208800})) == [
        "it has no requests",
        "it is not over before 2026-03-11T06:00:00+00:00: import it again then",
    ]


def test_a_row_that_contradicts_itself_is_refused() -> None:
    found = rows(
        "time=t,prompt_total=in,cache_read=hit",
        {"t": "2026-03-02T10:00:00Z", "in": 5, "hit": 6},
        {"t": "2026-03-02T10:00:00Z", "in": "", "hit": None},
        {"in": 5},
    )

    assert reasons(found) == [
        "input_cache_read (6) exceed in (5), which includes them",
        "it has no counts",
        "t is missing",
    ]


def test_included_meters_are_those_that_are_mapped() -> None:
    mapping = parse_mapping("time=t,prompt_total=a,cache_read=b,cache_write_1h=c,tag.x=d")

    assert mapping.included("prompt_total") == ("input_cache_read", "input_cache_write_1h")
    assert mapping.tags == {"x": Column("d")}
