"""The one place where pages write: budgets and scenarios, by an engine that is open for as long as it takes."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from sqlalchemy import Connection

from dashboard.data import Reader
from db.engine import open_engine, writing
from db.plans import store
from db.plans.facts import Budget
from db.plans.scenario import Scenario
from db.plans.what_if import places


def set_budget(reader: Reader, budget: Budget) -> None:
    """Set a budget; another one of its name is replaced. Raises UsageError."""
    with _writer(reader) as connection:
        store.set_budget(connection, budget, datetime.now(UTC))


def remove_budget(reader: Reader, name: str) -> None:
    """Raises UsageError where there is none of that name."""
    with _writer(reader) as connection:
        store.remove_budget(connection, name)


def set_scenario(reader: Reader, scenario: Scenario) -> None:
    """Set a scenario; another one of its name is replaced. Raises UsageError, also for a move that leads nowhere."""
    with _writer(reader) as connection:
        places(connection, scenario)
        store.set_scenario(connection, scenario, datetime.now(UTC))


def remove_scenario(reader: Reader, name: str) -> None:
    """Raises UsageError where there is none of that name."""
    with _writer(reader) as connection:
        store.remove_scenario(connection, name)


@contextmanager
def _writer(reader: Reader) -> Iterator[Connection]:
    engine = open_engine(reader.url)
    try:
        with writing(engine) as connection:
            yield connection
    finally:
        engine.dispose()
