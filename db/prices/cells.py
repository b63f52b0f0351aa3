"""A quote as disjoint cells: a range of prompt lengths and a part of the day, with every rate resolved. Pure."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_EVEN, Decimal
from itertools import pairwise
from typing import Final

from db.prices.facts import Rates
from db.prices.rates import rate_for

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
    lengths = bands([rates])
    minutes = [*sorted({0, *cuts([rates])}), MINUTES_A_DAY]
    meters = dict.fromkeys(r.meter for r in rates)
    for low, high in zip(lengths, [*lengths[1:], None], strict=True):
        for start, end in pairwise(minutes):
            found = {meter: rate_for(rates, meter, low, _MIDNIGHT + timedelta(minutes=start)) for meter in meters}
            femto = {meter: femto_of(rate.usd) for meter, rate in found.items() if rate is not None}
            yield Cell(low, high, start, end, femto)


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
