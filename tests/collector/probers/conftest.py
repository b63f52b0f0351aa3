"""What tests of the probers share: a real third-party server that injects faults."""

from collections.abc import Iterator
from typing import Any, Final

import pytest

from tests.support.aimock import running_aimock

PROVIDER: Final = "Acme Cloud"
TOKENS: Final = "tok " * 16
USAGE: Final = {"prompt_tokens": 101, "completion_tokens": 16, "cost": 0.0001234567}
PACE: Final = {"ttft": 30, "tps": 100}
"""Milliseconds to the first chunk, which is empty; chunks per second after it."""


def fixture(model: str, content: str = TOKENS, /, **more: Any) -> dict[str, Any]:
    """A fixture of aimock: what it answers to this model, a token a chunk. `response_...` goes into the response."""
    response = {"content": content, "provider": PROVIDER, "usage": USAGE}
    response |= {name.removeprefix("response_"): more.pop(name) for name in list(more) if name.startswith("response_")}
    return {"match": {"model": model}, "response": response, "chunkSize": 4, "streamingProfile": PACE, **more}


def refusal(model: str, status: int, **more: Any) -> dict[str, Any]:
    """A fixture of aimock that answers with an error."""
    error = {"message": "Provider is overloaded", "type": "server_error"}
    return {"match": {"model": model}, "response": {"error": error, "status": status, **more}}


FIXTURES: Final = [
    fixture("good", openRouterProcessing=True),
    fixture("thinks-first", response_reasoning="hmm hmm hmm "),
    fixture(
        "thinks-in-silence",
        "",
        response_finishReason="length",
        response_usage={
            "prompt_tokens": 101,
            "completion_tokens": 64,
            "completion_tokens_details": {"reasoning_tokens": 64},
        },
    ),
    fixture("empty", ""),
    fixture("elsewhere", response_provider="Zenith"),
    refusal("limited", 429, retryAfter=7),
    refusal("overloaded", 503),
    fixture("cut", truncateAfterChunks=6),
    fixture("disconnects", disconnectAfterMs=120),
    fixture("drops", chaos={"disconnectRate": 1}),
    fixture("hangs", streamingProfile={"ttft": 600_000}),
    fixture("stalls", streamingProfile={"ttft": 10, "tps": 0.001}),
    # Slow enough that sixteen of them are open at once although they start one after the other.
    fixture("paced", "tok " * 32, streamingProfile={"ttft": 150, "tps": 100}, response_usage={"completion_tokens": 32}),
]


@pytest.fixture(scope="session")
def aimock() -> Iterator[str]:
    """The base URL of aimock, with FIXTURES by model."""
    with running_aimock(FIXTURES) as url:
        yield url
