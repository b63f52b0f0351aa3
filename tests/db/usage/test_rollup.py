"""From the engine's cells to stored rows: names become ids, and money is rounded once."""

from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from db.prices.facts import Price
from db.usage.billing import assumed
from db.usage.engine import Costing, open_engine
from db.usage.pricing import Pricing, grid_of, pricing
from db.usage.resolve import Name, Resolved, Why
from db.usage.rollup import COLUMNS, Ids, half_even, labels_in, nano_of, rows
from tests.db.quotes import endpoint, price, rate
from tests.db.usage import reference
from tests.db.worlds import at

HERMES = Name("author/model", "openrouter")
NOBODY = Name("nobody/knows", "openrouter")
NOON = at(12).replace(tzinfo=None)


@given(st.integers(-(10**30), 10**30))
def test_femto_become_nano_rounded_half_to_even(femto: int) -> None:
    assert half_even(femto, 10**6) == reference.nano(femto)


@pytest.mark.parametrize(
    ("femto", "nano"),
    [(0, 0), (499_999, 0), (500_000, 0), (500_001, 1), (1_500_000, 2), (2_500_000, 2), (3_500_000, 4), (None, None)],
)
def test_half_a_nano_dollar_goes_to_the_even_one(femto: int | None, nano: int | None) -> None:
    column = pa.array([None if femto is None else Decimal(femto)], pa.decimal128(38, 0))

    assert nano_of(column) == [nano]


def priced(*versions: Price, chosen_among: int = 1) -> Pricing:
    names = [
        Resolved(HERMES, HERMES.model, HERMES.provider, (endpoint(),), chosen_among=chosen_among),
        Resolved(NOBODY, NOBODY.model, NOBODY.provider, why=Why.UNKNOWN_MODEL),
    ]
    return pricing(names, {1: versions}, grid_of(p.rates for p in versions))


def usage(*requests: dict[str, Any]) -> pa.Table:
    """Requests by their differences from a plain one."""
    plain = {"time": NOON, "model": HERMES.model, "provider": HERMES.provider, "endpoint": "", "variant": ""}
    kinds = {"time": pa.timestamp("us"), "until": pa.timestamp("us"), "cost_usd": pa.decimal128(38, 15)}
    found = [plain | each for each in requests]
    columns = list(dict.fromkeys(name for each in found for name in each))
    return pa.table(
        {name: pa.array([each.get(name) for each in found], kinds.get(name)) for name in columns},
    )


def stored(table: pa.Table, known: Pricing, folder: Path) -> list[dict[str, Any]]:
    """What the embedded engine makes of a table, as rows of the roll-up."""
    pq.write_table(table, folder / "usage.parquet")
    with open_engine(Costing(home=folder)) as engine:
        engine.cost([folder / "usage.parquet"], known, folder / "cells")
    found = []
    for batch in pq.read_table(folder / "cells").to_batches():
        labels = {label: i for i, label in enumerate(sorted(labels_in(batch)))}
        ids = Ids({HERMES: 7, NOBODY: 8}, labels)
        found += [dict(zip(COLUMNS, row, strict=True)) for row in rows(batch, known, ids)]
    return sorted(found, key=lambda row: (row["minute"], row["subject_id"], row["band"]))


def test_requests_of_an_hour_are_one_row_and_what_a_log_lacks_is_zero(tmp_path: Path) -> None:
    known = priced(price((rate("prompt", "1"), rate("completion", "2")), 0))
    table = usage({"prompt": 100, "completion": 10}, {"prompt": 1, "completion": 0, "time": NOON.replace(minute=59)})

    found = stored(table, known, tmp_path)

    assert [row["requests"] for row in found] == [1, 1]  # one used no completion: another shape
    assert {row["minute"] for row in found} == {at(12).timestamp() // 60}
    assert sorted(row["cost_nano"] for row in found) == [1_000, 120_000]
    assert {(row["web_search"], row["total_tokens"], row["logged_nano"], row["assumed"]) for row in found} == {
        (0, 0, 0, 0)
    }


def test_each_row_rounds_its_sum_and_not_each_request(tmp_path: Path) -> None:
    known = priced(price((rate("prompt", "0.0004"),), 0))  # 0.4 nano-dollars a token

    (row,) = stored(usage(*[{"prompt": 1}] * 4), known, tmp_path)

    assert (row["requests"], row["cost_nano"]) == (4, 2)


def test_a_price_of_over_a_thousand_dollars_for_one_cell_is_exact(tmp_path: Path) -> None:
    known = priced(price((rate("prompt", "15"),), 0))

    (row,) = stored(usage({"prompt": 10**12}, {"prompt": 10**12}), known, tmp_path)

    assert (row["prompt"], row["cost_nano"]) == (2 * 10**12, 30_000_000 * 10**9)


def test_sums_beyond_the_exact_integers_of_a_float_are_exact(tmp_path: Path) -> None:
    known = priced(price((rate("prompt", "0"),), 0))

    (row,) = stored(usage({"prompt": 2**53}, {"prompt": 1}), known, tmp_path)

    assert row["prompt"] == 2**53 + 1


def test_without_a_rate_or_a_price_or_a_known_name_a_row_is_unpriced_and_says_why(tmp_path: Path) -> None:
    known = priced(price((rate("prompt", "1"),), -100, -50), price((rate("prompt", "1"),), 0))
    table = usage(
        {"completion": 5, "prompt": 1},
        {"completion": 0, "prompt": 1, "time": NOON.replace(year=2025)},
        {"completion": 0, "prompt": 1, "model": NOBODY.model},
    )

    found = stored(table, known, tmp_path)

    assert [(row["subject_id"], row["why"]) for row in found] == [
        (7, "no price known at that time"),
        (7, "no rate for a meter that was used"),
        (8, "unknown model"),
    ]
    assert {(row["cost_nano"], row["assumed"]) for row in found} == {(None, 0)}


@pytest.mark.parametrize(
    ("fee", "cost"), [("1", 1_000), ("0", 0), (None, None)], ids=["a fee", "a free request", "a dynamic fee"]
)
def test_a_request_that_used_nothing_costs_its_fee_and_an_unknown_fee_is_no_zero(
    fee: str | None, cost: int | None, tmp_path: Path
) -> None:
    known = priced(price((rate("prompt", "1"), rate("request", fee)), 0))

    (row,) = stored(usage({"prompt": 0}), known, tmp_path)

    assert (row["shape"], row["cost_nano"]) == (0, cost)


def test_a_row_tells_the_fallbacks_that_it_used_and_no_others(tmp_path: Path) -> None:
    known = priced(price((rate("prompt", "1"), rate("completion", "2"), rate("input_cache_read", "0.1")), 0))
    table = usage({"prompt": 1, "input_cache_read": 5, "input_cache_write": 5, "internal_reasoning": 0})

    (row,) = stored(table, known, tmp_path)

    assert row["assumed"] == assumed(["input_cache_write"])
    assert row["cost_nano"] == 1_000 + 500 + 5_000


def test_one_of_several_endpoints_is_an_assumption(tmp_path: Path) -> None:
    known = priced(price((rate("prompt", "1"),), 0), chosen_among=2)

    (row,) = stored(usage({"prompt": 1}), known, tmp_path)

    assert row["assumed"] == assumed(["choice"])


def test_a_bucket_is_priced_at_its_mean_length_and_says_so(tmp_path: Path) -> None:
    known = priced(price((rate("prompt", "1"), rate("prompt", "2", 1_000), rate("request", "3")), 0))
    until = NOON.replace(hour=13)
    table = usage(
        {"prompt": 10_009, "requests": 10, "until": until},
        {"prompt": 10_010, "requests": 10, "until": until},
        {"prompt": 1_001, "requests": 1, "until": None},
    )

    low, high = stored(table, known, tmp_path)

    assert (low["band"], low["requests"], low["cost_nano"], low["assumed"]) == (
        0, 10, 10_009_000 + 30_000, assumed(["bucket"]),
    )  # fmt: skip
    assert (high["band"], high["requests"], high["cost_nano"]) == (1_001, 11, 2 * 11_011_000 + 33_000)


def test_what_the_log_says_itself_stands_beside_with_its_own_count(tmp_path: Path) -> None:
    known = priced(price((rate("prompt", "1"),), 0))
    table = usage(
        {"prompt": 1, "requests": 5, "until": NOON, "cost_usd": Decimal("0.000000000500000")},
        {"prompt": 1, "requests": 1, "until": None, "cost_usd": Decimal("0.000000001000000")},
        {"prompt": 1, "requests": 3, "until": NOON, "cost_usd": None},
    )

    (row,) = stored(table, known, tmp_path)

    assert (row["requests"], row["logged_requests"], row["logged_nano"]) == (9, 6, 2)


def test_labels_keep_rows_apart(tmp_path: Path) -> None:
    known = priced(price((rate("prompt", "1"),), 0))
    table = usage({"prompt": 1, "project": "a", "user": ""}, {"prompt": 2, "project": "b", "user": "ann"})

    found = stored(table, known, tmp_path)

    assert sorted((row["label_id"], row["prompt"]) for row in found) == [(0, 1), (1, 2)]
