"""What a mix of tokens costs at an endpoint."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from db.errors import UsageError
from db.prices.facts import Rate
from db.quality.compare import effective, parse_mix
from db.quality.facts import Effective, Mix
from tests.db.quotes import rate

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
MIX = Mix(Decimal(3), Decimal(1))
BASE = (rate("prompt", "1"), rate("completion", "3"))


def cost(rates: tuple[Rate, ...], mix: Mix = MIX, at: datetime = NOON) -> str | None:
    found = effective(rates, mix, at)
    return format(found.usd_per_mtok.normalize(), "f") if found is not None else None


@pytest.mark.parametrize(
    ("text", "prompt", "completion"),
    [("3:1", "3", "1"), ("0:1", "0", "1"), ("1:0", "1", "0"), ("2.5:0.5", "2.5", "0.5"), ("1000000:1", "1000000", "1")],
)
def test_a_mix_is_prompt_to_completion(text: str, prompt: str, completion: str) -> None:
    assert parse_mix(text) == Mix(Decimal(prompt), Decimal(completion))


@pytest.mark.parametrize(
    "text",
    ["", "3", "3:1:2", "a:b", "3:", ":", "3/1", "-1:2", "0:0", "nan:1", "1:inf", "1e999999:1", "1e-999999:0", "1e7:1"],
)
def test_what_is_no_mix_is_refused_with_an_example_or_the_limits(text: str) -> None:
    with pytest.raises(UsageError) as refused:
        parse_mix(text)

    said = str(refused.value)
    assert said.startswith(f"--mix is no mix: {text!r}. ")
    assert said.endswith(("such as 3:1.", "from 0 to a million, and not both zero."))


def test_a_mix_says_what_it_is() -> None:
    assert str(MIX) == "3:1"
    assert str(Mix(Decimal(30), Decimal("2.50"), Decimal("0.8"), 12_000)) == (
        "30:2.5, 80% cached, 12,000-token prompts"
    )


def test_an_effective_price_weighs_prompt_and_completion() -> None:
    assert cost(BASE) == "1.5"
    assert cost(BASE, Mix(Decimal(1), Decimal(0))) == "1"
    assert cost(BASE, Mix(Decimal(0), Decimal(1))) == "3"
    assert cost((rate("prompt", "0.3"), rate("completion", "1.2"))) == "0.525"


@pytest.mark.parametrize(("tokens", "usd"), [(0, "1.5"), (128_000, "1.5"), (128_001, "3"), (200_001, "6")])
def test_a_tier_begins_above_its_threshold(tokens: int, usd: str) -> None:
    tiers = (rate("prompt", "2", 128_000), rate("completion", "6", 128_000))
    higher = (rate("prompt", "4", 200_000), rate("completion", "12", 200_000))

    assert cost((*BASE, *tiers, *higher), Mix(Decimal(3), Decimal(1), prompt_tokens=tokens)) == usd


@pytest.mark.parametrize(
    ("hour", "minute", "usd"), [(16, 29, "1.5"), (16, 30, "0.75"), (23, 59, "0.75"), (0, 29, "0.75"), (0, 30, "1.5")]
)
def test_a_window_of_hours_is_in_utc_and_may_wrap_midnight(hour: int, minute: int, usd: str) -> None:
    cheap = (rate("prompt", "0.5", start=1630, end=30), rate("completion", "1.5", start=1630, end=30))

    assert cost((*BASE, *cheap), at=NOON.replace(hour=hour, minute=minute)) == usd


def test_what_is_read_from_cache_has_its_own_rate() -> None:
    half = Mix(Decimal(2), Decimal(1), cached=Decimal("0.5"))

    assert effective((*BASE, rate("input_cache_read", "0.1")), half, NOON) == Effective(
        (Decimal(1) + Decimal("0.1") + Decimal(3)) / 3
    )


def test_a_cache_rate_that_is_not_quoted_is_stood_in_for_and_named() -> None:
    half = Mix(Decimal(3), Decimal(1), cached=Decimal("0.5"))

    assert effective(BASE, half, NOON) == Effective(Decimal("1.5"), ("input_cache_read billed as prompt",))
    assert effective(BASE, MIX, NOON) == Effective(Decimal("1.5"))
    assert effective(BASE, Mix(Decimal(0), Decimal(1), Decimal("0.5")), NOON) == Effective(Decimal(3))


def test_a_cache_rate_that_is_dynamic_is_unknown() -> None:
    rates = (*BASE, rate("input_cache_read", None))

    assert cost(rates, Mix(cached=Decimal("0.5"))) is None
    assert cost(rates) == "1.5"


@pytest.mark.parametrize(
    "rates",
    [
        (),
        BASE[:1],
        BASE[1:],
        (rate("prompt", None), BASE[1]),
        (*BASE, rate("completion", None, start=1100, end=1300)),
    ],
)
def test_unknown_is_never_zero(rates: tuple[Rate, ...]) -> None:
    assert effective(rates, MIX, NOON) is None


def test_a_rate_that_the_mix_does_not_need_may_be_unknown() -> None:
    assert cost(BASE[:1], Mix(Decimal(1), Decimal(0))) == "1"


def test_free_is_zero() -> None:
    assert effective((rate("prompt", "0"), rate("completion", "0")), MIX, NOON) == Effective(Decimal(0))
