"""A real PostgreSQL server of the tests' own: in a temporary folder, on loopback only, then gone."""

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

OWNER = "ratecard"

# Nothing here must outlive a crash, so nothing waits for the disk.
SERVER_SETTINGS = """
listen_addresses = '127.0.0.1'
unix_socket_directories = ''
fsync = off
synchronous_commit = off
full_page_writes = off
"""


class ServerFailedError(Exception):
    """PostgreSQL is installed but did not do what was asked; the message holds its own words."""


@contextmanager
def running_server(programs: Path) -> Iterator[str]:
    """Run a new, empty server with the programs in that folder; yields its SQLAlchemy URL."""
    home = Path(tempfile.mkdtemp(prefix="ratecard-postgres-"))
    try:
        if _is_root():
            shutil.chown(home, "postgres")
        data = home / "data"
        _run([programs / "initdb", "--no-sync", "--auth=trust", f"--username={OWNER}",
              "--encoding=UTF8", "--locale=C", "-D", data], home)  # fmt: skip
        with (data / "postgresql.conf").open("a", encoding="utf-8") as settings:
            settings.write(SERVER_SETTINGS)
        port = _start(programs, data, home)
        try:
            yield f"postgresql+psycopg://{OWNER}@127.0.0.1:{port}/postgres"
        finally:
            _run([programs / "pg_ctl", "stop", "--wait", "--mode=immediate", "-D", data], home)
    finally:
        shutil.rmtree(home, ignore_errors=True)


def _start(programs: Path, data: Path, home: Path) -> int:
    """Start on a free port and return it; another try when the port was taken in between."""
    for attempts_left in (2, 1, 0):
        port = _free_port()
        start: list[str | Path] = [programs / "pg_ctl", "start", "--wait", "--timeout=60", "-D", data,
                 "-l", home / "log", "-o", f"-p {port}"]  # fmt: skip
        try:
            _run(start, home)
        except ServerFailedError as error:
            if not attempts_left:
                log = (home / "log").read_text(encoding="utf-8", errors="replace")
                raise ServerFailedError(f"{error}\n{log}") from None
        else:
            break
    return port


def _run(command: list[str | Path], cwd: Path) -> None:
    # PostgreSQL refuses to run as root; its Debian package makes the user that it runs as instead.
    user = "postgres" if _is_root() else None
    done = subprocess.run(
        command,
        cwd=cwd,
        user=user,
        group=user,
        extra_groups=[] if user else None,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=120,
        check=False,
    )
    if done.returncode:
        raise ServerFailedError(f"{Path(command[0]).name} failed: {done.stdout.strip()}")


def _is_root() -> bool:
    return os.geteuid() == 0


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
