"""What a counted unit is billed at where the quote is silent, free or dynamic: three different things."""

import pytest

from db.prices.cells import cells
from db.usage.billing import FALLBACKS, FAMILIES, PRICED, Billed, assumed, billed, family, shape_of
from db.usage.facts import COUNTED
from tests.db.quotes import rate
from tests.db.usage import reference

ALL = PRICED | (1 << len(FAMILIES)) - 1


def of(**usd_per_million: str | None) -> Billed:
    (cell,) = cells(tuple(rate(meter, usd) for meter, usd in usd_per_million.items()))
    return billed(cell)


def known(one: Billed) -> set[str]:
    return {name for i, name in enumerate(FAMILIES) if one.known >> i & 1}


def test_a_quoted_rate_is_billed_as_it_stands() -> None:
    one = of(prompt="1", completion="2", input_cache_read="0.1", request="500")

    assert one.femto["prompt"] == 10**9
    assert one.femto["completion"] == 2 * 10**9
    assert one.femto["input_cache_read"] == 10**8
    assert one.request_femto == 500 * 10**9
    assert not {"prompt", "completion", "input_cache_read"} & one.fallbacks.keys()


@pytest.mark.parametrize(
    ("meter", "quoted", "billed_as"),
    [
        ("internal_reasoning", {"completion": "2"}, "completion"),
        ("input_cache_read", {"prompt": "1"}, "prompt"),
        ("input_cache_write", {"prompt": "1"}, "prompt"),
        ("input_cache_write_1h", {"prompt": "1", "input_cache_write": "1.25"}, "input_cache_write"),
        ("input_cache_write_1h", {"prompt": "1"}, "prompt"),
        ("audio", {"prompt": "1"}, "prompt"),
        ("audio_output", {"completion": "2"}, "completion"),
        ("input_audio_cache", {"prompt": "1", "audio": "3", "input_cache_read": "0.1"}, "input_cache_read"),
        ("input_audio_cache", {"prompt": "1", "audio": "3"}, "audio"),
        ("input_audio_cache", {"prompt": "1"}, "prompt"),
        ("image_token", {"prompt": "1"}, "prompt"),
    ],
)
def test_a_meter_without_a_rate_is_billed_as_the_named_rule_says(
    meter: str, quoted: dict[str, str], billed_as: str
) -> None:
    one = of(**quoted)

    assert one.fallbacks[meter] == billed_as
    assert one.femto[meter] == one.femto[billed_as]


def test_free_is_a_rate_and_no_gap() -> None:
    one = of(prompt="1", input_cache_read="0")

    assert one.femto["input_cache_read"] == 0
    assert "input_cache_read" not in one.fallbacks


@pytest.mark.parametrize("dynamic", ["prompt", "input_cache_read", "input_cache_write_1h", "audio", "image_token"])
def test_a_dynamic_rate_is_no_fallback_and_makes_its_family_unknown(dynamic: str) -> None:
    one = of(**{"prompt": "1", "completion": "2", "input_cache_write": "1.25", dynamic: None})

    assert known(one) == {"completion"}
    assert dynamic not in one.femto
    assert dynamic not in one.fallbacks.values()


def test_a_family_that_is_not_quoted_is_unknown() -> None:
    assert known(of(prompt="1")) == {"prompt"}
    assert known(of(completion="1", image="1", image_output="1", web_search="1")) == set(FAMILIES) - {"prompt"}
    assert known(of()) == set()


def test_no_fee_a_request_is_no_fee_but_a_dynamic_fee_is_unknown_whatever_was_used() -> None:
    assert (of(prompt="1").request_femto, of(prompt="1").known) == (0, PRICED | 1)
    assert of(prompt="1", request="0").known == PRICED | 1
    assert of(prompt="1", request=None).known == 0


def test_the_shape_of_a_request_names_the_families_that_it_used() -> None:
    assert shape_of({}) == shape_of({"prompt": 0, "image": 0}) == 0
    assert shape_of({"input_cache_write_1h": 1}) == shape_of({"prompt": 9}) == 1
    assert shape_of(dict.fromkeys(COUNTED, 1)) == ALL & ~PRICED


def test_each_meter_falls_back_into_its_own_family() -> None:
    assert {family(meter) for meter in COUNTED} == set(FAMILIES)
    assert all(family(other) == family(meter) for meter, others in FALLBACKS.items() for other in others)
    assert assumed(["prompt", "bucket"]) == 1 | 1 << len(COUNTED)


def test_the_reference_knows_the_same_rules() -> None:
    assert {meter: others for meter, others in reference.INSTEAD.items() if others} == FALLBACKS
