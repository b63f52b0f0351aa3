"""Import usage logs: read, tell new requests from known ones, cost, store. Killed at any moment, it starts clean."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
from sqlalchemy import Engine

from collector.jobs.intake import Rejects, Taken
from collector.jobs.origin import Wanted
from collector.jobs.reader import Reader
from db.engine import reading, writing
from db.errors import InputError
from db.usage import imports
from db.usage.distinct import Settled, settle
from db.usage.engine import Costing, closing_duckdb, open_engine
from db.usage.imports import Unpriced
from db.usage.pricing import Pricing
from db.usage.requests import Held
from db.usage.staging import Staging, alone, staged, sweep
from db.usage.store import load, priced_names

_NAMED = 10
"""Unpriced names that are told."""

Progress = Callable[[str, int, int], None]
"""(stage, done, of): bytes read, then requests costed, then roll-up cells loaded."""


def _nobody(_stage: str, _done: int, _of: int) -> None:
    """Nobody watches."""


@dataclass(frozen=True, slots=True)
class Imported:
    """What an import came to. rows = imported + duplicates + rejected; `ignored` records carry no usage.

    `unpriced`: requests; `cost_usd`: of the priced ones. `differing`: duplicates that are not what is stored.
    `problems`: one sentence for each file that could not be read whole; `notes`: what was taken for granted.
    """

    files: int
    rows: int = 0
    imported: int = 0
    duplicates: int = 0
    rejected: int = 0
    ignored: int = 0
    unpriced: int = 0
    cost_usd: Decimal = Decimal(0)
    differing: int = 0
    rejects: Path | None = None
    problems: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    names: tuple[Unpriced, ...] = ()


@dataclass(frozen=True, slots=True)
class _Read:
    """Every file that could be read, at least in part."""

    names: Sequence[str]
    formats: Sequence[str]
    taken: dict[int, Taken]
    problems: tuple[str, ...]
    notes: tuple[str, ...]

    def total(self, what: str) -> int:
        return sum(getattr(each, what) for each in self.taken.values())


def import_usage(
    engine: Engine,
    settings: Costing,
    files: Sequence[Path],
    wanted: Wanted,
    now: datetime,
    progress: Progress = _nobody,
) -> Imported:
    """Import log files as one import. Raises StorageError while another import works in the same folder."""
    database = engine.url.render_as_string(hide_password=True)
    with alone(settings.usage):
        with reading(engine) as connection:
            sweep(settings.usage, database, imports.folders(connection))
            held = imports.held(connection, settings.usage)
        with staged(settings.usage, database, now) as staging:
            with closing_duckdb(settings) as backend:
                read = _read(backend.con, staging, files, wanted, now, progress)
                incoming = {number: each.files for number, each in read.taken.items()}
                settled = settle(backend.con, incoming, held, staging.new)
            return _stored(engine, settings, staging, read, settled, wanted, now, progress)


def _read(
    connection: Any, staging: Staging, files: Sequence[Path], wanted: Wanted, now: datetime, progress: Progress
) -> _Read:
    sizes = [file.stat().st_size for file in files]
    taken: dict[int, Taken] = {}
    problems: list[str] = []
    notes: list[str] = []
    formats: list[str] = []
    with Rejects(staging.rejects) as rejects:
        reader = Reader(connection, staging.incoming, wanted, now, rejects, notes.append)
        for number, file in enumerate(files):
            before = sum(sizes[:number])

            def consumed(done: int, before: int = before) -> None:
                progress("Reading", before + done, sum(sizes))

            try:
                name, each = reader.take(number, file, consumed)
            except InputError as error:
                problems.append(str(error))
                continue
            taken[number] = each
            formats.append(name)
            problems += [each.problem] if each.problem else []
            progress("Reading", before + sizes[number], sum(sizes))
    return _Read([file.name for file in files], sorted(set(formats)), taken, tuple(problems), tuple(notes))


def _stored(
    engine: Engine,
    settings: Costing,
    staging: Staging,
    read: _Read,
    settled: Settled,
    wanted: Wanted,
    now: datetime,
    progress: Progress,
) -> Imported:
    imported = sum(settled.imported.values())
    rows, rejected, ignored = read.total("rows"), read.total("rejected"), read.total("ignored")
    came_to: dict[str, Any] = {
        "files": len(read.names),
        "rows": rows,
        "imported": imported,
        "duplicates": rows - rejected - imported,
        "rejected": rejected,
        "ignored": ignored,
    }
    said: dict[str, Any] = {"differing": settled.differing, "problems": read.problems, "notes": read.notes}
    if settled.held is None:
        return Imported(**came_to, **said, rejects=staging.keep_rejects())
    priced = _cost(engine, settings, staging, settled.held, progress)
    staging.publish()
    rejects = staging.keep_rejects()
    with writing(engine) as connection:
        row = came_to | {
            "recorded_at": now,
            "log_format": ", ".join(read.formats),
            "folder": staging.name,
            "files": _by_file(read, settled),
            "first_at": settled.held.first_at,
            "last_at": settled.held.last_at,
            "sample": wanted.sample,
        }
        import_id = imports.add(connection, row)
        costed = load(connection, import_id, staging.cells, priced, now, _loading(staging.cells, progress))
        names = tuple(imports.unpriced(connection, import_id, _NAMED)) if costed.unpriced else ()
    staging.done()
    cost = Decimal(costed.nano).scaleb(-9)
    return Imported(**came_to, **said, rejects=rejects, unpriced=costed.unpriced, cost_usd=cost, names=names)


def _cost(engine: Engine, settings: Costing, staging: Staging, held: Held, progress: Progress) -> Pricing:
    """Cost the new requests; the roll-up lies in `staging.cells`. No transaction is open while the engine works."""
    progress("Costing", 0, 0)
    files = [staging.new / file.name for file in held.files]
    with open_engine(settings) as machine:
        names = machine.names(files)
        with reading(engine) as connection:
            priced = priced_names(connection, names)
        machine.cost(files, priced, staging.cells)
    return priced


def _loading(cells: Path, progress: Progress) -> Callable[[int], None]:
    total = sum(pq.read_metadata(part).num_rows for part in cells.glob("*.parquet"))
    done = 0

    def loaded(more: int) -> None:
        nonlocal done
        done += more
        progress("Loading", done, total)

    return loaded


def _by_file(read: _Read, settled: Settled) -> list[dict[str, Any]]:
    found = []
    for number, each in read.taken.items():
        imported = settled.imported.get(number, 0)
        counts = {"rows": each.rows, "imported": imported, "rejected": each.rejected}
        duplicates = each.rows - each.rejected - imported
        found.append({"name": read.names[number], "number": number, "duplicates": duplicates, **counts})
    return found
