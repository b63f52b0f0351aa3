"""From what a poll saw to what must be written. Pure; see db.timeline for the rules of folding."""

from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final

from db.polls.facts import Poll, Status
from db.polls.gaps import is_short
from db.prices.facts import Snapshot
from db.timeline import Edit, Jump, Version, fold, observe

TRACKS: Final = ("price", "detail", "benchmark")
NOTHING: Final = ""
"""The value of a track that an endpoint does not have, though it was seen."""

Seen = tuple[str, ...]
"""What one poll saw of one endpoint: a digest a track."""


@dataclass(slots=True)
class Head:
    """Where an endpoint stands after the newest poll."""

    endpoint_id: int
    part: str
    scope: str
    tracks: dict[str, Version[str]] = field(default_factory=dict)
    absent_since: datetime | None = None
    settled: Seen | None = None
    """What is in force, where no doubt waits for a further poll: seeing the same again changes nothing. Where the
    endpoint is open and this is None, an absence or a suspect jump waits for a second poll."""

    @property
    def is_open(self) -> bool:
        return "price" in self.tracks and self.tracks["price"].valid_to is None

    def settle(self) -> None:
        """Work out `settled` after a change."""
        in_force = [v if v is not None and v.valid_to is None else None for v in map(self.tracks.get, TRACKS)]
        doubtful = self.absent_since is not None or any(v is not None and v.suspect for v in in_force)
        self.settled = None if doubtful or not self.is_open else tuple(v.value if v else NOTHING for v in in_force)


def never(_old: str, _new: str) -> bool:
    """The jump rule of tracks that are no amounts."""
    return False


def see(head: Head, at: datetime, seen: Seen, jump: Jump[str]) -> dict[str, Edit]:
    """Note that the endpoint was there; the edits, by track. Changes `head`."""
    head.absent_since = None
    edits = {}
    for track, value in zip(TRACKS, seen, strict=True):
        last = head.tracks.get(track)
        is_open = last is not None and last.valid_to is None
        if value == NOTHING:
            if last is None or not is_open:
                continue
            head.tracks[track] = closed = replace(last, valid_to=at)
            edits[track] = Edit(head.endpoint_id, (last,), (closed,))
            continue
        new = observe(last, at, value, jump if track == "price" else never)
        if new is last:
            continue
        before = (last,) if last is not None and is_open else ()
        confirmed = last is not None and new.valid_from == last.valid_from
        closing = () if confirmed else tuple(replace(v, valid_to=at) for v in before)
        edits[track] = Edit(head.endpoint_id, before, (*closing, new))
        head.tracks[track] = new
    head.settle()
    return edits


def miss(head: Head, at: datetime) -> dict[str, Edit]:
    """Note that a poll which would have seen the endpoint did not; the edits of a removal. Changes `head`."""
    if head.absent_since is None:
        head.absent_since, head.settled = at, None
        return {}
    edits = {}
    for track, last in head.tracks.items():
        if last.valid_to is None:
            head.tracks[track] = replace(last, valid_to=head.absent_since)
            edits[track] = Edit(head.endpoint_id, (last,), (head.tracks[track],))
    head.absent_since = None
    return edits


def absent(listed: Mapping[str, Head], snapshot: Snapshot) -> list[str]:
    """The keys of those endpoints that a complete poll would have seen and did not."""
    seen = {offer.key for offer in snapshot.offers}
    unknown = {(r.part, r.item) for r in snapshot.rejections}

    def is_absent(key: str, head: Head) -> bool:
        return head.part in snapshot.parts and not {(head.part, key), (head.part, head.scope)} & unknown

    return [key for key, head in listed.items() if key not in seen and is_absent(key, head)]


def classify(polls: Sequence[Poll]) -> list[bool]:
    """For polls in time order: whether each is implausibly short after the last complete one."""
    last_items: int | None = None
    short = []
    for poll in polls:
        unnamed_items = poll.status == Status.PARTIAL and poll.seen is not None
        is_implausible = not unnamed_items and is_short(poll.items, last_items)
        if not is_implausible and not unnamed_items:
            last_items = poll.items
        short.append(is_implausible)
    return short


@dataclass(frozen=True, slots=True)
class Record:
    """All that is believed of one endpoint: its versions by track, and the absences noted."""

    key: str
    part: str
    scope: str
    versions: Mapping[str, Sequence[Version[str]]]
    absences: frozenset[datetime] = frozenset()

    def values_at(self, at: datetime) -> Seen | None:
        """What was in force at `at`; None where the endpoint was not there."""
        found = []
        for track in TRACKS:
            versions = self.versions.get(track, ())
            before = bisect_right(versions, at, key=lambda version: version.valid_from)
            last = versions[before - 1] if before else None
            found.append(last.value if last is not None and last.covers(at) else NOTHING)
        return tuple(found) if found[0] != NOTHING else None


Witness = tuple[datetime, Seen | None]


def observations(record: Record, polls: Iterable[Poll], unknown: Callable[[Poll, str], bool]) -> Iterator[Witness]:
    """What each poll is known to have seen of an endpoint, in time order: the inverse of folding."""
    for poll in polls:
        at = poll.observed_at
        if record.part not in poll.parts or unknown(poll, record.key) or unknown(poll, record.scope):
            continue
        if poll.seen is not None:
            if record.key in poll.seen:
                yield at, record.values_at(at)
        else:
            yield at, None if at in record.absences else record.values_at(at)


@dataclass(frozen=True, slots=True)
class Refolded:
    """What the observations of one endpoint prove: its versions by track, and the absences inside them."""

    tracks: dict[str, tuple[Version[str], ...]]
    blips: tuple[datetime, ...]
    absent_since: datetime | None


def refold(witnesses: Sequence[Witness], jump: Jump[str]) -> Refolded:
    """Observations of one endpoint in time order -> all that must be believed of it."""
    histories = {
        track: fold(
            ((at, seen[i] if seen is not None else None) for at, seen in witnesses),
            jump if track == "price" else never,
        )
        for i, track in enumerate(TRACKS)
    }
    tracks = {track: tuple(v for v in history.versions if v.value != NOTHING) for track, history in histories.items()}
    return Refolded(tracks, histories["price"].blips, histories["price"].absent_since)
