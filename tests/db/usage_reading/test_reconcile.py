"""Our cost against the log's own: the parts sum to the residual exactly, and each says what it is."""

from collections.abc import Sequence
from dataclasses import fields
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from db.engine import reading
from db.prices.facts import Rate
from db.usage import keys, report
from db.usage.reconcile import Costs, Reconciled, reconciled
from tests.db.loading import load
from tests.db.usage_reading.made import Book, Cell, two_models
from tests.db.worlds import Seen, at

Row = tuple[int, bool, int, int, int, int, int, int]
"""Requests, priced, ours, base, logged, logged requests, counted, total tokens."""

money = st.integers(0, 10**13)
rows = st.lists(
    st.tuples(
        st.integers(1, 5), st.booleans(), money, money, money, st.integers(0, 5), st.integers(0, 99), st.integers(0, 99)
    ),
    max_size=20,
)


def costs(found: Sequence[Row]) -> Costs:
    columns = list(zip(*found, strict=True)) or [()] * 8
    types = [np.bool_ if each.name == "priced" else np.int64 for each in fields(Costs)]
    return Costs(*(np.array(column, kind) for column, kind in zip(columns, types, strict=True)))


def one(*row: *Row) -> Reconciled:
    (found,) = reconciled(costs([row]), np.zeros(1, np.int64), 1)
    return found


def parts(found: Reconciled) -> dict[str, int]:
    named = {name: getattr(found, name) for name in ("tier", "tokens", "price", "missing")}
    assert sum(named.values()) == found.residual == found.logged - found.ours
    return {name: nano for name, nano in named.items() if nano}


@given(rows)
def test_the_parts_sum_to_the_residual_in_every_group(found: list[Row]) -> None:
    found = [(n, p, o, b, logged if k else 0, min(k, n), c, t) for n, p, o, b, logged, k, c, t in found]
    group = np.array([i % 3 for i in range(len(found))], np.int64)
    each = reconciled(costs(found), group, 3)
    for one_group in each:
        parts(one_group)
    whole = sum(each, Reconciled())
    assert whole.logged == sum(row[4] for row in found)
    assert whole.ours == sum(row[2] for row in found if row[1])
    assert whole.requests == whole.compared + whole.unpriced + whole.unlogged


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ((1, True, 80, 80, 80, 1, 10, 10), {}),
        ((1, True, 80, 60, 60, 1, 10, 10), {"tier": -20}),
        ((1, True, 80, 60, 50, 1, 10, 10), {"tier": -20, "price": -10}),
        ((1, True, 80, 60, 70, 1, 10, 10), {"tier": -10}),
        ((1, True, 80, 60, 90, 1, 10, 10), {"price": 10}),
        ((1, True, 80, 80, 88, 1, 10, 11), {"tokens": 8}),
        ((1, True, 80, 80, 100, 1, 10, 11), {"tokens": 8, "price": 12}),
        ((1, True, 80, 80, 70, 1, 10, 11), {"price": -10}),
        ((1, True, 80, 80, 70, 1, 10, 0), {"price": -10}),
        ((1, False, 0, 0, 70, 1, 10, 10), {"missing": 70}),
        ((1, True, 80, 80, 0, 0, 10, 10), {"missing": -80}),
        ((2, True, 80, 80, 30, 1, 10, 10), {"missing": -50}),
    ],
    ids=[
        "equal",
        "the base tier explains it",
        "and some price",
        "at most the residual",
        "not against its direction",
        "the log counts more tokens",
        "and some price more",
        "more tokens cannot make it cheaper",
        "a log without a total",
        "logged but unpriced",
        "priced but not logged",
        "logged in part",
    ],
)
def test_a_part_is_what_its_cause_explains(row: Row, expected: dict[str, int]) -> None:
    assert parts(one(*row)) == expected


def reconciliation(book: Book, by: str = "model") -> report.Parts[Reconciled]:
    with reading(book.engine) as connection:
        return report.reconciliation(connection, keys.parse(by))


def test_a_log_that_was_billed_at_the_base_tier_is_recognised(book: Book, monkeypatch: pytest.MonkeyPatch) -> None:
    """Above 1,000 tokens a prompt costs four times as much, which this log does not know."""
    tiered = (
        Rate("prompt", Decimal("0.000001")),
        Rate("prompt", Decimal("0.000004"), min_prompt_tokens=1000),
        Rate("completion", Decimal("0.000002")),
    )
    monkeypatch.setattr("tests.db.worlds.offer", _selling(tiered))
    load(book.engine, Seen(0, {"a": 1}))
    long = Cell(5, {"prompt": 2000, "completion": 10}, 8_020_000, band=1001, logged=2_020_000, price_id=1)
    short = Cell(5, {"prompt": 500}, 500_000, logged=500_000, price_id=1)
    book.add([long, short], at(2000))
    found = reconciliation(book).whole
    assert parts(found) == {"tier": -6_000_000}
    assert found.compared == 2


def _selling(rates: tuple[Rate, ...]) -> object:
    from dataclasses import replace

    from tests.db.worlds import offer

    return lambda name, usd: replace(offer(name, usd), rates=rates)


def test_only_imports_whose_logs_carry_costs_take_part(book: Book) -> None:
    prices = two_models(book.engine)
    logged = [
        Cell(5, {"prompt": 1000}, 1_000_000, logged=1_300_000, price_id=prices["a0"]),
        Cell(5, {"prompt": 10}, None, logged=7, model="who/knows", requests=3),
        Cell(6, {"prompt": 1000}, 1_000_000, price_id=prices["a0"], requests=2),
    ]
    book.add(logged, at(2000))
    book.add([Cell(5, {"prompt": 1000}, 5_000_000, model="author/b", price_id=prices["b0"])], at(2001))
    found = reconciliation(book)
    assert set(found.parts) == {("author/a",), ("who/knows",)}
    assert parts(found.whole) == {"price": 300_000, "missing": 7 - 1_000_000}
    assert (found.whole.compared, found.whole.unpriced, found.whole.unlogged) == (1, 3, 2)
    assert sum(reconciliation(book, "day,project").parts.values(), Reconciled()) == found.whole


def test_without_a_logged_cost_there_is_nothing_to_reconcile(book: Book) -> None:
    book.add([Cell(5, {"prompt": 1}, 1)], at(2000))
    assert reconciliation(book).parts == {}
