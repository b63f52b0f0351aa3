"""What usage costs by a plain reading of the rules: one request after the other, in exact decimals.

Written from DESIGN.md and the docstrings of Rate, Usage and the roll-up's table; it shares no code with the engine.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_EVEN, Context, Decimal
from operator import add
from typing import Any

import pyarrow as pa

from db.prices.facts import Price, Rate
from db.usage.resolve import Name

NAMES = ("model", "provider", "endpoint", "variant")
LABELS = ("project", "api_key", "user", "tags")

# Meter -> what it is billed as where it has no rate of its own, in this order.
INSTEAD = {
    "prompt": (),
    "completion": (),
    "internal_reasoning": ("completion",),
    "input_cache_read": ("prompt",),
    "input_cache_write": ("prompt",),
    "input_cache_write_1h": ("input_cache_write", "prompt"),
    "audio": ("prompt",),
    "audio_output": ("completion",),
    "input_audio_cache": ("input_cache_read", "audio", "prompt"),
    "image_token": ("prompt",),
    "image": (),
    "image_output": (),
    "web_search": (),
}
METERS = tuple(INSTEAD)
FAMILY = {meter: instead[-1] if instead else meter for meter, instead in INSTEAD.items()}
FAMILIES = ("prompt", "completion", "image", "image_output", "web_search")
LENGTH = [i for i, meter in enumerate(METERS) if FAMILY[meter] == "prompt"]
MEMBERS = [[i for i, meter in enumerate(METERS) if FAMILY[meter] == family] for family in FAMILIES]
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

FEMTO, NANO = Decimal("1e-15"), Decimal("1e-9")
EXACT = Context(prec=80, rounding=ROUND_HALF_EVEN)


@dataclass(slots=True)
class Tally:
    """One roll-up cell. `femto`: None where it is unpriced. `assumed`: meters billed at another's rate, "bucket"."""

    femto: int | None
    requests: int = 0
    units: list[int] = field(default_factory=lambda: [0] * len(METERS))
    total_tokens: int = 0
    logged: Decimal = Decimal(0)
    logged_requests: int = 0
    assumed: set[str] = field(default_factory=set)


Words = tuple[str, ...]
Key = tuple[int, Words, Words, int, int, int | None]
"""Minute since 1970, NAMES, LABELS, band, shape, price's id (None: no price then)."""


@dataclass(frozen=True, slots=True)
class Billing:
    """What one price bills in one part of the day for one range of prompt lengths.

    `rates`: femto-dollars by position in METERS, None where the family's price is unknown; `fee` None: not known.
    """

    rates: tuple[int | None, ...]
    fallen: tuple[bool, ...]
    fee: int | None


def words(name: Name) -> Words:
    return name.model, name.provider, name.endpoint, name.variant


class Ledger:
    """Each name's candidates, the preferred first: what endpoint's versions price it, oldest first."""

    def __init__(self, candidates: Mapping[Name, Sequence[Sequence[Price]]]) -> None:
        self._timelines = {words(name): [Timeline(v) for v in each] for name, each in candidates.items()}
        rates = {r for each in candidates.values() for versions in each for p in versions for r in p.rates}
        self.bands = sorted({0} | {r.min_prompt_tokens + 1 for r in rates if r.min_prompt_tokens})
        self.cuts = sorted({0} | {minute for r in rates for minute in edges(r)})

    def price(self, name: Words, at: datetime) -> "Tariff | None":
        found = (timeline.at(at) for timeline in self._timelines[name])
        return next((tariff for tariff in found if tariff is not None), None)


class Timeline:
    """One endpoint's versions."""

    def __init__(self, versions: Sequence[Price]) -> None:
        self._starts = [price.valid_from for price in versions]
        self._tariffs = [Tariff(price) for price in versions]

    def at(self, at: datetime) -> "Tariff | None":
        i = bisect_right(self._starts, at) - 1
        if i < 0:
            return None
        price = self._tariffs[i].price
        ended = price.valid_to is not None and price.valid_to <= at
        return None if ended or price.suspect else self._tariffs[i]


class Tariff:
    """One version, with what it bills remembered."""

    def __init__(self, price: Price) -> None:
        self.price = price
        self._thresholds = sorted({r.min_prompt_tokens for r in price.rates})
        self._cuts = sorted({minute for r in price.rates for minute in edges(r)})
        self._billing: dict[tuple[int, int], Billing] = {}

    def billing(self, length: int, minute: int) -> Billing:
        place = bisect_left(self._thresholds, length), bisect_right(self._cuts, minute)
        if place not in self._billing:
            self._billing[place] = self._bill(length, minute)
        return self._billing[place]

    def _bill(self, length: int, minute: int) -> Billing:
        # Of several that match, the last one wins.
        quoted = {rate.meter: rate.usd for rate in self.price.rates if matches(rate, length, minute)}
        found = [next((m for m in (meter, *INSTEAD[meter]) if m in quoted), None) for meter in METERS]
        usd = [quoted[m] if m is not None else None for m in found]
        unknown = {FAMILY[meter] for meter, rate in zip(METERS, usd, strict=True) if rate is None}
        return Billing(
            tuple(None if FAMILY[m] in unknown else femto(rate) for m, rate in zip(METERS, usd, strict=True)),
            tuple(m not in (None, meter) for m, meter in zip(found, METERS, strict=True)),
            femto(quoted.get("request", Decimal(0))),
        )


def femto(usd: Decimal | None) -> int | None:
    return None if usd is None else int(usd.quantize(FEMTO, context=EXACT).scaleb(15, EXACT))


def nano(value: int) -> int:
    usd = Decimal(value).scaleb(-15, EXACT)
    return int(usd.quantize(NANO, context=EXACT).scaleb(9, EXACT))


def edges(rate: Rate) -> Iterator[int]:
    """The minutes of the day at which a rate begins and ends."""
    for hhmm in (rate.utc_start, rate.utc_end):
        if hhmm is not None:
            yield (hhmm // 100 * 60 + hhmm % 100) % 1440


def matches(rate: Rate, length: int, minute: int) -> bool:
    if rate.min_prompt_tokens and not length > rate.min_prompt_tokens:
        return False
    if rate.utc_start is None or rate.utc_end is None:
        return True
    start, end = (hhmm // 100 * 60 + hhmm % 100 for hhmm in (rate.utc_start, rate.utc_end))
    return start <= minute < end if start <= end else minute >= start or minute < end


def cells(table: pa.Table, ledger: Ledger) -> dict[Key, Tally]:
    """The roll-up of a table of requests."""
    found: dict[Key, Tally] = {}
    for batch in table.to_batches(100_000):
        names, labels, units = (_rows(batch, columns) for columns in (NAMES, LABELS, METERS))
        rest = _rows(batch, ("time", "until", "requests", "cost_usd", "total_tokens"))
        for name, label, used, (time, until, requests, cost, total) in zip(names, labels, units, rest, strict=True):
            tally = _tally(found, ledger, name, label, time.replace(tzinfo=UTC), used, requests)
            tally.requests += requests
            tally.units = list(map(add, tally.units, used))
            tally.total_tokens += total or 0
            if until is not None and tally.femto is not None:
                tally.assumed.add("bucket")
            if cost is not None:
                tally.logged += cost
                tally.logged_requests += requests
    return found


def _rows(batch: pa.RecordBatch, columns: Sequence[str]) -> Iterator[tuple[Any, ...]]:
    return zip(*(batch.column(name).to_pylist() for name in columns), strict=True)


def _tally(
    found: dict[Key, Tally],
    ledger: Ledger,
    name: Words,
    label: Words,
    at: datetime,
    used: Sequence[int],
    requests: int,
) -> Tally:
    """The cell of one request, its cost added."""
    length = sum(used[i] for i in LENGTH) // requests
    minute = at.hour * 60 + at.minute
    tariff = ledger.price(name, at)
    bill = tariff.billing(length, minute) if tariff is not None else None
    cost = _cost(bill, used, requests) if bill is not None else None
    # A cell starts at the hour, or at the last cut inside it.
    start = max(minute // 60 * 60, ledger.cuts[bisect_right(ledger.cuts, minute) - 1])
    slot = (at - EPOCH) // timedelta(minutes=1) - minute + start
    band = ledger.bands[bisect_right(ledger.bands, length) - 1]
    shape = sum(1 << i for i, members in enumerate(MEMBERS) if any(used[m] for m in members))
    key = (slot, name, label, band, shape, tariff.price.id if tariff is not None else None)
    tally = found.get(key)
    if tally is None:
        tally = found[key] = Tally(None if cost is None else 0)
    # Requests of one cell are all priced or all unpriced, since what that depends on is in its key.
    assert (tally.femto is None) == (cost is None)
    if cost is not None and bill is not None:
        tally.femto = (tally.femto or 0) + cost
        tally.assumed.update(m for m, fell, units in zip(METERS, bill.fallen, used, strict=True) if fell and units)
    return tally


def _cost(bill: Billing, used: Sequence[int], requests: int) -> int | None:
    """In femto-dollars; None where a rate that it needs is unknown."""
    if bill.fee is None:
        return None
    cost = bill.fee * requests
    for units, rate in zip(used, bill.rates, strict=True):
        if units:
            if rate is None:
                return None
            cost += units * rate
    return cost
