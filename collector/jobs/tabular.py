"""Tables into Parquet by their columns, in DuckDB: what is plain goes straight through, the rest is looked at singly.

A row that is unusual in any way gets no time here. The statistics of the written file tell for nothing whether there
are such rows; if so, a second pass finds their lines, for the format's own parser, which alone says what is refused.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from collector.jobs.plain import Columns, checked_time, plausible, quoted, selected, span, text
from collector.logs.base import Context
from collector.logs.names import key_name, name
from db.usage.requests import profile

_REJECTS: Final = "ratecard_rejects"
QUICKLY: Final = "FORMAT parquet, PARQUET_VERSION V2, DICTIONARY_SIZE_LIMIT 2000, WRITE_BLOOM_FILTER false"
"""Counts of tokens repeat too little for a large dictionary: without, writing takes a tenth less of the processor."""
_UNTOLD: Final = {"UNQUOTED VALUE", "LINE SIZE OVER MAXIMUM"}
"""After these the reader has skipped what it does not tell."""
_CUT: Final = 10_000
"""Characters of a rejected line that are kept."""
_PLAIN: Final = "([!-~]+( [!-~]+)*)?"
_SECRETS: Final = "sk-|pk-|rk-|gsk_|hf_|r8_|fw_|gh[pousr]_|xai-|pplx-|nvapi-|csk-|tgp_|AIza|AKIA"


@dataclass(frozen=True, slots=True)
class Csv:
    """A CSV file with a header, and its delimiter."""

    path: Path
    header: Sequence[str]
    delimiter: str
    compression: str = ""

    def relation(self, columns: Columns, rejects: str = "") -> str:
        """The rows as a table; where no rejects are kept, all columns are text."""
        numbers = columns.numbers if rejects else set()
        kinds = ", ".join(f"{text(each)}: '{'DOUBLE' if each in numbers else 'VARCHAR'}'" for each in self.header)
        kept = (
            f"store_rejects = true, rejects_table = '{rejects}', rejects_scan = '{rejects}_scan', rejects_limit = 0"
            if rejects
            else "ignore_errors = true"
        )
        return (
            f"read_csv({text(str(self.path))}, auto_detect = false, header = true, delim = {text(self.delimiter)}, "
            f"quote = '\"', escape = '\"', compression = '{self.compression or 'none'}', columns = {{{kinds}}}, {kept})"
        )


@dataclass(frozen=True, slots=True)
class Json:
    """One JSON object a line, and the names in the first of them."""

    path: Path
    header: Sequence[str]
    compression: str = ""

    def relation(self, columns: Columns, rejects: str = "") -> str:
        """The objects as a table. One that is none, or has another type, comes without values."""
        kinds = ", ".join(
            f"{text(each)}: '{'DOUBLE' if each in columns.numbers else 'VARCHAR'}'" for each in columns.used
        )
        return (
            f"read_json({text(str(self.path))}, format = 'newline_delimited', auto_detect = false, "
            f"columns = {{{kinds}}}, compression = '{self.compression or 'none'}', ignore_errors = true)"
        )


@dataclass(frozen=True, slots=True)
class Parquet:
    """A Parquet file, and its columns."""

    path: Path
    header: Sequence[str]

    def relation(self, columns: Columns, rejects: str = "") -> str:
        """The rows as a table of text and numbers."""
        schema = pq.read_schema(self.path)
        listed = ", ".join(
            f"{self._cast(each, columns, schema.field(each).type)} AS {quoted(each)}" for each in columns.used
        )
        return f"(SELECT {listed} FROM read_parquet({text(str(self.path))}))"

    def _cast(self, column: str, columns: Columns, kind: pa.DataType) -> str:
        if pa.types.is_timestamp(kind):
            zone = "" if kind.tz is None else "Z"
            return f"strftime({quoted(column)}, '%Y-%m-%dT%H:%M:%S.%f{zone}')"
        return f"try_cast({quoted(column)} AS {'DOUBLE' if column in columns.numbers else 'VARCHAR'})"


Table = Csv | Json | Parquet


@dataclass(frozen=True, slots=True)
class Doubt:
    """A line to look at: the text of a row that is none, or its values by column."""

    line: int
    text: str = ""
    values: Mapping[str, str] | None = None


def through(
    connection: Any, table: Table, columns: Columns, context: Context, number: int, into: Path
) -> Iterator[Doubt] | None:
    """Write the plain rows of a table to the Parquet file `into`; the others are given one by one.

    None if DuckDB cannot read the file to its end without loss: then nothing is written.
    """
    connection.execute(f"DROP TABLE IF EXISTS {_REJECTS}")
    connection.execute(f"DROP TABLE IF EXISTS {_REJECTS}_scan")
    ordered = "true" if columns.key else "false"
    connection.execute(f"SET preserve_insertion_order = {ordered}")
    listed = selected(columns, context, number)
    try:
        plain = f"SELECT {listed} FROM {table.relation(columns, _REJECTS)}"
        connection.execute(f"COPY ({plain}) TO {text(str(into))} ({QUICKLY})")
        refused = _refused(connection) if isinstance(table, Csv) else {}
    except duckdb.Error:
        into.unlink(missing_ok=True)
        return None
    finally:
        connection.execute("SET preserve_insertion_order = false")
    if refused is None:
        into.unlink(missing_ok=True)
        return None
    written = profile([into])
    strange = written.untimed or not plausible(written, context)
    if strange:
        _rewrite(connection, into, f"SELECT * FROM {{}} WHERE time {span(context)}")
    if strange and not isinstance(table, Csv):
        into.unlink()
        return None
    doubtful = strange or any(not each.text for each in refused.values())
    _cleaned(connection, into, columns)
    if not profile([into]).rows:
        into.unlink()
    return _doubts(connection, table, columns, context, refused, bool(doubtful))


def _refused(connection: Any) -> dict[int, Doubt] | None:
    """Line -> a row that DuckDB refused; without its text where only a value is at fault. None if any was lost."""
    query = f"SELECT line, error_type::VARCHAR, csv_line FROM {_REJECTS} ORDER BY line"
    found: dict[int, Doubt] = {}
    cursor = connection.execute(query)
    while rows := cursor.fetchmany(10_000):
        for line, kind, row in rows:
            if kind in _UNTOLD or (kind != "CAST" and len(row) >= _CUT):
                return None
            if kind != "CAST":
                found[line] = Doubt(line, row)
            else:
                found.setdefault(line, Doubt(line))
    return found


def _doubts(
    connection: Any, table: Table, columns: Columns, context: Context, refused: Mapping[int, Doubt], doubtful: bool
) -> Iterator[Doubt]:
    """The rows to look at: those that are none, and those that got no time."""
    malformed = [doubt for _, doubt in sorted(refused.items()) if doubt.text]
    if not doubtful:
        yield from malformed
        return
    connection.execute("SET preserve_insertion_order = true")
    values = ", ".join(quoted(each) for each in columns.used)
    numbered = f"SELECT row_number() OVER () AS nth, {values} FROM {table.relation(columns)}"
    typed = f"SELECT nth, {values}, {checked_time(columns, context, text=True)} AS time_ FROM ({numbered})"
    query = f"SELECT nth, {values} FROM ({typed}) WHERE (time_ {span(context)}) IS NOT TRUE ORDER BY nth"
    reader = connection.sql(query).to_arrow_reader(10_000)
    place = 0
    for batch in reader:
        for row in batch.to_pylist():
            line = row.pop("nth") + 1 + place
            while place < len(malformed) and malformed[place].line <= line:
                yield malformed[place]
                place, line = place + 1, line + 1
            yield Doubt(line, values={key: value or "" for key, value in row.items()})
    yield from malformed[place:]
    connection.execute("SET preserve_insertion_order = false")


def _cleaned(connection: Any, file: Path, columns: Columns) -> None:
    """Give names the form that every format gives them: no unprintable characters, no secret keys."""
    for target in columns.texts:
        ours = quoted(target)
        clean = key_name if target == "api_key" else name
        shaped = f"regexp_full_match({ours}, '{_PLAIN}') AND length({ours}) <= 200"
        plain = f"{shaped} AND NOT regexp_matches({ours}, '{_SECRETS}')"
        wanted = "TRUE" if target == "api_key" else f"NOT ({plain})"
        # A table of its own: else the filter would be brought to the many rows, not to the few names.
        source = f"SELECT DISTINCT {ours} FROM read_parquet({text(str(file))})"
        connection.execute(f"CREATE OR REPLACE TEMP TABLE ratecard_distinct AS {source}")
        query = f"SELECT {ours} FROM ratecard_distinct WHERE {wanted}"
        found = [(value, clean(value)) for (value,) in connection.execute(query).fetchall()]
        if changed := [(before, after) for before, after in found if before != after]:
            connection.execute("CREATE OR REPLACE TEMP TABLE ratecard_names (before VARCHAR, after VARCHAR)")
            connection.executemany("INSERT INTO ratecard_names VALUES (?, ?)", changed)
            _rewrite(
                connection,
                file,
                f"SELECT r.* REPLACE (coalesce(n.after, r.{ours}) AS {ours}) FROM {{}} AS r "
                f"LEFT JOIN ratecard_names AS n ON n.before = r.{ours}",
            )


def shift(connection: Any, files: Sequence[Path], to: datetime) -> None:
    """Move the requests of one log so that the first is at `to`."""
    about = profile(files)
    if about.first_at is None:
        return
    by = f"to_microseconds({round((to - about.first_at).total_seconds() * 10**6)})"
    for file in files:
        until = f", until + {by} AS until" if "until" in profile([file]).present else ""
        _rewrite(connection, file, f"SELECT * REPLACE (time + {by} AS time{until}) FROM {{}}")


def _rewrite(connection: Any, file: Path, query: str) -> None:
    aside = file.with_suffix(".rewritten")
    source = f"read_parquet({text(str(file))})"
    connection.execute(f"COPY ({query.format(source)}) TO {text(str(aside))} ({QUICKLY})")
    aside.replace(file)
