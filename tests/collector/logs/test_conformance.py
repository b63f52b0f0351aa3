"""What every registered log format keeps to, on a small fixture in its own shape: records in, usage out."""

import json
from collections.abc import Iterator
from datetime import UTC, timedelta
from decimal import Decimal
from typing import Any

import pytest

from collector.logs import FORMATS, recognise
from collector.logs.base import Context, Format, Parsed
from collector.logs.fields import MOST_UNITS
from collector.logs.jsontext import parse
from collector.logs.reading import sample
from db.errors import InputError
from db.usage.facts import COUNTED, Usage
from tests.collector.logs.parsing import CONTEXT, FIXTURES, LOGS, NOW, facts, fixture, parsed, records_of, usages

HOSTILE = {
    "null": "null",
    "list": "[]",
    "object": "{}",
    "zero": "0",
    "negative": "-5",
    "word": '"abc"',
    "empty text": '""',
    "huge number": "1e400",
    "huge number as text": '"1e400"',
    "number beyond all exponents": "-1e99999999999999999999",
    "long number": "9" * 5_000,
    "beyond any count": "1000000000001",
    "not a number": "NaN",
    "infinite": "-Infinity",
    "true": "true",
    "fraction": "0.5",
    "long text": json.dumps("x" * 10_000),
    "unstorable text": r'"\u0000\ud800"',
    "secret": '"sk-or-v1-0123456789abcdef0123456789abcdef"',
    "list of lists": "[[[]], {}]",
    "nested objects": '{"a":' * 400 + "1" + "}" * 400,
}
"""JSON that no field should hold."""

every_format = pytest.mark.parametrize("log", FORMATS.values(), ids=lambda log: log.name)
every_fixture = pytest.mark.parametrize("name", LOGS)


@every_format
def test_it_is_registered_under_its_name(log: Format) -> None:
    assert FORMATS[log.name] is log
    assert log.name in LOGS.values()
    assert log.title
    assert log.keyed


def test_every_fixture_belongs_to_a_format() -> None:
    assert {file.name for file in FIXTURES.iterdir()} == {*LOGS, "expected.json"}


@every_fixture
def test_its_fixture_gives_the_expected_usage(name: str) -> None:
    expected = json.loads((FIXTURES / "expected.json").read_text())
    found = list(FORMATS[LOGS[name]].parse(records_of(FIXTURES / name), CONTEXT))

    assert [facts(usage) for usage in usages(found)] == expected[name]
    assert [each.reason for each in found if each.reason] == []


@every_fixture
def test_it_is_recognised_and_no_other_is(name: str) -> None:
    assert recognise(sample(FIXTURES / name)).name == LOGS[name]


def test_a_stray_record_does_not_hide_what_a_log_is() -> None:
    records = fixture("litellm.jsonl") * 10

    assert recognise([*records, {"note": "rotated"}]).name == "litellm"


@pytest.mark.parametrize("records", [[], [{}], [{"time": "2026-01-01", "tokens": "5"}]])
def test_what_no_format_is_sure_of_is_refused_with_their_names(records: list[Any]) -> None:
    with pytest.raises(InputError) as refusal:
        recognise(records, "usage.csv")

    assert str(refusal.value).startswith("usage.csv is of no format that is recognised: name it with --log-format")
    assert all(name in str(refusal.value) for name in FORMATS)


@every_fixture
@pytest.mark.parametrize("token", HOSTILE.values(), ids=HOSTILE)
def test_a_wrong_value_anywhere_costs_its_own_item_at_most(name: str, token: str) -> None:
    records = fixture(name)
    log = FORMATS[LOGS[name]]
    for position in positions(records):
        hostile = replaced(records, position, token)
        for each in FORMATS.values():
            each.recognises([record for record in hostile if isinstance(record, dict)])
        found = list(log.parse([(i, r) for i, r in enumerate(hostile, 1) if isinstance(r, dict)], CONTEXT))
        for each_parsed in found:
            assert_sound(each_parsed, log)
        untouched = [u for u in usages(parsed(log.name, records)) if u in usages(found)]
        others = [record for at, record in enumerate(records) if at != position[0]] if position else []
        if log.name != "codex":  # there, a line has a say in the lines after it
            assert len(untouched) >= len(usages(parsed(log.name, others)))


@every_format
@pytest.mark.parametrize("token", HOSTILE.values(), ids=HOSTILE)
def test_no_format_stumbles_over_the_records_of_another(log: Format, token: str) -> None:
    records = [r for name in LOGS for r in fixture(name)] + [{"type": parse(token), "payload": parse(token)}]
    found = list(log.parse(list(enumerate(records, 1)), CONTEXT))

    assert {each.line for each in found} == set(range(1, len(records) + 1))
    for each in found:
        assert_sound(each, log)


@every_fixture
def test_nothing_lies_in_the_future_or_is_half_full(name: str) -> None:
    early = Context(NOW - timedelta(days=365))

    assert usages(FORMATS[LOGS[name]].parse(records_of(FIXTURES / name), early)) == []


def assert_sound(found: Parsed, log: Format) -> None:
    assert len(found.reason) < 500
    assert found.reason.isprintable()
    assert not (found.reason and found.usage)
    for usage in found.usage:
        assert_sound_usage(usage, log)


def assert_sound_usage(usage: Usage, log: Format) -> None:
    assert usage.at.tzinfo is UTC
    assert usage.at <= NOW + timedelta(days=1)
    assert usage.until is None or usage.at < usage.until <= NOW
    assert type(usage.requests) is int
    assert 1 <= usage.requests <= MOST_UNITS
    assert usage.quantities.keys() <= set(COUNTED)
    assert all(type(units) is int and 0 <= units <= 10 * MOST_UNITS for units in usage.quantities.values())
    assert usage.total_tokens is None or type(usage.total_tokens) is int
    assert usage.cost_usd is None or (type(usage.cost_usd) is Decimal and usage.cost_usd >= 0)
    texts = [usage.model, usage.provider, usage.endpoint, usage.variant, usage.project, usage.api_key, usage.user]
    for text in [*texts, *usage.tags, *usage.tags.values()]:
        assert text.isprintable()
        assert len(text) <= 200
        assert "0123456789abcdef0123" not in text
    assert usage.key is None or (usage.key.startswith(("openrouter_generation:", f"{log.name}:")))
    assert usage.key is None or (len(usage.key) < 250 and usage.key.isascii() and usage.key.isprintable())
    assert 0 <= usage.rank < 2**63


def positions(node: Any, at: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Where every node of the records is."""
    if at:
        yield at
    for step, inner in node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ():
        yield from positions(inner, (*at, step))


def replaced(records: list[Any], position: tuple[str | int, ...], token: str) -> list[Any]:
    """The records with what `token` means at `position`."""
    copy = [rebuilt(record) if at == position[0] else record for at, record in enumerate(records)]
    parent: Any = copy
    for step in position[:-1]:
        parent = parent[step]
    parent[position[-1]] = parse(token)
    return copy


def rebuilt(node: Any) -> Any:
    if isinstance(node, dict):
        return {name: rebuilt(inner) for name, inner in node.items()}
    return [rebuilt(inner) for inner in node] if isinstance(node, list) else node
