"""Reading whole model cards, and the catalogue that leads to them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal

from sqlalchemy import Connection

from db.catalog import read as catalog
from db.catalog.events import events
from db.catalog.facts import Event, Listing
from db.catalog.identity import REFERENCE, author_of, split_variant
from db.errors import UsageError
from db.polls import read as polls
from db.prices import modelcard, read
from db.prices.facts import Price
from db.prices.modelcard import Card, Offered, by_trust
from db.prices.rates import blended

COHORT = "models listed by OpenRouter with a price"


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the catalogue: a model, what is said of it, its headline price, and where it can be had."""

    model: str
    listing: Listing
    price: Price | None
    providers: int
    endpoints: int
    first_seen: datetime


def catalogue(connection: Connection, at: datetime | None = None) -> list[Entry]:
    """Every model that can be had at `at` (None: now), by id."""
    listings: dict[str, list[Listing]] = {}
    for listing in catalog.listings(connection, at=at):
        listings.setdefault(listing.endpoint.model, []).append(listing)
    prices = {price.endpoint.id: price for price in read.in_force_at(connection, at=at)}
    seen = catalog.first_seen(connection)
    found = []
    for model, of_model in sorted(listings.items()):
        trusted = by_trust(of_model)
        priced = [p for each in trusted if (p := prices.get(each.endpoint.id)) is not None and p.rates]
        found.append(
            Entry(
                model,
                trusted[0],
                priced[0] if priced else None,
                len({each.endpoint.provider for each in of_model}),
                len(of_model),
                min(seen[each.endpoint.id] for each in of_model),
            )
        )
    return found


def card(connection: Connection, model: str, at: datetime | None = None, known_at: datetime | None = None) -> Card:
    """The whole card of a model. Raises UsageError, with near names, where there is none by that id."""
    require_model(connection, model)
    model, _ = split_variant(model)
    listings = by_trust(catalog.listings(connection, model, at, known_at))
    prices = read.in_force_at(connection, model, at=at, known_at=known_at)
    said = listings or by_trust(_last_said(connection, model))
    return Card(
        model=model,
        name=next((each.detail.name for each in said if each.detail.name), model),
        author=author_of(model),
        at=at or datetime.now(UTC),
        description=next((each.detail.description for each in said if each.detail.description), None),
        specifications=tuple(modelcard.specifications(model, said)),
        parameters=modelcard.parameters(said),
        features=modelcard.features(said),
        cost_tier=_cost_tier(connection, prices, at, known_at),
        offered=_offered(connection, listings, prices, at),
        disagreements=tuple(modelcard.disagreements(sorted(prices, key=_source_rank))),
        benchmarks=catalog.benchmarks(connection, model, at),
        events=tuple(e for e in model_events(connection, model) if at is None or e.at <= at),
        others=tuple(_others(connection, model, at)),
    )


def model_events(connection: Connection, model: str | None = None, since: datetime | None = None) -> list[Event]:
    """What happened to a model's endpoints, or to all, besides their price; oldest first."""
    began = polls.record_began(connection)
    found = events(catalog.detail_history(connection, model, since), began)
    return [event for event in found if since is None or event.at >= since]


def require_model(connection: Connection, model: str) -> None:
    """Raise UsageError, with near names, where no endpoint ever served `model`."""
    if not catalog.endpoints(connection, model):
        raise UsageError(_no_such_model(connection, model))


def _no_such_model(connection: Connection, model: str) -> str:
    import difflib

    names = catalog.models(connection)
    if not names:
        return f"There is no model {model}: the database holds no prices yet. `ratecard poll` gets them."
    near = [name for name in names if model.rpartition("/")[2] in name][:3]
    near = near or difflib.get_close_matches(model, names, 3)
    hint = f" Did you mean {', '.join(near)}?" if near else " `ratecard models TEXT` searches."
    return f"There is no model {model}.{hint}"


def _last_said(connection: Connection, model: str) -> list[Listing]:
    """For a model that is gone: the last that each endpoint's source said."""
    last = {}
    for endpoint, detail, since, _ in catalog.detail_history(connection, model):
        last[endpoint.id] = Listing(endpoint, detail, since, since)
    return list(last.values())


def _offered(
    connection: Connection, listings: Sequence[Listing], prices: Sequence[Price], at: datetime | None
) -> tuple[Offered, ...]:
    by_id = {price.endpoint.id: price for price in prices}
    reported = catalog.reported(connection, [each.endpoint.id for each in listings], at)
    found = []
    for listing in listings:
        figures = reported.get(listing.endpoint.id)
        price = by_id.get(listing.endpoint.id)
        found.append(
            Offered(
                listing.endpoint,
                listing,
                price,
                figures[1] if figures else None,
                figures[0] if figures else None,
            )
        )
    return tuple(found)


def _cost_tier(
    connection: Connection, prices: Sequence[Price], at: datetime | None, known_at: datetime | None
) -> modelcard.CostTier | None:
    own = [p for p in prices if p.endpoint.is_headline and p.endpoint.variant is None]
    amounts = [amount for p in own or prices if (amount := blended(p.rates)) is not None]
    return modelcard.cost_tier(min(amounts, default=None), _cohort(connection, at, known_at), COHORT)


def _cohort(connection: Connection, at: datetime | None, known_at: datetime | None) -> list[Decimal]:
    listed = read.in_force_at(connection, at=at, known_at=known_at, source=REFERENCE)
    plain = (p for p in listed if p.endpoint.is_headline and p.endpoint.variant is None)
    return [amount for p in plain if (amount := blended(p.rates)) is not None]


def _others(connection: Connection, model: str, at: datetime | None) -> list[tuple[str, str]]:
    """Other models by the same author that can be had: (id, name)."""
    names: dict[str, str] = {}
    for listing in by_trust(catalog.listings(connection, at=at, author=author_of(model))):
        if listing.endpoint.model != model:
            names.setdefault(listing.endpoint.model, listing.detail.name or listing.endpoint.model)
    return sorted(names.items())


def _source_rank(price: Price) -> int:
    order = modelcard.SOURCE_ORDER
    return order.index(price.endpoint.source) if price.endpoint.source in order else len(order)
