"""A quote cut into cells: in each of them every rate is one number, and it is the one that applies."""

from bisect import bisect_right
from datetime import timedelta
from decimal import Decimal
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from db.prices.cells import DEAREST_FEMTO, FEMTO_PER_USD, MINUTES_A_DAY, Cell, bands, cells, cuts, femto_of
from db.prices.facts import Rate, Rates
from db.prices.rates import rate_for
from tests.db.quotes import rate
from tests.db.usage.market import quote
from tests.db.worlds import START

LENGTHS = st.integers(0, 300_000) | st.sampled_from([0, 1, 32_000, 32_001, 128_000, 128_001, 200_000, 200_001])
MINUTES = st.integers(0, MINUTES_A_DAY - 1) | st.sampled_from([0, 29, 30, 599, 600, 989, 990, 1425, 1439])
QUOTES = st.integers(0, 2**32).map(lambda seed: quote(Random(seed)))


def cells_at(rates: Rates, length: int, minute: int) -> list[Cell]:
    return [
        cell
        for cell in cells(rates)
        if cell.from_tokens <= length < (cell.to_tokens or length + 1) and cell.from_minute <= minute < cell.to_minute
    ]


@given(QUOTES, LENGTHS, MINUTES)
def test_a_request_falls_into_one_cell_whose_rates_are_those_that_apply(rates: Rates, length: int, minute: int) -> None:
    (cell,) = cells_at(rates, length, minute)

    at = START + timedelta(minutes=minute, seconds=59)
    applying = {r.meter: rate_for(rates, r.meter, length, at) for r in rates}
    assert cell.femto == {meter: femto_of(r.usd) for meter, r in applying.items() if r is not None}


@given(st.lists(QUOTES, max_size=3), MINUTES, LENGTHS)
def test_a_finer_grid_never_crosses_a_cell(quotes: list[Rates], minute: int, length: int) -> None:
    """The roll-up's cells are cut by all quotes together; each then lies in one cell of any of them."""
    starts, lows = [0, *cuts(quotes)], bands(quotes)
    slot, band = starts[bisect_right(starts, minute) - 1], lows[bisect_right(lows, length) - 1]

    for rates in quotes:
        assert cells_at(rates, band, slot) == cells_at(rates, length, minute)


def test_a_quote_without_conditions_is_one_cell() -> None:
    assert list(cells((rate("prompt", "1"), rate("completion", None)))) == [
        Cell(0, None, 0, 1440, {"prompt": 10**9, "completion": None})
    ]


def test_no_quote_is_one_empty_cell() -> None:
    assert list(cells(())) == [Cell(0, None, 0, 1440, {})]


def test_a_threshold_itself_belongs_to_the_band_below() -> None:
    low, high = cells((rate("prompt", "1"), rate("prompt", "2", 200_000)))

    assert (low.from_tokens, low.to_tokens, low.femto) == (0, 200_001, {"prompt": 10**9})
    assert (high.from_tokens, high.to_tokens, high.femto) == (200_001, None, {"prompt": 2 * 10**9})


def test_a_window_over_midnight_holds_at_both_ends_of_the_day() -> None:
    found = list(cells((rate("prompt", "2"), rate("prompt", "1", 0, 1630, 30))))

    assert [(c.from_minute, c.to_minute, c.femto["prompt"]) for c in found] == [
        (0, 30, 10**9),
        (30, 990, 2 * 10**9),
        (990, 1440, 10**9),
    ]


def test_a_meter_that_is_quoted_at_night_only_is_not_quoted_by_day() -> None:
    night, day = cells((rate("prompt", "1", 0, 0, 800),))

    assert night.femto == {"prompt": 10**9}
    assert day.femto == {}


@pytest.mark.parametrize(
    ("usd", "femto"),
    [
        (None, None),
        ("0", 0),
        ("0.00000008333333333333334", 83_333_333),
        ("0.0000000000000005", 0),  # half way: to the even one
        ("0.0000000000000015", 2),
        ("0.0000000000000025", 2),
        ("0.00000000000000250000001", 3),
        ("0.0000000000000004999999999", 0),
        ("999.999999999999999", DEAREST_FEMTO - 1),
        ("1000", None),  # the price of no unit
    ],
)
def test_a_rate_is_rounded_half_to_even_at_the_fifteenth_decimal(usd: str | None, femto: int | None) -> None:
    assert femto_of(None if usd is None else Decimal(usd)) == femto


@given(st.decimals(min_value=0, max_value=999, places=19))
def test_rounding_a_rate_moves_it_by_half_a_femto_dollar_at_most(usd: Decimal) -> None:
    femto = femto_of(usd)

    assert femto is not None
    assert abs(femto - usd * FEMTO_PER_USD) <= Decimal("0.5")


def test_cuts_and_bands_of_several_quotes_are_all_of_theirs() -> None:
    quotes: list[Rates] = [(Rate("", None, 32_000, 1630, 30),), (Rate("", None, 200_000, 0, 2400),), ()]

    assert cuts(quotes) == [0, 30, 990]
    assert bands(quotes) == [0, 32_001, 200_001]
