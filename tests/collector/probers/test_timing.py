"""Probes measure what the wire shows, alone and as many at once as are ever started."""

import asyncio
from statistics import median
from typing import Final

import pytest

from collector.probers import PROBERS
from collector.probers.measure import MOST_AT_ONCE, Connections, measure, open_connections
from db.probes.facts import Outcome, Probe, Prompt, Target
from tests.collector.probers.probing import PATIENT, routed
from tests.collector.probers.wiretap import tapping

ALLOWED_TTFT_MS: Final = 3
ALLOWED_SPEED: Final = 0.01
RUNS: Final = 3
"""The best of so many counts: a machine that is busy with other things is no finding."""


@pytest.mark.parametrize(("at_once", "rounds"), [(1, 12), (MOST_AT_ONCE, 4)])
def test_time_to_first_token_and_speed_are_those_of_the_wire(aimock: str, at_once: int, rounds: int) -> None:
    found = []
    for _ in range(RUNS):
        with tapping(aimock) as tap:
            probes = asyncio.run(_probes(routed(tap.url, "paced"), at_once, rounds))
        assert len(tap.seen) == len(probes) == at_once * rounds
        late_ms = median(probe.ttft_ms or 0 for probe in probes) - median(seen.ttft_ms for seen in tap.seen)
        speed = median(probe.tokens_per_s or 0 for probe in probes)
        faster = speed / median(seen.tokens_per_s for seen in tap.seen) - 1
        found.append(f"TTFT {late_ms:+.2f} ms, speed {faster:+.2%} of {speed:.1f} tokens/s")
        if abs(late_ms) <= ALLOWED_TTFT_MS and abs(faster) <= ALLOWED_SPEED:
            break
    else:
        pytest.fail("; ".join(found))
    print(f"{at_once} at once, against the wire: {'; '.join(found)}")


async def _probes(target: Target, at_once: int, rounds: int) -> list[Probe]:
    found: list[Probe] = []
    async with open_connections() as connections:
        for _ in range(rounds):
            # Apart, as a schedule starts them, yet all of them open before the first has its token.
            found += await asyncio.gather(*(_probe(connections, target, 0.12 * n / at_once) for n in range(at_once)))
    assert {probe.outcome for probe in found} == {Outcome.OK}
    return found


async def _probe(connections: Connections, target: Target, wait_s: float) -> Probe:
    await asyncio.sleep(wait_s)
    return await measure(PROBERS["chat"], connections, target, Prompt.SHORT, bounds=PATIENT)
