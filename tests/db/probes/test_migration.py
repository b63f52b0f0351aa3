"""The tables of probes come and go without touching what was there before."""

from typing import Any

from alembic import command
from alembic.config import Config
from sqlalchemy import Engine, inspect

from db.engine import MIGRATIONS, migrate, reading, schema_version, writing
from tests.db.probes.made import probe, stored

TABLES = {"target", "probe", "probe_hour", "probe_day", "probe_spending", "reservation"}


def moved(engine: Engine, move: Any, revision: str) -> set[str]:
    """The tables after that move of the schema."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    with writing(engine) as connection:
        config.attributes["connection"] = connection
        move(config, revision)
    with reading(engine) as connection:
        return set(inspect(connection).get_table_names())


def test_the_tables_of_probes_can_be_taken_back_and_made_again(engine: Engine) -> None:
    newest = schema_version(engine)
    stored(engine, probe(0))
    whole = moved(engine, command.downgrade, "0002")

    assert moved(engine, command.downgrade, "0001") == whole - TABLES
    assert schema_version(engine) == "0001"

    migrate(engine)
    assert schema_version(engine) == newest
    assert stored(engine, probe(0)) == 1
