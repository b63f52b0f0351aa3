"""OpenRouter's lists of endpoints and what they come to."""

from typing import Any

import pytest

from db.catalog.facts import Reported
from db.prices.facts import Offer, Snapshot
from tests.collector.bodies import Json, endpoint, endpoints, market, model
from tests.collector.playing import offer_at, rates_of
from tests.collector.sources.polling import polled


def served(*of: Json) -> Snapshot:
    """The endpoints of one model."""
    bodies = {"/models": {"data": [model("acme/atlas-1")]}}
    return polled({**bodies, "/models/acme/atlas-1/endpoints": endpoints("acme/atlas-1", of)})


def one_endpoint(tag: str = "nebius/fp8", /, **changes: Any) -> Offer:
    (offer,) = (o for o in served(endpoint(tag, **changes)).offers if o.part == "endpoints")
    return offer


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
