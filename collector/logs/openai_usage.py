"""OpenAI's usage API (`GET /organization/usage/...`): time buckets, each with its groups.

Field meanings: the API's own description. `input_tokens` includes cached and cache-writing tokens, and all kinds
(text, audio, image); `output_tokens` includes audio. Where the cached tokens are told by kind, the counts of audio
and image tokens are those that are not cached; before that, audio counted its cached ones too. A dimension that was
not grouped by is null.
"""

from datetime import datetime
from typing import Any

from collector.logs.base import Context, Format, Record, RefusedError
from collector.logs.fields import any_given, buckets, count, mostly, split, unix
from collector.logs.names import digest, key_name, name, tags, variant
from db.meters import COMPLETION, PROMPT
from db.usage.facts import Usage

NAME = "openai_usage"
_COUNTED = ("completions", "embeddings", "moderations", "images")
_GROUPS = ("project_id", "user_id", "api_key_id", "model", "batch", "service_tier", "source", "size", "api_source")


def _bounds(record: Record, context: Context) -> tuple[datetime, datetime]:
    return unix(record.get("start_time"), context, "start_time"), unix(record.get("end_time"), context, "end_time")


def _read(group: Record, start: datetime, end: datetime) -> Usage | None:
    kind = name(group.get("object")).removeprefix("organization.usage.").removesuffix(".result")
    if kind not in _COUNTED:
        what = "it holds costs, not usage" if "costs" in kind else f"it counts {kind or 'nothing known'}, not tokens"
        raise RefusedError(what)
    quantities = _images(group) if kind == "images" else _tokens(group)
    requests = count(group.get("num_model_requests"), "num_model_requests")
    if not requests:
        if any(quantities.values()):
            raise RefusedError("it has tokens but no requests")
        return None
    return Usage(
        at=start,
        until=end,
        requests=requests,
        quantities=quantities,
        model=name(group.get("model")),
        provider="openai",
        variant="batch" if group.get("batch") is True else variant(group.get("service_tier")),
        project=name(group.get("project_id")),
        api_key=key_name(group.get("api_key_id")),
        user=name(group.get("user_id")),
        tags=tags([("source", group.get("api_source"))]),
        key=digest(NAME, kind, start.isoformat(), end.isoformat(), *(_plain(group.get(each)) for each in _GROUPS)),
    )


def _plain(value: Any) -> Any:
    return value if isinstance(value, bool) else name(value)


def _images(group: Record) -> dict[str, int]:
    if not any_given(group, "images"):
        raise RefusedError("it has no count of images")
    return {"image_output": count(group.get("images"), "images")}


def _tokens(group: Record) -> dict[str, int]:
    """The disjoint meters of a group."""
    if not any_given(group, "input_tokens"):
        raise RefusedError("it has no token counts")
    units = {each: count(group.get(each), each) for each in group if each.endswith("_tokens")}
    cached, cached_audio = units.get("input_cached_tokens", 0), units.get("input_cached_audio_tokens", 0)
    if cached_audio > cached:
        raise RefusedError(f"input_cached_audio_tokens ({cached_audio}) exceed input_cached_tokens ({cached})")
    parts = {
        "input_cache_read": cached - cached_audio,
        "input_audio_cache": cached_audio,
        "input_cache_write": units.get("input_cache_write_tokens", 0),
        "audio": units.get("input_audio_tokens", 0),
        "image_token": units.get("input_image_tokens", 0),
    }
    made = {"audio_output": units.get("output_audio_tokens", 0)}
    return {
        **split(units["input_tokens"], "input_tokens", PROMPT, parts),
        **split(units.get("output_tokens", 0), "output_tokens", COMPLETION, made),
    }


def _looks(record: Record) -> bool:
    return record.keys() >= {"start_time", "end_time", "results"}


FORMAT = Format(
    NAME,
    "OpenAI usage API",
    "bucket and the fields it is grouped by",
    mostly(_looks),
    buckets(_bounds, _read),
)
