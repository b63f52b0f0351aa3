"""A prepared database, once in SQLite and once in PostgreSQL."""

from collections.abc import Iterator

import pytest
from sqlalchemy import Engine

from db.engine import migrate, open_engine


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    """An engine on a database of this version with nothing in it."""
    opened = open_engine(database_url)
    migrate(opened)
    yield opened
    opened.dispose()
