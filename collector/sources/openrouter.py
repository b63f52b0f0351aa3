"""OpenRouter: its list of models (with its own headline prices), and every model's endpoints.

Shapes and field meanings: the API's own OpenAPI description. Prices are USD per unit as strings; those of endpoints
are already after the discount.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final
from urllib.parse import quote

from collector.sources.base import Conversation, Json, Memo, Read, Request, Source, collect
from collector.sources.fields import (
    Fields,
    RefusedError,
    day,
    flag,
    names,
    number,
    obj,
    shown,
    text,
    usd,
    whole,
)
from db.catalog.facts import Detail, Reported
from db.catalog.identity import provider_slug
from db.errors import InputError, SourceError
from db.meters import COMPLETION, PROMPT, decimal_text
from db.polls.facts import Rejection
from db.prices.facts import Offer, Rate, Rates, Snapshot

NAME: Final = "openrouter"
MODELS: Final = "models"
ENDPOINTS: Final = "endpoints"

_CONDITIONS: Final = ("min_prompt_tokens", "utc_start", "utc_end")
_NO_RATES: Final = ("overrides", "discount")


def converse(memo: Memo, _now: datetime) -> Conversation:
    """The list of models first, then the endpoints of each model on it."""
    (listing,) = yield [Request("/models")]
    models = read(listing.document("OpenRouter's list of models"), memo)
    listed = {o.native_model for o in models.offers if o.detail.alias_of is None}
    wanted = sorted(listed)
    answers = yield [Request(f"/models/{quote(model, safe='/:')}/endpoints") for model in wanted]
    reads = []
    for model, answer in zip(wanted, answers, strict=True):
        try:
            document = answer.document(f"the list of endpoints of {model}")
            reads.append(memo.read(_scope(model), document, lambda d, m=model: _endpoints(m, d)))  # type: ignore[misc]
        except (InputError, SourceError) as error:
            reads.append(Read(rejections=(Rejection(ENDPOINTS, _scope(model), str(error)),)))
    if wanted and not any(read.offers for read in reads):
        # Nothing came of it, for whatever reason: no endpoint was looked at in this poll.
        reason = reads[0].rejections[0].reason if reads[0].rejections else "every list of endpoints was empty"
        note = Rejection(ENDPOINTS, None, f"no endpoint could be read: {reason}")
        return Snapshot(
            (MODELS,),
            models.items,
            models.offers,
            (*models.rejections, note),
            models.whole,
            models.unknown_fields,
        )
    both = collect((MODELS, ENDPOINTS), models.items, reads, whole=models.whole, extra=list(models.rejections))
    unknown = dict(models.unknown_fields)
    for name, count in both.unknown_fields.items():
        unknown[name] = unknown.get(name, 0) + count
    return Snapshot(both.parts, both.items, models.offers + both.offers, both.rejections, both.whole, unknown)


def read(document: Json, memo: Memo) -> Snapshot:
    """The list of models: `{"data": [...]}`, or the bare list."""
    items = document.get("data") if isinstance(document, dict) else document
    if not isinstance(items, list):
        raise InputError("OpenRouter's list of models is not usable: it holds no list named data.")
    reads, unnamed = [], []
    for item in items:
        name = item.get("id") if isinstance(item, dict) else None
        if isinstance(name, str) and name.strip():
            reads.append(memo.read(name, item, _model))
        else:
            unnamed.append(Rejection(MODELS, None, f"an entry without an id: {shown(item)}"))
    return collect((MODELS,), len(items), reads, whole=not unnamed, extra=unnamed)


def _model(item: Mapping[str, Any]) -> Read:
    """One entry of the list: OpenRouter's own price for the model, and what it says of it."""
    name = str(item["id"])
    try:
        rates, unknown = _rates(item.get("pricing"))
    except RefusedError as refused:
        return Read(rejections=(Rejection(MODELS, name.lower(), f"{name}: {refused}"),))
    fields = Fields(item)
    fields.skip("id", "pricing", "benchmarks", "links", "per_request_limits")
    architecture, top = fields.sub("architecture"), fields.sub("top_provider")
    architecture.skip("modality")
    said: dict[str, Any] = {
        "name": fields.take("name", text),
        "description": fields.take("description", text),
        "created": fields.take("created", whole),
        "knowledge_cutoff": fields.take("knowledge_cutoff", day),
        "expires": fields.take("expiration_date", day),
        "context_length": fields.take("context_length", whole),
        "top_context_length": top.take("context_length", whole),
        "max_completion_tokens": top.take("max_completion_tokens", whole),
        "input_modalities": architecture.take("input_modalities", names) or _modalities(item, 0),
        "output_modalities": architecture.take("output_modalities", names) or _modalities(item, 1),
        "parameters": fields.take("supported_parameters", names),
        "default_parameters": fields.take("default_parameters", obj) or None,
        "voices": fields.take("supported_voices", names),
        "tokenizer": architecture.take("tokenizer", text),
        "instruct_type": architecture.take("instruct_type", text),
        "moderated": top.take("is_moderated", flag),
        "reasoning": fields.take("reasoning", obj),
        "hugging_face_id": fields.take("hugging_face_id", text),
        "permaslug": fields.take("canonical_slug", text),
        "alias_of": fields.take("alias_target", text),
    }
    for part in (fields, architecture, top):
        part.rest()
    detail = Detail(native_model=name, **said, extra=fields.extra or None)
    offer = Offer(
        part=MODELS,
        scope=name.lower(),
        key=name.lower(),
        provider=NAME,
        provider_name="OpenRouter",
        native_model=name,
        rates=rates,
        detail=detail,
        benchmarks=obj(item.get("benchmarks")) or None,
    )
    return Read((offer,), (), (*fields.unknown, *unknown))


def _modalities(item: Mapping[str, Any], side: int) -> tuple[str, ...] | None:
    """From `text+image->text`, which is all that early polls have."""
    modality = (obj(item.get("architecture")) or {}).get("modality")
    if not isinstance(modality, str) or modality.count("->") != 1:
        return None
    return tuple(sorted(filter(None, modality.split("->")[side].split("+")))) or None


def _endpoints(model: str, document: Json) -> Read:
    """All endpoints of one model."""
    data = obj(document.get("data")) if isinstance(document, dict) else None
    items = data.get("endpoints") if data is not None else None
    if not isinstance(items, list):
        raise InputError(f"the list of endpoints of {model} is not usable: it holds no data.endpoints.")
    tags = [_tag(item) for item in items]
    offers, rejections, unknown = [], [], []
    for item, tag in zip(items, tags, strict=True):
        if tag is None:
            reason = f"{model}: an endpoint without tag and name: {shown(item)}"
            rejections.append(Rejection(ENDPOINTS, _scope(model), reason))
            continue
        # The same tag twice is told apart by the endpoint's name.
        key = tag if tags.count(tag) == 1 else f"{tag} {item.get('name')}"
        try:
            offer, fields_unknown = _endpoint(model, key, item)
        except RefusedError as refused:
            rejections.append(Rejection(ENDPOINTS, f"{_scope(model)}{key}".lower(), f"{model} at {tag}: {refused}"))
            continue
        offers.append(offer)
        unknown += fields_unknown
    return Read(tuple(offers), tuple(rejections), tuple(unknown))


def _tag(item: Json) -> str | None:
    if not isinstance(item, dict):
        return None
    return text(item.get("tag")) or text(item.get("name"))


def _endpoint(model: str, key: str, item: Mapping[str, Any]) -> tuple[Offer, list[str]]:
    rates, unknown = _rates(item.get("pricing"))
    provider_name = text(item.get("provider_name")) or key.split(" | ", maxsplit=1)[0].split("/", maxsplit=1)[0]
    tag = text(item.get("tag"))
    # Tags name the provider most exactly; bodies before mid-2025 have none, and call Vertex just "Google".
    old_name = "google-vertex" if provider_name == "Google" else provider_slug(provider_name)
    fields = Fields(item)
    fields.skip("name", "tag", "provider_name", "pricing", "model_id", "model_name")
    fields.skip("latency_last_30m", "throughput_last_30m", "uptime_last_5m", "uptime_last_30m", "uptime_last_1d")
    quantization = fields.take("quantization", text)
    discount = usd((item.get("pricing") or {}).get("discount"), "discount") if _has_discount(item) else None
    said: dict[str, Any] = {
        "context_length": fields.take("context_length", whole),
        "max_prompt_tokens": fields.take("max_prompt_tokens", whole),
        "max_completion_tokens": fields.take("max_completion_tokens", whole),
        "parameters": fields.take("supported_parameters", names),
        "quantization": None if quantization == "unknown" else quantization,
        "implicit_caching": fields.take("supports_implicit_caching", flag),
        "status": fields.take("status", whole),
        "discount": decimal_text(discount) if discount else None,
    }
    fields.rest()
    detail = Detail(native_model=text(item.get("name")) or model, **said, extra=fields.extra or None)
    offer = Offer(
        part=ENDPOINTS,
        scope=_scope(model),
        key=f"{_scope(model)}{key}".lower(),
        provider=provider_slug(tag.split("/")[0]) if tag else old_name,
        provider_name=provider_name,
        native_model=model,
        rates=rates,
        detail=detail,
        reported=_reported(item),
    )
    return offer, [*fields.unknown, *unknown]


def _has_discount(item: Mapping[str, Any]) -> bool:
    value = number((obj(item.get("pricing")) or {}).get("discount"))
    return value is not None and 0 < value < 1


def _reported(item: Mapping[str, Any]) -> Reported | None:
    uptimes = [number(item.get(f"uptime_last_{window}")) for window in ("5m", "30m", "1d")]
    latency = _percentiles(item.get("latency_last_30m"))
    if latency and max(value for _, value in latency) < 5:
        # Real figures are milliseconds; one this small was given in seconds.
        latency = tuple((name, value * 1000) for name, value in latency)
    speed = _percentiles(item.get("throughput_last_30m"))
    if latency or speed or any(value is not None for value in uptimes):
        last_5m, last_30m, last_1d = uptimes
        return Reported(last_5m, last_30m, last_1d, latency, speed)
    return None


def _percentiles(value: Any) -> tuple[tuple[str, float], ...]:
    figures = obj(value) or {}
    found = ((name, number(figures.get(name))) for name in ("p50", "p75", "p90", "p99"))
    return tuple((name, figure) for name, figure in found if figure is not None)


def _rates(pricing: Any) -> tuple[Rates, list[str]]:
    """The rates of a `pricing` object, and its fields that are neither a rate nor known.

    Raises RefusedError where one cannot be read: half a price is worse than none.
    """
    if not isinstance(pricing, dict):
        raise RefusedError(f"pricing is not an object: {shown(pricing)}")
    missing = [meter for meter in (PROMPT, COMPLETION) if pricing.get(meter) is None]
    if missing:
        raise RefusedError(f"pricing has no {missing[0]}")
    rates = []
    unknown = []
    for meter in sorted(pricing):
        if meter in _NO_RATES or pricing[meter] is None:
            continue
        if isinstance(pricing[meter], dict | list):
            unknown.append(f"pricing.{meter}")
        else:
            rates.append(Rate(meter, usd(pricing[meter], meter)))
    overrides = pricing.get("overrides") or []
    if not isinstance(overrides, list):
        raise RefusedError(f"overrides is not a list: {shown(overrides)}")
    for override in overrides:
        rates += _override(override)
    return tuple(rates), unknown


def _override(override: Any) -> list[Rate]:
    if not isinstance(override, dict):
        raise RefusedError(f"an override is not an object: {shown(override)}")
    conditions = {}
    for name in _CONDITIONS:
        if override.get(name) is not None:
            value = whole(override[name])
            if value is None or value < 0:
                raise RefusedError(f"override condition {name} is no number: {shown(override[name])}")
            conditions[name] = value
    if not conditions or ("utc_start" in conditions) != ("utc_end" in conditions):
        raise RefusedError(f"an override without a usable condition: {shown(override)}")
    for name in ("utc_start", "utc_end"):
        if name in conditions and (conditions[name] > 2400 or conditions[name] % 100 > 59):
            raise RefusedError(f"override condition {name} is no time of day: {conditions[name]}")
    return [
        Rate(meter, usd(value, meter), **conditions)
        for meter, value in sorted(override.items())
        if meter not in _CONDITIONS and value is not None
    ]


def _scope(model: str) -> str:
    return f"{model.lower()}@"


SOURCE: Final = Source(
    name=NAME,
    title="OpenRouter",
    every=timedelta(hours=1),
    url="https://openrouter.ai/api/v1",
    url_setting="RATECARD_OPENROUTER_URL",
    converse=converse,
    read=read,
)
