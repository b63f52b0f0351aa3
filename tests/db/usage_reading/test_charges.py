"""Usage in the words of FOCUS: rows that sum to what is believed, and that name what was corrected."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from db.engine import reading
from db.usage import report
from db.usage.charges import COLUMNS, focus
from db.usage.export import charges
from db.usage.read import View
from db.usage.tags import canonical
from tests.db.usage_reading.made import USD, Book, Cell
from tests.db.worlds import at

RED = ("web", "key-1", "ann", canonical({"team": "red"}))
CELLS = [
    Cell(0, {"prompt": 900, "completion": 100}, 3 * USD, requests=2, label=RED, logged=4 * USD),
    Cell(1, {"prompt": 10}, USD // 4, label=RED),
    Cell(26, {"prompt": 10}, None, requests=5, model="author/b"),
    Cell(27, {"image": 4}, 7, requests=2),
]


def exported(book: Book, view: View | None = None, minutes: int = 1440) -> list[dict[str, str | None]]:
    with reading(book.engine) as connection:
        return [focus(charge) for charge in charges(connection, view or View(), minutes)]


def billed(rows: list[dict[str, str | None]]) -> Decimal:
    return sum((Decimal(row["BilledCost"]) for row in rows if row["BilledCost"] is not None), Decimal(0))


def test_a_charge_says_what_was_used_when_and_what_it_cost(book: Book) -> None:
    book.add(CELLS, at(2000))
    first = exported(book)[0]
    assert tuple(first) == COLUMNS
    expected = {
        "BilledCost": "3.25",
        "EffectiveCost": "3.25",
        "BillingCurrency": "USD",
        "BillingPeriodStart": "2026-01-01T00:00:00Z",
        "BillingPeriodEnd": "2026-02-01T00:00:00Z",
        "ChargePeriodStart": "2026-01-01T00:00:00Z",
        "ChargePeriodEnd": "2026-01-02T00:00:00Z",
        "ChargeCategory": "Usage",
        "ChargeClass": None,
        "ConsumedQuantity": "1010",
        "ConsumedUnit": "Tokens",
        "ProviderName": "openrouter",
        "PublisherName": "author",
        "SkuId": "author/a@openrouter",
        "SubAccountId": "web",
        "Tags": '{"api_key":"key-1","project":"web","team":"red","user":"ann"}',
        "x_Requests": "3",
        "x_UnpricedRequests": "0",
        "x_LoggedCost": "4",
        "x_Prompt": "910",
        "x_Completion": "100",
    }
    assert {name: first[name] for name in expected} == expected


def test_an_unpriced_charge_has_no_cost_at_all(book: Book) -> None:
    book.add(CELLS, at(2000))
    unpriced = next(row for row in exported(book) if row["x_UnpricedRequests"] == "5")
    assert [unpriced[name] for name in COLUMNS if name.endswith("Cost")] == [None] * 5
    assert unpriced["ConsumedQuantity"] == "10"


def test_what_has_no_tokens_is_counted_in_requests(book: Book) -> None:
    book.add(CELLS, at(2000))
    image = next(row for row in exported(book) if row["x_Image"] == "4")
    assert (image["ConsumedQuantity"], image["ConsumedUnit"]) == ("2", "Requests")


def test_corrections_are_told_apart_and_all_rows_sum_to_what_is_believed(book: Book) -> None:
    import_id = book.add(CELLS, at(2000))
    before = exported(book)
    assert {row["ChargeClass"] for row in before} == {None}
    book.restate(import_id, [replace(CELLS[0], usd=2 * USD), CELLS[1], replace(CELLS[2], usd=5), CELLS[3]], at(3000))
    after = exported(book)
    assert after[: len(before)] == before
    corrections = after[len(before) :]
    assert [(row["ChargePeriodStart"], row["BilledCost"], row["x_UnpricedRequests"]) for row in corrections] == [
        ("2026-01-01T00:00:00Z", "-1", "0"),
        ("2026-01-02T00:00:00Z", "0.000000005", "-5"),
    ]
    assert {row["ChargeClass"] for row in corrections} == {"Correction"}
    assert {row["ConsumedQuantity"] for row in corrections} == {None}
    with reading(book.engine) as connection:
        (believed,) = report.summary(connection)
    assert believed.cost_nano is not None
    assert billed(after) == Decimal(believed.cost_nano).scaleb(-9)
    assert exported(book, View(known_at=at(2999))) == before


def test_a_second_restatement_corrects_the_first(book: Book) -> None:
    import_id = book.add(CELLS[:1], at(2000))
    book.restate(import_id, [replace(CELLS[0], usd=2 * USD)], at(3000))
    book.restate(import_id, [replace(CELLS[0], usd=5 * USD)], at(4000))
    assert [row["BilledCost"] for row in exported(book)] == ["3", "-1", "3"]
    assert billed(exported(book, View(known_at=at(3500)))) == 2


def test_hours_and_a_window(book: Book) -> None:
    book.add(CELLS, at(2000))
    rows = exported(book, View(since=at(1), until=at(27)), minutes=60)
    assert [(row["ChargePeriodStart"], row["ChargePeriodEnd"]) for row in rows] == [
        ("2026-01-01T01:00:00Z", "2026-01-01T02:00:00Z"),
        ("2026-01-02T02:00:00Z", "2026-01-02T03:00:00Z"),
    ]


def test_a_billing_period_ends_with_the_month(book: Book) -> None:
    december = (datetime(2026, 12, 31, 23, tzinfo=UTC) - at(0)) / timedelta(hours=1)
    book.add([Cell(december, {"prompt": 1}, 1)], at(20_000))
    (row,) = exported(book)
    assert (row["BillingPeriodStart"], row["BillingPeriodEnd"]) == ("2026-12-01T00:00:00Z", "2027-01-01T00:00:00Z")
