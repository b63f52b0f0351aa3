"""A server that answers chats, bills them and counts them, and a database that knows what its endpoints ask."""

import asyncio
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from http.server import BaseHTTPRequestHandler
from threading import Barrier, Event, Lock, Thread
from typing import Any, Final

import sqlalchemy
from sqlalchemy import Connection, Engine

from collector.jobs.probe import Plan, plan, send
from collector.jobs.watching import resolve
from collector.probers import PROBERS
from collector.probers.measure import open_connections
from collector.probers.wire import Bounds
from collector.settings import Collecting
from db.catalog.facts import Detail
from db.engine import reading, writing
from db.polls.facts import Poll, Status
from db.prices import store as prices
from db.prices.facts import Offer, Rate, Snapshot
from db.probes import read
from db.probes.facts import Probe, Prompt, Spending, Target
from tests.support.stream import event
from tests.support.upstream import QuietServer

BEGINNING: Final = datetime(2026, 1, 1, tzinfo=UTC)
KEY: Final = "sk-or-v1-" + "5ec2e7" * 8
PROVIDER: Final = "Nebius"
TAG: Final = "nebius/fp8"
CENT: Final = Decimal("0.01")

NOTHING: Final = Decimal(0)
MODELS: Final = [f"acme/atlas-{number:02}" for number in range(48)]
PATIENT: Final = Bounds(deadline_s=60)

USUAL: Final = (Rate("prompt", Decimal("0.000001")), Rate("completion", Decimal("0.00001")))

ESTIMATE: Final = PROBERS["chat"].estimate(
    Target("any", "chat", "http://any"), Prompt.SHORT, Decimal("0.000001"), Decimal("0.00001")
)
"""What a short prompt can cost at most at the usual rates."""


@dataclass
class Billing:
    """The server: what a chat costs, and what it was asked. It echoes nothing but what `says` holds."""

    url: str
    cost: str | None = "0.0009"
    together: Barrier | None = None
    """Chats wait for each other here, so that as many as it counts are open at once."""
    may_end: Event = field(default_factory=Event)
    """A chat begins with one token, and goes on when this is set."""
    asked: Event = field(default_factory=Event)
    """Set when a chat has begun."""
    chats: list[dict[str, Any]] = field(default_factory=list)
    reaches: int = 0
    keys: list[str] = field(default_factory=list)
    billed: Decimal = Decimal(0)
    highest_bill: Decimal = Decimal(0)
    most_at_once: int = 0
    refusal: tuple[int, str] | None = None
    provider: str = PROVIDER
    _open: int = 0
    _lock: Lock = field(default_factory=Lock)

    def begin(self, chat: dict[str, Any], key: str) -> None:
        with self._lock:
            self.chats.append(chat)
            self.keys.append(key)
            self._open += 1
            self.most_at_once = max(self.most_at_once, self._open)

    def bill(self) -> None:
        with self._lock:
            self.billed += Decimal(self.cost or 0)

    def end(self) -> None:
        with self._lock:
            self._open -= 1


@contextmanager
def running_billing(cost: str | None = "0.0009", *, holding: bool = False) -> Iterator[Billing]:
    """The server, on a free port of 127.0.0.1. `holding`: chats do not end before `may_end` is set."""
    server = _Server(("127.0.0.1", 0), _Handler)
    billing = server.billing = Billing(f"http://127.0.0.1:{server.server_port}", cost)
    if not holding:
        billing.may_end.set()
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield billing
    finally:
        billing.may_end.set()
        server.shutdown()
        server.server_close()
        thread.join()


class _Server(QuietServer):
    daemon_threads = True
    request_queue_size = 64
    billing: Billing


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.server.billing.reaches += 1
        self._whole(200, b'{"data": []}')

    def do_POST(self) -> None:
        billing = self.server.billing
        chat = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        billing.begin(chat, self.headers.get("Authorization", ""))
        try:
            with suppress(BrokenPipeError, ConnectionResetError):
                if billing.refusal is not None:
                    status, message = billing.refusal
                    self._whole(status, json.dumps({"error": {"message": message}}).encode(), ends=True)
                else:
                    self._stream(billing)
        finally:
            self.close_connection = True

    def _whole(self, status: int, body: bytes, *, ends: bool = False) -> None:
        if ends:
            self.server.billing.end()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _stream(self, billing: Billing) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Connection", "close")
        self.end_headers()
        choice = {"index": 0, "delta": {"content": "one "}, "finish_reason": None}
        self.wfile.write(event({"id": "gen-1", "provider": billing.provider, "choices": [choice]}))
        billing.asked.set()
        if billing.together is not None:
            billing.together.wait(timeout=60)
        billing.may_end.wait(timeout=60)
        billing.bill()
        last = {"index": 0, "delta": {"content": "two"}, "finish_reason": "stop"}
        usage = {"prompt_tokens": 100, "completion_tokens": 2, "cost": None}
        document = json.dumps({"id": "gen-1", "choices": [last], "usage": usage})
        document = document.replace('"cost": null', f'"cost": {billing.cost or "null"}')
        # Before the last byte goes out: the client counts the chat as open at least as long.
        billing.end()
        self.wfile.write(event(document) + event("[DONE]"))

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Say nothing."""


def settings_for(server: Billing, budget: Decimal | str = CENT, **more: Any) -> Collecting:
    """Settings that lead to the server."""
    return Collecting(openrouter_url=f"{server.url}/api/v1", probe_budget_usd=Decimal(budget), sources=[], **more)


def offer(model: str, rates: Sequence[Rate] = USUAL, tag: str | None = TAG) -> Offer:
    """An endpoint of OpenRouter at a provider, or (`tag` None) its own headline price."""
    provider = tag.partition("/")[0] if tag else "openrouter"
    return Offer(
        part="endpoints" if tag else "models",
        scope=f"{model}@" if tag else model,
        key=f"{model}@{tag}" if tag else model,
        provider=provider,
        provider_name=provider.title(),
        native_model=model,
        rates=tuple(rates),
        detail=Detail(native_model=model, context_length=131_072),
    )


def priced(engine: Engine, *offers: Offer, source: str = "openrouter", at: datetime = BEGINNING) -> None:
    """A poll that saw exactly these."""
    poll = Poll(source, (), at, at, Status.OK)
    parts = tuple(dict.fromkeys(each.part for each in offers))
    with writing(engine) as connection:
        prices.record(connection, poll, Snapshot(parts, len(offers), offers), prices.Book())


def spending(engine: Engine, now: datetime | None = None) -> Spending:
    with reading(engine) as connection:
        return read.spending(connection, now or datetime.now(UTC), CENT)


def reservations(connection: Connection) -> list[tuple[str, str, str | None]]:
    """(state, estimated, actual) of every reservation, in order."""
    query = "SELECT state, estimated_usd, actual_usd FROM reservation ORDER BY id"
    return [tuple(row) for row in connection.exec_driver_sql(query)]


def dump(engine: Engine) -> dict[str, list[str]]:
    """Every row of every table as text."""
    with engine.connect() as connection:
        tables = sqlalchemy.inspect(connection).get_table_names()
        return {
            table: [str(tuple(row)) for row in connection.exec_driver_sql(f'SELECT * FROM "{table}"')]
            for table in tables
        }


def planned(engine: Engine, settings: Collecting, *names: str, **options: object) -> list[Plan]:
    """What a probe of these would send now."""
    with reading(engine) as connection:
        targets = resolve(connection, names, settings, **options)
        return plan(connection, targets, settings, datetime.now(UTC))


def sent(engine: Engine, settings: Collecting, plans: list[Plan]) -> list[Probe]:
    async def all_of_them() -> list[Probe]:
        async with open_connections() as connections:
            return await send(plans, connections, engine, settings, bounds=PATIENT)

    return asyncio.run(all_of_them())


def stored(engine: Engine) -> list[Probe]:
    with reading(engine) as connection:
        return read.recent(connection, limit=1000)
