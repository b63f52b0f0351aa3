"""Langfuse's observations: its API's (`startTime`), or a blob storage export's (`start_time`), JSON or CSV.

The names in `usage_details` are the user's own. Each is of the input, of the output or the total, by the words in it,
and what kind by further words (cache, audio, reasoning, ...); one that is neither and counts anything is refused.
Langfuse prices each of them for itself, so `input` is taken as what no other input counts. Where there is a `total`,
it decides: if the counters only add up to it with the details inside `input` or `output`, that is what they are; if
they do not add up to it at all, they are refused. Without a zone, times are UTC, as the export's description says.
"""

from collections.abc import Iterator, Mapping
from datetime import UTC
from typing import Final

from collector.logs.base import Context, Format, Record, RefusedError
from collector.logs.fields import count, first, instant, items, mostly, obj, one_by_one, usd
from collector.logs.names import identity, name, tags
from db.meters import COMPLETION, PROMPT
from db.usage.facts import Usage

NAME = "langfuse"
_WHOLE: Final = {
    **dict.fromkeys(("input", "prompt_tokens", "input_tokens", "promptTokens", "inputTokens", "prompt"), PROMPT),
    **dict.fromkeys(
        ("output", "completion_tokens", "output_tokens", "completionTokens", "outputTokens", "completion"), COMPLETION
    ),
}
_TOTALS: Final = ("total", "total_tokens", "totalTokens")
_FLAT: Final = ("promptTokens", "completionTokens", "totalTokens", "inputTokens", "outputTokens")
_INSIDE: Final = ((False, False), (True, True), (False, True), (True, False))
"""Whether details are inside of `input`, and of `output`; what is likelier first."""
_COUNTING: Final = ("GENERATION", "EMBEDDING")


def _read(record: Record, context: Context) -> Usage | None:
    if name(record.get("type")).upper() not in _COUNTING:
        return None
    counted = _counted(record)
    if not counted:
        raise RefusedError("it has no token counts")
    quantities, total = _disjoint(counted)
    costs = obj(first(record, "costDetails", "cost_details"))
    cost = first(record, "totalCost", "total_cost", "calculatedTotalCost") or costs.get("total")
    return Usage(
        at=instant(first(record, "startTime", "start_time"), context, "start_time", implied=UTC),
        quantities=quantities,
        model=name(first(record, "providedModelName", "provided_model_name", "model")),
        project=name(first(record, "projectId", "project_id")),
        user=name(first(record, "userId", "user_id")),
        tags=tags(_tags(record)),
        cost_usd=usd(cost, "total_cost"),
        total_tokens=total,
        key=identity(NAME, record.get("id")),
    )


def _counted(record: Record) -> dict[str, int]:
    """Every counter by its name."""
    details = obj(first(record, "usageDetails", "usage_details")) or obj(record.get("usage"))
    if str(details.get("unit") or "TOKENS").upper() != "TOKENS":
        raise RefusedError(f"its usage is in {name(details.get('unit'))}, not in tokens")
    found = details or {each: record[each] for each in _FLAT if each in record}
    return {
        label: count(units, f"usage {name(label)!r}")
        for label, units in found.items()
        if units not in (None, "") and label != "unit" and "Cost" not in label
    }


def _disjoint(counted: Mapping[str, int]) -> tuple[dict[str, int], int | None]:
    """The meters, and the log's own total."""
    totals = {counted[each] for each in _TOTALS if each in counted}
    wholes = {PROMPT: 0, COMPLETION: 0}
    parts: dict[str, dict[str, int]] = {PROMPT: {}, COMPLETION: {}}
    for label, units in counted.items():
        if label in _WHOLE:
            wholes[_WHOLE[label]] = max(wholes[_WHOLE[label]], units)
        elif label not in _TOTALS and units:
            side, meter = _meter(label)
            parts[side][meter] = parts[side].get(meter, 0) + units
    total = next(iter(totals)) if len(totals) == 1 else None
    if len(totals) > 1:
        raise RefusedError(f"it has several totals: {' and '.join(map(str, sorted(totals)))}")
    for of_input, of_output in _INSIDE:
        rests = _rests(wholes, parts, {PROMPT: of_input, COMPLETION: of_output})
        found = sum(rests.values()) + sum(sum(each.values()) for each in parts.values())
        if min(rests.values()) >= 0 and total in (None, found):
            return _merged(rests, parts), total
    raise RefusedError(f"its counters do not add up to their total ({total})")


def _rests(
    wholes: Mapping[str, int], parts: Mapping[str, Mapping[str, int]], inside: Mapping[str, bool]
) -> dict[str, int]:
    """What is left of input and output, if their details are inside of them, or not."""
    return {side: whole - (sum(parts[side].values()) if inside[side] else 0) for side, whole in wholes.items()}


def _merged(rests: Mapping[str, int], parts: Mapping[str, Mapping[str, int]]) -> dict[str, int]:
    merged = dict(rests)
    for meter, units in (pair for each in parts.values() for pair in each.items()):
        merged[meter] = merged.get(meter, 0) + units
    return merged


def _meter(label: str) -> tuple[str, str]:
    """Which side a counter is of, and what it counts, by the words in its name."""
    words = label.lower()
    if any(word in words for word in ("output", "completion", "reasoning", "thinking")):
        kinds = {"reason": "internal_reasoning", "think": "internal_reasoning", "audio": "audio_output"}
        return COMPLETION, next((meter for word, meter in kinds.items() if word in words), COMPLETION)
    if not any(word in words for word in ("input", "prompt", "cache")):
        raise RefusedError(f"its usage counts {name(label)!r}, which is neither input nor output")
    if "cache" not in words:
        return PROMPT, "audio" if "audio" in words else "image_token" if "image" in words else PROMPT
    if "creat" in words or "writ" in words:
        return PROMPT, "input_cache_write_1h" if "1h" in words else "input_cache_write"
    return PROMPT, "input_audio_cache" if "audio" in words else "input_cache_read"


def _tags(record: Record) -> Iterator[tuple[str, object]]:
    yield "environment", record.get("environment")
    yield "trace", first(record, "traceName", "trace_name")
    for tag in items(record.get("tags")):
        yield name(tag), True


def _looks(record: Record) -> bool:
    has_times = "startTime" in record or "start_time" in record
    of_trace = "traceId" in record or "trace_id" in record
    return has_times and of_trace and record.keys() >= {"id", "type"}


FORMAT = Format(NAME, "Langfuse observations", "observation id", mostly(_looks), one_by_one(_read))
