"""Writing the ledger: one poll, one transaction, whatever it found."""

from dataclasses import dataclass, field, replace

from sqlalchemy import Connection, insert, select

from db.catalog import read as catalog_read
from db.catalog import store as catalog
from db.catalog.tables import BenchmarkRow, ContentRow, DetailRow, EndpointRow
from db.polls import read as polls_read
from db.polls import store as polls
from db.polls.facts import Poll, Status
from db.polls.gaps import is_short
from db.prices import read
from db.prices.facts import Offer, Rates, Snapshot
from db.prices.ledger import TRACKS, Head, absent, miss, see, seen_of
from db.prices.rates import is_jump
from db.prices.tables import PriceRow, QuoteRow, RateRow
from db.timeline import Edit, Jump, Version
from db.versions import load, table_of, value_ids, write

_VERSIONS = {
    "price": (table_of(PriceRow), table_of(QuoteRow)),
    "detail": (table_of(DetailRow), table_of(ContentRow)),
    "benchmark": (table_of(BenchmarkRow), table_of(ContentRow)),
}
_ENDPOINT = table_of(EndpointRow)

Edits = dict[str, list[Edit]]
"""Track -> what changes in it."""


@dataclass
class Book:
    """Where every endpoint of a source stands, kept by a writer from one poll to the next.

    Good while `poll_id` is the newest poll of the source; read anew otherwise. `quotes` maps digests to rates.
    """

    poll_id: int | None = None
    heads: dict[str, Head] = field(default_factory=dict)
    quotes: dict[str, Rates] = field(default_factory=dict)


def record(connection: Connection, poll: Poll, snapshot: Snapshot, book: Book) -> Poll | None:
    """Fold one poll into the ledger. The poll as stored, or None where it was stored before.

    `poll` brings source, instants, body digest and duration; the rest is found out here.
    """
    if polls_read.exists(connection, poll.source, poll.observed_at):
        return None
    newest = polls_read.newest(connection, poll.source)
    poll = replace(
        poll,
        parts=snapshot.parts,
        items=snapshot.items,
        rejected=len(snapshot.rejections),
        content_digest=snapshot.digest,
        unknown_fields=dict(snapshot.unknown_fields) or None,
    )
    is_current = newest.poll is not None and book.poll_id == newest.poll.id
    # Nothing in the book is good until this poll is stored: a failure on the way leaves it half turned.
    book.poll_id = None
    if newest.poll is not None and poll.observed_at < newest.poll.observed_at:
        from db.prices.late import record_late  # it writes through this module

        return record_late(connection, poll, snapshot)
    poll = judged(poll, snapshot, is_short(snapshot.items, newest.complete_items))
    is_repeat = newest.poll is not None and newest.is_last_added and _repeats(poll, newest.poll)
    if not is_repeat:
        if not is_current:
            _open(connection, poll.source, book)
            is_current = True
        poll = replace(poll, changed=_apply(connection, poll, snapshot, book))
        poll = replace(poll, unsettled=sum(not head.is_settled for head in book.heads.values()))
    _report(connection, poll, snapshot)
    stored = replace(poll, id=polls.add(connection, poll, snapshot.rejections))
    book.poll_id = stored.id if is_current else None
    return stored


def judged(poll: Poll, snapshot: Snapshot, short: bool) -> Poll:
    """The poll with its status; with what it saw, where what it did not see proves nothing."""
    status = Status.PARTIAL if snapshot.rejections else Status.OK
    if short and snapshot.whole:
        status = Status.IMPLAUSIBLE
    proves_absence = snapshot.whole and status != Status.IMPLAUSIBLE
    return replace(poll, status=status, seen=None if proves_absence else tuple(sorted(o.key for o in snapshot.offers)))


def _repeats(poll: Poll, last: Poll) -> bool:
    settled = last.unsettled == 0 and last.complete and poll.complete
    return settled and poll.content_digest == last.content_digest


def _open(connection: Connection, source: str, book: Book) -> None:
    """Read where every endpoint of `source` stands."""
    rows = connection.execute(select(_ENDPOINT).where(_ENDPOINT.c.source == source)).all()
    book.heads = {row.key: Head(row.id, row.part, row.scope) for row in rows}
    by_id = {head.endpoint_id: head for head in book.heads.values()}
    for track in TRACKS:
        for endpoint_id, versions in load_versions(connection, track, source).items():
            by_id[endpoint_id].tracks[track] = versions[-1]
    for endpoint_id, instants in catalog_read.absences(connection, source, pending_only=True).items():
        by_id[endpoint_id].absent_since = max(instants)


def load_versions(connection: Connection, track: str, source: str) -> dict[int, tuple[Version[str], ...]]:
    """Endpoint id -> the versions of one track, for a whole source."""
    table, values = _VERSIONS[track]
    mine = select(_ENDPOINT.c.id).where(_ENDPOINT.c.source == source)
    return load(connection, table, values, table.c.endpoint_id.in_(mine))


def _apply(connection: Connection, poll: Poll, snapshot: Snapshot, book: Book) -> int:
    """Write what differs from where the endpoints stood; how many versions began or ended."""
    register(connection, poll.source, [o for o in snapshot.offers if o.key not in book.heads], book.heads)
    jump = jump_rule(connection, snapshot, book.quotes)
    edits: Edits = {track: [] for track in TRACKS}
    absences = {}
    for offer in snapshot.offers:
        head = book.heads[offer.key]
        seen = seen_of(offer)
        if head.is_settled and head.values == seen:
            continue
        if head.absent_since is not None:
            absences[head.endpoint_id, head.absent_since] = False
        for track, edit in see(head, poll.observed_at, seen, jump).items():
            edits[track].append(edit)
    if poll.complete:
        for head in absent(book.heads, snapshot):
            since = head.absent_since or poll.observed_at
            for track, edit in miss(head, poll.observed_at).items():
                edits[track].append(edit)
            absences[head.endpoint_id, since] = head.absent_since is not None
    write_edits(connection, poll, edits, snapshot)
    catalog.note_absences(connection, absences)
    return sum(map(len, edits.values()))


def register(connection: Connection, source: str, offers: list[Offer], heads: dict[str, Head]) -> None:
    """Add endpoints that were never seen before."""
    if not offers:
        return
    rows = []
    for offer in offers:
        native = catalog_read.native_of(source, offer.provider, offer.native_model, offer.detail)
        names = ("part", "scope", "key", "provider", "provider_name", "native_model")
        rows.append((native, {name: getattr(offer, name) for name in names}))
    catalog.add_endpoints(connection, source, rows)
    ids = catalog.endpoint_ids(connection, source, (offer.key for offer in offers))
    for offer in offers:
        heads[offer.key] = Head(ids[offer.key], offer.part, offer.scope)


def jump_rule(connection: Connection, snapshot: Snapshot, quotes: dict[str, Rates]) -> Jump[str]:
    """Whether one quote is implausibly far from another, both by digest. Fills `quotes` with what it reads."""
    offered = {offer.digests[0]: offer.rates for offer in snapshot.offers}

    def rates(digest: str) -> Rates:
        if digest in offered:
            return offered[digest]
        if digest not in quotes:
            quotes.update(read.quotes(connection, [digest]))
        return quotes[digest]

    return lambda old, new: is_jump(rates(old), rates(new))


def write_edits(connection: Connection, poll: Poll, edits: Edits, snapshot: Snapshot) -> None:
    """Write versions and the values that they name."""
    needed = {track: {v.value for edit in edits[track] for v in edit.new()} for track in TRACKS}
    bodies: dict[str, list[str]] = {"detail": [], "benchmark": []}
    quotes = {}
    for offer in snapshot.offers:
        price, detail, benchmark = offer.digests
        if price in needed["price"]:
            quotes[price] = offer.rates
        if detail in needed["detail"]:
            bodies["detail"].append(offer.detail.text)
        if benchmark in needed["benchmark"]:
            bodies["benchmark"].append(offer.benchmarks_text)
    _add_quotes(connection, quotes)
    for texts in bodies.values():
        catalog.add_contents(connection, texts)
    for track in TRACKS:
        table, values = _VERSIONS[track]
        ids = value_ids(connection, values, needed[track])
        write(connection, table, edits[track], ids, poll.recorded_at)


def _add_quotes(connection: Connection, quotes: dict[str, Rates]) -> None:
    table = table_of(QuoteRow)
    stored = value_ids(connection, table, quotes)
    new = {digest: rates for digest, rates in quotes.items() if digest not in stored}
    if not new:
        return
    connection.execute(insert(table), [{"digest": digest} for digest in new])
    ids = value_ids(connection, table, new)
    connection.execute(
        insert(RateRow),
        [
            {
                "quote_id": ids[digest],
                "position": position,
                "meter": rate.meter,
                "usd": rate.usd,
                "min_prompt_tokens": rate.min_prompt_tokens,
                "utc_start": rate.utc_start,
                "utc_end": rate.utc_end,
            }
            for digest, rates in new.items()
            for position, rate in enumerate(rates)
        ],
    )


def _report(connection: Connection, poll: Poll, snapshot: Snapshot) -> None:
    reported = {offer.key: offer.reported for offer in snapshot.offers if offer.reported is not None}
    if reported:
        ids = catalog.endpoint_ids(connection, poll.source, reported)
        catalog.add_reported(connection, poll.observed_at, {ids[key]: figures for key, figures in reported.items()})
