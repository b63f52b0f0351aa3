"""One log of any format into Parquet: record by record, with bounded memory."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, Self

import pyarrow.parquet as pq

from collector.logs.base import Context, Parse, Parsed
from collector.logs.reading import CutShortError, read
from db.usage.facts import Usage
from db.usage.requests import INCOMING, batch, unfit

_ROWS: Final = 20_000
"""Rows that are in memory at a time."""

Consumed = Callable[[int], None]
"""Told how many bytes of a file have been read so far."""


@dataclass(frozen=True, slots=True)
class Defaults:
    """What fills a name that the log lacks."""

    model: str = ""
    provider: str = ""
    project: str = ""

    def fill(self, usage: Usage) -> Usage:
        """The usage, with what it lacks."""
        if not (self.model or self.provider or self.project):
            return usage
        return replace(
            usage,
            model=usage.model or self.model,
            provider=usage.provider or self.provider,
            project=usage.project or self.project,
        )


@dataclass(frozen=True, slots=True)
class Taken:
    """What was read of one file: `rows` are requests and rejected ones, `ignored` records without usage. `problem`:
    why it could not be read to its end, empty if it could."""

    rows: int
    rejected: int
    ignored: int
    files: tuple[Path, ...]
    problem: str = ""


class Rejects:
    """Writes rejected lines, {file, line, reason} as JSON lines. The file appears with the first of them."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stream: Any = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._stream is not None:
            self._stream.close()

    def add(self, file: str, line: int, reason: str) -> None:
        if self._stream is None:
            self._stream = self._path.open("w", encoding="utf-8")
        text = json.dumps({"file": file, "line": line, "reason": reason[:1000]}, ensure_ascii=False)
        self._stream.write(f"{text}\n")


class Sieve:
    """Tells usage from rejects and from what is neither; the usage goes to Parquet."""

    def __init__(self, file: Path, number: int, defaults: Defaults, rejects: Rejects, into: Path) -> None:
        self._file, self._number = str(file), number
        self._defaults, self._rejects = defaults, rejects
        self._rows: list[tuple[int, Usage]] = []
        self._into = into
        self._writer: Any = None
        self.rows = self.rejected = self.ignored = 0

    def add(self, parsed: Parsed) -> None:
        if parsed.reason:
            self.reject(parsed.line, parsed.reason)
        elif not parsed.usage:
            self.ignored += 1
        for usage in parsed.usage:
            if reason := unfit(usage):
                self.reject(parsed.line, reason)
                continue
            self.rows += 1
            self._rows.append((parsed.line, self._defaults.fill(usage)))
        if len(self._rows) >= _ROWS:
            self._flush()

    def reject(self, line: int, reason: str) -> None:
        self.rows += 1
        self.rejected += 1
        self._rejects.add(self._file, line, reason)

    def _flush(self) -> None:
        if not self._rows:
            return
        if self._writer is None:
            self._writer = pq.ParquetWriter(self._into, INCOMING, compression="snappy")
        self._writer.write_batch(batch(self._number, self._rows))
        self._rows.clear()

    def close(self) -> None:
        self._flush()
        if self._writer is not None:
            self._writer.close()

    def taken(self, problem: str = "") -> Taken:
        files = (self._into,) if self._into.exists() else ()
        return Taken(self.rows, self.rejected, self.ignored, files, problem)


@contextmanager
def sieve(file: Path, number: int, defaults: Defaults, rejects: Rejects, into: Path) -> Iterator[Sieve]:
    """A sieve whose Parquet file is whole at the end."""
    each = Sieve(file, number, defaults, rejects, into)
    try:
        yield each
    finally:
        each.close()


def take(each: Sieve, file: Path, parse: Parse, context: Context, consumed: Consumed) -> str:
    """Read a whole file; why it ends early, or empty. Raises InputError for a file that cannot be read at all."""
    try:
        for parsed in parse(read(file, each.add, consumed), context):
            each.add(parsed)
    except CutShortError as cut:
        return str(cut)
    return ""
