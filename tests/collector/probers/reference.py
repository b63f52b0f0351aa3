"""A client that reads a stream straight off the socket: no library between it and the wire, nothing parsed."""

import json
import socket
import statistics
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from time import perf_counter_ns
from typing import Final
from urllib.parse import urlsplit

TOKEN: Final = b'"content":"tok'


@dataclass(frozen=True)
class Timing:
    """What one client saw of one answer: ms to the first token, tokens per second from the first to the last."""

    ttft_ms: float
    tokens_per_s: float


def medians(seen: Sequence[Timing]) -> Timing:
    return Timing(
        statistics.median(each.ttft_ms for each in seen), statistics.median(each.tokens_per_s for each in seen)
    )


def read_at_once(url: str, model: str, count: int, apart_s: float) -> list[Timing]:
    """`count` answers, each on its own connection and thread, started one after the other."""
    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(lambda place: _read(url, model, place * apart_s), range(count)))


def _read(url: str, model: str, wait_s: float) -> Timing:
    host, port = urlsplit(url).hostname or "", urlsplit(url).port or 80
    request = _request(f"{host}:{port}", model)
    time.sleep(wait_s)
    with socket.create_connection((host, port)) as wire:
        wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sent = perf_counter_ns()
        wire.sendall(request)
        received, tokens, first, last = b"", 0, 0, 0
        while b"[DONE]" not in received:
            piece = wire.recv(65_536)
            at = perf_counter_ns()
            assert piece, received
            received += piece
            if received.count(TOKEN) > tokens:
                tokens = received.count(TOKEN)
                first, last = first or at, at
    return Timing((first - sent) / 1e6, (tokens - 1) * 1e9 / (last - first))


def _request(host: str, model: str) -> bytes:
    body = json.dumps({"model": model, "stream": True, "messages": [{"role": "user", "content": "Count."}]}).encode()
    head = (
        f"POST /api/v1/chat/completions HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    )
    return head.encode() + body
