"""What each counted unit is billed at: the quoted rate, or a named rule where none is quoted. Pure."""

import functools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from db.meters import COMPLETION, PROMPT
from db.prices.cells import Cell
from db.usage.facts import COUNTED

FALLBACKS: Final[dict[str, tuple[str, ...]]] = {
    "internal_reasoning": (COMPLETION,),
    "input_cache_read": (PROMPT,),
    "input_cache_write": (PROMPT,),
    "input_cache_write_1h": ("input_cache_write", PROMPT),
    "audio": (PROMPT,),
    "audio_output": (COMPLETION,),
    "input_audio_cache": ("input_cache_read", "audio", PROMPT),
    "image_token": (PROMPT,),
}
"""Meter -> the meters whose rate it is billed at where it has none of its own, the first that is quoted."""

FAMILIES: Final = (PROMPT, COMPLETION, "image", "image_output", "web_search")
"""Without a known rate for these, a request that used them is unpriced. The other meters fall back on one of them."""

PRICED: Final = 1 << len(FAMILIES)
"""The bit above the families: there is a price, and its fee a request is known. Every request needs it."""

ASSUMPTIONS: Final[tuple[str, ...]] = (*COUNTED, "bucket", "choice")
"""What a cost may rest on besides quoted rates, one bit each: a meter of COUNTED was billed at the rate that FALLBACKS
names; a bucket was priced as at its start, at its mean prompt length; one of several endpoints was chosen."""


def assumed(names: Iterable[str]) -> int:
    """Assumptions as bits."""
    return sum(1 << ASSUMPTIONS.index(name) for name in names)


def family(meter: str) -> str:
    """The meter at the end of the fallbacks: `input_cache_write_1h` -> `prompt`."""
    return FALLBACKS[meter][-1] if meter in FALLBACKS else meter


def shape_of(quantities: Mapping[str, int]) -> int:
    """Which families a request used, as bits in the order of FAMILIES."""
    used = {family(meter) for meter, units in quantities.items() if units}
    return sum(1 << i for i, name in enumerate(FAMILIES) if name in used)


@functools.cache
def _rules(quoted: frozenset[str]) -> tuple[Mapping[str, str], Mapping[str, str], int]:
    """Meter -> the quoted meter at whose rate it is billed; those of them that fall back; the families, as bits, in
    which every meter finds one."""
    chains = {meter: (meter, *FALLBACKS.get(meter, ())) for meter in COUNTED}
    found = {meter: next((each for each in chain if each in quoted), "") for meter, chain in chains.items()}
    billed_at = {meter: each for meter, each in found.items() if each}
    fallbacks = {meter: each for meter, each in billed_at.items() if meter != each}
    return billed_at, fallbacks, _families(found.keys() - billed_at.keys())


def _families(unknown: Iterable[str]) -> int:
    """The families of none of these meters, as bits."""
    without = set(map(family, unknown))
    return sum(1 << i for i, name in enumerate(FAMILIES) if name not in without)


@dataclass(frozen=True, slots=True)
class Billed:
    """A price cell with each counted meter's rate resolved.

    `femto`: meter -> 1e-15 USD a unit, for the meters that can be billed; `request_femto`: the fee of each request.
    `known`: the families that can be priced, as bits, and PRICED; 0 where the fee is unknown. `fallbacks`: meter ->
    the meter whose rate it is billed at instead.
    """

    cell: Cell
    femto: Mapping[str, int]
    request_femto: int
    known: int
    fallbacks: Mapping[str, str]


def billed(cell: Cell) -> Billed:
    """Resolve each counted meter of a cell.

    A meter without a rate falls back; a dynamic rate does not: its whole family is unknown then. No fee a request
    quoted is no fee.
    """
    billed_at, fallbacks, families = _rules(frozenset(cell.femto))
    femto = {meter: rate for meter, quoted in billed_at.items() if (rate := cell.femto[quoted]) is not None}
    if len(femto) < len(billed_at):
        fallbacks = {meter: quoted for meter, quoted in fallbacks.items() if meter in femto}
        families = _families(set(COUNTED) - femto.keys())
    fee = cell.femto.get("request", 0)
    return Billed(cell, femto, fee or 0, families | PRICED if fee is not None else 0, fallbacks)
