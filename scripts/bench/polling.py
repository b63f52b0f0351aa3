"""What polls cost: an unchanged one against an empty transaction, a replay against parsing the same bodies."""

import json
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from statistics import median

from sqlalchemy import Engine, text

from collector.history import _lines, from_files, replay
from collector.sources import SOURCES
from collector.sources.base import Memo
from db.engine import migrate, open_engine, writing
from db.polls.facts import Poll, Status
from db.prices import store

ENDPOINTS = 1_000
ROUNDS = 200
START = datetime(2026, 1, 1, tzinfo=UTC)


def main() -> None:
    """Print the table."""
    with tempfile.TemporaryDirectory() as folder:
        unchanged_poll(Path(folder))
        for file in map(Path, sys.argv[1:]):
            replayed(file, Path(folder))


def unchanged_poll(folder: Path) -> None:
    """Medians of many rounds, floor and figure in turn, so that a busy machine slows both."""
    engine = open_engine(f"sqlite:///{folder / 'unchanged.db'}")
    migrate(engine)
    source = SOURCES["openrouter"]
    memo = Memo()
    book = store.Book()
    document = {"data": [_model(i) for i in range(ENDPOINTS)]}
    body = json.dumps(document)
    hour = iter(range(1_000_000))

    def record() -> None:
        draft = Poll("openrouter", (), START + timedelta(hours=next(hour)), START, Status.OK)
        with writing(engine) as connection:
            store.record(connection, draft, snapshot, book)

    def empty() -> None:
        with writing(engine):
            pass

    def parse() -> None:
        source.read(json.loads(body, parse_float=Decimal), memo)

    snapshot = source.read(document, memo)
    record()
    before = _rows(engine)
    times: dict[str, list[float]] = {"empty": [], "record": [], "parse": []}
    for _ in range(ROUNDS):
        for name, work in (("empty", empty), ("record", record), ("parse", parse)):
            times[name].append(_seconds(work))
    after = _rows(engine)
    added = {table: after[table] - before[table] for table in after if after[table] != before[table]}
    floor, figure, parsing = (median(times[name]) for name in ("empty", "record", "parse"))
    print(f"An unchanged poll of {ENDPOINTS:,} endpoints")
    print(f"  new rows in {ROUNDS} polls: {added}")
    print(f"  stored in {figure * 1e3:.2f} ms = {figure / floor:.1f}x an empty transaction ({floor * 1e3:.2f} ms)")
    print(f"  its body is read and compared in {parsing * 1e3:.1f} ms")
    engine.dispose()


def replayed(file: Path, folder: Path) -> None:
    """Time, size and memory of a replay, and of the same again."""
    started = time.perf_counter()
    for line in _lines(file):
        json.loads(line)
    floor = time.perf_counter() - started
    url = f"sqlite:///{folder / 'replay.db'}"
    engine = open_engine(url)
    migrate(engine)
    name = "models_dev" if "models" in file.name and "dev" in file.name else "openrouter"
    print(f"\nReplay of {file.name}")
    for what in ("first", "again"):
        started = time.perf_counter()
        result = replay(engine, from_files([file]), SOURCES[name])
        took = time.perf_counter() - started
        print(
            f"  {what}: {result.loaded:,} polls loaded, {result.skipped:,} skipped, {took:.1f} s = "
            f"{took / floor:.2f}x json.loads of the same lines ({floor:.1f} s)"
        )
    engine.dispose()
    size = (folder / "replay.db").stat().st_size
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1024 if sys.platform == "linux" else 1024**2)
    print(f"  database {size / 1e6:.1f} MB, peak memory {memory:.0f} MB")


def _model(i: int) -> dict[str, object]:
    return {
        "id": f"author-{i % 50}/model-{i}",
        "name": f"Model {i}",
        "created": 1_700_000_000 + i,
        "description": "A model. " * 40,
        "context_length": 131_072,
        "architecture": {"input_modalities": ["text"], "output_modalities": ["text"], "tokenizer": "Other"},
        "pricing": {"prompt": f"0.0000{i + 1:04}", "completion": f"0.000{i + 1:04}", "input_cache_read": "0.0000001"},
        "top_provider": {"context_length": 131_072, "max_completion_tokens": None, "is_moderated": False},
        "supported_parameters": ["max_tokens", "temperature", "tools", "top_p"],
    }


def _rows(engine: Engine) -> dict[str, int]:
    with writing(engine) as connection:
        names = connection.execute(text("SELECT name FROM sqlite_master WHERE type = 'table'")).scalars().all()
        return {name: connection.execute(text(f"SELECT count(*) FROM {name}")).scalar_one() for name in names}  # noqa: S608


def _seconds(work: Callable[[], None]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
