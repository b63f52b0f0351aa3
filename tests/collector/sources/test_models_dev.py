"""The models.dev document and what it comes to."""

import json
from typing import Any

import pytest

from collector.sources.base import Memo, parse_json
from collector.sources.models_dev import SOURCE, read
from db.prices.facts import Offer, Snapshot
from tests.collector.playing import conditional, offer_at, rates_of, refused

Json = dict[str, Any]


def document(**models: Json) -> Json:
    """A document of one provider; underscores in the names stand for slashes."""
    return {"nebius": {"name": "Nebius", "models": {name.replace("_", "/"): item for name, item in models.items()}}}


def read_text(text: str) -> Snapshot:
    return read(parse_json(text, "the document"), Memo())


def costing(cost: str) -> Offer:
    """The offer of a model with that `cost`, as JSON text."""
    return offer_at(read_text(in_document("acme/atlas-1", cost)), "nebius/acme/atlas-1")


def in_document(model: str, cost: str) -> str:
    """A document of that model, and of one that has no cost."""
    return f'{{"nebius": {{"models": {{"{model}": {{"cost": {cost}}}, "acme/beacon": {{}}}}}}}}'


def test_prices_per_million_become_prices_per_token_exactly() -> None:
    offer = costing('{"input": 1, "output": 3.0, "cache_read": 0.08333, "reasoning": "2.5", "input_audio": 1e-3}')

    assert rates_of(offer) == {
        "prompt": "0.000001",
        "completion": "0.000003",
        "input_cache_read": "0.00000008333",
        "internal_reasoning": "0.0000025",
        "audio": "0.000000001",
    }


@pytest.mark.parametrize(
    ("given", "usd"),
    [
        ("1.7999999999999998", "0.0000018"),
        ("0.30000000000000004", "0.0000003"),
        ("0.09999999999999999", "0.0000001"),
        ("0.08333333333333334", "0.00000008333333333333334"),
        ("0.12345678901234", "0.00000012345678901234"),
        ("2.0", "0.000002"),
    ],
)
def test_artefacts_of_binary_floats_are_undone(given: str, usd: str) -> None:
    assert rates_of(costing(f'{{"input": {given}, "output": 1}}'))["prompt"] == usd


def test_the_price_above_200k_holds_from_the_next_token() -> None:
    offer = costing('{"input": 1, "output": 2, "context_over_200k": {"input": 2, "output": 4}}')

    assert conditional(offer) == [
        ("prompt", "0.000002", 200_000, None, None),
        ("completion", "0.000004", 200_000, None, None),
    ]


def test_tiers_keep_their_size_as_threshold_and_the_longest_prompt_comes_last() -> None:
    offer = costing(
        """{"input": 1, "output": 2, "context_over_200k": {"input": 3},
            "tiers": [{"input": 4, "tier": {"type": "context", "size": 272000}},
                      {"input": 2, "tier": {"size": 32000}}]}"""
    )

    assert conditional(offer) == [
        ("prompt", "0.000002", 32_000, None, None),
        ("prompt", "0.000003", 200_000, None, None),
        ("prompt", "0.000004", 272_000, None, None),
    ]


def test_one_tier_told_in_both_ways_is_one_rate() -> None:
    offer = costing(
        '{"input": 1, "context_over_200k": {"input": 3}, "tiers": [{"input": 3, "tier": {"size": 200000}}]}'
    )

    assert conditional(offer) == [("prompt", "0.000003", 200_000, None, None)]


@pytest.mark.parametrize("item", [{}, {"cost": None}, {"cost": {}}])
def test_no_cost_is_no_rate_but_the_model_is_there(item: Json) -> None:
    (offer,) = read(document(acme_atlas=item), Memo()).offers

    assert offer.rates == ()


def test_an_id_that_differs_in_case_only_is_the_same_key() -> None:
    (before,) = read(document(NousResearch_Hermes={}), Memo()).offers
    (after,) = read(document(nousresearch_hermes={}), Memo()).offers

    assert before.key == after.key == "nebius/nousresearch/hermes"
    assert (before.native_model, after.native_model) == ("NousResearch/Hermes", "nousresearch/hermes")


@pytest.mark.parametrize(
    "spelling", ["cache_read", "cached_input", "cached_read", "cache_input", "cached", "inputCached"]
)
def test_the_cache_price_has_had_many_names(spelling: str) -> None:
    assert rates_of(costing(f'{{"input": 1, "output": 2, "{spelling}": 0.5}}'))["input_cache_read"] == "0.0000005"


def test_where_two_spellings_stand_the_schemas_own_wins() -> None:
    offer = costing('{"cached_input": 0.7, "cache_read": 0.5, "input": 1, "output": 2}')

    assert rates_of(offer)["input_cache_read"] == "0.0000005"


def test_an_unknown_cost_is_kept_and_counted() -> None:
    snapshot = read_text(
        """{"nebius": {"models": {"a": {"cost": {"input": 1, "output": 2, "image": 21,
            "tiers": [{"input": 2, "image": 30, "tier": {"size": 1000}}]}}}}}"""
    )

    (offer,) = snapshot.offers
    assert offer.detail.extra == {"cost.image": 21, "cost.above_1000.image": 30}
    assert snapshot.unknown_fields == {"cost.image": 1, "cost.above_1000.image": 1}


@pytest.mark.parametrize(
    ("cost", "reason"),
    [
        ('"free"', "cost is not an object: 'free'"),
        ('{"input": -1, "output": 2}', "input is negative: -1"),
        ('{"input": NaN, "output": 2}', "input is not an amount: 'NaN'"),
        ('{"input": 1e12, "output": 2}', "input is no plausible amount: '1E+12'"),
        ('{"input": 1, "tiers": [{"input": 2}]}', "a tier without a usable size"),
        (
            '{"input": 1, "tiers": [{"input": 2, "tier": {"type": "output", "size": 5}}]}',
            "a tier without a usable size",
        ),
        ('{"input": 1, "tiers": {"input": 2}}', "tiers is not a list"),
        ('{"input": 1, "context_over_200k": 2}', "a price tier is not an object: '2'"),
    ],
)
def test_a_cost_that_cannot_be_read_refuses_its_model_only(cost: str, reason: str) -> None:
    snapshot = read_text(in_document("Acme/Atlas", cost))

    assert [offer.key for offer in snapshot.offers] == ["nebius/acme/beacon"]
    assert [r.item for r in snapshot.rejections] == ["nebius/acme/atlas"]
    assert snapshot.rejections[0].reason.startswith(f"nebius/acme/atlas: {reason}")
    assert snapshot.whole


def test_a_provider_without_a_list_of_models_proves_no_absence() -> None:
    snapshot = read({"nebius": {"models": {"a": {}}}, "chutes": {"models": []}}, Memo())

    assert [offer.key for offer in snapshot.offers] == ["nebius/a"]
    assert [(r.item, r.reason) for r in snapshot.rejections] == [(None, "provider 'chutes' without a list of models")]
    assert not snapshot.whole


def test_two_ids_that_differ_in_case_only_are_unknown_where_they_disagree() -> None:
    snapshot = read(
        document(Acme_Atlas={"cost": {"input": 1}}, acme_atlas={"cost": {"input": 2}}, acme_beacon={}), Memo()
    )

    assert [offer.key for offer in snapshot.offers] == ["nebius/acme/beacon"]
    assert [r.item for r in snapshot.rejections] == ["nebius/acme/atlas"]


def test_a_changed_item_is_read_anew_and_its_neighbours_are_remembered() -> None:
    memo = Memo()
    first = read(document(a={"cost": {"input": 1}}, b={"cost": {"input": 5}}), memo)
    second = read(document(a={"cost": {"input": 2}}, b={"cost": {"input": 5}}), memo)

    assert rates_of(offer_at(second, "nebius/a")) == {"prompt": "0.000002"}
    assert offer_at(second, "nebius/b") is offer_at(first, "nebius/b")


@pytest.mark.parametrize("body", [b"{}", b"[]", b'{"error": "busy"}', b'{"nebius": {"name": "Nebius"}}'])
def test_a_body_without_providers_is_refused_in_one_sentence(body: bytes) -> None:
    assert refused(SOURCE, lambda _path: body) == (
        "The models.dev document is not usable: it holds no providers with models."
    )


def test_json_numbers_are_never_floats_on_the_way() -> None:
    text = json.dumps({"nebius": {"models": {"a": {"cost": {"input": 0.1 + 0.2}}}}})

    assert rates_of(read_text(text).offers[0]) == {"prompt": "0.0000003"}
