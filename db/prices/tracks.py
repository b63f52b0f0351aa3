"""The tracks of an endpoint as rows: versions over time, and the immutable values that they name."""

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import Connection, insert, select

from db.catalog import store as catalog
from db.catalog.tables import BenchmarkRow, ContentRow, DetailRow, EndpointRow
from db.prices.facts import Offer, Rates
from db.prices.ledger import TRACKS
from db.prices.tables import PriceRow, QuoteRow, RateRow
from db.timeline import Edit, Version
from db.versions import add_values, load, table_of, value_ids, write

_VERSIONS = {
    "price": (table_of(PriceRow), table_of(QuoteRow)),
    "detail": (table_of(DetailRow), table_of(ContentRow)),
    "benchmark": (table_of(BenchmarkRow), table_of(ContentRow)),
}

Values = dict[str, dict[str, Offer]]
"""Track -> digest -> an offer that holds the value."""


def load_versions(connection: Connection, track: str, source: str) -> dict[int, tuple[Version[str], ...]]:
    """Endpoint id -> the versions of one track, for a whole source."""
    endpoint, (table, values) = table_of(EndpointRow), _VERSIONS[track]
    mine = select(endpoint.c.id).where(endpoint.c.source == source)
    return load(connection, table, values, table.c.endpoint_id.in_(mine))


def keep(values: Values, offer: Offer) -> None:
    """Remember the values of an offer by their digests."""
    for track, digest in zip(TRACKS, offer.digests, strict=True):
        values[track][digest] = offer


def write_edits(connection: Connection, now: datetime, edits: Mapping[str, list[Edit]], values: Values) -> None:
    """Write versions, and first the values that they name."""
    for track in TRACKS:
        if not edits[track]:
            continue
        table, stored = _VERSIONS[track]
        needed = {version.value for edit in edits[track] for version in edit.new()}
        ids = value_ids(connection, stored, needed)
        offers = {digest: values[track][digest] for digest in needed if digest not in ids}
        if track == "price":
            ids |= _add_quotes(connection, {digest: offer.rates for digest, offer in offers.items()})
        elif track == "detail":
            ids |= catalog.add_contents(connection, {digest: offer.detail.text for digest, offer in offers.items()})
        else:
            texts = {digest: offer.benchmarks_text for digest, offer in offers.items()}
            ids |= catalog.add_contents(connection, texts)
        write(connection, table, edits[track], ids, now)


def _add_quotes(connection: Connection, quotes: Mapping[str, Rates]) -> dict[str, int]:
    ids = add_values(connection, table_of(QuoteRow), [{"digest": digest} for digest in quotes])
    rows = [
        {
            "quote_id": ids[digest],
            "position": position,
            "meter": rate.meter,
            "usd": rate.usd,
            "min_prompt_tokens": rate.min_prompt_tokens,
            "utc_start": rate.utc_start,
            "utc_end": rate.utc_end,
        }
        for digest, rates in quotes.items()
        for position, rate in enumerate(rates)
    ]
    if rows:
        connection.execute(insert(RateRow), rows)
    return ids
