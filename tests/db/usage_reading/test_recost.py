"""Re-costing from roll-ups: exact where it can be, a range that holds the truth where it cannot, unpriced else."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from db.prices.cells import cells as price_cells
from db.prices.facts import Rates
from db.usage.billing import Billed, billed, shape_of
from db.usage.cells import Cells, cells_from
from db.usage.exact import nano_sum, totals
from db.usage.facts import COUNTED
from db.usage.pricing import ANY_LENGTH, grid_of
from db.usage.recost import Comparison, Recosted, Target, compared
from db.usage.rollup import FEMTO_PER_NANO, half_even
from db.usage.segments import BEGINNING
from tests.db.quotes import rate
from tests.db.usage_reading.made import minute
from tests.db.worlds import at

METERS = ("prompt", "completion", "input_cache_read")
Request = tuple[datetime, Mapping[str, int]]
Versions = Sequence[tuple[datetime, Rates]]

amounts = st.sampled_from(["0", "0.1", "0.30000000000000004", "3", "75", "1.0000005"])


@st.composite
def rates(draw: st.DrawFn) -> Rates:
    """A quote with a tier above some length and a daily window, perhaps."""
    found = [rate("prompt", draw(amounts)), rate("completion", draw(amounts))]
    if draw(st.booleans()):
        found.append(rate("prompt", draw(amounts), tokens=draw(st.sampled_from([1000, 200_000]))))
    if draw(st.booleans()):
        found.append(rate("completion", draw(amounts), start=1630, end=30))
    if draw(st.booleans()):
        found.append(rate("input_cache_read", draw(amounts), tokens=draw(st.sampled_from([0, 1000]))))
    return tuple(found)


@st.composite
def versions(draw: st.DrawFn) -> Versions:
    """Prices without a gap: since ever, and from one or two instants inside the time of the requests."""
    starts = sorted(draw(st.sets(st.integers(0, 60 * 60 * 48), max_size=2)))
    return [(when, draw(rates())) for when in (BEGINNING, *(at(0) + timedelta(seconds=s) for s in starts))]


requests = st.lists(
    st.tuples(
        st.integers(0, 60 * 60 * 48 - 1).map(lambda seconds: at(0) + timedelta(seconds=seconds)),
        st.fixed_dictionaries({meter: st.integers(0, 300_000) for meter in METERS}),
    ),
    min_size=1,
    max_size=20,
)


def of(quote: Rates, when: datetime, length: int) -> Billed:
    """The plain rule: the one cell of the quote in which a request lies."""
    now = when.hour * 60 + when.minute
    return next(
        b
        for b in map(billed, price_cells(quote))
        if b.cell.from_minute <= now < b.cell.to_minute
        and b.cell.from_tokens <= length < (b.cell.to_tokens or ANY_LENGTH)
    )


def in_force(held: Versions, when: datetime) -> int:
    return max(i for i, (since, _) in enumerate(held) if since <= when)


def femto(units: Mapping[str, int], at_rates: Billed) -> int:
    return at_rates.request_femto + sum(count * at_rates.femto[meter] for meter, count in units.items())


def length_of(units: Mapping[str, int]) -> int:
    return units["prompt"] + units["input_cache_read"]


def rolled_up(asked: Sequence[Request], held: Versions) -> tuple[Cells, list[int], dict[int, list[Request]]]:
    """Cells as an import makes them under the prices `held`, each one's cost, and the requests inside."""
    grid = grid_of(quote for _, quote in held)
    found: dict[tuple[int, int, int, int], list[Request]] = defaultdict(list)
    for when, units in asked:
        cuts = [c for c in grid.cuts if c // 60 == when.hour and c <= when.hour * 60 + when.minute]
        slot = minute(when.replace(minute=max(cuts, default=when.hour * 60) % 60, second=0, microsecond=0))
        band = max(b for b in grid.bands if b <= length_of(units))
        found[slot, band, shape_of(units), in_force(held, when)].append((when, units))
    keys = list(found)
    columns = {
        "minute": [slot for slot, _, _, _ in keys],
        "costing_id": [1] * len(keys),
        "price_id": [version + 1 for _, _, _, version in keys],
        "band": [band for _, band, _, _ in keys],
        "shape": [shape for _, _, shape, _ in keys],
        "requests": [len(found[key]) for key in keys],
        **{meter: [sum(units[meter] for _, units in found[key]) for key in keys] for meter in METERS},
    }
    spans = {i + 1: (since, held[i + 1][0] if i + 1 < len(held) else None) for i, (since, _) in enumerate(held)}
    usage = cells_from({name: np.array(each, np.int64) for name, each in columns.items()}, spans, {1: grid})
    costs = [half_even(sum(cost_of(r, held) for r in found[key]), FEMTO_PER_NANO) for key in keys]
    return usage, costs, {i: found[key] for i, key in enumerate(keys)}


def cost_of(request: Request, held: Versions) -> int:
    when, units = request
    return femto(units, of(held[in_force(held, when)][1], when, length_of(units)))


@given(requests, versions())
def test_at_the_very_prices_that_were_used_it_is_the_actual_cost_to_the_nano(
    asked: list[Request], held: Versions
) -> None:
    usage, costs, _ = rolled_up(asked, held)
    found = Target(held).recost(usage)
    assert found.priced.all()
    assert found.best.tolist() == found.low.tolist() == found.high.tolist() == costs


@given(requests, versions(), versions())
def test_at_other_prices_the_range_holds_what_each_request_would_have_cost(
    asked: list[Request], held: Versions, other: Versions
) -> None:
    """The other prices have thresholds, windows and changes of which the roll-up's grid knows nothing."""
    usage, _, inside = rolled_up(asked, held)
    found = Target(other).recost(usage)
    for i, each in inside.items():
        truth = half_even(sum(cost_of(request, other) for request in each), FEMTO_PER_NANO)
        assert found.low[i] <= truth <= found.high[i]
        assert found.low[i] <= found.best[i] <= found.high[i]


def one(when: datetime, units: Mapping[str, int], *, requests: int = 1, minutes: int = 60, band: int = 0) -> Cells:
    """A single cell of an hour, of any length from `band` on."""
    begin = minute(when) * 60_000_000
    values = (begin, begin + minutes * 60_000_000, band, ANY_LENGTH, shape_of(units), requests)
    start, end, low, high, shape, count = (np.array([value], np.int64) for value in values)
    return Cells(start, end, low, high, shape, count, {m: np.array([n], np.int64) for m, n in units.items()})


FLAT = (rate("prompt", "1"), rate("completion", "2"))
TIERED = (*FLAT, rate("prompt", "4", tokens=1000))


def figures(found: Recosted) -> tuple[bool, int, int, int]:
    return bool(found.priced[0]), int(found.low[0]), int(found.best[0]), int(found.high[0])


@pytest.mark.parametrize(("requests", "best"), [(4, 2_000_000), (1, 8_000_000)])
def test_a_threshold_inside_the_band_is_a_range_and_the_mean_prompt_decides(requests: int, best: int) -> None:
    usage = one(at(0), {"prompt": 2000}, requests=requests)
    assert figures(Target([(BEGINNING, TIERED)]).recost(usage)) == (True, 2_000_000, best, 8_000_000)


def test_a_price_that_moves_inside_the_hour_is_a_range_and_the_hours_start_decides() -> None:
    dearer = (rate("prompt", "3"), rate("completion", "2"))
    target = Target([(BEGINNING, FLAT), (at(0.5), dearer)])
    assert figures(target.recost(one(at(0), {"prompt": 1000}))) == (True, 1_000_000, 1_000_000, 3_000_000)
    assert figures(target.recost(one(at(1), {"prompt": 1000}))) == (True, 3_000_000, 3_000_000, 3_000_000)


def test_a_change_that_leaves_the_used_rates_alone_is_no_range() -> None:
    same = (*FLAT, rate("image", "1"))
    found = Target([(BEGINNING, FLAT), (at(0.5), same)]).recost(one(at(0), {"prompt": 1000}))
    assert figures(found) == (True, 1_000_000, 1_000_000, 1_000_000)


@pytest.mark.parametrize(
    ("tiles", "units"),
    [
        ([(BEGINNING, None)], {"prompt": 10}),
        ([(BEGINNING, None), (at(0.5), FLAT)], {"prompt": 10}),
        ([(BEGINNING, FLAT), (at(0.5), None)], {"prompt": 10}),
        ([(BEGINNING, FLAT)], {"prompt": 10, "image": 1}),
        ([(BEGINNING, (rate("prompt", "1"), rate("completion", None)))], {"completion": 1}),
    ],
    ids=["no price", "priced from mid-hour", "priced until mid-hour", "no rate for images", "dynamic"],
)
def test_what_may_have_no_price_there_is_unpriced_and_not_free(
    tiles: list[tuple[datetime, Rates | None]], units: dict[str, int]
) -> None:
    assert figures(Target(tiles).recost(one(at(0), units))) == (False, 0, 0, 0)


def test_a_free_price_is_a_price_of_zero() -> None:
    free = (rate("prompt", "0"), rate("completion", "0"))
    assert figures(Target([(BEGINNING, free)]).recost(one(at(0), {"prompt": 10}))) == (True, 0, 0, 0)


def test_only_requests_with_a_price_on_both_sides_are_compared() -> None:
    requests = np.array([1, 10, 100, 1000], np.int64)
    here = np.array([True, True, False, False])
    money = np.array([5, 50, 0, 0], np.int64)
    there = Recosted(np.array([True, False, True, False]), *(np.array([7, 0, 700, 0], np.int64) for _ in range(3)))
    (found,) = compared(requests, here, money, there, np.zeros(4, np.int64), 1)
    assert found == Comparison(1111, 1, 5, 7, 7, 7, 10, 50, 100, 700)
    assert found.unpriced == 1010


whole = st.integers(0, 10**12)


@given(st.lists(st.tuples(whole, st.integers(0, 10**18), whole, st.integers(0, 10**6)), min_size=1, max_size=8))
def test_products_beyond_64_bits_are_exact(rows: list[tuple[int, int, int, int]]) -> None:
    rows = [(u, f, v, g) for u, f, v, g in rows if u * f + v * g < 2**63 * FEMTO_PER_NANO]
    units = np.array([[u, v] for u, _, v, _ in rows], np.int64).reshape(-1, 2)
    femto = np.array([[f, g] for _, f, _, g in rows], np.int64).reshape(-1, 2)
    assert nano_sum(units, femto).tolist() == [half_even(u * f + v * g, FEMTO_PER_NANO) for u, f, v, g in rows]


@given(st.lists(st.tuples(st.integers(-(2**63), 2**63 - 1), st.integers(0, 2)), max_size=9))
def test_sums_beyond_64_bits_are_exact(rows: list[tuple[int, int]]) -> None:
    values, group = (np.array([row[i] for row in rows], np.int64) for i in (0, 1))
    assert totals(values, group, 3) == [sum(v for v, g in rows if g == k) for k in range(3)]


def test_every_meter_that_a_log_can_count_is_costed() -> None:
    every = tuple(rate(meter, str(i + 1)) for i, meter in enumerate(COUNTED))
    usage = one(at(0), dict.fromkeys(COUNTED, 1000))
    expected = sum((i + 1) * 1_000_000 for i in range(len(COUNTED)))
    assert figures(Target([(BEGINNING, every)]).recost(usage)) == (True, expected, expected, expected)
