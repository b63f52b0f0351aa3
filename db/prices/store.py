"""Writing the ledger: what polls saw, folded and written in one transaction."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property

from sqlalchemy import Connection, select

from db.catalog import read as catalog_read
from db.catalog import store as catalog
from db.catalog.identity import Known
from db.catalog.tables import EndpointRow
from db.polls import read as polls_read
from db.polls import store as polls
from db.polls.facts import Poll, Rejection, Status
from db.polls.gaps import is_short
from db.prices import read, tracks
from db.prices.facts import Offer, Rates, Snapshot
from db.prices.ledger import TRACKS, Head, absent, miss, see
from db.prices.rates import is_jump
from db.timeline import Edit, Jump
from db.versions import table_of

_ENDPOINT = table_of(EndpointRow)


@dataclass
class Book:
    """Where every endpoint of a source stands, kept by a writer from one transaction to the next.

    Good while `after` is the newest poll of the source and the last that was added; read anew otherwise. `listed`
    are those of the `heads` that are there still; `quotes` maps digests to rates.
    """

    after: Poll | None = None
    heads: dict[str, Head] = field(default_factory=dict)
    listed: dict[str, Head] = field(default_factory=dict)
    quotes: dict[str, Rates] = field(default_factory=dict)


def record(connection: Connection, poll: Poll, snapshot: Snapshot, book: Book) -> Poll | None:
    """Fold one poll into the ledger. The poll as stored, or None where it was stored before."""
    if polls_read.exists(connection, poll.source, poll.observed_at):
        return None
    recorder = Recorder(connection, poll.source, book, ())
    recorder.add(poll, snapshot)
    return recorder.flush()[0]


class Recorder:
    """Folds polls of one source into the ledger, within one transaction. Nothing counts before `flush`.

    What was believed between two polls of one transaction was never to be seen by anyone, so it leaves no rows.
    `known`: when the polls were that are stored already, failed ones too.
    """

    def __init__(self, connection: Connection, source: str, book: Book, known: Iterable[datetime]) -> None:
        self.connection = connection
        self.source = source
        self.known = set(known)
        self.book = book
        self.newest = polls_read.newest(connection, source)
        # A late poll of another writer may have changed what lies before the newest one.
        self.is_current = self.newest.is_last_added and _is_same(book.after, self.newest.poll)
        # Nothing in the book is good until all is written: a failure on the way leaves it half turned.
        book.after = None
        self.stored: list[Poll] = []
        self.late: list[tuple[Poll, Snapshot]] = []
        self._forget()

    @cached_property
    def index(self) -> Known:
        """By which new endpoints are told: what it is made of is not written in this transaction."""
        return catalog_read.models_for(self.connection, self.source)

    def _forget(self) -> None:
        self.polls: list[tuple[Poll, tuple[Rejection, ...]]] = []
        self.edits: dict[str, dict[int, Edit]] = {track: {} for track in TRACKS}
        self.values: tracks.Values = {track: {} for track in TRACKS}
        self.absences: dict[tuple[int, datetime], bool] = {}

    def add(self, poll: Poll, snapshot: Snapshot) -> bool:
        """Fold one more poll, in any order; False where it was stored before.

        `poll` brings source, instants, body digest and duration; the rest is found out here.
        """
        if poll.observed_at in self.known:
            return False
        self.known.add(poll.observed_at)
        poll = replace(
            poll,
            parts=snapshot.parts,
            items=snapshot.items,
            rejected=len(snapshot.rejections),
            content_digest=snapshot.digest,
            unknown_fields=dict(snapshot.unknown_fields) or None,
        )
        if self.newest.poll is not None and poll.observed_at < self.newest.poll.observed_at:
            self._write_newer()
            self.late.append((poll, snapshot))
        else:
            self._write_late()
            self._add_newer(poll, snapshot)
        return True

    def _add_newer(self, poll: Poll, snapshot: Snapshot) -> None:
        newest = self.newest.poll
        poll = judged(poll, snapshot, is_short(snapshot.items, self.newest.complete_items))
        is_repeat = newest is not None and self.newest.is_last_added and _repeats(poll, newest)
        if not is_repeat:
            if not self.is_current:
                _open(self.connection, self.source, self.book)
                self.is_current = True
            poll = replace(poll, changed=self._fold(poll, snapshot))
            poll = replace(poll, unsettled=sum(head.settled is None for head in self.book.listed.values()))
        _report(self.connection, poll, snapshot)
        self.polls.append((poll, snapshot.rejections))
        items = poll.items if poll.complete else self.newest.complete_items
        self.newest = polls_read.Newest(poll, True, items)

    def flush(self) -> list[Poll]:
        """Write everything that was added; the polls as stored."""
        self._write_newer()
        self._write_late()
        return self.stored

    def _write_newer(self) -> None:
        if not self.polls:
            return
        edits = {track: list(of_track.values()) for track, of_track in self.edits.items()}
        tracks.write_edits(self.connection, self.polls[-1][0].recorded_at, edits, self.values)
        catalog.note_absences(self.connection, self.absences)
        ids = polls.add(self.connection, self.polls)
        self.stored += (replace(poll, id=poll_id) for poll_id, (poll, _) in zip(ids, self.polls, strict=True))
        if self.is_current:
            self.book.after = self.stored[-1]
        self._forget()

    def _write_late(self) -> None:
        if not self.late:
            return
        from db.prices.late import record_late  # it writes through this module

        self.stored += record_late(self.connection, self.late)
        self.late = []
        self.newest = polls_read.newest(self.connection, self.source)
        self.is_current, self.book.after = False, None

    def _fold(self, poll: Poll, snapshot: Snapshot) -> int:
        """Turn the book to what the poll saw; how many versions began or ended."""
        heads, listed, at = self.book.heads, self.book.listed, poll.observed_at
        if new := [offer for offer in snapshot.offers if offer.key not in heads]:
            heads |= register(self.connection, self.source, new, self.index)
        jump = jump_rule(self.connection, self.book.quotes)
        changed = 0
        for offer in snapshot.offers:
            head = heads[offer.key]
            if head.settled == offer.digests:
                continue
            tracks.keep(self.values, offer)
            self.book.quotes[offer.digests[0]] = offer.rates
            if head.absent_since is not None:
                self.absences[head.endpoint_id, head.absent_since] = False
            changed += self._edit(see(head, at, offer.digests, jump))
            listed[offer.key] = head
        for key in absent(listed, snapshot) if poll.complete else ():
            head = listed[key]
            since = head.absent_since or at
            changed += self._edit(miss(head, at))
            self.absences[head.endpoint_id, since] = head.absent_since is not None
            if not head.is_open:
                del listed[key]
        return changed

    def _edit(self, edits: Mapping[str, Edit]) -> int:
        for track, edit in edits.items():
            before = self.edits[track].get(edit.endpoint_id)
            self.edits[track][edit.endpoint_id] = before.then(edit) if before is not None else edit
        return len(edits)


def _is_same(one: Poll | None, other: Poll | None) -> bool:
    """Whether both are one row: SQLite gives the id of a poll that was rolled back to another."""
    if one is None or other is None:
        return False
    return (one.id, one.observed_at, one.recorded_at) == (other.id, other.observed_at, other.recorded_at)


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
        for endpoint_id, versions in tracks.load_versions(connection, track, source).items():
            by_id[endpoint_id].tracks[track] = versions[-1]
    for endpoint_id, instants in catalog_read.absences(connection, source, pending_only=True).items():
        by_id[endpoint_id].absent_since = max(instants)
    for head in by_id.values():
        head.settle()
    book.listed = {key: head for key, head in book.heads.items() if head.is_open}


def register(connection: Connection, source: str, offers: Iterable[Offer], index: Known) -> dict[str, Head]:
    """Add endpoints that were never seen before; where each stands, by key."""
    rows = []
    for offer in offers:
        native = catalog_read.native_of(source, offer.provider, offer.native_model, offer.detail)
        names = ("part", "scope", "key", "provider", "provider_name", "native_model")
        rows.append((native, {name: getattr(offer, name) for name in names}))
    ids = catalog.add_endpoints(connection, rows, index)
    return {offer.key: Head(ids[offer.key], offer.part, offer.scope) for offer in offers}


def jump_rule(connection: Connection, quotes: dict[str, Rates]) -> Jump[str]:
    """Whether one quote is implausibly far from another, both by digest. What `quotes` lacks is read."""

    def rates(digest: str) -> Rates:
        if digest not in quotes:
            quotes.update(read.quotes(connection, [digest]))
        return quotes[digest]

    return lambda old, new: is_jump(rates(old), rates(new))


def _report(connection: Connection, poll: Poll, snapshot: Snapshot) -> None:
    reported = {offer.key: offer.reported for offer in snapshot.offers if offer.reported is not None}
    if reported:
        ids = catalog.endpoint_ids(connection, poll.source, reported)
        catalog.add_reported(connection, poll.observed_at, {ids[key]: figures for key, figures in reported.items()})
