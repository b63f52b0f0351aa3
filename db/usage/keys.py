"""What usage can be grouped by, and how ids and minutes become names and dates. Pure."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cache
from typing import Any, Final

from db.errors import UsageError
from db.usage.outdated import HOUR_MINUTES, instant
from db.usage.rollup import Label
from db.usage.tags import tags_of

SUBJECT: Final = "subject_id"
LABEL: Final = "label_id"
PRICE: Final = "price_id"
IMPORT: Final = "import_id"
WHY: Final = "why"
TIME: Final = "time"
COLUMNS: Final = (TIME, SUBJECT, LABEL, PRICE, IMPORT, WHY)
"""What a roll-up cell is grouped by before names are known."""

MINUTES_A_DAY: Final = 1440
TAG: Final = "tag:"

_COLUMN: Final[dict[str, str]] = {
    "model": SUBJECT,
    "provider": SUBJECT,
    "variant": SUBJECT,
    "subject": SUBJECT,
    "endpoint": PRICE,
    "project": LABEL,
    "api_key": LABEL,
    "user": LABEL,
    "month": TIME,
    "week": TIME,
    "day": TIME,
    "hour": TIME,
    "import": IMPORT,
    "sample": IMPORT,
    "why": WHY,
    "hint": SUBJECT,
}
TIMES: Final = ("month", "week", "day", "hour")

Key = tuple[Any, ...]
"""The value of each key of a row; None where the log did not say."""


@dataclass(frozen=True, slots=True)
class Subject:
    """What logs call an endpoint, and what that means (`as_*`, with a `hint` where it has no price)."""

    model: str
    provider: str
    endpoint: str
    variant: str
    as_model: str
    as_provider: str
    hint: str = ""

    @property
    def name(self) -> str:
        """As logged: `model@provider:variant`, or the endpoint's own name."""
        if self.endpoint:
            return self.endpoint
        named = f"{self.model}@{self.provider}" if self.provider else self.model
        return f"{named}:{self.variant}" if self.variant else named


@dataclass(frozen=True)
class Names:
    """Id -> what it stands for. `endpoints`: price id -> the endpoint that was priced; `samples`: synthetic imports."""

    subjects: Mapping[int, Subject]
    labels: Mapping[int, Label]
    endpoints: Mapping[int, str]
    samples: frozenset[int] = frozenset()


def parse(text: str) -> tuple[str, ...]:
    """`model,day` -> its keys; nothing is one row over all. Raises UsageError."""
    keys = tuple(dict.fromkeys(part for part in (p.strip() for p in text.split(",")) if part))
    for key in keys:
        if key not in _COLUMN and not (key.startswith(TAG) and len(key) > len(TAG)):
            raise UsageError(f"--by knows no {key!r}. There are: {', '.join(_COLUMN)}, and tag:NAME.")
    return keys


def columns(keys: Sequence[str]) -> tuple[str, ...]:
    """The columns that the keys are told from, in the order of COLUMNS."""
    needed = {_COLUMN.get(key, LABEL) for key in keys}
    return tuple(column for column in COLUMNS if column in needed)


def minutes_of(keys: Sequence[str]) -> int:
    """How many minutes one step of the time column is: hours only where they are asked for."""
    return HOUR_MINUTES if "hour" in keys else MINUTES_A_DAY


def namer(keys: Sequence[str], names: Names) -> Callable[[Sequence[Any]], Key]:
    """A function from the values of `columns(keys)` to the values of the keys."""
    place = {column: i for i, column in enumerate(columns(keys))}
    minutes = minutes_of(keys)
    parts = [(place[_COLUMN.get(key, LABEL)], cache(_value(key, names, minutes))) for key in keys]
    return lambda ids: tuple(value(ids[i]) for i, value in parts)


def _value(key: str, names: Names, minutes: int) -> Callable[[Any], Any]:
    if key in TIMES:
        return lambda step: _time(key, step * minutes)
    if key.startswith(TAG):
        return lambda i: tags_of(names.labels[i][3]).get(key.removeprefix(TAG))
    values: dict[str, Callable[[Any], Any]] = {
        "model": lambda i: names.subjects[i].as_model or names.subjects[i].model or None,
        "provider": lambda i: names.subjects[i].as_provider or names.subjects[i].provider or None,
        "variant": lambda i: names.subjects[i].variant or None,
        "subject": lambda i: names.subjects[i].name or None,
        "hint": lambda i: names.subjects[i].hint or None,
        "endpoint": names.endpoints.get,
        "project": lambda i: names.labels[i][0] or None,
        "api_key": lambda i: names.labels[i][1] or None,
        "user": lambda i: names.labels[i][2] or None,
        "import": lambda i: i,
        "sample": lambda i: i in names.samples,
        "why": lambda why: why,
    }
    return values[key]


def _time(key: str, minute: int) -> str | datetime:
    """The UTC hour, day, week (its Monday) or month in which a minute since 1970 lies."""
    if key == "hour":
        return instant(minute)
    day = date(1970, 1, 1) + timedelta(days=minute // MINUTES_A_DAY)
    if key == "week":
        day -= timedelta(days=day.weekday())
    return day.isoformat()[:7] if key == "month" else day.isoformat()


def order(key: Key) -> tuple[tuple[bool, Any], ...]:
    """Sort key: what the log did not say comes last."""
    return tuple((value is None, "" if value is None else value) for value in key)
