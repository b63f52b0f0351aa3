"""OpenRouter's list of models and what it comes to."""

import json
from typing import Any

import pytest

from collector.sources.base import Memo, parse_json
from collector.sources.openrouter import SOURCE, read
from db.errors import InputError, SourceError
from db.meters import UNITS
from db.prices.facts import Offer, Snapshot
from tests.collector.bodies import Json, market, model
from tests.collector.playing import conditional, offer_at, rates_of, refused
from tests.collector.sources.polling import polled


def listed(*models: Json) -> Snapshot:
    """What a list of models comes to."""
    return read(parse_json(json.dumps({"data": models}), "the list"), Memo())


def priced(**pricing: Any) -> Offer:
    """The one offer of a model with that price."""
    (offer,) = listed(model("acme/atlas-1", pricing={"prompt": "0.000001", "completion": "0.000002", **pricing})).offers
    return offer


# Prices on the list of models


def test_every_known_meter_is_a_rate_with_the_same_digits() -> None:
    pricing = {meter: f"0.{'0' * 7}{number}33333333333" for number, meter in enumerate(UNITS, 1)}

    assert rates_of(priced(**pricing)) == pricing


def test_minus_one_is_a_dynamic_price_not_a_negative_one() -> None:
    assert rates_of(priced(prompt="-1", completion="-1")) == {"prompt": None, "completion": None}


def test_zero_is_free_and_a_missing_meter_is_not_quoted() -> None:
    assert rates_of(priced(prompt="-0", completion="0", request=None)) == {"prompt": "0", "completion": "0"}


@pytest.mark.parametrize(
    ("pricing", "reason"),
    [
        ({"prompt": "-0.000001"}, "prompt is negative: '-0.000001'"),
        ({"prompt": "a lot"}, "prompt is not an amount: 'a lot'"),
        ({"completion": None}, "pricing has no completion"),
        ({"prompt": {"text": "0.000001"}}, "prompt is not an amount: \"{'text': '0.000001'}\""),
        ({"image": ["0.1"]}, "image is not an amount: \"['0.1']\""),
        ({"prompt": "10000"}, "prompt is no plausible amount: '10000'"),
        ({"prompt": True}, "prompt is not an amount: 'True'"),
    ],
)
def test_a_known_meter_that_cannot_be_read_refuses_the_whole_price(pricing: Json, reason: str) -> None:
    both = {"prompt": "0.000001", "completion": "0.000002"}
    snapshot = listed(model("acme/Atlas-1", pricing=both | pricing), model("acme/beacon"))

    assert [offer.key for offer in snapshot.offers] == ["acme/beacon"]
    (rejection,) = snapshot.rejections
    assert (rejection.part, rejection.item) == ("models", "acme/atlas-1")
    assert rejection.reason == f"acme/Atlas-1: {reason}"
    assert snapshot.whole
    assert snapshot.items == 2


def test_an_unknown_amount_is_a_meter_of_its_own() -> None:
    assert rates_of(priced(video_second="0.25"))["video_second"] == "0.25"


def test_an_unknown_price_field_that_is_no_amount_is_kept_and_counted() -> None:
    pricing = {"prompt": "0.000001", "completion": "0.000002", "currency": "USD", "tiers": [{"from": 1}]}

    snapshot = listed(model("acme/atlas-1", pricing=pricing), model("acme/beacon", pricing=pricing))

    (offer, _) = snapshot.offers
    assert rates_of(offer) == {"prompt": "0.000001", "completion": "0.000002"}
    assert offer.detail.extra == {"pricing.currency": "USD", "pricing.tiers": [{"from": 1}]}
    assert snapshot.unknown_fields == {"pricing.currency": 2, "pricing.tiers": 2}
    assert snapshot.rejections == ()


def test_a_prompt_tier_begins_one_token_above_its_threshold() -> None:
    offer = priced(overrides=[{"min_prompt_tokens": 200_000, "prompt": "0.000002", "completion": "0.000003"}])

    assert conditional(offer) == [
        ("completion", "0.000003", 200_000, None, None),
        ("prompt", "0.000002", 200_000, None, None),
    ]


def test_a_time_window_may_wrap_midnight() -> None:
    offer = priced(
        overrides=[
            {"utc_start": 1000, "utc_end": 100, "prompt": "0.0000005"},
            {"utc_start": 100, "utc_end": 400, "prompt": "0.000002"},
        ]
    )

    assert conditional(offer) == [("prompt", "0.0000005", 0, 1000, 100), ("prompt", "0.000002", 0, 100, 400)]


def test_of_two_overrides_with_one_condition_the_later_wins() -> None:
    offer = priced(
        overrides=[
            {"min_prompt_tokens": 1000, "prompt": "0.000005"},
            {"utc_start": 0, "utc_end": 600, "prompt": "0.000004"},
            {"min_prompt_tokens": 1000, "prompt": "0.000003"},
        ]
    )

    assert conditional(offer) == [("prompt", "0.000004", 0, 0, 600), ("prompt", "0.000003", 1000, None, None)]


@pytest.mark.parametrize(
    ("override", "reason"),
    [
        ({"prompt": "0.1"}, "an override without a usable condition"),
        ({"utc_start": 100, "prompt": "0.1"}, "an override without a usable condition"),
        ({"utc_start": 100, "utc_end": 2460, "prompt": "0.1"}, "override condition utc_end is not usable: '2460'"),
        ({"utc_start": 99, "utc_end": 200, "prompt": "0.1"}, "override condition utc_start is not usable: '99'"),
        ({"min_prompt_tokens": "many", "prompt": "0.1"}, "override condition min_prompt_tokens is not usable: 'many'"),
        ({"min_prompt_tokens": 10**12, "prompt": "0.1"}, "override condition min_prompt_tokens is not usable"),
        ({"min_prompt_tokens": 1000, "weekday": 6, "prompt": "0.1"}, "an override with an unknown field: 'weekday'"),
        ("tier", "an override is not an object: 'tier'"),
    ],
)
def test_an_override_that_is_not_understood_refuses_the_price(override: Any, reason: str) -> None:
    pricing = {"prompt": "0.000001", "completion": "0.000002", "overrides": [override]}
    snapshot = listed(model("acme/atlas-1", pricing=pricing))

    assert snapshot.offers == ()
    assert reason in snapshot.rejections[0].reason


# What is said of a model


def test_an_alias_names_what_it_stands_for_and_is_not_asked_for_endpoints() -> None:
    target = {"name": "Acme: Atlas 1", "slug": "acme/atlas-1"}
    bodies = market([model("acme/atlas-1"), model("~acme/atlas-latest", alias_target=target)], prefix="")
    del bodies["/models/~acme/atlas-latest/endpoints"]

    snapshot = polled(bodies)

    assert offer_at(snapshot, "~acme/atlas-latest").detail.alias_of == "acme/atlas-1"
    assert snapshot.rejections == ()


def test_a_variant_keeps_its_suffix_in_the_key_and_is_asked_for_by_it() -> None:
    snapshot = polled(market([model("acme/atlas-1:free", "0", "0")], prefix=""))

    assert [offer.key for offer in snapshot.offers] == ["acme/atlas-1:free", "acme/atlas-1:free@nebius/fp8"]
    assert {offer.native_model for offer in snapshot.offers} == {"acme/atlas-1:free"}


def test_the_expiration_date_and_the_knowledge_cutoff_are_kept_as_given() -> None:
    (offer,) = listed(model("acme/atlas-1", expiration_date="2026-09-30", knowledge_cutoff="2025-06")).offers

    assert (offer.detail.expires, offer.detail.knowledge_cutoff) == ("2026-09-30", "2025-06")


def test_a_field_that_is_unknown_or_of_the_wrong_type_is_kept_and_counted() -> None:
    snapshot = listed(
        model("acme/atlas-1", carbon_grams=1.5, context_length="long"), model("acme/beacon", carbon_grams=2)
    )

    first = snapshot.offers[0].detail
    assert json.loads(first.text)["extra"] == {"carbon_grams": 1.5, "context_length": "long"}
    assert first.context_length is None
    assert snapshot.unknown_fields == {"carbon_grams": 2, "context_length": 1}


def test_early_bodies_say_their_modalities_in_one_word() -> None:
    early = {"modality": "text+image->text", "tokenizer": "Qwen", "instruct_type": "chatml"}
    (offer,) = listed(model("qwen/qwen-2.5-72b-instruct", architecture=early)).offers

    assert offer.detail.input_modalities == ("image", "text")
    assert offer.detail.output_modalities == ("text",)


def test_entries_without_a_usable_id_prove_no_absence() -> None:
    snapshot = listed(model("acme/atlas-1"), model("acme/beacon", id=None), model("x" * 201), model("a\x00b"))

    assert [offer.key for offer in snapshot.offers] == ["acme/atlas-1"]
    assert [rejection.item for rejection in snapshot.rejections] == [None, None, None]
    assert not snapshot.whole
    assert snapshot.items == 4


def test_a_model_listed_twice_is_kept_where_both_agree_and_unknown_where_not() -> None:
    twice = listed(model("acme/atlas-1"), model("acme/atlas-1"))
    torn = listed(model("acme/atlas-1"), model("acme/atlas-1", "0.000009"), model("acme/beacon"))

    assert [offer.key for offer in twice.offers] == ["acme/atlas-1"]
    assert [offer.key for offer in torn.offers] == ["acme/beacon"]
    assert [(r.item, r.reason) for r in torn.rejections] == [
        ("acme/atlas-1", "acme/atlas-1 is listed twice with different content")
    ]


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "OpenRouter's list of models is not usable: it is empty."),
        (b" \n", "OpenRouter's list of models is not usable: it is empty."),
        (b"<!DOCTYPE html><html>", "OpenRouter's list of models is not usable: it is HTML, not JSON."),
        (b'{"data": [{"id": "acme/a', "OpenRouter's list of models is not usable: it is not JSON (Unterminated string"),
        (b'{"error": {"code": 401}}', "OpenRouter's list of models is not usable: it holds no list named data."),
        (b'"data"', "OpenRouter's list of models is not usable: it holds no list named data."),
    ],
)
def test_a_body_that_is_no_list_of_models_is_refused_in_one_sentence(body: bytes, reason: str) -> None:
    assert (refused(SOURCE, lambda _path: body) or "").startswith(reason)


def test_a_failing_list_of_models_fails_the_poll() -> None:
    with pytest.raises(SourceError, match=r"answered 404"):
        polled({})


def test_a_recorded_body_may_be_the_bare_list() -> None:
    assert read([model("acme/atlas-1")], Memo()).digest == listed(model("acme/atlas-1")).digest
    with pytest.raises(InputError, match="holds no list named data"):
        read({"data": {}}, Memo())


def test_an_entry_whose_fields_move_comes_to_the_same_as_one_read_anew() -> None:
    score, other, odd = {"index": {"score": 51.5}}, {"index": {"score": 52.5}}, "soon"
    dear, unread = {"prompt": "0.1", "completion": "0.2"}, {"prompt": "1", "completion": {}}
    entries: list[Json] = [
        {},
        *({"benchmarks": benchmarks} for benchmarks in (score, other, {}, None, odd, score, {**score, "more": "a\0b"})),
        *({"benchmarks": score, "pricing": pricing} for pricing in (dear, unread)),
        {"benchmarks": other, "pricing": unread},
        {"benchmarks": other, "surprise": 1},
        {"benchmarks": score, "surprise": 1},
    ]
    memo = Memo()
    for entry in [*entries, *reversed(entries)]:
        body = [model("acme/atlas-1", **entry)]
        again, anew = read(body, memo), read(body, Memo())

        assert (again, again.digest) == (anew, anew.digest)
