"""Opening the database for a verb. Imports wait until then: `ratecard --help` needs none of them."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine


@contextmanager
def read_only() -> "Iterator[Connection]":
    """A read transaction on a database that must be there."""
    from db.engine import open_engine, reading, require_schema
    from db.settings import Storage, load

    engine = open_engine(load(Storage).database_url, read_only=True)
    try:
        require_schema(engine)
        with reading(engine) as connection:
            yield connection
    finally:
        engine.dispose()


@contextmanager
def writable() -> "Iterator[Engine]":
    """The database, created or brought to this version first."""
    from db.engine import migrate, open_engine
    from db.settings import Storage, load

    engine = open_engine(load(Storage).database_url)
    try:
        migrate(engine)
        yield engine
    finally:
        engine.dispose()
