"""What may pass is tried again, after the pause that the server asks for; what may not is told at once."""

from collections.abc import Iterator
from datetime import timedelta
from email.utils import format_datetime

import pytest
import stamina.instrumentation
from hypothesis import given
from hypothesis import strategies as st

from collector.http import Bounds, retry_after_s
from tests.collector.fetching import NOW, QUICK, failure, get
from tests.support.upstream import Reply, Upstream


@pytest.fixture
def waits() -> Iterator[list[float]]:
    """How long was waited before each new attempt, in seconds."""
    seen: list[float] = []
    stamina.instrumentation.set_on_retry_hooks([lambda details: seen.append(details.wait_for)])
    yield seen
    stamina.instrumentation.set_on_retry_hooks(None)


@pytest.mark.parametrize("status", [500, 502, 503, 429, 408])
def test_a_failure_that_may_pass_is_tried_again(upstream: Upstream, status: int) -> None:
    upstream.answer("/doc", Reply(status=status), Reply(b"[1]"))

    assert get(upstream.url, "/doc") == [b"[1]"]
    assert len(upstream.requests) == 2


def test_after_the_last_attempt_the_failure_is_told(upstream: Upstream) -> None:
    upstream.answer("/doc", Reply(status=503))

    error = failure(upstream.url)

    assert str(error) == "127.0.0.1/doc answered 503: Service Unavailable."
    assert not error.permanent
    assert len(upstream.requests) == 3


@pytest.mark.parametrize(
    ("status", "why"),
    [
        (400, "Bad Request"),
        (401, "the key was refused"),
        (402, "the account has no credit"),
        (403, "access was refused"),
        (404, "there is nothing at this address"),
        (418, "I'm a teapot"),
        (299, "no reason given"),
    ],
)
def test_a_refusal_is_permanent_and_not_tried_again(upstream: Upstream, status: int, why: str) -> None:
    upstream.answer("/doc", Reply(status=status))

    error = failure(upstream.url)

    assert str(error) == f"127.0.0.1/doc answered {status}: {why}."
    assert error.permanent
    assert len(upstream.requests) == 1


@pytest.mark.parametrize(("header", "wait_s"), [("0", 0.01), (format_datetime(NOW, usegmt=True), 0.05)])
def test_a_short_pause_that_the_server_asks_for_is_kept(
    upstream: Upstream, waits: list[float], header: str, wait_s: float
) -> None:
    upstream.answer("/doc", Reply(status=429, headers={"Retry-After": header}), Reply(b"[1]"))

    assert get(upstream.url, "/doc", now=NOW - timedelta(seconds=0.05)) == [b"[1]"]
    assert waits == [pytest.approx(wait_s)]


def test_without_a_wish_of_the_server_the_pause_is_our_own(upstream: Upstream, waits: list[float]) -> None:
    upstream.answer("/doc", Reply(status=503, headers={"Retry-After": "soon"}), Reply(b"[1]"))

    assert get(upstream.url, "/doc") == [b"[1]"]
    assert len(waits) == 1
    assert QUICK.first_pause_s <= waits[0] <= 2 * QUICK.first_pause_s


@pytest.mark.parametrize(
    "header", ["120", format_datetime(NOW + timedelta(minutes=2), usegmt=True), "Sun, 01 Mar 2026 12:02:00 -0000"]
)
@pytest.mark.parametrize("status", [429, 503])
def test_a_long_pause_fails_at_once_and_is_remembered(upstream: Upstream, header: str, status: int) -> None:
    upstream.answer("/doc", Reply(status=status, headers={"Retry-After": header}), Reply(b"[1]"))

    error = failure(upstream.url)

    assert error.retry_at == NOW + timedelta(minutes=2)
    assert not error.permanent
    assert len(upstream.requests) == 1


def test_a_pause_beyond_the_deadline_fails_at_once_and_is_remembered(upstream: Upstream) -> None:
    upstream.answer("/doc", Reply(status=429, headers={"Retry-After": "20"}))

    error = failure(upstream.url, bounds=Bounds(deadline_s=15))

    assert str(error) == "127.0.0.1/doc answered 429: it asked for a pause (too many requests)."
    assert error.retry_at == NOW + timedelta(seconds=20)
    assert len(upstream.requests) == 1


def test_the_pause_that_the_last_attempt_was_asked_for_is_remembered(upstream: Upstream) -> None:
    upstream.answer("/doc", Reply(status=429, headers={"Retry-After": "0"}))

    error = failure(upstream.url)

    assert error.retry_at == NOW
    assert len(upstream.requests) == 3


@given(
    st.one_of(
        st.text(), st.from_regex(r"[A-Z][a-z]{2}, \d{1,12} [A-Z][a-z]{2} \d{1,12} \d\d:\d\d:\d\d ([+-]\d{4}|GMT)")
    )
)
def test_whatever_a_server_writes_a_pause_is_none_or_within_a_week(header: str) -> None:
    wait_s = retry_after_s(header, NOW)

    assert wait_s is None or 0 <= wait_s <= 7 * 86_400


@pytest.mark.parametrize(
    ("header", "wait_s"),
    [(None, None), ("", None), ("90", 90), (" 90 ", 90), ("1.5", None), ("-5", None), ("²", None),
     ("9" * 30, 7 * 86_400), ("Sun, 01 Mar 2026 11:00:00 GMT", 0), ("Mon, 01 Mar 99999999999 12:00:00 GMT", None)],
)  # fmt: skip
def test_pauses_are_seconds_or_dates(header: str | None, wait_s: float | None) -> None:
    assert retry_after_s(header, NOW) == wait_s
