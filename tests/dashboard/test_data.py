"""The one reader."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from sqlalchemy import text

from dashboard import data
from db.engine import migrate, open_engine, reading, writing
from db.errors import StorageError, UsageError
from db.prices.facts import Rate, Snapshot
from db.prices.store import Book, record
from tests.dashboard.market import GAP, HERMES, LAST, RISE, START, _poll, build, openrouter

BEFORE_RISE = data.end_of(date(2026, 1, 4))


def test_a_database_that_is_not_there_is_one_sentence_and_is_not_made(isolated_environment: Path) -> None:
    with pytest.raises(StorageError, match="There is no database"):
        data.open_reader()

    assert not isolated_environment.exists()


def test_an_empty_database_has_no_poll(sqlite_database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RATECARD_DATABASE_URL", sqlite_database)
    migrate(open_engine(sqlite_database))

    assert data.open_reader().newest_poll == 0


def test_either_database_is_read_and_refuses_a_write(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RATECARD_DATABASE_URL", database_url)
    build(database_url).dispose()

    reader = data.open_reader()

    assert [(a.kind, a.model) for a in data.arrivals(reader, START, LAST)] == [
        ("removed", "acme/veteran"),
        ("added", "acme/newcomer"),
    ]
    engine = data.engine_of(database_url)
    with pytest.raises(StorageError, match=r"read-?only"), reading(engine) as connection:
        connection.execute(text("DELETE FROM poll"))
    engine.dispose()


def test_a_new_poll_shows_without_a_restart(sqlite_database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RATECARD_DATABASE_URL", sqlite_database)
    engine = build(sqlite_database)
    first = data.open_reader()
    assert data.card(first, HERMES, None) is data.card(first, HERMES, None), "read once, kept for all"
    assert len(data.catalogue(first, None)) == 6

    later = LAST + timedelta(days=1)
    told = openrouter(later)
    with writing(engine) as connection:
        record(connection, _poll("openrouter", later), Snapshot(told.parts, told.items, told.offers), Book())

    second = data.open_reader()
    assert second.newest_poll > first.newest_poll
    assert data.records(second)[0].last_success == later


def test_a_day_ends_at_its_last_instant_in_utc() -> None:
    assert data.end_of(date(2026, 1, 6)) == datetime(2026, 1, 6, 23, 59, 59, 999999, tzinfo=UTC)
    assert data.end_of(None) is None


def test_the_record_of_a_source(market: str) -> None:
    reader = data.open_reader()

    openrouter_record, models_dev = data.records(reader)

    assert openrouter_record.source == "openrouter", "whose word counts most comes first"
    assert openrouter_record.usual == timedelta(days=1)
    assert [gap.start for gap in openrouter_record.gaps(LAST)] == [GAP[0]]
    assert openrouter_record.gaps(LAST + timedelta(days=9))[-1].end is None
    assert [rejection.item for rejection in openrouter_record.rejections] == ["acme/broken"]
    assert [poll.error for poll in openrouter_record.failures] == ["it said 503 <b>"]
    assert models_dev.usual is None


def test_the_catalogue_at_a_time(market: str) -> None:
    reader = data.open_reader()

    now = {line.model: line for line in data.catalogue(reader, None)}
    then = {line.model: line for line in data.catalogue(reader, BEFORE_RISE)}

    assert then[HERMES].prompt == Rate("prompt", Decimal("3E-7"))
    assert now[HERMES].prompt == Rate("prompt", Decimal("0.000001"))
    assert now["acme/router"].prompt == Rate("prompt", None)
    assert "acme/newcomer" not in then
    assert now["acme/mini"].released == "2026-01-01"


def test_models_come_and_go_with_their_first_and_last_endpoint(market: str) -> None:
    reader = data.open_reader()

    arrivals = data.arrivals(reader, START - timedelta(days=30), LAST)

    assert [(a.kind, a.model, a.at) for a in arrivals] == [
        ("removed", "acme/veteran", RISE),
        ("added", "acme/newcomer", RISE),
    ], "what was there when the record began did not come then"
    assert data.arrivals(reader, LAST - timedelta(days=3), LAST) == ()


def test_moves_and_disagreements(market: str) -> None:
    reader = data.open_reader()

    assert {(move.endpoint.model, move.meter) for move in data.moves(reader, START, LAST)} == {
        (HERMES, "prompt"),
        (HERMES, "completion"),
    }
    assert [(model, each.meter, each.ratio) for model, each in data.disagreeing(reader, None)] == [
        (HERMES, "prompt", Decimal(2)),
        (HERMES, "completion", Decimal(2)),
    ]


def test_how_endpoints_joined_their_models(market: str) -> None:
    merges = data.merges(data.open_reader())

    assert ("models_dev", "same id", 2, 1) in merges
    assert sum(endpoints for _, _, endpoints, _ in merges) == 11


def test_an_unknown_model_names_near_ones(market: str) -> None:
    with pytest.raises(UsageError, match=r"Did you mean nousresearch/hermes-4-405b\?"):
        data.card(data.open_reader(), "hermes-4", None)
