"""Anthropic's usage report (`GET /v1/organizations/usage_report/messages`): time buckets, each with its groups.

Its counters are disjoint: uncached input, cache reads, cache writes of 5 minutes and of 1 hour, output. It does not
tell the number of requests; the fewest that the context window allows stand for it, so that the mean prompt never
falls into the dearer tier of long prompts without reason. Its sister, the cost report, counts no tokens and gives
cents; it is refused by name.
"""

from datetime import datetime

from collector.logs.base import Context, Format, Record, RefusedError
from collector.logs.fields import any_given, buckets, count, instant, mostly, obj
from collector.logs.names import digest, key_name, name, tags, variant
from db.meters import COMPLETION, PROMPT
from db.usage.facts import Usage

NAME = "anthropic_usage"
_COUNTERS = ("uncached_input_tokens", "cache_read_input_tokens", "cache_creation", "output_tokens")
_GROUPS = (
    "workspace_id",
    "api_key_id",
    "account_id",
    "service_account_id",
    "model",
    "service_tier",
    "speed",
    "context_window",
    "inference_geo",
)
_WINDOW = 200_000
_LONG_WINDOW = 1_000_000


def _bounds(record: Record, context: Context) -> tuple[datetime, datetime]:
    start, end = (instant(record.get(each), context, each) for each in ("starting_at", "ending_at"))
    return start, end


def _read(group: Record, start: datetime, end: datetime) -> Usage:
    if "amount" in group and not any_given(group, *_COUNTERS):
        raise RefusedError("it is of the cost report, which counts no tokens; import the usage report")
    quantities = _quantities(group)
    speed = name(group.get("speed")).lower()
    return Usage(
        at=start,
        until=end,
        requests=_fewest_requests(quantities, name(group.get("context_window"))),
        quantities=quantities,
        model=name(group.get("model")),
        provider="anthropic",
        variant="fast" if speed == "fast" else variant(group.get("service_tier")),
        project=name(group.get("workspace_id")),
        api_key=key_name(group.get("api_key_id")),
        user=name(group.get("account_id")) or name(group.get("service_account_id")),
        tags=tags((each, group.get(each)) for each in ("context_window", "inference_geo")),
        key=digest(NAME, start.isoformat(), end.isoformat(), *(name(group.get(each)) for each in _GROUPS)),
    )


def _quantities(group: Record) -> dict[str, int]:
    if not any_given(group, *_COUNTERS):
        raise RefusedError("it has no token counts")
    written, tools = obj(group.get("cache_creation")), obj(group.get("server_tool_use"))
    found = {
        "input_cache_read": count(group.get("cache_read_input_tokens"), "cache_read_input_tokens"),
        "input_cache_write": count(written.get("ephemeral_5m_input_tokens"), "ephemeral_5m_input_tokens"),
        "input_cache_write_1h": count(written.get("ephemeral_1h_input_tokens"), "ephemeral_1h_input_tokens"),
        "web_search": count(tools.get("web_search_requests"), "web_search_requests"),
    }
    return {
        PROMPT: count(group.get("uncached_input_tokens"), "uncached_input_tokens"),
        COMPLETION: count(group.get("output_tokens"), "output_tokens"),
        **{meter: units for meter, units in found.items() if units},
    }


def _fewest_requests(quantities: dict[str, int], window: str) -> int:
    read = sum(units for meter, units in quantities.items() if meter not in (COMPLETION, "web_search"))
    most = _LONG_WINDOW if window == "200k-1M" else _WINDOW
    return max(1, -(-read // most))


def _looks(record: Record) -> bool:
    return record.keys() >= {"starting_at", "ending_at", "results"}


FORMAT = Format(
    NAME,
    "Anthropic usage report",
    "bucket and the fields it is grouped by",
    mostly(_looks),
    buckets(_bounds, _read),
)
