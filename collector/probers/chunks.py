"""Chunks of a streamed chat completion, as OpenAI defined them and OpenRouter and others extend them.

Pure: events and the instants at which they arrived go in; tokens, usage and faults come out.
"""

import json
import re
from decimal import Decimal
from typing import Any, Final

from collector.probers.sse import Event
from collector.probers.wire import ProbeError, Seen, Stamps, message_in, with_words
from db.probes.facts import Outcome

Json = Any

DONE: Final = "[DONE]"
MOST_TOKENS: Final = 1_000_000_000
HIGHEST_COST_USD: Final = 1_000_000
FINEST_COST_DIGITS: Final = 40


class Completion:
    """One completion, heard chunk by chunk. Writes what it hears on the record of the wire."""

    def __init__(self, seen: Seen, stamps: Stamps) -> None:
        self.is_done = False
        self._seen = seen
        self._stamps = stamps
        self._finish_reason: str | None = None
        self._streams_reasoning = False
        self._reasoning_tokens = 0

    def hear(self, at: int, event: Event, *, is_last: bool = False) -> None:
        """Take one event in. `is_last`: the stream ended in it, so what it lacks was cut off.

        Raises ProbeError where the stream holds an error or no chunk at all.
        """
        if self.is_done:
            return
        self._stamps.ended = at
        if event.data.strip() == DONE:
            self.is_done = True
            return
        chunk = _parsed(event.data)
        if chunk is None:
            if is_last:
                return
            raise ProbeError(Outcome.STREAM_ERROR, "sent something in its stream that is no chunk")
        self._note_origin(chunk)
        if isinstance(chunk.get("usage"), dict):
            self._note_usage(chunk["usage"])
        for choice in _dicts(chunk.get("choices")):
            self._note_choice(at, choice)
        if (error := _error_in(event, chunk)) is not None:
            raise self._stream_error(error)

    def judge(self, tag: str | None) -> None:
        """The verdict on an answer that came to an end. Raises ProbeError for any but a good one."""
        if tag and self._seen.provider and not is_same_provider(tag, self._seen.provider):
            raise ProbeError(
                Outcome.WRONG_PROVIDER, f"let {self._seen.provider} answer, although only {tag} was asked for"
            )
        if self._finish_reason is None or not self.is_done:
            missing = "[DONE]" if self._finish_reason else "a finish_reason"
            raise ProbeError(Outcome.TRUNCATED, f"ended its stream without {missing}")
        # A reasoning model may spend all its tokens on thoughts that it keeps to itself.
        was_thinking = self._reasoning_tokens > 0 or (self._finish_reason == "length" and self._seen.output_tokens)
        if self._stamps.first_token is None and not was_thinking:
            raise ProbeError(Outcome.EMPTY, "gave a complete answer without a single token")

    def _note_origin(self, chunk: dict[str, Json]) -> None:
        if isinstance(provider := chunk.get("provider"), str) and provider:
            self._seen.provider = provider
        name = chunk.get("id")
        if self._seen.generation_id is None and isinstance(name, str) and name.startswith("gen-"):
            self._seen.generation_id = name

    def _note_usage(self, usage: dict[str, Json]) -> None:
        seen = self._seen
        seen.prompt_tokens = _count(usage.get("prompt_tokens"))
        seen.output_tokens = _count(usage.get("completion_tokens"))
        seen.cost_usd = _money(usage.get("cost"))
        details = usage.get("completion_tokens_details")
        self._reasoning_tokens = (_count(details.get("reasoning_tokens")) or 0) if isinstance(details, dict) else 0
        if seen.output_tokens is not None:
            hidden = 0 if self._streams_reasoning else self._reasoning_tokens
            seen.streamed_tokens = max(seen.output_tokens - hidden, 0)

    def _note_choice(self, at: int, choice: dict[str, Json]) -> None:
        if isinstance(choice.get("finish_reason"), str):
            self._finish_reason = choice["finish_reason"]
        delta = choice.get("delta")
        if not isinstance(delta, dict):
            return
        is_answer = _has_text(delta.get("content"))
        is_thought = any(_has_text(delta.get(name)) for name in ("reasoning", "reasoning_content"))
        self._streams_reasoning |= is_thought
        stamps = self._stamps
        if is_answer and stamps.first_answer is None:
            stamps.first_answer = at
        if is_answer or is_thought:
            stamps.last_token = at
            if stamps.first_token is None:
                stamps.first_token = at

    def _stream_error(self, error: Json) -> ProbeError:
        """A provider may ask for a pause when the 200 is already sent, because something had to keep the line open."""
        code = error.get("code") if isinstance(error, dict) else None
        said = message_in({"error": error})
        if str(code) == "429" and self._stamps.first_token is None:
            return ProbeError(Outcome.LIMITED, with_words("asked for a pause (429 inside its stream)", said))
        number = f" {code}" if isinstance(code, int) else ""
        return ProbeError(Outcome.STREAM_ERROR, with_words(f"reported an error{number} inside its stream", said))


def is_same_provider(tag: str, name: str) -> bool:
    """Whether a provider's display name (`DeepInfra`, `Moonshot AI`) is the one of an endpoint's tag
    (`deepinfra/fp8`, `moonshotai`)."""
    asked, got = _letters(tag.partition("/")[0]), _letters(name)
    if asked == got:
        return True
    if "google" in (asked, got) or asked.startswith("google"):
        # OpenRouter's `Google` is Vertex; `Google AI Studio` is another.
        return (asked, got) == ("googlevertex", "google")
    # `mancer` calls itself `Mancer 2`.
    return bool(asked and got) and (asked.startswith(got) or got.startswith(asked))


def _letters(name: str) -> str:
    return re.sub(r"[\W_]", "", name.casefold())


def _parsed(data: str) -> dict[str, Json] | None:
    try:
        chunk = json.loads(data, parse_float=Decimal, parse_constant=str)
    except (ValueError, ArithmeticError, RecursionError):
        return None
    return chunk if isinstance(chunk, dict) else None


def _error_in(event: Event, chunk: dict[str, Json]) -> Json | None:
    """The error that an event reports, in any of the places where servers put one."""
    if chunk.get("error"):
        return chunk["error"]
    if event.name == "error":
        return chunk
    for choice in _dicts(chunk.get("choices")):
        if choice.get("error") or choice.get("finish_reason") == "error":
            return choice.get("error") or {}
    return None


def _dicts(value: Json) -> list[dict[str, Json]]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def _has_text(value: Json) -> bool:
    return isinstance(value, str) and value != ""


def _count(value: Json) -> int | None:
    return value if type(value) is int and 0 <= value <= MOST_TOKENS else None


def _money(value: Json) -> Decimal | None:
    """An exact amount in USD; None where it is none, or absurd."""
    if type(value) not in (int, Decimal):
        return None
    amount = Decimal(value)
    if not amount.is_finite() or not 0 <= amount <= HIGHEST_COST_USD:
        return None
    exponent = amount.as_tuple().exponent
    return amount if isinstance(exponent, int) and -exponent <= FINEST_COST_DIGITS else None
