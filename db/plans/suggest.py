"""Switches of provider that would save most, and lose nothing that is known. The rules are pure."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

import numpy as np
from sqlalchemy import Connection

from db.catalog.facts import Endpoint
from db.catalog.read import ENDPOINT, endpoint_fact
from db.plans.lot_read import endpoint_of, lots
from db.plans.lots import Lots
from db.plans.read import last_use
from db.quality.compare import switch
from db.quality.facts import Compared, Mix
from db.quality.read import compared
from db.usage.exact import Ints
from db.usage.read import View
from db.usage.recost import Target
from db.usage.report import own_mix
from db.usage.segments import BEGINNING

MONTH: Final = timedelta(days=30)
MOST_ENDPOINTS: Final = 20
"""Of the endpoints that cost most; more would not be read."""
MOST_CANDIDATES: Final = 8
SLOWER: Final = 0.1
"""Times within a tenth of each other are alike: that much, medians of probes differ by themselves."""
UPTIME_POINTS: Final = 0.5


@dataclass(frozen=True, slots=True)
class Suggestion:
    """Usage of 30 days that would have cost `after` instead of `before` (1e-9 USD, both at the prices of now), over the
    `requests` that have a price at both. `checked`: in what the other endpoint is known to be no worse; `unknown`: what
    nobody says of one of them."""

    endpoint: Endpoint
    to: Endpoint
    before: int
    after: int
    requests: int
    checked: tuple[str, ...]
    unknown: tuple[str, ...]

    @property
    def saving(self) -> int:
        """1e-9 USD a month."""
        return self.before - self.after

    @property
    def move(self) -> str:
        """As `ratecard scenario set --move` takes it."""
        return f"{self.endpoint.model}@{self.endpoint.provider} -> {self.to.name}: 100%"


@dataclass
class Verdict:
    """What a check of one endpoint against another came to."""

    checked: list[str] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)

    def note(self, what: str, is_worse: bool | None) -> None:
        """None: not known."""
        (self.unknown if is_worse is None else self.lost if is_worse else self.checked).append(what)


def check(now: Compared, other: Compared) -> Verdict:
    """Whether `other` is no worse than `now` in parameters, context, quantization, first token, speed and uptime; the
    last three as far as both have figures of one origin."""
    found, change = Verdict(), switch(now, other)
    found.note("parameters", None if change.lost_parameters is None else bool(change.lost_parameters))
    found.note("context", None if change.context is None else change.context < 0)
    old, new = change.quantization
    found.note("quantization", None if old is None or new is None else old != new)
    slower = change.ttft_ms
    first = now.ttft_ms.value if now.ttft_ms is not None else 0
    found.note("first token", None if slower is None else slower > SLOWER * first)
    speed = now.tokens_per_s.value if now.tokens_per_s is not None else 0
    found.note("speed", None if change.tokens_per_s is None else change.tokens_per_s < -SLOWER * speed)
    found.note("uptime", None if change.uptime_points is None else change.uptime_points < -UPTIME_POINTS)
    return found


def candidates(now: Compared, rows: Sequence[Compared]) -> list[tuple[Compared, Verdict]]:
    """The cheaper endpoints of the same model and variant that lose nothing known, the cheapest first.

    One that asks nothing at all is left out: such a rate stands for a plan that is paid otherwise.
    """
    price = now.effective.usd_per_mtok if now.effective is not None else None
    cheaper = [
        row
        for row in rows
        if row.effective is not None
        and price is not None
        and 0 < row.effective.usd_per_mtok < price
        and row.endpoint.provider != now.endpoint.provider
        and row.endpoint.variant == now.endpoint.variant
        and not row.status
    ]
    checked = [(row, check(now, row)) for row in cheaper]
    return [(row, verdict) for row, verdict in checked if not verdict.lost][:MOST_CANDIDATES]


def suggestions(connection: Connection, now: datetime) -> list[Suggestion]:
    """The best switch of each endpoint that cost most in the last 30 days of usage, the largest saving first."""
    as_of = last_use(connection, now)
    view = View(since=as_of - MONTH, until=as_of)
    of_price = endpoint_of(connection)
    spent = _spent(lots(connection, view, (), by_day=False), of_price)
    top = sorted(spent, key=lambda endpoint_id: -spent[endpoint_id])[:MOST_ENDPOINTS]
    found = _rows(connection, top)
    fits = {i: candidates(row, rows) for i, (row, rows) in found.items()}
    fits = {i: each for i, each in fits.items() if each}
    if not fits:
        return []
    rates = [row.rates for i, each in fits.items() for row in (found[i][0], *(other for other, _ in each))]
    ids = [price_id for price_id, endpoint_id in of_price.items() if endpoint_id in fits]
    usage = lots(connection, view, rates, ids, by_day=False)
    endpoint = _endpoints(usage, of_price)
    best = [_best(found[i][0], each, usage.chosen(endpoint == i)) for i, each in fits.items()]
    return sorted((each for each in best if each is not None), key=lambda each: -each.saving)


def _rows(connection: Connection, endpoint_ids: Sequence[int]) -> dict[int, tuple[Compared, list[Compared]]]:
    """Endpoint id -> its row and those of its model, at one's own mix; without those that are gone."""
    found: dict[int, tuple[Compared, list[Compared]]] = {}
    models: dict[str, list[Compared]] = {}
    for row in connection.execute(ENDPOINT.select().where(ENDPOINT.c.id.in_(endpoint_ids))).all():
        model = endpoint_fact(row).model
        if model not in models:
            mine = own_mix(connection, model)
            mix = Mix(*(getattr(mine[0], name) for name in Mix.__slots__)) if mine is not None else Mix()
            models[model] = compared(connection, model, mix)
        current = next((each for each in models[model] if each.endpoint.id == row.id), None)
        if current is not None:
            found[row.id] = (current, models[model])
    return found


def _spent(usage: Lots, of_price: dict[int, int]) -> dict[int, int]:
    """Endpoint id -> what it cost."""
    found: dict[int, int] = {}
    for endpoint_id, nano in zip(_endpoints(usage, of_price).tolist(), usage.cost_nano.tolist(), strict=True):
        if nano and endpoint_id:
            found[endpoint_id] = found.get(endpoint_id, 0) + nano
    return found


def _endpoints(usage: Lots, of_price: dict[int, int]) -> Ints:
    """The endpoint of each lot's price; 0 without a price."""
    return np.array([of_price.get(price_id, 0) for price_id in usage.price_id.tolist()], np.int64)


def _best(now: Compared, others: Sequence[tuple[Compared, Verdict]], usage: Lots) -> Suggestion | None:
    """The candidate at which the usage costs least; None where none saves anything."""
    here = Target([(BEGINNING, now.rates)]).recost(usage.cells())
    found = []
    for row, verdict in others:
        there = Target([(BEGINNING, row.rates)]).recost(usage.cells())
        both = here.priced & there.priced
        sums = [int(values[both].sum()) for values in (here.best, there.best, usage.requests)]
        if sums[1] < sums[0]:
            told = (tuple(verdict.checked), tuple(verdict.unknown))
            found.append(Suggestion(now.endpoint, row.endpoint, sums[0], sums[1], sums[2], *told))
    return max(found, key=lambda each: each.saving, default=None)
