"""The key goes to the server in one header, and shows nowhere else, whatever the server does with it."""

import asyncio
import json
import logging
import traceback
from pathlib import Path

import pytest
from pydantic import SecretStr

from collector.probers import PROBERS
from collector.probers.measure import measure, open_connections
from collector.probers.wire import Bounds, Wire
from db.errors import UsageError
from db.probes.facts import Outcome, Probe, Target
from tests.collector.probers.probing import DONE, HASTY, STOP, chatting, delta, nobody, probe, routed
from tests.support.stream import HANG, RESET, Script, chunked, event, plain, running_stream

KEY = "sk-or-v1-" + "5ec2e7" * 8
MASKED = f"{KEY[:12]}...{KEY[-6:]}"


def keyed(url: str, tag: str | None = None) -> Target:
    return chatting(url, key_variable="MINE_API_KEY", tag=tag)


@pytest.fixture(autouse=True)
def planted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MINE_API_KEY", KEY)


def echoed(text: str) -> bytes:
    return json.dumps(
        {"error": {"code": 401, "message": f"Incorrect API key provided: {text}, see\x00 there"}}
    ).encode()


ANSWERS: dict[str, Script] = {
    "good": chunked(delta(content="a"), STOP, DONE),
    "401": plain("401 Unauthorized", echoed(KEY)),
    "401 masked": plain("401 Unauthorized", echoed(MASKED)),
    "401 in capitals": plain("401 Unauthorized", echoed(KEY.upper())),
    "429": plain("429 Too Many Requests", echoed(f"<{KEY}>")),
    "status line": plain(f"503 Key {KEY}"),
    "in the stream": chunked(event(echoed(KEY).decode())),
    "as provider": chunked(delta(content="a", provider=KEY), STOP, DONE),
    "as header": [b"HTTP/1.1 200 OK\r\nX-Generation-Id: " + KEY.encode() + b"\r\n\r\n" + delta(content="a")],
    "in bad HTTP": [b"HTTP/1.1 200 OK\r\n: " + KEY.encode() + b"\r\n\r\n"],
    "reset": [RESET],
    "cut": chunked(delta(content="a"), end=False),
    "hang": [HANG],
}


def test_the_key_is_sent_as_a_bearer_token() -> None:
    with running_stream(ANSWERS["good"]) as server:
        assert probe(keyed(server.url)).outcome is Outcome.OK

    assert server.requests[0].headers["authorization"] == f"Bearer {KEY}"
    assert KEY.encode() not in server.requests[0].body


def test_the_key_may_be_in_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "key").write_text(f"{KEY}\n")
    monkeypatch.delenv("MINE_API_KEY")
    monkeypatch.setenv("MINE_API_KEY_FILE", str(tmp_path / "key"))
    with running_stream(ANSWERS["good"]) as server:
        probe(keyed(server.url))

    assert server.requests[0].headers["authorization"] == f"Bearer {KEY}"


@pytest.mark.parametrize("name", ANSWERS)
def test_the_key_shows_in_nothing_that_is_kept_or_logged(
    name: str, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.INFO)
    caplog.set_level(logging.WARNING, "httpx")  # as the command line has it: httpx logs status lines as they come
    with running_stream(ANSWERS[name]) as server:
        found = probe(keyed(server.url, tag="nebius"), bounds=HASTY if name == "hang" else Bounds())

    # Neither whole nor in part: what is told of a key by its ends is too much.
    told = "".join([repr(found), caplog.text, *capfd.readouterr()]).lower()
    assert KEY[9:20] not in told
    assert KEY[-6:] not in told
    assert found.outcome is not Outcome.OK or name == "good"


def test_the_rest_of_what_a_server_says_is_kept_short_and_printable() -> None:
    with running_stream(ANSWERS["401 masked"]) as server:
        found = probe(keyed(server.url))
    assert found.reason == "127.0.0.1 answered 401 Unauthorized: Incorrect API key provided: (key) see there."

    with running_stream(plain("400 Bad Request", json.dumps({"error": "\ud800 why " * 500}).encode())) as server:
        found = probe(keyed(server.url))
    assert found.reason is not None
    assert found.reason.startswith("127.0.0.1 answered 400 Bad Request: why why")
    assert found.reason.isprintable()
    assert len(found.reason) < 300


def test_the_key_shows_in_no_representation_and_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(wire: Wire, *args: object) -> None:
        raise ValueError(repr(wire))

    async def attempt() -> None:
        async with open_connections() as connections:
            faulty = PROBERS["chat"].__class__("broken", "", True, False, broken, PROBERS["chat"].estimate)
            await measure(faulty, connections, keyed(nobody()))

    with pytest.raises(ValueError, match="Wire") as caught:
        asyncio.run(attempt())

    assert KEY[9:] not in "".join(traceback.format_exception(caught.value))
    assert KEY[9:] not in repr(SecretStr(KEY))


def test_a_key_that_is_not_set_is_told_before_anything_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MINE_API_KEY")
    with running_stream(ANSWERS["good"]) as server:
        with pytest.raises(
            UsageError, match=r"^The probe target mine needs its key in MINE_API_KEY, which is not set\.$"
        ):
            probe(keyed(server.url))

        assert server.connections == 0


@pytest.mark.parametrize(
    ("url", "message"),
    [("prices.example", "begins with http"), ("ftp://127.0.0.1", "begins with http"), ("http://", "begins with http"),
     ("http://[::1", "no usable address"), ("http://127.0.0.1:port", "no usable address")],
)  # fmt: skip
def test_an_address_that_is_none_is_told_before_anything_is_sent(url: str, message: str) -> None:
    for name in PROBERS:
        with pytest.raises(UsageError, match=message):
            probe(Target("mine", name, url, model="m"))


def test_a_chat_without_a_model_is_told_before_anything_is_sent() -> None:
    with pytest.raises(UsageError, match="mine needs a model"):
        probe(Target("mine", "chat", nobody()))


def test_a_probe_that_is_cancelled_is_no_outcome() -> None:
    async def stopped() -> Probe:
        async with open_connections() as connections:
            work = asyncio.create_task(measure(PROBERS["chat"], connections, routed(server.url, "m")))
            while not server.requests:
                await asyncio.sleep(0)
            work.cancel()
            return await work

    with running_stream([HANG]) as server, pytest.raises(asyncio.CancelledError):
        asyncio.run(stopped())
