"""What a SQLite database holds, whatever ids its rows have."""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

WHEN_WRITTEN = {"id", "recorded_at", "duration_ms"}
"""Columns that two runs over the same recording do not share."""

NAMES = {
    "endpoint_id": "SELECT id, source || ' ' || key FROM endpoint",
    "poll_id": "SELECT id, source || ' ' || observed_at FROM poll",
    "quote_id": "SELECT id, digest FROM quote",
}
VALUES_OF = {"price": "quote", "detail": "content", "benchmark": "content"}


def tables(connection: sqlite3.Connection) -> list[str]:
    query = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name"
    return [name for (name,) in connection.execute(query)]


def dump(file: Path) -> dict[str, list[tuple[Any, ...]]]:
    """Every row of every table, to the letter."""
    with closing(sqlite3.connect(file)) as connection:
        return {table: sorted(connection.execute(f'SELECT * FROM "{table}"'), key=repr) for table in tables(connection)}


def content(file: Path) -> dict[str, list[str]]:
    """Every row of every table: ids as what they name, and of the time of writing only whether there was one."""
    with closing(sqlite3.connect(file)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        names = {column: dict(connection.execute(query).fetchall()) for column, query in NAMES.items()}
        found = {}
        for table in tables(connection):
            values = VALUES_OF.get(table)
            named = names | (
                {"value_id": dict(connection.execute(f"SELECT id, digest FROM {values}").fetchall())} if values else {}
            )
            rows = connection.execute(f'SELECT * FROM "{table}"')
            columns = [column[0] for column in rows.description]
            found[table] = sorted(repr(_plain(dict(zip(columns, row, strict=True)), named)) for row in rows)
        return found


def _plain(row: dict[str, Any], named: dict[str, dict[int, str]]) -> dict[str, Any]:
    kept = {column: value for column, value in row.items() if column not in WHEN_WRITTEN}
    if "superseded_at" in kept:
        kept["superseded_at"] = kept["superseded_at"] is not None
    return {column: named[column][value] if column in named else value for column, value in kept.items()}


def size_after_checkpoint(file: Path) -> int:
    """Bytes on disk with nothing left in the write-ahead log."""
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return file.stat().st_size
