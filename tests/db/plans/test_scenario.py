"""What-ifs: how they are written, what they take, and what usage comes to under them."""

from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine

from db.engine import reading, writing
from db.errors import UsageError
from db.plans import read, store
from db.plans.forecast import Range
from db.plans.scenario import Move, Outcome, Scenario, parse_move, routes, with_cache_rate
from db.plans.what_if import recosted, scaled
from db.usage import report
from db.usage.cells import Cells
from db.usage.keys import Subject
from db.usage.rollup import Label
from db.usage.targets import one_endpoint
from tests.db.usage_reading.made import USD, Book, Cell, two_models
from tests.db.worlds import at

SEARCH: Label = ("search", "", "", "")
CHAT: Label = ("chat", "", "", "")
A = Subject("a-2026", "openrouter", "", "", "author/a", "openrouter")
MILLION = {"prompt": 1_000_000}
NOW = datetime(2026, 1, 3, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "move"),
    [
        ("author/a@x -> author/b@y: 50%", Move("author/b@y", Decimal("0.5"), "author/a", "x")),
        ("author/a->@y:12.5%", Move("@y", Decimal("0.125"), "author/a")),
        ("all -> openrouter:author/m:free", Move("openrouter:author/m:free")),
        ("@x -> @y", Move("@y", provider="x")),
    ],
)
def test_a_move_is_read_as_it_is_written(text: str, move: Move) -> None:
    assert parse_move(text) == move
    assert parse_move(str(move)) == move


def test_a_move_may_be_of_a_project() -> None:
    move = parse_move("project=search -> @y: 10%")
    assert (move.takes(A, SEARCH), move.takes(A, CHAT)) == (True, False)
    assert str(move) == "project=search -> @y: 10%"


@pytest.mark.parametrize("text", ["", "a -> b", "a@b", "a -> b@c: 0%", "a -> b@c: 101%", "team=x -> a@b"])
def test_what_is_no_move_is_said(text: str) -> None:
    with pytest.raises(UsageError):
        parse_move(text)


def test_each_move_takes_of_what_those_before_it_left() -> None:
    moves = [parse_move(text) for text in ("author/b -> @x", "all -> @y: 50%", "a-2026 -> @z: 50%")]
    assert routes(moves, A, SEARCH) == {"@y": Fraction(1, 2), "@z": Fraction(1, 4), "": Fraction(1, 4)}
    assert routes([], A, SEARCH) == {"": Fraction(1)}


@given(st.integers(0, 2**40), st.integers(0, 2**40), st.integers(0, 100))
def test_another_cache_rate_keeps_every_token(prompt: int, cached: int, percent: int) -> None:
    one = np.ones(1, np.int64)
    units = {"prompt": one * prompt, "input_cache_read": one * cached, "input_cache_write": one}
    found = with_cache_rate(Cells(one, one, one, one, one, one, units), Decimal(percent) / 100).units
    total = prompt + cached
    assert int(found["prompt"][0]) + int(found["input_cache_read"][0]) == total
    assert abs(found["input_cache_read"][0] - Fraction(total * percent, 100)) <= Fraction(1, 2)
    assert found["input_cache_write"] is units["input_cache_write"]


@pytest.fixture
def costed(engine: Engine) -> Callable[..., Outcome]:
    """A function from the parts of a scenario to what a million tokens of each model come to, of two projects."""
    price = two_models(engine)
    cells = [
        Cell(1, MILLION, USD, label=SEARCH, price_id=price["a0"]),
        Cell(12, MILLION, 2 * USD, label=CHAT, price_id=price["a10"]),
        Cell(1, MILLION, 5 * USD, 3, model="author/b", label=CHAT, price_id=price["b0"]),
        Cell(1, MILLION, None, 9, model="author/c", label=CHAT),
    ]
    Book(engine).add(cells, at(60))

    def cost(*moves: str, volume: str = "1", rate: str | None = None) -> Outcome:
        made = Scenario("s", tuple(map(parse_move, moves)), Decimal(volume), Decimal(rate) if rate else None)
        with reading(engine) as connection:
            told = recosted(connection, made, ("project",))
        assert sum(each.actual for each in told.parts.values()) == told.whole.actual
        return told.whole

    return cost


def test_without_a_change_nothing_changes(costed: Callable[..., Outcome]) -> None:
    assert costed() == Outcome(14, 5, 9, 8 * USD, 8 * USD, 8 * USD, 8 * USD)


def test_a_share_goes_and_the_rest_stays(costed: Callable[..., Outcome]) -> None:
    assert costed("author/b -> author/a@openrouter: 50%").best == 3 * USD + 5 * USD // 2 + USD // 2
    assert costed("project=chat -> author/b@openrouter: 100%").best == USD + 5 * USD + 5 * USD
    assert costed("author/a -> author/b@openrouter", volume="1.5").best == 15 * USD * 3 // 2


def test_a_scenario_of_one_whole_move_is_the_re_costing(engine: Engine, costed: Callable[..., Outcome]) -> None:
    with reading(engine) as connection:
        plain = report.recosted(connection, one_endpoint(connection, "author/b@openrouter").of).whole
    found = costed("all -> author/b@openrouter")
    assert (found.best, found.low, found.high, found.actual) == (plain.best, plain.low, plain.high, plain.actual)
    assert (found.compared, found.unpriced) == (plain.compared, plain.unpriced)


def test_cached_input_costs_what_the_endpoint_asks_for_it(costed: Callable[..., Outcome]) -> None:
    # Neither quotes a rate for cache reads: they are billed as prompt.
    assert costed(rate="0.4").best == 8 * USD


def test_what_has_no_price_there_is_counted_and_not_summed(costed: Callable[..., Outcome]) -> None:
    assert costed().unpriced == 9
    with pytest.raises(UsageError, match="A move leads nowhere: there is no endpoint '@nowhere'"):
        costed("author/b -> @nowhere")


def test_a_projection_is_multiplied_and_a_missing_bound_stays_missing() -> None:
    total = Range(100, 90, 110, 80, 120, None, None)
    assert scaled(total, Fraction(1, 4)) == Range(25, 22, 28, 20, 30, None, None)


def test_scenarios_are_kept_and_removed(engine: Engine) -> None:
    made = Scenario("s", (parse_move("all -> @y: 10%"),), Decimal("1.20"), Decimal("0.4"))
    with writing(engine) as connection:
        store.set_scenario(connection, made, NOW)
        assert read.scenarios(connection) == [made]
        assert read.scenario(connection, "s") == made
        store.remove_scenario(connection, "s")
        with pytest.raises(UsageError, match=r"There is no scenario 's'\. `ratecard scenario set` makes one\."):
            read.scenario(connection, "s")


def test_the_ratio_is_unknown_where_nothing_compares() -> None:
    assert Outcome(3, 0, 3, 0, 0, 0, 0).ratio is None
