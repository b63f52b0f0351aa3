"""Usage in the database, re-costed at endpoints of the ledger."""

from datetime import timedelta

import pytest
from sqlalchemy import update

from db.engine import reading, writing
from db.errors import UsageError
from db.prices.tables import PriceRow
from db.usage import keys, report, targets
from db.usage.read import View
from db.usage.recost import Comparison
from db.versions import table_of
from tests.db.usage_reading.made import Book, Cell, two_models
from tests.db.worlds import at


@pytest.fixture
def sold(book: Book) -> Book:
    """Usage of a before and after its price moved at hour 10, of b, and of something unknown."""
    prices = two_models(book.engine)
    cells = [
        Cell(9, {"prompt": 1000}, 1_000_000, price_id=prices["a0"]),
        Cell(12, {"prompt": 1000}, 2_000_000, price_id=prices["a10"], requests=2),
        Cell(12, {"completion": 100}, 1_000_000, price_id=prices["b0"], model="author/b"),
        Cell(12, {"prompt": 1000}, None, requests=7, model="who/knows"),
        Cell(12, {"image": 3}, None, requests=11, model="author/a", why="no rate for a meter that was used"),
    ]
    book.add(cells, at(2000))
    return book


def recosted(book: Book, endpoint: str, by: str = "model", **view: object) -> report.Parts[Comparison]:
    with reading(book.engine) as connection:
        there = targets.one_endpoint(connection, endpoint)
        return report.recosted(connection, there.of, keys.parse(by), View(**view))  # type: ignore[arg-type]


def test_at_its_own_endpoint_usage_costs_what_it_cost(sold: Book) -> None:
    for name in ("openrouter:author/a", "author/a@openrouter"):
        found = recosted(sold, name).parts["author/a",]
        assert (found.compared, found.actual, found.best, found.low, found.high) == (3, *[3_000_000] * 4)
        assert (found.requests, found.unpriced) == (14, 11)


def test_elsewhere_it_costs_what_the_prices_of_its_time_say(sold: Book) -> None:
    whole = recosted(sold, "author/b@openrouter").whole
    # a: 3 requests of 1,000 prompt tokens at $5; b: as it was. The unknown model has a price there, and only there.
    assert (whole.compared, whole.actual, whole.best) == (4, 4_000_000, 5_000_000 + 5_000_000 + 1_000_000)
    assert (whole.only_there, whole.only_there_nano, whole.only_here) == (7, 5_000_000, 0)
    assert (whole.requests, whole.unpriced) == (22, 11)


def test_before_the_first_price_nothing_compares(sold: Book) -> None:
    sold.add([Cell(-5, {"prompt": 1}, 1, model="author/c")], at(2001))
    found = recosted(sold, "author/b@openrouter").parts["author/c",]
    assert (found.compared, found.only_here, found.only_here_nano, found.unpriced) == (0, 1, 1, 1)


def test_each_model_at_one_provider(sold: Book) -> None:
    with reading(sold.engine) as connection:
        there = targets.same_model_at(connection, "OpenRouter")
        found = report.recosted(connection, there.of)
    assert found.parts["author/a",].best == found.parts["author/a",].actual == 3_000_000
    assert found.parts["author/b",].best == found.parts["author/b",].actual == 1_000_000
    assert (found.parts["who/knows",].compared, found.parts["who/knows",].only_there) == (0, 0)


def test_the_parts_sum_to_the_whole(sold: Book) -> None:
    whole = recosted(sold, "author/b@openrouter").whole
    for by in ("", "model", "day,model", "hour", "project,provider", "endpoint", "import"):
        found = recosted(sold, "author/b@openrouter", by)
        assert sum(found.parts.values(), Comparison()) == found.whole == whole, by


def test_a_view_narrows_what_is_re_costed(sold: Book) -> None:
    found = recosted(sold, "author/b@openrouter", since=at(10), until=at(13), model="author/a")
    assert (found.whole.requests, found.whole.actual) == (13, 2_000_000)


def test_the_hour_in_which_the_price_moved_is_exact_at_its_own_endpoint(book: Book) -> None:
    """The cell names the price it was costed at, and lies in that price's interval."""
    prices = two_models(book.engine)
    price = table_of(PriceRow)
    half = at(10) + timedelta(minutes=30)
    with writing(book.engine) as connection:
        connection.execute(update(price).where(price.c.id == prices["a0"]).values(valid_to=half))
        connection.execute(update(price).where(price.c.id == prices["a10"]).values(valid_from=half))
    early = Cell(10, {"prompt": 1000}, 1_000_000, price_id=prices["a0"])
    late = Cell(10, {"prompt": 1000}, 2_000_000, price_id=prices["a10"])
    book.add([early, late, Cell(10, {"prompt": 1000}, None, model="who/knows")], at(2000))
    found = recosted(book, "openrouter:author/a")
    assert (found.parts["author/a",].low, found.parts["author/a",].high) == (3_000_000, 3_000_000)
    assert found.parts["who/knows",].only_there_nano == 1_000_000


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("author/a@nowhere", "not known at this provider; it is known at: openrouter"),
        ("nobody", "write SOURCE:KEY or MODEL@PROVIDER"),
        ("nobody/x@openrouter", "unknown model"),
    ],
)
def test_an_endpoint_that_is_none_is_said_so(sold: Book, name: str, why: str) -> None:
    with pytest.raises(UsageError, match=f"--endpoint names no endpoint: '{name}' .*{why}"):
        recosted(sold, name)


def test_a_provider_that_is_none_is_said_so(sold: Book) -> None:
    with reading(sold.engine) as connection, pytest.raises(UsageError, match="no provider that is known: 'acme'"):
        targets.same_model_at(connection, "acme")
