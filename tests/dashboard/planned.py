"""A small ledger with the usage of weeks, to project from: what the tests of plans look at."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal

from sqlalchemy import Engine

from db.engine import migrate, open_engine, writing
from db.plans import store
from db.plans.facts import Budget, Scope
from db.plans.scenario import Scenario
from db.usage.rollup import Label
from tests.dashboard.market import HOSTILE
from tests.db.usage_reading.made import USD, Book, Cell, two_models
from tests.db.worlds import START

ASOF = "2026-02-18"
DAYS = 49
"""From 1 January to the as-of day."""
SEARCH: Label = ("search", "key-1", "", "")
CHAT: Label = ("<b>chat</b>", "key-2", "", "")
MOVE = "author/b@openrouter -> author/a@openrouter: 50%"
NOW = START + timedelta(days=DAYS)


def build(
    url: str,
    *,
    budget: bool = False,
    days: int = DAYS,
    priced: bool = True,
    sample: bool = False,
    cells: Sequence[Cell] | None = None,
    budgets: Sequence[Budget] = (),
) -> Engine:
    """A ledger and so many days of usage up to the as-of day: $7 to $13 a day, the fourth day of each week dear.

    `cells`: other usage instead of it.
    """
    engine = open_engine(url)
    migrate(engine)
    prices = two_models(engine)
    if cells is None:
        cells = [cell for number in range(DAYS - days, DAYS) for cell in _day(number, prices, priced=priced)]
    if cells:
        Book(engine).add(cells, NOW, sample=sample)
    with writing(engine) as connection:
        for each in budgets:
            store.set_budget(connection, each, NOW)
    if budget:
        hostile = Budget(HOSTILE.splitlines()[0], Decimal(100), scope=Scope("project", "search"))
        scenario = Scenario(HOSTILE.splitlines()[0], volume=Decimal(2))
        with writing(engine) as connection:
            store.set_budget(connection, Budget("team", Decimal(200)), NOW)
            store.set_budget(connection, hostile, NOW)
            store.set_scenario(connection, scenario, NOW)
    return engine


def _day(number: int, prices: dict[str, int], *, priced: bool) -> list[Cell]:
    """One day: model a for search, model b for chat, and one request in ten without a price."""
    hour = number * 24 + 12
    dear = 6 if number % 7 == 3 else 0
    a, b = (2 * 10**6, 10**6 // 2)
    if not priced:
        return [Cell(hour, {"prompt": a}, None, label=SEARCH, requests=10)]
    # At $2 per 1M tokens of a, and $6 of b.
    return [
        Cell(hour, {"prompt": a}, 4 * USD, label=SEARCH, requests=10, price_id=prices["a10"]),
        Cell(hour, {"prompt": b * (1 + dear // 3)}, (3 + dear) * USD, label=CHAT, requests=5, model="author/b",
             price_id=prices["b20"]),
        Cell(hour, {"prompt": 10}, None, label=CHAT, requests=1, model="no/price"),
    ]  # fmt: skip


def spent(at: str, usd: Decimal | str | None, label: Label = SEARCH, requests: int = 1) -> Cell:
    """What was spent in a UTC hour, written like 2026-03-29T01; None is without a price."""
    hour = (datetime.fromisoformat(f"{at}:00:00+00:00") - START) / timedelta(hours=1)
    nano = None if usd is None else int(Decimal(usd) * USD)
    return Cell(hour, {"prompt": 1_000}, nano, label=label, requests=requests)


def day(text: str) -> date:
    return date.fromisoformat(text)
