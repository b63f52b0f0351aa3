"""How observations fold into versions. Pure: the result depends on the set of observations alone.

An observation is what one poll saw of one endpoint at one instant: a value, or nothing (`None`). A poll that
could not see the endpoint (it failed, or rejected that item) is no observation at all.

- The same value again changes nothing; another closes the version and opens the next at the same instant.
- Two absences in a row end the version at the first of them; a single one is a blip and changes nothing.
- A value that jumps implausibly far from the last trusted one is suspect until a second observation repeats it.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Generic, TypeVar

V = TypeVar("V")
Jump = Callable[[V, V], bool]


@dataclass(frozen=True, slots=True)
class Version(Generic[V]):
    """One value over the half-open interval [valid_from, valid_to); open where `valid_to` is None.

    `trusted` is the last value that was not suspect, this one included: what the next value is measured against.
    """

    value: V
    valid_from: datetime
    valid_to: datetime | None
    suspect: bool
    trusted: V | None

    def covers(self, at: datetime) -> bool:
        return self.valid_from <= at and (self.valid_to is None or at < self.valid_to)


@dataclass(frozen=True, slots=True)
class History(Generic[V]):
    """The versions in time order, the single absences inside them, and one that still waits for a second."""

    versions: tuple[Version[V], ...]
    blips: tuple[datetime, ...]
    absent_since: datetime | None


@dataclass(frozen=True, slots=True)
class Edit:
    """For one endpoint: what was believed, and what is believed now. Values are digests."""

    endpoint_id: int
    before: tuple[Version[str], ...]
    after: tuple[Version[str], ...]

    def outdated(self) -> Iterable[Version[str]]:
        kept = {_shape(v) for v in self.after}
        return (v for v in self.before if _shape(v) not in kept)

    def then(self, edit: "Edit") -> "Edit":
        """This edit and the next as one."""
        before = tuple(v for v in edit.before if v not in self.after)
        after = tuple(v for v in self.after if v not in edit.before)
        return Edit(self.endpoint_id, self.before + before, after + edit.after)

    def new(self) -> Iterable[Version[str]]:
        kept = {_shape(v) for v in self.before}
        return (v for v in self.after if _shape(v) not in kept)


def _shape(version: Version[str]) -> tuple[Any, ...]:
    return version.value, version.valid_from, version.valid_to, version.suspect


def observe(last: Version[V] | None, at: datetime, value: V, jump: Jump[V]) -> Version[V]:
    """The version in force after seeing `value` at `at`; `last` itself where nothing changed."""
    if last is not None and last.valid_to is None and value == last.value:
        return replace(last, suspect=False, trusted=value) if last.suspect else last
    trusted = last.trusted if last is not None else None
    suspect = trusted is not None and value != trusted and jump(trusted, value)
    return Version(value, at, None, suspect, trusted if suspect else value)


def fold(observations: Iterable[tuple[datetime, V | None]], jump: Jump[V]) -> History[V]:
    """Observations in time order -> the history they prove."""
    done: list[Version[V]] = []
    last: Version[V] | None = None
    absent_since: datetime | None = None
    blips: list[datetime] = []
    for at, value in observations:
        is_open = last is not None and last.valid_to is None
        if value is None:
            if last is None or not is_open:
                continue
            if absent_since is None:
                absent_since = at
            else:
                last, absent_since = replace(last, valid_to=absent_since), None
            continue
        if absent_since is not None:
            blips.append(absent_since)
            absent_since = None
        new = observe(last, at, value, jump)
        if last is not None and new.valid_from != last.valid_from:
            done.append(last if last.valid_to is not None else replace(last, valid_to=at))
        last = new
    if last is not None:
        done.append(last)
    return History(tuple(done), tuple(blips), absent_since)
