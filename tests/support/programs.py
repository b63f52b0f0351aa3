"""Finds the programs that tests drive and that no Python package brings whole: Chromium, PostgreSQL and Java.

`python -m tests.support.programs` prints the Debian packages of those that are missing, for scripts/test.
"""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import playwright

OLDEST_POSTGRES = 13

CHROMIUM_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
CHROMIUM_APPS = (
    Path("/Applications/Chromium.app/Contents/MacOS/Chromium"),
    Path("/Applications/Google Chrome.app/Contents/MacOS/Google Chrome"),
)
# Debian, Red Hat, Homebrew on Apple silicon and on Intel.
POSTGRES_FOLDERS = (
    "/usr/lib/postgresql/*/bin",
    "/usr/pgsql-*/bin",
    "/opt/homebrew/opt/postgresql*/bin",
    "/usr/local/opt/postgresql*/bin",
)


def find_chromium() -> Path | None:
    on_path = (shutil.which(name) for name in CHROMIUM_NAMES)
    found = [Path(name) for name in on_path if name] + [app for app in CHROMIUM_APPS if app.exists()]
    return found[0] if found else None


def browser_driver_runs() -> bool:
    """Whether the Node.js that playwright brings starts: a minimal Debian lacks a library that it needs."""
    node = Path(playwright.__file__).parent / "driver" / "node"
    return subprocess.run([node, "--version"], capture_output=True, check=False).returncode == 0


def find_postgres() -> Path | None:
    """The folder with `initdb` and `pg_ctl` of the newest PostgreSQL that is new enough."""
    versions = {folder: _postgres_version(folder) for folder in _postgres_folders()}
    fitting = [folder for folder, version in versions.items() if version >= OLDEST_POSTGRES]
    return max(fitting, key=versions.__getitem__, default=None)


def _postgres_folders() -> Iterator[Path]:
    if on_path := shutil.which("initdb"):
        yield Path(on_path).resolve().parent
    for pattern in POSTGRES_FOLDERS:
        yield from Path("/").glob(pattern.lstrip("/"))


def _postgres_version(folder: Path) -> int:
    """The major version; 0 where the server's programs are not all there."""
    if not all((folder / program).exists() for program in ("initdb", "pg_ctl", "postgres")):
        return 0
    said = subprocess.run([folder / "postgres", "--version"], capture_output=True, text=True, check=False).stdout
    version = re.search(r"\(PostgreSQL\) (\d+)", said)
    return int(version[1]) if version else 0


def java_runs() -> bool:
    """Whether there is a Java for Spark."""
    return bool(os.environ.get("JAVA_HOME") or shutil.which("java"))


def main() -> None:
    is_there = {
        "chromium fonts-dejavu-core": find_chromium() is not None,
        "default-jre-headless procps": java_runs() and shutil.which("pgrep") is not None,
        "libatomic1": browser_driver_runs(),
        "postgresql": find_postgres() is not None,
    }
    if missing := [packages for packages, there in is_there.items() if not there]:
        print(*missing)


if __name__ == "__main__":
    main()
