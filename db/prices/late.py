"""A poll that arrives after a newer one was stored (a backfill): the ledger is folded again where it differs.

What every stored poll saw is read back from the ledger itself, the late one is put in its place, and only endpoints
whose history comes out differently are written.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import Connection

from db.catalog import read as catalog_read
from db.catalog import store as catalog
from db.polls import read as polls_read
from db.polls import store as polls
from db.polls.facts import Poll, Status
from db.prices import store
from db.prices.facts import Offer, Snapshot
from db.prices.ledger import TRACKS, Head, Record, Witness, classify, observations, refold
from db.timeline import Edit


@dataclass(frozen=True)
class _Stored:
    """All that is stored of a source."""

    polls: tuple[Poll, ...]
    unknown: frozenset[tuple[int, str, str]]
    records: dict[str, tuple[int, Record]]

    def witnesses(self, record: Record, polls_: tuple[Poll, ...]) -> Iterator[Witness]:
        def is_unknown(poll: Poll, item: str) -> bool:
            return (poll.id or 0, record.part, item) in self.unknown

        return observations(record, polls_, is_unknown)


def record_late(connection: Connection, poll: Poll, snapshot: Snapshot) -> Poll:
    """Store a poll that is older than the newest; the poll as stored."""
    heads: dict[str, Head] = {}
    known = {e.key for e in catalog_read.endpoints(connection, source=poll.source)}
    store.register(connection, poll.source, [o for o in snapshot.offers if o.key not in known], heads)
    stored = _read(connection, poll.source)
    after, poll = _reclassified(stored, poll, snapshot)
    moved = [new for old, new in zip(stored.polls, after, strict=True) if old != new]
    offers = {offer.key: offer for offer in snapshot.offers}
    jump = store.jump_rule(connection, {offer.digests[0]: offer.rates for offer in snapshot.offers})
    values: dict[str, store.Values] = {track: {} for track in TRACKS}
    for offer in snapshot.offers:
        store.keep(values, offer)
    edits: dict[str, list[Edit]] = {track: [] for track in TRACKS}
    absences: dict[tuple[int, datetime], bool] = {}
    for key, (endpoint_id, record) in stored.records.items():
        late = offers.get(key)
        if record.part not in poll.parts and not moved:
            continue
        if not moved and _agrees(record, poll, late):
            continue
        # What stored polls saw is read with the classes they had then, and judged with those they have now.
        seen = dict(stored.witnesses(record, stored.polls))
        witnesses = list(_judge(seen, record, after, stored.unknown))
        witnesses += _witness(record, poll, late, snapshot)
        new = refold(sorted(witnesses, key=lambda w: w[0]), jump)
        for track in TRACKS:
            before = tuple(record.versions.get(track, ()))
            edits[track].append(Edit(endpoint_id, before, new.tracks[track]))
        absences |= {(endpoint_id, at): False for at in record.absences | set(new.blips)}
        if new.absent_since is not None:
            absences[endpoint_id, new.absent_since] = True
    store.write_edits(connection, poll.recorded_at, edits, values)
    catalog.note_absences(connection, absences)
    for other in moved:
        polls.reclassify(connection, other)
    changed = sum(1 for track in TRACKS for edit in edits[track] if any(edit.new()))
    poll = replace(poll, changed=changed)
    return replace(poll, id=polls.add(connection, [(poll, snapshot.rejections)])[0])


def _read(connection: Connection, source: str) -> _Stored:
    versions = {track: store.load_versions(connection, track, source) for track in TRACKS}
    absences = catalog_read.absences(connection, source)
    records = {
        e.key: (
            e.id,
            Record(
                e.key,
                e.part,
                e.scope,
                {track: versions[track].get(e.id, ()) for track in TRACKS},
                absences.get(e.id, frozenset()),
            ),
        )
        for e in catalog_read.endpoints(connection, source=source)
    }
    unknown = frozenset(polls_read.unknown_items(connection, source))
    return _Stored(tuple(polls_read.answered(connection, source)), unknown, records)


def _reclassified(stored: _Stored, poll: Poll, snapshot: Snapshot) -> tuple[tuple[Poll, ...], Poll]:
    """The stored polls, and the late one, each with the class it has among all of them."""
    poll = store.judged(poll, snapshot, short=False)
    order = sorted([*stored.polls, poll], key=lambda p: p.observed_at)
    after = []
    for each, short in zip(order, classify(order), strict=True):
        if each is poll:
            poll = store.judged(poll, snapshot, short)
        elif short == (each.status == Status.IMPLAUSIBLE):
            after.append(each)
        elif short:
            seen = tuple(sorted(_keys_seen(stored, each)))
            after.append(replace(each, status=Status.IMPLAUSIBLE, seen=seen))
        else:
            status = Status.PARTIAL if each.rejected else Status.OK
            after.append(replace(each, status=status, seen=None))
    return tuple(after), poll


def _keys_seen(stored: _Stored, poll: Poll) -> Iterator[str]:
    for key, (_, record) in stored.records.items():
        if any(seen is not None for _, seen in stored.witnesses(record, (poll,))):
            yield key


def _agrees(record: Record, poll: Poll, offer: Offer | None) -> bool:
    """Whether the late poll saw what was believed for its instant, and no doubt waits for a further poll."""
    if record.absences or any(v.suspect for versions in record.versions.values() for v in versions):
        return False
    believed = record.values_at(poll.observed_at)
    return believed == (offer.digests if offer is not None else None)


def _judge(
    seen: dict[datetime, tuple[str, ...] | None],
    record: Record,
    polls_: tuple[Poll, ...],
    unknown: frozenset[tuple[int, str, str]],
) -> Iterator[Witness]:
    """Witnesses under the polls' new classes: an implausible poll proves no absence, a complete one does."""
    for poll in polls_:
        at = poll.observed_at
        if record.part not in poll.parts:
            continue
        if {(poll.id or 0, record.part, record.key), (poll.id or 0, record.part, record.scope)} & unknown:
            continue
        if seen.get(at) is not None or poll.complete:
            yield at, seen.get(at)


def _witness(record: Record, poll: Poll, offer: Offer | None, snapshot: Snapshot) -> Iterator[Witness]:
    """What the late poll itself saw of the endpoint."""
    lost = {(r.part, r.item) for r in snapshot.rejections}
    if offer is not None:
        yield poll.observed_at, offer.digests
    elif (
        record.part in poll.parts
        and poll.complete
        and not {
            (record.part, record.key),
            (record.part, record.scope),
        }
        & lost
    ):
        yield poll.observed_at, None
