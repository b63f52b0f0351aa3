"""OpenRouter: its list of models (with its own headline prices), and every model's endpoints.

Shapes and field meanings: the API's own OpenAPI description. Prices are USD per unit as strings; those of endpoints
are already after the discount.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Final
from urllib.parse import quote

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
    percent,
    percentiles,
    share,
    shown,
    text,
    usd,
    whole,
)
from db.catalog.facts import Detail, Reported
from db.catalog.identity import provider_slug
from db.errors import InputError, SourceError
from db.meters import COMPLETION, PROMPT, UNITS, decimal_text
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
    wanted = sorted({o.native_model for o in models.offers if o.detail.alias_of is None})
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
        return replace(models, rejections=(*models.rejections, note))
    both = collect((MODELS, ENDPOINTS), models.items, reads, whole=models.whole, extra=list(models.rejections))
    unknown = Counter(models.unknown_fields) + Counter(both.unknown_fields)
    return replace(both, offers=models.offers + both.offers, unknown_fields=unknown)


def read(document: Json, memo: Memo) -> Snapshot:
    """The list of models: `{"data": [...]}`, or the bare list."""
    items = document.get("data") if isinstance(document, dict) else document
    if not isinstance(items, list):
        raise InputError("OpenRouter's list of models is not usable: it holds no list named data.")
    reads, unnamed = [], []
    for item in items:
        name = named(item.get("id")) if isinstance(item, dict) else None
        if name is not None:
            reads.append(memo.read(name, item, _model, _revised))
        else:
            unnamed.append(Rejection(MODELS, None, f"an entry without a usable id: {shown(item)}"))
    return collect((MODELS,), len(items), reads, whole=not unnamed, extra=unnamed)


def _model(item: Mapping[str, Any]) -> Read:
    """One entry of the list: OpenRouter's own price, and what it says of the model."""
    name = str(item["id"])
    try:
        rates, unread = _rates(item.get("pricing"))
    except RefusedError as refused:
        return Read(rejections=(Rejection(MODELS, name.lower(), f"{name}: {refused}"),))
    fields = Fields(item)
    fields.skip("id", "pricing", "links", "per_request_limits")
    benchmarks = fields.take("benchmarks", obj)
    architecture, top = fields.sub("architecture"), fields.sub("top_provider")
    architecture.skip("modality")
    said: dict[str, Any] = {
        "name": fields.take("name", text),
        "description": fields.take("description", text),
        "created": fields.take("created", whole),
        "knowledge_cutoff": fields.take("knowledge_cutoff", day),
        "expires": fields.take("expiration_date", day),
        "context_length": fields.take("context_length", length),
        "top_context_length": top.take("context_length", length),
        "max_completion_tokens": top.take("max_completion_tokens", length),
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
        "alias_of": fields.sub("alias_target").take("slug", named),
        "discount": _discount(item["pricing"], fields),
    }
    for part in (fields, architecture, top):
        part.rest()
    fields.keep_all(unread)
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
        benchmarks=benchmarks or None,
    )
    return Read((offer,), (), tuple(fields.unknown))


def _revised(before: Read, moved: Mapping[str, Any]) -> Read | None:
    """The entry with other benchmarks: what moves most often moves alone."""
    benchmarks = obj(moved.get("benchmarks"))
    if benchmarks is None or len(moved) > 1 or "benchmarks" in before.unknown or not before.offers:
        return None
    return replace(before, offers=(replace(before.offers[0], benchmarks=benchmarks or None),))


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
    spelled = [tag.lower() for tag in tags if tag is not None]
    offers, rejections, unknown = [], [], []
    for item, tag in zip(items, tags, strict=True):
        is_shared = tag is not None and spelled.count(tag.lower()) > 1
        if tag is None or (is_shared and named(item.get("name")) is None):
            reason = f"{model}: an endpoint without a usable tag or name: {shown(item)}"
            rejections.append(Rejection(ENDPOINTS, _scope(model), reason))
            continue
        # The same tag twice is told apart by the endpoint's name.
        key = f"{tag} {item['name']}" if is_shared else tag
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
    # Bodies before mid-2025 have no tags.
    return named(item["tag"] if item.get("tag") not in (None, "") else item.get("name"))


def _endpoint(model: str, key: str, item: Mapping[str, Any]) -> tuple[Offer, list[str]]:
    rates, unread = _rates(item.get("pricing"))
    fields = Fields(item)
    fields.skip("name", "tag", "pricing", "model_id", "model_name")
    provider_name = fields.take("provider_name", named) or key.split(" | ", maxsplit=1)[0].split("/", maxsplit=1)[0]
    tag = text(item.get("tag"))
    # Tags name the provider most exactly; bodies before mid-2025 have none, and call Vertex just "Google".
    old_name = "google-vertex" if provider_name == "Google" else provider_slug(provider_name)
    reported = _reported(fields)
    quantization = fields.take("quantization", text)
    said: dict[str, Any] = {
        "context_length": fields.take("context_length", length),
        "max_prompt_tokens": fields.take("max_prompt_tokens", length),
        "max_completion_tokens": fields.take("max_completion_tokens", length),
        "parameters": fields.take("supported_parameters", names),
        "quantization": None if quantization == "unknown" else quantization,
        "implicit_caching": fields.take("supports_implicit_caching", flag),
        "status": fields.take("status", whole),
        "discount": _discount(item["pricing"], fields),
    }
    fields.rest()
    fields.keep_all(unread)
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
        reported=reported,
    )
    return offer, fields.unknown


def _discount(pricing: Mapping[str, Any], fields: Fields) -> str | None:
    """The share that is already off the prices, as decimal text; below zero it is a surcharge."""
    discount = Fields(pricing, "pricing.", fields.extra, fields.unknown).take("discount", share)
    return decimal_text(clean_float(discount)) if discount else None


def _reported(fields: Fields) -> Reported | None:
    # What cannot be used is counted, but not kept: it would be another detail in every poll.
    figures = Fields(fields.item, unknown=fields.unknown, known=fields.known)
    latency = figures.take("latency_last_30m", percentiles) or ()
    if latency and max(value for _, value in latency) < 5:
        # Real figures are milliseconds; one this small was given in seconds.
        latency = tuple((name, value * 1000) for name, value in latency)
    speed = figures.take("throughput_last_30m", percentiles) or ()
    last_5m, last_30m, last_1d = (figures.take(f"uptime_last_{span}", percent) for span in ("5m", "30m", "1d"))
    reported = Reported(last_5m, last_30m, last_1d, latency, speed)
    return reported if reported != Reported() else None


def _rates(pricing: Any) -> tuple[Rates, dict[str, Any]]:
    """The rates of a `pricing` object, and its fields that are neither a known meter nor an amount.

    Raises RefusedError where a known meter cannot be read: half a price is worse than none.
    """
    if not isinstance(pricing, dict):
        raise RefusedError(f"pricing is not an object: {shown(pricing)}")
    missing = [meter for meter in (PROMPT, COMPLETION) if pricing.get(meter) is None]
    if missing:
        raise RefusedError(f"pricing has no {missing[0]}")
    rates = []
    unread = {}
    for meter in sorted(pricing):
        if meter in _NO_RATES or pricing[meter] is None:
            continue
        try:
            rates.append(Rate(meter, usd(pricing[meter], meter)))
        except RefusedError:
            if meter in UNITS:
                raise
            unread[f"pricing.{meter}"] = pricing[meter]
    overrides = pricing.get("overrides")
    if overrides is not None and not isinstance(overrides, list):
        raise RefusedError(f"overrides is not a list: {shown(overrides)}")
    meters = {*UNITS, *(rate.meter for rate in rates)}
    for override in overrides or ():
        rates += _override(override, meters)
    return last_wins(rates), unread


def _override(override: Any, meters: set[str]) -> list[Rate]:
    if not isinstance(override, dict):
        raise RefusedError(f"an override is not an object: {shown(override)}")
    given = {name: value for name, value in override.items() if value is not None}
    if unknown := sorted(given.keys() - meters - set(_CONDITIONS)):
        # It may be a condition, and the price would be another without it.
        raise RefusedError(f"an override with an unknown field: {shown(unknown[0])}")
    conditions = {}
    for name in given.keys() & set(_CONDITIONS):
        value, is_time = whole(given[name]), name != "min_prompt_tokens"
        if value is None or not 0 <= value <= (2400 if is_time else MOST_TOKENS) or (is_time and value % 100 > 59):
            raise RefusedError(f"override condition {name} is not usable: {shown(given[name])}")
        conditions[name] = value
    if not conditions or ("utc_start" in conditions) != ("utc_end" in conditions):
        raise RefusedError(f"an override without a usable condition: {shown(override)}")
    return [Rate(meter, usd(given[meter], meter), **conditions) for meter in sorted(given.keys() - set(_CONDITIONS))]


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
