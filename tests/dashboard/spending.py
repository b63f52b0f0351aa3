"""Forty days of usage with every trait that the Spend page shows: what it is tested with."""

from datetime import UTC, datetime

from sqlalchemy import Engine

from db.engine import migrate, open_engine
from db.usage.rollup import Label
from tests.dashboard.market import HERMES
from tests.db.usage_reading.made import USD, Book, Cell

IMPORTED = datetime(2026, 3, 1, 9, tzinfo=UTC)
RESTATED = datetime(2026, 3, 10, 9, tzinfo=UTC)
LAST_DAY = "2026-02-09"
"""The fortieth day of the made-up worlds."""

HOSTILE = "<img src=x onerror=\"document.title='owned'\">**bold**[x](javascript:alert(1))"
WEB: Label = ("web", "key-1", "ann", '{"team":"red"}')
EVIL: Label = (HOSTILE, "=cmd()", "", "")


def cells(*, price: int = 2 * USD) -> list[Cell]:
    """A request an hour to two models, one of them dearer from day 20 on, and unpriced ones on three days."""
    found = []
    for day in range(40):
        late = 2 if day >= 20 else 1
        hermes = {"prompt": 600_000, "completion": 200_000, "input_cache_read": 200_000}
        found += [
            Cell(day * 24 + 1, hermes, price * late, requests=4, model=HERMES, label=WEB, logged=2 * USD, assumed=8),
            Cell(day * 24 + 5, {"prompt": 50_000}, USD // 3, model="author/small", label=EVIL),
        ]
    unknown = {"prompt": 1_000_000}
    found += [Cell(24 * day + 7, unknown, None, requests=9, model=HOSTILE, label=EVIL) for day in (10, 38, 39)]
    return found


def build(url: str, *, sample: bool = False) -> Engine:
    """Fill the empty database at `url`: an import, and the restatement that made it dearer; perhaps a sample."""
    engine = open_engine(url)
    migrate(engine)
    book = Book(engine)
    import_id = book.add(cells(price=USD), IMPORTED)
    book.restate(import_id, cells(), RESTATED)
    if sample:
        synthetic = [Cell(day * 24, {"prompt": 1_000}, USD, model="sample/model") for day in range(40)]
        book.add(synthetic, RESTATED, sample=True)
    return engine
