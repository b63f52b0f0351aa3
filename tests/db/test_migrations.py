"""The migrations build what the tables say; a database of another version is told about in one sentence."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Engine, inspect, text

from db.engine import migrate, newest_version, open_engine, reading, require_schema, schema_version, writing
from db.errors import StorageError
from db.migrations import metadata


@pytest.fixture
def empty(database_url: str) -> Iterator[Engine]:
    """An engine on a database without any table."""
    engine = open_engine(database_url)
    yield engine
    engine.dispose()


def set_version(engine: Engine, version: str) -> None:
    with writing(engine) as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = :version"), {"version": version})


def test_the_migrations_build_exactly_the_tables_of_the_code(engine: Engine) -> None:
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
        assert compare_metadata(context, metadata) == []


def test_migrating_again_changes_nothing(engine: Engine) -> None:
    assert schema_version(engine) == newest_version()
    migrate(engine)
    assert schema_version(engine) == newest_version()
    require_schema(engine)


def test_a_migration_that_fails_leaves_no_half_schema(empty: Engine) -> None:
    with writing(empty) as connection:
        connection.execute(text("CREATE TABLE quote (id INTEGER)"))

    with pytest.raises(StorageError, match="quote"):
        migrate(empty)

    with reading(empty) as connection:
        assert inspect(connection).get_table_names() == ["quote"]


def test_an_empty_database_is_told_how_to_be_filled(empty: Engine) -> None:
    # So that there is a SQLite file at all.
    with writing(empty) as connection:
        connection.execute(text("CREATE TABLE other (id INTEGER)"))

    with pytest.raises(StorageError) as told:
        require_schema(empty)

    assert str(told.value) == "The database is empty. `ratecard run` or `ratecard init` prepares it."


@pytest.mark.parametrize(
    ("version", "sentence"),
    [
        ("0000", "The database is at version 0000, this is {newest}. `ratecard init` updates it."),
        ("9999", "The database is at version 9999, newer than this Ratecard ({newest}). Update it."),
    ],
)
def test_a_database_of_another_version_is_refused(engine: Engine, version: str, sentence: str) -> None:
    set_version(engine, version)

    with pytest.raises(StorageError) as told:
        require_schema(engine)

    assert str(told.value) == sentence.format(newest=newest_version())


def test_a_newer_database_is_not_migrated_back(engine: Engine) -> None:
    set_version(engine, "9999")

    with pytest.raises(StorageError, match="newer than this Ratecard"):
        migrate(engine)

    assert schema_version(engine) == "9999"


def test_a_missing_sqlite_file_is_told_about_and_not_made(sqlite_database: str, tmp_path: Path) -> None:
    engine = open_engine(sqlite_database, read_only=True)

    with pytest.raises(StorageError, match=r"There is no database at .*ratecard\.db yet\. `ratecard run` or"):
        require_schema(engine)

    engine.dispose()
    assert list(tmp_path.iterdir()) == []
