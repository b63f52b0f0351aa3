"""The one reader, for usage: everything known of it by day, read once, and what is told beside it.

What was read is kept until usage is imported, restated or taken out, for each known-at date.
"""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final

import streamlit as st
from sqlalchemy import Connection, func, select

from dashboard.data import Reader, end_of, engine_of, kept
from dashboard.usage_sums import Only, Period, Usage, number_of, usage_from
from db.engine import reading
from db.usage import read, report
from db.usage.keys import MINUTES_A_DAY, Key
from db.usage.outdated import instant
from db.usage.read import COSTING, IMPORT, View
from db.usage.reconcile import Reconciled

_GRAIN: Final = ("day", "model", "project", "import", "why")
"""Keys whose columns are those of usage_sums.IDS."""


@dataclass(frozen=True, slots=True)
class Seen:
    """The state of usage that a page shows: the last costing known at `known_at` (None: now).

    `costed_at` and `costings` tell it from another state with the same ids, after a sample was removed.
    """

    costing: int
    costed_at: datetime | None
    costings: int
    known_at: datetime | None

    def view(self, period: Period, only: Only) -> View:
        """The usage of a period."""
        first, after = (number_of(period.first), number_of(period.last) + 1)
        since, until = (instant(day * MINUTES_A_DAY) for day in (first, after))
        return View(since, until, self.known_at, only.model, only.provider, only.project)


def seen(reader: Reader, known: date | None) -> Seen:
    """The state at the end of the known-at day, or now."""
    at = end_of(known)
    query = select(func.max(COSTING.c.recorded_at, type_=COSTING.c.recorded_at.type), func.count())
    with reading(engine_of(reader.url)) as connection:
        newest, costings = connection.execute(query.select_from(COSTING)).one()
        return Seen(read.known_costing(connection, at), newest, costings, at)


def usage(reader: Reader, state: Seen) -> Usage:
    """All usage of a state. Read once: the rest is arithmetic on it."""
    found: Usage = _usage(reader.url, state)
    return found


@st.cache_resource(show_spinner="Reading usage…", max_entries=4)
def _usage(url: str, state: Seen) -> Usage:
    view = View(known_at=state.known_at)
    with reading(engine_of(url)) as connection:
        names, meters = read.names(connection), read.meters(connection, view)
        rows = read.grouped(connection, view, _GRAIN, meters)
        return usage_from(rows, names, meters)


@dataclass(frozen=True, slots=True)
class Compared:
    """Our costs beside those that logs carry: the whole, and each (model, provider).

    The largest difference of requests with both costs first, then what only one of the two knows.
    """

    whole: Reconciled
    parts: tuple[tuple[Key, Reconciled], ...]


@kept
def reconciled(connection: Connection, state: Seen, period: Period, only: Only) -> Compared:
    """How far our costs are from those of the logs."""
    found = report.reconciliation(connection, view=state.view(period, only))
    return Compared(found.whole, tuple(sorted(found.parts.items(), key=lambda part: _differing(part[1]))))


def _differing(part: Reconciled) -> tuple[bool, int, int]:
    return not part.compared, -abs(part.residual - part.missing), -abs(part.residual)


@kept
def imports(connection: Connection, state: Seen) -> tuple[dict[str, Any], ...]:
    """Every import that was known, the newest first, with the columns of ImportRow but its folder."""
    at = state.known_at
    return tuple(each for each in read.imports(connection) if at is None or each["recorded_at"] <= at)


@dataclass(frozen=True, slots=True)
class Restatement:
    """What one restatement moved, over all of an import: money in 1e-9 USD, unpriced requests."""

    at: datetime
    import_id: int | None
    files: tuple[str, ...]
    cells: int
    superseded: int
    delta_nano: int
    delta_unpriced: int


@kept
def restatements(connection: Connection, state: Seen) -> tuple[Restatement, ...]:
    """Every restatement that was known, the newest first."""
    columns = (COSTING.c[name] for name in ("cells", "superseded", "delta_nano", "delta_unpriced"))
    query = (
        select(COSTING.c.recorded_at, COSTING.c.import_id, IMPORT.c.files, *columns)
        .outerjoin(IMPORT, IMPORT.c.id == COSTING.c.import_id)
        .where(COSTING.c.kind != "import", COSTING.c.id <= state.costing)
        .order_by(COSTING.c.id.desc())
    )
    return tuple(
        Restatement(at, import_id, tuple(file["name"] for file in files or ()), *numbers)
        for at, import_id, files, *numbers in connection.execute(query)
    )
