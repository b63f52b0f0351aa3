"""Budgets and scenarios as somebody set them."""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Final

from db.errors import UsageError
from db.plans.periods import Kind, Period, month_of, quarter_of, span
from db.usage.keys import TAG, Subject
from db.usage.rollup import Label
from db.usage.tags import tags_of

SCOPES: Final = {"project": "project", "model": "model", "provider": "provider", "key": "api_key"}
"""What a scope is called -> the key of usage (db.usage.keys) that it is told by."""
WARN_AT: Final = (Decimal("0.5"), Decimal("0.8"), Decimal(1))
NANO: Final = 10**9


@dataclass(frozen=True, slots=True)
class Scope:
    """Whose usage: all of it (`key` empty), or that whose `key` is `value`; None: the log did not say."""

    key: str = ""
    value: str | None = None

    def __str__(self) -> str:
        if not self.key:
            return "all"
        name = next((word for word, key in SCOPES.items() if key == self.key), self.key)
        return f"{name}={self.value if self.value is not None else ''}"

    def holds(self, subject: Subject, label: Label) -> bool:
        """Whether usage of a subject and a label is meant. A model or provider is meant as it is or was named."""
        if not self.key:
            return True
        if self.key.startswith(TAG):
            return tags_of(label[3]).get(self.key.removeprefix(TAG)) == self.value
        of = {
            "project": label[:1],
            "api_key": label[1:2],
            "model": (subject.as_model or subject.model, subject.model),
            "provider": (subject.as_provider or subject.provider, subject.provider),
        }
        return (self.value or "") in of[self.key]


ALL: Final = Scope()


def parse_scope(text: str) -> Scope:
    """`all`, `project=search`, `model=`, `provider=`, `key=`, `tag:team=search`. Raises UsageError."""
    if text == "all":
        return ALL
    name, equals, value = text.partition("=")
    if equals and value:
        return Scope(parse_key(name), value)
    raise UsageError(f"There is no scope {text!r}. Write all, or {', '.join(f'{s}=NAME' for s in SCOPES)}, tag:T=NAME.")


def parse_key(name: str) -> str:
    """The key of usage that a kind of scope is told by. Raises UsageError."""
    if name in SCOPES or name in SCOPES.values():
        return SCOPES.get(name, name)
    if name.startswith(TAG) and len(name) > len(TAG):
        return name
    raise UsageError(f"There is no scope {name!r}. There are: all, {', '.join(SCOPES)} and tag:NAME.")


@dataclass(frozen=True, slots=True)
class Budget:
    """A limit on what a scope spends in each period. `start`, `end`: of a custom period, its days [start, end);
    `warn_at`: shares of the limit that are worth a word each, ascending."""

    name: str
    limit_usd: Decimal
    kind: Kind = Kind.MONTH
    timezone: str = "UTC"
    scope: Scope = ALL
    warn_at: tuple[Decimal, ...] = WARN_AT
    start: date | None = None
    end: date | None = None

    @property
    def limit_nano(self) -> int:
        return int(self.limit_usd * NANO)

    def period(self, day: date) -> Period:
        """The period in which a day of the budget's zone lies; a custom one is always the same."""
        if self.start is not None and self.end is not None:
            return span(self.start, self.end, self.timezone)
        return (quarter_of if self.kind is Kind.QUARTER else month_of)(day, self.timezone)


def share_of(spent_nano: int, limit_nano: int) -> Decimal:
    """The share of a limit that is spent, in six digits; of a limit of 0, nothing or infinitely much."""
    if limit_nano == 0:
        return Decimal("Infinity") if spent_nano > 0 else Decimal(0)
    return round(Decimal(spent_nano) / limit_nano, 6)


def parse_usd(text: str, option: str) -> Decimal:
    """An amount of up to nine decimals, 0 or more. Raises UsageError."""
    try:
        amount = Decimal(text)
    except InvalidOperation as error:
        raise UsageError(f"{option} is no amount in USD: {text!r}. Write it like 500 or 99.90.") from error
    if not amount.is_finite() or not 0 <= amount < 10**9 or amount * NANO % 1:
        raise UsageError(f"{option} is from 0 to under a billion USD, with nine decimals at most, not {text}.")
    return amount


def parse_share(text: str, option: str, most: Decimal | None = Decimal(1)) -> Decimal:
    """A share such as 0.8 or 80%, 0 to `most` (None: without end). Raises UsageError."""
    try:
        share = Decimal(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
    except InvalidOperation as error:
        raise UsageError(f"{option} is no share: {text!r}. Write it like 0.8 or 80%.") from error
    if not share.is_finite() or share < 0 or (most is not None and share > most):
        raise UsageError(f"{option} is a share from 0 to {most if most is not None else 'any'}, not {text}.")
    return share
