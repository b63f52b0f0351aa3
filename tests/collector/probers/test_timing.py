"""Probes measure what the wire shows: against a raw-socket client that reads the same server in the same run."""

import asyncio
from typing import Final

import pytest

from collector.probers import PROBERS
from collector.probers.measure import MOST_AT_ONCE, Connections, measure, open_connections
from db.probes.facts import Outcome, Prompt, Target
from tests.collector.probers.probing import PATIENT, routed
from tests.collector.probers.reference import Timing, medians, read_at_once

ALLOWED_TTFT_MS: Final = 3
ALLOWED_SPEED: Final = 0.01
RUNS: Final = 3
"""A busy machine disturbs both clients, but not alike; the best of so many runs counts."""


@pytest.mark.parametrize(("at_once", "rounds"), [(1, 15), (MOST_AT_ONCE, 5)])
def test_time_to_first_token_and_speed_are_those_of_the_wire(aimock: str, at_once: int, rounds: int) -> None:
    differences = []
    for _ in range(RUNS):
        probed, read = asyncio.run(_both(routed(aimock, "paced"), aimock, at_once, rounds))
        late_ms = probed.ttft_ms - read.ttft_ms
        faster = probed.tokens_per_s / read.tokens_per_s - 1
        differences.append(f"TTFT {late_ms:+.2f} ms, speed {faster:+.2%} (the wire: {read})")
        if abs(late_ms) <= ALLOWED_TTFT_MS and abs(faster) <= ALLOWED_SPEED:
            break
    else:
        pytest.fail("; ".join(differences))
    print(f"{at_once} at once, probe against wire: {'; '.join(differences)}")


async def _both(target: Target, url: str, at_once: int, rounds: int) -> tuple[Timing, Timing]:
    """Medians of what probes and the reference saw, in turn, so that what slows the server slows both."""
    # Apart as a schedule would start them: none waits for another to be sent.
    apart_s = 0.12 / at_once
    probed: list[Timing] = []
    read: list[Timing] = []
    async with open_connections() as connections:
        for _ in range(rounds):
            probed += await asyncio.gather(*(_probe(connections, target, place * apart_s) for place in range(at_once)))
            read += await asyncio.to_thread(read_at_once, url, target.model or "", at_once, apart_s)
    return medians(probed), medians(read)


async def _probe(connections: Connections, target: Target, wait_s: float) -> Timing:
    await asyncio.sleep(wait_s)
    found = await measure(PROBERS["chat"], connections, target, Prompt.SHORT, bounds=PATIENT)
    assert found.outcome is Outcome.OK, found.reason
    assert found.ttft_ms is not None
    assert found.tokens_per_s is not None
    return Timing(found.ttft_ms, found.tokens_per_s)
