"""Sending probes from tests, and the pieces of answers that servers stream."""

import asyncio
import socket
from dataclasses import replace
from typing import Any

from collector.probers import PROBERS
from collector.probers.measure import measure, open_connections
from collector.probers.wire import Bounds
from db.probes.facts import Probe, Prompt, Target
from tests.support.stream import Script, event, running_stream

PATIENT = Bounds(deadline_s=60)
"""Long enough for any busy machine; tests that want a timeout set their own."""
HASTY = Bounds(deadline_s=0.3)


def chatting(url: str, model: str = "acme/atlas", **changes: object) -> Target:
    """A target that chats with the server at `url`, as a user's own OpenAI-compatible one."""
    return replace(Target("mine", "chat", f"{url}/v1", model=model), **changes)  # type: ignore[arg-type]


def routed(url: str, model: str, tag: str = "acme-cloud/fp8") -> Target:
    """A target that chats through OpenRouter, played by the server at `url`, with the provider pinned."""
    return Target(f"openrouter:{model}@{tag}", "chat", f"{url}/api/v1", model=model, tag=tag)


def probe(target: Target, prompt: Prompt | None = Prompt.SHORT, *, bounds: Bounds = PATIENT) -> Probe:
    """One probe on connections of its own."""
    (only,) = probe_in_turn(target, prompt=prompt, bounds=bounds)
    return only


def probe_in_turn(*targets: Target, prompt: Prompt | None = Prompt.SHORT, bounds: Bounds = PATIENT) -> list[Probe]:
    """One probe after the other, on the same connections."""

    async def all_of_them() -> list[Probe]:
        async with open_connections() as connections:
            return [await measure(PROBERS[t.prober], connections, t, prompt, bounds=bounds) for t in targets]

    return asyncio.run(all_of_them())


def nobody() -> str:
    """The URL of a port where nobody listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{taken.getsockname()[1]}"


def delta(finish: str | None = None, provider: str | None = None, **fields: Any) -> bytes:
    """A chunk with one choice, as a server-sent event."""
    origin = {"provider": provider} if provider else {}
    return event({"id": "chatcmpl-1", "choices": [{"index": 0, "delta": fields, "finish_reason": finish}], **origin})


def usage(completion_tokens: Any, **more: Any) -> bytes:
    """The chunk that says what was used, as a server-sent event."""
    return event({"choices": [], "usage": {"prompt_tokens": 101, "completion_tokens": completion_tokens, **more}})


ROLE = delta(role="assistant", content="")
STOP = delta(finish="stop")
DONE = event("[DONE]")
PROCESSING = b": OPENROUTER PROCESSING\n\n"


def outcome_of(script: Script, *, bounds: Bounds = PATIENT, tag: str | None = None) -> Probe:
    """What a probe makes of an answer, pinned to a provider where there is a tag."""
    with running_stream(script) as server:
        target = routed(server.url, "acme/atlas", tag) if tag else chatting(server.url)
        return probe(target, bounds=bounds)
