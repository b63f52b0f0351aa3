"""One measured run in its own process: `python -m scripts.bench.usage_runs WHAT ARGUMENT...` prints JSON."""

import csv
import gc
import json
import resource
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from itertools import islice
from pathlib import Path
from typing import Any

from scripts.bench.usage_data import COLUMNS, MODELS

GROUPED = """
    CREATE TABLE floor AS
    SELECT date_trunc('hour', time) AS hour, model, provider, project, count(*) AS requests, sum(prompt) AS prompt,
           sum(completion) AS completion, sum(input_cache_read) AS input_cache_read
    FROM read_csv(?) GROUP BY ALL
"""


Clocks = tuple[float, float]
"""Seconds of the clock, and of all processors together: of those a busy machine takes little away."""


def clocks() -> Clocks:
    return time.perf_counter(), time.process_time()


def taken(started: Clocks, ended: Clocks) -> dict[str, float]:
    return {"seconds": ended[0] - started[0], "cpu": ended[1] - started[1]}


def floor(log: str) -> dict[str, float]:
    """DuckDB alone: read the same file and group it by the same names, without prices."""
    import duckdb

    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        started = clocks()
        connection.execute(GROUPED, [log])
        return taken(started, clocks())


def imported(log: str, ledger: str, home: str) -> dict[str, float]:
    """What `ratecard usage import` does, by its parts: CSV to priced roll-up, then the roll-up into the database."""
    # Loaded on first use; it takes as long for one request, and is not in the floor either.
    import ibis.backends.duckdb  # noqa: F401
    import pandas  # noqa: F401

    from collector.jobs import import_usage as job
    from collector.jobs.origin import Wanted
    from collector.logs.generic import parse_mapping
    from db.engine import open_engine
    from db.usage.engine import Costing

    engine = open_engine(f"sqlite:///{ledger}")
    marks: dict[str, Clocks] = {}
    load: Callable[..., Any] = vars(job)["load"]

    def marked(*args: object, **kwargs: object) -> object:
        marks["rolled up"] = clocks()
        return load(*args, **kwargs)

    vars(job)["load"] = marked
    gc.freeze()  # as the verb does
    gc.set_threshold(50_000)
    started = clocks()
    wanted = Wanted("generic", parse_mapping(",".join(f"{name}={name}" for name in COLUMNS)))
    came_to = job.import_usage(engine, Costing(home=Path(home)), [Path(log)], wanted, datetime.now(UTC))
    ended = clocks()
    engine.dispose()
    return {
        **taken(started, marks["rolled up"]),
        "loading": ended[0] - marks["rolled up"][0],
        "loading_cpu": ended[1] - marks["rolled up"][1],
        "imported": came_to.imported,
        "unpriced": came_to.unpriced,
    }


def one_by_one(log: str, rows: str) -> dict[str, float]:
    """genai-prices: the first rows of the same file, priced one after the other at models that it knows."""
    from genai_prices import Usage, calc_price
    from genai_prices.data import providers

    names = [(p.id, m.id) for p in providers if p.id in {"openai", "anthropic", "google"} for m in p.models]
    known = [name for name in names if _knows(*name)][:MODELS]
    total = Decimal(0)
    started = clocks()
    with Path(log).open(newline="", encoding="utf-8") as file:
        for row in islice(csv.DictReader(file), int(rows)):
            provider, model = known[int(row["model"].rpartition("-")[2]) % len(known)]
            cached = int(row["input_cache_read"])
            usage = Usage(
                input_tokens=int(row["prompt"]) + cached,
                cache_read_tokens=cached,
                output_tokens=int(row["completion"]),
            )
            at = datetime.fromisoformat(row["time"])
            total += calc_price(usage, model, provider_id=provider, genai_request_timestamp=at).total_price
    return taken(started, clocks())


def _knows(provider: str, model: str) -> bool:
    """Whether it finds its own model by its name."""
    from genai_prices import Usage, calc_price

    try:
        calc_price(Usage(input_tokens=1, output_tokens=1), model, provider_id=provider)
    except LookupError:
        return False
    return True


def main() -> None:
    what, *arguments = sys.argv[1:]
    runs: dict[str, Callable[..., dict[str, float]]] = {"floor": floor, "imported": imported, "one_by_one": one_by_one}
    result = runs[what](*arguments)
    per_mb = 1024 if sys.platform == "linux" else 1024**2
    result["peak_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / per_mb
    print(json.dumps(result))


if __name__ == "__main__":
    main()
