"""The one reader: every page reads through here, and nothing here writes.

What was read is kept until a newer poll is stored. Facts are frozen, so all viewers share one copy of them.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Concatenate, ParamSpec, TypeVar

import streamlit as st
from sqlalchemy import Connection, Engine

from db.catalog import read as catalog
from db.catalog.identity import author_of
from db.engine import open_engine, reading, require_schema
from db.meters import COMPLETION, PROMPT
from db.polls import read as polls
from db.polls.facts import Gap, Poll, Rejection
from db.polls.gaps import gaps
from db.prices import cards, changes, modelcard, read
from db.prices.facts import Change, Price, Rate, Step
from db.prices.modelcard import Card
from db.prices.rates import base_rate
from db.settings import Storage, load

P = ParamSpec("P")
R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Reader:
    """The database as one run of a page sees it. `newest_poll` is 0 where nothing was polled yet."""

    url: str
    newest_poll: int
    now: datetime

    def shown(self, asof: date | None) -> datetime:
        """The instant that a page shows: the end of the as-of day, but never one to come."""
        return min(end_of(asof) or self.now, self.now)


def open_reader() -> Reader:
    """Find the database. Raises StorageError or UsageError in one sentence where there is none to read."""
    url = load(Storage).database_url
    engine = engine_of(url)
    require_schema(engine)
    with reading(engine) as connection:
        return Reader(url, polls.newest_id(connection), datetime.now(UTC))


@st.cache_resource(show_spinner=False)
def engine_of(url: str) -> Engine:
    return open_engine(url, read_only=True)


def kept(query: Callable[Concatenate[Connection, P], R]) -> Callable[Concatenate[Reader, P], R]:
    """Run a query once for each state of the database and each set of arguments."""

    def keep(url: str, newest_poll: int, arguments: tuple[object, ...]) -> R:
        del newest_poll  # only tells one state from the next
        with reading(engine_of(url)) as connection:
            return query(connection, *arguments)  # type: ignore[call-arg,arg-type]

    # Streamlit tells cached functions apart by their names.
    keep.__qualname__ = f"kept_{query.__qualname__}"
    shared = st.cache_resource(show_spinner=False, max_entries=64)(keep)

    def call(reader: Reader, /, *arguments: P.args, **_named: P.kwargs) -> R:
        kept: R = shared(reader.url, reader.newest_poll, arguments)
        return kept

    return call


def end_of(day: date | None) -> datetime | None:
    """The last instant of a day in UTC; None stays None, which is now."""
    if day is None:
        return None
    return datetime.combine(day, time(), UTC) + timedelta(days=1) - timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Record:
    """How the record of one source stands: its newest answered polls, and the failures since."""

    source: str
    instants: tuple[datetime, ...]
    newest: Poll | None
    failures: tuple[Poll, ...]
    rejections: tuple[Rejection, ...]

    @property
    def last_success(self) -> datetime | None:
        return self.instants[-1] if self.instants else None

    @property
    def usual(self) -> timedelta | None:
        """The median of its ten newest intervals."""
        near = self.instants[-11:]
        steps = sorted(later - earlier for earlier, later in pairwise(near))
        return steps[len(steps) // 2] if steps else None

    def gaps(self, until: datetime) -> list[Gap]:
        """Where it has gaps, the one that is open at `until` included."""
        return gaps(self.source, [at for at in self.instants if at <= until], until)


@kept
def records(connection: Connection) -> tuple[Record, ...]:
    """How the record of each source stands, the one whose word counts most first."""
    found = []
    order = {source: rank for rank, source in enumerate(modelcard.SOURCE_ORDER)}
    for source in sorted(polls.sources(connection), key=lambda name: (order.get(name, len(order)), name)):
        newest = polls.newest(connection, source).poll
        rejected = polls.rejections(connection, [newest.id] if newest and newest.id else [])
        found.append(
            Record(
                source,
                tuple(polls.instants(connection, source)),
                newest,
                tuple(polls.failures_since_success(connection, source)),
                tuple(r for of_poll in rejected.values() for r in of_poll),
            )
        )
    return tuple(found)


@dataclass(frozen=True, slots=True)
class Line:
    """One model of the catalogue, with what the list shows, sorts and filters by."""

    model: str
    name: str
    author: str
    source: str
    prompt: Rate | None
    completion: Rate | None
    context: int | None
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    features: tuple[str, ...]
    released: str | None
    first_seen: datetime
    providers: int


@kept
def catalogue(connection: Connection, at: datetime | None) -> tuple[Line, ...]:
    """Every model that can be had at `at`."""
    return tuple(_line(entry) for entry in cards.catalogue(connection, at))


def _line(entry: cards.Entry) -> Line:
    detail = entry.listing.detail
    rates = entry.price.rates if entry.price else ()
    created = datetime.fromtimestamp(detail.created, UTC).date().isoformat() if detail.created else None
    return Line(
        entry.model,
        detail.name or entry.model,
        author_of(entry.model),
        entry.price.endpoint.source if entry.price else entry.listing.endpoint.source,
        base_rate(rates, PROMPT),
        base_rate(rates, COMPLETION),
        detail.context_length,
        detail.input_modalities or (),
        detail.output_modalities or (),
        modelcard.features([entry.listing]),
        detail.released or created,
        entry.first_seen,
        entry.providers,
    )


@kept
def models(connection: Connection) -> tuple[str, ...]:
    """The ids of all models, the gone ones too."""
    return tuple(catalog.models(connection))


@kept
def card(connection: Connection, model: str, at: datetime | None) -> Card:
    """The whole card of a model. Raises UsageError, with near names, where there is none."""
    return cards.card(connection, model, at)


@kept
def history(connection: Connection, of_models: tuple[str, ...], until: datetime | None) -> tuple[Step, ...]:
    """The steps of every rate of the models up to `until`, oldest first. What ended later had not ended by then."""
    found: list[Step] = []
    for model in of_models:
        found += changes.steps(read.history(connection, model, until=until))
    if until is not None:
        found = [replace(step, valid_to=None) if step.valid_to and step.valid_to > until else step for step in found]
    return tuple(sorted(found, key=lambda step: (step.valid_from, step.endpoint.id)))


@kept
def moves(connection: Connection, since: datetime, until: datetime) -> tuple[Change, ...]:
    """Every move of a rate in [since, until), oldest first."""
    return tuple(changes.changes(read.around_changes(connection, since, until), since, until))


@kept
def model_moves(connection: Connection, of_models: tuple[str, ...], until: datetime | None) -> tuple[Change, ...]:
    """Every move of a rate of the models up to `until`, oldest first."""
    found: list[Change] = []
    for model in of_models:
        found += changes.changes(read.history(connection, model, until=until))
    return tuple(sorted(found, key=lambda change: (change.at, change.endpoint.id)))


@dataclass(frozen=True, slots=True)
class Arrival:
    """A model that a source began to tell of (`added`), told of again (`returned`) or no longer (`removed`)."""

    at: datetime
    kind: str
    model: str
    source: str
    providers: int


@kept
def arrivals(connection: Connection, since: datetime, until: datetime) -> tuple[Arrival, ...]:
    """Models that came and went in [since, until), newest first.

    A model comes with its first endpoint and goes with its last; what was there when the record of a source began
    did not come then.
    """
    began: dict[str, datetime] = {}
    for (source, _), at in polls.record_began(connection).items():
        began[source] = min(at, began.get(source, at))
    before, after = catalog.offered(connection, since), catalog.offered(connection, until)
    for source, at in began.items():
        if since < at < until:
            before |= {key: n for key, n in catalog.offered(connection, at).items() if key[0] == source}
    found = []
    for (source, model), (first, came, went) in catalog.appearances(connection, since, until).items():
        key = source, model
        if key in after and key not in before and came is not None and first > began[source]:
            kind = "added" if first >= since else "returned"
            found.append(Arrival(came, kind, model, source, after[key]))
        elif key in before and key not in after and went is not None:
            found.append(Arrival(went, "removed", model, source, before[key]))
    return tuple(sorted(found, key=lambda arrival: (arrival.at, arrival.model), reverse=True))


@kept
def recent_polls(connection: Connection, source: str | None, limit: int) -> tuple[Poll, ...]:
    """The newest polls, failed ones too, newest first."""
    return tuple(polls.recent(connection, source, limit))


@kept
def rejections(connection: Connection, poll_ids: tuple[int, ...]) -> dict[int, list[Rejection]]:
    """Poll id -> what it rejected."""
    return polls.rejections(connection, poll_ids)


@kept
def merges(connection: Connection) -> tuple[tuple[str, str, int, int], ...]:
    """By which rule endpoints joined their model: source, rule, endpoints, models; most first."""
    endpoints: Counter[tuple[str, str]] = Counter()
    joined: dict[tuple[str, str], set[str]] = {}
    for endpoint in catalog.endpoints(connection):
        endpoints[endpoint.source, endpoint.rule] += 1
        joined.setdefault((endpoint.source, endpoint.rule), set()).add(endpoint.model)
    return tuple((source, rule, n, len(joined[source, rule])) for (source, rule), n in endpoints.most_common())


@kept
def disagreeing(connection: Connection, at: datetime | None) -> tuple[tuple[str, modelcard.Disagreement], ...]:
    """Where sources quote different rates for one endpoint: (model, disagreement), the largest ratio first."""
    by_model: dict[str, list[Price]] = {}
    for price in read.in_force_at(connection, at=at):
        by_model.setdefault(price.endpoint.model, []).append(price)
    found = [(model, each) for model, prices in by_model.items() for each in modelcard.disagreements(prices)]
    return tuple(sorted(found, key=lambda pair: pair[1].ratio or Decimal(0), reverse=True))
