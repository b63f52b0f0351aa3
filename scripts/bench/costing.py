"""What costing takes: a log to a priced roll-up, against DuckDB grouping the same file and against row by row."""

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from sqlalchemy import text

from db.engine import open_engine, reading
from scripts.bench.usage_data import make_ledger, write_log

ROUNDS = 3
SAMPLE = 20_000

Run = dict[str, Any]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--few", type=int, default=1_000_000, help="rows of the log whose memory is compared")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="ratecard-bench-") as name:
        folder = Path(name)
        make_ledger(folder / "ledger.db").dispose()
        many, few = folder / "many.csv", folder / "few.csv"
        write_log(options.rows, many)
        write_log(options.few, few)
        # In turn, so that a busy machine slows both; the best of each counts.
        rounds = [(run("floor", many), imported(folder, many), run("one_by_one", many, SAMPLE)) for _ in range(ROUNDS)]
        counts = cells(folder)
        floor, whole, single = (min(each, key=lambda one: one["seconds"]) for each in zip(*rounds, strict=True))
        show(options.rows, options.few, floor, whole, single, imported(folder, few), counts)


def run(what: str, *arguments: object) -> Run:
    """One run in a process of its own, so that its peak memory is its own."""
    command = [sys.executable, "-m", "scripts.bench.usage_runs", what, *map(str, arguments)]
    found: Run = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)  # noqa: S603
    return found


def imported(folder: Path, log: Path) -> Run:
    """An import into a database that holds the prices and no usage."""
    home = folder / "home"
    shutil.rmtree(home, ignore_errors=True)
    home.mkdir()
    shutil.copy(folder / "ledger.db", home / "ratecard.db")
    return run("imported", log, home / "ratecard.db", home)


def cells(folder: Path) -> tuple[int, int]:
    """Roll-up cells of the last import, and price versions in the ledger."""
    engine = open_engine(f"sqlite:///{folder / 'home' / 'ratecard.db'}")
    with reading(engine) as connection:
        found = [connection.execute(text(f"SELECT count(*) FROM {t}")).scalar_one() for t in ("usage_hour", "price")]  # noqa: S608
    engine.dispose()
    return found[0], found[1]


def show(rows: int, few: int, floor: Run, whole: Run, single: Run, less: Run, counts: tuple[int, int]) -> None:
    table = Table(title=f"{rows:,} requests, {counts[1]:,} prices")
    for column in ("", "s", "CPU s", "rows/s", "ratio", "by CPU"):
        table.add_column(column, justify="left" if not column else "right")

    def add(what: str, seconds: float, cpu: float, count: int, *ratios: str) -> None:
        table.add_row(what, f"{seconds:.2f}", f"{cpu:.2f}", f"{count / seconds:,.0f}", *ratios)

    times = [f"{whole[each] / floor[each]:.2f}x" for each in ("seconds", "cpu")]
    parts = [f"1/{rows / whole[each] * single[each] / SAMPLE:,.0f}" for each in ("seconds", "cpu")]
    add("DuckDB groups the CSV, without prices", floor["seconds"], floor["cpu"], rows, "1", "1")
    add("CSV to priced roll-up", whole["seconds"], whole["cpu"], rows, *times)
    add("roll-up into SQLite", whole["loading"], whole["loading_cpu"], rows)
    add(f"genai-prices, {SAMPLE:,} rows one by one", single["seconds"], single["cpu"], SAMPLE, *parts)
    ratio = f"{whole['peak_mb'] / less['peak_mb']:.2f}x {few:,} rows'"
    table.add_row("peak memory", "", "", f"{whole['peak_mb']:,.0f} MB", ratio)
    table.add_row("roll-up cells", "", "", f"{counts[0]:,}")
    Console(width=110).print(table)


if __name__ == "__main__":
    main()
