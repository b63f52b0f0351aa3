"""What a usage-log format is: pure functions from records to usage. Opening files and storing is a job's."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from db.usage.facts import Usage

Record = Mapping[str, Any]
"""One JSON object, or one row of a CSV by column name (then every value is text). Numbers with a point are Decimal."""


class RefusedError(ValueError):
    """A value or a record that cannot be used; the text says why."""


@dataclass(frozen=True, slots=True)
class Context:
    """What a log may lack: `timezone` of times without one (None: such a time is refused), and `now` (aware)."""

    now: datetime
    timezone: ZoneInfo | None = None


@dataclass(frozen=True, slots=True)
class Parsed:
    """What a record, or one item of it, came to: usage, or the reason why it is none.

    A record may hold several items (the spans of a batch, the groups of a time bucket): then several of these bear
    its line. Neither: the record carries no usage (a user's message in a session's log), and is no row of the log.
    """

    line: int
    usage: tuple[Usage, ...] = ()
    reason: str = ""


Parse = Callable[[Iterable[tuple[int, Record]], Context], Iterator[Parsed]]
"""(the records of one file with their line numbers, context) -> at least one Parsed a record, in order. One bad item
never costs the rest."""


@dataclass(frozen=True)
class Format:
    """A usage-log format.

    `recognises`: whether a file whose first records (at most 50) are these is of this format; it must be sure, since
    a wrong guess would count tokens twice. `keyed`: how the format tells a request from a copy of it, for people.
    """

    name: str
    title: str
    keyed: str
    recognises: Callable[[list[Record]], bool]
    parse: Parse
