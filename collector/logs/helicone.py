"""Helicone's export of requests (`POST /v1/request/query-clickhouse`), JSON or CSV.

Prompt, completion, cache reads, cache writes and audio are disjoint, as Helicone's own sum of tokens has them;
reasoning is part of the completion. What Helicone answered from its own cache (it names the request that was stored,
`cache_reference_id`) cost nothing: no meter counts it.
"""

from collections.abc import Iterator

from collector.logs.base import Context, Format, Record, RefusedError
from collector.logs.fields import any_given, count, first, instant, mostly, obj, one_by_one, split, usd
from collector.logs.names import identity, key_name, name, tags
from db.meters import COMPLETION, PROMPT
from db.usage.facts import NOTHING, Usage

NAME = "helicone"
_PARTS = {
    "prompt_cache_read_tokens": "input_cache_read",
    "prompt_cache_write_tokens": "input_cache_write",
    "prompt_audio_tokens": "audio",
    "completion_audio_tokens": "audio_output",
}
_NO_REFERENCE = "00000000-0000-0000-0000-000000000000"
_OWN = "helicone-"


def _read(record: Record, context: Context) -> Usage | None:
    if not any_given(record, "prompt_tokens", "completion_tokens"):
        raise RefusedError("it has no token counts")
    parts = {meter: count(record.get(each), each) for each, meter in _PARTS.items()}
    thought = {"internal_reasoning": count(record.get("reasoning_tokens"), "reasoning_tokens")}
    completion = count(record.get("completion_tokens"), "completion_tokens")
    quantities = {
        PROMPT: count(record.get("prompt_tokens"), "prompt_tokens"),
        **split(completion, "completion_tokens", COMPLETION, thought),
        **{meter: units for meter, units in parts.items() if units},
    }
    total = record.get("total_tokens")
    return Usage(
        at=instant(record.get("request_created_at"), context, "request_created_at"),
        quantities=NOTHING if _from_cache(record) else quantities,
        model=name(first(record, "response_model", "model", "model_override", "request_model")),
        provider=name(record.get("provider")).lower(),
        project=next((name(value) for label, value in _properties(record) if label.lower() == "project"), ""),
        api_key=key_name(first(record, "api_key_name", "helicone_api_key_id")),
        user=name(first(record, "request_user_id", "user_id")),
        tags=tags(_tags(record)),
        cost_usd=usd(first(record, "costUSD", "cost_usd", "cost"), "cost"),
        total_tokens=count(total, "total_tokens") if total not in (None, "") else None,
        key=identity(NAME, record.get("request_id")),
    )


def _properties(record: Record) -> Iterator[tuple[str, object]]:
    """What the user attached; Helicone's own (session ids, ...) differ from request to request."""
    for label, value in obj(first(record, "request_properties", "properties")).items():
        if not label.lower().startswith(_OWN):
            yield label, value


def _tags(record: Record) -> Iterator[tuple[str, object]]:
    if _from_cache(record):
        yield "cache_hit", True
    for label, value in _properties(record):
        if label.lower() != "project":
            yield label, value


def _from_cache(record: Record) -> bool:
    return name(record.get("cache_reference_id")) not in ("", _NO_REFERENCE)


def _looks(record: Record) -> bool:
    return record.keys() >= {"request_id", "request_created_at"}


FORMAT = Format(NAME, "Helicone requests", "request_id", mostly(_looks), one_by_one(_read))
