"""OpenTelemetry's generative AI spans, as OTLP JSON: whole, or a batch a line as the Collector's file exporter writes.

Attribute names: the semantic conventions for generative AI and their older generation (`prompt_tokens`,
`completion_tokens`, `gen_ai.system`). Input includes cache reads, cache writes and audio; output reasoning and audio.

Which spans count: those of an operation that calls a model. An agent's or a workflow's span repeats the sum of its
children and is left out. Spans from before operations had names count if they say what kind of request they are, or
are of a client. A framework and the library below it may both trace one call: the response's id, with what it
counted, tells that they are the same.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from collector.logs.base import Context, Format, Parsed, Record, RefusedError
from collector.logs.fields import count, first, items, mostly, obj, split, unix, usd
from collector.logs.names import identity, name, tags, variant
from db.meters import COMPLETION, PROMPT
from db.usage.facts import Usage

NAME = "otel_genai"
CALLS: Final = frozenset({"chat", "text_completion", "generate_content", "embeddings"})
_OLDER_CALLS: Final = frozenset({"chat", "completion", "embedding", "embeddings"})
_CLIENT: Final = (3, "SPAN_KIND_CLIENT")
_USAGE: Final = "gen_ai.usage."
_INPUT: Final = ("input_tokens", "prompt_tokens")
_OUTPUT: Final = ("output_tokens", "completion_tokens")
_READ: Final = ("cache_read.input_tokens", "cache_read_input_tokens", "input_tokens.cached")
_WRITTEN: Final = (
    "cache_creation.input_tokens",
    "cache_write.input_tokens",
    "cache_creation_input_tokens",
    "input_tokens.cache_write",
)
_THOUGHT: Final = ("reasoning.output_tokens", "reasoning_tokens", "output_tokens.reasoning")
_PROVIDERS: Final = {
    "aws.bedrock": "amazon-bedrock",
    "azure.ai.inference": "azure",
    "azure.ai.openai": "azure",
    "gcp.gemini": "google-ai-studio",
    "gcp.gen_ai": "google-ai-studio",
    "gcp.vertex_ai": "google-vertex",
    "mistral_ai": "mistral",
    "vertex_ai": "google-vertex",
    "x_ai": "x-ai",
}
"""The conventions' name of a provider -> its slug; `openai.responses` and the like mean what stands before the dot."""


def _parse(records: Iterable[tuple[int, Record]], context: Context) -> Iterator[Parsed]:
    for line, record in records:
        found = False
        for resource, span in _spans(record):
            found = True
            try:
                usage = _read(span, resource, context)
            except RefusedError as refused:
                yield Parsed(line, reason=str(refused))
            else:
                yield Parsed(line, (usage,) if usage is not None else ())
        if not found:
            yield Parsed(line)


def _spans(record: Record) -> Iterator[tuple[Mapping[str, Any], Record]]:
    """The spans of a batch, each with its resource's attributes."""
    for batch in items(record.get("resourceSpans")) or [record]:
        resource = _attributes(obj(obj(batch).get("resource")))
        for scope in items(obj(batch).get("scopeSpans")):
            for span in items(obj(scope).get("spans")):
                yield resource, obj(span)


def _attributes(node: Record) -> dict[str, Any]:
    """`[{"key": k, "value": {"intValue": "5"}}, ...]` as {k: "5"}."""
    found = {}
    for each in items(node.get("attributes")):
        pair = obj(each)
        value = next(iter(obj(pair.get("value")).values()), None)
        if isinstance(pair.get("key"), str) and not isinstance(value, dict | list):
            found[pair["key"]] = value
    return found


def _read(span: Record, resource: Mapping[str, Any], context: Context) -> Usage | None:
    said = _attributes(span)
    if not _is_call(span, said):
        return None
    used = {key.removeprefix(_USAGE): value for key, value in said.items() if key.startswith(_USAGE)}
    if first(used, *_INPUT) is None and first(used, *_OUTPUT) is None:
        return None
    quantities = _quantities(used)
    request = _Request(span, said)
    return Usage(
        at=unix(span.get("startTimeUnixNano"), context, "startTimeUnixNano", 10**9),
        quantities=quantities,
        model=name(first(said, "gen_ai.response.model", "gen_ai.request.model")),
        provider=request.provider,
        variant=variant(
            first(said, "openai.response.service_tier", "gen_ai.openai.response.service_tier")
            or said.get("openai.request.service_tier")
        ),
        project=name(resource.get("service.name")),
        user=name(first(said, "enduser.id", "user.id")),
        tags=tags(
            [
                ("environment", first(resource, "deployment.environment.name", "deployment.environment")),
                ("agent", said.get("gen_ai.agent.name")),
            ]
        ),
        cost_usd=usd(used.get("cost"), "gen_ai.usage.cost"),
        key=request.key(quantities),
    )


def _is_call(span: Record, said: Mapping[str, Any]) -> bool:
    """Whether the span is of one call of a model, and not of what made several."""
    operation = said.get("gen_ai.operation.name")
    if operation is not None:
        return operation in CALLS
    kind = said.get("llm.request.type")
    return kind in _OLDER_CALLS if kind is not None else span.get("kind") in _CLIENT


def _quantities(used: Mapping[str, Any]) -> dict[str, int]:
    parts = {
        "input_cache_read": count(first(used, *_READ), "cache_read.input_tokens"),
        "input_cache_write": count(first(used, *_WRITTEN), "cache_creation.input_tokens"),
        "audio": count(used.get("audio.input_tokens"), "audio.input_tokens"),
    }
    made = {
        "internal_reasoning": count(first(used, *_THOUGHT), "reasoning.output_tokens"),
        "audio_output": count(used.get("audio.output_tokens"), "audio.output_tokens"),
    }
    return {
        **split(count(first(used, *_INPUT), "input_tokens"), "input_tokens", PROMPT, parts),
        **split(count(first(used, *_OUTPUT), "output_tokens"), "output_tokens", COMPLETION, made),
    }


class _Request:
    """Who answered a span's call, and what tells it from a copy."""

    def __init__(self, span: Record, said: Mapping[str, Any]) -> None:
        system = name(first(said, "gen_ai.provider.name", "gen_ai.system")).lower()
        self.provider = _PROVIDERS.get(system) or system.partition(".")[0]
        self._trace = span.get("traceId")
        self._span = span.get("spanId")
        self._response = said.get("gen_ai.response.id")

    def key(self, quantities: Mapping[str, int]) -> str | None:
        if isinstance(self._response, str) and self._response:
            return identity(NAME, self._trace, self._response, str(sum(quantities.values())))
        return identity(NAME, self._trace, self._span)


def _looks(record: Record) -> bool:
    return isinstance(record.get("resourceSpans") or record.get("scopeSpans"), list)


FORMAT = Format(
    NAME,
    "OpenTelemetry GenAI spans",
    "trace and response id with what was counted, else trace and span id",
    mostly(_looks),
    _parse,
)
