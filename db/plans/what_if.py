"""Re-costing usage under a scenario: over a past period exactly, over a projection by the ratio."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from typing import Final

import numpy as np
from sqlalchemy import Connection

from db.errors import UsageError
from db.plans.forecast import Range
from db.plans.scenario import CACHE_READ, STAY, Outcome, Scenario, outcome, routes, with_cache_rate
from db.prices.read import rates_of_rows
from db.usage import cells, keys, read
from db.usage.exact import Bools, Ints
from db.usage.keys import Key, Subject
from db.usage.read import View
from db.usage.recost import Comparison, Recosted, Target, compared
from db.usage.report import moved
from db.usage.rollup import half_even
from db.usage.segments import BEGINNING
from db.usage.targets import one_endpoint, same_model_at

Columns = Mapping[str, Ints]
Plan = tuple[tuple[str, Fraction], ...]
"""Where usage goes, and which share of it."""
Shares = dict[Fraction, Comparison]
"""Share of the usage -> what all of it would come to there."""
NAMES: Final = ("subject_id", "label_id", "cost_nano")


@dataclass(frozen=True)
class Told:
    """A scenario over some usage: as a whole, and by the keys that were asked for."""

    whole: Outcome
    parts: Mapping[Key, Outcome]


def recosted(
    connection: Connection, scenario: Scenario, by: Sequence[str] = ("model",), view: View | None = None
) -> Told:
    """What the view's usage would have cost under a scenario, at the prices of its time.

    Where cells go to another endpoint, or have another cache rate, they are re-costed as by db.usage.recost; the shares
    of moves and the volume multiply exactly. Raises UsageError for a move that names no endpoint.
    """
    view = view or View()
    engine = _Engine(connection, scenario, by)
    meters = read.meters(connection, view)
    used = [*meters, *(m for m in ("prompt", CACHE_READ) if m not in meters and scenario.cache_rate is not None)]
    told = [name for name in keys.columns(by) if name != keys.TIME]
    wanted = list(dict.fromkeys((*cells.COLUMNS, *NAMES, *used, *told)))
    found: dict[Key, Shares] = {}
    for columns in read.columns(connection, view, wanted):
        engine.add(columns, found)
    whole: Shares = {}
    for shares in found.values():
        for share, each in shares.items():
            whole[share] = whole.get(share, Comparison()) + each
    ordered = sorted(found.items(), key=lambda item: keys.order(item[0]))
    return Told(outcome(whole, scenario.volume), {key: outcome(each, scenario.volume) for key, each in ordered})


class _Engine:
    """What a scenario needs to know of the ledger, and how it goes over cells."""

    def __init__(self, connection: Connection, scenario: Scenario, by: Sequence[str]) -> None:
        self._scenario, self._by = scenario, by
        self._names = read.names(connection, by)
        self._spans, self._grids = read.price_spans(connection), read.grids(connection)
        self._name = keys.namer(by, self._names)
        self._places = places(connection, scenario)
        own = rates_of_rows(connection, self._spans) if scenario.cache_rate is not None else {}
        self._own = {price_id: Target([(BEGINNING, rates)]) for price_id, rates in own.items()}

    def add(self, columns: Columns, into: dict[Key, Shares]) -> None:
        """Add what a batch of cells comes to."""
        usage = cells.cells_from(columns, self._spans, self._grids)
        changed = with_cache_rate(usage, self._scenario.cache_rate)
        group, rows = self._groups(columns)
        name = [self._name(row) for row in rows]
        here = columns["priced"] == 1
        for subject_id, plan, which in self._routed(columns):
            subject = self._names.subjects[subject_id]
            some, own = changed.chosen(which), {each: column[which] for each, column in columns.items()}
            places, inside = np.unique(group[which], return_inverse=True)
            for to, share in plan:
                there = self._there(to, subject, some, own)
                each = compared(some.requests, here[which], own["cost_nano"], there, inside, len(places))
                for place, comparison in zip(places.tolist(), each, strict=True):
                    shares = into.setdefault(name[place], {})
                    shares[share] = shares.get(share, Comparison()) + comparison

    def _routed(self, columns: Columns) -> Iterator[tuple[int, Plan, Ints]]:
        """The rows of each subject that go the same ways, whatever their labels."""
        both = np.stack([columns["subject_id"], columns["label_id"]], axis=1)
        pairs, pair = np.unique(both, axis=0, return_inverse=True)
        alike: dict[tuple[int, Plan], int] = {}
        numbers = []
        for subject_id, label_id in pairs.tolist():
            subject, label = self._names.subjects[subject_id], self._names.labels[label_id]
            plan = tuple(routes(self._scenario.moves, subject, label).items())
            numbers.append(alike.setdefault((subject_id, plan), len(alike)))
        number = np.array(numbers, np.int64)[pair.reshape(-1)]
        order = np.argsort(number, kind="stable")
        starts = np.searchsorted(number[order], np.arange(1, len(alike)))
        for (subject_id, plan), which in zip(alike, np.split(order, starts), strict=True):
            yield subject_id, plan, which

    def _there(self, to: str, subject: Subject, usage: cells.Cells, columns: Columns) -> Recosted:
        if to != STAY:
            target = self._places[to](subject)
            return target.recost(usage) if target is not None else _nowhere(len(usage.requests))
        cost, priced = columns["cost_nano"], columns["priced"] == 1
        if self._scenario.cache_rate is None:
            return Recosted(priced, cost, cost, cost)
        return moved(usage, columns["price_id"], self._own)

    def _groups(self, columns: Columns) -> tuple[Ints, list[tuple[int, ...]]]:
        """The number of each cell's group, and the ids that each group stands for."""
        size, minutes = len(columns["minute"]), keys.minutes_of(self._by)
        ids = [columns["minute"] // minutes if c == keys.TIME else columns[c] for c in keys.columns(self._by)]
        if not ids:
            return np.zeros(size, np.int64), [()]
        rows, group = np.unique(np.stack(ids, axis=1), axis=0, return_inverse=True)
        return group.reshape(size), [tuple(row) for row in rows.tolist()]


def places(connection: Connection, scenario: Scenario) -> dict[str, Callable[[Subject], Target | None]]:
    """Where each move leads: the prices that the usage of a subject has there, None for none. Raises UsageError for a
    move that names no endpoint or provider."""
    return {move.to: _place(connection, move.to) for move in scenario.moves}


def _place(connection: Connection, to: str) -> Callable[[Subject], Target | None]:
    try:
        if to.startswith("@"):
            return cache(same_model_at(connection, to[1:]).of)
        return one_endpoint(connection, to).of
    except UsageError as error:
        raise UsageError(
            f"A move leads nowhere: there is no endpoint {to!r}. `ratecard compare MODEL` lists them."
        ) from error


def _nowhere(size: int) -> Recosted:
    nothing: Bools = np.zeros(size, np.bool_)
    return Recosted(nothing, *(np.zeros(size, np.int64) for _ in range(3)))


def scaled(total: Range, ratio: Fraction) -> Range:
    """A projection under a scenario: median and bounds times what the scenario made of the past period."""

    def times(nano: int) -> int:
        exact = nano * ratio
        return half_even(exact.numerator, exact.denominator)

    low95 = None if total.low95 is None else times(total.low95)
    high95 = None if total.high95 is None else times(total.high95)
    low50, high50, low80, high80 = map(times, (total.low50, total.high50, total.low80, total.high80))
    return Range(times(total.median), low50, high50, low80, high80, low95, high95)
