"""What each counted unit is billed at: the quoted rate, or a named rule where none is quoted. Pure."""

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


_CHAINS: Final = {meter: (meter, *FALLBACKS.get(meter, ())) for meter in COUNTED}
"""Meter -> itself and what it falls back on; the last is its family."""


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
    femto: dict[str, int] = {}
    fallbacks: dict[str, str] = {}
    unknown: set[str] = set()
    for meter, chain in _CHAINS.items():
        for quoted in chain:
            if quoted in cell.femto:
                break
        rate = cell.femto.get(quoted)
        if rate is None:
            unknown.add(chain[-1])
        else:
            femto[meter] = rate
            if quoted != meter:
                fallbacks[meter] = quoted
    fee = cell.femto.get("request", 0)
    families = sum(1 << i for i, name in enumerate(FAMILIES) if name not in unknown)
    return Billed(cell, femto, fee or 0, families | PRICED if fee is not None else 0, fallbacks)
