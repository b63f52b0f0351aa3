"""The genai-prices package: as it is installed, and small ones of its types."""

from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from genai_prices.data import providers
from genai_prices.types import ConditionalPrice, PriceVariant

from collector.sources.base import Memo
from collector.sources.genai_prices import SOURCE, snapshot
from db.errors import InputError
from tests.collector.playing import NOON, conditional, offer_at, play, rates_of
from tests.collector.sources.package import batch, daily, from_day, model, price, provider, tiered


def test_the_installed_package_has_prices_of_the_big_providers() -> None:
    seen = play(SOURCE, lambda _path: b"")

    by_provider: dict[str, int] = {}
    for offer in seen.offers:
        by_provider[offer.provider] = by_provider.get(offer.provider, 0) + 1
    assert all(by_provider[name] > 5 for name in ("anthropic", "openai", "mistral", "groq", "deepseek", "x-ai"))
    assert seen.items == sum(len(each.models) for each in providers)
    assert seen.rejections == ()
    assert all(rate.usd is not None and rate.usd < 1 for offer in seen.offers for rate in offer.rates)


def test_every_price_of_the_installed_package_agrees_with_what_it_computes_itself() -> None:
    seen = snapshot(providers, NOON)
    compared = 0
    for each in providers:
        for info in each.models:
            now = info.get_prices(NOON)
            own: Any = getattr(now.input_mtok, "base", now.input_mtok)
            offers = [o for o in seen.offers if o.key == f"{each.id}/{info.id}".lower()]
            # What depends on the hour is another rate at another time.
            if own is None or not offers or conditional(offers[0]):
                continue
            (rate,) = (r for r in offers[0].rates if r.meter == "prompt")
            assert rate.usd == own / 1_000_000, offers[0].key
            compared += 1
    assert compared > 500


def test_a_tier_keeps_its_start_as_threshold() -> None:
    info = model("atlas-1", price(input_mtok=tiered("5", _200000="10", _32000="7"), output_mtok="25"))
    (offer,) = snapshot([provider("acme", info)], NOON).offers

    assert rates_of(offer) == {"prompt": "0.000005", "completion": "0.000025"}
    assert conditional(offer) == [
        ("prompt", "0.000007", 32_000, None, None),
        ("prompt", "0.00001", 200_000, None, None),
    ]


def test_amounts_per_thousand_are_told_from_amounts_per_million() -> None:
    info = model("atlas-1", price(input_mtok="5", output_mtok="25", web_searches_kcount="10", requests_kcount="5"))
    (offer,) = snapshot([provider("acme", info)], NOON).offers

    assert (rates_of(offer)["web_search"], rates_of(offer)["request"]) == ("0.01", "0.005")


def test_a_batch_variant_is_an_endpoint_with_its_own_price_and_the_standard_one_for_the_rest() -> None:
    standard = price(input_mtok=tiered("5", _200000="10"), output_mtok="25", cache_read_mtok="0.5")
    info = model("Atlas-1", standard, price_variants=[batch(price(input_mtok="2.5", output_mtok="12.5"))])

    seen = snapshot([provider("acme", info)], NOON)

    variant = offer_at(seen, "acme/atlas-1:batch")
    assert variant.native_model == "Atlas-1:batch"
    assert variant.scope == "acme/atlas-1"
    assert rates_of(variant) == {"prompt": "0.0000025", "completion": "0.0000125", "input_cache_read": "0.0000005"}
    assert conditional(variant) == []
    assert rates_of(offer_at(seen, "acme/atlas-1"))["prompt"] == "0.000005"


def test_of_several_variants_by_one_name_the_first_that_has_begun_sets_each_price() -> None:
    variants = [
        batch(price(input_mtok="3"), date(2026, 4, 1)),
        batch(price(input_mtok="2"), date(2026, 2, 1)),
        batch(price(input_mtok="1", output_mtok="4")),
    ]
    acme = provider("acme", model("atlas-1", price(input_mtok="9", output_mtok="9"), price_variants=variants))

    seen = snapshot([acme], NOON)

    assert rates_of(offer_at(seen, "acme/atlas-1:batch")) == {"prompt": "0.000002", "completion": "0.000004"}
    assert seen.rejections == ()


def test_a_variant_without_prices_of_its_own_is_no_endpoint() -> None:
    default = PriceVariant({"service_tier": "default"}, price())
    acme = provider("acme", model("atlas-1", price(input_mtok="1", output_mtok="2"), price_variants=[default]))

    assert [offer.key for offer in snapshot([acme], NOON).offers] == ["acme/atlas-1"]


def test_a_dated_price_is_quoted_from_its_start_date_on() -> None:
    info = model(
        "atlas-1",
        [
            ConditionalPrice(prices=price(input_mtok="3", output_mtok="15")),
            from_day(2026, 3, 13, price(input_mtok="2", output_mtok="10")),
        ],
    )
    start = datetime(2026, 3, 13, tzinfo=UTC)

    (before,) = snapshot([provider("acme", info)], start - timedelta(microseconds=1)).offers
    (after,) = snapshot([provider("acme", info)], start).offers

    assert rates_of(before) == {"prompt": "0.000003", "completion": "0.000015"}
    assert rates_of(after) == {"prompt": "0.000002", "completion": "0.00001"}


def test_a_price_by_the_hour_is_a_condition_of_the_rate_whatever_the_hour_of_the_poll() -> None:
    india = timezone(timedelta(hours=5, minutes=30))
    info = model(
        "atlas-1",
        [
            ConditionalPrice(prices=price(input_mtok="0.27", output_mtok="1.1")),
            daily(time(22, 0, tzinfo=india), time(6, 0, tzinfo=india), price(input_mtok="0.135", output_mtok="0.55")),
        ],
    )

    (offer,) = snapshot([provider("acme", info)], NOON).offers

    assert rates_of(offer) == {"prompt": "0.00000027", "completion": "0.0000011"}
    assert conditional(offer) == [
        ("prompt", "0.000000135", 0, 1630, 30),
        ("completion", "0.00000055", 0, 1630, 30),
    ]
    assert snapshot([provider("acme", info)], NOON - timedelta(hours=12)).digest == (
        snapshot([provider("acme", info)], NOON).digest
    )


def test_a_later_dated_price_ends_the_hours_of_an_earlier_one() -> None:
    info = model(
        "atlas-1",
        [
            ConditionalPrice(prices=price(input_mtok="3", output_mtok="15")),
            daily(time(1, tzinfo=UTC), time(4, tzinfo=UTC), price(input_mtok="1", output_mtok="5")),
            from_day(2026, 2, 1, price(input_mtok="2", output_mtok="10")),
        ],
    )

    (offer,) = snapshot([provider("acme", info)], NOON).offers

    assert conditional(offer) == []


def test_a_price_key_that_is_not_known_is_counted() -> None:
    acme = provider("acme", model("atlas-1", price(input_mtok="1", output_mtok="2", audio_hours="0.36")))

    seen = snapshot([acme], NOON)

    assert seen.unknown_fields == {"audio_hours": 1}
    assert rates_of(seen.offers[0]) == {"prompt": "0.000001", "completion": "0.000002"}


def test_an_impossible_price_refuses_its_model_only() -> None:
    acme = provider("acme", model("a", price(input_mtok="-2")), model("b", price(input_mtok="2")))

    seen = snapshot([acme], NOON)

    assert [offer.key for offer in seen.offers] == ["acme/b"]
    assert [(r.item, r.reason) for r in seen.rejections] == [("acme/a", "acme/a: input_mtok is negative: '-2'")]


def test_it_has_no_recorded_polls() -> None:
    with pytest.raises(InputError, match="it has no recorded polls"):
        SOURCE.read([], Memo())


def test_a_millionth_of_an_exact_amount_is_exact() -> None:
    info = model("atlas-1", price(input_mtok="0.08333333333333333334", output_mtok="1"))
    (offer,) = snapshot([provider("acme", info)], NOON).offers

    assert offer.rates[0].usd == Decimal("8.333333333333333334E-8")
