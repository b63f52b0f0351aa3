"""Getting documents from a real server: politely, within bounds, and telling what went wrong without the key."""

import asyncio
import gzip
import logging
import socket
import traceback
from contextlib import suppress

import pytest
import structlog

from collector.http import Bounds
from collector.jobs.poll import fetcher_for, open_client
from collector.settings import Collecting
from collector.sources import SOURCES
from db.errors import SourceError
from tests.collector.fetching import QUICK, failure, get
from tests.support.upstream import Reply, Upstream, redirect, running_upstream

KEY = "sk-or-v1-" + "5ec2e7" * 8


# What is the same is not sent again


def test_an_unchanged_document_is_not_sent_again(upstream: Upstream) -> None:
    upstream.answer("/doc", Reply(b"[1]", etag=True))

    assert get(upstream.url, "/doc", "/doc") == [b"[1]", b"[1]"]

    first, second = upstream.requests
    assert "If-None-Match" not in first.headers
    assert second.headers["If-None-Match"].startswith('"')


def test_a_changed_document_is_sent_although_the_old_one_is_known(upstream: Upstream) -> None:
    upstream.answer("/doc", Reply(b"[1]", etag=True), Reply(b"[2]", etag=True))

    assert get(upstream.url, "/doc", "/doc", "/doc") == [b"[1]", b"[2]", b"[2]"]


def test_a_document_without_an_etag_is_asked_for_plainly(upstream: Upstream) -> None:
    upstream.answer("/doc", Reply(b"[1]"))

    assert get(upstream.url, "/doc", "/doc") == [b"[1]", b"[1]"]
    assert all("If-None-Match" not in request.headers for request in upstream.requests)


def test_an_answer_that_nothing_changed_to_a_first_request_is_an_error(upstream: Upstream) -> None:
    upstream.answer("/doc", Reply(status=304))

    assert str(failure(upstream.url)) == "127.0.0.1/doc answered 304: Not Modified."


def test_the_collector_says_who_it_is_and_takes_packed_bodies(upstream: Upstream) -> None:
    packed = Reply(gzip.compress(b'{"data": []}'), headers={"Content-Encoding": "gzip"})
    upstream.answer("/doc", packed)

    assert get(upstream.url, "/doc") == [b'{"data": []}']
    (request,) = upstream.requests
    assert request.headers["User-Agent"].startswith("ratecard/")
    assert "gzip" in request.headers["Accept-Encoding"]


# Bounds


def test_a_body_beyond_the_limit_is_not_read_to_its_end(upstream: Upstream) -> None:
    upstream.answer("/doc", Reply(behaviour="endless"))

    error = failure(upstream.url)

    assert str(error) == "127.0.0.1/doc sent more than 0.954 MB; nothing was kept."
    assert error.permanent
    assert len(upstream.requests) == 1
    assert upstream.hung_up.wait(timeout=60)
    # What the sockets held besides; the whole would have been 200 MB.
    assert upstream.bytes_sent < 50_000_000


def test_a_small_body_that_unpacks_beyond_the_limit_is_refused(upstream: Upstream) -> None:
    upstream.answer("/doc", Reply(gzip.compress(b" " * 20_000_000), headers={"Content-Encoding": "gzip"}))

    assert str(failure(upstream.url)) == "127.0.0.1/doc sent more than 0.954 MB; nothing was kept."


def test_a_body_packed_more_than_once_is_refused_unopened(upstream: Upstream) -> None:
    twice = gzip.compress(gzip.compress(b"[1]"))
    upstream.answer("/doc", Reply(twice, headers={"Content-Encoding": "gzip, gzip"}))

    assert "packed more than once" in str(failure(upstream.url))


def test_a_body_at_the_limit_is_whole(upstream: Upstream) -> None:
    upstream.answer("/doc", Reply(b"x" * QUICK.max_body_bytes))

    assert get(upstream.url, "/doc") == [b"x" * QUICK.max_body_bytes]


def test_a_body_that_trickles_ends_at_the_deadline(upstream: Upstream) -> None:
    upstream.answer("/doc", Reply(behaviour="trickle"))

    error = failure(upstream.url, bounds=Bounds(timeout_s=30, deadline_s=0.2))

    assert str(error) == "127.0.0.1/doc took longer than 0.2 s in all."
    assert not error.permanent
    assert upstream.hung_up.wait(timeout=60)


def test_a_server_that_says_nothing_is_asked_again_and_given_up(upstream: Upstream) -> None:
    upstream.answer("/doc", Reply(behaviour="silent"))

    error = failure(upstream.url, bounds=Bounds(timeout_s=0.05, deadline_s=60, attempts=2, first_pause_s=0.001))

    assert str(error) == "127.0.0.1/doc did not answer within 0.05 s."
    assert len(upstream.requests) == 2


# Broken connections and addresses


def test_a_truncated_body_is_not_taken_for_whole(upstream: Upstream) -> None:
    upstream.answer("/doc", Reply(b"[1]", behaviour="truncated"))

    error = failure(upstream.url)

    assert str(error).startswith(
        "127.0.0.1/doc broke off: peer closed connection without sending complete message body"
    )
    assert len(upstream.requests) == 3


def test_a_connection_that_breaks_is_tried_again(upstream: Upstream) -> None:
    upstream.answer("/doc", Reply(behaviour="reset"), Reply(b"[1]"))

    assert get(upstream.url, "/doc") == [b"[1]"]
    assert len(upstream.requests) == 2


def test_a_body_that_cannot_be_unpacked_is_tried_again(upstream: Upstream) -> None:
    upstream.answer("/doc", Reply(b"[1]", headers={"Content-Encoding": "gzip"}), Reply(b"[1]"))

    assert get(upstream.url, "/doc") == [b"[1]"]


def test_a_server_that_is_not_there_is_told_by_its_name() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        nobody = f"http://127.0.0.1:{taken.getsockname()[1]}"
    error = failure(nobody)

    assert str(error).startswith("127.0.0.1/doc could not be reached (")
    assert str(error).endswith("Is there a network?")
    assert not error.permanent


@pytest.mark.parametrize("base", ["prices.example", "ftp://127.0.0.1", "http://[::1", "http://127.0.0.1:port", ""])
def test_an_address_that_is_none_is_refused_at_once(base: str) -> None:
    error = failure(base)

    assert error.permanent
    assert "address" in str(error)


def test_a_path_that_is_too_long_is_refused_at_once(upstream: Upstream) -> None:
    assert failure(upstream.url, "/" + "x" * 70_000).permanent
    assert upstream.requests == []


def test_redirects_are_followed_but_not_in_circles(upstream: Upstream) -> None:
    upstream.answer("/old", redirect("/new"))
    upstream.answer("/new", Reply(b"[1]"))
    upstream.answer("/round", redirect("/round"))

    new, circle = get(upstream.url, "/old", "/round")

    assert new == b"[1]"
    assert isinstance(circle, SourceError)
    assert circle.permanent
    assert str(circle).startswith("127.0.0.1/round is no address to get anything from")


# The key


@pytest.fixture
def planted_key(monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("OPENROUTER_API_KEY", KEY)
    return KEY


def test_the_key_is_sent_to_openrouter_and_to_nobody_else(upstream: Upstream, planted_key: str) -> None:
    with running_upstream() as stranger:
        stranger.answer("/api.json", Reply(b"{}"))
        upstream.answer("/api/v1/models", Reply(b"{}"))
        upstream.answer("/api/v1/moved", redirect(f"{stranger.url}/api.json"))
        settings = Collecting(openrouter_url=f"{upstream.url}/api/v1/", models_dev_url=stranger.url)

        async def ask() -> None:
            async with open_client(settings) as client:
                openrouter = fetcher_for(SOURCES["openrouter"], client, settings)
                await openrouter.get("/models")
                await openrouter.get("/moved")
                await fetcher_for(SOURCES["models_dev"], client, settings).get("/api.json")

        asyncio.run(ask())

    assert [request.headers["Authorization"] for request in upstream.requests] == [f"Bearer {planted_key}"] * 2
    assert [request.path for request in stranger.requests] == ["/api.json", "/api.json"]
    assert all("Authorization" not in request.headers for request in stranger.requests)


def test_the_key_shows_in_no_error_no_representation_and_no_log(
    upstream: Upstream, planted_key: str, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    settings = Collecting(openrouter_url=upstream.url, timeout_s=0.05, attempts=2)
    for status in (401, 404, 429, 500):
        upstream.answer(f"/{status}", Reply(status=status, headers={"Retry-After": "120"} if status == 429 else {}))
    for behaviour in ("truncated", "reset", "endless", "silent"):
        upstream.answer(f"/{behaviour}", Reply(behaviour=behaviour))
    upstream.answer("/round", redirect("/round"))
    paths = ["401", "404", "429", "500", "truncated", "reset", "endless", "silent", "round"]
    told: list[str] = []

    async def ask() -> None:
        async with open_client(settings) as client:
            fetcher = fetcher_for(SOURCES["openrouter"], client, settings)
            fetcher.bounds = Bounds(timeout_s=0.05, deadline_s=60, attempts=2, max_body_bytes=1000, first_pause_s=0.001)
            told.append(repr(fetcher))
            for path in paths:
                with suppress(SourceError):
                    try:
                        await fetcher.get(f"/{path}")
                    except SourceError as error:
                        told.extend([repr(error), *traceback.format_exception(error)])
                        raise

    with structlog.testing.capture_logs() as logs:
        asyncio.run(ask())

    assert {request.headers["Authorization"] for request in upstream.requests} == {f"Bearer {planted_key}"}
    assert sum(text.startswith(("SourceError(", "TryAgainError(")) for text in told) == len(paths)
    assert logs, "new attempts are logged"
    everything = "\n".join([*told, str(logs), caplog.text, *capfd.readouterr()])
    assert planted_key not in everything
    assert planted_key[9:] not in everything
