"""When silence between two polls is a gap, and when a short poll is implausible. Pure."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import pairwise

from db.polls.facts import Gap

FACTOR = 3.0
NEIGHBOURS = 10
LEAST = timedelta(minutes=30)
SHORT = 0.5


def gaps(source: str, instants: Sequence[datetime], until: datetime | None = None) -> list[Gap]:
    """The gaps between successful polls at `instants` (ascending), and the open one before `until`.

    A gap is an interval over three times the median of the ten intervals before and after it (and over half an
    hour): so a source polled weekly for a year and hourly since has the gaps that each habit would call one.
    """
    steps = [later - earlier for earlier, later in pairwise(instants)]
    found = []
    for i, step in enumerate(steps):
        near = steps[max(0, i - NEIGHBOURS) : i] + steps[i + 1 : i + 1 + NEIGHBOURS]
        if near and step > max(LEAST, _median(near) * FACTOR):
            found.append(Gap(source, instants[i], instants[i + 1]))
    usual = _median(steps[-NEIGHBOURS:]) if steps else timedelta(days=1)
    if until is not None and instants and until - instants[-1] > max(LEAST, usual * FACTOR):
        found.append(Gap(source, instants[-1], None))
    return found


def is_short(items: int, last_complete_items: int | None) -> bool:
    """Whether a list of `items` is implausibly short after a complete one of `last_complete_items`."""
    return last_complete_items is not None and items < last_complete_items * SHORT


def _median(steps: Sequence[timedelta]) -> timedelta:
    return sorted(steps)[len(steps) // 2]
