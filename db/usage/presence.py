"""Whether there is any usage: asked by those who would rather not load the engine to learn it."""

from sqlalchemy import Connection, select

from db.usage.tables import ImportRow
from db.versions import table_of


def has_any(connection: Connection) -> bool:
    """Whether anything was ever imported."""
    return connection.execute(select(table_of(ImportRow).c.id).limit(1)).first() is not None
