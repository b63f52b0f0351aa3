"""The same requests for both: priced by our engine over our ledger, and one by one by genai-prices itself."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any

import genai_prices
import pyarrow as pa
import pyarrow.parquet as pq
from genai_prices.data import providers
from genai_prices.types import ModelInfo, Provider
from sqlalchemy import Connection

from collector.sources.genai_prices import snapshot
from db.polls.facts import Poll, Status
from db.prices import store
from db.usage.engine import Costing, open_engine
from db.usage.facts import COUNTED
from db.usage.pricing import Pricing
from db.usage.resolve import Name, Why
from db.usage.store import priced_names

PROVIDERS = ("anthropic", "cohere", "deepseek", "google", "groq", "mistral", "openai", "perplexity", "x-ai")
OURS = [provider for provider in providers if provider.id in PROVIDERS]
FIRST = date(2025, 5, 1)
# What a request used beside prompt and completion.
KINDS: dict[str, tuple[str, ...]] = {
    "plain": (),
    "cached": ("input_cache_read", "input_cache_write"),
    "cached for an hour": ("input_cache_read", "input_cache_write", "input_cache_write_1h"),
    "long": ("input_cache_read",),
    "reasoning": ("internal_reasoning",),
    "audio": ("audio", "audio_output"),
    "cached audio": ("audio", "input_audio_cache"),
    "image": ("image_token",),
    "search": ("web_search",),
}
# Our variant -> what genai-prices wants to be told of the request.
CONTEXTS: dict[str, dict[str, str]] = {
    "": {},
    "batch": {"processing": "batch"},
    "flex": {"service_tier": "flex"},
    "priority": {"service_tier": "priority"},
}


@dataclass(frozen=True)
class Request:
    kind: str
    provider: Provider
    model: ModelInfo
    variant: str
    at: datetime
    units: dict[str, int]

    @property
    def name(self) -> Name:
        return Name(self.model.id, self.provider.id, variant=self.variant)


@dataclass(frozen=True)
class Ours:
    """What our engine says. `usd` None: unpriced, for `why`."""

    usd: Decimal | None
    why: Why | None


@dataclass(frozen=True)
class Theirs:
    """What genai-prices says: `usd`, or that it refuses."""

    usd: Decimal | None
    refusal: str = ""
    provider: Provider | None = None
    model: ModelInfo | None = None


def start_dates() -> list[date]:
    """When some price of the package begins."""
    models = [model for provider in OURS for model in provider.models]
    dated = [each for model in models if isinstance(model.prices, list) for each in model.prices]
    variants: list[Any] = [v for m in models for v in m.price_variants or ()]
    constraints = [each.constraint for each in (*dated, *variants)]
    return sorted({FIRST, *(c.start_date for c in constraints if hasattr(c, "start_date"))})


def fill(connection: Connection) -> None:
    """A poll of the package on each day on which it knows of a new price."""
    recorder = store.Recorder(connection, "genai_prices", store.Book(), ())
    for day in start_dates():
        at = datetime.combine(day, time(), UTC)
        recorder.add(Poll("genai_prices", (), at, at, Status.OK), snapshot(OURS, at))
    recorder.flush()


def requests(count: int, seed: int) -> list[Request]:
    rng = Random(seed)
    models = [(provider, model) for provider in OURS for model in provider.models]
    days = [(day - FIRST).days for day in start_dates()]
    found = []
    for i in range(count):
        provider, model = rng.choice(models)
        variant = rng.choice([*CONTEXTS] if model.price_variants else [""])
        day = rng.choice(days) if rng.random() < 0.3 else rng.randrange(max(days) + 30)
        # Some exactly at midnight, when a dated price begins, or when hours of the day do.
        second = rng.choice((0, 1_800, 3_600, 14_400, 59_400)) if rng.random() < 0.2 else rng.randrange(86_400)
        at = datetime.combine(FIRST, time(), UTC) + timedelta(days=day, seconds=second)
        kind = [*KINDS][i % len(KINDS)]
        found.append(Request(kind, provider, model, variant, at, _units(rng, kind)))
    return found


def _units(rng: Random, kind: str) -> dict[str, int]:
    prompt = rng.choice((128_000, 200_000, 272_000)) + rng.randint(0, 1) if kind == "long" else rng.randrange(20_000)
    extra = {m: rng.randrange(1, 5) if m == "web_search" else rng.randrange(1, 9_000) for m in KINDS[kind]}
    return {"prompt": prompt, "completion": rng.randrange(3_000), **extra}


def our_costs(connection: Connection, wanted: Sequence[Request], folder: Path) -> list[Ours]:
    """Each request is a project of its own, so that it has a cell of its own."""
    table = {
        "time": pa.array([r.at.replace(tzinfo=None) for r in wanted], pa.timestamp("us")),
        **{n: [getattr(r.name, n) for r in wanted] for n in ("model", "provider", "endpoint", "variant")},
        "project": [str(i) for i in range(len(wanted))],
        **{meter: [r.units.get(meter, 0) for r in wanted] for meter in COUNTED},
    }
    file = folder / "usage.parquet"
    pq.write_table(pa.table(table), file)
    with open_engine(Costing(home=folder)) as engine:
        priced = priced_names(connection, engine.names([file]))
        engine.cost([file], priced, folder / "cells")
    cells = pq.read_table(folder / "cells").to_pylist()
    return [_ours(cell, priced) for cell in sorted(cells, key=lambda cell: int(cell["project"]))]


def _ours(cell: dict[str, Any], priced: Pricing) -> Ours:
    if cell["cost_femto"] is not None:
        return Ours(Decimal(int(cell["cost_femto"])).scaleb(-15), None)
    entry = priced.entries[cell["segment"]]
    return Ours(None, entry.resolved.why or (Why.NO_PRICE if entry.segment.price is None else Why.NO_RATE))


def their_cost(request: Request, units: dict[str, int] | None = None) -> Theirs:
    """By their own lookup and sum; `units` instead of the request's own."""
    try:
        said = genai_prices.calc_price(
            their_usage(request.units if units is None else units),
            request.model.id,
            provider_id=request.provider.id,
            genai_request_timestamp=request.at,
            price_context=CONTEXTS[request.variant],
        )
    except (LookupError, ValueError) as error:
        return Theirs(None, str(error))
    return Theirs(said.total_price, provider=said.provider, model=said.model)


def their_usage(units: dict[str, int]) -> genai_prices.Usage:
    """Disjoint counts as their overlapping ones."""

    def total(*meters: str) -> int:
        return sum(units.get(meter, 0) for meter in meters)

    writes = ("input_cache_write", "input_cache_write_1h")
    reads = ("input_cache_read", "input_audio_cache")
    return genai_prices.Usage(
        input_tokens=total("prompt", *reads, *writes, "audio", "image_token"),
        cache_read_tokens=total(*reads),
        cache_write_tokens=total(*writes),
        cache_write_1h_tokens=total("input_cache_write_1h"),
        input_audio_tokens=total("audio", "input_audio_cache"),
        cache_audio_read_tokens=total("input_audio_cache"),
        input_image_tokens=total("image_token"),
        output_tokens=total("completion", "internal_reasoning", "audio_output"),
        output_reasoning_tokens=total("internal_reasoning"),
        output_audio_tokens=total("audio_output"),
        web_searches=total("web_search"),
    )
