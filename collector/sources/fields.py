"""Reading third-party fields: nothing is trusted to have the type it should have."""

import re
import reprlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from typing import Any, Final, TypeVar

T = TypeVar("T")

DYNAMIC: Final = Decimal(-1)
DEAREST_USD: Final = Decimal(9_000)
"""Above this a rate per single unit is no rate (and would overflow int64 femto-dollars)."""
MOST_DECIMALS: Final = 40
MOST_TOKENS: Final = 10**9
"""No prompt is longer; it also is what a column of the database holds."""
LONGEST_NAME: Final = 200
_PLAIN: Final = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)


class RefusedError(ValueError):
    """A value that cannot be used; the text says why."""


def usd(value: Any, what: str) -> Decimal | None:
    """An exact amount in USD; None for a dynamic price ("-1"). Raises RefusedError for anything else."""
    # Few amounts are new: the same text was read a poll ago. (A flag equals a number, so it must not meet the cache.)
    if isinstance(value, bool) or not isinstance(value, str | int | Decimal):
        raise RefusedError(f"{what} is not an amount: {shown(value)}")
    return _usd(value, what)


@lru_cache(maxsize=20_000, typed=True)
def _usd(value: str | int | Decimal, what: str) -> Decimal | None:
    if isinstance(value, str) and not _PLAIN.fullmatch(value.strip()):
        raise RefusedError(f"{what} is not an amount: {shown(value)}")
    try:
        amount = Decimal(value.strip()) if isinstance(value, str) else Decimal(value)
    except InvalidOperation as error:
        raise RefusedError(f"{what} is not an amount: {shown(value)}") from error
    if not amount.is_finite():
        raise RefusedError(f"{what} is not a finite amount: {shown(value)}")
    if amount == DYNAMIC:
        return None
    if amount < 0:
        raise RefusedError(f"{what} is negative: {shown(value)}")
    exponent = amount.as_tuple().exponent
    if amount > DEAREST_USD or (isinstance(exponent, int) and exponent < -MOST_DECIMALS):
        raise RefusedError(f"{what} is no plausible amount: {shown(value)}")
    return amount.copy_abs()  # of "-0"


def clean_float(value: Decimal) -> Decimal:
    """Undo the artefacts of binary floats: a run of zeros or nines at the end of 15 or more digits is rounded away.

    `1.7999999999999998` becomes `1.8`; `0.08333333333333334` is a twelfth, and left as it is.
    """
    if len(value.normalize().as_tuple().digits) < 15:
        return value
    rounded = Decimal(f"{value:.12g}").normalize()
    return rounded if len(rounded.as_tuple().digits) <= 10 else value


def shown(value: Any) -> str:
    """A hostile value as short plain text for a reason."""
    whole_text = str(value) if isinstance(value, str | int | Decimal | None) else reprlib.repr(value)
    text = "".join(c if c.isprintable() else "?" for c in whole_text[:60])
    return f"{text!r}" + (" (shortened)" if len(whole_text) > 60 else "")


@dataclass
class Fields:
    """The fields of one item. What is not known, or not of its type, ends up in `extra` as it came."""

    item: Mapping[str, Any]
    prefix: str = ""
    extra: dict[str, Any] = field(default_factory=dict)
    unknown: list[str] = field(default_factory=list)
    known: set[str] = field(default_factory=set)

    def take(self, name: str, convert: Callable[[Any], T | None]) -> T | None:
        """The field if it is there and of its type."""
        self.known.add(name)
        value = self.item.get(name)
        if value is None or value == "":
            return None
        converted = convert(value)
        if converted is None:
            self.keep(name, value)
        return converted

    def sub(self, name: str) -> "Fields":
        """The fields of a nested object."""
        value = self.take(name, obj) or {}
        return Fields(value, f"{self.prefix}{name}.", self.extra, self.unknown)

    def rest(self) -> None:
        """Keep every field that nobody asked for."""
        for name in sorted(self.item.keys() - self.known):
            if self.item[name] not in (None, "", [], {}):
                self.keep(name, self.item[name])

    def skip(self, *names: str) -> None:
        """Fields that are read elsewhere, or say nothing new."""
        self.known.update(names)

    def keep_all(self, unread: Mapping[str, Any]) -> None:
        """Keep and count what was read elsewhere and could not be used there."""
        for name, value in unread.items():
            self.keep(name, value)

    def keep(self, name: str, value: Any) -> None:
        """Keep and count a field that could not be used."""
        self.extra[self.prefix + name] = value
        self.unknown.append(self.prefix + name)


def text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None


def named(value: Any) -> str | None:
    """Text that can name a thing: printable and of bounded length."""
    fits = isinstance(value, str) and value.strip() and len(value) <= LONGEST_NAME and value.isprintable()
    return value if fits else None


def day(value: Any) -> str | None:
    """ISO text of a year, month or day."""
    return _day(value[:10]) if isinstance(value, str) else None


@lru_cache(maxsize=20_000)
def _day(value: str) -> str | None:
    for shape in ("%Y-%m-%d", "%Y-%m", "%Y"):
        try:
            datetime.strptime(value, shape).replace(tzinfo=UTC)
        except ValueError:
            continue
        return value
    return None


def whole(value: Any) -> int | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, Decimal) and value.is_finite() and abs(value) < 10**15 and value == value.to_integral_value():
        return int(value)
    return value if isinstance(value, int) and abs(value) < 10**15 else None


def length(value: Any) -> int | None:
    """A number of tokens."""
    tokens = whole(value)
    return tokens if tokens is not None and tokens >= 0 else None


def number(value: Any) -> float | None:
    """A figure that is no money and not negative."""
    if isinstance(value, bool) or not isinstance(value, int | Decimal) or not 0 <= value < 10**15:
        return None
    return float(value)


def percent(value: Any) -> float | None:
    figure = number(value)
    return figure if figure is not None and figure <= 100 else None


def percentiles(value: Any) -> tuple[tuple[str, float], ...] | None:
    """Those of p50, p75, p90 and p99 that an object has."""
    if not isinstance(value, dict):
        return None
    found = ((name, number(value.get(name))) for name in ("p50", "p75", "p90", "p99"))
    return tuple((name, figure) for name, figure in found if figure is not None)


def share(value: Any) -> Decimal | None:
    """A part of the whole, exact; negative for an addition."""
    is_number = isinstance(value, int | Decimal) and not isinstance(value, bool)
    return Decimal(value) if is_number and -1 <= value <= 1 else None


def flag(value: Any) -> bool | None:
    return value if isinstance(value, bool) else None


def obj(value: Any) -> dict[str, Any] | None:
    return value if isinstance(value, dict) else None


def names(value: Any) -> tuple[str, ...] | None:
    """A list of strings, sorted: sources shuffle theirs."""
    if not isinstance(value, list) or not all(isinstance(v, str) for v in value):
        return None
    return tuple(sorted(set(value)))
