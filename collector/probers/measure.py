"""Measures one probe: owns the connection, the clock, the bounds and the verdict, whatever the prober.

All durations count from t0, when the request's headers are sent. What comes before (a place in the connection pool,
DNS, TCP, TLS) is `queue_ms`. The phases are those of blackbox_exporter.
"""

import asyncio
import os
import secrets
import socket
import ssl
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from time import perf_counter_ns
from typing import Final

import httpx
from pydantic import SecretStr

from collector.http import AGENT
from collector.probers.base import Prober
from collector.probers.wire import Bounds, ProbeError, Seen, Stamps, Wire
from collector.settings import secret
from db.errors import UsageError
from db.probes.facts import Outcome, Phases, Probe, Prompt, Target

MOST_AT_ONCE: Final = 16
"""Beyond this the client itself becomes late: at 64 at once its error was measured as 38 ms, at 16 below 1 ms."""
LONGEST_REASON: Final = 240
LONGEST_NAME: Final = 100
LONGEST_IDLE_S: Final = 4
"""Many servers close an idle connection after 5 s; one that closes under a probe would look like their failure."""
SECRET_PIECE: Final = 6
"""Characters in a row of the key that give a word of a server away: servers quote keys with a part masked."""


@dataclass(frozen=True)
class Connections:
    """Where probes send from: `kept` uses a connection again while it is open, `fresh` never does."""

    kept: httpx.AsyncClient
    fresh: httpx.AsyncClient


@asynccontextmanager
async def open_connections() -> AsyncIterator[Connections]:
    """Room for MOST_AT_ONCE probes. Packed bodies are not asked for: unpacking holds tokens back."""
    headers = {"User-Agent": AGENT, "Accept-Encoding": "identity"}
    context = httpx.create_ssl_context()

    def client(keep: int) -> httpx.AsyncClient:
        limits = httpx.Limits(
            max_connections=MOST_AT_ONCE, max_keepalive_connections=keep, keepalive_expiry=LONGEST_IDLE_S
        )
        return httpx.AsyncClient(headers=headers, limits=limits, verify=context)

    async with client(MOST_AT_ONCE) as kept, client(0) as fresh:
        yield Connections(kept, fresh)


def utc_now() -> datetime:
    return datetime.now(UTC)


async def measure(
    prober: Prober,
    connections: Connections,
    target: Target,
    prompt: Prompt | None = None,
    *,
    scheduled_at: datetime | None = None,
    bounds: Bounds | None = None,
    now: Callable[[], datetime] = utc_now,
) -> Probe:
    """One probe, sent once. Whatever the server does is an outcome, never an exception.

    Raises UsageError, before anything is sent, where the target names a key that is not set, an address that is none,
    or lacks a model.
    """
    bounds = bounds or Bounds()
    prompt = (prompt or Prompt.SHORT) if prober.sends_prompts else None
    host = _host_of(target)
    key = _key_of(target) if prober.sends_prompts else None
    started_at = now()
    wire = Wire(connections.fresh if prober.fresh else connections.kept, bounds, key)
    outcome, clause = Outcome.OK, None
    try:
        async with asyncio.timeout(bounds.deadline_s):
            await prober.speak(wire, target, prompt, secrets.token_hex(8))
    except ProbeError as error:
        outcome, clause = error.outcome, error.clause
        wire.stamps.ended = wire.stamps.ended or perf_counter_ns()
    except TimeoutError:
        outcome, clause = Outcome.TIMEOUT, f"{_left_undone(wire.stamps)} within {bounds.deadline_s:g} s"
        wire.stamps.ended = perf_counter_ns()
    except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
        outcome, clause = _broken(error, wire.stamps)
        wire.stamps.ended = perf_counter_ns()
    draft = Probe(
        target=target.name,
        prober=prober.name,
        prompt=prompt,
        scheduled_at=scheduled_at or started_at,
        started_at=started_at,
        outcome=outcome,
        warm=wire.stamps.sent is not None and wire.stamps.connecting is None,
        reason=f"{host} {_quotable(clause, key, LONGEST_REASON).rstrip('.')}." if clause else None,
    )
    return _with_figures(draft, wire)


def _with_figures(draft: Probe, wire: Wire) -> Probe:
    seen, stamps = wire.seen, wire.stamps
    return replace(
        draft,
        http_status=seen.status,
        queue_ms=_ms(stamps.started, stamps.sent),
        ttft_ms=_ms(stamps.sent, stamps.first_token),
        ttfat_ms=_ms(stamps.sent, stamps.first_answer),
        total_ms=_ms(stamps.sent, stamps.ended),
        tokens_per_s=_speed(seen, stamps),
        prompt_tokens=seen.prompt_tokens,
        output_tokens=seen.output_tokens,
        phases=Phases(
            resolve_ms=_ms(stamps.connecting, stamps.resolved),
            connect_ms=_ms(stamps.resolved or stamps.connecting, stamps.connected),
            tls_ms=_ms(stamps.securing, stamps.secured),
            processing_ms=_ms(stamps.sent, stamps.answered),
            transfer_ms=_ms(stamps.answered, stamps.ended),
        ),
        provider=_quotable(seen.provider, wire.key, LONGEST_NAME) if seen.provider else None,
        generation_id=_quotable(seen.generation_id, wire.key, LONGEST_NAME) if seen.generation_id else None,
        cost_usd=seen.cost_usd,
    )


def _ms(start: int | None, end: int | None) -> float | None:
    return None if start is None or end is None else (end - start) / 1_000_000


def _speed(seen: Seen, stamps: Stamps) -> float | None:
    """(N-1) tokens / (last - first): the first token only starts the clock."""
    first, last, tokens = stamps.first_token, stamps.last_token, seen.streamed_tokens
    if first is None or last is None or tokens is None or tokens < 2 or last <= first:
        return None
    return (tokens - 1) * 1_000_000_000 / (last - first)


def _left_undone(stamps: Stamps) -> str:
    if stamps.connecting is None and stamps.sent is None:
        return "had no connection free"
    if stamps.sent is None:
        return "could not be connected to"
    if stamps.answered is None:
        return "gave no answer"
    return "gave no token" if stamps.first_token is None else "did not end its answer"


def _broken(error: Exception, stamps: Stamps) -> tuple[Outcome, str]:
    """What an error of the connection means: it depends on how far things had come."""
    if isinstance(error, httpx.DecodingError):
        return Outcome.STREAM_ERROR, "sent a body that cannot be unpacked"
    if stamps.answered is not None:
        return Outcome.TRUNCATED, "broke off its answer before the end"
    if stamps.sent is not None:
        if isinstance(error, httpx.RemoteProtocolError) and "disconnected" not in str(error):
            return Outcome.HTTP_ERROR, "answered something that is not HTTP"
        which = "a connection that had been open before" if stamps.connecting is None else "the connection"
        return Outcome.REFUSED, f"closed {which} without an answer"
    causes = list(_causes(error))
    if any(isinstance(cause, socket.gaierror) for cause in causes):
        return Outcome.REFUSED, "could not be found by name (DNS)"
    if stamps.securing is not None:
        why = next((cause.verify_message for cause in causes if isinstance(cause, ssl.SSLCertVerificationError)), "")
        return Outcome.REFUSED, "failed the TLS handshake" + (f" ({why})" if why else "")
    why = next((os.strerror(cause.errno) for cause in causes if isinstance(cause, OSError) and cause.errno), "no route")
    return Outcome.REFUSED, f"could not be connected to ({why})"


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        if isinstance(error, BaseExceptionGroup):
            for each in error.exceptions:
                yield from _causes(each)
        error = error.__cause__ or error.__context__


def _quotable(text: str, key: SecretStr | None, longest: int) -> str:
    """A server's words, safe to store and to show: printable, short, and without any piece of the key in them."""
    words = "".join(character if character.isprintable() else " " for character in text).split()
    if key is not None:
        secret_text = key.get_secret_value().casefold()
        size = min(SECRET_PIECE, len(secret_text))
        pieces = {secret_text[at : at + size] for at in range(len(secret_text) - size + 1)}
        words = ["(key)" if any(piece in word.casefold() for piece in pieces) else word for word in words]
    whole = " ".join(words)
    return whole if len(whole) <= longest else f"{whole[: longest - 1]}…"


def _host_of(target: Target) -> str:
    try:
        url = httpx.URL(target.url)
    except httpx.InvalidURL as error:
        raise UsageError(f"The probe target {target.name} has no usable address: {error}.") from None
    if url.scheme not in {"http", "https"} or not url.host:
        raise UsageError(f"The probe target {target.name} needs an address that begins with http:// or https://.")
    return url.host


def _key_of(target: Target) -> SecretStr | None:
    if target.key_variable is None:
        return None
    key = secret(target.key_variable)
    if key is None:
        raise UsageError(f"The probe target {target.name} needs its key in {target.key_variable}, which is not set.")
    return key
