"""A server on this machine that sends given bytes at given times, whether they are good HTTP or not."""

import json
import socket
import ssl
import struct
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from socketserver import BaseRequestHandler, ThreadingTCPServer
from threading import Event, Thread
from typing import Any, Final

CERTIFICATE: Final = Path(__file__).parent / "tls" / "certificate.pem"
"""Signs itself for localhost and 127.0.0.1; no one trusts it who is not told to (SSL_CERT_FILE)."""
_CERTIFICATE_AND_KEY: Final = CERTIFICATE.with_name("server.pem")

HANG: Final = float("inf")
"""A pause until the client goes or the server ends."""
RESET: Final = -1.0
"""Break the connection off instead of ending it."""

Script = Sequence[bytes | float]
"""What is sent, in order; a number is a pause in seconds."""

HEAD: Final = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"


def chunked(*pieces: bytes | float, head: bytes = HEAD, end: bool = True) -> Script:
    """A whole answer with a chunked body. `end`: with the last chunk, after which the connection can serve again."""
    body = [piece if isinstance(piece, float) else b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces]
    return [head, *body, *([b"0\r\n\r\n"] if end else [])]


def plain(status: str, body: bytes = b"", **headers: str) -> Script:
    """A whole answer with a length. Underscores in the names of headers stand for dashes."""
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return ["\r\n".join([*lines, "", ""]).encode() + body]


def event(document: Any) -> bytes:
    """A server-sent event with a JSON document, or with the text as it is."""
    return f"data: {document if isinstance(document, str) else json.dumps(document)}\n\n".encode()


@dataclass(frozen=True)
class Request:
    """One request that came in."""

    line: str
    headers: dict[str, str]
    body: bytes

    @property
    def document(self) -> Any:
        return json.loads(self.body)


@dataclass
class Stream:
    """The server: what it plays (each script for one request, the last for good) and what it was asked."""

    port: int
    scripts: list[Script] = field(default_factory=list)
    requests: list[Request] = field(default_factory=list)
    connections: int = 0
    tls: ssl.SSLContext | None = None
    is_tunnel: bool = False
    ending: Event = field(default_factory=Event)

    @property
    def url(self) -> str:
        return f"{'https' if self.tls and not self.is_tunnel else 'http'}://127.0.0.1:{self.port}"

    def play(self, *scripts: Script) -> None:
        self.scripts = list(scripts)

    def next_script(self) -> Script:
        return self.scripts.pop(0) if len(self.scripts) > 1 else self.scripts[0]


@contextmanager
def running_stream(*scripts: Script, tls: bool = False, is_tunnel: bool = False) -> Iterator[Stream]:
    """The server, on a free port of 127.0.0.1. A tunnel is a proxy that speaks TLS itself once CONNECT was asked."""
    context = None
    if tls or is_tunnel:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(_CERTIFICATE_AND_KEY)
    server = _Server(("127.0.0.1", 0), _Handler)
    stream = server.stream = Stream(server.server_address[1], list(scripts), tls=context, is_tunnel=is_tunnel)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield stream
    finally:
        stream.ending.set()
        server.shutdown()
        server.server_close()
        thread.join()


class _Server(ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 64
    stream: Stream


class _Handler(BaseRequestHandler):
    server: _Server

    def handle(self) -> None:
        stream, connection = self.server.stream, self.request
        stream.connections += 1
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with suppress(OSError):
            if stream.tls and not stream.is_tunnel:
                connection = stream.tls.wrap_socket(connection, server_side=True)
            while (request := _read(connection)) is not None:
                stream.requests.append(request)
                if request.line.startswith("CONNECT ") and stream.tls:
                    connection.sendall(b"HTTP/1.1 200 Connected\r\n\r\n")
                    connection = stream.tls.wrap_socket(connection, server_side=True)
                elif not self._send(connection, stream.next_script()):
                    break
        with suppress(OSError):
            connection.close()

    def _send(self, connection: socket.socket, script: Script) -> bool:
        """Whether the connection can go on: a script without a whole answer ends with it."""
        whole = b""
        for step in script:
            if isinstance(step, bytes):
                connection.sendall(step)
                whole += step
            elif step == RESET:
                # Closing without lingering sends a reset instead of an end.
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                return False
            else:
                self.server.stream.ending.wait(None if step == HANG else step)
        return whole.endswith(b"\r\n0\r\n\r\n") or b"Content-Length:" in whole


def _read(connection: socket.socket) -> Request | None:
    """The next request on a connection, None when the client has gone."""
    received = b""
    while b"\r\n\r\n" not in received:
        more = connection.recv(65_536)
        if not more:
            return None
        received += more
    head, _, body = received.partition(b"\r\n\r\n")
    line, *lines = head.decode("latin-1").split("\r\n")
    headers = {name.lower(): value for name, _, value in (each.partition(": ") for each in lines)}
    while len(body) < int(headers.get("content-length", 0)):
        body += connection.recv(65_536)
    return Request(line, headers, body)
