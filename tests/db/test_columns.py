"""Money and time come back as they went in, on both databases, and nothing inexact gets in."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Column, Engine, Integer, MetaData, Table, insert, select, text
from sqlalchemy.dialects import sqlite
from sqlalchemy.exc import StatementError

from db.columns import ExactDecimal, Instant
from db.engine import open_engine, reading, writing

TABLE = Table(
    "sample", MetaData(), Column("id", Integer, primary_key=True), Column("usd", ExactDecimal), Column("at", Instant)
)
NOON = datetime(2026, 1, 6, 12, tzinfo=UTC)


@pytest.fixture
def table(database_url: str) -> Iterator[Engine]:
    engine = open_engine(database_url)
    TABLE.metadata.create_all(engine)
    yield engine
    engine.dispose()


def stored(engine: Engine, **values: object) -> tuple[object, object]:
    with writing(engine) as connection:
        connection.execute(insert(TABLE).values(**values))
    with reading(engine) as connection:
        row = connection.execute(select(TABLE.c.usd, TABLE.c.at).order_by(TABLE.c.id.desc())).first()
    assert row is not None
    return row.usd, row.at


@pytest.mark.parametrize(
    ("given_text", "kept_text"),
    [
        ("0.00000008333333333333334", "0.00000008333333333333334"),
        ("0.0000001999188", "0.0000001999188"),
        ("0.1", "0.1"),
        ("1.50", "1.5"),
        ("0", "0"),
        ("-0", "0"),
        ("-0.00", "0"),
        ("0E-30", "0"),
        ("1E-7", "0.0000001"),
        ("1E+3", "1000"),
        ("-12.5", "-12.5"),
        ("99999999999999999999.123456789012345678901234567890", "99999999999999999999.12345678901234567890123456789"),
    ],
)
def test_money_is_kept_exactly_and_in_plain_notation(table: Engine, given_text: str, kept_text: str) -> None:
    usd, _ = stored(table, usd=Decimal(given_text))

    assert usd == Decimal(given_text)
    with reading(table) as connection:
        assert connection.execute(text("SELECT usd FROM sample")).scalar_one() == kept_text


def test_nothing_stays_nothing(table: Engine) -> None:
    assert stored(table, usd=None, at=None) == (None, None)


@pytest.mark.parametrize("amount", [0.1, 1, "0.1", True])
def test_money_that_is_no_decimal_is_refused(table: Engine, amount: object) -> None:
    with pytest.raises(StatementError, match="money is a Decimal"):
        stored(table, usd=amount)


@pytest.mark.parametrize("amount", ["NaN", "sNaN", "Infinity", "-Infinity"])
def test_money_that_is_not_finite_is_refused(table: Engine, amount: str) -> None:
    with pytest.raises(StatementError, match="money is finite"):
        stored(table, usd=Decimal(amount))


@pytest.mark.parametrize(
    "at",
    [
        NOON,
        NOON + timedelta(microseconds=1),
        NOON.astimezone(timezone(timedelta(hours=5, minutes=45))),
        # Twice that hour on a clock in Berlin, once in the world.
        datetime(2026, 10, 25, 0, 30, tzinfo=UTC),
        datetime(1, 1, 1, tzinfo=UTC),
        datetime(9999, 12, 31, tzinfo=UTC),
    ],
)
def test_an_instant_comes_back_as_the_same_one_in_utc(table: Engine, at: datetime) -> None:
    _, back = stored(table, at=at)

    assert isinstance(back, datetime)
    assert back == at
    assert back.utcoffset() == timedelta(0)


@pytest.mark.parametrize("at", [datetime(2026, 1, 6, 12), datetime.max])  # noqa: DTZ001, DTZ901
def test_a_time_without_a_zone_is_refused(table: Engine, at: datetime) -> None:
    with pytest.raises(StatementError, match="an instant is an aware datetime"):
        stored(table, at=at)


def test_a_day_is_no_instant(table: Engine) -> None:
    with pytest.raises(StatementError):
        stored(table, at=date(2026, 1, 6))


@given(st.datetimes(timezones=st.just(UTC)), st.datetimes(timezones=st.just(UTC)))
def test_the_order_of_instants_as_text_is_the_order_of_time(one: datetime, other: datetime) -> None:
    one_text, other_text = (Instant().process_bind_param(at, sqlite.dialect()) for at in (one, other))

    assert len(one_text) == len(other_text) == 27
    assert (one_text < other_text) == (one < other)
    assert Instant().process_result_value(one_text, sqlite.dialect()) == one
