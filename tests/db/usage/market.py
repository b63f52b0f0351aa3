"""A made-up market with every rule of pricing in it, the same for the same seed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from random import Random

from db.prices.facts import Price, Rate, Rates
from db.usage.resolve import Name, Resolved, Why
from tests.db.quotes import endpoint

FIRST_DAY = datetime(2026, 1, 1, tzinfo=UTC)
DAYS = 31
MODELS, PROVIDERS = 40, 3
THRESHOLDS = (32_000, 128_000, 200_000)
# Whole hours, half hours, wrapping midnight, up to midnight, all day, and none of it.
WINDOWS = ((1630, 30), (30, 830), (1000, 1800), (2345, 15), (1800, 2400), (0, 2400), (1200, 1200))
OPTIONAL = (
    "internal_reasoning",
    "input_cache_read",
    "input_cache_write",
    "input_cache_write_1h",
    "audio",
    "audio_output",
    "input_audio_cache",
    "image_token",
    "image",
    "image_output",
    "web_search",
    "request",
    "a_meter_of_tomorrow",
)


@dataclass(frozen=True)
class Market:
    """`names`: what the logs say and what it means; `prices`: endpoint id -> its versions, oldest first."""

    names: Sequence[Resolved]
    prices: Mapping[int, Sequence[Price]]

    def candidates(self) -> dict[Name, list[Sequence[Price]]]:
        return {each.name: [self.prices[e.id] for e in each.candidates] for each in self.names}


def market(seed: int) -> Market:
    rng = Random(seed)
    names: list[Resolved] = []
    prices: dict[int, list[Price]] = {}
    for i in range(MODELS):
        for j in range(PROVIDERS):
            for variant in ("", "batch") if i % 5 == 0 else ("",):
                name = Name(f"author-{i % 7}/model-{i}", f"provider-{j}", variant=variant)
                sources = ("openrouter", "models_dev")[: 1 + (i + j) % 2]
                found = tuple(
                    endpoint(len(prices) + n + 1, source, name.provider, name.model) for n, source in enumerate(sources)
                )
                for each in found:
                    prices[each.id] = _versions(rng, each.id)
                names.append(Resolved(name, name.model, name.provider, found, chosen_among=1 + i % 2))
    for i in range(5):
        name = Name(f"nobody/knows-{i}", "provider-0")
        names.append(Resolved(name, name.model, name.provider, why=Why.UNKNOWN_MODEL, hint="ratecard alias"))
    return Market(names, prices)


def _versions(rng: Random, endpoint_id: int) -> list[Price]:
    """A few versions that begin at odd moments, with gaps between them; some in doubt, some one instant long."""
    start, month = FIRST_DAY - timedelta(days=5), timedelta(days=DAYS + 5) // timedelta(microseconds=1)
    starts = sorted(start + timedelta(microseconds=rng.randrange(month)) for _ in range(rng.randint(1, 7)))
    ends = [*starts[1:], None if rng.random() < 0.8 else FIRST_DAY + timedelta(days=DAYS + 1)]
    found = []
    for n, (since, end) in enumerate(zip(starts, ends, strict=True)):
        early = end is not None and rng.random() < 0.25
        until = since + (end - since) / 2 if end is not None and early else end
        rates = quote(rng)
        of = endpoint(endpoint_id)
        found.append(Price(of, rates, since, until, since, rng.random() < 0.07, endpoint_id * 100 + n))
    return found


def quote(rng: Random) -> Rates:
    """Base rates, tiers and hours of the day, of which the last that applies wins, in whatever order they stand."""
    meters = [m for m in ("prompt", "completion") if rng.random() < 0.97]
    meters += [m for m in OPTIONAL if rng.random() < 0.5]
    rates = [Rate(meter, _usd(rng)) for meter in meters if rng.random() < 0.97]
    for threshold in rng.sample(THRESHOLDS, rng.choice((0, 0, 1, 2))):
        rates += [Rate(meter, _usd(rng), threshold) for meter in meters if rng.random() < 0.6]
    for start, end in rng.sample(WINDOWS, rng.choice((0, 0, 1, 2))):
        threshold = rng.choice((0, 0, 200_000))
        rates += [Rate(meter, _usd(rng), threshold, start, end) for meter in meters if rng.random() < 0.6]
    return tuple(rates)


def _usd(rng: Random) -> Decimal | None:
    """Free, dynamic, plain, as long as real ones are, half way between two femto-dollars, or very dear."""
    kind = rng.random()
    if kind < 0.06:
        return Decimal(0)
    if kind < 0.075:
        return None
    if kind < 0.5:
        return Decimal(rng.randrange(1, 60_000)).scaleb(-9)
    if kind < 0.8:
        return Decimal(rng.randrange(1, 10**16)).scaleb(-23)
    if kind < 0.98:
        return Decimal(rng.randrange(1, 10**9) * 10 + 5).scaleb(-16)
    return Decimal(rng.randrange(1, 900 * 10**6)).scaleb(-6)
