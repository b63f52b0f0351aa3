"""Made-up endpoints, rates and prices, written short."""

from datetime import datetime
from decimal import Decimal
from typing import Any

from db.catalog.facts import Detail, Endpoint, Listing
from db.prices.facts import Price, Rate
from tests.db.worlds import at


def endpoint(
    id_: int = 1,
    source: str = "openrouter",
    provider: str = "openrouter",
    model: str = "author/model",
    variant: str | None = None,
    quantization: str | None = None,
    part: str = "models",
) -> Endpoint:
    return Endpoint(
        id=id_,
        source=source,
        part=part,
        key=f"{provider}/{model}",
        scope=model,
        model=model,
        provider=provider,
        provider_name=provider.title(),
        native_model=model,
        variant=variant,
        quantization=quantization,
        rule="own id",
    )


def rate(meter: str, usd: str | None, tokens: int = 0, start: int | None = None, end: int | None = None) -> Rate:
    """`usd` is for a million units, which reads better than so many zeros; None is a dynamic rate."""
    return Rate(meter, Decimal(usd) / 1_000_000 if usd is not None else None, tokens, start, end)


def price(
    rates: tuple[Rate, ...],
    since: float,
    until: float | None = None,
    *,
    of: Endpoint | None = None,
    suspect: bool = False,
) -> Price:
    return Price(of or endpoint(), rates, at(since), at(until) if until is not None else None, at(since), suspect)


def listing(of: Endpoint | None = None, since: datetime | None = None, **said: Any) -> Listing:
    return Listing(of or endpoint(), Detail(**said), since or at(0), since or at(0))


def per_million(usd: Decimal | None) -> str | None:
    return format((usd * 1_000_000).normalize(), "f") if usd is not None else None
