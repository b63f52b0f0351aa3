"""Replaying recorded polls from files, through the same path as live ones."""

import gzip
import lzma
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from hashlib import blake2b
from pathlib import Path
from typing import IO, Final

from sqlalchemy import Engine

from collector.jobs.poll import Desk, utc_now
from collector.sources import SOURCES
from collector.sources.base import Source, parse_json
from db.catalog import store as catalog
from db.engine import reading, writing
from db.errors import InputError, UsageError
from db.polls import read as polls_read
from db.polls.facts import Poll, Status
from db.prices import store as prices

LONGEST_LINE: Final = 64 * 1024 * 1024
_OPENERS: Final[dict[bytes, Callable[[Path], IO[bytes]]]] = {b"\xfd7zXZ": lzma.open, b"\x1f\x8b": gzip.open}  # type: ignore[dict-item]


@dataclass(frozen=True, slots=True)
class Recorded:
    """One recorded poll: where it stands, when it was seen, and its body (None: it could not be read)."""

    where: str
    observed_at: datetime | None
    source: str | None
    body: object
    digest: str | None = None
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
    """Fold recorded polls into the ledger in the order given, each in its own transaction.

    Polls that are stored already are skipped, so an interrupted replay goes on where it stopped.
    """
    result = Replayed()
    desks: dict[str, Desk] = {}
    known: dict[str, set[datetime]] = {}
    for each in recorded:
        try:
            of = source or source_named(each.source or "")
            desk = desks.setdefault(of.name, Desk(of))
            if of.name not in known:
                with reading(engine) as connection:
                    known[of.name] = set(polls_read.instants(connection, of.name, answered_only=False))
            if each.observed_at in known[of.name]:
                result.skipped += 1
                continue
            poll = _record(engine, each, desk, now)
        except (InputError, UsageError) as problem:
            result.rejected += 1
            result.problems.append(f"{each.where}: {problem}" if each.where not in str(problem) else str(problem))
            continue
        finally:
            if progress is not None:
                progress(each)
        known[of.name].add(poll.observed_at)
        result.loaded += 1
        result.changed += poll.changed
        result.rejected_items += poll.rejected
    with writing(engine) as connection:
        catalog.relink(connection)
    return result


def _record(engine: Engine, each: Recorded, desk: Desk, now: Callable[[], datetime]) -> Poll:
    if each.error is not None or each.observed_at is None:
        raise InputError(each.error or f"{each.where}: it says no time.")
    snapshot = desk.source.read(each.body, desk.memo)
    draft = Poll(desk.source.name, (), each.observed_at, now(), Status.OK, body_digest=each.digest)
    with writing(engine) as connection:
        stored = prices.record(connection, draft, snapshot, desk.book)
    return stored or replace(draft, status=Status.FAILED)


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
    return Recorded(where, observed_at, named if isinstance(named, str) else None, row["data"], body_digest(line))


def body_digest(body: bytes) -> str:
    """The content address of a body as it came."""
    return blake2b(body, digest_size=16).hexdigest()


def instant(value: object, where: str) -> datetime:
    """An ISO 8601 instant with a zone. Raises InputError that names the place."""
    try:
        at = datetime.fromisoformat(str(value))
    except ValueError as error:
        raise InputError(f"{where}: observed_at is no time: {str(value)[:40]!r}.") from error
    if at.tzinfo is None:
        raise InputError(f"{where}: observed_at has no time zone: {str(value)[:40]!r}. Add Z for UTC.")
    return at.astimezone(UTC)


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
