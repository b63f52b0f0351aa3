"""What is learned later moves past cost by a visible delta, and old reports stay reproducible."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sqlalchemy import Connection, Engine, func, select, text

from collector.jobs.restate import restate_all
from db.catalog.store import relink, set_alias
from db.engine import migrate, open_engine, reading, writing
from db.usage import engine as engines
from db.usage import imports
from db.usage.engine import Costing
from db.usage.restating import Restated
from db.usage.store import load, priced_names
from db.usage.tables import CostingRow, HourRow
from db.versions import table_of
from tests.db import loading
from tests.db.worlds import Seen, at

_HOUR = table_of(HourRow)
PROMPT = 1_000_000


@pytest.fixture
def database(database_url: str) -> Iterator[Engine]:
    """An empty database with the schema."""
    engine = open_engine(database_url)
    migrate(engine)
    yield engine
    engine.dispose()


@pytest.fixture
def settings(tmp_path: Path) -> Costing:
    return Costing(home=tmp_path / "home")


def bring(engine: Engine, settings: Costing, hours: list[float], model: str = "author/m") -> int:
    """Import one request of a million prompt tokens at each of the hours; the import's id."""
    folder = settings.usage / f"import-{hours[0]}-{model.replace('/', '-')}"
    folder.mkdir(parents=True)
    times = [at(hour).replace(tzinfo=None) for hour in hours]
    columns = {
        "time": pa.array(times, pa.timestamp("us")),
        "model": [model] * len(hours),
        "provider": ["openrouter"] * len(hours),
        "prompt": pa.array([PROMPT] * len(hours), pa.int64()),
    }
    pq.write_table(pa.table(columns), folder / "0.parquet")
    row = {
        "recorded_at": at(200),
        "log_format": "generic",
        "folder": folder.name,
        "files": [],
        "rows": len(hours),
        "imported": len(hours),
        "duplicates": 0,
        "rejected": 0,
        "ignored": 0,
        "sample": False,
    }
    with engines.open_engine(settings) as costing:
        files = [folder / "0.parquet"]
        with reading(engine) as connection:
            priced = priced_names(connection, costing.names(files))
        costing.cost(files, priced, settings.usage / "cells")
    with writing(engine) as connection:
        import_id = imports.add(connection, row)
        load(connection, import_id, settings.usage / "cells", priced, at(200))
    return import_id


def usd(connection: Connection, costing_id: int | None = None) -> tuple[int, int]:
    """(dollars, unpriced requests) in force; as of an earlier costing if one is named."""
    now = _HOUR.c.superseded_by.is_(None)
    held = (
        now if costing_id is None else (_HOUR.c.costing_id <= costing_id) & (now | (_HOUR.c.superseded_by > costing_id))
    )
    nano = connection.execute(select(func.coalesce(func.sum(_HOUR.c.cost_nano), 0)).where(held)).scalar_one()
    unpriced = select(func.coalesce(func.sum(_HOUR.c.requests), 0)).where(held, _HOUR.c.cost_nano.is_(None))
    assert nano % 10**9 == 0
    return int(nano) // 10**9, int(connection.execute(unpriced).scalar_one())


def test_a_price_learned_later_restates_by_a_visible_delta(database: Engine, settings: Costing) -> None:
    loading.load(database, Seen(0, {"m": 2}), Seen(10, {"m": 2}))
    import_id = bring(database, settings, [1, 4, 5.5, 7, 11])
    with reading(database) as connection:
        assert usd(connection) == (10, 0)
    loading.load(database, Seen(5, {"m": 3}))  # a backfill: from hour 5 to the poll of hour 10 it was 3
    changed = restate_all(database, settings, at(300))
    assert changed == [Restated(import_id, 2, 2, 2, 2 * 10**9, 0)]
    with reading(database) as connection:
        assert usd(connection) == (12, 0)
        assert usd(connection, 1) == (10, 0)  # the old report, as it was
        told = connection.execute(select(CostingRow).where(table_of(CostingRow).c.id == 2)).one()
        assert (told.kind, told.delta_nano, told.recorded_at) == ("restatement", 2 * 10**9, at(300))


def test_twice_is_a_no_op(database: Engine, settings: Costing) -> None:
    loading.load(database, Seen(0, {"m": 2}), Seen(10, {"m": 2}))
    bring(database, settings, [1, 7])
    loading.load(database, Seen(5, {"m": 3}))
    assert restate_all(database, settings, at(300))
    assert restate_all(database, settings, at(301)) == []


def test_a_price_that_ends_without_moving_changes_nothing(database: Engine, settings: Costing) -> None:
    """Its ledger row is written anew with an end; what was billed under it stays."""
    loading.load(database, Seen(0, {"m": 2}))
    bring(database, settings, [1, 7])
    loading.load(database, Seen(10, {"m": 4}))
    assert restate_all(database, settings, at(300)) == []
    with reading(database) as connection:
        assert connection.execute(select(func.count()).select_from(CostingRow)).scalar_one() == 1


def test_an_alias_declared_later_prices_what_had_no_price(database: Engine, settings: Costing) -> None:
    loading.load(database, Seen(0, {"m": 2}))
    bring(database, settings, [1, 7], model="my-own-name")
    with reading(database) as connection:
        assert usd(connection) == (0, 2)
    with writing(database) as connection:
        set_alias(connection, "my-own-name", "author/m")
        relink(connection)
    [changed] = restate_all(database, settings, at(300))
    assert (changed.delta_nano, changed.delta_unpriced) == (4 * 10**9, -2)
    with reading(database) as connection:
        assert usd(connection) == (4, 0)
        meant = connection.execute(text("SELECT as_model, as_provider, hint FROM usage_subject")).one()
        assert tuple(meant) == ("author/m", "openrouter", "")


def test_imports_are_restated_each_for_itself(database: Engine, settings: Costing) -> None:
    loading.load(database, Seen(0, {"m": 2, "n": 1}), Seen(10, {"m": 2, "n": 1}))
    first = bring(database, settings, [1, 7])
    second = bring(database, settings, [7.2, 8])
    bring(database, settings, [7.1], model="author/n")
    loading.load(database, Seen(5, {"m": 3, "n": 1}))
    changed = restate_all(database, settings, at(300))
    assert {(r.import_id, r.delta_nano) for r in changed} == {(first, 10**9), (second, 2 * 10**9)}


def test_deleted_requests_leave_their_cells_as_they_are(database: Engine, settings: Costing) -> None:
    loading.load(database, Seen(0, {"m": 2}), Seen(10, {"m": 2}))
    bring(database, settings, [1, 7])
    loading.load(database, Seen(5, {"m": 3}))
    for file in settings.usage.glob("*/*.parquet"):
        file.unlink()
    assert restate_all(database, settings, at(300) + timedelta(hours=1)) == []
    with reading(database) as connection:
        assert usd(connection) == (4, 0)
