"""Streaming chat completions: OpenRouter with the provider pinned, or any OpenAI-compatible server."""

import json
from decimal import Decimal
from typing import Any, Final
from urllib.parse import urlsplit

from collector.probers import prompts, sse
from collector.probers.base import Prober
from collector.probers.chunks import Completion
from collector.probers.wire import ProbeError, Wire, with_words
from db.errors import UsageError
from db.probes.facts import Outcome, Prompt, Target

_NEWER_NAME_HOSTS: Final = {"api.openai.com"}
"""OpenAI's own reasoning models refuse `max_tokens`; other servers do not know its newer name."""


async def speak(wire: Wire, target: Target, prompt: Prompt | None, nonce: str) -> None:
    """Ask for one short answer and listen to it token by token. An answer is read to its end even where another
    provider gives it, because what it cost is said last."""
    url = f"{target.url.rstrip('/')}/chat/completions"
    headers = {"Content-Type": "application/json", "Accept": "text/event-stream"}
    async with wire.ask("POST", url, headers=headers, body=request_body(target, prompt, nonce)) as answer:
        if answer.status != 200:
            raise await answer.refusal()
        wire.seen.generation_id = answer.headers.get("X-Generation-Id")
        if answer.headers.get("Content-Type", "").startswith("application/json"):
            said = await answer.message()
            raise ProbeError(Outcome.STREAM_ERROR, with_words("answered 200 with JSON instead of a stream", said))
        events = sse.Events()
        completion = Completion(wire.seen, wire.stamps)
        at = wire.stamps.answered or wire.stamps.started
        async for at, piece in answer.pieces():
            for event in events.feed(piece):
                completion.hear(at, event)
            if completion.is_done:
                await answer.drain()
                break
        else:
            for event in events.end():
                completion.hear(at, event, is_last=True)
        completion.judge(target.tag)


def request_body(target: Target, prompt: Prompt | None, nonce: str) -> bytes:
    """What is sent. Fields that only OpenRouter knows go only where a provider is pinned: others may refuse them."""
    if target.model is None:
        raise UsageError(f"The probe target {target.name} needs a model to chat with.")
    limit = "max_completion_tokens" if urlsplit(target.url).hostname in _NEWER_NAME_HOSTS else "max_tokens"
    body: dict[str, Any] = {
        "model": target.model,
        "messages": [{"role": "user", "content": prompts.text(prompt or Prompt.SHORT, nonce)}],
        limit: target.max_tokens,
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    if target.tag is not None:
        body["provider"] = {"only": [target.tag], "allow_fallbacks": False}
        body["usage"] = {"include": True}
    return json.dumps(body).encode()


def estimate(target: Target, prompt: Prompt | None, prompt_rate: Decimal, completion_rate: Decimal) -> Decimal:
    """What one probe can cost at most, in USD; rates in USD per token."""
    tokens = prompts.tokens_at_most(prompt or Prompt.SHORT)
    return tokens * prompt_rate + target.max_tokens * completion_rate


PROBER: Final = Prober(
    name="chat",
    title="Streaming chat completion",
    sends_prompts=True,
    fresh=False,
    speak=speak,
    estimate=estimate,
)
