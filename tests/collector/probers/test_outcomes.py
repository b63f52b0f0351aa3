"""Each way in which a probe can end, produced by a real server's fault injection, and what is known of it then."""

from dataclasses import replace
from decimal import Decimal

import pytest

from db.probes.facts import Outcome, Phases, Probe, Prompt
from tests.collector.probers.probing import HASTY, chatting, nobody, probe, probe_in_turn, routed


def nothing_heard(found: Probe) -> bool:
    return found.ttft_ms is None and found.ttfat_ms is None and found.tokens_per_s is None


def test_a_good_answer_has_every_figure(aimock: str) -> None:
    found = probe(routed(aimock, "good"))

    assert (found.outcome, found.reason, found.http_status) == (Outcome.OK, None, 200)
    assert (found.target, found.prober, found.prompt) == ("openrouter:good@acme-cloud/fp8", "chat", Prompt.SHORT)
    assert (found.prompt_tokens, found.output_tokens) == (101, 16)
    assert found.provider == "Acme Cloud"
    assert found.generation_id is not None
    assert found.generation_id.startswith("gen-")
    assert found.scheduled_at == found.started_at
    # The empty chunk comes after 30 ms, the first token a hundredth of a second later, the last after fifteen more.
    assert found.ttft_ms is not None
    assert found.total_ms is not None
    assert found.ttft_ms == found.ttfat_ms
    assert 35 <= found.ttft_ms < found.ttft_ms + 75 <= found.total_ms
    assert found.tokens_per_s is not None
    assert 0 < found.tokens_per_s <= 200


def test_what_the_server_says_it_cost_is_kept_exactly(aimock: str) -> None:
    assert probe(routed(aimock, "good")).cost_usd == Decimal("0.0001234567")
    assert probe(routed(aimock, "thinks-in-silence")).cost_usd is None


def test_phases_add_up_to_the_whole(aimock: str) -> None:
    found = probe(routed(aimock, "good"))
    phases = found.phases

    assert (phases.resolve_ms, phases.tls_ms) == (None, None)
    assert phases.connect_ms is not None
    assert phases.processing_ms is not None
    assert phases.transfer_ms is not None
    assert found.queue_ms is not None
    assert 0 < phases.connect_ms < found.queue_ms
    assert found.total_ms == pytest.approx(phases.processing_ms + phases.transfer_ms)


def test_a_second_probe_goes_over_the_warm_connection(aimock: str) -> None:
    cold, warm = probe_in_turn(routed(aimock, "good"), routed(aimock, "good"))

    assert (cold.warm, warm.warm) == (False, True)
    assert warm.phases == replace(warm.phases, resolve_ms=None, connect_ms=None, tls_ms=None)
    assert warm.outcome is Outcome.OK


def test_a_long_prompt_is_a_probe_of_its_own_kind(aimock: str) -> None:
    found = probe(routed(aimock, "good"), Prompt.LONG)

    assert (found.outcome, found.prompt) == (Outcome.OK, Prompt.LONG)


def test_reasoning_is_the_first_token_and_the_answer_comes_later(aimock: str) -> None:
    found = probe(routed(aimock, "thinks-first"))

    assert found.outcome is Outcome.OK
    assert found.ttft_ms is not None
    assert found.ttfat_ms is not None
    # Two more thoughts and an empty chunk lie between, a hundredth of a second each.
    assert found.ttfat_ms - found.ttft_ms > 15


def test_a_model_that_spends_its_tokens_thinking_in_silence_is_up(aimock: str) -> None:
    found = probe(routed(aimock, "thinks-in-silence"))

    assert (found.outcome, found.reason, found.output_tokens) == (Outcome.OK, None, 64)
    assert nothing_heard(found)


def test_a_complete_answer_without_a_token_is_empty(aimock: str) -> None:
    found = probe(routed(aimock, "empty"))

    assert found.outcome is Outcome.EMPTY
    assert found.reason == "127.0.0.1 gave a complete answer without a single token."
    assert nothing_heard(found)


def test_another_provider_than_the_one_asked_is_refused_but_its_cost_is_known(aimock: str) -> None:
    found = probe(routed(aimock, "elsewhere"))

    assert found.outcome is Outcome.WRONG_PROVIDER
    assert found.reason == "127.0.0.1 let Zenith answer, although only acme-cloud/fp8 was asked for."
    assert (found.provider, found.cost_usd) == ("Zenith", Decimal("0.0001234567"))


def test_without_a_pinned_provider_any_may_answer(aimock: str) -> None:
    assert probe(replace(routed(aimock, "elsewhere"), tag=None)).outcome is Outcome.OK


def test_429_is_a_limit_not_a_failure(aimock: str) -> None:
    found = probe(routed(aimock, "limited"))

    assert (found.outcome, found.outcome.is_error, found.http_status) == (Outcome.LIMITED, False, 429)
    assert found.reason == "127.0.0.1 asked for a pause for 7 s (429): Provider is overloaded."
    assert nothing_heard(found)


@pytest.mark.parametrize(
    ("model", "status", "reason"),
    [
        ("overloaded", 503, "127.0.0.1 answered 503 Service Unavailable: Provider is overloaded."),
        ("not-there", 404, "127.0.0.1 answered 404 Not Found: No fixture matched."),
    ],
)
def test_any_other_status_is_an_error(aimock: str, model: str, status: int, reason: str) -> None:
    for target in (routed(aimock, model), chatting(aimock, model)):
        found = probe(target)

        assert (found.outcome, found.http_status, found.reason) == (Outcome.HTTP_ERROR, status, reason)


@pytest.mark.parametrize("model", ["cut", "disconnects"])
def test_an_answer_that_breaks_off_is_truncated_and_keeps_what_was_heard(aimock: str, model: str) -> None:
    found = probe(routed(aimock, model))

    assert (found.outcome, found.http_status) == (Outcome.TRUNCATED, 200)
    assert found.reason == "127.0.0.1 broke off its answer before the end."
    assert found.ttft_ms is not None
    assert found.provider == "Acme Cloud"
    assert (found.output_tokens, found.tokens_per_s, found.cost_usd) == (None, None, None)


def test_a_server_that_hangs_up_without_a_word_is_refused(aimock: str) -> None:
    found = probe(routed(aimock, "drops"))

    assert (found.outcome, found.http_status) == (Outcome.REFUSED, None)
    assert found.reason == "127.0.0.1 closed the connection without an answer."


def test_a_server_that_hangs_is_given_up_at_the_deadline(aimock: str) -> None:
    found = probe(routed(aimock, "hangs"), bounds=HASTY)

    assert found.outcome is Outcome.TIMEOUT
    assert found.reason == "127.0.0.1 gave no answer within 0.3 s."
    assert nothing_heard(found)


def test_a_stream_that_stalls_is_given_up_at_the_deadline(aimock: str) -> None:
    found = probe(routed(aimock, "stalls"), bounds=HASTY)

    assert found.outcome is Outcome.TIMEOUT
    assert found.reason == "127.0.0.1 gave no token within 0.3 s."


def test_a_connection_that_is_refused_says_so() -> None:
    found = probe(chatting(nobody()))

    assert (found.outcome, found.http_status, found.phases) == (Outcome.REFUSED, None, Phases())
    assert found.reason == "127.0.0.1 could not be connected to (Connection refused)."
    assert (found.queue_ms, found.total_ms, found.warm) == (None, None, False)


def test_a_failure_leaves_no_trace_on_the_next_probe(aimock: str) -> None:
    models = ["good", "cut", "good", "drops", "limited", "good"]

    found = probe_in_turn(*(routed(aimock, model) for model in models))

    assert [each.outcome.value for each in found] == ["ok", "truncated", "ok", "refused", "limited", "ok"]
