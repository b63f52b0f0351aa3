"""A raw-socket client that stands between a probe and the server, and stamps what really is on the wire.

It asks the server what the probe asks and hands on what it reads, so both measure the very same answers: a server
that is slow or late, as on a busy machine, is so for both. It runs as a process of its own (`python -m`, with the
server's host and port), so that neither holds the other up, and tells what it saw, as JSON, when its input ends.
"""

import json
import selectors
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from time import perf_counter_ns
from typing import Final
from urllib.parse import urlsplit

from tests.support.repository import ROOT

TOKEN: Final = b'"content":"tok'
END: Final = b"[DONE]"


@dataclass
class Timing:
    """Of one answer: ms to the first token, and tokens per second from the first to the last."""

    ttft_ms: float
    tokens_per_s: float


@dataclass
class Tap:
    """Where probes go instead of to the server, and what was seen there, once it is closed."""

    url: str
    seen: list[Timing] = field(default_factory=list)


@contextmanager
def tapping(url: str) -> Iterator[Tap]:
    """A tap on the server at `url`."""
    place = urlsplit(url)
    command = [sys.executable, "-m", __name__, str(place.hostname), str(place.port)]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        tap = Tap(f"http://127.0.0.1:{int(process.stdout.readline())}")
        try:
            yield tap
        finally:
            said, _ = process.communicate()
        tap.seen += [Timing(*each) for each in json.loads(said)]


@dataclass
class _Exchange:
    """One connection of a probe and its twin to the server, and the answer that is on its way."""

    probe: socket.socket
    server: socket.socket
    asked: int = 0
    first: int = 0
    last: int = 0
    tokens: int = 0
    rest: bytes = b""


def _hand_on(exchange: _Exchange, came_from: socket.socket, seen: list[tuple[float, float]]) -> bool:
    """Take one piece, stamp it, hand it on. False: one of the two has closed."""
    try:
        piece = came_from.recv(65_536)
        at = perf_counter_ns()
        if not piece:
            return False
        (exchange.server if came_from is exchange.probe else exchange.probe).sendall(piece)
    except OSError:
        return False
    if came_from is exchange.probe:
        exchange.asked = exchange.asked or at
        return True
    # What was cut by the end of a piece is counted with the next one.
    text = exchange.rest + piece
    exchange.rest = text[-(len(TOKEN) - 1) :]
    if count := text.count(TOKEN):
        exchange.tokens += count
        exchange.first, exchange.last = exchange.first or at, at
    if END in text and exchange.asked:
        span = exchange.last - exchange.first
        seen.append(((exchange.first - exchange.asked) / 1e6, (exchange.tokens - 1) * 1e9 / span))
        exchange.asked = exchange.first = exchange.tokens = 0
        exchange.rest = b""
    return True


def main(host: str, port: int) -> None:
    """Relay until the input ends, then tell."""
    seen: list[tuple[float, float]] = []
    listening = socket.create_server(("127.0.0.1", 0), backlog=64)
    print(listening.getsockname()[1], flush=True)
    waiting = selectors.DefaultSelector()
    waiting.register(listening, selectors.EVENT_READ)
    waiting.register(sys.stdin, selectors.EVENT_READ)
    while True:
        for key, _ in waiting.select():
            if key.fileobj is sys.stdin:
                print(json.dumps(seen))
                return
            if key.fileobj is listening:
                exchange = _Exchange(listening.accept()[0], socket.create_connection((host, port)))
                for end in (exchange.probe, exchange.server):
                    end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    waiting.register(end, selectors.EVENT_READ, exchange)
            elif key.data.probe.fileno() >= 0 and not _hand_on(key.data, key.fileobj, seen):  # type: ignore[arg-type]
                for end in (key.data.probe, key.data.server):
                    waiting.unregister(end)
                    end.close()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
