"""Usage in a database, once in SQLite and once in PostgreSQL."""

import pytest
from sqlalchemy import Engine

from tests.db.usage_reading.made import Book


@pytest.fixture
def book(engine: Engine) -> Book:
    return Book(engine)
