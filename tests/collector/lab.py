"""A source, a server and a database, to poll hour by hour."""

import asyncio
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import sqlalchemy
from sqlalchemy import Engine

from collector.jobs.poll import Desk, fetcher_for, open_client, poll
from collector.settings import Collecting
from collector.sources import SOURCES
from db.engine import reading
from db.polls.facts import Poll
from db.prices import cards
from db.prices import read as prices
from tests.support.upstream import Upstream

MIDNIGHT = datetime(2026, 3, 1, tzinfo=UTC)


@dataclass
class Lab:
    """One source, one server and one database; a poll an hour."""

    engine: Engine
    upstream: Upstream
    source: str = "openrouter"
    at_once: int = 8
    max_body_bytes: int = 1_000_000
    desk: Desk = field(init=False)
    kept: dict[str, tuple[str, bytes]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.restart()

    def restart(self) -> None:
        """Forget what a writer keeps from one poll to the next."""
        self.desk = Desk(SOURCES[self.source])
        self.kept = {}

    def poll(self, hour: int) -> Poll:
        """Poll at that hour."""
        settings = Collecting(
            openrouter_url=f"{self.upstream.url}/api/v1",
            models_dev_url=self.upstream.url,
            max_body_bytes=self.max_body_bytes,
            at_once=self.at_once,
            attempts=2,
        )

        async def once() -> Poll:
            async with open_client(settings) as client:
                fetcher = fetcher_for(self.desk.source, client, settings)
                fetcher.bounds = replace(fetcher.bounds, first_pause_s=0.001)
                fetcher.kept = self.kept
                return await poll(self.desk, fetcher, self.engine, at_once=self.at_once, now=lambda: at(hour))

        return asyncio.run(once())

    def count(self) -> dict[str, int]:
        """Rows of every table."""
        return {table: len(rows) for table, rows in self.dump().items()}

    def dump(self) -> dict[str, list[str]]:
        """Every row of every table as text."""
        with self.engine.connect() as connection:
            tables = sqlalchemy.inspect(connection).get_table_names()
            return {
                table: sorted(str(tuple(row)) for row in connection.exec_driver_sql(f'SELECT * FROM "{table}"'))
                for table in tables
            }

    def in_force(self, hour: int) -> dict[str, Decimal | None]:
        """Endpoint key -> its prompt price at that hour."""
        with reading(self.engine) as connection:
            found = prices.in_force_at(connection, at=at(hour))
        return {each.endpoint.key: next(r.usd for r in each.rates if r.meter == "prompt") for each in found}

    def intervals(self, key: str) -> list[tuple[Decimal | None, datetime, datetime | None]]:
        """The prompt price of an endpoint over time."""
        with reading(self.engine) as connection:
            found = [each for each in prices.history(connection) if each.endpoint.key == key]
        return [(next(r.usd for r in p.rates if r.meter == "prompt"), p.valid_from, p.valid_to) for p in found]

    def events(self) -> list[tuple[datetime, str, str]]:
        with reading(self.engine) as connection:
            return [(each.at, each.endpoint.key, each.kind) for each in cards.model_events(connection)]


def at(hour: int) -> datetime:
    return MIDNIGHT + timedelta(hours=hour)


def names(count: int) -> list[str]:
    return [f"acme/model-{number:03}" for number in range(count)]
