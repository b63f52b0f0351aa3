"""Claude Code's session logs, JSON lines: an `assistant` line holds a message of Anthropic's API with its usage.

Its counters are disjoint: input, cache reads, cache writes (of 5 minutes and of 1 hour) and output; thinking is part of
the output. One answer is written several times: growing while it streams, once a content block, in sidechains, and in
sessions that were resumed. Of those with one message and request id, one outside a sidechain counts, then the largest.
"""

from typing import Final

from collector.logs.base import Context, Format, Record, RefusedError
from collector.logs.fields import any_given, count, instant, mostly, obj, one_by_one, split, usd
from collector.logs.names import identity, last_part, name, tags, variant
from db.meters import COMPLETION, PROMPT
from db.usage.facts import Usage

NAME = "claude_code"
_SYNTHETIC: Final = "<synthetic>"
"""The model of messages that Claude Code made up itself; no API was called."""
_MAIN: Final = 10**14
"""More than any sum of counts, so that a copy outside a sidechain always ranks first."""
_LINES: Final = frozenset({"user", "assistant", "system", "summary", "attachment", "progress", "queue-operation"})


def _read(record: Record, context: Context) -> Usage | None:
    message = obj(record.get("message"))
    counted = obj(message.get("usage"))
    if record.get("type") != "assistant" or not counted or message.get("model") == _SYNTHETIC:
        return None
    quantities = _quantities(counted)
    folder = name(record.get("cwd"))
    is_side = record.get("isSidechain") is True
    fast = name(counted.get("speed")).lower() == "fast"
    return Usage(
        at=instant(record.get("timestamp"), context, "timestamp"),
        quantities=quantities,
        model=name(message.get("model")),
        provider="anthropic",
        variant="fast" if fast else variant(counted.get("service_tier")),
        project=last_part(folder),
        tags=tags([("folder", folder)]),
        cost_usd=usd(record.get("costUSD"), "costUSD"),
        key=_key(record, message),
        rank=sum(quantities.values()) + (0 if is_side else _MAIN),
    )


def _key(record: Record, message: Record) -> str | None:
    """Gateways leave the request id out; the message's alone tells then."""
    message_id, request_id = message.get("id"), record.get("requestId")
    if request_id:
        return identity(NAME, message_id, request_id)
    return identity(NAME, message_id) or identity(NAME, "uuid", record.get("uuid"))


def _quantities(counted: Record) -> dict[str, int]:
    if not any_given(counted, "input_tokens", "output_tokens"):
        raise RefusedError("it has no token counts")
    written, tools = obj(counted.get("cache_creation")), obj(counted.get("server_tool_use"))
    hour = count(written.get("ephemeral_1h_input_tokens"), "ephemeral_1h_input_tokens")
    minutes = count(written.get("ephemeral_5m_input_tokens"), "ephemeral_5m_input_tokens")
    all_written = count(counted.get("cache_creation_input_tokens"), "cache_creation_input_tokens") or hour + minutes
    thought = obj(counted.get("output_tokens_details")).get("thinking_tokens")
    output = count(counted.get("output_tokens"), "output_tokens")
    found = {
        "input_cache_read": count(counted.get("cache_read_input_tokens"), "cache_read_input_tokens"),
        **split(all_written, "cache_creation_input_tokens", "input_cache_write", {"input_cache_write_1h": hour}),
        "web_search": count(tools.get("web_search_requests"), "web_search_requests"),
    }
    return {
        PROMPT: count(counted.get("input_tokens"), "input_tokens"),
        **split(output, "output_tokens", COMPLETION, {"internal_reasoning": count(thought, "thinking_tokens")}),
        **{meter: units for meter, units in found.items() if units},
    }


def _looks(record: Record) -> bool:
    kind = record.get("type")
    return isinstance(kind, str) and (kind in _LINES or kind.startswith("file-")) and "payload" not in record


def _recognises(records: list[Record]) -> bool:
    return mostly(_looks)(records) and any(record.keys() >= {"sessionId", "uuid", "type"} for record in records)


FORMAT = Format(NAME, "Claude Code sessions", "message id and request id", _recognises, one_by_one(_read))
