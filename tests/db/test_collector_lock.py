"""One collector a database, whatever became of the last one."""

import subprocess
import sys
from pathlib import Path

import pytest

from db.engine import collector_lock, open_engine
from db.errors import StorageError
from tests.support.outcome import eventually
from tests.support.repository import ROOT


def test_there_is_one_collector_a_database(database_url: str, tmp_path: Path) -> None:
    engine, other = open_engine(database_url), open_engine(database_url)

    with (
        collector_lock(engine, tmp_path),
        pytest.raises(StorageError, match="Another collector already works on this database"),
        collector_lock(other, tmp_path),
    ):
        pytest.fail("two collectors at once")

    with collector_lock(other, tmp_path):
        pass
    engine.dispose()
    other.dispose()


HOLDS_THE_LOCK = """
import sys
from pathlib import Path
from db.engine import collector_lock, open_engine
with collector_lock(open_engine(sys.argv[1]), Path(sys.argv[2])):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_the_lock_dies_with_a_killed_process(database_url: str, tmp_path: Path) -> None:
    engine = open_engine(database_url)

    def can_be_had() -> bool:
        try:
            with collector_lock(engine, tmp_path):
                return True
        except StorageError:
            return False

    command = [sys.executable, "-c", HOLDS_THE_LOCK, database_url, str(tmp_path)]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        assert not can_be_had()
        holder.kill()

    eventually(can_be_had, "the lock to be free")
    engine.dispose()
