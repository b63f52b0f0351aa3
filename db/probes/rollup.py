"""Roll-ups: what the probes of a series come to in an hour or a day, and how they add up. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Context, Decimal
from functools import reduce
from typing import Final

from db.probes.facts import Outcome, Probe, Series
from db.probes.percentiles import Histogram, histogram

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
HOUR: Final = timedelta(hours=1)
HOURS_A_DAY: Final = 24
# The default of 28 digits would round where a small rate meets a large sum.
_EXACT: Final = Context(prec=200)


@dataclass(frozen=True, slots=True)
class RollUp:
    """The probes of one series over a time. The histograms are of its ok probes, as far as they have the measure.

    `cost_usd`: the sum of the costs that servers reported, None where none did; `unpriced`: probes without one.
    """

    outcomes: Mapping[Outcome, int]
    ttft_ms: Histogram
    tokens_per_s: Histogram
    total_ms: Histogram
    cost_usd: Decimal | None
    unpriced: int
    newest: datetime

    def __add__(self, other: "RollUp") -> "RollUp":
        return RollUp(
            {each: count for each in Outcome if (count := self.outcomes.get(each, 0) + other.outcomes.get(each, 0))},
            self.ttft_ms + other.ttft_ms,
            self.tokens_per_s + other.tokens_per_s,
            self.total_ms + other.total_ms,
            add_usd((self.cost_usd, other.cost_usd)),
            self.unpriced + other.unpriced,
            max(self.newest, other.newest),
        )

    @property
    def probes(self) -> int:
        return sum(self.outcomes.values())


def of_probe(probe: Probe) -> RollUp:
    """The roll-up of a single probe."""
    return RollUp(
        {probe.outcome: 1},
        _measured(probe, probe.ttft_ms),
        _measured(probe, probe.tokens_per_s),
        _measured(probe, probe.total_ms),
        probe.cost_usd,
        int(probe.cost_usd is None),
        probe.started_at,
    )


def _measured(probe: Probe, value: float | None) -> Histogram:
    return histogram([value] if value is not None and probe.outcome is Outcome.OK else [])


def fold(probes: Iterable[Probe], hours: int = 1) -> dict[tuple[Series, int], RollUp]:
    """(series, period) -> roll-up, where a period is a whole number of `hours` counted from the epoch."""
    found: dict[tuple[Series, int], RollUp] = {}
    for probe in probes:
        key = series_of(probe), hour_of(probe.started_at) // hours
        rolled = of_probe(probe)
        found[key] = found[key] + rolled if key in found else rolled
    return found


def series_of(probe: Probe) -> Series:
    """The series that a probe belongs to."""
    return Series(probe.target, probe.prober, probe.prompt, probe.warm)


def total(rolled: Iterable[RollUp]) -> RollUp | None:
    """The sum of roll-ups; None of none."""
    found = list(rolled)
    return reduce(RollUp.__add__, found) if found else None


def add_usd(amounts: Iterable[Decimal | None]) -> Decimal | None:
    """The exact sum of the amounts that are known; None where none is."""
    known = [amount for amount in amounts if amount is not None]
    return reduce(_EXACT.add, known) if known else None


def hour_of(at: datetime) -> int:
    """Whole hours from the epoch to `at`, which is aware."""
    return (at - EPOCH) // HOUR


def instant(hour: int) -> datetime:
    """When that hour begins."""
    return EPOCH + hour * HOUR


def day_of(at: datetime) -> date:
    """The UTC day of an instant, which is aware."""
    return (EPOCH + (at - EPOCH)).date()


def hours_of(start: datetime, end: datetime) -> tuple[int, int]:
    """The whole hours [first, last) that [start, end) meets. Raises ValueError where it ends before it starts."""
    if end <= start:
        raise ValueError(f"a window ends after it starts: {start.isoformat()} to {end.isoformat()}")
    return hour_of(start), -(-(end - EPOCH) // HOUR)
