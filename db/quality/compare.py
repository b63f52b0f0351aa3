"""The rules of comparing endpoints. Pure."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from decimal import Decimal

from db.errors import UsageError
from db.meters import COMPLETION, PER_MILLION, PROMPT
from db.prices.facts import Rates
from db.prices.rates import rate_for
from db.quality.facts import Compared, Effective, Measure, Mix, Switch

CACHE_READ = "input_cache_read"
SMALLEST_SHARE, LARGEST_SHARE = Decimal("0.000001"), Decimal(1_000_000)


def parse_mix(text: str) -> Mix:
    """`3:1` -> three prompt tokens to one completion token. Raises UsageError."""
    parts = text.split(":")
    try:
        prompt, completion = (Decimal(part) for part in parts)
    except (ValueError, ArithmeticError) as error:
        raise UsageError(f"--mix is no mix: {text!r}. Write prompt:completion, such as 3:1.") from error
    if not (_is_share(prompt) and _is_share(completion)) or prompt + completion == 0:
        raise UsageError(f"--mix is no mix: {text!r}. Both shares are from 0 to a million, and not both zero.")
    return Mix(prompt, completion)


def _is_share(value: Decimal) -> bool:
    return value == 0 or (value.is_finite() and SMALLEST_SHARE <= value <= LARGEST_SHARE)


def effective(rates: Rates, mix: Mix, at: datetime) -> Effective | None:
    """USD per 1M tokens of the mix at `at`, tiers and hours included; None where a needed rate is unknown or dynamic.

    A cache read without a rate of its own is billed as prompt, and said so.
    """

    assumed = []
    prompt, completion, cached = (
        rate_for(rates, meter, mix.prompt_tokens, at) for meter in (PROMPT, COMPLETION, CACHE_READ)
    )
    cached_share = mix.prompt * mix.cached
    # A cache rate that is dynamic is unknown; one that is not quoted is none.
    if cached_share and cached is None:
        cached, assumed = prompt, [f"{CACHE_READ} billed as {PROMPT}"]
    total = Decimal(0)
    for share, rate in ((mix.prompt - cached_share, prompt), (cached_share, cached), (mix.completion, completion)):
        if share:
            if rate is None or rate.usd is None:
                return None
            total += share * rate.usd
    return Effective(total / (mix.prompt + mix.completion) * PER_MILLION, tuple(assumed))


def ranked(rows: Sequence[Compared]) -> list[Compared]:
    """Rows with what each lacks and by whom it is dominated; the cheapest first, unknown prices last."""
    every = {parameter for row in rows for parameter in row.parameters or ()}
    rows = [
        replace(row, lost_parameters=tuple(sorted(every - set(row.parameters))) if row.parameters is not None else None)
        for row in rows
    ]
    rows = [replace(row, dominated_by=_dominator(row, rows)) for row in rows]
    return sorted(
        rows,
        key=lambda row: (
            row.effective is None,
            row.effective.usd_per_mtok if row.effective else 0,
            row.endpoint.variant or "",
            row.endpoint.name,
        ),
    )


def _dominator(row: Compared, rows: Sequence[Compared]) -> str | None:
    better = [other for other in rows if other is not row and dominates(other, row)]
    cheapest = min(better, key=lambda r: r.effective.usd_per_mtok if r.effective else 0, default=None)
    return cheapest.endpoint.name if cheapest is not None else None


def dominates(a: Compared, b: Compared) -> bool:
    """Whether `a` is no worse than `b` in price, first token, speed, uptime, context and parameters, and cheaper,
    faster or more reliable. Another variant or quantization is another thing, and a figure that only one of them has
    cannot be compared: no verdict then."""
    if a.effective is None or b.effective is None or a.endpoint.provider == b.endpoint.provider:
        return False
    if (a.endpoint.variant, a.quantization) != (b.endpoint.variant, b.quantization):
        return False
    pairs = [
        (-a.effective.usd_per_mtok, -b.effective.usd_per_mtok),
        _negated(a.ttft_ms, b.ttft_ms),
        _pair(a.tokens_per_s, b.tokens_per_s),
        _pair(a.uptime_percent, b.uptime_percent),
    ]
    known = [pair for pair in pairs if pair is not None]
    if any(pair == (None, None) for pair in known):
        return False
    if (a.context is None, a.parameters is None) != (b.context is None, b.parameters is None):
        return False
    if (a.context or 0) < (b.context or 0) or set(b.parameters or ()) - set(a.parameters or ()):
        return False
    return all(x >= y for x, y in known) and any(x > y for x, y in known)  # type: ignore[operator]


def _pair(a: Measure | None, b: Measure | None) -> tuple[float | None, float | None] | None:
    """Both values where both are known and of one origin; (None, None) where only one is; None where neither is."""
    if a is None and b is None:
        return None
    if a is None or b is None or a.origin != b.origin:
        return None, None
    return a.value, b.value


def _negated(a: Measure | None, b: Measure | None) -> tuple[float | None, float | None] | None:
    pair = _pair(a, b)
    return pair if pair is None or pair[0] is None or pair[1] is None else (-pair[0], -pair[1])


def switch(before: Compared, after: Compared) -> Switch:
    """What moving from `before` to `after` changes."""
    old = before.effective.usd_per_mtok if before.effective else None
    new = after.effective.usd_per_mtok if after.effective else None
    known = old is not None and new is not None
    lost = None
    if before.parameters is not None and after.parameters is not None:
        lost = tuple(sorted(set(before.parameters) - set(after.parameters)))
    return Switch(
        before,
        after,
        change_percent=(new - old) / old * 100 if known and old else None,  # type: ignore[operator]
        saving_usd_per_mtok=old - new if known else None,  # type: ignore[operator]
        ttft_ms=_difference(before.ttft_ms, after.ttft_ms),
        tokens_per_s=_difference(before.tokens_per_s, after.tokens_per_s),
        uptime_points=_difference(before.uptime_percent, after.uptime_percent),
        lost_parameters=lost,
        context=after.context - before.context if after.context is not None and before.context is not None else None,
        quantization=(before.quantization, after.quantization),
    )


def _difference(before: Measure | None, after: Measure | None) -> float | None:
    """After minus before, of figures of one origin only."""
    if before is None or after is None or before.origin != after.origin:
        return None
    return after.value - before.value
