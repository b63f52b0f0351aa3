"""Getting documents by a fetcher of one's own."""

import asyncio
from datetime import UTC, datetime

from collector.http import Bounds, Fetcher
from collector.jobs.poll import open_client
from collector.settings import Collecting
from db.errors import SourceError

QUICK = Bounds(timeout_s=30, deadline_s=60, attempts=3, max_body_bytes=1_000_000, first_pause_s=0.001)
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)

Got = list[bytes | SourceError]


def get(base: str, *paths: str, bounds: Bounds = QUICK, now: datetime = NOW) -> Got:
    """The documents at those paths, by one fetcher in turn; an error stands for a document that failed."""

    async def all_of_them() -> Got:
        got: Got = []
        async with open_client(Collecting(timeout_s=bounds.timeout_s)) as client:
            fetcher = Fetcher(client, base, bounds, now=lambda: now)
            for path in paths:
                try:
                    got.append(await fetcher.get(path))
                except SourceError as error:
                    got.append(error)
        return got

    return asyncio.run(all_of_them())


def failure(base: str, path: str = "/doc", *, bounds: Bounds = QUICK, now: datetime = NOW) -> SourceError:
    """The error of a document that must fail."""
    (error,) = get(base, path, bounds=bounds, now=now)
    assert isinstance(error, SourceError)
    return error
