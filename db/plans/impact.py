"""What a price change does to the bill of a month: the usage of 30 days at the price after, less at the one before.

The 30 days end with the day of your last usage where the new price still holds, so that it is your mix of now; for a
change that has been overtaken they are those before the day of the change. Days are UTC days. Pure.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Final

import numpy as np

from db.catalog.facts import Endpoint
from db.plans.lots import Lots
from db.plans.periods import EPOCH, ONE_DAY
from db.prices.facts import Change, Price
from db.usage.exact import Bools, Ints, totals
from db.usage.recost import Target
from db.usage.segments import BEGINNING

MONTH: Final = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class Impact:
    """One price change and its effect. Money in 1e-9 USD a month (30 days), over the `requests` that have a price on
    both sides: `before`, `after`; `unpriced_requests` have none on one. `projects`: the effect on each, the most
    affected first; `changes`: what moved. [first, last): the days of the usage."""

    at: datetime
    endpoint: Endpoint
    before: int
    after: int
    requests: int
    unpriced_requests: int
    projects: tuple[tuple[str, int], ...]
    changes: tuple[Change, ...]
    first: date
    last: date

    @property
    def monthly(self) -> int | None:
        """What the change adds to the bill; None where no request has a price on both sides."""
        return self.after - self.before if self.requests else None


def window(after: Price, as_of: datetime) -> tuple[date, date]:
    """The days [first, last) whose usage a change is measured on; `as_of`: the end of the last usage."""
    if after.valid_to is None or after.valid_to > as_of:
        last = (as_of - timedelta(microseconds=1)).astimezone(UTC).date() + ONE_DAY
    else:
        last = after.valid_from.astimezone(UTC).date()
    return last - MONTH, last


def impact(
    before: Price,
    after: Price,
    moved: tuple[Change, ...],
    days: tuple[date, date],
    usage: Lots,
    project_of: Mapping[int, str],
) -> Impact | None:
    """The effect on the `usage` of the endpoint, of which the `days` are taken; None where there is none in them.
    `project_of`: label id -> project."""
    first, last = days
    inside = usage.chosen((usage.day >= (first - EPOCH).days) & (usage.day < (last - EPOCH).days))
    if not len(inside):
        return None
    old, new = (Target([(BEGINNING, price.rates)]).recost(inside.cells()) for price in (before, after))
    both = old.priced & new.priced
    sums = _sums(both, old.best, new.best, inside)
    effects: dict[str, int] = {}
    for label_id, effect in _by_label(both, new.best - old.best, inside.label_id).items():
        effects[project_of[label_id]] = effects.get(project_of[label_id], 0) + effect
    affected = sorted(((project, nano) for project, nano in effects.items() if nano), key=lambda p: (-abs(p[1]), p[0]))
    return Impact(
        after.valid_from,
        after.endpoint,
        before=sums[0],
        after=sums[1],
        requests=sums[2],
        unpriced_requests=int(inside.requests.sum()) - sums[2],
        projects=tuple(affected),
        changes=moved,
        first=first,
        last=last,
    )


def _sums(both: Bools, old: Ints, new: Ints, usage: Lots) -> list[int]:
    one = np.zeros(len(usage), np.int64)
    return [totals(np.where(both, values, 0), one, 1)[0] for values in (old, new, usage.requests)]


def _by_label(both: Bools, effect: Ints, label_id: Ints) -> dict[int, int]:
    labels, group = np.unique(label_id, return_inverse=True)
    sums = totals(np.where(both, effect, 0), group, len(labels))
    return dict(zip(labels.tolist(), sums, strict=True))
