"""What is known of alerts: what was found, what was raised, and what makes the difference."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum


class Kind(StrEnum):
    """What an alert is about."""

    PRICE = "price"  # a price moved
    STALE = "stale"  # a source is not seen any more
    DOWN = "down"  # probes of an endpoint fail
    SLOW = "slow"  # an endpoint is slower than it used to be
    EXPIRE = "expire"  # a model is about to go
    BUDGET = "budget"  # a budget is crossed, or projected to be
    RESTATED = "restated"  # the past bill moved


class Verdict(StrEnum):
    """Whether a finding raises an alert. Between bad and good lies the hysteresis: nothing changes."""

    BAD = "bad"
    GOOD = "good"
    UNSURE = "unsure"


@dataclass(frozen=True, slots=True)
class Thresholds:
    """From where on something is worth an alert: [alerts.thresholds] of ratecard.toml.

    `price_percent`: a rate that moved by as much, up or down; `price_usd`: a move that makes as much difference to
    the bill of a month; `stale_intervals`: a source that was not seen for as many of its intervals; `down_percent`:
    an uptime below; `slow_multiple`: a latency of as many times the endpoint's own; `expire_days`: a model that goes
    within; `crossing_probability`: a budget that will be crossed at least so probably; `restated_usd`: a past bill
    that moved by as much. Raises ValueError for one that can never be, or is always, reached.
    """

    price_percent: Decimal = Decimal(20)
    price_usd: Decimal = Decimal(10)
    stale_intervals: int = 3
    down_percent: float = 75
    slow_multiple: float = 2
    expire_days: int = 30
    crossing_probability: float = 0.5
    restated_usd: Decimal = Decimal(10)

    def __post_init__(self) -> None:
        for name, fits, wanted in (
            ("price_percent", self.price_percent > 0, "above 0"),
            ("price_usd", self.price_usd > 0, "above 0"),
            ("stale_intervals", self.stale_intervals >= 2, "2 or more"),
            ("down_percent", 0 < self.down_percent < 100, "between 0 and 100"),
            ("slow_multiple", self.slow_multiple > 1, "above 1"),
            ("expire_days", self.expire_days >= 0, "0 or more"),
            ("crossing_probability", 0 < self.crossing_probability <= 1, "above 0 and at most 1"),
            ("restated_usd", self.restated_usd > 0, "above 0"),
        ):
            if not fits:
                raise ValueError(f"{name} must be {wanted}")


@dataclass(frozen=True, slots=True)
class BudgetState:
    """Where one budget stands in one of its periods.

    `period`: the period's key (`2026-01`, `2026-Q1`, ...); `share`: `spent_usd` / `limit_usd`; `warn_at`: shares that
    are worth a warning each; `projected_usd`: the median of the period's total, and `crossing_probability` that it
    exceeds the limit, None where history is too short to say; `unpriced_requests` stand beside what was spent.
    """

    name: str
    period: str
    spent_usd: Decimal
    limit_usd: Decimal
    share: Decimal
    warn_at: tuple[Decimal, ...] = (Decimal("0.8"), Decimal(1))
    projected_usd: Decimal | None = None
    crossing_probability: float | None = None
    unpriced_requests: int = 0


@dataclass(frozen=True, slots=True)
class Restated:
    """A past bill that moved: when, by which act (`restatement`, `import`), and by how much."""

    at: datetime
    act: str
    delta_usd: Decimal
    delta_unpriced: int = 0


@dataclass(frozen=True, slots=True)
class Finding:
    """What one rule says of one subject at one time.

    `subject`: unique in its kind; `key`: the identity of the alert that it would raise, the same each time it is found
    anew; `lasting`: the alert stays open until the finding is good; `over`: how the recovery is told, None: it is not.
    """

    kind: Kind
    subject: str
    verdict: Verdict
    key: str
    title: str
    text: str = ""
    lasting: bool = True
    over: str | None = None


@dataclass(frozen=True, slots=True)
class Alert:
    """One event that somebody may want to know about.

    `key`: its identity: there is never a second one. `lasting`: it is open until `over_at`. `recovers`: the key of the
    alert that ended with it. `id`: its row.
    """

    key: str
    kind: Kind
    subject: str
    title: str
    text: str
    urgent: bool
    raised_at: datetime
    lasting: bool = False
    recovers: str | None = None
    over_at: datetime | None = None
    id: int = 0

    @property
    def is_open(self) -> bool:
        return self.lasting and self.over_at is None


@dataclass(frozen=True, slots=True)
class Decision:
    """What changes: alerts that are raised, recoveries among them, and keys of open alerts that are over."""

    raised: tuple[Alert, ...]
    over: tuple[str, ...]


def decide(
    findings: Iterable[Finding],
    open_alerts: Mapping[tuple[Kind, str], Alert],
    looked_at: Collection[Kind],
    urgent: Collection[Kind],
    now: datetime,
) -> Decision:
    """From findings to events. `open_alerts`: (kind, subject) -> its open alert.

    An open alert of a kind that was `looked_at`, whose subject was not found any more, is over without a word.
    """
    raised: list[Alert] = []
    over: list[str] = []
    found = {(each.kind, each.subject): each for each in findings}
    for of, each in found.items():
        opened = open_alerts.get(of)
        if each.verdict is Verdict.BAD and opened is None:
            raised.append(_alert(each, each.kind in urgent, now))
        elif each.verdict is Verdict.GOOD and opened is not None:
            over.append(opened.key)
            if each.over is not None:
                raised.append(_recovery(each, each.over, opened, now))
    over += [alert.key for of, alert in open_alerts.items() if of not in found and alert.kind in looked_at]
    return Decision(tuple(raised), tuple(over))


def _alert(found: Finding, urgent: bool, now: datetime) -> Alert:
    return Alert(found.key, found.kind, found.subject, found.title, found.text, urgent, now, found.lasting)


def _recovery(found: Finding, title: str, opened: Alert, now: datetime) -> Alert:
    # As urgent as what it ends: who was woken by the one wants to hear of the other.
    key = f"{opened.key}:over"
    return Alert(key, found.kind, found.subject, title, found.text, opened.urgent, now, recovers=opened.key)


def stamp(at: datetime) -> str:
    """An instant in a key: `2026-01-06T12:00:00Z`."""
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")


def minute(at: datetime) -> str:
    """An instant for a person: `2026-01-06 12:00 UTC`."""
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
