"""What DuckDB takes for a plain row of a table of requests, as SQL. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from collector.jobs.mapped import PER_SECOND, START
from collector.logs.base import Context
from collector.logs.fields import AHEAD, EARLIEST
from db.usage.requests import MOST, Profile

_AROUND: Final = "INTERVAL 3 HOURS"
"""So near to a change of clocks a local time may not be what it seems."""
_ZONED: Final = r"[+-]\d\d:?\d\d$"
_LOCAL: Final = r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?"


@dataclass(frozen=True, slots=True)
class Columns:
    """Which column of a table holds what.

    `unit`: of a time that is a number (s, ms, us, ns), empty for ISO 8601; `relative`: it counts from the log's start.
    `texts`, `counts`: our name -> column; `including`: meter -> the meters whose counts its column includes.
    `needed`: counts of which a row must have one. `key`, `cost`, `total`: columns, empty where there is none;
    `key_prefix`: what tells keys of this format. `constants`: our name -> what it is where a row does not say.
    """

    time: str
    unit: str = ""
    relative: bool = False
    texts: Mapping[str, str] = field(default_factory=dict)
    counts: Mapping[str, str] = field(default_factory=dict)
    including: Mapping[str, Sequence[str]] = field(default_factory=dict)
    needed: Sequence[str] = ()
    key: str = ""
    key_prefix: str = ""
    cost: str = ""
    total: str = ""
    constants: Mapping[str, str] = field(default_factory=dict)

    @property
    def used(self) -> list[str]:
        """The columns that are read."""
        found = [self.time, *self.texts.values(), *self.counts.values(), self.key, self.cost, self.total]
        return list(dict.fromkeys(filter(None, found)))

    @property
    def numbers(self) -> set[str]:
        """The columns that are read as numbers."""
        return {*self.counts.values(), *filter(None, [self.total])}


def selected(columns: Columns, context: Context, number: int) -> str:
    """The columns of a request, as SQL over those of the table."""
    found = {"file": f"{number}::INTEGER", "time": checked_time(columns, context)}
    if columns.key:
        found["key"] = f"{text(columns.key_prefix)} || {quoted(columns.key)}"
    for ours, theirs in columns.texts.items():
        found[ours] = f"coalesce({quoted(theirs)}, {text(columns.constants.get(ours, ''))})"
    for ours, constant in columns.constants.items():
        if constant and ours not in columns.texts:
            found[ours] = text(constant)
    for meter in columns.counts:
        found[meter] = f"try_cast({_own(columns, meter)} AS BIGINT)"
    if columns.cost:
        found["cost_usd"] = f"try_cast({quoted(columns.cost)} AS DECIMAL(38,15))"
    if columns.total:
        found["total_tokens"] = f"try_cast({quoted(columns.total)} AS BIGINT)"
    return ", ".join(f"{value} AS {quoted(key)}" for key, value in found.items())


def _own(columns: Columns, meter: str) -> str:
    """What a meter counts beyond those that its column includes; it must not be negative."""
    others = [other for other in columns.including.get(meter, ()) if other in columns.counts]
    return " - ".join(f"coalesce({quoted(columns.counts[each])}, 0)" for each in (meter, *others))


def checked_time(columns: Columns, context: Context, *, text: bool = False) -> str:
    """The time of a row that is plain in everything, as UTC; else null. `text`: no column is a number yet."""
    time, sql = _time(columns, context), []
    for column in columns.numbers:
        count = f"try_cast({quoted(column)} AS DOUBLE)" if text else quoted(column)
        whole = f"({count} BETWEEN 0 AND {MOST} AND {count} = floor({count}))"
        sql.append(f"({quoted(column)} IS NULL OR {whole})" if text else f"{whole} IS NOT FALSE")
    for meter, others in columns.including.items():
        if any(other in columns.counts for other in others):
            sql.append(f"{_own_of_text(columns, meter) if text else _own(columns, meter)} >= 0")
    if columns.needed:
        sql.append(f"coalesce({', '.join(quoted(columns.counts[meter]) for meter in columns.needed)}) IS NOT NULL")
    if columns.key:
        sql.append(rf"regexp_full_match({quoted(columns.key)}, '[ -~]{{1,150}}')")
    if columns.cost:
        cost = f"try_cast({quoted(columns.cost)} AS DECIMAL(38,15))"
        sql.append(f"({quoted(columns.cost)} IS NULL OR {cost} BETWEEN 0 AND 1000000000)")
    return f"CASE WHEN {' AND '.join(sql)} THEN {time} END" if sql else time


def _own_of_text(columns: Columns, meter: str) -> str:
    others = [other for other in columns.including[meter] if other in columns.counts]
    each = (columns.counts[one] for one in (meter, *others))
    return " - ".join(f"coalesce(try_cast({quoted(column)} AS DOUBLE), 0)" for column in each)


def _time(columns: Columns, context: Context) -> str:
    """The instant as a UTC timestamp without a zone; null where it is not of the plain form."""
    column = quoted(columns.time)
    start = int(START.timestamp()) * 10**6 if columns.relative else 0
    if columns.unit == "ns":
        return f"make_timestamp({start} + try_cast({column} AS BIGINT) // 1000)"
    if columns.unit:
        micros = f"floor(try_cast({column} AS DECIMAL(24,6)) * {10**6 // PER_SECOND[columns.unit]})"
        return f"make_timestamp({start} + try_cast({micros} AS BIGINT))"
    zoned = f"CAST(try_cast({column} AS TIMESTAMPTZ) AS TIMESTAMP)"
    branches = [
        f"WHEN suffix({column}, 'Z') THEN try_cast({column} AS TIMESTAMP)",
        # A cast to TIMESTAMP would leave an offset out of account.
        f"WHEN length({column}) >= 20 AND regexp_matches({column}, '{_ZONED}') THEN {zoned}",
    ]
    if context.timezone is not None:
        local = f"try_cast({column} AS TIMESTAMP)"
        zone = context.timezone.key.replace("'", "''")
        at = f"CAST(timezone('{zone}', {local}) AS TIMESTAMP)"
        steady = (
            f"timezone('{zone}', {local} - {_AROUND}) + {_AROUND} = timezone('{zone}', {local}) "
            f"AND timezone('{zone}', {local} + {_AROUND}) - {_AROUND} = timezone('{zone}', {local})"
        )
        branches.append(f"WHEN regexp_full_match({column}, '{_LOCAL}') AND {steady} THEN {at}")
    return f"(CASE {' '.join(branches)} END)"


def plausible(about: Profile, context: Context) -> bool:
    """Whether no time is too long ago or in the future."""
    if about.first_at is None or about.last_at is None:
        return True
    return about.first_at >= EARLIEST and about.last_at <= context.now + AHEAD


def span(context: Context) -> str:
    """What a time has to be, as SQL."""
    latest = (context.now + AHEAD).strftime("%Y-%m-%d %H:%M:%S.%f")
    return f"BETWEEN TIMESTAMP '{EARLIEST:%Y-%m-%d}' AND TIMESTAMP '{latest}'"


def quoted(column: str) -> str:
    return '"' + column.replace('"', '""') + '"'


def text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"
