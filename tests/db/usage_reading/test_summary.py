"""Summaries: whatever they are grouped by, they add up; and every old one can be had again."""

from collections import Counter
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from itertools import combinations

import pytest

from db.engine import reading
from db.errors import UsageError
from db.usage import keys, read, report
from db.usage.billing import assumed
from db.usage.read import View
from db.usage.summary import Mine, Summary, cache_hit_rate
from db.usage.tags import canonical
from tests.db.usage_reading.made import USD, Book, Cell, two_models
from tests.db.worlds import at

RED = ("web", "key-1", "ann", canonical({"team": "red"}))
BLUE = ("batch", "key-2", "", canonical({"team": "blue", "env": "test"}))

CELLS = [
    Cell(0, {"prompt": 900, "completion": 100}, 3 * USD, requests=2, label=RED, logged=4 * USD),
    Cell(1, {"prompt": 500, "input_cache_read": 1500}, 1 * USD, label=RED, assumed=assumed(["input_cache_read"])),
    Cell(26, {"prompt": 10}, None, requests=5, model="author/b", why="unknown model"),
    Cell(27, {"completion": 40}, USD // 3, model="author/b", label=BLUE, assumed=assumed(["choice"]), requests=3),
    Cell(24 * 40, {"prompt": 7}, 0, provider="elsewhere", variant="batch", label=BLUE),
]


@pytest.fixture
def filled(book: Book) -> Book:
    book.add(CELLS, at(2000))
    return book


def summary(book: Book, by: str = "", view: View | None = None) -> list[Summary]:
    with reading(book.engine) as connection:
        return report.summary(connection, keys.parse(by), view)


def total(book: Book, view: View | None = None) -> Summary:
    (found,) = summary(book, "", view)
    return found


def test_one_row_says_it_all(filled: Book) -> None:
    found = total(filled)
    assert (found.requests, found.unpriced_requests) == (12, 5)
    assert found.units == {"prompt": 1417, "completion": 140, "input_cache_read": 1500}
    assert found.priced_units == {"prompt": 1407, "completion": 140, "input_cache_read": 1500}
    assert found.cost_nano == 4 * USD + USD // 3
    assert (found.logged_nano, found.logged_requests) == (4 * USD, 2)
    assert found.assumptions == {"input_cache_read": 1500, "choice": 3}


ALL_KEYS = (
    "model provider variant subject endpoint project api_key user tag:team month week day hour import sample why hint"
)


def test_groups_of_any_kind_sum_to_the_total(filled: Book) -> None:
    whole = total(filled)
    for by in map(",".join, combinations(ALL_KEYS.split(), 2)):
        found = summary(filled, by)
        assert len({each.key for each in found}) == len(found) > 0, by
        for name in ("requests", "unpriced_requests", "logged_requests"):
            assert sum(getattr(each, name) for each in found) == getattr(whole, name), by
        assert sum(each.cost_nano or 0 for each in found) == whole.cost_nano, by
        assert sum(each.logged_nano or 0 for each in found) == whole.logged_nano, by
        for name in ("units", "priced_units", "assumptions"):
            summed: Counter[str] = Counter()
            for each in found:
                summed.update(getattr(each, name))
            assert dict(summed) == getattr(whole, name), by


MEANINGS: dict[str, dict[tuple[str | None, ...], int]] = {
    "model": {("author/a",): 4, ("author/b",): 8},
    "provider,variant": {("openrouter", None): 11, ("elsewhere", "batch"): 1},
    "project": {("web",): 3, ("batch",): 4, (None,): 5},
    "tag:team": {("red",): 3, ("blue",): 4, (None,): 5},
    "user": {("ann",): 3, (None,): 9},
    "day": {("2026-01-01",): 3, ("2026-01-02",): 8, ("2026-02-10",): 1},
    "week": {("2025-12-29",): 11, ("2026-02-09",): 1},
    "month": {("2026-01",): 11, ("2026-02",): 1},
    "why": {(None,): 7, ("unknown model",): 5},
    "subject": {("author/a@openrouter",): 3, ("author/b@openrouter",): 8, ("author/a@elsewhere:batch",): 1},
}


def test_a_key_means_what_it_says(filled: Book) -> None:
    assert {by: {each.key: each.requests for each in summary(filled, by)} for by in MEANINGS} == MEANINGS


def test_what_nobody_knows_the_price_of_does_not_cost_zero(filled: Book) -> None:
    costs = {each.key: each.cost_nano for each in summary(filled, "why")}
    assert costs == {(None,): 4 * USD + USD // 3, ("unknown model",): None}


def test_times_come_in_order_and_else_the_dearest_first(filled: Book) -> None:
    assert [each.key[0] for each in summary(filled, "day,model")] == sorted(
        k.key[0] for k in summary(filled, "day,model")
    )
    assert [each.cost_nano for each in summary(filled, "project")] == [4 * USD, USD // 3, None]


VIEWS = [
    (View(since=at(1)), 10),
    (View(until=at(1)), 2),
    (View(since=at(1), until=at(27)), 6),
    (View(since=at(0.0), until=at(0)), 0),
    (View(model="author/b"), 8),
    (View(provider="elsewhere"), 1),
    (View(project="web"), 3),
    (View(model="author/a", provider="openrouter", project="web", since=at(1)), 1),
    (View(model="nobody/knows"), 0),
]


def test_a_view_is_half_open_and_narrows(filled: Book) -> None:
    for view, requests in VIEWS:
        assert sum(each.requests for each in summary(filled, "model", view)) == requests, view


def test_a_bound_inside_an_hour_is_refused(filled: Book) -> None:
    with pytest.raises(UsageError, match=r"2026-01-01T00:30:00\+00:00 lies inside an hour.*write 2026-01-01T00:00:00Z"):
        summary(filled, "", View(since=at(0.5)))


def test_a_key_that_is_none_is_named() -> None:
    with pytest.raises(UsageError, match=r"--by knows no 'colour'\. There are: model, "):
        keys.parse("model,colour")


def test_before_an_import_nothing_of_it_is_known(filled: Book) -> None:
    assert summary(filled, "model", View(known_at=at(1999))) == []
    assert total(filled, View(known_at=at(2000))) == total(filled)


def test_after_a_restatement_the_old_report_can_be_had_to_the_last_digit(filled: Book) -> None:
    before = [summary(filled, by, View(known_at=at(2000))) for by in ("", "model", "day,project", "why")]
    restated = [replace(CELLS[0], usd=3 * USD + 1), *CELLS[1:2], replace(CELLS[2], usd=7), *CELLS[3:]]
    filled.restate(1, restated, at(3000))
    assert [summary(filled, by, View(known_at=at(2999))) for by in ("", "model", "day,project", "why")] == before
    now = total(filled)
    assert (now.cost_nano, now.unpriced_requests) == ((before[0][0].cost_nano or 0) + 1 + 7, 0)


def test_more_cells_than_fit_in_a_batch_are_all_counted(book: Book, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(read, "_BATCH", 3)
    book.add([Cell(hour, {"prompt": 1}, 1) for hour in range(10)], at(2000))
    assert len(summary(book, "hour")) == 10
    with reading(book.engine) as connection:
        batches = list(read.columns(connection, View(), ["minute", "prompt", "cost_nano"]))
    assert [len(each["minute"]) for each in batches] == [3, 3, 3, 1]
    assert sum(int(each["cost_nano"].sum()) for each in batches) == 10


def test_sums_beyond_a_float_are_exact(book: Book) -> None:
    book.add([Cell(0, {"prompt": 2**53}, 2**53), Cell(1, {"prompt": 1}, 1)], at(2000))
    found = total(book)
    assert (found.units["prompt"], found.cost_nano) == (2**53 + 1, 2**53 + 1)


def test_the_priced_endpoint_is_told_by_the_ledger(book: Book) -> None:
    prices = two_models(book.engine)
    book.add([Cell(0, {"prompt": 1}, 1, price_id=prices["a0"]), Cell(1, {"prompt": 1}, None)], at(2000))
    assert {each.key[0]: each.requests for each in summary(book, "endpoint")} == {
        "openrouter:author/a": 1,
        None: 1,
    }


def test_days_are_the_summary_by_day_in_columns(filled: Book) -> None:
    with reading(filled.engine) as connection:
        table = read.days(connection, View()).to_pylist()
        names = read.names(connection)
    by_day: Counter[date] = Counter()
    for row in table:
        by_day[row["day"]] += row["requests"]
    assert {str(day): n for day, n in by_day.items()} == {e.key[0]: e.requests for e in summary(filled, "day")}
    unpriced = next(row for row in table if row["unpriced_requests"])
    assert (unpriced["requests"], unpriced["cost_nano"], unpriced["priced_tokens"]) == (5, 0, 0)
    assert names.subjects[unpriced["subject_id"]].as_model == "author/b"
    assert sum(row["cost_nano"] for row in table) == total(filled).cost_nano
    assert sum(row["priced_tokens"] for row in table) == 1407 + 140 + 1500


def test_no_usage_is_no_row(book: Book) -> None:
    assert summary(book, "model") == []
    with reading(book.engine) as connection:
        assert read.days(connection, View()).num_rows == 0
        assert report.own_mix(connection, "author/a") is None
        assert read.imports(connection) == []


def test_samples_can_be_told_apart(filled: Book) -> None:
    filled.add([Cell(3, {"prompt": 1}, 1, requests=9)], at(2001), sample=True)
    assert {each.key: each.requests for each in summary(filled, "sample")} == {(False,): 12, (True,): 9}


def test_effective_price_is_of_priced_requests_only(book: Book) -> None:
    priced = Cell(0, {"prompt": 600_000, "completion": 400_000}, 2 * USD)
    book.add([priced, Cell(0, {"prompt": 10**9}, None, model="author/b")], at(2000))
    assert total(book).effective_usd_per_mtok == 2


@pytest.mark.parametrize(
    ("units", "rate"),
    [
        ({"prompt": 1, "input_cache_read": 3}, "0.75"),
        ({"prompt": 1, "input_cache_read": 1, "input_cache_write": 1, "input_cache_write_1h": 1}, "0.25"),
        ({"prompt": 5, "completion": 100}, "0"),
        ({"completion": 5}, None),
    ],
)
def test_the_cache_rate_is_a_share_of_all_input(units: dict[str, int], rate: str | None) -> None:
    assert cache_hit_rate(units) == (Decimal(rate) if rate is not None else None)


def test_ones_own_mix_is_of_the_last_thirty_days_with_usage(book: Book) -> None:
    old = Cell(0, {"prompt": 10**9}, 1, requests=100)
    recent = Cell(24 * 60, {"prompt": 600, "input_cache_read": 200, "completion": 150, "internal_reasoning": 50}, 1)
    book.add([old, replace(recent, requests=4), replace(recent, model="author/b")], at(2000))
    with reading(book.engine) as connection:
        found = report.own_mix(connection, "author/a")
    assert found is not None
    mine, since, until = found
    assert mine == Mine(4, Decimal(4), Decimal(1), Decimal("0.25"), 200)
    assert until == at(24 * 60 + 1)
    assert since == datetime(2026, 1, 31, 1, tzinfo=UTC)
