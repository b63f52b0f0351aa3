"""Which rate applies to a request, and which move is too large to be believed at once."""

from datetime import timedelta
from decimal import Decimal

import pytest

from db.prices.facts import rates_digest
from db.prices.rates import applies, base_rate, blended, is_jump, rate_for
from tests.db.quotes import per_million, rate
from tests.db.worlds import START


def clock(hhmm: int) -> timedelta:
    return timedelta(hours=hhmm // 100, minutes=hhmm % 100)


@pytest.mark.parametrize(
    ("start", "end", "inside", "outside"),
    [
        (1000, 1800, [1000, 1200, 1759], [959, 1800, 0, 2359]),
        # Wraps midnight.
        (1000, 100, [1000, 2359, 0, 59], [100, 959]),
        (1630, 30, [1630, 2359, 0, 29], [30, 1629]),
        (0, 2400, [0, 1200, 2359], []),
        (1800, 2400, [1800, 2359], [0, 1759]),
    ],
)
def test_a_window_holds_from_its_start_to_before_its_end(
    start: int, end: int, inside: list[int], outside: list[int]
) -> None:
    windowed = rate("prompt", "1", 0, start, end)

    assert all(applies(windowed, 0, START + clock(hhmm)) for hhmm in inside)
    assert not any(applies(windowed, 0, START + clock(hhmm)) for hhmm in outside)


def test_a_tier_holds_above_its_threshold() -> None:
    tier = rate("prompt", "2", 200_000)

    assert not applies(tier, 200_000, START)
    assert applies(tier, 200_001, START)


def test_all_conditions_of_a_rate_must_match() -> None:
    both = rate("prompt", "2", 1000, 2200, 600)

    assert applies(both, 1001, START + clock(2300))
    assert not applies(both, 1000, START + clock(2300))
    assert not applies(both, 1001, START + clock(1200))


QUOTE = (
    rate("prompt", "1"),
    rate("completion", "3"),
    rate("prompt", "2", 128_000),
    rate("prompt", "4", 200_000),
    rate("prompt", "0.5", 0, 1600, 100),
)


@pytest.mark.parametrize(
    ("meter", "tokens", "hhmm", "expected"),
    [
        ("prompt", 10, 1200, "1"),
        ("prompt", 128_000, 1200, "1"),
        ("prompt", 128_001, 1200, "2"),
        ("prompt", 200_000, 1200, "2"),
        ("prompt", 200_001, 1200, "4"),
        # Of several that apply the last one wins.
        ("prompt", 10, 30, "0.5"),
        ("prompt", 200_000, 30, "0.5"),
        # What an override does not name keeps the base.
        ("completion", 200_000, 30, "3"),
    ],
)
def test_the_last_rate_that_applies_wins(meter: str, tokens: int, hhmm: int, expected: str) -> None:
    found = rate_for(QUOTE, meter, tokens, START + clock(hhmm))

    assert found is not None
    assert per_million(found.usd) == expected


def test_a_meter_that_is_not_quoted_has_no_rate() -> None:
    assert rate_for(QUOTE, "image", 10, START) is None
    assert base_rate(QUOTE, "image") is None
    assert base_rate((rate("prompt", "2", 1000),), "prompt") is None


def test_a_dynamic_rate_is_there_and_unknown() -> None:
    found = rate_for((rate("prompt", None),), "prompt", 10, START)

    assert found is not None
    assert found.usd is None


@pytest.mark.parametrize(
    ("old", "new", "jump"),
    [
        ("1", "100", False),
        ("1", "100.01", True),
        ("100", "1", False),
        ("100.01", "1", True),
        # From or to free there is no factor.
        ("0", "1000", False),
        ("1000", "0", False),
        (None, "1000", False),
        ("1000", None, False),
    ],
)
def test_a_jump_is_more_than_100x_either_way(old: str | None, new: str | None, jump: bool) -> None:
    assert is_jump((rate("prompt", old),), (rate("prompt", new),)) is jump


def test_rates_are_compared_under_the_same_condition() -> None:
    assert not is_jump((rate("prompt", "1"),), (rate("prompt", "1"), rate("prompt", "900", 200_000)))
    assert not is_jump((rate("image", "5000"),), (rate("prompt", "1"),))
    assert is_jump((*QUOTE, rate("image", "1")), (*QUOTE, rate("image", "5000")))


def test_the_blend_is_three_prompt_tokens_to_one_completion_token() -> None:
    assert blended((rate("prompt", "1"), rate("completion", "3"))) == Decimal("0.0000015")
    assert blended((rate("prompt", "1"), rate("completion", "3")), 1, 0) == Decimal("0.000001")


def test_a_blend_of_something_unknown_is_unknown() -> None:
    assert blended((rate("prompt", "1"),)) is None
    assert blended((rate("prompt", "1"), rate("completion", None))) is None


def test_a_quote_is_the_same_in_any_order_of_its_base_rates() -> None:
    one, other = rate("prompt", "1"), rate("completion", "3")
    tier, window = rate("prompt", "2", 1000), rate("prompt", "0.5", 0, 0, 600)

    assert rates_digest((one, other, tier)) == rates_digest((other, one, tier))
    # Conditional ones are read in turn.
    assert rates_digest((one, tier, window)) != rates_digest((one, window, tier))


def test_the_notation_of_an_amount_makes_no_other_quote() -> None:
    assert rates_digest((rate("prompt", "1.50"),)) == rates_digest((rate("prompt", "1.5"),))
    assert rates_digest((rate("prompt", "0"),)) == rates_digest((rate("prompt", "-0.00"),))
    assert rates_digest((rate("prompt", "0"),)) != rates_digest((rate("prompt", None),))
    assert rates_digest((rate("prompt", "0"),)) != rates_digest(())
