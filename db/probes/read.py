"""Reading probes. Figures over time come from the roll-ups alone: raw probes are kept for a while only."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Row, Select, Table, and_, func, select, union_all

from db.probes.facts import Cell, Hour, Outcome, Phases, Probe, Prompt, Series, Spending, Summary, Target
from db.probes.percentiles import decode
from db.probes.rollup import HOURS_A_DAY, RollUp, add_usd, day_of, hour_of, hours_of, instant
from db.probes.tables import ProbeDayRow, ProbeHourRow, ProbeRow, SpendingRow, TargetRow
from db.probes.uptime import CELL_HOURS, hourly, strip, summary
from db.versions import table_of

TARGET, PROBE = table_of(TargetRow), table_of(ProbeRow)
HOUR, DAY = table_of(ProbeHourRow), table_of(ProbeDayRow)
COUNTERS: Final = tuple(outcome.name.lower() for outcome in Outcome)
_MEASURED: Final = (*COUNTERS, "ttft_ms", "tokens_per_s", "total_ms", "cost_usd", "unpriced", "newest")
LONG: Final = timedelta(days=7)
_PHASES: Final = ("resolve_ms", "connect_ms", "tls_ms", "processing_ms", "transfer_ms")


def targets(connection: Connection, *, watched: bool | None = None) -> list[Target]:
    """The targets, by name: those on the watch list, those that no longer are, or (None) all."""
    query = select(TARGET).order_by(TARGET.c.name)
    if watched is not None:
        query = query.where(TARGET.c.watched.is_(watched))
    return [
        Target(
            name=row.name,
            prober=row.prober,
            url=row.url,
            model=row.model,
            tag=row.tag,
            key_variable=row.key_variable,
            prompts=tuple(Prompt(name) for name in row.prompts.split(",") if name),
            every=timedelta(seconds=row.every_s),
            max_tokens=row.max_tokens,
            free=bool(row.free),
            endpoint_id=row.endpoint_id,
        )
        for row in connection.execute(query)
    ]


def recent(
    connection: Connection, target: str | None = None, limit: int = 50, *, failed_only: bool = False
) -> list[Probe]:
    """The newest raw probes, newest first, of one target or of all."""
    query = select(TARGET.c.name, PROBE).join(TARGET, TARGET.c.id == PROBE.c.target_id)
    if target is not None:
        query = query.where(TARGET.c.name == target)
    if failed_only:
        query = query.where(PROBE.c.outcome != Outcome.OK)
    newest_first = query.order_by(PROBE.c.started_at.desc(), PROBE.c.id.desc()).limit(limit)
    return [_probe(row) for row in connection.execute(newest_first)]


def _probe(row: Row[Any]) -> Probe:
    values = dict(row._mapping)
    for name in ("id", "target_id"):
        del values[name]
    phases = Phases(**{name: values.pop(name) for name in _PHASES})
    values["target"] = values.pop("name")
    values["outcome"] = Outcome(values["outcome"])
    values["prompt"] = Prompt(values["prompt"]) if values["prompt"] else None
    return Probe(**values, phases=phases)


def newest_id(connection: Connection) -> int:
    """The id of the probe that was added last; 0 where there is none. Any news comes with a new one."""
    return connection.execute(select(func.max(PROBE.c.id))).scalar_one() or 0


def last_probes(connection: Connection) -> dict[str, datetime]:
    """Target -> when it was last probed; a target that never was is not there. Outlives the raw probes."""
    last_day = select(func.max(DAY.c.period)).where(DAY.c.target_id == TARGET.c.id).correlate(TARGET).scalar_subquery()
    last = (
        select(func.max(DAY.c.newest))
        .where(DAY.c.target_id == TARGET.c.id, DAY.c.period == last_day)
        .correlate(TARGET)
        .scalar_subquery()
    )
    return {name: at for name, at in connection.execute(select(TARGET.c.name, last)) if at is not None}


def summaries(
    connection: Connection,
    start: datetime,
    end: datetime,
    prober: str = "chat",
    targets: Collection[str] | None = None,
    *,
    prompt: Prompt | None = None,
    warm: bool | None = None,
) -> dict[str, Summary]:
    """Target -> its probes by `prober` over [start, end). A target without any is absent.

    The window is widened to whole UTC hours, and one of LONG or more to begin with a UTC day; the summary says so.
    `targets`: those alone (None: all). `prompt`, `warm`: probes of that kind alone (None: all; the percentiles are
    still of one series, see Summary).
    """
    if end - start >= LONG:
        start = instant(hour_of(start) // HOURS_A_DAY * HOURS_A_DAY)
    span = hours_of(start, end)
    names = _names(connection, targets)
    among = names if targets is not None else None
    wanted = {"prober": prober, "prompt": prompt, "warm": warm}
    queries = [_rows(table, among, wanted, *run) for table, run in _runs(connection, span, end, among)]
    grouped: dict[int, dict[tuple[str, bool], list[Sequence[Any]]]] = {}
    for target_id, _, of_prompt, is_warm, *measured in connection.execute(union_all(*queries)):
        grouped.setdefault(target_id, {}).setdefault((of_prompt, is_warm), []).append(measured)
    found = {}
    for target_id, of_target in grouped.items():
        rolled = {_series(names[target_id], prober, *key): _rolled(rows) for key, rows in of_target.items()}
        if (told := summary(span, rolled)) is not None:
            found[told.target] = told
    return found


def hours(
    connection: Connection,
    target: str,
    start: datetime,
    end: datetime,
    prober: str = "chat",
    *,
    prompt: Prompt | None = None,
    warm: bool | None = None,
) -> list[Hour]:
    """The hours of [start, end) in which `target` was probed, oldest first. An hour that is not there is unknown."""
    wanted = {"prober": prober, "prompt": prompt, "warm": warm}
    query = _rows(HOUR, _names(connection, (target,)), wanted, *hours_of(start, end))
    return hourly(
        (_series(target, prober, of_prompt, is_warm), hour, _rolled([measured]))
        for _, hour, of_prompt, is_warm, *measured in connection.execute(query)
    )


def strips(
    connection: Connection,
    start: datetime,
    end: datetime,
    prober: str = "chat",
    targets: Collection[str] | None = None,
    cell_hours: int = CELL_HOURS,
) -> dict[str, list[Cell]]:
    """Target -> the cells of its uptime strip that meet [start, end), whole and oldest first.

    A cell without a probe is there and says "no data"; a target without any probe is absent.
    """
    span = hours_of(start, end)
    first, last = span[0] // cell_hours * cell_hours, -(-span[1] // cell_hours) * cell_hours
    names = _names(connection, targets)
    cell = HOUR.c.period // cell_hours
    failed = sum(HOUR.c[outcome.name.lower()] for outcome in Outcome if outcome.is_error)
    query = (
        select(HOUR.c.target_id, cell, func.sum(HOUR.c.ok), func.sum(failed), func.sum(HOUR.c.limited))
        .where(_within(HOUR, names if targets is not None else None, first, last), HOUR.c.prober == prober)
        .group_by(HOUR.c.target_id, cell)
    )
    counted: dict[str, dict[int, tuple[int, int, int]]] = {}
    for target_id, number, *counts in connection.execute(query):
        ok, bad, limited = map(int, counts)
        counted.setdefault(names[target_id], {})[number] = (ok, bad, limited)
    return {name: strip(span, cells, cell_hours) for name, cells in counted.items()}


def spending(connection: Connection, now: datetime, daily_budget: Decimal) -> Spending:
    """Where the probe budget of the UTC day of `now` stands."""
    day = day_of(now)
    table = table_of(SpendingRow)
    row = connection.execute(select(table).where(table.c.day == day)).first()
    spent, reserved = (row.spent_usd, row.reserved_usd) if row is not None else (Decimal(0), Decimal(0))
    return Spending(day, daily_budget, spent, reserved)


def rolled_up(row: Row[Any]) -> RollUp:
    """The roll-up in a row that has all columns of a roll-up table."""
    return _rolled([[row._mapping[name] for name in _MEASURED]])


def _rolled(rows: Sequence[Sequence[Any]]) -> RollUp:
    """The sum of rows of the columns `_MEASURED`; there is at least one."""
    *counts, ttft_ms, tokens_per_s, total_ms, cost_usd, unpriced, newest = zip(*rows, strict=True)
    return RollUp(
        {outcome: count for outcome, count in zip(Outcome, map(sum, counts), strict=True) if count},
        decode(ttft_ms),
        decode(tokens_per_s),
        decode(total_ms),
        add_usd(cost_usd),
        sum(unpriced),
        max(newest),
    )


def _series(target: str, prober: str, prompt: str, warm: bool) -> Series:
    return Series(target, prober, Prompt(prompt) if prompt else None, bool(warm))


def _names(connection: Connection, among: Collection[str] | None) -> dict[int, str]:
    """Id -> name, of the targets named or of all."""
    query = select(TARGET.c.id, TARGET.c.name)
    if among is not None:
        query = query.where(TARGET.c.name.in_(list(among)))
    return {row.id: row.name for row in connection.execute(query)}


def _runs(
    connection: Connection, span: tuple[int, int], end: datetime, ids: Collection[int] | None
) -> list[tuple[Table, tuple[int, int]]]:
    """The hours of `span` as a run of days and, at its ends, runs of hours."""
    first_day, last_day = -(-span[0] // HOURS_A_DAY), span[1] // HOURS_A_DAY
    if first_day > last_day:
        return [(HOUR, span)]
    before, after = (span[0], first_day * HOURS_A_DAY), (last_day * HOURS_A_DAY, span[1])
    newest = select(func.max(DAY.c.newest)).where(_within(DAY, ids, last_day, last_day + 1))
    if after[0] < after[1] and ((at := connection.execute(newest).scalar_one()) is None or at < end):
        # The running day has nothing later: all of it is wanted, and one row is quicker than its hours.
        last_day, after = last_day + 1, (0, 0)
    runs = [(HOUR, before), (DAY, (first_day, last_day)), (HOUR, after)]
    return [(table, run) for table, run in runs if run[0] < run[1]]


def _rows(table: Table, ids: Collection[int] | None, wanted: Mapping[str, Any], first: int, last: int) -> Select[Any]:
    """Target id, period, prompt, warm and `_MEASURED` of the periods [first, last) where columns are as `wanted`."""
    columns = (table.c[name] for name in ("target_id", "period", "prompt", "warm", *_MEASURED))
    same = (table.c[name] == value for name, value in wanted.items() if value is not None)
    return select(*columns).where(_within(table, ids, first, last), *same)


def _within(table: Table, ids: Collection[int] | None, first: int, last: int) -> ColumnElement[bool]:
    # Always by target, so that the primary key leads to each one's run of periods.
    of_targets = table.c.target_id.in_(select(TARGET.c.id) if ids is None else list(ids))
    return and_(of_targets, table.c.period >= first, table.c.period < last)
