"""What reading prompts from cache does to a choice between endpoints. Pure."""

from datetime import datetime
from fractions import Fraction

from db.meters import COMPLETION, PROMPT
from db.prices.facts import Rates
from db.prices.rates import rate_for
from db.quality.compare import CACHE_READ
from db.quality.facts import Mix


def break_even(a: Rates, b: Rates, mix: Mix, at: datetime) -> Fraction | None:
    """The share of the prompt (0 to 1) read from cache at which two quotes cost the same for a mix of tokens, exactly.

    A cost is linear in the share h: prompt x ((1 - h) x prompt rate + h x cache rate) + completion x its rate, the
    cache rate being the prompt's where none is quoted, and writes to the cache billed as prompt. None: a rate is not
    known, the two cost the same at every share, or one is cheaper at all of them.
    """
    first, second = _line(a, mix, at), _line(b, mix, at)
    if first is None or second is None or first[1] == second[1]:
        return None
    share = (second[0] - first[0]) / (first[1] - second[1])
    return share if 0 <= share <= 1 else None


def _line(rates: Rates, mix: Mix, at: datetime) -> tuple[Fraction, Fraction] | None:
    """What the mix costs without cache, and by how much more when all of the prompt is read from it."""
    prompt, completion, cached = (
        rate_for(rates, meter, mix.prompt_tokens, at) for meter in (PROMPT, COMPLETION, CACHE_READ)
    )
    cached = cached or prompt
    if prompt is None or cached is None or prompt.usd is None or cached.usd is None:
        return None
    if mix.completion and (completion is None or completion.usd is None):
        return None
    given = Fraction(completion.usd) if completion is not None and completion.usd is not None else Fraction(0)
    taken = Fraction(mix.prompt)
    return (
        taken * Fraction(prompt.usd) + Fraction(mix.completion) * given,
        taken * (Fraction(cached.usd) - Fraction(prompt.usd)),
    )
