"""One request of one probe on the wire: sends it, stamps what happens when, and bounds what comes back."""

import asyncio
import json
import socket
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing, asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from ipaddress import ip_address
from time import perf_counter_ns
from typing import Any, Final

import httpx
from pydantic import SecretStr

from collector.http import retry_after_s
from db.probes.facts import Outcome

LARGEST_ERROR_BYTES: Final = 64 * 1024
PATIENCE_S: Final = 0.5
"""How long the end of a body is waited for when all that counts is there: read to its end, a connection stays open."""


class ProbeError(Exception):
    """What a prober found wrong with an answer. `clause` completes a sentence that begins with the host."""

    def __init__(self, outcome: Outcome, clause: str) -> None:
        super().__init__(clause)
        self.outcome = outcome
        self.clause = clause


@dataclass(frozen=True, slots=True)
class Bounds:
    """How much one probe may take: seconds from its start to its end, connecting included, and bytes of body."""

    deadline_s: float = 60
    max_body_bytes: int = 4 * 1024 * 1024


@dataclass(slots=True)
class Stamps:
    """When things happened, in ns of `perf_counter_ns`; None: they did not."""

    started: int
    connecting: int | None = None
    resolved: int | None = None
    connected: int | None = None
    securing: int | None = None
    secured: int | None = None
    sent: int | None = None
    answered: int | None = None
    first_token: int | None = None
    first_answer: int | None = None
    last_token: int | None = None
    ended: int | None = None


@dataclass(slots=True)
class Seen:
    """What an answer said, as far as it came. `streamed_tokens`: those of `output_tokens` that were on the wire."""

    status: int | None = None
    prompt_tokens: int | None = None
    output_tokens: int | None = None
    streamed_tokens: int | None = None
    provider: str | None = None
    generation_id: str | None = None
    cost_usd: Decimal | None = None


@dataclass
class Wire:
    """The connection that a prober speaks over, and the record that it writes on. It alone knows the key."""

    client: httpx.AsyncClient = field(repr=False)
    bounds: Bounds
    key: SecretStr | None = None
    seen: Seen = field(default_factory=Seen)
    stamps: Stamps = field(default_factory=lambda: Stamps(perf_counter_ns()))
    _opened: Any = field(default=None, repr=False)

    @asynccontextmanager
    async def ask(
        self, method: str, url: str, *, headers: Mapping[str, str] | None = None, body: bytes | None = None
    ) -> "AsyncIterator[Answer]":
        """Send one request, once, and yield its answer as soon as its headers are there. Redirects are answers too."""
        own = {"Authorization": f"Bearer {self.key.get_secret_value()}"} if self.key else {}
        try:
            async with self.client.stream(
                method,
                url,
                headers={**(headers or {}), **own},
                content=body,
                # The one who measures owns the deadline; no other timeout may cut in before it.
                timeout=None,
                follow_redirects=False,
                extensions={"trace": self._trace},
            ) as response:
                self.seen.status = response.status_code
                answer = Answer(response, self.bounds)
                async with aclosing(answer.pieces()):
                    yield answer
        except asyncio.CancelledError:
            if self._opened is not None and self.stamps.securing is not None and self.stamps.secured is None:
                # httpcore forgets a connection that is cancelled in the middle of the TLS handshake.
                await self._opened.aclose()
            raise

    async def _trace(self, event: str, info: Mapping[str, Any]) -> None:
        """Stamp what httpcore reports. The part of a name before its dot differs behind a proxy."""
        now, stamps = perf_counter_ns(), self.stamps
        match event.partition(".")[2]:
            case "connect_tcp.started":
                stamps.connecting = now
                if await _looked_up(str(info["host"]), int(info["port"])):
                    stamps.resolved = perf_counter_ns()
            case "connect_tcp.complete":
                stamps.connected, self._opened = now, info["return_value"]
            case "start_tls.started":
                stamps.securing = now
            case "start_tls.complete":
                stamps.secured = now
            # A tunnel through a proxy is part of connecting.
            case "send_request_headers.started" if info["request"].method != b"CONNECT":
                stamps.sent = now
            case "receive_response_headers.complete" if stamps.sent is not None:
                stamps.answered = now


class Answer:
    """What came back: status, headers, and the body in pieces with the instants at which they arrived."""

    def __init__(self, response: httpx.Response, bounds: Bounds) -> None:
        self.status = response.status_code
        self.headers: Mapping[str, str] = response.headers
        self._reason_phrase = response.reason_phrase
        self._pieces = self._stamped(response, bounds.max_body_bytes)

    def pieces(self) -> AsyncGenerator[tuple[int, bytes]]:
        """(ns of `perf_counter_ns`, bytes), as they arrive. Raises ProbeError beyond the limit of the body."""
        return self._pieces

    async def drain(self) -> None:
        """Read on to the end, if it is near, so that the connection can serve again."""
        with suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE_S):
                async for _ in self._pieces:
                    pass

    async def message(self) -> str:
        """The server's own words in an error body, if it is JSON that has some, else nothing."""
        body = bytearray()
        with suppress(TimeoutError, httpx.HTTPError, ProbeError):
            async with asyncio.timeout(PATIENCE_S):
                async for _, piece in self._pieces:
                    body += piece
                    if len(body) > LARGEST_ERROR_BYTES:
                        return ""
        try:
            return message_in(json.loads(body))
        except (ValueError, RecursionError):
            return ""

    async def refusal(self) -> ProbeError:
        """The error that the status makes of this answer."""
        said = await self.message()
        if self.status == httpx.codes.TOO_MANY_REQUESTS:
            wait_s = retry_after_s(self.headers.get("Retry-After"), datetime.now(UTC))
            pause = f" for {wait_s:g} s" if wait_s is not None else ""
            return ProbeError(Outcome.LIMITED, with_words(f"asked for a pause{pause} (429)", said))
        status = f"answered {self.status} {self._reason_phrase}".rstrip()
        return ProbeError(Outcome.HTTP_ERROR, with_words(status, said))

    async def _stamped(self, response: httpx.Response, limit: int) -> AsyncGenerator[tuple[int, bytes]]:
        if "," in response.headers.get("Content-Encoding", ""):
            # A few bytes packed twice can unfold to gigabytes before they could be counted.
            raise ProbeError(Outcome.STREAM_ERROR, "sent a body that is packed more than once")
        size = 0
        async for piece in response.aiter_bytes():
            at = perf_counter_ns()
            size += len(piece)
            if size > limit:
                raise ProbeError(Outcome.STREAM_ERROR, f"sent more than {limit / 1024 / 1024:.3g} MB")
            yield at, piece


def message_in(document: Any) -> str:
    """The words in an OpenAI-style error, whatever its exact shape."""
    error = document.get("error", document) if isinstance(document, dict) else None
    words = error.get("message") if isinstance(error, dict) else error
    return " ".join(words.split()) if isinstance(words, str) else ""


def with_words(clause: str, said: str) -> str:
    """`clause`, with what the server said about it. It is cut later, when the key can no longer be in it."""
    return f"{clause}: {said}" if said else clause


async def _looked_up(host: str, port: int) -> bool:
    """Look a name up ahead of httpcore, whose own look-up cannot be told from connecting. An address needs none."""
    with suppress(ValueError):
        ip_address(host)
        return False
    # Whoever connects next meets the same failure and says so.
    with suppress(OSError):
        await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
        return True
    return False
