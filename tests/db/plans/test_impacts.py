"""What price changes do to a bill: as much as re-costing before and after."""

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal

import pytest
from sqlalchemy import Engine

from db.engine import reading
from db.plans.impacts import impacts, usd_by_change
from db.plans.periods import midnight
from db.prices import read as prices
from db.prices.changes import changes
from db.usage import report
from db.usage.keys import Subject
from db.usage.read import View
from db.usage.recost import Target
from db.usage.rollup import Label
from db.usage.segments import BEGINNING
from tests.db.usage_reading.made import USD, Book, Cell, two_models
from tests.db.worlds import at

SEARCH: Label = ("search", "", "", "")
CHAT: Label = ("chat", "", "", "")
MORE = {"prompt": 10_000_003, "completion": 1_000_001}


@pytest.fixture
def book(engine: Engine) -> Book:
    """Usage of both models over three days; a's price rises from $1 to $2 a million at hour 10, b's from 5 to 6."""
    price = two_models(engine)
    cells = [
        Cell(2, MORE, 12_000_005_000, 3, label=SEARCH, price_id=price["a0"]),
        Cell(11, MORE, 24_000_010_000, 4, label=SEARCH, price_id=price["a10"]),
        Cell(30, {"prompt": 1_000_000}, 2 * USD, label=CHAT, price_id=price["a10"]),
        Cell(50, {"prompt": 1_000_000}, 6 * USD, 2, model="author/b", label=CHAT, price_id=price["b20"]),
        Cell(51, {"prompt": 1_000_000}, None, 7, model="author/c", label=CHAT),
    ]
    made = Book(engine)
    made.add(cells, at(60))
    return made


def test_the_impact_is_what_re_costing_says_before_and_after(engine: Engine, book: Book) -> None:
    with reading(engine) as connection:
        found = impacts(connection, now=at(60))
        for each in found:
            versions = prices.of_endpoints(connection, [each.endpoint.id])[each.endpoint.id]
            days = midnight(each.first, "UTC"), midnight(each.last, "UTC")
            view = View(*days, model=each.endpoint.model)
            costs = [
                report.recosted(connection, _all_at(Target([(BEGINNING, price.rates)])), view=view).whole.best
                for price in versions
            ]
            assert [each.before, each.after] == costs
    assert len(found) == 2
    assert book.rows


def _all_at(target: Target) -> Callable[[Subject], Target]:
    return lambda _subject: target


def test_it_names_the_projects_the_moves_and_the_days(engine: Engine, book: Book) -> None:
    with reading(engine) as connection:
        newest, oldest = impacts(connection, now=at(60))
    assert [each.endpoint.model for each in (newest, oldest)] == ["author/b", "author/a"]
    assert (oldest.at, oldest.requests, oldest.before, oldest.after) == (at(10), 8, 25_000_010_000, 50_000_020_000)
    assert oldest.projects == (("search", 24_000_010_000), ("chat", USD))
    assert [(c.meter, c.percent) for c in oldest.changes] == [
        ("prompt", Decimal(100)),
        ("completion", Decimal(100)),
    ]
    assert oldest.last - oldest.first == timedelta(days=30)
    assert oldest.last == at(50).date() + timedelta(days=1)
    assert newest.monthly == USD
    assert book.rows


def test_only_the_time_and_the_model_that_are_asked_for(engine: Engine, book: Book) -> None:
    with reading(engine) as connection:
        assert [each.at for each in impacts(connection, at(11), now=at(60))] == [at(20)]
        assert [each.at for each in impacts(connection, None, at(20), now=at(60))] == [at(10)]
        assert impacts(connection, model="author/c", now=at(60)) == []
    assert book.rows


def test_alerts_get_the_same_figure(engine: Engine, book: Book) -> None:
    with reading(engine) as connection:
        moved = changes(prices.around_changes(connection, at(5)), at(5))
        found = usd_by_change(connection, moved, at(60))
        assert usd_by_change(connection, [], at(60)) == {}
    assert sorted(found.values()) == [Decimal(1), Decimal("25.00001")]
    assert {when for _, when in found} == {at(10), at(20)}
    assert book.rows


def test_without_usage_there_is_no_impact(engine: Engine) -> None:
    two_models(engine)
    with reading(engine) as connection:
        assert impacts(connection, now=at(60)) == []
