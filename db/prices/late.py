"""Polls that arrive after a newer one was stored (a backfill): the ledger is folded again where it differs.

What every stored poll saw is read back from the ledger itself, the late ones are put in their places, and only
endpoints whose history comes out differently are written. Reading back costs the more the longer the record is, so
late polls come many at once.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import Connection

from db.catalog import read as catalog_read
from db.catalog import store as catalog
from db.polls import read as polls_read
from db.polls import store as polls
from db.polls.facts import Poll, Status
from db.prices import store, tracks
from db.prices.facts import Offer, Rates, Snapshot
from db.prices.ledger import TRACKS, Record, Witness, classify, observations, refold
from db.timeline import Edit


@dataclass(frozen=True)
class _Stored:
    """All that is stored of a source. `pending`: endpoint id -> absences that wait for a second one."""

    polls: tuple[Poll, ...]
    unknown: frozenset[tuple[int, str, str]]
    records: dict[str, tuple[int, Record]]
    pending: Mapping[int, frozenset[datetime]]

    def witnesses(self, record: Record, polls_: tuple[Poll, ...]) -> Iterator[Witness]:
        def is_unknown(poll: Poll, item: str) -> bool:
            return (poll.id or 0, record.part, item) in self.unknown

        return observations(record, polls_, is_unknown)


@dataclass(frozen=True)
class _Late:
    """A late poll, and what it saw by endpoint key."""

    poll: Poll
    snapshot: Snapshot
    offers: Mapping[str, Offer]
    lost: frozenset[tuple[str, str | None]]


def record_late(connection: Connection, arrived: Sequence[tuple[Poll, Snapshot]]) -> list[Poll]:
    """Store polls of one source that are older than its newest; the polls as stored, in the order given."""
    source = arrived[0][0].source
    _register(connection, source, arrived)
    stored = _read(connection, source)
    after, late = _reclassified(stored, arrived)
    moved = [new for old, new in zip(stored.polls, after, strict=True) if old != new]
    rates, values = _values(snapshot for _, snapshot in arrived)
    jump = store.jump_rule(connection, rates)
    edits: dict[str, list[Edit]] = {track: [] for track in TRACKS}
    absences: dict[tuple[int, datetime], bool] = {}
    for endpoint_id, record in stored.records.values():
        pending = stored.pending.get(endpoint_id, frozenset())
        if not moved and all(_agrees(record, pending, each) for each in late):
            continue
        witnesses = list(stored.witnesses(record, stored.polls))
        if moved:
            # What stored polls saw is read with the classes they had then, and judged with those they have now.
            witnesses = list(_judge(dict(witnesses), record, after, stored.unknown))
        witnesses += (seen for each in late for seen in _witness(record, each))
        new = refold(sorted(witnesses, key=lambda w: w[0]), jump)
        for track in TRACKS:
            before = tuple(record.versions.get(track, ()))
            edits[track].append(Edit(endpoint_id, before, new.tracks[track]))
        absences |= {(endpoint_id, at): False for at in record.absences | set(new.blips)}
        if new.absent_since is not None:
            absences[endpoint_id, new.absent_since] = True
    tracks.write_edits(connection, arrived[-1][0].recorded_at, edits, values)
    catalog.note_absences(connection, absences)
    for other in moved:
        polls.reclassify(connection, other)
    counted = _counted([each.poll for each in late], edits)
    ids = polls.add(
        connection, [(poll, snapshot.rejections) for poll, (_, snapshot) in zip(counted, arrived, strict=True)]
    )
    return [replace(poll, id=poll_id) for poll, poll_id in zip(counted, ids, strict=True)]


def _register(connection: Connection, source: str, arrived: Sequence[tuple[Poll, Snapshot]]) -> None:
    """Add the endpoints that only the late polls saw."""
    known = {e.key for e in catalog_read.endpoints(connection, source=source)}
    first: dict[str, Offer] = {}
    for _, snapshot in arrived:
        for offer in snapshot.offers:
            if offer.key not in known:
                first.setdefault(offer.key, offer)
    if first:
        store.register(connection, source, first.values(), catalog_read.models_for(connection, source))


def _values(snapshots: Iterable[Snapshot]) -> tuple[dict[str, Rates], tracks.Values]:
    """What the snapshots say, by digest."""
    rates: dict[str, Rates] = {}
    values: tracks.Values = {track: {} for track in TRACKS}
    for snapshot in snapshots:
        for offer in snapshot.offers:
            rates[offer.digests[0]] = offer.rates
            tracks.keep(values, offer)
    return rates, values


def _counted(late: list[Poll], edits: Mapping[str, Sequence[Edit]]) -> list[Poll]:
    """The polls with the versions that began or ended at each; what moved elsewhere is counted at the last one."""
    changed = dict.fromkeys((poll.observed_at for poll in late), 0)
    last = late[-1].observed_at
    for edit in (edit for of_track in edits.values() for edit in of_track):
        moved = {at for version in edit.new() for at in (version.valid_from, version.valid_to)}
        here = moved & changed.keys()
        for at in here or ({last} if moved else ()):
            changed[at] += 1  # type: ignore[index]
    return [replace(poll, changed=changed[poll.observed_at]) for poll in late]


def _read(connection: Connection, source: str) -> _Stored:
    versions = {track: tracks.load_versions(connection, track, source) for track in TRACKS}
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
    pending = catalog_read.absences(connection, source, pending_only=True)
    return _Stored(tuple(polls_read.answered(connection, source)), unknown, records, pending)


def _reclassified(stored: _Stored, arrived: Sequence[tuple[Poll, Snapshot]]) -> tuple[tuple[Poll, ...], list[_Late]]:
    """The stored polls, and the late ones, each with the class it has among all of them."""
    late = {poll.observed_at: (store.judged(poll, snapshot, short=False), snapshot) for poll, snapshot in arrived}
    order = sorted([*stored.polls, *(poll for poll, _ in late.values())], key=lambda p: p.observed_at)
    after = []
    for each, short in zip(order, classify(order), strict=True):
        if each.observed_at in late:
            poll, snapshot = late[each.observed_at]
            late[each.observed_at] = (store.judged(poll, snapshot, short), snapshot)
        elif short == (each.status == Status.IMPLAUSIBLE):
            after.append(each)
        elif short:
            seen = tuple(sorted(_keys_seen(stored, each)))
            after.append(replace(each, status=Status.IMPLAUSIBLE, seen=seen))
        else:
            status = Status.PARTIAL if each.rejected else Status.OK
            after.append(replace(each, status=status, seen=None))
    return tuple(after), [
        _Late(
            poll,
            snapshot,
            {offer.key: offer for offer in snapshot.offers},
            frozenset((r.part, r.item) for r in snapshot.rejections),
        )
        for poll, snapshot in late.values()
    ]


def _keys_seen(stored: _Stored, poll: Poll) -> Iterator[str]:
    for key, (_, record) in stored.records.items():
        if any(seen is not None for _, seen in stored.witnesses(record, (poll,))):
            yield key


def _agrees(record: Record, pending: frozenset[datetime], late: _Late) -> bool:
    """Whether the late poll saw what was believed for its instant, and settles no doubt by it."""
    at = late.poll.observed_at
    if record.part not in late.poll.parts:
        return True
    offer = late.offers.get(record.key)
    if record.values_at(at) != (offer.digests if offer is not None else None):
        return False
    # Seen again, a suspect version is confirmed, and an absence before it is over.
    is_doubtful = any(v.suspect and v.covers(at) for versions in record.versions.values() for v in versions)
    return not is_doubtful and not any(absence < at for absence in pending)


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


def _witness(record: Record, late: _Late) -> Iterator[Witness]:
    """What a late poll itself saw of the endpoint."""
    offer = late.offers.get(record.key)
    if offer is not None:
        yield late.poll.observed_at, offer.digests
        return
    could_tell = record.part in late.poll.parts and late.poll.complete
    if could_tell and not {(record.part, record.key), (record.part, record.scope)} & late.lost:
        yield late.poll.observed_at, None
