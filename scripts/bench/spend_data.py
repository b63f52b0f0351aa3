"""A quarter of usage, as hourly sums: what the Spend page is timed over."""

import random
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import islice, product
from typing import Any

from sqlalchemy import Engine

from db.engine import migrate, open_engine, writing
from db.usage import imports, store
from db.usage.billing import shape_of
from db.usage.facts import COUNTED
from db.usage.resolve import Name, Resolved, Why
from db.usage.rollup import COLUMNS, Label

NOW = datetime(2026, 9, 1, tzinfo=UTC)
DAYS = 90
SUBJECTS = 60
LABELS = 8
_UNITS = ("prompt", "completion", "input_cache_read")
_BATCH = 50_000
_UNPRICED = 3
"""The last so many subjects have no price."""


def model_name(number: int) -> str:
    return f"author/model-{number:02}"


def build(url: str) -> Engine:
    """A migrated database with a cell for every hour, subject and label."""
    engine = open_engine(url)
    migrate(engine)
    names = [Name(model_name(i), f"provider-{i % 7}") for i in range(SUBJECTS)]
    resolved = [Resolved(name, name.model, name.provider, why=Why.UNKNOWN_MODEL) for name in names]
    labels: list[Label] = [(f"project-{i}", f"key-{i % 3}", "", "") for i in range(LABELS)]
    with writing(engine) as connection:
        row: dict[str, Any] = {"recorded_at": NOW, "log_format": "generic", "folder": "bench", "files": []}
        counts = dict.fromkeys(("rows", "imported", "duplicates", "rejected", "ignored"), 0)
        import_id = imports.add(connection, row | counts)
        costing = store.add_costing(connection, import_id, "import", NOW)
        subject_ids = list(store.subject_ids(connection, resolved).values())
        label_ids = list(store.label_ids(connection, labels).values())
        cells = _cells(subject_ids, label_ids)
        while batch := list(islice(cells, _BATCH)):
            store.add_cells(connection, costing, import_id, batch)
    return engine


def _cells(subjects: list[int], labels: list[int]) -> Iterator[tuple[Any, ...]]:
    chance = random.Random(1)  # noqa: S311
    end = int(NOW.timestamp()) // 60
    for minute in range(end - DAYS * 1440, end, 60):
        for (place, subject), label in product(enumerate(subjects), labels):
            units = {meter: chance.randrange(1_000, 200_000) for meter in _UNITS}
            priced = place < len(subjects) - _UNPRICED
            cost = sum(units.values()) * (place + 1) * 50
            values: dict[str, Any] = {
                **dict.fromkeys(COUNTED, 0),
                **units,
                "minute": minute,
                "subject_id": subject,
                "label_id": label,
                "band": 0,
                "shape": shape_of(units),
                "price_id": None,
                "why": None if priced else Why.UNKNOWN_MODEL.value,
                "assumed": 0,
                "requests": chance.randrange(1, 40),
                "total_tokens": 0,
                "cost_nano": cost if priced else None,
                "logged_nano": 0,
                "logged_requests": 0,
            }
            yield tuple(values[name] for name in COLUMNS)
