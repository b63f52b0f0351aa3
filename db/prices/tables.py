"""The tables of the price ledger."""

from decimal import Decimal

from sqlalchemy import Index
from sqlmodel import Field, SQLModel

from db.columns import ExactDecimal
from db.versions import Versioned


class QuoteRow(SQLModel, table=True):
    """An immutable set of rates, by its digest."""

    __tablename__ = "quote"

    id: int | None = Field(default=None, primary_key=True)
    digest: str = Field(unique=True)


class RateRow(SQLModel, table=True):
    """One rate of a quote, in the quote's order; see db.prices.facts.Rate. `usd` is null where it is dynamic."""

    __tablename__ = "rate"

    quote_id: int = Field(foreign_key="quote.id", primary_key=True)
    position: int = Field(primary_key=True)
    meter: str
    usd: Decimal | None = Field(default=None, sa_type=ExactDecimal)
    min_prompt_tokens: int
    utc_start: int | None
    utc_end: int | None


class PriceRow(Versioned, table=True):
    """Which quote an endpoint was priced at, over time."""

    __tablename__ = "price"
    __table_args__ = (Index("price_endpoint", "endpoint_id", "valid_from"),)
