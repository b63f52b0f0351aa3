"""LiteLLM's spend logs (the table LiteLLM_SpendLogs, or `GET /spend/logs`), JSON or CSV.

`prompt_tokens` includes cache reads and writes, `completion_tokens` reasoning. How many they are stands in the
metadata of newer versions only (`usage_object`, `additional_usage_values`). What LiteLLM answered from its own cache
(`cache_hit`) cost nothing: its tokens stay in the total, and no meter counts them. `api_key` is a hash.
"""

from collections.abc import Iterator

from collector.logs.base import Context, Format, Record, RefusedError
from collector.logs.fields import any_given, count, first, instant, items, mostly, obj, one_by_one, split, usd
from collector.logs.names import identity, key_name, name, tags
from db.meters import COMPLETION, PROMPT
from db.usage.facts import NOTHING, Usage

NAME = "litellm"


def _read(record: Record, context: Context) -> Usage | None:
    if not any_given(record, "prompt_tokens", "completion_tokens"):
        raise RefusedError("it has no token counts")
    metadata = obj(record.get("metadata"))
    quantities = _quantities(record, metadata)
    total = record.get("total_tokens")
    return Usage(
        at=instant(record.get("startTime"), context, "startTime"),
        quantities=NOTHING if _from_cache(record) else quantities,
        model=name(record.get("model")),
        provider=name(record.get("custom_llm_provider")),
        project=name(first(metadata, "user_api_key_team_alias") or record.get("team_id")),
        api_key=key_name(first(metadata, "user_api_key_alias") or record.get("api_key")),
        user=name(first(record, "end_user", "user")),
        tags=tags(_tags(record)),
        cost_usd=usd(record.get("spend"), "spend"),
        total_tokens=count(total, "total_tokens") if total not in (None, "") else None,
        key=identity(NAME, record.get("request_id")),
    )


def _quantities(record: Record, metadata: Record) -> dict[str, int]:
    counted = obj(metadata.get("usage_object")) or obj(metadata.get("additional_usage_values"))
    read = obj(counted.get("prompt_tokens_details"))
    made = obj(counted.get("completion_tokens_details"))
    cached = first(counted, "cache_read_input_tokens") or read.get("cached_tokens")
    written = first(counted, "cache_creation_input_tokens") or read.get("cache_creation_tokens")
    prompt = count(record.get("prompt_tokens"), "prompt_tokens")
    completion = count(record.get("completion_tokens"), "completion_tokens")
    return {
        **split(
            prompt,
            "prompt_tokens",
            PROMPT,
            {
                "input_cache_read": count(cached, "cached_tokens"),
                "input_cache_write": count(written, "cache_creation_input_tokens"),
                "audio": count(read.get("audio_tokens"), "audio_tokens"),
            },
        ),
        **split(
            completion,
            "completion_tokens",
            COMPLETION,
            {
                "internal_reasoning": count(made.get("reasoning_tokens"), "reasoning_tokens"),
                "audio_output": count(made.get("audio_tokens"), "audio_tokens"),
            },
        ),
    }


def _from_cache(record: Record) -> bool:
    return name(str(record.get("cache_hit"))).lower() == "true"


def _tags(record: Record) -> Iterator[tuple[str, object]]:
    """`request_tags` are plain words, or `name:value`."""
    if _from_cache(record):
        yield "cache_hit", True
    if record.get("status") == "failure":
        yield "status", "failure"
    for tag in items(record.get("request_tags")):
        label, _, value = name(tag).partition(":")
        yield label, value or True


def _looks(record: Record) -> bool:
    return record.keys() >= {"request_id", "startTime", "spend"}


FORMAT = Format(NAME, "LiteLLM spend logs", "request_id", mostly(_looks), one_by_one(_read))
