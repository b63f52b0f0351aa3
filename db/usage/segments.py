"""All time of one logged name, cut where its price changes. Pure."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from db.prices.facts import Price

BEGINNING: Final = datetime(1970, 1, 1, tzinfo=UTC)
END: Final = datetime(9999, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Segment:
    """[start, end) in which one price holds; None: no price is known then."""

    start: datetime
    end: datetime
    price: Price | None


def segments(candidates: Sequence[Sequence[Price]]) -> Iterator[Segment]:
    """Tile all time with the prices of the first candidate, its gaps with those of the next, and so on.

    A candidate is one endpoint's prices, oldest first. A price in doubt (`suspect`) prices nothing: whether it is
    one will be known after the next poll.
    """
    return _tile(BEGINNING, END, candidates)


def _tile(start: datetime, end: datetime, candidates: Sequence[Sequence[Price]]) -> Iterator[Segment]:
    if start >= end:
        return
    if not candidates:
        yield Segment(start, end, None)
        return
    first, rest = candidates[0], candidates[1:]
    covered = start
    for price in first:
        since, until = max(price.valid_from, start), min(price.valid_to or END, end)
        if since >= until or price.suspect:
            continue
        yield from _tile(covered, since, rest)
        yield Segment(since, until, price)
        covered = until
    yield from _tile(covered, end, rest)
