"""The machine that costs usage: DuckDB in this process, or a Spark cluster. The expression is the same."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final, Protocol

import ibis
import ibis.expr.types as ir
import pyarrow as pa
from pydantic import Field

from db.errors import UsageError
from db.settings import Storage
from db.usage.costing import NAMES, costed, rolled_up
from db.usage.pricing import Pricing, naive
from db.usage.requests import Profile, profile
from db.usage.resolve import Name
from db.usage.spark import spark_session


class Costing(Storage):
    """Which engine costs usage: `duckdb`, or the address of a Spark cluster (spark://host:7077, sc://host), which
    must see RATECARD_HOME/usage under the same path. `engine_memory`: what DuckDB may use, the rest goes to disk."""

    engine: str = "duckdb"
    engine_memory: str = "1GB"
    engine_threads: int = Field(default=0, ge=0, le=256)

    @property
    def usage(self) -> Path:
        """The folder of all requests."""
        return self.home / "usage"


Span = tuple[datetime, datetime]
HOUR: Final = timedelta(hours=1)
SLICE_ROWS: Final = 2_500_000
"""Requests that DuckDB sums at once: their cells take some 100 MB at most."""


_SUMS: Final = "FORMAT parquet, PARQUET_VERSION V2, DICTIONARY_SIZE_LIMIT 100"
"""Sums repeat too little for a dictionary."""


class Engine(Protocol):
    """Runs the costing expression over Parquet files of one import, which have the same columns."""

    def names(self, files: Sequence[Path]) -> list[Name]:
        """The distinct names of endpoints in the files."""

    def cost(self, files: Sequence[Path], pricing: Pricing, into: Path, between: Span | None = None) -> None:
        """Write the priced roll-up (see db.usage.costing) as Parquet files into the folder `into`.

        `between`: only of requests in [start, end). Names that `pricing` does not know are left out.
        """


@contextmanager
def open_engine(settings: Costing) -> Iterator[Engine]:
    """The engine of the settings. Raises UsageError for an address that is none."""
    if settings.engine in ("", "duckdb"):
        with closing_duckdb(settings) as backend:
            yield DuckDB(backend)
    elif settings.engine.startswith(("spark://", "sc://", "local")):
        with spark_session(settings.engine, settings.home / "spark.log") as session:
            yield Spark(session)
    else:
        raise UsageError("RATECARD_ENGINE is neither duckdb nor an address like spark://host:7077 or sc://host:15002.")


@contextmanager
def closing_duckdb(settings: Costing) -> Iterator[Any]:
    """An Ibis backend on an in-memory DuckDB: bounded in memory, without downloads, its clock in UTC."""
    spill = settings.usage / ".spill"
    spill.mkdir(parents=True, exist_ok=True)
    options: dict[str, Any] = {
        "memory_limit": settings.engine_memory,
        "temp_directory": str(spill),
        "autoinstall_known_extensions": False,
        "autoload_known_extensions": False,
        "preserve_insertion_order": False,
    }
    if settings.engine_threads:
        options["threads"] = settings.engine_threads
    backend = ibis.duckdb.connect(**options)
    try:
        yield backend
    finally:
        backend.disconnect()


class DuckDB:
    """Costing in this process."""

    def __init__(self, backend: Any) -> None:
        self._backend = backend

    def names(self, files: Sequence[Path]) -> list[Name]:
        return _names(self._run(_distinct_names(self._usage(files))).to_arrow_table())

    def cost(self, files: Sequence[Path], pricing: Pricing, into: Path, between: Span | None = None) -> None:
        self._table("ratecard_segments", pricing.segments)
        rates = self._table("ratecard_rates", pricing.rates)
        into.mkdir(parents=True, exist_ok=True)
        everything, query = self._usage(files).get_name(), ""
        # One slice of time after the other, so that the memory it takes does not grow with the log.
        for number, span in enumerate(slices(profile(files), between)):
            self._slice(everything, span)
            if not query:
                usage, segments = self._backend.table("ratecard_usage"), self._backend.table("ratecard_reached")
                query = ibis.to_sql(costed(rolled_up(usage, segments, pricing.grid), rates), dialect="duckdb")
            file = str(into / f"{number:06}.parquet").replace("'", "''")
            self._backend.con.execute(f"COPY ({query}) TO '{file}' ({_SUMS})")

    def _slice(self, everything: str, span: Span) -> None:
        """Show the expression one slice. Of the segments too: it compares each request with all that its name has."""
        start, end = (f"TIMESTAMP '{naive(at).isoformat(' ')}'" for at in span)
        views = {
            "ratecard_usage": f"FROM {everything} WHERE time >= {start} AND time < {end}",
            "ratecard_reached": f'FROM ratecard_segments WHERE "start" < {end} AND "end" > {start}',
        }
        for name, query in views.items():
            self._backend.con.execute(f"CREATE OR REPLACE VIEW {name} AS {query}")

    def _usage(self, files: Sequence[Path]) -> ir.Table:
        return self._backend.read_parquet(list(map(str, files)))

    def _run(self, table: ir.Table) -> Any:
        return self._backend.con.sql(ibis.to_sql(table, dialect="duckdb"))

    def _table(self, name: str, rows: pa.Table) -> ir.Table:
        # A table of its own: of an Arrow table DuckDB does not know how small it is.
        self._backend.con.register("ratecard_rows", rows)
        self._backend.con.execute(f"CREATE OR REPLACE TABLE {name} AS FROM ratecard_rows")
        self._backend.con.unregister("ratecard_rows")
        return self._backend.table(name)


class Spark:
    """Costing on a cluster. The result is written where it arises, never collected on the driver."""

    def __init__(self, session: Any) -> None:
        self._session, self._backend = session, ibis.pyspark.connect(session)

    def names(self, files: Sequence[Path]) -> list[Name]:
        return _names(self._frame(_distinct_names(self._usage(files))).toArrow())

    def cost(self, files: Sequence[Path], pricing: Pricing, into: Path, between: Span | None = None) -> None:
        segments = self._table("ratecard_segments", self._session.createDataFrame(pricing.segments))
        rates = self._table("ratecard_rates", self._session.createDataFrame(pricing.rates))
        usage = self._usage(files) if between is None else _within(self._usage(files), between)
        cells = costed(rolled_up(usage, segments, pricing.grid), rates)
        self._frame(cells).write.mode("overwrite").parquet(_url(into))

    def _usage(self, files: Sequence[Path]) -> ir.Table:
        return self._table("ratecard_usage", self._session.read.parquet(*map(_url, files)))

    def _frame(self, table: ir.Table) -> Any:
        return self._session.sql(ibis.to_sql(table, dialect="pyspark"))

    def _table(self, name: str, frame: Any) -> ir.Table:
        # Not ibis.memtable, which goes through pandas, where an integer column with gaps becomes one of floats.
        frame.createOrReplaceTempView(name)
        return self._backend.table(name)


def _url(path: Path) -> str:
    """The same file for driver and workers, whatever file system the cluster takes for its own."""
    return f"file://{path.absolute()}"


def _distinct_names(usage: ir.Table) -> ir.Table:
    return usage.select(*(n for n in NAMES if n in usage.columns)).distinct()


def _names(found: pa.Table) -> list[Name]:
    return sorted(
        (Name(**row) for row in found.to_pylist()), key=lambda n: (n.model, n.provider, n.endpoint, n.variant)
    )


def slices(about: Profile, between: Span | None) -> Iterator[Span]:
    """The time of the requests in whole hours, of some SLICE_ROWS rows each if they come evenly."""
    if about.first_at is None or about.last_at is None:
        return
    start = about.first_at.replace(minute=0, second=0, microsecond=0)
    hours = (about.last_at - start) // HOUR + 1
    step = -(-hours // -(-about.rows // SLICE_ROWS)) * HOUR
    while start <= about.last_at:
        since, until = (
            (start, start + step) if between is None else (max(start, between[0]), min(start + step, between[1]))
        )
        if since < until:
            yield since, until
        start += step


def _within(usage: ir.Table, span: Span) -> ir.Table:
    start, end = map(naive, span)
    return usage.filter(usage.time >= start, usage.time < end)
