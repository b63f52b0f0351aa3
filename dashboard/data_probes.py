"""The one reader, for what was measured: comparisons, strips and hours, from roll-ups alone.

What was read is kept until a newer probe is stored, and no longer than a minute: windows end now.
"""

from dataclasses import dataclass
from datetime import date, datetime, timedelta

from sqlalchemy import Connection

from dashboard.data import Reader, end_of, engine_of, kept
from db.engine import reading
from db.probes import read as probes
from db.probes.facts import Cell, Hour, Prompt, Summary, Target
from db.quality import read as quality
from db.quality.facts import Compared, Mix

PROBERS = ("chat", "reach")
"""The one that says more comes first."""


@dataclass(frozen=True, slots=True)
class Seen:
    """The state of the probes that a page shows: the newest one, and the minute at which windows end."""

    newest: int
    until: datetime

    def since(self, window: timedelta) -> datetime:
        """Where a window of whole hours begins, the running hour included."""
        return self.until.replace(minute=0, second=0, microsecond=0) + timedelta(hours=1) - window


@dataclass(frozen=True, slots=True)
class Strip:
    """The uptime strip of one target by one prober, oldest cell first."""

    target: str
    prober: str
    cells: tuple[Cell, ...]

    @property
    def n(self) -> int:
        return sum(cell.n for cell in self.cells)

    @property
    def uptime(self) -> float | None:
        """ok / (ok + errors) over all cells; None where every probe was limited."""
        ok, failed = sum(cell.ok for cell in self.cells), sum(cell.failed for cell in self.cells)
        return ok / (ok + failed) if ok + failed else None


def seen(reader: Reader, asof: date | None) -> Seen:
    """The state at the end of the as-of day, or now."""
    with reading(engine_of(reader.url)) as connection:
        newest = probes.newest_id(connection)
    minute = reader.now.replace(second=0, microsecond=0)
    return Seen(newest, min(end_of(asof) or minute, minute))


@kept
def compared(
    connection: Connection, model: str, mix: Mix, at: datetime | None, since: datetime, seen: Seen
) -> tuple[Compared, ...]:
    """Every endpoint of a model at `at` (None: now), the cheapest first. Raises UsageError where there is no model."""
    return tuple(quality.compared(connection, model, mix, at, window=seen.until - since))


@kept
def own_servers(connection: Connection, model: str, _seen: Seen) -> tuple[str, ...]:
    """The names of a user's own targets that serve the model: no source lists them."""
    return tuple(t.name for t in probes.targets(connection) if t.endpoint_id is None and _serves(t, model))


def _serves(target: Target, model: str) -> bool:
    return target.model is not None and target.model.lower() in (model, model.rpartition("/")[2])


@kept
def strips(connection: Connection, names: tuple[str, ...], since: datetime, seen: Seen) -> tuple[Strip, ...]:
    """The strips of the named targets that were probed since then; by chat where there was one, else by reach."""
    found: dict[str, Strip] = {}
    for prober in PROBERS:
        left = [name for name in names if name not in found]
        for name, cells in probes.strips(connection, since, seen.until, prober, left).items() if left else ():
            found[name] = Strip(name, prober, tuple(cells))
    return tuple(found[name] for name in names if name in found)


@kept
def hours(connection: Connection, target: str, prober: str, since: datetime, seen: Seen) -> tuple[Hour, ...]:
    """The hours in which a target was probed, oldest first; of chats those with short prompts on fresh connections."""
    prompt = Prompt.SHORT if prober == "chat" else None
    return tuple(probes.hours(connection, target, since, seen.until, prober, prompt=prompt, warm=False))


@kept
def cohort(connection: Connection, since: datetime, seen: Seen) -> dict[str, Summary]:
    """Every target that was probed since then by chat, short prompts on fresh connections, with what it comes to."""
    return probes.summaries(connection, since, seen.until, prompt=Prompt.SHORT, warm=False)
