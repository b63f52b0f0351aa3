"""The tables of budgets and scenarios. A name is the key that people use; setting it again replaces it."""

from datetime import date, datetime
from decimal import Decimal

from sqlalchemy import JSON
from sqlmodel import Field, SQLModel

from db.columns import ExactDecimal, Instant


class BudgetRow(SQLModel, table=True):
    """See db.plans.facts.Budget. `scope` and the shares of `warn_at` as text."""

    __tablename__ = "budget"

    id: int | None = Field(default=None, primary_key=True)
    name: str = Field(unique=True)
    limit_usd: Decimal = Field(sa_type=ExactDecimal)
    kind: str
    start: date | None = None
    end: date | None = None
    timezone: str
    scope: str
    warn_at: list[str] = Field(sa_type=JSON)
    set_at: datetime = Field(sa_type=Instant)


class ScenarioRow(SQLModel, table=True):
    """See db.plans.scenario.Scenario. `moves` as they were written."""

    __tablename__ = "scenario"

    id: int | None = Field(default=None, primary_key=True)
    name: str = Field(unique=True)
    moves: list[str] = Field(sa_type=JSON)
    volume: Decimal = Field(sa_type=ExactDecimal)
    cache_rate: Decimal | None = Field(default=None, sa_type=ExactDecimal)
    set_at: datetime = Field(sa_type=Instant)
