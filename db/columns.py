"""Column types that keep money exact and time aware, on SQLite and PostgreSQL alike."""

from datetime import UTC, datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any

from sqlalchemy import DateTime, String, TypeDecorator
from sqlalchemy.engine import Dialect

from db.meters import decimal_text


class ExactDecimal(TypeDecorator[Decimal]):
    """A finite Decimal, kept as plain text (SQLite would turn a numeric column into a float)."""

    impl = String
    cache_ok = True

    def process_bind_param(self, value: Decimal | None, dialect: Dialect) -> str | None:
        if value is None:
            return None
        if not isinstance(value, Decimal):
            raise TypeError(f"money is a Decimal, not {type(value).__name__}: {value!r}")
        if not value.is_finite():
            raise ValueError(f"money is finite, not {value}")
        return decimal_text(value)

    def process_result_value(self, value: Any, dialect: Dialect) -> Decimal | None:
        return None if value is None else Decimal(value)


class Instant(TypeDecorator[datetime]):
    """An aware UTC instant. SQLite keeps fixed-width ISO text, whose order is the order of time."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> Any:
        if dialect.name == "sqlite":
            return dialect.type_descriptor(String(27))
        return dialect.type_descriptor(DateTime(timezone=True))

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> Any:
        if value is None:
            return None
        if value.tzinfo is None:
            raise TypeError(f"an instant is an aware datetime, not {value!r}")
        value = value.astimezone(UTC)
        if dialect.name != "sqlite":
            return value
        return _text(value)

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return datetime.fromisoformat(value) if isinstance(value, str) else value.astimezone(UTC)


@lru_cache(maxsize=4096)
def _text(at: datetime) -> str:
    """Fixed width (strftime would not pad a year before 1000). Many rows share an instant."""
    return at.isoformat(timespec="microseconds").replace("+00:00", "Z")
