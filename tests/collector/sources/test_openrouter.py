"""OpenRouter's bodies and what they come to."""

import json
from typing import Any

import pytest

from collector.sources.base import Memo, parse_json
from collector.sources.openrouter import SOURCE, read
from db.catalog.facts import Reported
from db.errors import InputError, SourceError
from db.meters import UNITS
from db.prices.facts import Offer, Snapshot
from tests.collector.bodies import Json, endpoint, endpoints, market, model
from tests.collector.playing import conditional, offer_at, play, rates_of, refused


def listed(*models: Json) -> Snapshot:
    """What a list of models comes to."""
    return read(parse_json(json.dumps({"data": models}), "the list"), Memo())


def priced(**pricing: Any) -> Offer:
    """The one offer of a model with that price."""
    (offer,) = listed(model("acme/atlas-1", pricing={"prompt": "0.000001", "completion": "0.000002", **pricing})).offers
    return offer


def polled(bodies: dict[str, Any]) -> Snapshot:
    """A whole poll of those bodies, by path; what is not among them is not there."""

    def body_at(path: str) -> bytes | SourceError:
        nothing = SourceError(f"openrouter.test{path} answered 404: there is nothing at this address.", permanent=True)
        body = bodies.get(path, nothing)
        return body if isinstance(body, SourceError | bytes) else json.dumps(body).encode()

    return play(SOURCE, body_at)


def served(*of: Json) -> Snapshot:
    """The endpoints of one model."""
    bodies = {"/models": {"data": [model("acme/atlas-1")]}}
    return polled({**bodies, "/models/acme/atlas-1/endpoints": endpoints("acme/atlas-1", of)})


def one_endpoint(tag: str = "nebius/fp8", /, **changes: Any) -> Offer:
    (offer,) = (o for o in served(endpoint(tag, **changes)).offers if o.part == "endpoints")
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
        ("completion", "0.000003", 200_001, None, None),
        ("prompt", "0.000002", 200_001, None, None),
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

    assert conditional(offer) == [("prompt", "0.000004", 0, 0, 600), ("prompt", "0.000003", 1001, None, None)]


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


# Endpoints


def test_an_endpoint_is_told_by_its_tag_and_the_provider_by_the_tags_first_part() -> None:
    offer = one_endpoint("deepinfra/fp8", provider_name="DeepInfra", quantization="fp8")

    assert offer.key == "acme/atlas-1@deepinfra/fp8"
    assert (offer.provider, offer.provider_name) == ("deepinfra", "DeepInfra")
    assert offer.native_model == "acme/atlas-1"
    assert offer.detail.quantization == "fp8"


@pytest.mark.parametrize(
    ("name", "provider"),
    [("Google", "google-vertex"), ("Google AI Studio", "google-ai-studio"), ("Nebius Token Factory", "nebius")],
)
def test_an_endpoint_without_a_tag_is_told_by_its_name(name: str, provider: str) -> None:
    full = f"{name} | google/gemini-2.5-pro-preview-03-25"
    offer = one_endpoint(tag=..., name=full, provider_name=name)

    assert offer.key == f"acme/atlas-1@{full}".lower()
    assert offer.provider == provider


def test_two_endpoints_by_one_tag_are_told_apart_by_name() -> None:
    snapshot = served(
        endpoint("nebius", name="Nebius | fast", prompt="0.000003"),
        endpoint("Nebius", name="Nebius | base"),
        endpoint("chutes"),
    )

    keys = sorted(offer.key for offer in snapshot.offers if offer.part == "endpoints")
    assert keys == ["acme/atlas-1@chutes", "acme/atlas-1@nebius nebius | base", "acme/atlas-1@nebius nebius | fast"]


@pytest.mark.parametrize("nameless", [{"tag": ..., "name": ...}, {"tag": 7}, {"tag": "x" * 201}])
def test_an_endpoint_that_cannot_be_named_leaves_the_others_and_makes_absences_unknown(nameless: Json) -> None:
    snapshot = served(endpoint("chutes", **nameless), endpoint("nebius"))

    assert [offer.key for offer in snapshot.offers] == ["acme/atlas-1", "acme/atlas-1@nebius"]
    assert [(r.part, r.item) for r in snapshot.rejections] == [("endpoints", "acme/atlas-1@")]


def test_the_price_is_already_after_the_discount() -> None:
    offer = one_endpoint(pricing={"prompt": "0.00000075", "completion": "0.0000015", "discount": 0.25})

    assert rates_of(offer) == {"prompt": "0.00000075", "completion": "0.0000015"}
    assert offer.detail.discount == "0.25"


@pytest.mark.parametrize(("given", "kept"), [(0, None), (-0.2, "-0.2"), (0.30000000000000004, "0.3"), (1, "1")])
def test_a_discount_may_be_a_surcharge_or_none(given: float, kept: str | None) -> None:
    offer = one_endpoint(pricing={"prompt": "0.000001", "completion": "0.000002", "discount": given})

    assert offer.detail.discount == kept


def test_what_the_source_measured_is_reported_in_percent_and_milliseconds() -> None:
    offer = one_endpoint(
        uptime_last_5m=100,
        uptime_last_30m=99.5,
        uptime_last_1d=98.25,
        latency_last_30m={"p50": 496, "p75": 610, "p90": 900.5, "p99": 2210},
        throughput_last_30m={"p50": 45.2, "p99": 15.1},
    )

    assert offer.reported == Reported(
        100.0,
        99.5,
        98.25,
        (("p50", 496.0), ("p75", 610.0), ("p90", 900.5), ("p99", 2210.0)),
        (("p50", 45.2), ("p99", 15.1)),
    )


def test_latencies_that_can_only_be_seconds_become_milliseconds() -> None:
    offer = one_endpoint(latency_last_30m={"p50": 0.25, "p75": 0.35, "p90": 0.48, "p99": 0.85})

    assert offer.reported is not None
    assert offer.reported.latency_ms == (("p50", 250.0), ("p75", 350.0), ("p90", 480.0), ("p99", 850.0))


def test_nothing_measured_is_nothing_reported() -> None:
    assert one_endpoint().reported is None


def test_impossible_measurements_are_counted_but_do_not_change_the_detail() -> None:
    snapshot = served(endpoint("nebius", uptime_last_5m=250, latency_last_30m="slow", throughput_last_30m={"p50": -3}))

    offer = offer_at(snapshot, "acme/atlas-1@nebius")
    assert offer.reported is None
    assert offer.detail.extra is None
    assert snapshot.unknown_fields == {"uptime_last_5m": 1, "latency_last_30m": 1}


@pytest.mark.parametrize("quantization", ["unknown", None, ""])
def test_an_unknown_quantization_is_none(quantization: str | None) -> None:
    assert one_endpoint(quantization=quantization).detail.quantization is None


@pytest.mark.parametrize("status", [0, -2, -3, -5, -10])
def test_the_status_is_kept_as_the_sources_code(status: int) -> None:
    assert one_endpoint(status=status).detail.status == status


def test_one_models_failing_endpoints_are_unknown_and_cost_nothing_else() -> None:
    bodies = market([model("acme/atlas-1"), model("acme/beacon")], prefix="")
    del bodies["/models/acme/beacon/endpoints"]

    snapshot = polled(bodies)

    assert [o.key for o in snapshot.offers] == ["acme/atlas-1", "acme/beacon", "acme/atlas-1@nebius/fp8"]
    assert snapshot.parts == ("models", "endpoints")
    assert snapshot.whole
    (rejection,) = snapshot.rejections
    assert (rejection.part, rejection.item) == ("endpoints", "acme/beacon@")
    assert rejection.reason == (
        "openrouter.test/models/acme/beacon/endpoints answered 404: there is nothing at this address."
    )


@pytest.mark.parametrize("body", [b"<html>", b"[]", b'{"data": {"endpoints": {}}}', b'{"data": null}'])
def test_one_models_unusable_endpoints_are_unknown_and_cost_nothing_else(body: bytes) -> None:
    bodies: dict[str, Any] = market([model("acme/atlas-1"), model("acme/beacon")], prefix="")
    bodies["/models/acme/beacon/endpoints"] = body

    snapshot = polled(bodies)

    assert [o.key for o in snapshot.offers] == ["acme/atlas-1", "acme/beacon", "acme/atlas-1@nebius/fp8"]
    assert [(r.part, r.item) for r in snapshot.rejections] == [("endpoints", "acme/beacon@")]


def test_an_endpoint_with_an_unreadable_price_is_unknown_and_its_neighbours_are_not() -> None:
    snapshot = served(endpoint("chutes", prompt="soon"), endpoint("nebius"))

    assert [offer.key for offer in snapshot.offers] == ["acme/atlas-1", "acme/atlas-1@nebius"]
    assert [(r.item, r.reason) for r in snapshot.rejections] == [
        ("acme/atlas-1@chutes", "acme/atlas-1 at chutes: prompt is not an amount: 'soon'")
    ]


def test_where_no_endpoint_could_be_read_the_poll_saw_the_list_of_models_only() -> None:
    snapshot = polled({"/models": {"data": [model("acme/atlas-1"), model("acme/beacon")]}})

    assert snapshot.parts == ("models",)
    assert [offer.key for offer in snapshot.offers] == ["acme/atlas-1", "acme/beacon"]
    (rejection,) = snapshot.rejections
    assert (rejection.part, rejection.item) == ("endpoints", None)
    assert rejection.reason.startswith("no endpoint could be read: openrouter.test/models/acme/atlas-1/endpoints")


def test_a_failing_list_of_models_fails_the_poll() -> None:
    with pytest.raises(SourceError, match=r"answered 404"):
        polled({})


def test_a_recorded_body_may_be_the_bare_list() -> None:
    assert read([model("acme/atlas-1")], Memo()).digest == listed(model("acme/atlas-1")).digest
    with pytest.raises(InputError, match="holds no list named data"):
        read({"data": {}}, Memo())
