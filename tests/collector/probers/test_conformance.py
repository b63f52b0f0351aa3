"""What every registered prober keeps to, whatever protocol it speaks."""

from decimal import Decimal

import pytest

from collector.probers import PROBERS
from collector.probers.base import Prober
from db.probes.facts import Outcome, Prompt, Target
from tests.collector.probers.probing import HASTY, nobody, probe
from tests.support.stream import HANG, RESET, Script, plain, running_stream


@pytest.fixture(params=list(PROBERS.values()), ids=list(PROBERS))
def prober(request: pytest.FixtureRequest) -> Prober:
    found: Prober = request.param
    return found


def target(prober: Prober, url: str) -> Target:
    return Target("mine", prober.name, f"{url}/v1", model="acme/atlas")


def test_a_prober_is_registered_under_its_own_name(prober: Prober) -> None:
    assert PROBERS[prober.name] is prober
    assert prober.title


def test_only_what_sends_a_prompt_can_cost(prober: Prober) -> None:
    most = prober.estimate(target(prober, ""), Prompt.SHORT, Decimal("0.001"), Decimal("0.002"))

    assert (most > 0) == prober.sends_prompts


@pytest.mark.parametrize(
    ("script", "outcome"),
    [
        ([HANG], Outcome.TIMEOUT),
        ([RESET], Outcome.REFUSED),
        ([], Outcome.REFUSED),
        ([b"garbage\r\n\r\n"], Outcome.HTTP_ERROR),
        (plain("429 Too Many Requests"), Outcome.LIMITED),
        (plain("500 Internal Server Error"), Outcome.HTTP_ERROR),
        (plain("503 Service Unavailable"), Outcome.HTTP_ERROR),
    ],
)
def test_failures_are_outcomes_with_one_sentence_that_names_the_host(
    prober: Prober, script: Script, outcome: Outcome
) -> None:
    with running_stream(script) as server:
        found = probe(target(prober, server.url), bounds=HASTY)

    assert (found.outcome, found.prober, found.target) == (outcome, prober.name, "mine")
    assert found.reason is not None
    assert found.reason.startswith("127.0.0.1 ")
    assert found.reason.endswith(".")
    assert len(server.requests) == 1
    assert found.total_ms is not None
    assert found.total_ms >= 0


def test_nobody_there_is_refused(prober: Prober) -> None:
    assert probe(target(prober, nobody())).outcome is Outcome.REFUSED
