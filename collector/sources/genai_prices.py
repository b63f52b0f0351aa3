"""The prices inside the genai-prices package: they need no network. Prices are USD per 1M tokens, or per 1,000.

Of dated prices the one in force at the poll is quoted; hours of the day and prompt tiers become conditions. Variants
(batch, flex, priority) are endpoints of their own.
"""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Final

from collector.sources.base import Conversation, Json, Memo, Read, Source, collect
from collector.sources.fields import RefusedError, usd
from db.catalog.facts import Detail
from db.catalog.identity import provider_slug
from db.errors import InputError
from db.polls.facts import Rejection
from db.prices.facts import Offer, Rate, Rates, Snapshot

if TYPE_CHECKING:
    from genai_prices.types import ModelInfo, PriceVariant, Provider

    Quoted = Mapping[str, Any]
    """Price key -> Decimal, TieredPrices or None."""

NAME: Final = "genai_prices"
PART: Final = "package"

METERS: Final[dict[str, tuple[str, int]]] = {
    "input_mtok": ("prompt", 1_000_000),
    "output_mtok": ("completion", 1_000_000),
    "output_reasoning_mtok": ("internal_reasoning", 1_000_000),
    "cache_read_mtok": ("input_cache_read", 1_000_000),
    "cache_write_mtok": ("input_cache_write", 1_000_000),
    "cache_write_1h_mtok": ("input_cache_write_1h", 1_000_000),
    "input_audio_mtok": ("audio", 1_000_000),
    "output_audio_mtok": ("audio_output", 1_000_000),
    "cache_audio_read_mtok": ("input_audio_cache", 1_000_000),
    "input_image_mtok": ("image_token", 1_000_000),
    "requests_kcount": ("request", 1_000),
    "web_searches_kcount": ("web_search", 1_000),
}
"""Price key -> our meter, and how many units the price is for."""


def converse(_memo: Memo, now: datetime) -> Conversation:
    """Asks nothing of anyone."""
    from genai_prices.data import providers  # half a second: only when polled

    yield []
    return snapshot(providers, now)


def read(document: Json, _memo: Memo) -> Snapshot:
    """There are no recorded bodies of a package."""
    raise InputError(
        f"genai_prices is a package on this machine (version {version('genai-prices')}), it has no recorded polls "
        f"(this one is a {type(document).__name__}). Use `ratecard poll genai_prices`."
    )


def snapshot(providers: "list[Provider]", now: datetime) -> Snapshot:
    """What the package says at `now`."""
    reads = [_model(provider, model, now) for provider in providers for model in provider.models]
    return collect((PART,), len(reads), reads)


def _model(provider: "Provider", model: "ModelInfo", now: datetime) -> Read:
    key = f"{provider.id}/{model.id}".lower()
    offers, rejections = [], []
    unknown: list[str] = []
    variants: list[tuple[str | None, Quoted]] = [(None, {}), *_variants(model, now, unknown).items()]
    for name, own in variants:
        try:
            rates, other = _rates(model, name, own, now)
        except RefusedError as refused:
            rejections.append(Rejection(PART, _key(key, name), f"{_key(key, name)}: {refused}"))
            continue
        unknown += other
        if not rates:
            continue
        detail = Detail(
            native_model=model.id,
            name=model.name,
            description=model.description,
            context_length=model.context_window,
        )
        offers.append(
            Offer(
                part=PART,
                scope=key,
                key=_key(key, name),
                provider=provider_slug(provider.id),
                provider_name=provider.name,
                native_model=model.id if name is None else f"{model.id}:{name}",
                rates=rates,
                detail=detail,
            )
        )
    return Read(tuple(offers), tuple(rejections), tuple(unknown))


def _key(key: str, variant: str | None) -> str:
    return key if variant is None else f"{key}:{variant}"


def _variants(model: "ModelInfo", now: datetime, unknown: list[str]) -> "dict[str, Quoted]":
    """The prices of their own that variants have; of several by one name the first that has a price counts."""
    found: dict[str, Quoted] = {}
    for variant in model.price_variants or ():
        own = {name: price for name, price in variant.prices.__dict__.items() if price is not None}
        if hasattr(variant.constraint, "start_time"):
            unknown.append("price_variants.start_time")  # none had hours of the day so far
        if own and _is_active(variant.constraint, now):
            found[_variant_name(variant)] = {**own, **found.get(_variant_name(variant), {})}
    return found


def _variant_name(variant: "PriceVariant") -> str:
    return "-".join(value.replace("/", "-").lower() for _, value in sorted(variant.when.items()))


def _is_active(constraint: Any, now: datetime) -> bool:
    """Whether it always holds, or its start date has come."""
    return constraint is None or (hasattr(constraint, "start_date") and bool(constraint.active(now)))


def _rates(model: "ModelInfo", variant: str | None, own: "Quoted", now: datetime) -> tuple[Rates, list[str]]:
    """Base rates first, then tiers, then hours of the day: of several that apply the last one wins."""
    from genai_prices.types import ConditionalPrice

    prices = model.prices
    dated = prices if isinstance(prices, list) else [ConditionalPrice(prices=prices)]
    standing: Quoted = {}
    hours = []
    for each in dated:
        if hasattr(each.constraint, "start_time"):
            hours.append(each)
        elif _is_active(each.constraint, now):
            standing, hours = each.prices.__dict__, []
    base: list[Rate] = []
    tiers: list[Rate] = []
    unknown: list[str] = []
    for layer in (standing, own):
        rates = list(_priced(layer, unknown))
        # A variant's own rate replaces the standard one with all its tiers.
        replaced = {rate.meter for rate in rates}
        base = [r for r in base if r.meter not in replaced] + [r for r in rates if r.is_base]
        tiers = [r for r in tiers if r.meter not in replaced] + [r for r in rates if not r.is_base]
    timed = []
    if variant is None:
        for each in hours:
            start, end = _hhmm(each.constraint.start_time), _hhmm(each.constraint.end_time)  # type: ignore[union-attr]
            timed += [
                Rate(r.meter, r.usd, r.min_prompt_tokens, start, end) for r in _priced(each.prices.__dict__, unknown)
            ]
    return tuple(base + tiers + timed), unknown


def _priced(prices: "Quoted", unknown: list[str]) -> Iterator[Rate]:
    for name, price in sorted(prices.items()):
        if price is None:
            continue
        if name not in METERS:
            unknown.append(name)
            continue
        meter, units = METERS[name]
        base: Any = getattr(price, "base", price)
        yield Rate(meter, _per_unit(base, units, name))
        for tier in getattr(price, "tiers", ()):
            yield Rate(meter, _per_unit(tier.price, units, name), tier.start)


def _per_unit(amount: Decimal, units: int, name: str) -> Decimal:
    value = usd(amount, name)
    if value is None:
        raise RefusedError(f"{name} is negative: -1")
    return value / Decimal(units)


def _hhmm(value: time) -> int:
    if value.tzinfo is not None:
        value = datetime.combine(datetime(2000, 1, 1, tzinfo=UTC), value).astimezone(UTC).time()
    return value.hour * 100 + value.minute


SOURCE: Final = Source(
    name=NAME,
    title="genai-prices (package)",
    every=timedelta(days=1),
    url=None,
    url_setting=None,
    converse=converse,
    read=read,
)
