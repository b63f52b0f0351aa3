"""The folder of all requests: one import works in it at a time, aside, and what it left unfinished is swept away."""

import fcntl
import secrets
import shutil
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from db.errors import StorageError

_ASIDE: Final = ".import-"
_UNFINISHED: Final = "unfinished"


@dataclass(frozen=True)
class Staging:
    """Where one import writes. `name`: what its folder will be called, `database`: whose import it is.

    `incoming`: requests as read, `new`: those to keep, `cells`: the roll-up, `rejects`: the rejected lines.
    """

    usage: Path
    name: str
    database: str

    @property
    def _aside(self) -> Path:
        return self.usage / f"{_ASIDE}{self.name}"

    @property
    def incoming(self) -> Path:
        return self._aside / "incoming"

    @property
    def new(self) -> Path:
        return self._aside / "new"

    @property
    def cells(self) -> Path:
        return self._aside / "cells"

    @property
    def rejects(self) -> Path:
        return self._aside / "rejects.jsonl"

    @property
    def folder(self) -> Path:
        """Where the requests lie once the import is done."""
        return self.usage / self.name

    @property
    def kept_rejects(self) -> Path:
        """Where the rejected lines lie once the import is done."""
        return self.usage / "rejects" / f"{self.name}.jsonl"

    def publish(self) -> None:
        """Put the new requests into place, in one step. Until `done` they can be told from those of a whole import."""
        (self.new / _UNFINISHED).write_text(self.database, encoding="utf-8")
        self.new.rename(self.folder)

    def keep_rejects(self) -> Path | None:
        """Put the rejected lines into place; None if there are none."""
        if not self.rejects.exists():
            return None
        self.kept_rejects.parent.mkdir(exist_ok=True)
        return self.rejects.rename(self.kept_rejects)

    def done(self) -> None:
        """The database names the folder now."""
        (self.folder / _UNFINISHED).unlink(missing_ok=True)


@contextmanager
def alone(usage: Path) -> Iterator[None]:
    """Hold the right to change the folder of requests. The lock dies with the process."""
    try:
        usage.mkdir(parents=True, exist_ok=True)
        handle = (usage / ".lock").open("w")
    except OSError as error:
        raise StorageError(f"The folder {usage} cannot be written: {error.strerror}. Set RATECARD_HOME.") from error
    with handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise StorageError(f"Another import works in {usage}. Wait until it is done, then start again.") from error
        yield


@contextmanager
def staged(usage: Path, database: str, now: datetime) -> Iterator[Staging]:
    """A place to work in, gone at the end."""
    staging = Staging(usage, f"{now:%Y%m%dT%H%M%SZ}-{secrets.token_hex(4)}", database)
    aside = staging.incoming.parent
    staging.incoming.mkdir(parents=True)
    try:
        yield staging
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def sweep(usage: Path, database: str, named: Collection[str]) -> None:
    """Take away what imports that were killed have left. `named`: the folders that `database` names.

    Folders that an import of another database put into place stay.
    """
    for aside in usage.glob(f"{_ASIDE}*"):
        shutil.rmtree(aside, ignore_errors=True)
    for mark in usage.glob(f"*/{_UNFINISHED}"):
        if mark.read_text(encoding="utf-8") != database:
            continue
        if mark.parent.name in named:
            mark.unlink()
        else:
            remove(usage, mark.parent.name)


def condemn(usage: Path, folder: str, database: str) -> None:
    """Mark the requests of an import that is about to be forgotten: a sweep decides by what the database says then."""
    if (usage / folder).is_dir():
        (usage / folder / _UNFINISHED).write_text(database, encoding="utf-8")


def remove(usage: Path, folder: str) -> None:
    """Take the requests and rejected lines of an import away, in one step."""
    (usage / "rejects" / f"{folder}.jsonl").unlink(missing_ok=True)
    with suppress(FileNotFoundError):
        shutil.rmtree((usage / folder).rename(usage / f"{_ASIDE}{folder}"))
