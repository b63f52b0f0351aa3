"""Streams that go wrong in ways that no fault injection has, byte for byte: each has its outcome and its sentence."""

import pytest

from collector.probers.wire import Bounds
from db.probes.facts import Outcome
from tests.collector.probers.probing import DONE, HASTY, PROCESSING, ROLE, STOP, delta, outcome_of
from tests.support.stream import HANG, HEAD, RESET, Script, chunked, event, plain, running_stream


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (b'data: {"error": {"code": 502, "message": "Provider\\n failed"}, "choices": [{"delta": {}}]}\n\n',
         "reported an error 502 inside its stream: Provider failed."),
        (b'data: {"error": "out of memory"}\n\n', "reported an error inside its stream: out of memory."),
        (b'event: error\ndata: {"message": "no more"}\n\n', "reported an error inside its stream: no more."),
        (delta(finish="error"), "reported an error inside its stream."),
        (b"data: <html>\n\n", "sent something in its stream that is no chunk."),
        (b"data: [1]\n\n", "sent something in its stream that is no chunk."),
        (b"data: " + b"[" * 100_000 + b"\n\n", "sent something in its stream that is no chunk."),
        (b'data: {"usage": {"cost": 1e99999999999999999999}}\n\n', "sent something in its stream that is no chunk."),
    ],
)  # fmt: skip
def test_an_error_in_mid_stream_is_one_although_the_status_was_200(error: bytes, reason: str) -> None:
    found = outcome_of(chunked(ROLE, delta(content="a"), error, HANG))

    assert (found.outcome, found.http_status) == (Outcome.STREAM_ERROR, 200)
    assert found.reason == f"127.0.0.1 {reason}"
    assert found.ttft_ms is not None


def test_a_limit_that_comes_after_the_status_is_a_limit_all_the_same() -> None:
    limit = event({"error": {"code": 429, "message": "Rate limited upstream"}})

    before = outcome_of(chunked(PROCESSING, limit, DONE))
    after = outcome_of(chunked(delta(content="a"), limit, DONE))

    assert before.outcome is Outcome.LIMITED
    assert before.reason == "127.0.0.1 asked for a pause (429 inside its stream): Rate limited upstream."
    assert after.outcome is Outcome.STREAM_ERROR


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        (chunked(delta(content="a"), STOP), "ended its stream without [DONE]."),
        (chunked(delta(content="a"), DONE), "ended its stream without a finish_reason."),
        (chunked(delta(content="a")), "ended its stream without a finish_reason."),
        (chunked(delta(content="a"), STOP, b'data: {"choices": [{"del'), "ended its stream without [DONE]."),
        (chunked(), "ended its stream without a finish_reason."),
        (chunked(delta(content="a"), STOP, end=False), "broke off its answer before the end."),
        (chunked(delta(content="a"), STOP, RESET), "broke off its answer before the end."),
    ],
)
def test_a_stream_that_does_not_come_to_its_end_is_truncated(script: Script, reason: str) -> None:
    found = outcome_of(script)

    assert (found.outcome, found.reason) == (Outcome.TRUNCATED, f"127.0.0.1 {reason}")


def test_json_instead_of_a_stream_is_an_error_with_its_words() -> None:
    json_type = {"Content_Type": "application/json"}
    error = outcome_of(plain("200 OK", b'{"error": {"message": "No endpoints found"}}', **json_type))
    whole = outcome_of(plain("200 OK", b'{"choices": []}', **json_type))

    assert error.outcome is whole.outcome is Outcome.STREAM_ERROR
    assert error.reason == "127.0.0.1 answered 200 with JSON instead of a stream: No endpoints found."
    assert whole.reason == "127.0.0.1 answered 200 with JSON instead of a stream."


@pytest.mark.parametrize("body", [b"<html>", b"", b"[1]", b"\xff", b'{"error": {}}', b'{"message": 5}', b"[" * 50_000])
def test_an_error_page_is_not_quoted(body: bytes) -> None:
    found = outcome_of(plain("502 Bad Gateway", body))

    assert (found.outcome, found.reason) == (Outcome.HTTP_ERROR, "127.0.0.1 answered 502 Bad Gateway.")


def test_an_error_body_that_never_ends_does_not_hide_the_status() -> None:
    head = b"HTTP/1.1 503 Service Unavailable\r\nTransfer-Encoding: chunked\r\n\r\n"

    for script in (chunked(b"{", HANG, head=head), chunked(b" " * 200_000, HANG, head=head)):
        found = outcome_of(script)
        assert (found.outcome, found.reason) == (Outcome.HTTP_ERROR, "127.0.0.1 answered 503 Service Unavailable.")


@pytest.mark.parametrize(("pause", "wait"), [("7", " for 7 s"), ("soon", ""), ("", "")])
def test_a_limit_says_for_how_long_if_it_knows(pause: str, wait: str) -> None:
    found = outcome_of(plain("429 Too Many Requests", b"", Retry_After=pause))

    assert (found.outcome, found.reason) == (Outcome.LIMITED, f"127.0.0.1 asked for a pause{wait} (429).")


def test_a_redirect_is_not_followed() -> None:
    with running_stream(plain("200 OK")) as other:
        found = outcome_of(plain("307 Temporary Redirect", Location=other.url))

    assert (found.outcome, found.http_status, other.requests) == (Outcome.HTTP_ERROR, 307, [])


def test_what_is_not_http_is_no_answer() -> None:
    found = outcome_of([b"SSH-2.0-OpenSSH_9.6\r\n\r\n", HANG])

    assert (found.outcome, found.http_status) == (Outcome.HTTP_ERROR, None)
    assert found.reason == "127.0.0.1 answered something that is not HTTP."


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ([HANG], "gave no answer within 0.3 s."),
        (chunked(PROCESSING, ROLE, HANG), "gave no token within 0.3 s."),
        (chunked(delta(content="a"), HANG), "did not end its answer within 0.3 s."),
    ],
)
def test_the_reason_of_a_timeout_says_how_far_things_came(script: Script, reason: str) -> None:
    found = outcome_of(script, bounds=HASTY)

    assert (found.outcome, found.reason) == (Outcome.TIMEOUT, f"127.0.0.1 {reason}")


def test_a_trickle_does_not_put_the_deadline_off() -> None:
    drops: list[bytes | float] = [PROCESSING, 0.02] * 500

    assert outcome_of(chunked(*drops), bounds=HASTY).outcome is Outcome.TIMEOUT


def test_an_endless_stream_is_cut_at_the_limit_of_the_body() -> None:
    found = outcome_of(chunked(*[delta(content="a" * 1000)] * 300, HANG), bounds=Bounds(60, 100 * 1024))

    assert (found.outcome, found.reason) == (Outcome.STREAM_ERROR, "127.0.0.1 sent more than 0.0977 MB.")


def test_a_body_that_is_packed_wrongly_or_twice_is_refused() -> None:
    for packing, reason in (("gzip", "cannot be unpacked"), ("gzip, gzip", "is packed more than once")):
        head = HEAD[:-2] + f"Content-Encoding: {packing}\r\n\r\n".encode()
        found = outcome_of(chunked(delta(content="a"), STOP, DONE, head=head))

        assert (found.outcome, found.reason) == (Outcome.STREAM_ERROR, f"127.0.0.1 sent a body that {reason}.")
