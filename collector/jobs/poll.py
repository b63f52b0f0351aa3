"""One poll of one source: fetch, parse, fold into the ledger. A poll that fails is a row too."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from hashlib import blake2b
from time import monotonic

import httpx
import structlog
from sqlalchemy import Engine

from collector.http import AGENT, Bounds, Fetcher
from collector.settings import Collecting, secret
from collector.sources.base import Answer, Memo, Request, Source
from db.catalog import store as catalog
from db.engine import writing
from db.errors import InputError, RatecardError, SourceError
from db.polls import store as polls
from db.polls.facts import Poll, Status
from db.prices import store as prices
from db.prices.facts import Snapshot

log = structlog.get_logger("ratecard.poll")

Fetch = Callable[[list[Request]], "asyncio.Future[list[Answer]]"]
Progress = Callable[[int, int], None]


def utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass
class Desk:
    """What a writer keeps of one source from one poll to the next."""

    source: Source
    memo: Memo = field(default_factory=Memo)
    book: prices.Book = field(default_factory=prices.Book)


@asynccontextmanager
async def open_client(settings: Collecting) -> AsyncIterator[httpx.AsyncClient]:
    """One HTTP client for all polls."""
    limits = httpx.Limits(max_connections=settings.at_once, max_keepalive_connections=settings.at_once)
    async with httpx.AsyncClient(
        headers={"User-Agent": AGENT, "Accept": "application/json"},
        timeout=settings.timeout_s,
        limits=limits,
        follow_redirects=True,
    ) as client:
        yield client


def fetcher_for(source: Source, client: httpx.AsyncClient, settings: Collecting) -> Fetcher:
    """The fetcher of a source, with its address and key under the user's settings."""
    configured = {"openrouter": settings.openrouter_url, "models_dev": settings.models_dev_url}
    key = secret("OPENROUTER_API_KEY") if source.name == "openrouter" else None
    headers = {"Authorization": f"Bearer {key.get_secret_value()}"} if key else {}
    bounds = Bounds(settings.timeout_s, settings.deadline_s, settings.attempts, settings.max_body_bytes)
    return Fetcher(client, configured.get(source.name, "").rstrip("/"), bounds, headers)


async def poll(
    desk: Desk,
    fetcher: Fetcher,
    engine: Engine,
    *,
    at_once: int = 8,
    progress: Progress | None = None,
    now: Callable[[], datetime] = utc_now,
) -> Poll:
    """Poll once and store what came of it. Raises nothing that a source can cause: a failure is a stored poll."""
    observed_at = now()
    started = monotonic()
    error: RatecardError | None = None
    snapshot = None
    seen = blake2b(digest_size=16)
    try:
        snapshot = await _converse(desk, fetcher, observed_at, at_once, progress, seen.update)
    except (SourceError, InputError) as failure:
        error = failure
    duration_ms = round((monotonic() - started) * 1000)
    draft = Poll(
        desk.source.name, (), observed_at, now(), Status.OK, body_digest=seen.hexdigest(), duration_ms=duration_ms
    )
    if snapshot is None:
        failed = replace(draft, status=Status.FAILED, error=str(error), retry_at=getattr(error, "retry_at", None))
        with writing(engine) as connection:
            return replace(failed, id=polls.add(connection, [(failed, ())])[0])
    return await asyncio.to_thread(_store, engine, draft, snapshot, desk)


def _store(engine: Engine, draft: Poll, snapshot: Snapshot, desk: Desk) -> Poll:
    with writing(engine) as connection:
        stored = prices.record(connection, draft, snapshot, desk.book)
        if stored is not None and stored.changed:
            catalog.relink(connection)
    return stored or draft


async def _converse(
    desk: Desk,
    fetcher: Fetcher,
    observed_at: datetime,
    at_once: int,
    progress: Progress | None,
    saw: Callable[[bytes], None],
) -> Snapshot:
    """Carry the requests of a source's conversation to its server, at most `at_once` at a time.

    `saw` is told every body, in the order of the requests.
    """
    gate = asyncio.Semaphore(at_once)
    conversation = desk.source.converse(desk.memo, observed_at)

    async def fetch(request: Request) -> Answer:
        async with gate:
            try:
                return Answer(await fetcher.get(request.path))
            except SourceError as error:
                return Answer(None, error)
            finally:
                if progress is not None:
                    progress(1, 0)

    answers: list[Answer] | None = None
    while True:
        try:
            requests = next(conversation) if answers is None else conversation.send(answers)
        except StopIteration as done:
            snapshot: Snapshot = done.value
            return snapshot
        if progress is not None:
            progress(0, len(requests))
        answers = list(await asyncio.gather(*map(fetch, requests)))
        for answer in answers:
            saw(answer.body or b"")
