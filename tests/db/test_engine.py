"""Opening, reading and writing: whole transactions, one state for a reader, and one sentence for what goes wrong."""

from pathlib import Path

import pytest
from sqlalchemy import Engine, func, insert, select, text

from db.catalog.tables import AliasRow
from db.engine import open_engine, reading, require_schema, writing
from db.errors import RatecardError, StorageError, UsageError


def add_alias(engine: Engine, name: str) -> None:
    with writing(engine) as connection:
        connection.execute(insert(AliasRow).values(name=name, model="a/m"))


def aliases(engine: Engine) -> int:
    with reading(engine) as connection:
        return connection.execute(select(func.count()).select_from(AliasRow)).scalar_one()


def test_a_reader_sees_one_state_however_long_it_reads(engine: Engine) -> None:
    count = select(func.count()).select_from(AliasRow)
    with reading(engine) as connection:
        before = connection.execute(count).scalar_one()
        add_alias(engine, "meanwhile")
        assert connection.execute(count).scalar_one() == before == 0

    assert aliases(engine) == 1


def test_a_write_that_fails_leaves_nothing(engine: Engine) -> None:
    twice = [{"name": "twice", "model": "a/m"}, {"name": "twice", "model": "b/m"}]

    with pytest.raises(StorageError, match=r"refused: .* `ratecard doctor` checks it\."), writing(engine) as connection:
        connection.execute(insert(AliasRow), twice)

    assert aliases(engine) == 0


def test_a_reader_cannot_write(engine: Engine, database_url: str) -> None:
    reader = open_engine(database_url, read_only=True)

    with pytest.raises(StorageError, match="refused"):
        add_alias(reader, "sneaked in")

    reader.dispose()
    assert aliases(engine) == 0


def test_sqlite_is_opened_for_readers_beside_a_writer(sqlite_database: str) -> None:
    engine = open_engine(sqlite_database)
    with reading(engine) as connection:
        assert connection.execute(text("PRAGMA journal_mode")).scalar_one() == "wal"
        assert connection.execute(text("PRAGMA foreign_keys")).scalar_one() == 1
    engine.dispose()


@pytest.mark.parametrize(
    "url",
    [
        "nonsense",
        "",
        "mysql://host/name",
        "duckdb:///prices.db",
        "postgresql+psycopg://host:port/name",
    ],
)
def test_a_url_that_is_none_is_told_about(url: str) -> None:
    with pytest.raises(UsageError) as told:
        open_engine(url)

    assert str(told.value).startswith("RATECARD_DATABASE_URL is not a database URL that Ratecard can open. Use sqlite")


def test_a_server_that_is_not_there_is_named_without_its_password() -> None:
    engine = open_engine("postgresql+psycopg://anna:secret-word@127.0.0.1:1/prices")

    with pytest.raises(StorageError) as told:
        require_schema(engine)

    engine.dispose()
    assert "127.0.0.1:1/prices refused" in str(told.value)
    assert "secret-word" not in str(told.value)
    assert "\n" not in str(told.value)


def test_a_file_that_is_no_database_is_told_about(tmp_path: Path) -> None:
    file = tmp_path / "letter.db"
    file.write_text("Dear diary, this is long enough to be taken for the first page of something. " * 20)
    engine = open_engine(f"sqlite:///{file}")

    with pytest.raises(StorageError, match=r"letter\.db refused: file is not a database"):
        require_schema(engine)

    engine.dispose()


def test_a_folder_that_cannot_be_made_is_told_about(tmp_path: Path) -> None:
    (tmp_path / "a-file").touch()

    with pytest.raises(RatecardError, match="a-file/deeper"):
        open_engine(f"sqlite:///{tmp_path}/a-file/deeper/ratecard.db")
