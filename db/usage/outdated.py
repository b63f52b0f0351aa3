"""Which roll-up cells rest on a price or a name that is believed no longer. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from db.prices.facts import Rates
from db.usage.pricing import Priced
from db.usage.resolve import Name
from db.usage.segments import BEGINNING

HOUR_MINUTES = 60


@dataclass(frozen=True, slots=True)
class Stretch:
    """The cells of one import and name that share a price: from the first's start to the last's hour's end, in
    minutes since 1970. `rates`: what they were billed at, None where they are unpriced; `why` says why then."""

    import_id: int
    name: Name
    first: int
    last: int
    rates: Rates | None
    why: str | None


@dataclass(frozen=True, slots=True)
class Doubt:
    """Where one import must be costed anew: these names over [first, last) minutes since 1970."""

    import_id: int
    names: frozenset[Name]
    first: int
    last: int


def doubts(stretches: Iterable[Stretch], entries: Mapping[Name, Sequence[Priced]]) -> list[Doubt]:
    """What to cost anew, one span an import. `entries`: each name's segments as believed now."""
    found: dict[int, list[Stretch]] = {}
    for stretch in stretches:
        if not _holds(stretch, entries.get(stretch.name, ())):
            found.setdefault(stretch.import_id, []).append(stretch)
    return [
        Doubt(import_id, frozenset(s.name for s in each), min(s.first for s in each), max(s.last for s in each))
        for import_id, each in found.items()
    ]


def _holds(stretch: Stretch, entries: Sequence[Priced]) -> bool:
    """Whether every segment that the stretch meets says what its cells say. A cell at the edge of a price is doubted
    needlessly, and comes out the same."""
    start, end = instant(stretch.first), instant(stretch.last)
    met = [e for e in entries if e.segment.start < end and e.segment.end > start]
    return bool(met) and all(_same(stretch, entry) for entry in met)


def _same(stretch: Stretch, entry: Priced) -> bool:
    price = entry.segment.price
    if stretch.rates is None:
        return price is None and (entry.resolved.why is None or entry.resolved.why == stretch.why)
    return price is not None and price.rates == stretch.rates


def instant(minute: int) -> datetime:
    """Minutes since 1970 -> the instant."""
    return BEGINNING + timedelta(minutes=minute)
