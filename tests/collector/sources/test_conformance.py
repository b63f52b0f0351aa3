"""What every registered source keeps to, on a small fixture in its own shape: bodies in, the facts beside them out."""

import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from collector.sources import SOURCES
from collector.sources.base import Memo, Source
from db.errors import InputError, SourceError
from db.prices.facts import Offer, Snapshot
from tests.collector.playing import facts, play
from tests.collector.sources import package
from tests.support.repository import ROOT

FIXTURES = ROOT / "tests" / "fixtures"
DOCUMENTS = {
    "openrouter": ("/models", "/models/acme/atlas-1/endpoints", "/models/acme/beacon:free/endpoints"),
    "models_dev": ("/api.json",),
    "genai_prices": (),
}
"""Source -> the requests that its fixture answers."""

HOSTILE = {
    "null": "null",
    "list": "[]",
    "object": "{}",
    "zero": "0",
    "negative": "-5",
    "word": '"abc"',
    "huge number": "1e400",
    "huge number as text": '"1e400"',
    "number beyond all exponents": "-1e99999999999999999999",
    "long number": "9" * 5_000,
    "not a number": "NaN",
    "infinite": "-Infinity",
    "true": "true",
    "fraction": "0.5",
    "long text": json.dumps("x" * 10_000),
    "unstorable text": r'"\u0000\ud800"',
    "nested lists": "[" * 400 + "]" * 400,
    "nested objects": '{"a":' * 400 + "1" + "}" * 400,
}
"""JSON that no field should hold."""

Position = tuple[str | int, ...]

every_source = pytest.mark.parametrize("source", SOURCES.values(), ids=lambda source: source.name)
every_document = pytest.mark.parametrize(
    ("source", "path"),
    [pytest.param(SOURCES[name], path, id=f"{name}{path}") for name, paths in DOCUMENTS.items() for path in paths],
)


@pytest.fixture(autouse=True)
def small_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("genai_prices.data.providers", package.providers())


def fixture_body(source: Source, path: str) -> bytes:
    file = FIXTURES / source.name / path.strip("/").replace(":", "-")
    return file.with_suffix(".json").read_bytes()


def played(source: Source, changed: dict[str, bytes] | None = None, memo: Memo | None = None) -> Snapshot:
    """The source's poll of its fixture, with some of the bodies changed."""
    bodies = {path: fixture_body(source, path) for path in DOCUMENTS[source.name]} | (changed or {})
    nothing = SourceError("upstream answered 404: there is nothing at this address.", permanent=True)
    return play(source, lambda path: bodies.get(path, nothing), memo)


@every_source
def test_it_is_registered_under_its_name(source: Source) -> None:
    assert SOURCES[source.name] is source
    assert source.name in DOCUMENTS
    assert source.title
    assert source.every >= timedelta(minutes=1)
    assert (source.url is None) == (source.url_setting is None)


@every_source
def test_its_fixture_gives_the_expected_facts(source: Source) -> None:
    expected = json.loads((FIXTURES / source.name / "expected.json").read_text())

    assert facts(played(source)) == expected


@every_source
def test_the_same_bodies_again_are_the_same_snapshot(source: Source) -> None:
    memo = Memo()
    first, second = played(source, memo=memo), played(source, memo=memo)

    assert second == first == played(source)
    assert second.digest == first.digest


@every_source
def test_the_order_of_entries_and_fields_does_not_matter(source: Source) -> None:
    turned = {
        path: json.dumps(turned_round(json.loads(fixture_body(source, path)))).encode()
        for path in DOCUMENTS[source.name]
    }

    assert played(source, turned).digest == played(source).digest


@every_source
def test_rates_are_exact_and_keys_are_unique_in_lower_case(source: Source) -> None:
    assert_sound(played(source))


@every_document
@pytest.mark.parametrize("token", HOSTILE.values(), ids=HOSTILE)
def test_a_wrong_value_anywhere_costs_its_own_item_at_most(source: Source, path: str, token: str) -> None:
    document = json.loads(fixture_body(source, path))
    before = played(source)
    for position in positions(document):
        try:
            after = played(source, {path: replaced(document, position, token)})
        except InputError:
            # It can only have been the whole list that was not one any more.
            if len(position) < 2:
                continue
            raise
        assert_sound(after)
        touched = touched_by(source, path, document, position)
        offered = {offer.key: offer for offer in after.offers}
        for offer in before.offers:
            assert touched(offer) or offered.get(offer.key) == offer, (position, offer.key)


def assert_sound(snapshot: Snapshot) -> None:
    keys = [offer.key for offer in snapshot.offers]
    assert len(keys) == len(set(keys))
    for offer in snapshot.offers:
        assert offer.key == offer.key.lower()
        assert len(offer.key.encode()) < 2_500, "an index of PostgreSQL holds no more"
        assert offer.provider
        assert offer.provider_name
        assert len({rate.condition for rate in offer.rates}) == len(offer.rates)
        for rate in offer.rates:
            assert type(rate.usd) in (Decimal, type(None))
            assert rate.usd is None or (rate.usd.is_finite() and rate.usd >= 0)
            assert 0 <= rate.min_prompt_tokens < 2**31
        assert is_storable(offer.detail.text)
        assert is_storable(offer.benchmarks_text)
    for rejection in snapshot.rejections:
        assert is_storable(f"{rejection.part} {rejection.item}")
        assert is_storable(rejection.reason)
        assert len(rejection.reason) < 500
    assert snapshot.digest


def is_storable(text: str) -> bool:
    """Whether SQLite and PostgreSQL take it."""
    return "\0" not in text and text.encode().decode() == text


def positions(node: Any, at: Position = ()) -> Iterator[Position]:
    """Where every node of a document is, the document itself first."""
    yield at
    for step, inner in node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ():
        yield from positions(inner, (*at, step))


def replaced(document: Any, position: Position, token: str) -> bytes:
    """The document as JSON, with `token` for what is at `position`."""
    if not position:
        return token.encode()
    mark = "what is replaced"
    copy = json.loads(json.dumps(document))
    parent = copy
    for step in position[:-1]:
        parent = parent[step]
    parent[position[-1]] = mark
    return json.dumps(copy).replace(json.dumps(mark), token).encode()


def touched_by(source: Source, path: str, document: Any, position: Position) -> Callable[[Offer], bool]:
    """Whether an offer comes from the entry that the position is in, or from a list that it is above of."""
    if source.name == "models_dev":
        # provider, "models", model, ...; what else a provider has goes for all its models.
        names = [str(step) for step in position[:3] if step != "models"]
        prefix = "/".join(names[: 2 if position[1:2] == ("models",) else 1]).lower()
        return lambda offer: offer.key.startswith(prefix)
    if path == "/models":
        entry = document["data"][position[1]]["id"] if len(position) > 1 else ""
        return lambda offer: not entry or offer.key == entry or offer.scope == f"{entry}@"
    scope = path.removeprefix("/models/").removesuffix("/endpoints") + "@"
    if position[:2] == ("data", "endpoints") and len(position) > 2:
        item = document["data"]["endpoints"][position[2]]
        key = f"{scope}{item.get('tag', item['name'])}".lower()
        return lambda offer: offer.key == key
    is_above = len(position) < 2 or position == ("data", "endpoints")
    return lambda offer: is_above and offer.scope == scope


def turned_round(node: Any) -> Any:
    """The fields of every object, and every list of things that have names, in the opposite order."""
    if isinstance(node, dict):
        return {name: turned_round(node[name]) for name in reversed(node)}
    if isinstance(node, list):
        inner = [turned_round(each) for each in node]
        have_names = all(isinstance(each, dict) and {"id", "tag", "name"} & each.keys() for each in node)
        return inner[::-1] if have_names else inner
    return node


def test_every_fixture_belongs_to_a_source() -> None:
    assert {folder.name for folder in Path(FIXTURES).iterdir()} == SOURCES.keys()
