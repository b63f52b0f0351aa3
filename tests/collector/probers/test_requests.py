"""What a chat probe sends, and whether the one who answers is the one who was asked."""

import pytest

from db.probes.facts import Outcome
from tests.collector.probers.probing import DONE, STOP, chatting, delta, outcome_of, probe, probe_in_turn, routed
from tests.support.stream import HEAD, RESET, chunked, event, plain, running_stream

# Who answered


def test_the_generation_id_of_the_header_wins() -> None:
    answer = event({"id": "gen-2", "choices": [{"delta": {"content": "a"}, "finish_reason": "stop"}]}) + DONE
    head = HEAD[:-2] + b"X-Generation-Id: gen-1\r\n\r\n"

    assert outcome_of(chunked(answer, head=head)).generation_id == "gen-1"
    assert outcome_of(chunked(answer)).generation_id == "gen-2"
    assert outcome_of(chunked(delta(content="a"), STOP, DONE)).generation_id is None


@pytest.mark.parametrize(
    ("tag", "name", "is_right"),
    [
        ("deepinfra/fp8", "DeepInfra", True),
        ("moonshotai", "Moonshot AI", True),
        ("google-vertex/us-east5", "Google", True),
        ("google-ai-studio", "Google AI Studio", True),
        ("mancer", "Mancer 2", True),
        ("z-ai", "Z.AI", True),
        ("nebius", "Chutes", False),
        ("google-ai-studio", "Google", False),
        ("google-vertex", "Google AI Studio", False),
        ("amazon-bedrock", "Amazon Nova", False),
        ("nebius", "-", False),
        ("nebius", None, True),
    ],
)
def test_a_fallback_to_another_provider_is_seen(tag: str, name: str | None, is_right: bool) -> None:
    found = outcome_of(chunked(delta(content="a", provider=name), STOP, DONE), tag=tag)

    assert (found.outcome, found.provider) == (Outcome.OK if is_right else Outcome.WRONG_PROVIDER, name)


# What is sent


def test_what_a_pinned_request_says() -> None:
    with running_stream(chunked(delta(content="a"), STOP, DONE)) as server:
        probe(routed(server.url, "acme/atlas"))

    (request,) = server.requests
    assert request.line == "POST /api/v1/chat/completions HTTP/1.1"
    document = request.document
    assert "Request" in document.pop("messages")[0]["content"]
    assert document == {
        "model": "acme/atlas",
        "max_tokens": 64,
        "stream": True,
        "stream_options": {"include_usage": True},
        "provider": {"only": ["acme-cloud/fp8"], "allow_fallbacks": False},
        "usage": {"include": True},
    }


def test_another_server_is_sent_nothing_that_only_openrouter_knows() -> None:
    with running_stream(chunked(delta(content="a"), STOP, DONE)) as server:
        probe_in_turn(chatting(server.url), chatting(f"{server.url}/"))

    assert {request.line for request in server.requests} >= {"POST /v1/chat/completions HTTP/1.1"}
    assert all(request.document.keys() == {"model", "messages", "max_tokens", "stream", "stream_options"}
               for request in server.requests)  # fmt: skip
    assert all("authorization" not in request.headers for request in server.requests)
    assert all(request.headers["accept-encoding"] == "identity" for request in server.requests)


def test_no_two_probes_send_the_same_prompt() -> None:
    with running_stream(chunked(delta(content="a"), STOP, DONE)) as server:
        probe_in_turn(*[chatting(server.url)] * 5)

    assert len({request.body for request in server.requests}) == 5
    assert server.connections == 1


def test_nothing_is_sent_twice() -> None:
    for script in (plain("503 Service Unavailable"), plain("429 Too Many Requests", Retry_After="0"), [RESET]):
        with running_stream(script) as server:
            probe(chatting(server.url))

        assert len(server.requests) == 1
