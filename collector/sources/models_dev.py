"""models.dev: one document with every provider's models. Prices are USD per 1M tokens, as JSON numbers.

The numbers carry artefacts of binary floats; `clean_float` says how they are undone.
"""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Final

from collector.sources.base import Conversation, Json, Memo, Read, Request, Source, collect, last_wins
from collector.sources.fields import (
    MOST_TOKENS,
    Fields,
    RefusedError,
    clean_float,
    day,
    flag,
    length,
    named,
    names,
    obj,
    shown,
    text,
    usd,
    whole,
)
from db.catalog.facts import Detail
from db.catalog.identity import provider_slug
from db.errors import InputError
from db.polls.facts import Rejection
from db.prices.facts import Offer, Rate, Rates, Snapshot

NAME: Final = "models_dev"
PART: Final = "api"

METERS: Final[dict[str, str]] = {
    "input": "prompt",
    "output": "completion",
    "reasoning": "internal_reasoning",
    "cache_read": "input_cache_read",
    "cache_write": "input_cache_write",
    "input_audio": "audio",
    "output_audio": "audio_output",
    # How some entries spelled it before the schema was held.
    "cached_input": "input_cache_read",
    "cached_read": "input_cache_read",
    "cache_input": "input_cache_read",
    "cached": "input_cache_read",
    "inputCached": "input_cache_read",
    "cached_write": "input_cache_write",
}
_OVER_200K: Final = "context_over_200k"


def converse(memo: Memo, _now: datetime) -> Conversation:
    """One document holds it all."""
    (answer,) = yield [Request("/api.json")]
    return read(answer.document("the models.dev document"), memo)


def read(document: Json, memo: Memo) -> Snapshot:
    """`{provider: {name, models: {id: {...}}}}`."""
    providers = obj(document)
    if not providers or not any(isinstance(p, dict) and "models" in p for p in providers.values()):
        raise InputError("The models.dev document is not usable: it holds no providers with models.")
    reads, lost = [], []
    for provider_id, provider in providers.items():
        models = obj(provider.get("models")) if isinstance(provider, dict) else None
        if models is None or named(provider_id) is None:
            lost.append(Rejection(PART, None, f"provider {shown(provider_id)} without a list of models"))
            continue
        title = named(provider.get("name")) or provider_id
        for model, item in models.items():
            if named(model) is None:
                lost.append(Rejection(PART, None, f"a model of {provider_id} without a usable name: {shown(model)}"))
                continue

            def parse(item: Json, provider_id: str = provider_id, title: str = title, model: str = model) -> Read:
                return _model(provider_id, title, model, item)

            reads.append(memo.read(f"{provider_id}/{model}\n{title}", item, parse))
    return collect((PART,), len(reads) + len(lost), reads, whole=not lost, extra=lost)


def _model(provider_id: str, title: str, model: str, item: Json) -> Read:
    key = f"{provider_id}/{model}".lower()
    if not isinstance(item, dict):
        return Read(rejections=(Rejection(PART, key, f"{key}: the entry is not an object: {shown(item)}"),))
    try:
        rates, unread = _rates(item.get("cost"))
    except RefusedError as refused:
        return Read(rejections=(Rejection(PART, key, f"{key}: {refused}"),))
    fields = Fields(item)
    fields.skip(
        "attachment",
        "interleaved",
        "experimental",
        "id",
        "cost",
        "extends",
        "family",
        "last_updated",
        "provider",
        "benchmarks",
        "weights",
    )
    limit, modalities = fields.sub("limit"), fields.sub("modalities")
    reasoning, options = fields.take("reasoning", flag), fields.take("reasoning_options", _objects)
    said: dict[str, Any] = {
        "name": fields.take("name", text),
        "description": fields.take("description", text),
        "released": fields.take("release_date", day),
        "knowledge_cutoff": fields.take("knowledge", day),
        "context_length": limit.take("context", length),
        "max_prompt_tokens": limit.take("input", length),
        "max_completion_tokens": limit.take("output", length),
        "input_modalities": modalities.take("input", names),
        "output_modalities": modalities.take("output", names),
        "parameters": _parameters(fields, bool(reasoning)),
        "open_weights": fields.take("open_weights", flag),
        "lifecycle": fields.take("status", text),
        "reasoning": {"options": options} if options else None,
    }
    for part in (fields, limit, modalities):
        part.rest()
    fields.keep_all(unread)
    offer = Offer(
        part=PART,
        scope=key,
        key=key,
        provider=provider_slug(provider_id),
        provider_name=title,
        native_model=model,
        rates=rates,
        detail=Detail(native_model=model, **said, extra=fields.extra or None),
    )
    return Read((offer,), (), tuple(fields.unknown))


def _parameters(fields: Fields, reasoning: bool) -> tuple[str, ...] | None:
    """What the capability flags say, in the names of the chat-completions parameters."""
    named = {"temperature": "temperature", "tool_call": "tools", "structured_output": "structured_outputs"}
    flags = {parameter: fields.take(name, flag) for name, parameter in named.items()}
    if reasoning:
        flags["reasoning"] = True
    if all(value is None for value in flags.values()):
        return None
    return tuple(sorted(parameter for parameter, value in flags.items() if value))


def _objects(value: Any) -> list[Any] | None:
    return value if isinstance(value, list) else None


def _rates(cost: Any) -> tuple[Rates, dict[str, Any]]:
    """The rates of a `cost` object (none where there is no such object), and its fields that are none."""
    if cost is None:
        return (), {}
    if not isinstance(cost, dict):
        raise RefusedError(f"cost is not an object: {shown(cost)}")
    # Of several that match the last one wins, so the longest prompts come last.
    tiers = sorted(_tiers(cost), key=lambda tier: tier[0])
    rates = [*_priced(cost, 0), *(rate for start, tier in tiers for rate in _priced(tier, start))]
    unread = dict(_unread(cost, "cost.", (_OVER_200K, "tiers")))
    for start, tier in tiers:
        unread |= _unread(tier, f"cost.above_{start}.", ("tier",))
    return last_wins(rates), unread


def _tiers(cost: Mapping[str, Any]) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """Each price tier with the prompt length that it begins at: one token above its size."""
    if (over := cost.get(_OVER_200K)) is not None:
        yield 200_000, _tier(over)
    tiers = cost.get("tiers")
    if tiers is not None and not isinstance(tiers, list):
        raise RefusedError(f"tiers is not a list: {shown(tiers)}")
    for tier in tiers or ():
        condition = obj(_tier(tier).get("tier")) or {}
        size = whole(condition.get("size"))
        if size is None or not 0 <= size < MOST_TOKENS or condition.get("type", "context") != "context":
            raise RefusedError(f"a tier without a usable size: {shown(tier)}")
        yield size, tier


def _unread(cost: Mapping[str, Any], prefix: str, known: Iterable[str]) -> Iterator[tuple[str, Any]]:
    for name in sorted(cost.keys() - METERS.keys() - set(known)):
        if cost[name] is not None:
            yield prefix + name, cost[name]


def _tier(value: Any) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise RefusedError(f"a price tier is not an object: {shown(value)}")
    return value


def _priced(cost: Mapping[str, Any], min_prompt_tokens: int) -> Iterator[Rate]:
    """One rate a meter, USD per token. Where two spellings of one meter stand, the schema's own wins."""
    seen = set()
    for name, meter in METERS.items():
        if cost.get(name) is None or meter in seen:
            continue
        seen.add(meter)
        per_million = usd(cost[name], name)
        if per_million is None:
            raise RefusedError(f"{name} is negative: -1")
        yield Rate(meter, clean_float(per_million) / Decimal(1_000_000), min_prompt_tokens)


SOURCE: Final = Source(
    name=NAME,
    title="models.dev",
    every=timedelta(hours=6),
    url="https://models.dev",
    url_setting="RATECARD_MODELS_DEV_URL",
    converse=converse,
    read=read,
)
