"""The share of cached input at which two endpoints cost the same."""

from dataclasses import replace
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from db.prices.facts import Rates
from db.quality.caching import break_even
from db.quality.compare import effective
from db.quality.facts import Mix
from tests.db.quotes import rate
from tests.db.worlds import at

MIX = Mix()


def quote(prompt: str | None, completion: str | None, cached: str | None = None) -> Rates:
    found = (rate("prompt", prompt), rate("completion", completion))
    return (*found, rate("input_cache_read", cached)) if cached is not None else found


def test_a_dear_endpoint_with_a_cheap_cache_wins_from_some_share_on() -> None:
    # 3 x 2 + 2 = 3 x (1 - h) x 3 + 3 x h x 1 + 2  at  h = 1/2
    assert break_even(quote("2", "2"), quote("3", "2", "1"), MIX, at(0)) == Fraction(1, 2)


@pytest.mark.parametrize(
    ("a", "b"),
    [
        (quote("1", "1"), quote("2", "1")),
        (quote("1", "1", "0.5"), quote("1", "1", "0.5")),
        (quote("1", "1"), quote("3", "1", "2")),
        (quote(None, "1"), quote("3", "1", "0.1")),
        (quote("2", None), quote("3", "2", "1")),
        ((rate("completion", "1"),), quote("3", "2", "1")),
    ],
    ids=["parallel", "the same", "never", "dynamic", "unknown completion", "no prompt rate"],
)
def test_there_may_be_none(a: Rates, b: Rates) -> None:
    assert break_even(a, b, MIX, at(0)) is None
    assert break_even(b, a, MIX, at(0)) is None


def test_without_output_its_rate_does_not_matter() -> None:
    mix = replace(MIX, completion=Decimal(0))
    assert break_even(quote("2", None), quote("3", "2", "1"), mix, at(0)) == Fraction(1, 2)


usd = st.integers(1, 500).map(lambda n: str(Decimal(n) / 100))


@given(usd, usd, usd, usd, usd)
def test_at_that_share_the_effective_prices_meet(a: str, b: str, cheap: str, out: str, cached: str) -> None:
    first, second = quote(a, out, cheap), quote(b, out, cached)
    share = break_even(first, second, MIX, at(0))
    if share is None:
        return
    mix = replace(MIX, cached=Decimal(share.numerator) / share.denominator)
    one, other = effective(first, mix, at(0)), effective(second, mix, at(0))
    assert one is not None
    assert other is not None
    assert abs(one.usd_per_mtok - other.usd_per_mtok) < Decimal("1e-20")
