"""Rules on rates: which one applies, and when a move is too large to believe at once. Pure."""

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from typing import Final

from db.meters import COMPLETION, PROMPT
from db.prices.facts import Rate, Rates

SUSPECT_FACTOR: Final = 100


def is_jump(old: Rates, new: Rates) -> bool:
    """Whether a rate moved by more than 100x either way: more likely a slip of units than a price."""
    before = {r.condition: r.usd for r in old if r.usd}
    for rate in new:
        was = before.get(rate.condition)
        if was and rate.usd and not was / SUSPECT_FACTOR <= rate.usd <= was * SUSPECT_FACTOR:
            return True
    return False


def applies(rate: Rate, prompt_tokens: int, at: datetime) -> bool:
    """Whether the rate's conditions match a request of `prompt_tokens` at `at` (aware UTC)."""
    if rate.min_prompt_tokens and prompt_tokens <= rate.min_prompt_tokens:
        return False
    if rate.utc_start is None or rate.utc_end is None:
        return True
    now = at.hour * 100 + at.minute
    if rate.utc_start <= rate.utc_end:
        return rate.utc_start <= now < rate.utc_end
    return now >= rate.utc_start or now < rate.utc_end


def rate_for(rates: Rates, meter: str, prompt_tokens: int, at: datetime) -> Rate | None:
    """The rate of `meter` for one request: the last that applies. None: the meter is not quoted."""
    found = None
    for rate in rates:
        if rate.meter == meter and applies(rate, prompt_tokens, at):
            found = rate
    return found


def base_rate(rates: Iterable[Rate], meter: str) -> Rate | None:
    """The unconditional rate of `meter`."""
    return next((r for r in rates if r.meter == meter and r.is_base), None)


def blended(rates: Rates, prompt_share: int = 3, completion_share: int = 1) -> Decimal | None:
    """USD per token at a mix of prompt to completion tokens, from base rates; None where one is unknown."""
    prompt, completion = base_rate(rates, PROMPT), base_rate(rates, COMPLETION)
    if prompt is None or completion is None or prompt.usd is None or completion.usd is None:
        return None
    total = prompt.usd * prompt_share + completion.usd * completion_share
    return total / (prompt_share + completion_share)
