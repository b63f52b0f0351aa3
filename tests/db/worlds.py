"""Small made-up worlds: polls of a few endpoints, and what a plain reading of the rules says of them.

The reference below is written from the rules alone, one observation after the other, and shares no code with the
ledger.
"""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from sqlalchemy import Connection, Engine, create_engine
from sqlalchemy.pool import StaticPool

from db.catalog.facts import Detail
from db.migrations import metadata
from db.polls.facts import Poll, Rejection, Status
from db.prices import read, store
from db.prices.facts import Offer, Rate, Snapshot

START = datetime(2026, 1, 1, tzinfo=UTC)
SOURCE = "openrouter"


def at(hour: float) -> datetime:
    return START + timedelta(hours=hour)


@dataclass(frozen=True)
class Seen:
    """One poll of a made-up world: name -> prompt price in USD per 1M tokens, and the names that were rejected."""

    hour: int
    prices: dict[str, int]
    rejected: frozenset[str] = field(default_factory=frozenset)
    whole: bool = True

    @property
    def items(self) -> int:
        return len(self.prices) + len(self.rejected)


def offer(name: str, usd_per_million: int | str, context: int = 1000) -> Offer:
    rate = Decimal(usd_per_million) / 1_000_000
    return Offer(
        part="models",
        scope=f"author/{name}",
        key=f"author/{name}",
        provider="openrouter",
        provider_name="OpenRouter",
        native_model=f"author/{name}",
        rates=(Rate("prompt", rate), Rate("completion", rate * 2)),
        detail=Detail(native_model=f"author/{name}", name=name, context_length=context),
    )


def snapshot(seen: Seen) -> Snapshot:
    rejections = [Rejection("models", f"author/{name}", "unreadable") for name in sorted(seen.rejected)]
    if not seen.whole:
        rejections.append(Rejection("models", None, "an entry without an id"))
    offers = tuple(offer(name, usd) for name, usd in sorted(seen.prices.items()))
    return Snapshot(("models",), seen.items, offers, tuple(rejections), seen.whole)


def empty_engine() -> Engine:
    engine = create_engine("sqlite://", poolclass=StaticPool)
    metadata.create_all(engine)
    return engine


def draft(seen: Seen, recorded_at: datetime | None = None) -> Poll:
    """What a job knows of a poll before it is folded."""
    return Poll(SOURCE, (), at(seen.hour), recorded_at or at(seen.hour), Status.OK)


def record(connection: Connection, seen: Seen, book: store.Book, recorded_at: datetime | None = None) -> Poll | None:
    return store.record(connection, draft(seen, recorded_at), snapshot(seen), book)


Span = tuple[int, datetime, datetime | None, bool]
"""Prompt price in USD per 1M, from, to, suspect."""


def history(connection: Connection, known_at: datetime | None = None) -> dict[str, list[Span]]:
    """What the ledger holds, by name."""
    found: dict[str, list[Span]] = {}
    for price in read.history(connection, known_at=known_at):
        name = price.endpoint.key.removeprefix("author/")
        usd = next(rate.usd for rate in price.rates if rate.meter == "prompt")
        assert usd is not None
        span = (int(usd * 1_000_000), price.valid_from, price.valid_to, price.suspect)
        found.setdefault(name, []).append(span)
    return found


def expected(world: list[Seen]) -> dict[str, list[Span]]:
    """What the rules say of a set of polls, whatever the order in which they arrived."""
    polls = sorted(world, key=lambda seen: seen.hour)
    complete: list[bool] = []
    last_items: int | None = None
    for seen in polls:
        short = last_items is not None and seen.items * 2 < last_items
        complete.append(seen.whole and not short)
        if complete[-1]:
            last_items = seen.items
    names = {name for seen in polls for name in seen.prices}
    return {name: spans for name in sorted(names) if (spans := _spans(name, polls, complete))}


def _spans(name: str, polls: list[Seen], complete: list[bool]) -> list[Span]:
    observed = [
        (at(seen.hour), seen.prices.get(name))
        for seen, is_complete in zip(polls, complete, strict=True)
        if name not in seen.rejected and (name in seen.prices or is_complete)
    ]
    # A single absence between two sightings never happened; two in a row begin at the first.
    kept: list[tuple[datetime, int | None]] = []
    for i, (when, value) in enumerate(observed):
        alone = value is None and not (
            (i > 0 and observed[i - 1][1] is None) or (i + 1 < len(observed) and observed[i + 1][1] is None)
        )
        if not alone:
            kept.append((when, value))
    runs: list[list[tuple[datetime, int | None]]] = []
    for when, value in kept:
        if runs and runs[-1][-1][1] == value:
            runs[-1].append((when, value))
        else:
            runs.append([(when, value)])
    spans: list[Span] = []
    trusted: int | None = None
    for i, run in enumerate(runs):
        start, value = run[0]
        if value is None:
            continue
        end = runs[i + 1][0][0] if i + 1 < len(runs) else None
        jumps = trusted is not None and value != trusted and not (trusted <= value * 100 and value <= trusted * 100)
        suspect = jumps and len(run) == 1
        spans.append((value, start, end, suspect))
        if not suspect:
            trusted = value
    return spans
