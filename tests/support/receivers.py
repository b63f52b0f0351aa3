"""Real receivers of messages on this machine: a web hook and a mail server, well-behaved or not."""

import json
import socketserver
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import Message
from http.server import BaseHTTPRequestHandler
from threading import Event, Thread
from typing import Any

from tests.support.upstream import QuietServer


@dataclass
class Hook:
    """A web hook. `statuses`: what it answers in turn, the last one for good; None: nothing, until `release` is set.

    `received`: the messages that it took, that is answered with 200; `seen`: all that came.
    """

    port: int
    statuses: list[int | None] = field(default_factory=lambda: [200])
    received: list[dict[str, Any]] = field(default_factory=list)
    seen: list[dict[str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    release: Event = field(default_factory=Event)

    def url(self, word: str = "hidden") -> str:
        return f"json://user:{word}@127.0.0.1:{self.port}/{word}/hook"

    @property
    def titles(self) -> list[str]:
        return [each["title"] for each in self.received]


@contextmanager
def running_hook(port: int = 0) -> Iterator[Hook]:
    """The web hook, on a port of 127.0.0.1."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            document = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            status = hook.statuses.pop(0) if len(hook.statuses) > 1 else hook.statuses[0]
            hook.headers.append(dict(self.headers.items()))
            hook.seen.append(document)
            if status is None:
                hook.release.wait(timeout=60)
                return
            if status == 200:
                hook.received.append(document)
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def finish(self) -> None:
            with suppress(OSError):
                super().finish()

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
            """Say nothing."""

    server = QuietServer(("127.0.0.1", port), Handler)
    server.daemon_threads = True
    hook = Hook(server.server_port)
    with _serving(server):
        try:
            yield hook
        finally:
            hook.release.set()


@dataclass
class MailServer:
    """A mail server that takes every message."""

    port: int
    received: list[Message] = field(default_factory=list)

    def url(self) -> str:
        return f"mailto://127.0.0.1:{self.port}?from=ratecard@example.com&to=oncall@example.com&mode=insecure"


@contextmanager
def running_mail_server() -> Iterator[MailServer]:
    """As much of SMTP (RFC 5321) as it takes to receive, on a free port of 127.0.0.1."""

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            self.say("220 ready")
            for line in iter(self.rfile.readline, b""):
                verb = line.strip().upper()[:4]
                if verb == b"DATA":
                    self.say("354 go on")
                    lines = list(iter(self.rfile.readline, b".\r\n"))
                    mail.received.append(message_from_bytes(b"".join(each.removeprefix(b".") for each in lines)))
                self.say("221 bye" if verb == b"QUIT" else "250 fine")
                if verb == b"QUIT":
                    return

        def say(self, reply: str) -> None:
            self.wfile.write(f"{reply}\r\n".encode())

    server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    mail = MailServer(server.server_address[1])
    with _serving(server):
        yield mail


@contextmanager
def _serving(server: socketserver.BaseServer) -> Iterator[None]:
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
