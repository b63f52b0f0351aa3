"""The format `generic`: any table of requests, read record by record by a mapping of its columns."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from collector.logs.base import Context, Parse, Parsed, Record, RefusedError
from collector.logs.fields import any_given, count, instant, shown, split, unix, usd
from collector.logs.generic import COMPLETION_TOTAL, INCLUDED, PROMPT_TOTAL, TIME, UNTIL, Column, Mapping
from collector.logs.names import identity, key_name, name, tags
from db.meters import COMPLETION, PROMPT
from db.usage.facts import COUNTED, Usage

GENERIC: Final = "generic"
PER_SECOND: Final = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
START: Final = datetime(2000, 1, 1, tzinfo=UTC)
"""Where a clock that counts from its own start is put, until it is shifted."""
TOLD: Final = (PROMPT, PROMPT_TOTAL, COMPLETION, COMPLETION_TOTAL)
"""Of these, as far as they are mapped, a record must have one."""
_DATES: Final = (10**9, 4 * 10**9)
"""Unix seconds of a log's dates: 2001 to 2096."""
WHOLE: Final = {PROMPT_TOTAL: PROMPT, COMPLETION_TOTAL: COMPLETION}


@dataclass(frozen=True, slots=True)
class Clock:
    """How times that are numbers are read. `unit`: one of PER_SECOND, empty for each by its magnitude. `relative`:
    they count from the log's own start."""

    unit: str = ""
    relative: bool = False


def number(value: Any) -> Decimal | None:
    """A number, or text that is one; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | Decimal | str):
        return None
    try:
        found = Decimal(value)
    except InvalidOperation:
        return None
    return found if found.is_finite() else None


def unit_of(value: Decimal) -> str:
    """The unit in which a Unix time is a date of our days; empty if there is none."""
    return next((unit for unit, per in PER_SECOND.items() if _DATES[0] * per <= value < _DATES[1] * per), "")


def clock(records: Iterable[Record], column: Column, *, shifted: bool) -> Clock:
    """How a log with these first records counts time."""
    found = [value for record in records if (value := number(at(record, column.name))) is not None]
    if not found or not shifted or any(unit_of(value * 10**9 // PER_SECOND[column.unit or "ns"]) for value in found):
        return Clock(column.unit)
    if not column.unit and any(map(unit_of, found)):
        return Clock()
    return Clock(column.unit or ("ms" if all(value == int(value) for value in found) else "s"), relative=True)


def at(record: Record, column: str) -> Any:
    """A record's value; a dot leads into a nested object."""
    if column in record:
        return record[column]
    value: Any = record
    for part in column.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    return value


def parser(mapping: Mapping, ticking: Clock) -> Parse:
    """The parser of tables with these columns."""

    def parse(records: Iterable[tuple[int, Record]], context: Context) -> Iterator[Parsed]:
        for line, record in records:
            try:
                yield Parsed(line, (_usage(record, mapping, ticking, context),))
            except RefusedError as refused:
                yield Parsed(line, reason=str(refused))

    return parse


def _usage(record: Record, mapping: Mapping, ticking: Clock, context: Context) -> Usage:
    row = {target: at(record, column.name) for target, column in mapping.columns.items()}
    told = [target for target in TOLD if target in row]
    if told and not any_given(row, *told):
        raise RefusedError(f"{' and '.join(mapping.columns[each].name for each in told)} missing: nothing was counted")
    texts: dict[str, Any] = {
        each: name(row.get(each)) for each in ("model", "provider", "endpoint", "variant", "project", "user")
    }
    id_ = row.get("id")
    return Usage(
        _instant(row[TIME], mapping.columns[TIME], ticking, context),
        _quantities(row, mapping),
        **texts,
        api_key=key_name(row.get("api_key")),
        tags=tags((label, at(record, column.name)) for label, column in mapping.tags.items()),
        requests=count(row.get("requests"), "requests") or 1,
        until=_instant(row[UNTIL], mapping.columns[UNTIL], ticking, context) if row.get(UNTIL) else None,
        cost_usd=usd(row.get("cost"), "cost"),
        total_tokens=count(row["total_tokens"], "total_tokens") if row.get("total_tokens") not in (None, "") else None,
        key=identity(GENERIC, str(id_)) if id_ not in (None, "") else None,
    )


def _quantities(row: dict[str, Any], mapping: Mapping) -> dict[str, int]:
    found: dict[str, int] = {meter: count(row[meter], mapping.columns[meter].name) for meter in COUNTED if meter in row}
    for total, rest in WHOLE.items():
        if total in row:
            parts = {meter: found[meter] for meter in INCLUDED[total] if meter in found}
            column = mapping.columns[total].name
            found |= split(count(row[total], column), column, rest, parts)
    return found


def _instant(value: Any, column: Column, ticking: Clock, context: Context) -> datetime:
    numeric = number(value)
    if numeric is None:
        return instant(value, context, column.name)
    if ticking.relative:
        if not 0 <= numeric < _DATES[0] * PER_SECOND[ticking.unit]:
            raise RefusedError(f"{column.name} is not a time since the start of the log: {shown(value)}")
        return START + timedelta(microseconds=int(numeric * 10**6 // PER_SECOND[ticking.unit]))
    unit = column.unit or unit_of(numeric)
    if not unit:
        raise RefusedError(
            f"{column.name} is a number without a unit: {shown(value)}; map it like time={column.name}:ms, "
            "or a clock that starts at 0 with --shift-to"
        )
    return unix(numeric, context, column.name, PER_SECOND[unit])
