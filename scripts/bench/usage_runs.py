"""One measured run in its own process: `python -m scripts.bench.usage_runs WHAT ARGUMENT...` prints JSON."""

import csv
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


def floor(log: str) -> dict[str, float]:
    """DuckDB alone: read the same file and group it by the same names, without prices."""
    import duckdb

    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        started = time.perf_counter()
        connection.execute(GROUPED, [log])
        return {"seconds": time.perf_counter() - started}


def imported(log: str, ledger: str, home: str) -> dict[str, float]:
    """What `ratecard usage import` does, by its parts: CSV to priced roll-up, then the roll-up into the database."""
    import pandas  # noqa: F401  # pyarrow and Ibis load it on first use; loading takes as long for one request

    from collector.jobs import import_usage as job
    from collector.jobs.origin import Wanted
    from collector.logs.generic import parse_mapping
    from db.engine import open_engine
    from db.usage.engine import Costing

    engine = open_engine(f"sqlite:///{ledger}")
    marks: dict[str, float] = {}
    load: Callable[..., Any] = vars(job)["load"]

    def marked(*args: object, **kwargs: object) -> object:
        marks["rolled up"] = time.perf_counter()
        return load(*args, **kwargs)

    vars(job)["load"] = marked
    started = time.perf_counter()
    wanted = Wanted("generic", parse_mapping(",".join(f"{name}={name}" for name in COLUMNS)))
    came_to = job.import_usage(engine, Costing(home=Path(home)), [Path(log)], wanted, datetime.now(UTC))
    ended = time.perf_counter()
    engine.dispose()
    return {
        "seconds": marks["rolled up"] - started,
        "loading": ended - marks["rolled up"],
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
    started = time.perf_counter()
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
    return {"seconds": time.perf_counter() - started}


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
    used = resource.getrusage(resource.RUSAGE_SELF)
    result["cpu"] = used.ru_utime + used.ru_stime
    result["peak_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / per_mb
    print(json.dumps(result))


if __name__ == "__main__":
    main()
