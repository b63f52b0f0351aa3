"""Restating past cost after prices or names were learned: what is in doubt is costed anew from the requests."""

import shutil
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from sqlalchemy import Engine as Database

from db.engine import reading, writing
from db.usage import imports
from db.usage.engine import Costing, Engine, open_engine
from db.usage.outdated import Doubt, doubts, instant
from db.usage.pricing import by_name
from db.usage.restating import Restated, restate, stretches
from db.usage.staging import alone
from db.usage.store import priced_names

Step = Callable[[], None]
"""Told after each import that was looked at."""


def restate_all(database: Database, settings: Costing, now: datetime, step: Step = lambda: None) -> list[Restated]:
    """Bring every roll-up cell up to what is believed now; what changed, by import. Twice is a no-op.

    Raises StorageError while an import is at work.
    """
    with reading(database) as connection:
        found = stretches(connection)
        if not found:
            return []
        in_doubt = doubts(found, by_name(priced_names(connection, {s.name for s in found})))
    if not in_doubt:
        return []
    with alone(settings.usage), open_engine(settings) as engine:
        changed = []
        for doubt in in_doubt:
            changed.append(_restated(database, settings.usage, engine, doubt, now))
            step()
    return [each for each in changed if each is not None]


def _restated(database: Database, usage: Path, engine: Engine, doubt: Doubt, now: datetime) -> Restated | None:
    """One import. Where its requests were deleted, its cells stay as they are."""
    cells = usage / ".restated"
    with reading(database) as connection:
        files = imports.files(connection, usage, doubt.import_id)
        priced = priced_names(connection, doubt.names)
    if not files:
        return None
    try:
        engine.cost(files, priced, cells, (instant(doubt.first), instant(doubt.last)))
        with writing(database) as connection:
            return restate(connection, doubt, cells, priced, now)
    finally:
        shutil.rmtree(cells, ignore_errors=True)
