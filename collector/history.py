"""Replaying recorded polls from files, through the same path as live ones."""

import gc
import gzip
import lzma
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import groupby
from pathlib import Path
from typing import IO, Final

from sqlalchemy import Engine

from collector.jobs.poll import Desk, utc_now
from collector.sources import SOURCES
from collector.sources.base import Source, parse_json
from db.catalog import store as catalog
from db.engine import writing
from db.errors import InputError, UsageError
from db.polls import read as polls_read
from db.polls.facts import Poll, Status
from db.prices import store as prices

CLOCK_SKEW: Final = timedelta(days=1)
"""A poll from further ahead would stay the newest, and make every live one late."""
POLLS_AT_ONCE: Final = 100
"""What one transaction takes: SQLite lets nobody else write meanwhile."""
LONGEST_LINE: Final = 64 * 1024 * 1024
_OPENERS: Final[dict[bytes, Callable[[Path], IO[bytes]]]] = {b"\xfd7zXZ": lzma.open, b"\x1f\x8b": gzip.open}  # type: ignore[dict-item]


@dataclass(frozen=True, slots=True)
class Recorded:
    """One recorded poll: where it stands, when it was seen, and its body (None: it could not be read)."""

    where: str
    observed_at: datetime | None
    source: str | None
    body: object
    error: str | None = None


@dataclass
class Replayed:
    """What a replay came to. Every recorded poll is counted in exactly one of the first three."""

    loaded: int = 0
    skipped: int = 0
    rejected: int = 0
    changed: int = 0
    rejected_items: int = 0
    problems: list[str] = field(default_factory=list)


def source_named(name: str) -> Source:
    """A source by its name. Raises UsageError that lists the names."""
    if name not in SOURCES:
        raise UsageError(f"There is no source named {name!r}. Name one of: {', '.join(SOURCES)}.")
    return SOURCES[name]


def replay(
    engine: Engine,
    recorded: Iterable[Recorded],
    source: Source | None,
    *,
    progress: Callable[[Recorded], None] | None = None,
    now: Callable[[], datetime] = utc_now,
) -> Replayed:
    """Fold recorded polls into the ledger in the order given, a hundred of a month at most in one transaction.

    Polls that are stored already are skipped, so an interrupted replay goes on where it stopped.
    """
    result = Replayed()
    desks: dict[str, Desk] = {}
    with _few_collections():
        for name, group in _transactions(recorded, source):
            if name is None:
                for each in group:
                    _refuse(
                        result, each, each.error or f"there is no source named {each.source!r}; name it with --source"
                    )
                    _tell(progress, each)
                continue
            if name not in desks:
                desks[name] = Desk(source_named(name))
            _fold(engine, group, desks[name], result, progress, now)
    with writing(engine) as connection:
        catalog.relink(connection)
    return result


def _transactions(
    recorded: Iterable[Recorded], source: Source | None
) -> Iterator[tuple[str | None, Iterator[Recorded]]]:
    """What is written together, by the name of its source; None for what cannot be written.

    It follows from the recording alone, wherever a replay was interrupted.
    """
    for (name, _), month in groupby(recorded, key=lambda each: _month(each, source)):
        for _, some in groupby(enumerate(month), key=lambda numbered: numbered[0] // POLLS_AT_ONCE):
            yield name, (each for _, each in some)


def _month(each: Recorded, source: Source | None) -> tuple[str | None, str]:
    name = source.name if source is not None else each.source if each.source in SOURCES else None
    if each.error is not None or each.observed_at is None or name is None:
        return None, ""
    return name, each.observed_at.strftime("%Y-%m")


def _fold(
    engine: Engine,
    group: Iterable[Recorded],
    desk: Desk,
    result: Replayed,
    progress: Callable[[Recorded], None] | None,
    now: Callable[[], datetime],
) -> None:
    recorded_at = now()
    with writing(engine) as connection:
        known = polls_read.instants(connection, desk.source.name, answered_only=False)
        recorder = prices.Recorder(connection, desk.source.name, desk.book, known)
        for each in group:
            if each.observed_at is None or each.observed_at in recorder.known:
                result.skipped += 1
            elif each.observed_at > recorded_at + CLOCK_SKEW:
                _refuse(result, each, f"it was observed in the future, at {each.observed_at:%Y-%m-%dT%H:%M:%SZ}")
            else:
                draft = Poll(desk.source.name, (), each.observed_at, recorded_at, Status.OK)
                try:
                    recorder.add(draft, desk.source.read(each.body, desk.memo))
                except InputError as problem:
                    _refuse(result, each, str(problem))
            _tell(progress, each)
        stored = recorder.flush()
    result.loaded += len(stored)
    result.changed += sum(poll.changed for poll in stored)
    result.rejected_items += sum(poll.rejected for poll in stored)


def _refuse(result: Replayed, each: Recorded, problem: str) -> None:
    result.rejected += 1
    result.problems.append(problem if each.where in problem else f"{each.where}: {problem}")


def _tell(progress: Callable[[Recorded], None] | None, each: Recorded) -> None:
    if progress is not None:
        progress(each)


@contextmanager
def _few_collections() -> Iterator[None]:
    """Parsed bodies are large trees without cycles; looking for cycles in them costs more than parsing them."""
    before = gc.get_threshold()
    gc.set_threshold(200_000, 20, 100)
    try:
        yield
    finally:
        gc.set_threshold(*before)


def from_files(files: Iterable[Path]) -> Iterator[Recorded]:
    """The recorded polls in JSON-lines files (.xz, .gz or plain, told by their content), file by file."""
    for file in files:
        for number, line in enumerate(_lines(file), 1):
            where = f"{file.name} line {number}"
            if isinstance(line, str):
                yield Recorded(where, None, None, None, error=f"{where}: {line}")
            elif line.strip():
                yield _from_line(where, line)


def _from_line(where: str, line: bytes) -> Recorded:
    try:
        row = parse_json(line, where)
        if not isinstance(row, dict) or "data" not in row:
            raise InputError(f"{where}: not a recorded poll; it needs observed_at and data.")
        observed_at = instant(row.get("observed_at"), where)
    except InputError as problem:
        return Recorded(where, None, None, None, error=str(problem))
    named = row.get("source")
    return Recorded(where, observed_at, named if isinstance(named, str) else None, row["data"])


def instant(value: object, where: str) -> datetime:
    """An ISO 8601 instant with a zone. Raises InputError that names the place."""
    try:
        at = datetime.fromisoformat(str(value))
    except ValueError as error:
        raise InputError(f"{where}: observed_at is no time: {str(value)[:40]!r}.") from error
    if at.tzinfo is None:
        raise InputError(f"{where}: observed_at has no time zone: {str(value)[:40]!r}. Add Z for UTC.")
    try:
        return at.astimezone(UTC)
    except OverflowError as error:
        raise InputError(f"{where}: observed_at is no time: {str(value)[:40]!r}.") from error


def _lines(file: Path) -> Iterator[bytes | str]:
    """Lines of a file; a text instead of a line says why it, or all that would follow, cannot be read."""
    try:
        with file.open("rb") as head:
            start = head.read(6)
        opener = next((o for magic, o in _OPENERS.items() if start.startswith(magic)), lambda path: path.open("rb"))
        with opener(file) as stream:
            while line := stream.readline(LONGEST_LINE + 1):
                if len(line) <= LONGEST_LINE:
                    yield line
                    continue
                while line and not line.endswith(b"\n"):
                    line = stream.readline(LONGEST_LINE)
                yield f"longer than {LONGEST_LINE >> 20} MB."
    except FileNotFoundError as error:
        raise InputError(f"There is no file {file}.") from error
    except IsADirectoryError as error:
        raise InputError(f"{file} is a folder. Name its files, for example {file}/*.jsonl.xz.") from error
    except (EOFError, lzma.LZMAError, zlib.error, OSError) as error:
        yield f"the file breaks off here ({str(error) or 'truncated'}); what came before it is kept."
