"""A quote as disjoint cells: a range of prompt lengths and a part of the day, with every rate resolved. Pure."""

import functools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_EVEN, Decimal
from itertools import pairwise
from typing import Final

from db.prices.facts import Condition, Rate, Rates
from db.prices.rates import applies

FEMTO_PER_USD: Final = 10**15
MINUTES_A_DAY: Final = 1440
DEAREST_FEMTO: Final = 10**18
"""$1,000 for a single unit; what costs as much is no price of a unit, and would not fit the engine's 18 digits."""
_MIDNIGHT: Final = datetime(2000, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Cell:
    """Where each rate is one number: prompts of [from_tokens, to_tokens) at [from_minute, to_minute) of the UTC day.

    `to_tokens` None: any length. `femto`: quoted meter -> 1e-15 USD a unit, None where the rate is dynamic.
    """

    from_tokens: int
    to_tokens: int | None
    from_minute: int
    to_minute: int
    femto: Mapping[str, int | None]


def cells(rates: Rates) -> Iterator[Cell]:
    """The cells of one quote. Together they tile every prompt length and every minute, and none overlaps another."""
    amounts = [femto_of(rate.usd) for rate in rates]
    for low, high, start, end, places in _tiles(tuple(rate.condition for rate in rates)):
        yield Cell(low, high, start, end, {meter: amounts[place] for meter, place in places.items()})


_Tile = tuple[int, int | None, int, int, Mapping[str, int]]
"""A cell, with the place in the quote of each meter's rate."""


@functools.lru_cache(maxsize=4096)
def _tiles(conditions: tuple[Condition, ...]) -> Sequence[_Tile]:
    """The cells of all quotes whose rates have these conditions: there are many prices, but few kinds of them."""
    rates = tuple(Rate(meter, None, longer, start, end) for meter, longer, start, end in conditions)
    lengths = bands([rates])
    minutes = [*sorted({0, *cuts([rates])}), MINUTES_A_DAY]
    return [
        (low, high, start, end, _places(rates, low, start))
        for low, high in zip(lengths, [*lengths[1:], None], strict=True)
        for start, end in pairwise(minutes)
    ]


def _places(rates: Rates, prompt_tokens: int, minute: int) -> Mapping[str, int]:
    at = _MIDNIGHT + timedelta(minutes=minute)
    # The last rate that applies is the one that holds.
    return {rate.meter: place for place, rate in enumerate(rates) if applies(rate, prompt_tokens, at)}


def bands(quotes: Iterable[Rates]) -> list[int]:
    """The prompt lengths from which some rate differs, 0 first. A threshold itself still belongs to the band below."""
    return sorted({0} | {r.min_prompt_tokens + 1 for rates in quotes for r in rates if r.min_prompt_tokens})


def cuts(quotes: Iterable[Rates]) -> list[int]:
    """The minutes of the UTC day at which some rate begins or ends."""
    times = {t for rates in quotes for r in rates for t in (r.utc_start, r.utc_end) if t is not None}
    return sorted({(t // 100 * 60 + t % 100) % MINUTES_A_DAY for t in times})


def femto_of(usd: Decimal | None) -> int | None:
    """USD -> 1e-15 USD, half to even; None where it is dynamic, or too dear to be the price of one unit."""
    if usd is None:
        return None
    femto = int((usd * FEMTO_PER_USD).to_integral_value(ROUND_HALF_EVEN))
    return femto if abs(femto) < DEAREST_FEMTO else None
