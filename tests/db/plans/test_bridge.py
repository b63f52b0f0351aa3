"""From one bill to another: parts that sum exactly, and that say what happened."""

from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from db.plans.bridge import PARTS, Lot, Route, Side, bridge
from db.plans.bridging import charged
from db.prices.cells import cells
from db.usage.billing import billed
from tests.db.quotes import rate

FEMTO = 10**6
ROUTES: list[Route] = [("nebius", ""), ("chutes", ""), ("chutes", "batch")]
METERS = ["prompt", "completion", "input_cache_read", "image", "request"]

lots = st.builds(
    lambda requests, units, charges: Lot(
        Fraction(requests),
        {m: Fraction(n) for m, n in units.items()} | {"request": Fraction(requests)},
        {m: Fraction(n * FEMTO) for m, n in charges.items() if m in units or m == "request"},
    ),
    st.integers(1, 1000),
    st.dictionaries(st.sampled_from(METERS[:4]), st.integers(1, 10**7)),
    st.dictionaries(st.sampled_from(METERS), st.integers(0, 10**12)),
)
routed = st.dictionaries(st.sampled_from(ROUTES), lots, min_size=1)


def side(of: dict[str, dict[Route, Lot]], unpriced: int = 0) -> Side:
    requests = sum((lot.requests for routes in of.values() for lot in routes.values()), Fraction(unpriced))
    return Side(of, requests)


sides = st.builds(side, st.dictionaries(st.sampled_from("abc"), routed), st.integers(0, 3))


@given(sides, sides)
def test_parts_sum_to_the_difference_and_models_to_the_whole_exactly(a: Side, b: Side) -> None:
    whole, models = bridge(a, b)
    assert (whole.before, whole.after) == tuple(_cost(each) for each in (a, b))
    assert sum(whole.parts.values()) == whole.difference
    for each in models.values():
        assert sum(each.parts.values()) == each.difference
    for part in PARTS:
        assert sum(each.parts[part] for each in models.values()) == whole.parts[part]
    for name, each in models.items():
        assert each.after == sum(lot.cost for lot in b.lots.get(name, {}).values())


@given(sides, st.fractions(0, 10))
def test_a_scaled_period_sums_exactly_too(a: Side, by: Fraction) -> None:
    whole, _ = bridge(a, a.scaled(by))
    assert sum(whole.parts.values()) == whole.difference
    assert abs(whole.after - _cost(a) * by) <= Fraction(1, 2)
    assert all(not nano for part, nano in whole.parts.items() if part not in ("volume", "unpriced"))


def _cost(each: Side) -> int:
    cost = sum((lot.cost for routes in each.lots.values() for lot in routes.values()), Fraction(0))
    assert cost.denominator == 1
    return int(cost)


def lot(requests: int, prompt: int, completion: int, cents: tuple[int, int], cached: tuple[int, int] = (0, 0)) -> Lot:
    """`cents`: what prompt and completion cost a unit in 1e-9 USD; `cached`: cache reads and their rate."""
    units = {"prompt": prompt, "completion": completion, "input_cache_read": cached[0], "request": requests}
    costs = {
        "prompt": prompt * cents[0],
        "completion": completion * cents[1],
        "input_cache_read": cached[0] * cached[1],
    }
    return Lot(
        Fraction(requests),
        {m: Fraction(n) for m, n in units.items()},
        {m: Fraction(n * FEMTO) for m, n in costs.items()},
    )


BASE = side({"a": {ROUTES[0]: lot(10, 100, 50, (2, 4))}})
"""400 in all, 40 a request."""


def moved(b: Side, a: Side = BASE) -> dict[str, int]:
    return {part: nano for part, nano in bridge(a, b)[0].parts.items() if nano}


def test_more_of_the_same_is_volume() -> None:
    assert moved(BASE.scaled(Fraction(3))) == {"volume": 800}


def test_another_rate_is_price() -> None:
    assert moved(side({"a": {ROUTES[0]: lot(10, 100, 50, (3, 4))}})) == {"price": 100}


def test_longer_requests_are_size_and_other_shares_of_output_are_mix() -> None:
    assert moved(side({"a": {ROUTES[0]: lot(10, 200, 100, (2, 4))}})) == {"request_size": 400}
    assert moved(side({"a": {ROUTES[0]: lot(10, 50, 100, (2, 4))}})) == {"token_mix": 100}


def test_input_from_the_cache_is_cache() -> None:
    # A's own rate of a cache read is not known, so that it is B's.
    assert moved(side({"a": {ROUTES[0]: lot(10, 60, 50, (2, 4), (40, 1))}})) == {"cache": -40}


def test_longer_prompts_at_the_rate_of_their_tier_are_no_change_of_price() -> None:
    def tiered(short: int, long: int, rate_of_long: int = 4) -> Side:
        """A unit costs 2 in short prompts."""
        charges = (Fraction(short * 2 * FEMTO), Fraction(long * rate_of_long * FEMTO))
        tiers = {("prompt", 0, 0): (Fraction(short), charges[0]), ("prompt", 200_001, 0): (Fraction(long), charges[1])}
        units = {"prompt": Fraction(short + long)}
        return side({"a": {ROUTES[0]: Lot(Fraction(1), units, {"prompt": sum(charges, Fraction(0))}, tiers)}})

    a = tiered(50, 50)
    assert moved(tiered(20, 80), a) == {"tiers": 60}
    assert moved(tiered(50, 50, 5), a) == {"price": 50}


def test_another_provider_of_the_same_model_is_routing() -> None:
    assert moved(side({"a": {ROUTES[1]: lot(10, 100, 50, (1, 2))}})) == {"routing": -200}


def test_another_model_is_model_mix_and_what_it_replaced_is_in_it() -> None:
    b = side({"b": {ROUTES[0]: lot(10, 10, 10, (1, 1))}})
    whole, models = bridge(BASE, b)
    assert whole.parts["model_mix"] == -380
    assert {name: each.parts["model_mix"] for name, each in models.items()} == {"a": -400, "b": 20}


def test_requests_without_a_price_are_told_apart_from_volume() -> None:
    half = side({"a": {ROUTES[0]: lot(5, 50, 25, (2, 4))}}, unpriced=5)
    assert moved(half) == {"unpriced": -200}
    assert moved(BASE, side({}, unpriced=10)) == {"unpriced": 400}


def test_from_and_to_nothing_everything_is_volume() -> None:
    assert moved(BASE, Side()) == {"volume": 400}
    assert moved(Side()) == {"volume": -400}
    assert moved(Side(), Side()) == {}


def test_what_meters_cost_is_the_cost_exactly_with_its_rounding_on_the_dearest() -> None:
    [cell] = cells((rate("prompt", "0.3"), rate("completion", "1")))
    found = charged({"prompt": 7, "completion": 3, "request": 1}, 5101, billed(cell))
    assert found == {"prompt": 2_100_000_000, "completion": 3_001_000_000, "request": 0}
    assert charged({"prompt": 7, "request": 1}, 5, None) == {"request": 5_000_000}
