"""Reaching a server for free: what each phase of a connection takes, and where it fails."""

import socket
from typing import Any

import pytest

from db.probes.facts import Outcome, Phases, Probe, Prompt, Target
from tests.collector.probers.probing import DONE, HASTY, STOP, chatting, delta, nobody, probe, probe_in_turn
from tests.support.stream import CERTIFICATE, HANG, RESET, chunked, plain, running_stream

MODELS = plain("200 OK", b'{"data": []}', Content_Type="application/json")


def reaching(url: str) -> Target:
    return Target("there", "reach", f"{url}/v1", key_variable="THERE_API_KEY")


def reached(status: str) -> Probe:
    with running_stream(plain(status, b"{}")) as server:
        return probe(reaching(server.url))


@pytest.fixture
def trusted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Trust the test server's certificate."""
    monkeypatch.setenv("SSL_CERT_FILE", str(CERTIFICATE))


def test_the_list_of_models_is_asked_for_without_a_key_or_a_prompt(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("THERE_API_KEY", "sk-not-to-be-shown")
    with running_stream(MODELS) as server:
        found = probe(reaching(server.url), Prompt.LONG)

    (request,) = server.requests
    assert request.line == "GET /v1/models HTTP/1.1"
    assert "authorization" not in request.headers
    assert (request.headers["range"], request.body) == ("bytes=0-0", b"")
    assert (found.outcome, found.reason, found.prompt, found.http_status) == (Outcome.OK, None, None, 200)
    assert (found.ttft_ms, found.output_tokens, found.cost_usd) == (None, None, None)


def test_each_time_a_new_connection_is_made() -> None:
    with running_stream(MODELS) as server:
        found = probe_in_turn(*[reaching(server.url)] * 3)

    assert [each.warm for each in found] == [False] * 3
    assert server.connections == 3
    assert all(each.phases.connect_ms is not None for each in found)


def test_a_warm_connection_of_other_probes_is_not_used() -> None:
    with running_stream(chunked(delta(content="a"), STOP, DONE)) as server:
        chat, reach = probe_in_turn(chatting(server.url), reaching(server.url))

    assert (chat.outcome, reach.outcome, reach.warm) == (Outcome.OK, Outcome.OK, False)


def test_the_first_byte_is_enough() -> None:
    with running_stream(chunked(b"{", HANG)) as server:
        assert probe(reaching(server.url)).outcome is Outcome.OK


@pytest.mark.parametrize("status", ["401 Unauthorized", "403 Forbidden", "404 Not Found", "416 No", "302 Found"])
def test_a_server_that_says_no_is_there(status: str) -> None:
    found = reached(status)

    assert (found.outcome, found.reason, found.http_status) == (Outcome.OK, None, int(status[:3]))


@pytest.mark.parametrize(
    ("status", "outcome"), [("429 Too Many Requests", Outcome.LIMITED), ("502 Bad Gateway", Outcome.HTTP_ERROR)]
)
def test_a_server_that_does_not_serve_is_no_success(status: str, outcome: Outcome) -> None:
    assert reached(status).outcome is outcome


def test_every_phase_of_a_secure_connection_is_timed(trusted: None) -> None:
    with running_stream(MODELS, tls=True) as server:
        found = probe(reaching(f"https://localhost:{server.port}"))

    assert found.outcome is Outcome.OK, found.reason
    before = [found.phases.resolve_ms, found.phases.connect_ms, found.phases.tls_ms]
    after = [found.phases.processing_ms, found.phases.transfer_ms]
    assert found.queue_ms is not None
    assert sum(each or 0 for each in before) <= found.queue_ms
    assert all(each is not None and each > 0 for each in before)
    assert all(each is not None and each >= 0 for each in after)


def test_connecting_through_a_proxy_is_not_counted_as_waiting(trusted: None, monkeypatch: pytest.MonkeyPatch) -> None:
    with running_stream(MODELS, is_tunnel=True) as proxy:
        monkeypatch.delenv("NO_PROXY", raising=False)
        monkeypatch.delenv("no_proxy", raising=False)
        monkeypatch.setenv("https_proxy", proxy.url)
        found = probe(reaching("https://localhost:1"))

    assert [request.line.split()[0] for request in proxy.requests] == ["CONNECT", "GET"]
    assert found.outcome is Outcome.OK, found.reason
    assert found.phases.tls_ms is not None
    assert found.queue_ms is not None
    # The request that counts is sent after the tunnel has its TLS.
    assert found.queue_ms > found.phases.tls_ms
    assert found.total_ms == pytest.approx((found.phases.processing_ms or 0) + (found.phases.transfer_ms or 0))


def test_nobody_there() -> None:
    found = probe(reaching(nobody()))

    assert (found.outcome, found.phases) == (Outcome.REFUSED, Phases())
    assert found.reason == "127.0.0.1 could not be connected to (Connection refused)."


def test_a_name_that_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*args: Any, **kwargs: Any) -> Any:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    found = probe(reaching("https://prices.invalid"))

    assert (found.outcome, found.phases) == (Outcome.REFUSED, Phases())
    assert found.reason == "prices.invalid could not be found by name (DNS)."


def test_a_certificate_that_nobody_trusts() -> None:
    with running_stream(MODELS, tls=True) as server:
        found = probe(reaching(server.url))

    assert found.outcome is Outcome.REFUSED
    assert found.reason is not None
    assert found.reason.startswith("127.0.0.1 failed the TLS handshake (self")
    assert (found.phases.tls_ms, found.queue_ms) == (None, None)
    assert found.phases.connect_ms is not None


def test_a_server_that_never_ends_the_tls_handshake() -> None:
    # It waits for the rest of a request that a handshake never brings.
    with running_stream(MODELS) as server:
        found = probe(reaching(f"https://127.0.0.1:{server.port}"), bounds=HASTY)

    assert (found.outcome, found.reason) == (Outcome.TIMEOUT, "127.0.0.1 could not be connected to within 0.3 s.")
    assert (found.phases.tls_ms, found.total_ms) == (None, None)


def test_a_server_that_accepts_and_says_nothing() -> None:
    with running_stream([HANG]) as server:
        found = probe(reaching(server.url), bounds=HASTY)

    assert (found.outcome, found.reason) == (Outcome.TIMEOUT, "127.0.0.1 gave no answer within 0.3 s.")


def test_a_server_that_breaks_the_connection() -> None:
    with running_stream([RESET]) as server:
        found = probe(reaching(server.url))

    assert (found.outcome, found.reason) == (Outcome.REFUSED, "127.0.0.1 closed the connection without an answer.")
