"""What tests of the jobs share: a database, and a server that bills for its chats."""

from collections.abc import Iterator

import pytest
from sqlalchemy import Engine

from db.engine import migrate, open_engine
from tests.collector.jobs.billing import KEY, Billing, running_billing


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    opened = open_engine(database_url)
    migrate(opened)
    yield opened
    opened.dispose()


@pytest.fixture
def sqlite(sqlite_database: str) -> Iterator[Engine]:
    opened = open_engine(sqlite_database)
    migrate(opened)
    yield opened
    opened.dispose()


@pytest.fixture
def server() -> Iterator[Billing]:
    with running_billing() as running:
        yield running


@pytest.fixture(autouse=True)
def with_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENROUTER_API_KEY", KEY)
