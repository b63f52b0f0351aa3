"""One log after the other into Parquet: what each is, and the quickest way that loses nothing."""

import csv
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import pyarrow.parquet as pq

from collector.jobs.intake import Consumed, Defaults, Rejects, Sieve, Taken, sieve, take
from collector.jobs.mapped import GENERIC, TOLD, WHOLE, Clock, at, clock, number, parser, unit_of
from collector.jobs.origin import Wanted
from collector.jobs.plain import Columns
from collector.jobs.tabular import Csv, Doubt, Json, Parquet, Table, shift, through
from collector.logs import FORMATS, recognise
from collector.logs.base import Context, Parse, Parsed, Record
from collector.logs.compressed import CutError, blocks
from collector.logs.fields import AHEAD
from collector.logs.generic import INCLUDED, TIME, Mapping
from collector.logs.guessing import guess_mapping
from collector.logs.names import name
from collector.logs.reading import Shape, sample, shape
from collector.logs.tables import table as csv_table
from db.errors import InputError
from db.usage.facts import COUNTED
from db.usage.requests import profile

_TEXTS: Final = ("model", "provider", "endpoint", "variant", "project", "api_key", "user")
_STRAIGHT: Final = {TIME, "id", "cost", "total_tokens", *_TEXTS, *TOLD, *COUNTED}
"""What DuckDB can read itself; a mapping of anything else is read record by record."""

Note = Callable[[str], None]
"""Told, in one sentence, what was taken for granted."""


class Reader:
    """Reads the logs of one import."""

    def __init__(
        self, connection: Any, into: Path, wanted: Wanted, now: datetime, rejects: Rejects, note: Note
    ) -> None:
        self._connection, self._into, self._wanted = connection, into, wanted
        self._context, self._rejects, self._note = Context(now, wanted.timezone), rejects, note

    def take(self, number: int, file: Path, consumed: Consumed) -> tuple[str, Taken]:
        """Read one file; what format it is, and what came of it. Raises InputError if nothing can be read."""
        found = shape(file)
        first = _first_of_parquet(file) if found.kind == "parquet" else sample(file)
        called, mapping = self._format(file, first)
        with sieve(file, number, self._wanted.defaults, self._rejects, self._into / f"{number}-1.parquet") as each:
            if mapping is None:
                problem = take(each, file, FORMATS[called].parse, self._context, consumed)
            else:
                problem = self._table(each, file, found, first, mapping, number, consumed)
        taken = each.taken(problem)
        straight = self._straight_of(number)
        rows = sum(profile([path]).rows for path in straight)
        taken = replace(taken, files=(*straight, *taken.files), rows=taken.rows + rows)
        return called, self._shifted(file, taken)

    def _format(self, file: Path, first: list[Record]) -> tuple[str, Mapping | None]:
        """The format's name, with a mapping if it is generic."""
        wanted = self._wanted
        if wanted.log_format not in (None, GENERIC):
            return str(wanted.log_format), None
        if wanted.mapping is not None:
            return GENERIC, wanted.mapping
        guessed = wanted.usual or (guess_mapping(first[0]) if first else None)
        if wanted.log_format is None:
            try:
                return recognise(first, str(file)).name, None
            except InputError:
                if guessed is None:
                    raise
        if guessed is None:
            raise InputError(f"{file}: which column is what cannot be told by their names; --map names them.")
        if wanted.usual is not None:
            return GENERIC, guessed
        listed = ",".join(f"{target}={column.name}" for target, column in guessed.columns.items())
        self._note(f"{file} was read by the names of its columns, as --map {listed}.")
        return GENERIC, guessed

    def _table(
        self,
        each: Sieve,
        file: Path,
        found: Shape,
        first: list[Record],
        mapping: Mapping,
        number: int,
        consumed: Consumed,
    ) -> str:
        """Read a table by a mapping; why it ends early, or empty."""
        for target, column in mapping.columns.items():
            fixed = target == TIME or found.kind != "jsonl"
            if fixed and first and not any(_has(record, column.name) for record in first):
                raise InputError(f"{file} has no column {column.name!r}, which the mapping takes for {target}.")
        ticking = clock(first, mapping.columns[TIME], shifted=self._wanted.shift_to is not None)
        if ticking.relative:
            unit = {"s": "seconds", "ms": "milliseconds"}.get(ticking.unit, ticking.unit)
            self._note(f"{file} has times that count from a start of its own; they were read as {unit} since then.")
        parse = parser(mapping, ticking)
        columns = _columns(mapping, first, ticking, self._wanted.defaults)
        opened = _opened(file, found, first)
        if columns is not None and opened is not None and set(columns.used) <= set(opened.header):
            into = self._into / f"{number}-0.parquet"
            doubts = through(self._connection, opened, columns, self._context, number, into)
            if doubts is not None:
                for parsed in parse_doubts(doubts, opened, parse, self._context, each):
                    each.add(parsed)
                return ""
        if found.kind == "parquet":
            for parsed in parse(_records_of_parquet(file), self._context):
                each.add(parsed)
            return ""
        return take(each, file, parse, self._context, consumed)

    def _straight_of(self, number: int) -> tuple[Path, ...]:
        path = self._into / f"{number}-0.parquet"
        return (path,) if path.exists() else ()

    def _shifted(self, file: Path, taken: Taken) -> Taken:
        """Move the log to where it is wanted."""
        to = self._wanted.shift_to
        about = profile(taken.files)
        if to is None or about.first_at is None or about.last_at is None:
            return taken
        if to + (about.last_at - about.first_at) > self._context.now + AHEAD:
            for path in taken.files:
                path.unlink()
            raise InputError(
                f"{file} would end in the future, as it spans {about.last_at - about.first_at}: "
                f"choose an earlier --shift-to."
            )
        shift(self._connection, taken.files, to)
        return taken


def parse_doubts(
    doubts: Iterator[Doubt], opened: Table, parse: Parse, context: Context, each: Sieve
) -> Iterator[Parsed]:
    """What the rows that DuckDB left come to, by the format's own parser."""

    def records() -> Iterator[tuple[int, Record]]:
        for doubt in doubts:
            if doubt.values is not None:
                if any(doubt.values.values()):
                    yield doubt.line, doubt.values
            else:
                assert isinstance(opened, Csv)  # noqa: S101  # only there a row may be no row
                parts = doubt.text.strip("\r\n").split("\n")
                lines = [(1, _line(opened)), *((doubt.line + i, part) for i, part in enumerate(parts))]
                yield from csv_table(iter(lines), opened.delimiter, each.add)

    return parse(records(), context)


def _line(opened: Csv) -> str:
    """The header as a line of its own file."""
    return opened.delimiter.join(f'"{column}"' for column in opened.header)


def _opened(file: Path, found: Shape, first: list[Record]) -> Table | None:
    """The file as a table of DuckDB; None for one that is none."""
    match found.kind:
        case "csv":
            header = _header(file, found.delimiter)
            return Csv(file, header, found.delimiter, found.compression) if header else None
        case "jsonl":
            return Json(file, list(dict.fromkeys(key for record in first for key in record)), found.compression)
        case "parquet":
            return Parquet(file, pq.read_schema(file).names)
    return None


def _header(file: Path, delimiter: str) -> list[str]:
    """The names of the columns; none if they cannot be told apart."""
    head = b""
    with suppress(CutError):
        for block in blocks(file, lambda _consumed: None):
            head += block
            if b"\n" in block:
                break
    line = head.removeprefix(b"\xef\xbb\xbf").partition(b"\n")[0].decode("utf-8", "replace")
    header = [column.strip() for column in next(csv.reader([line], delimiter=delimiter), [])]
    plain = all(header) and len(set(map(str.lower, header))) == len(header) and not any('"' in c for c in header)
    return header if plain else []


def _columns(mapping: Mapping, first: list[Record], ticking: Clock, defaults: Defaults) -> Columns | None:
    """The mapping for DuckDB; None if it cannot do what it asks for."""
    named = {target: column.name for target, column in mapping.columns.items()}
    if not set(named) <= _STRAIGHT:
        return None
    values = [value for record in first if (value := number(at(record, named[TIME]))) is not None]
    unit = ticking.unit or (unit_of(values[0]) if values else "")
    if values and not unit:
        return None
    counts: dict[str, str] = {meter: named[meter] for meter in COUNTED if meter in named}
    including = {}
    for total, rest in WHOLE.items():
        if total in named:
            counts[rest] = named[total]
            including[rest] = [meter for meter in INCLUDED[total] if meter in named]
    cleaned = {"model": name(defaults.model), "provider": name(defaults.provider), "project": name(defaults.project)}
    return Columns(
        named[TIME],
        unit,
        ticking.relative,
        texts={target: named[target] for target in _TEXTS if target in named},
        counts=counts,
        including=including,
        needed=[WHOLE.get(target, target) for target in TOLD if target in named],
        key=named.get("id", ""),
        key_prefix=f"{GENERIC}:",
        cost=named.get("cost", ""),
        total=named.get("total_tokens", ""),
        constants={target: constant for target, constant in cleaned.items() if constant},
    )


def _has(record: Record, column: str) -> bool:
    return column in record or at(record, column) is not None


def _first_of_parquet(file: Path) -> list[Record]:
    """The first rows. Raises InputError for a file that is damaged."""
    try:
        return [record for (_, record), _ in zip(_records_of_parquet(file), range(50), strict=False)]
    except OSError as error:
        raise InputError(f"{file} is no Parquet that can be read: {str(error).splitlines()[0]}.") from error


def _records_of_parquet(file: Path) -> Iterator[tuple[int, Record]]:
    """Each row with its number; times as ISO 8601 text, fractions exact."""
    import pyarrow as pa

    count = 0
    try:
        for batch in pq.ParquetFile(file).iter_batches(10_000):
            for row in batch.to_pylist():
                count += 1
                yield count, {column: _said(value) for column, value in row.items()}
    except pa.ArrowInvalid as error:
        raise InputError(f"{file} is no Parquet that can be read: {str(error).splitlines()[0]}.") from error


def _said(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, float):
        return str(value)
    return value
