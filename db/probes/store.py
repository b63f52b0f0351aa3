"""Writing probes and the watch list, and the probe budget.

Every function runs inside a `db.engine.writing` block of its caller: all of the block is stored, or nothing.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Connection, Table, and_, bindparam, delete, insert, or_, select, update

from db.probes.budget import CLOSED, RESERVATION, reconcile, release, reserve
from db.probes.facts import Outcome, Probe, Series, Target
from db.probes.read import COUNTERS, DAY, HOUR, PROBE, TARGET, rolled_up
from db.probes.rollup import HOURS_A_DAY, RollUp, day_of, fold

__all__ = ["KEEP_FAILED", "KEEP_OK", "add", "prune", "reconcile", "register", "release", "reserve", "unwatch", "watch"]

KEEP_OK: Final = timedelta(days=14)
KEEP_FAILED: Final = timedelta(days=90)
_KEY: Final = ("target_id", "period", "prober", "prompt", "warm")


def add(connection: Connection, probes: Iterable[Probe]) -> int:
    """Append probes and fold them into their hours and days; how many were new.

    A probe is known by its target, `started_at` and prompt: one that is stored already changes nothing, as long as
    it has not been pruned. A target that nobody registered is, by its name and prober alone.
    """
    probes = list(probes)
    ids = _target_ids(connection, probes)
    new = _new(connection, probes, ids)
    if not new:
        return 0
    connection.execute(insert(PROBE), [_row(probe, ids[probe.target]) for probe in new])
    for table, hours in ((HOUR, 1), (DAY, HOURS_A_DAY)):
        _fold(connection, table, {_key(ids, *key): rolled for key, rolled in fold(new, hours).items()})
    return len(new)


def prune(
    connection: Connection, now: datetime, keep_ok: timedelta = KEEP_OK, keep_failed: timedelta = KEEP_FAILED
) -> int:
    """Delete raw probes past their retention, and closed reservations as old as ok probes; how many probes went.

    Limited ones are kept as long as failed ones. Roll-ups, and what a day cost, stay for ever.
    """
    past_ok = and_(PROBE.c.started_at < now - keep_ok, PROBE.c.outcome == Outcome.OK)
    past_failed = and_(PROBE.c.started_at < now - keep_failed, PROBE.c.outcome != Outcome.OK)
    gone = connection.execute(delete(PROBE).where(or_(past_ok, past_failed))).rowcount
    closed = RESERVATION.c.state.in_(CLOSED)
    connection.execute(delete(RESERVATION).where(closed, RESERVATION.c.day < day_of(now - keep_ok)))
    return gone


def watch(connection: Connection, targets: Iterable[Target]) -> None:
    """Put targets on the watch list, or change how those of their names are probed."""
    _describe(connection, targets, {"watched": True})


def register(connection: Connection, targets: Iterable[Target]) -> None:
    """Describe targets that are probed once; whether they are watched does not change."""
    _describe(connection, targets, {})


def unwatch(connection: Connection, names: Collection[str]) -> int:
    """Take targets off the watch list; how many were on it. What was measured of them stays."""
    on_it = and_(TARGET.c.name.in_(list(names)), TARGET.c.watched.is_(True))
    return connection.execute(update(TARGET).where(on_it).values(watched=False)).rowcount


def _describe(connection: Connection, targets: Iterable[Target], also: Mapping[str, bool]) -> None:
    rows = {
        target.name: {
            "name": target.name,
            "prober": target.prober,
            "url": target.url,
            "model": target.model,
            "tag": target.tag,
            "key_variable": target.key_variable,
            "prompts": ",".join(target.prompts),
            "every_s": round(target.every.total_seconds()),
            "max_tokens": target.max_tokens,
            "free": target.free,
            "endpoint_id": target.endpoint_id,
            **also,
        }
        for target in targets
    }
    known = _ids(connection, rows)
    if new := [{"watched": False, **row} for name, row in rows.items() if name not in known]:
        connection.execute(insert(TARGET), new)
    if changed := [{**row, "of": known[name]} for name, row in rows.items() if name in known]:
        values: dict[str, Any] = {name: bindparam(name) for name in changed[0] if name != "of"}
        connection.execute(update(TARGET).where(TARGET.c.id == bindparam("of")).values(values), changed)


def _ids(connection: Connection, names: Iterable[str]) -> dict[str, int]:
    query = select(TARGET.c.name, TARGET.c.id).where(TARGET.c.name.in_(list(names)))
    return {row.name: row.id for row in connection.execute(query)}


def _target_ids(connection: Connection, probes: Sequence[Probe]) -> dict[str, int]:
    probers = {probe.target: probe.prober for probe in probes}
    known = _ids(connection, probers)
    if missing := [name for name in probers if name not in known]:
        register(connection, [Target(name, probers[name], url="", prompts=()) for name in missing])
        known |= _ids(connection, missing)
    return known


def _new(connection: Connection, probes: Sequence[Probe], ids: Mapping[str, int]) -> list[Probe]:
    """Those that are not stored yet, each once."""
    if not probes:
        return []
    instants = [probe.started_at for probe in probes]
    query = select(PROBE.c.target_id, PROBE.c.started_at, PROBE.c.prompt).where(
        PROBE.c.target_id.in_(set(ids.values())), PROBE.c.started_at.between(min(instants), max(instants))
    )
    stored = {(target_id, at, prompt) for target_id, at, prompt in connection.execute(query)}
    keyed = {(ids[probe.target], probe.started_at, probe.prompt or ""): probe for probe in reversed(probes)}
    return [probe for key, probe in reversed(keyed.items()) if key not in stored]


def _row(probe: Probe, target_id: int) -> dict[str, Any]:
    row = asdict(probe)
    row |= row.pop("phases")
    del row["target"]
    return row | {"target_id": target_id, "prompt": probe.prompt or ""}


def _key(ids: Mapping[str, int], series: Series, period: int) -> tuple[int, int, str, str, bool]:
    return ids[series.target], period, series.prober, series.prompt or "", series.warm


def _fold(connection: Connection, table: Table, added: Mapping[tuple[Any, ...], RollUp]) -> None:
    """Add roll-ups to those that are stored, in three statements however many there are."""
    periods = [key[1] for key in added]
    query = select(table).where(
        table.c.target_id.in_({key[0] for key in added}), table.c.period.between(min(periods), max(periods))
    )
    stored = {tuple(row._mapping[name] for name in _KEY): row for row in connection.execute(query)}
    new: list[dict[str, Any]] = []
    changed: list[dict[str, Any]] = []
    for key, rolled in added.items():
        if key in stored:
            of_key = {f"of_{name}": value for name, value in zip(_KEY, key, strict=True)}
            changed.append(of_key | _values(rolled_up(stored[key]) + rolled))
        else:
            new.append(dict(zip(_KEY, key, strict=True)) | _values(rolled))
    if new:
        connection.execute(insert(table), new)
    if changed:
        same = and_(*(table.c[name] == bindparam(f"of_{name}") for name in _KEY))
        values: dict[str, Any] = {name: bindparam(name) for name in changed[0] if not name.startswith("of_")}
        connection.execute(update(table).where(same).values(values), changed)


def _values(rolled: RollUp) -> dict[str, Any]:
    counts = dict.fromkeys(COUNTERS, 0) | {each.name.lower(): count for each, count in rolled.outcomes.items()}
    return counts | {
        "ttft_ms": rolled.ttft_ms.encode(),
        "tokens_per_s": rolled.tokens_per_s.encode(),
        "total_ms": rolled.total_ms.encode(),
        "cost_usd": rolled.cost_usd,
        "unpriced": rolled.unpriced,
        "newest": rolled.newest,
    }
