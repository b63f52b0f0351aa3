"""A real HTTP server on this machine that plays the places where prices come from, well-behaved or not."""

import json
import socket
import struct
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from hashlib import blake2b
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Barrier, Event, Lock, Thread
from typing import Any, Final

CHUNK: Final = b" " * 65_536
MOST_CHUNKS: Final = 3_200
"""An endless body ends after 200 MB, should nobody hang up."""
TRICKLE_S: Final = 0.01


@dataclass(frozen=True)
class Reply:
    """One answer. `behaviour` is how the body is sent; the others are plain HTTP.

    whole; truncated: the length in the header is longer than the body; trickle: a byte at a time, without an end;
    endless: 200 MB in pieces; silent: nothing at all; reset: the connection breaks before any answer.
    """

    body: bytes = b""
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    etag: bool = False
    behaviour: str = "whole"


def as_json(document: Any, *, etag: bool = False) -> Reply:
    """A JSON body, as OpenRouter and models.dev send it."""
    return Reply(json.dumps(document).encode(), headers={"Content-Type": "application/json"}, etag=etag)


def redirect(to: str) -> Reply:
    """Sends the client elsewhere."""
    return Reply(status=302, headers={"Location": to})


@dataclass(frozen=True)
class Asked:
    """One request that came in."""

    path: str
    headers: Mapping[str, str]


@dataclass
class Upstream:
    """What the server answers, and what it was asked. Answers to one path are given in turn, the last one for good."""

    url: str
    requests: list[Asked] = field(default_factory=list)
    most_at_once: int = 0
    hung_up: Event = field(default_factory=Event)
    bytes_sent: int = 0
    together: Barrier | None = None
    """Requests under `held` wait for each other here, so that as many as it counts are open at once."""
    held: Callable[[str], bool] = lambda _path: False
    _replies: dict[str, list[Reply]] = field(default_factory=dict)
    _gates: dict[str, Event] = field(default_factory=dict)
    _open: int = 0
    _lock: Lock = field(default_factory=Lock)
    _ending: Event = field(default_factory=Event)

    def answer(self, path: str, *replies: Reply) -> None:
        """From now on answer `path` with these in turn."""
        self._replies[path] = list(replies)

    def answer_all(self, documents: Mapping[str, Any]) -> None:
        """Answer each path with its document as JSON, with an ETag; nothing else is there any more."""
        self._replies = {path: [as_json(document, etag=True)] for path, document in documents.items()}

    def hold_back(self, path: str) -> Event:
        """Answers to `path` wait until the event is set."""
        self._gates[path] = Event()
        return self._gates[path]

    def asked(self, path: str) -> list[Asked]:
        """The requests for one path, in order."""
        return [request for request in self.requests if request.path == path]

    def reply_to(self, asked: Asked) -> Reply:
        with self._lock:
            self.requests.append(asked)
            self._open += 1
            self.most_at_once = max(self.most_at_once, self._open)
            replies = self._replies.get(asked.path, [Reply(b"{}", status=404)])
            return replies.pop(0) if len(replies) > 1 else replies[0]

    def hold(self, path: str) -> None:
        if path in self._gates:
            self._gates[path].wait(timeout=60)
        if self.together is not None and self.held(path):
            self.together.wait(timeout=60)

    def answered(self) -> None:
        # Before the last byte goes out: the client counts the request as open at least as long.
        with self._lock:
            self._open -= 1

    def rest(self) -> bool:
        """A short pause; whether the server is about to end."""
        return self._ending.wait(TRICKLE_S)

    def end(self) -> None:
        self._ending.set()


class QuietServer(ThreadingHTTPServer):
    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hangs up is no error; the default would print a traceback among a verb's messages."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


@contextmanager
def running_upstream() -> Iterator[Upstream]:
    """The server, on a free port of 127.0.0.1."""
    server = QuietServer(("127.0.0.1", 0), _Handler)
    server.daemon_threads = True
    upstream = Upstream(f"http://127.0.0.1:{server.server_port}")
    _Handler.of[server.server_port] = upstream
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield upstream
    finally:
        upstream.end()
        server.shutdown()
        server.server_close()
        thread.join()
        del _Handler.of[server.server_port]


class _Handler(BaseHTTPRequestHandler):
    of: Final[dict[int, Upstream]] = {}
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        upstream = self.of[self.server.server_port]  # type: ignore[attr-defined]
        asked = Asked(self.path, dict(self.headers.items()))
        reply = upstream.reply_to(asked)
        upstream.hold(self.path)
        upstream.answered()
        try:
            self._send(reply, upstream)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True
            upstream.hung_up.set()

    def _send(self, reply: Reply, upstream: Upstream) -> None:
        etag = f'"{blake2b(reply.body, digest_size=8).hexdigest()}"' if reply.etag else None
        if reply.behaviour == "silent":
            self.close_connection = True
            while not upstream.rest():
                pass
            return
        if reply.behaviour == "reset":
            # Closing without lingering sends a reset instead of an end.
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.close_connection = True
            return
        if etag is not None and self.headers.get("If-None-Match") == etag:
            self.send_response(304)
            self.send_header("ETag", etag)
            self.end_headers()
            return
        self.send_response(reply.status)
        for name, value in reply.headers.items():
            self.send_header(name, value)
        if etag is not None:
            self.send_header("ETag", etag)
        pieces = {"trickle": self._trickle, "endless": self._endless}.get(reply.behaviour)
        if pieces is not None:
            self.send_header("Connection", "close")
            self.end_headers()
            self.close_connection = True
            pieces(upstream)
            return
        missing = 100 if reply.behaviour == "truncated" else 0
        self.send_header("Content-Length", str(len(reply.body) + missing))
        self.end_headers()
        self.wfile.write(reply.body)
        self.close_connection = self.close_connection or missing > 0

    def _trickle(self, upstream: Upstream) -> None:
        while not upstream.rest():
            self.wfile.write(b" ")

    def _endless(self, upstream: Upstream) -> None:
        for _ in range(MOST_CHUNKS):
            self.wfile.write(CHUNK)
            upstream.bytes_sent += len(CHUNK)

    def finish(self) -> None:
        with suppress(OSError):
            super().finish()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Say nothing."""
