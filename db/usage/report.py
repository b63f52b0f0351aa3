"""What the verbs and pages of usage ask for: reading and the rules put together."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final, Generic, TypeVar

import numpy as np
from sqlalchemy import Connection

from db.prices import read as prices
from db.prices.cells import bands
from db.usage import cells, keys, read
from db.usage.exact import Ints
from db.usage.keys import Key, Names, Subject
from db.usage.outdated import HOUR_MINUTES, instant
from db.usage.read import View
from db.usage.reconcile import Costs, Reconciled, reconciled
from db.usage.recost import Comparison, Recosted, Target, compared
from db.usage.segments import BEGINNING
from db.usage.summary import TOKENS, Mine, Summary, folded, mine

T = TypeVar("T", Comparison, Reconciled)

MIX_WINDOW: Final = timedelta(days=30)
"""Over how long one's own mix is taken: up to the model's last use."""


def summary(connection: Connection, by: Sequence[str] = (), view: View | None = None) -> list[Summary]:
    """Sums by the keys (see db.usage.keys), the dearest first, or oldest first where a key is a time."""
    view = view or View()
    name, meters = keys.namer(by, read.names(connection, by)), read.meters(connection, view)
    return folded(read.grouped(connection, view, by, meters), name, by, meters)


@dataclass(frozen=True)
class Parts(Generic[T]):
    """A whole and what it is made of, by key."""

    whole: T
    parts: Mapping[Key, T]


Columns = Mapping[str, Ints]
Chooser = Callable[[Subject], Target | None]
"""Where the usage of a subject is moved to; None: to where it has no price."""


def recosted(
    connection: Connection, target: Chooser, by: Sequence[str] = ("model",), view: View | None = None
) -> Parts[Comparison]:
    """What the view's usage would have cost at other endpoints, as a whole and by the keys."""
    view = view or View()
    names = read.names(connection, by)
    spans, grids = read.price_spans(connection), read.grids(connection)
    targets = {i: target(subject) for i, subject in names.subjects.items()}

    def part(columns: Columns, group: Ints, groups: int) -> list[Comparison]:
        usage = cells.cells_from(columns, spans, grids)
        there = moved(usage, columns["subject_id"], targets)
        return compared(usage.requests, columns["priced"] == 1, columns["cost_nano"], there, group, groups)

    wanted = (*cells.COLUMNS, "subject_id", "cost_nano", *read.meters(connection, view))
    return _by_key(part, Comparison(), by, read.columns(connection, view, _with(wanted, by)), names)


def reconciliation(
    connection: Connection, by: Sequence[str] = ("model", "provider"), view: View | None = None
) -> Parts[Reconciled]:
    """How far our costs are from those that the logs carry, of the imports whose logs carry any."""
    view = view or View()
    names = read.names(connection, by)
    spans, grids = read.price_spans(connection), read.grids(connection)
    tiered = {i: rates for i, rates in prices.rates_of_rows(connection, spans).items() if len(bands([rates])) > 1}
    targets = {price_id: Target([(BEGINNING, rates)]) for price_id, rates in tiered.items()}

    def part(columns: Columns, group: Ints, groups: int) -> list[Reconciled]:
        usage = cells.cells_from(columns, spans, grids)
        tokens = [usage.units[meter] for meter in TOKENS if meter in usage.units]
        counted = sum(tokens, np.zeros(len(group), np.int64))
        base = _at_base_tier(columns, usage, targets)
        return reconciled(_costs(columns, base, counted), group, groups)

    logged = ("cost_nano", "logged_nano", "logged_requests", "total_tokens")
    wanted = _with((*cells.COLUMNS, *logged, *read.meters(connection, view)), by)
    batches = read.columns(connection, view, wanted, where=read.logging_imports())
    return _by_key(part, Reconciled(), by, batches, names)


def _costs(columns: Columns, base: Ints, counted: Ints) -> Costs:
    return Costs(
        requests=columns["requests"],
        priced=columns["priced"] == 1,
        ours=columns["cost_nano"],
        base=base,
        logged=columns["logged_nano"],
        logged_requests=columns["logged_requests"],
        counted=counted,
        total_tokens=columns["total_tokens"],
    )


def _at_base_tier(columns: Columns, usage: cells.Cells, targets: Mapping[int, Target]) -> Ints:
    """What each cell would have cost at the rates that its price has for the shortest prompts."""
    cost = columns["cost_nano"].copy()
    short = replace(usage, low=np.zeros_like(usage.low), high=np.ones_like(usage.high))
    for price_id in np.unique(columns["price_id"]).tolist():
        if price_id in targets:
            of = (columns["price_id"] == price_id) & (columns["priced"] == 1)
            cost[of] = targets[price_id].recost(short.chosen(of)).best
    return cost


def moved(usage: cells.Cells, subject: Ints, targets: Mapping[int, Target | None]) -> Recosted:
    """Each cell at the endpoint that its subject is moved to."""
    order = np.argsort(subject, kind="stable")
    found, starts = np.unique(subject[order], return_index=True)
    result = Recosted(np.zeros(len(order), np.bool_), *(np.zeros(len(order), np.int64) for _ in range(3)))
    for subject_id, which in zip(found.tolist(), np.split(order, starts[1:]), strict=True):
        target = targets.get(subject_id)
        if target is not None:
            there = target.recost(usage.chosen(which))
            result.priced[which], result.best[which] = there.priced, there.best
            result.low[which], result.high[which] = there.low, there.high
    return result


def _with(names: Sequence[str], by: Sequence[str]) -> list[str]:
    """The columns to read, with those that the keys are told from; a time is told from the minute."""
    told = (name for name in keys.columns(by) if name != keys.TIME)
    return list(dict.fromkeys([*names, *told]))


def _by_key(
    part: Callable[[Columns, Ints, int], list[T]],
    nothing: T,
    by: Sequence[str],
    batches: Iterator[Columns],
    names: Names,
) -> Parts[T]:
    """Add up what `part` says of each batch's groups."""
    name, minutes = keys.namer(by, names), keys.minutes_of(by)
    whole, found = nothing, dict[Key, T]()
    for columns in batches:
        ids = [columns["minute"] // minutes if c == keys.TIME else columns[c] for c in keys.columns(by)]
        group, rows = _groups(ids, len(columns["minute"]))
        for row, value in zip(rows, part(columns, group, len(rows)), strict=True):
            key = name(row)
            found[key] = found.get(key, nothing) + value
            whole += value
    return Parts(whole, dict(sorted(found.items(), key=lambda item: keys.order(item[0]))))


def _groups(ids: Sequence[Ints], size: int) -> tuple[Ints, list[tuple[int, ...]]]:
    """The number of each row's group, and the ids that each group stands for."""
    group: Ints = np.zeros(size, np.int64)
    rows: list[tuple[int, ...]] = [()] if size else []
    for column in ids:
        values, place = np.unique(column, return_inverse=True)
        pairs, group = np.unique(group * len(values) + place, return_inverse=True)
        rows = [(*rows[pair // len(values)], int(values[pair % len(values)])) for pair in pairs.tolist()]
    return group, rows


def own_mix(connection: Connection, model: str) -> tuple[Mine, datetime, datetime] | None:
    """How one's own requests to a model are made up, and over which time: MIX_WINDOW up to its last use."""
    last = read.last_minute(connection, View(model=model))
    if last is None:
        return None
    until = instant(last // HOUR_MINUTES * HOUR_MINUTES + HOUR_MINUTES)
    since = until - MIX_WINDOW
    sums = summary(connection, (), View(since=since, until=until, model=model))
    found = mine(sums[0])
    return (found, since, until) if found is not None else None
