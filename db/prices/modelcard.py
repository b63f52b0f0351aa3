"""What a model card says, from what its endpoints' sources said. Pure: nothing here reads or fetches."""

import re
from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final

from db.catalog.facts import Endpoint, Event, Listing, Reported
from db.catalog.identity import OWN_API, REFERENCE, author_of
from db.meters import COMPLETION, PROMPT
from db.prices.facts import Price, Rates
from db.prices.rates import base_rate

SOURCE_ORDER: Final = (REFERENCE, "models_dev", "litellm", "genai_prices")
"""Whose word counts where several say something of one endpoint: the seller's own API first."""

_BILLIONS: Final = re.compile(r"(?<![a-z0-9.])(?:(\d+)x)?(\d+(?:\.\d+)?)(b|t)(?![a-z0-9])")
_ACTIVE: Final = re.compile(r"(?<![a-z0-9])a(\d+(?:\.\d+)?)b(?![a-z0-9])")
_ACTIVE_OF_EXPERTS: Final = re.compile(r"(?<![a-z0-9.])(\d+(?:\.\d+)?)b-\d+e(?![a-z0-9])")

FEATURES: Final[dict[str, str]] = {
    "tools": "Tool calling",
    "structured_outputs": "Structured outputs",
    "response_format": "JSON mode",
    "reasoning": "Reasoning",
    "logprobs": "Log probabilities",
    "seed": "Reproducible seed",
    "web_search_options": "Web search",
}
_INPUTS: Final = {
    "image": "Vision",
    "audio": "Audio input",
    "file": "File input",
    "pdf": "PDF input",
    "video": "Video input",
}


@dataclass(frozen=True, slots=True)
class Fact:
    """One line of the specifications, with where it comes from.

    `value` is as stored (tokens, ISO dates, names); `derived` says how, where no source said it in so many words.
    """

    name: str
    value: Any
    source: str
    since: datetime | None
    derived: str | None = None


@dataclass(frozen=True, slots=True)
class CostTier:
    """How dear a model is among its peers: `percentile` of the cohort's `n` models are cheaper, by blended price.

    `usd_per_token` is at three prompt tokens to one completion token.
    """

    tier: str
    percentile: float
    n: int
    cohort: str
    usd_per_token: Decimal


@dataclass(frozen=True, slots=True)
class Offered:
    """One line of the endpoint table: where a model can be had, at what price, and what is said of it."""

    endpoint: Endpoint
    listing: Listing | None
    price: Price | None
    reported: Reported | None
    reported_at: datetime | None


@dataclass(frozen=True, slots=True)
class Disagreement:
    """Two sources that quote different rates for one endpoint; `ratio` is the dearer over the cheaper."""

    provider: str
    variant: str | None
    meter: str
    quotes: tuple[tuple[str, Decimal], ...]

    @property
    def ratio(self) -> Decimal | None:
        amounts = [usd for _, usd in self.quotes]
        return max(amounts) / min(amounts) if min(amounts) > 0 else None


@dataclass(frozen=True, slots=True)
class Card:
    """Everything that is known of one model at one time."""

    model: str
    name: str
    author: str
    at: datetime
    description: str | None
    specifications: tuple[Fact, ...]
    parameters: tuple[str, ...]
    features: tuple[str, ...]
    cost_tier: CostTier | None
    offered: tuple[Offered, ...]
    disagreements: tuple[Disagreement, ...]
    benchmarks: Mapping[str, Any]
    events: tuple[Event, ...]
    others: tuple[tuple[str, str], ...]

    @property
    def headline(self) -> Offered | None:
        """The lister's own price of the plain model, else the first endpoint that has a price."""
        own = (o for o in self.offered if o.endpoint.is_headline and o.endpoint.variant is None and o.price)
        return next(own, next((o for o in self.offered if o.price and o.price.rates), None))


def by_trust(listings: Iterable[Listing]) -> list[Listing]:
    """Listings, the one whose word counts first in front: the reference's plain model, its endpoints, the author's
    own API, then the others by source."""

    def rank(listing: Listing) -> tuple[Any, ...]:
        e = listing.endpoint
        own_api = OWN_API.get(e.provider) == author_of(e.model)
        order = SOURCE_ORDER.index(e.source) if e.source in SOURCE_ORDER else len(SOURCE_ORDER)
        return (
            not e.is_headline,
            order if e.source == REFERENCE else 1,
            not own_api,
            e.variant or "",
            order,
            e.id,
        )

    return sorted(listings, key=rank)


def specifications(model: str, listings: Sequence[Listing]) -> list[Fact]:
    """The key specifications; each from the first source that says it. What no source says is left out."""
    facts = []
    for name in (
        "context_length",
        "max_completion_tokens",
        "input_modalities",
        "output_modalities",
        "released",
        "created",
        "knowledge_cutoff",
        "expires",
        "tokenizer",
        "open_weights",
        "hugging_face_id",
        "moderated",
        "lifecycle",
        "alias_of",
    ):
        for listing in listings:
            value = getattr(listing.detail, name)
            if value is None:
                continue
            if name == "created":
                value = datetime.fromtimestamp(value, UTC).date().isoformat()
            facts.append(Fact(name, value, listing.endpoint.name, listing.since))
            break
    hugging_face = next((each.detail.hugging_face_id for each in listings if each.detail.hugging_face_id), None)
    if size := parameter_count(hugging_face or model) or parameter_count(model):
        facts.insert(0, size)
    return facts


def parameter_count(name: str) -> Fact | None:
    """The parameter count in a model's name, in billions: `hermes-4-405b` -> 405."""
    text = name.lower().rpartition("/")[2].replace("_", "-")
    found = _BILLIONS.findall(text)
    if not found:
        return None
    derived = f"from the name {name.rpartition('/')[2]}"
    if part := _ACTIVE_OF_EXPERTS.search(text):
        # "17b-16e" is 17 billion active with 16 experts; the name does not tell the whole.
        return Fact("parameter_count", f"{part[1]}B active", name, None, derived)
    # "30b-a3b" has 30 billion of which 3 are active; where two sizes stand, the larger is the whole.
    billions = max(float(size) * int(experts or 1) * (1000 if unit == "t" else 1) for experts, size, unit in found)
    active = _ACTIVE.search(text)
    value = f"{billions:g}B" + (f" ({active[1]}B active)" if active else "")
    return Fact("parameter_count", value, name, None, derived)


def parameters(listings: Iterable[Listing]) -> tuple[str, ...]:
    """Every request parameter that some endpoint supports."""
    return tuple(sorted({p for listing in listings for p in listing.detail.parameters or ()}))


def features(listings: Sequence[Listing]) -> tuple[str, ...]:
    """What the model can do, in words."""
    supported = set(parameters(listings))
    found = [label for parameter, label in FEATURES.items() if parameter in supported]
    inputs = {m for listing in listings for m in listing.detail.input_modalities or ()}
    found += [label for modality, label in _INPUTS.items() if modality in inputs]
    outputs = {m for listing in listings for m in listing.detail.output_modalities or ()}
    found += [f"{m.capitalize()} output" for m in sorted(outputs - {"text"})]
    if any(listing.detail.implicit_caching for listing in listings):
        found.append("Implicit caching")
    if any(listing.detail.open_weights for listing in listings):
        found.append("Open weights")
    return tuple(found)


def cost_tier(usd_per_token: Decimal | None, cohort: Sequence[Decimal], name: str) -> CostTier | None:
    """`$` to `$$$$` by quartile of the paid models in `cohort`; `free` for a price of zero."""
    if usd_per_token is None:
        return None
    paid = sorted(price for price in cohort if price > 0)
    if usd_per_token == 0:
        return CostTier("free", 0.0, len(paid), name, usd_per_token)
    if not paid:
        return None
    share = bisect_left(paid, usd_per_token) / len(paid)
    return CostTier("$" * min(4, int(share * 4) + 1), round(share * 100, 1), len(paid), name, usd_per_token)


def disagreements(prices: Iterable[Price]) -> list[Disagreement]:
    """Where sources quote different rates for the same provider, variant and quantization."""
    groups: dict[tuple[str, str | None, str | None], dict[str, Rates]] = {}
    for price in prices:
        e = price.endpoint
        if price.rates:
            groups.setdefault((e.provider, e.variant, e.quantization), {}).setdefault(e.source, price.rates)
    found = []
    for (provider, variant, _), by_source in groups.items():
        for meter in (PROMPT, COMPLETION):
            rates = {source: base_rate(r, meter) for source, r in by_source.items()}
            quotes = tuple((source, r.usd) for source, r in rates.items() if r is not None and r.usd is not None)
            if len({usd for _, usd in quotes}) > 1:
                found.append(Disagreement(provider, variant, meter, quotes))
    return found
