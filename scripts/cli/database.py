"""Opening the database for a verb."""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, Engine

from db.engine import migrate, open_engine, reading, require_schema
from db.settings import Storage, load


@contextmanager
def read_only() -> Iterator[Connection]:
    """A read transaction on a database that must be there."""
    engine = open_engine(load(Storage).database_url)
    try:
        require_schema(engine)
        with reading(engine) as connection:
            yield connection
    finally:
        engine.dispose()


@contextmanager
def writable() -> Iterator[Engine]:
    """The database, created or brought to this version first."""
    engine = open_engine(load(Storage).database_url)
    try:
        migrate(engine)
        yield engine
    finally:
        engine.dispose()
