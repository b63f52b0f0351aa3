"""Made-up rows of a comparison, written short."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

from db.quality.facts import Compared, Effective, Measure, Origin
from tests.db.quotes import endpoint


def measured(value: float, origin: Origin = Origin.MEASURED) -> Measure:
    return Measure(value, origin, "72 h", 10)


def reported(value: float) -> Measure:
    return measured(value, Origin.REPORTED)


def row(provider: str, usd: str | None = "1", *, variant: str | None = None, **known: Any) -> Compared:
    """An endpoint of which nothing is known but its price and what is given."""
    blank = Compared(
        endpoint=endpoint(provider=provider, variant=variant),
        effective=Effective(Decimal(usd)) if usd is not None else None,
        ttft_ms=None,
        tokens_per_s=None,
        uptime_percent=None,
        context=None,
        quantization=None,
        parameters=None,
        lost_parameters=None,
        priced_since=None,
    )
    return replace(blank, **known)
