"""OpenRouter's activity: sums by day and endpoint (`GET /activity`, JSON or CSV), or the export of single generations.

Field meanings: the API's own description and the guide to activity exports. Days are UTC. `prompt_tokens` includes
cached ones, `completion_tokens` reasoning ones. `usage` is what OpenRouter took, in USD; what a user's own key cost at
the provider (`byok_usage_inference`) is apart from it, and added here: together they are what the usage cost.
"""

from datetime import UTC, datetime, timedelta
from typing import Any

from collector.logs.base import Context, Format, Record, RefusedError
from collector.logs.fields import added, any_given, count, first, instant, is_over, mostly, one_by_one, split, usd
from collector.logs.names import digest, identity, key_name, name, tags, variant
from db.meters import COMPLETION, PROMPT
from db.usage.facts import NO_TAGS, Usage

NAME = "openrouter_activity"
GENERATION = "openrouter_generation"
"""A generation is keyed as in the log of that name: its id is the same."""


def _read(record: Record, context: Context) -> Usage | None:
    if "generation_id" in record:
        return _generation(record, context)
    at = instant(record.get("date"), context, "date", implied=UTC)
    if at != at.replace(hour=0, minute=0, second=0, microsecond=0):
        raise RefusedError(f"date is no whole day: {at.isoformat()}")
    until = at + timedelta(days=1)
    is_over(at, until, context)
    quantities = _quantities(record, "prompt_tokens", "completion_tokens", "reasoning_tokens", "cached_tokens")
    requests = count(record.get("requests"), "requests")
    if not requests:
        if any(quantities.values()):
            raise RefusedError("it has tokens but no requests")
        return None
    return Usage(
        until=until,
        requests=requests,
        quantities=quantities,
        endpoint=name(record.get("endpoint_id")),
        key=_day_key(record, at),
        **_common(record, at, "usage"),
    )


def _generation(record: Record, context: Context) -> Usage:
    at = instant(record.get("created_at"), context, "created_at", implied=UTC)
    return Usage(
        quantities=_quantities(record, "tokens_prompt", "tokens_completion", "tokens_reasoning", "tokens_cached"),
        project=name(record.get("app_name")),
        user=name(record.get("user")),
        key=identity(GENERATION, record.get("generation_id")),
        **_common(record, at, "cost_total"),
    )


def _common(record: Record, at: datetime, total: str) -> dict[str, Any]:
    own_key = usd(record.get("byok_usage_inference"), "byok_usage_inference")
    return {
        "at": at,
        "model": name(first(record, "model", "model_permaslug")),
        "provider": name(record.get("provider_name")) or "openrouter",
        "variant": variant(record.get("variant")),
        "api_key": key_name(first(record, "api_key_name", "api_key_hash")),
        "tags": tags([("byok", True)]) if own_key else NO_TAGS,
        "cost_usd": added(usd(record.get(total), total), own_key),
    }


def _quantities(record: Record, prompt: str, completion: str, reasoning: str, cached: str) -> dict[str, int]:
    if not any_given(record, prompt, completion):
        raise RefusedError("it has no token counts")
    read = {"input_cache_read": count(record.get(cached), cached)}
    thought = {"internal_reasoning": count(record.get(reasoning), reasoning)}
    return {
        **split(count(record.get(prompt), prompt), prompt, PROMPT, read),
        **split(count(record.get(completion), completion), completion, COMPLETION, thought),
    }


def _day_key(record: Record, at: datetime) -> str:
    """The same day, model, endpoint and workspace is the same group, whatever it counts."""
    group = ("model_permaslug", "endpoint_id", "provider_name", "variant", "workspace_id", "api_key_hash")
    return digest(NAME, at.date().isoformat(), *(name(record.get(each)) for each in group))


def _looks(record: Record) -> bool:
    by_day = record.keys() >= {"date", "model_permaslug", "requests"}
    return by_day or record.keys() >= {"generation_id", "created_at", "model_permaslug"}


FORMAT = Format(
    NAME,
    "OpenRouter activity",
    "day, model, endpoint and workspace; a generation's id in the export of single ones",
    mostly(_looks),
    one_by_one(_read),
)
