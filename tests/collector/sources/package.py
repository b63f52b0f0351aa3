"""A small package of prices in the types of genai-prices."""

from datetime import UTC, date, time
from decimal import Decimal
from typing import Any

from genai_prices.types import (
    ClauseEquals,
    ConditionalPrice,
    ModelInfo,
    ModelPrice,
    PriceVariant,
    Provider,
    StartDateConstraint,
    Tier,
    TieredPrices,
    TimeOfDateConstraint,
)


def model(name: str, /, prices: ModelPrice | list[ConditionalPrice], **more: Any) -> ModelInfo:
    return ModelInfo(name, ClauseEquals(name), prices=prices, **more)


def provider(name: str, *models: ModelInfo) -> Provider:
    return Provider(name, name.title(), f"https://api\\.{name}\\.example", models=list(models))


def price(**per_million: str | TieredPrices) -> ModelPrice:
    """Amounts as text, or tiered."""
    return ModelPrice(**{k: v if isinstance(v, TieredPrices) else Decimal(v) for k, v in per_million.items()})


def tiered(base: str, **above: str) -> TieredPrices:
    """`tiered("5", _200000="10")`: 5 up to 200,000 tokens, 10 above."""
    return TieredPrices(Decimal(base), [Tier(int(start[1:]), Decimal(usd)) for start, usd in above.items()])


def from_day(year: int, month: int, day: int, prices: ModelPrice) -> ConditionalPrice:
    return ConditionalPrice(StartDateConstraint(date(year, month, day)), prices=prices)


def daily(start: time, end: time, prices: ModelPrice) -> ConditionalPrice:
    return ConditionalPrice(TimeOfDateConstraint(start, end), prices=prices)


def batch(prices: ModelPrice, since: date | None = None) -> PriceVariant:
    return PriceVariant({"processing": "batch"}, prices, StartDateConstraint(since) if since else None)


def providers() -> list[Provider]:
    """Plain, tiered, dated, by the hour, and in batches."""
    atlas = model(
        "atlas-1",
        price(input_mtok=tiered("5", _200000="10"), output_mtok="25", cache_read_mtok="0.5", web_searches_kcount="10"),
        name="Atlas 1",
        description="A large reasoning model.",
        context_window=1_048_576,
        price_variants=[batch(price(input_mtok="2.5", output_mtok="12.5"))],
    )
    beacon = model(
        "beacon",
        [
            ConditionalPrice(prices=price(input_mtok="0.3", output_mtok="1.1")),
            from_day(2026, 2, 1, price(input_mtok="0.135", output_mtok="0.55")),
            from_day(2026, 4, 1, price(input_mtok="0.1", output_mtok="0.4")),
            daily(time(16, 30, tzinfo=UTC), time(0, 30, tzinfo=UTC), price(input_mtok="0.07", output_mtok="0.28")),
        ],
    )
    scribe = model("scribe", price(audio_hours="0.36"))
    return [provider("acme", atlas, scribe), provider("deepinfra", beacon)]
