"""Opening the database: SQLite (WAL) by default, PostgreSQL by RATECARD_DATABASE_URL."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Connection, Engine, create_engine, event, inspect, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError

from db.errors import StorageError, UsageError

MIGRATIONS: Final = Path(__file__).parent / "migrations"
BUSY_TIMEOUT_S: Final = 30
WRITER_KEY: Final = 0x52617465
COLLECTOR_KEY: Final = WRITER_KEY + 1
"""PostgreSQL advisory locks: one write transaction at a time; one collector."""


def open_engine(url: str, *, read_only: bool = False) -> Engine:
    """An engine for `url`; creates the folder of a SQLite file. Raises UsageError for a URL that is none.

    With `read_only` nothing is created, and the database itself refuses every write.
    """
    try:
        parsed = make_url(url)
        if parsed.get_backend_name() == "sqlite":
            return _sqlite(url, parsed.database, read_only)
        options = {"postgresql_readonly": True} if read_only else {}
        return create_engine(url, pool_pre_ping=True, execution_options=options)
    except (ArgumentError, NoSuchModuleError, ModuleNotFoundError, ValueError) as error:
        raise UsageError(
            "RATECARD_DATABASE_URL is not a database URL that Ratecard can open. Use sqlite:///path/to/file.db "
            "or postgresql+psycopg://user@host/name."
        ) from error


def _sqlite(url: str, file: str | None, read_only: bool) -> Engine:
    if file and file != ":memory:" and not read_only:
        try:
            Path(file).parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StorageError(f"The folder of {file} cannot be made: {error.strerror}. Set RATECARD_HOME.") from error
    engine = create_engine(url, connect_args={"timeout": BUSY_TIMEOUT_S})

    @event.listens_for(engine, "connect")
    def configure(connection: Any, _record: Any) -> None:
        # The driver's own implicit BEGIN starts transactions too late for a consistent read-then-write.
        connection.isolation_level = None
        reader = ("query_only=ON",)
        writer = ("journal_mode=WAL", "synchronous=NORMAL", "foreign_keys=ON")
        for pragma in reader if read_only else writer:
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        writing = connection.get_execution_options().get("ratecard_write", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writing else "BEGIN")

    return engine


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """One write transaction: committed whole at the end of the block, or not at all."""
    with (
        _said_plainly(engine),
        engine.connect().execution_options(ratecard_write=True) as connection,
        connection.begin(),
    ):
        if connection.dialect.name == "postgresql":
            # As in SQLite: a writer reads what it compares with after the writer before it is done.
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": WRITER_KEY})
        yield connection


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """One read transaction: every query in the block sees the same state."""
    # PostgreSQL's default would show each query what was committed meanwhile; SQLite never does.
    one_state = {"isolation_level": "REPEATABLE READ"} if engine.dialect.name == "postgresql" else {}
    with _said_plainly(engine), engine.connect().execution_options(**one_state) as connection:
        yield connection


@contextmanager
def _said_plainly(engine: Engine) -> Iterator[None]:
    try:
        yield
    except DBAPIError as error:
        where = engine.url.render_as_string(hide_password=True)
        reason = str(error.orig).strip().splitlines()[0] if error.orig and str(error.orig).strip() else "unknown"
        raise StorageError(f"The database {where} refused: {reason}. `ratecard doctor` checks it.") from error


def migrate(engine: Engine) -> None:
    """Create the schema, or bring it to this version."""
    from alembic import command  # imported here: read verbs never migrate and start faster without it
    from alembic.config import Config

    found, needed = schema_version(engine), newest_version()
    if found == needed:
        return
    if found is not None and found > needed:
        raise _too_new(found, needed)
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    with writing(engine) as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


def newest_version() -> str:
    """The revision that this code was written for: the name of the last migration file."""
    return max(path.stem.split("_")[0] for path in (MIGRATIONS / "versions").glob("[0-9]*.py"))


def schema_version(engine: Engine) -> str | None:
    """The revision that the database is at; None where it has none."""
    with reading(engine) as connection:
        if not inspect(connection).has_table("alembic_version"):
            return None
        return connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one_or_none()


def require_schema(engine: Engine) -> None:
    """Refuse, in one sentence, to read a database that is not there or of another version."""
    file = engine.url.database if engine.url.get_backend_name() == "sqlite" else None
    if file and file != ":memory:" and not Path(file).exists():
        raise StorageError(f"There is no database at {file} yet. `ratecard run` or `ratecard init` makes one.")
    found, needed = schema_version(engine), newest_version()
    if found is None:
        raise StorageError("The database is empty. `ratecard run` or `ratecard init` prepares it.")
    if found < needed:
        raise StorageError(f"The database is at version {found}, this is {needed}. `ratecard init` updates it.")
    if found > needed:
        raise _too_new(found, needed)


def _too_new(found: str, needed: str) -> StorageError:
    return StorageError(f"The database is at version {found}, newer than this Ratecard ({needed}). Update it.")


@contextmanager
def collector_lock(engine: Engine, home: Path) -> Iterator[None]:
    """Hold the right to be this database's one collector. The lock dies with the process."""
    busy = "Another collector already works on this database. Stop it first, or use `ratecard dashboard` beside it."
    if engine.url.get_backend_name() == "sqlite":
        import fcntl

        file = engine.url.database
        place = Path(f"{file}.collector") if file and file != ":memory:" else home / "collector"
        place.parent.mkdir(parents=True, exist_ok=True)
        with place.open("w") as handle:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                raise StorageError(busy) from error
            yield
        return
    with _said_plainly(engine), engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        if not connection.execute(text("SELECT pg_try_advisory_lock(:key)"), {"key": COLLECTOR_KEY}).scalar_one():
            raise StorageError(busy)
        try:
            yield
        finally:
            connection.execute(text("SELECT pg_advisory_unlock(:key)"), {"key": COLLECTOR_KEY})
