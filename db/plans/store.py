"""Writing budgets and scenarios."""

from datetime import datetime

from sqlalchemy import Connection, Table, delete, insert, select

from db.errors import UsageError
from db.plans.facts import Budget
from db.plans.scenario import Scenario
from db.plans.tables import BudgetRow, ScenarioRow
from db.versions import table_of

BUDGET, SCENARIO = table_of(BudgetRow), table_of(ScenarioRow)


def set_budget(connection: Connection, budget: Budget, now: datetime) -> None:
    """Set a budget; another one of its name is replaced."""
    values = {
        "limit_usd": budget.limit_usd,
        "kind": str(budget.kind),
        "start": budget.start,
        "end": budget.end,
        "timezone": budget.timezone,
        "scope": str(budget.scope),
        "warn_at": [str(share) for share in budget.warn_at],
        "set_at": now,
    }
    _set(connection, BUDGET, budget.name, values)


def set_scenario(connection: Connection, scenario: Scenario, now: datetime) -> None:
    """Set a scenario; another one of its name is replaced."""
    values = {
        "moves": [str(move) for move in scenario.moves],
        "volume": scenario.volume,
        "cache_rate": scenario.cache_rate,
        "set_at": now,
    }
    _set(connection, SCENARIO, scenario.name, values)


def remove_budget(connection: Connection, name: str) -> None:
    """Raises UsageError where there is none of that name."""
    _remove(connection, BUDGET, name)


def remove_scenario(connection: Connection, name: str) -> None:
    """Raises UsageError where there is none of that name."""
    _remove(connection, SCENARIO, name)


def _set(connection: Connection, table: Table, name: str, values: dict[str, object]) -> None:
    if not name.strip():
        raise UsageError(f"A {table.name} needs a name.")
    connection.execute(delete(table).where(table.c.name == name))
    connection.execute(insert(table), [{"name": name, **values}])


def _remove(connection: Connection, table: Table, name: str) -> None:
    if not connection.execute(delete(table).where(table.c.name == name)).rowcount:
        raise unknown(connection, table, name)


def unknown(connection: Connection, table: Table, name: str) -> UsageError:
    """That there is no budget or scenario of a name, and which there are."""
    there = connection.execute(select(table.c.name).order_by(table.c.name)).scalars().all()
    known = f"There are: {', '.join(there)}." if there else f"`ratecard {table.name} set` makes one."
    return UsageError(f"There is no {table.name} {name!r}. {known}")
