"""Bodies that an OpenAI-compatible API answered with: chat completions, completions, embeddings and the Responses API.

One body a record; also in the lines of a batch's output file, in a stream's last event, and under the name `response`
of somebody's own log. The prompt includes cached, cache-writing and audio tokens, the completion reasoning and audio
tokens. The genai-prices package knows where each flavour of the API puts them. OpenRouter's bodies name the provider
and the cost in USD besides.
"""

from decimal import Decimal
from typing import Final

from genai_prices import extract_usage

from collector.logs.base import Context, Format, Record, RefusedError
from collector.logs.fields import added, count, mostly, obj, one_by_one, split, unix, usd
from collector.logs.names import identity, name, variant
from db.meters import COMPLETION, PROMPT
from db.usage.facts import Usage

NAME = "openai_chat"
FLAVOURS: Final = {
    "chat.completion": "chat",
    "chat.completion.chunk": "chat",
    "text_completion": "chat",
    "response": "responses",
    "list": "embeddings",
}
"""What a body calls itself (`object`) -> the flavour of the API, as genai-prices names it."""
_DEEPEST: Final = 3


def _read(record: Record, context: Context) -> Usage | None:
    body = _body(record)
    counted = obj(body.get("usage"))
    if not counted:
        return None
    is_batch = "custom_id" in record
    provider = name(body.get("provider"))
    return Usage(
        at=unix(body.get("created", body.get("created_at")), context, "created"),
        quantities=_quantities(counted, name(body.get("object"))),
        model=name(body.get("model")),
        provider=provider or "openai",
        variant="batch" if is_batch else variant(body.get("service_tier")),
        user=name(body.get("user")),
        cost_usd=_cost(counted),
        total_tokens=count(counted["total_tokens"], "total_tokens") if counted.get("total_tokens") else None,
        key=identity(NAME, body.get("id")),
    )


def _body(record: Record) -> Record:
    """The body itself: `{"response": {"body": {...}}}` of a batch, `{"response": {...}}` of an event."""
    for _ in range(_DEEPEST):
        inner = obj(record.get("response")) or obj(record.get("body"))
        if not inner or obj(record.get("usage")):
            break
        record = inner
    return record


def _quantities(counted: Record, kind: str) -> dict[str, int]:
    flavour = FLAVOURS.get(kind) or ("responses" if "input_tokens" in counted else "chat")
    try:
        found = extract_usage({"usage": counted}, provider_id="openai", api_flavor=flavour).usage
    except ValueError as error:
        raise RefusedError(f"its usage cannot be read: {str(error)[:200]}") from None
    parts = {
        "input_cache_read": count(found.cache_read_tokens, "cached_tokens"),
        "input_cache_write": count(found.cache_write_tokens, "cache_write_tokens"),
        "audio": count(found.input_audio_tokens, "audio_tokens"),
    }
    made = {
        "internal_reasoning": count(found.output_reasoning_tokens, "reasoning_tokens"),
        "audio_output": count(found.output_audio_tokens, "audio_tokens"),
    }
    return {
        **split(count(found.input_tokens, "prompt_tokens"), "prompt_tokens", PROMPT, parts),
        **split(count(found.output_tokens, "completion_tokens"), "completion_tokens", COMPLETION, made),
    }


def _cost(counted: Record) -> Decimal | None:
    """OpenRouter's, with the provider's own bill where the user's own key was used."""
    taken = usd(counted.get("cost"), "cost")
    if counted.get("is_byok") is not True:
        return taken
    details = obj(counted.get("cost_details"))
    return added(taken, usd(details.get("upstream_inference_cost"), "upstream_inference_cost"))


def _looks(record: Record) -> bool:
    body = _body(record)
    kind = body.get("object")
    if kind == "list":
        return "usage" in body
    return kind in FLAVOURS and "id" in body if isinstance(kind, str) else _is_event(record)


def _is_event(record: Record) -> bool:
    """A line of a recorded stream, or of a batch that failed."""
    return name(record.get("type")).startswith("response.") or record.keys() >= {"custom_id", "response", "error"}


FORMAT = Format(NAME, "OpenAI responses", "the response's id", mostly(_looks), one_by_one(_read))
