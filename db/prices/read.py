"""Reading the ledger: at a time, and as known at a time."""

from collections.abc import Iterable, Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, and_, or_, select

from db.catalog.facts import Endpoint
from db.catalog.read import ENDPOINT, endpoint_fact, matching
from db.prices.facts import Price, Rate, Rates
from db.prices.tables import PriceRow, QuoteRow, RateRow
from db.versions import believed, in_force, table_of

_PRICE, _QUOTE, _RATE = table_of(PriceRow), table_of(QuoteRow), table_of(RateRow)


def quotes(connection: Connection, digests: Sequence[str]) -> dict[str, Rates]:
    """Digest -> rates, in the quote's order."""
    query = (
        select(_QUOTE.c.digest, *_RATE_COLUMNS)
        .join(_RATE, _RATE.c.quote_id == _QUOTE.c.id, isouter=True)
        .where(_QUOTE.c.digest.in_(digests))
        .order_by(_QUOTE.c.id, _RATE.c.position)
    )
    found: dict[str, list[Rate]] = {}
    for digest, meter, *rest in connection.execute(query):
        rates = found.setdefault(digest, [])
        if meter is not None:
            rates.append(Rate(meter, *rest))
    return {digest: tuple(rates) for digest, rates in found.items()}


_RATE_COLUMNS = (_RATE.c.meter, _RATE.c.usd, _RATE.c.min_prompt_tokens, _RATE.c.utc_start, _RATE.c.utc_end)


def in_force_at(
    connection: Connection,
    model: str | None = None,
    provider: str | None = None,
    at: datetime | None = None,
    known_at: datetime | None = None,
    source: str | None = None,
) -> list[Price]:
    """The prices in force at `at` (None: now), as known at `known_at` (None: now)."""
    return _prices(
        connection, and_(matching(model, provider, source), in_force(_PRICE, at), believed(_PRICE, known_at))
    )


def rates_of(connection: Connection, endpoint_id: int, at: datetime | None = None) -> Rates:
    """The rates of one endpoint at `at` (None: now); none where it has no price then."""
    found = _prices(connection, and_(ENDPOINT.c.id == endpoint_id, in_force(_PRICE, at), believed(_PRICE)))
    return found[0].rates if found else ()


def of_endpoints(
    connection: Connection, endpoint_ids: Sequence[int], known_at: datetime | None = None
) -> dict[int, list[Price]]:
    """Endpoint id -> every version of its price, oldest first, as known at `known_at` (None: now)."""
    found: dict[int, list[Price]] = {}
    for start in range(0, len(endpoint_ids), 900):
        chunk = endpoint_ids[start : start + 900]
        for price in _prices(connection, and_(ENDPOINT.c.id.in_(chunk), believed(_PRICE, known_at))):
            found.setdefault(price.endpoint.id, []).append(price)
    return found


def rates_of_rows(connection: Connection, price_ids: Iterable[int]) -> dict[int, Rates]:
    """Ledger row -> the rates it quotes; superseded rows too."""
    ids = sorted(set(price_ids))
    values: dict[int, int] = {}
    for start in range(0, len(ids), 900):
        query = select(_PRICE.c.id, _PRICE.c.value_id).where(_PRICE.c.id.in_(ids[start : start + 900]))
        values.update((row.id, row.value_id) for row in connection.execute(query))
    rates = _rates(connection, set(values.values()))
    return {price_id: rates.get(value_id, ()) for price_id, value_id in values.items()}


def all_conditions(connection: Connection) -> list[Rates]:
    """Every condition that some rate has ever had, each as a quote of its own."""
    conditions = (_RATE.c.min_prompt_tokens, _RATE.c.utc_start, _RATE.c.utc_end)
    query = select(*conditions).distinct()
    return [(Rate("", None, *row),) for row in connection.execute(query)]


def history(
    connection: Connection,
    model: str | None = None,
    provider: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    known_at: datetime | None = None,
    source: str | None = None,
) -> list[Price]:
    """Every version whose interval meets [since, until), by endpoint and oldest first."""
    wanted = [matching(model, provider, source), believed(_PRICE, known_at)]
    if since is not None:
        wanted.append(or_(_PRICE.c.valid_to.is_(None), _PRICE.c.valid_to > since))
    if until is not None:
        wanted.append(_PRICE.c.valid_from < until)
    return _prices(connection, and_(*wanted))


def around_changes(
    connection: Connection,
    since: datetime | None = None,
    until: datetime | None = None,
    model: str | None = None,
) -> list[Price]:
    """The versions that began in [since, until) and the last one before each, by endpoint and oldest first."""
    if since is None:
        return history(connection, model, until=until)
    began = and_(believed(_PRICE), _PRICE.c.valid_from >= since)
    if until is not None:
        began = and_(began, _PRICE.c.valid_from < until)
    moved = select(_PRICE.c.endpoint_id).where(began)
    rows = _prices(connection, and_(matching(model), believed(_PRICE), _PRICE.c.endpoint_id.in_(moved)), until=until)
    kept: list[Price] = []
    for i, price in enumerate(rows):
        follows = i + 1 < len(rows) and rows[i + 1].endpoint.id == price.endpoint.id
        if price.valid_from >= since or (follows and rows[i + 1].valid_from >= since):
            kept.append(price)
    return kept


def _prices(connection: Connection, wanted: ColumnElement[bool], until: datetime | None = None) -> list[Price]:
    columns = (
        _PRICE.c.id.label("price_id"),
        _PRICE.c.value_id,
        _PRICE.c.valid_from,
        _PRICE.c.valid_to,
        _PRICE.c.recorded_at,
        _PRICE.c.suspect,
    )
    query = (
        select(ENDPOINT, *columns)
        .join(_PRICE, _PRICE.c.endpoint_id == ENDPOINT.c.id)
        .where(wanted)
        .order_by(ENDPOINT.c.id, _PRICE.c.valid_from)
    )
    if until is not None:
        query = query.where(_PRICE.c.valid_from < until)
    rows = connection.execute(query).all()
    rates = _rates(connection, {row.value_id for row in rows})
    endpoints: dict[int, Endpoint] = {}
    for row in rows:
        if row[0] not in endpoints:
            endpoints[row[0]] = endpoint_fact(row)
    return [
        Price(
            endpoints[row[0]],
            rates.get(row.value_id, ()),
            row.valid_from,
            row.valid_to,
            row.recorded_at,
            bool(row.suspect),
            row.price_id,
        )
        for row in rows
    ]


def _rates(connection: Connection, quote_ids: Iterable[int]) -> dict[int, Rates]:
    ids = sorted(quote_ids)
    found: dict[int, list[Rate]] = {}
    for start in range(0, len(ids), 900):
        query = select(_RATE.c.quote_id, *_RATE_COLUMNS).where(_RATE.c.quote_id.in_(ids[start : start + 900]))
        for quote_id, *rest in connection.execute(query.order_by(_RATE.c.quote_id, _RATE.c.position)).all():
            found.setdefault(quote_id, []).append(Rate(*rest))
    return {quote_id: tuple(rates) for quote_id, rates in found.items()}
