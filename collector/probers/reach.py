"""Whether a server can be reached, and how fast, for free and without a key: DNS, TCP, TLS, first byte."""

from decimal import Decimal
from typing import Final

from collector.probers.base import Prober
from collector.probers.wire import Wire
from db.probes.facts import Prompt, Target


async def speak(wire: Wire, target: Target, _prompt: Prompt | None, _nonce: str) -> None:
    """Ask for the list of models and leave at its first byte.

    The question is whether the server is there. An answer like 401 or 404 comes from a server that is, so it is as
    good as any; only 429 and 5xx say that it does not serve.
    """
    url = f"{target.url.rstrip('/')}/models"
    # One byte is all that is wanted of a list that may be megabytes long.
    headers = {"Accept": "application/json", "Range": "bytes=0-0", "Connection": "close"}
    async with wire.ask("GET", url, headers=headers) as answer:
        if answer.status == 429 or answer.status >= 500:
            raise await answer.refusal()
        wire.stamps.ended = wire.stamps.answered
        async for at, _ in answer.pieces():
            wire.stamps.ended = at
            break


def estimate(_target: Target, _prompt: Prompt | None, _prompt_rate: Decimal, _completion_rate: Decimal) -> Decimal:
    """Nothing: the list of models is free."""
    return Decimal(0)


PROBER: Final = Prober(
    name="reach",
    title="Reachability (DNS, TCP, TLS, first byte)",
    sends_prompts=False,
    fresh=True,
    speak=speak,
    estimate=estimate,
)
