"""Single rows by a mapping of their columns: what the mapping means, value by value."""

from collections.abc import Mapping as Table
from datetime import datetime
from typing import Any, Final

from collector.logs.base import Context, Parse, Record, RefusedError
from collector.logs.fields import any_given, count, instant, is_over, one_by_one, split, unix, usd
from collector.logs.generic import COMPLETION_TOTAL, PROMPT_TOTAL, UNTIL, Column, Mapping
from collector.logs.names import identity, key_name, name, tags
from db.meters import COMPLETION, PROMPT
from db.usage.facts import COUNTED, Usage

NAME: Final = "generic"
_PER_SECOND: Final = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
_NAMES: Final = ("model", "provider", "endpoint", "variant", "project", "user")


def parser(mapping: Mapping) -> Parse:
    """The parser of a table whose columns mean what the mapping says."""
    return one_by_one(lambda record, context: _read(record, mapping, context))


def _read(record: Record, mapping: Mapping, context: Context) -> Usage:
    columns = mapping.columns

    def cell(target: str) -> Any:
        return record.get(columns[target].name) if target in columns else None

    at = _time(record, columns["time"], context)
    until = _time(record, columns[UNTIL], context) if cell(UNTIL) not in (None, "") else None
    if until is not None:
        is_over(at, until, context)
    requests = count(cell("requests"), "requests") if cell("requests") not in (None, "") else 1
    if not requests:
        raise RefusedError("it has no requests")
    total = cell("total_tokens")
    named: dict[str, Any] = {each: name(cell(each)) for each in _NAMES}
    return Usage(
        at=at,
        until=until,
        requests=requests,
        quantities=_quantities(record, mapping),
        **named,
        api_key=key_name(cell("api_key")),
        tags=tags((tag, record.get(column.name)) for tag, column in mapping.tags.items()),
        cost_usd=usd(cell("cost"), "cost"),
        total_tokens=count(total, "total_tokens") if total not in (None, "") else None,
        key=identity(NAME, name(cell("id"))),
    )


def _time(record: Record, column: Column, context: Context) -> datetime:
    value = record.get(column.name)
    if column.unit:
        return unix(value, context, column.name, _PER_SECOND[column.unit])
    return instant(value, context, column.name)


def _quantities(record: Record, mapping: Mapping) -> Table[str, int]:
    columns = mapping.columns
    counted = [meter for meter in (PROMPT_TOTAL, COMPLETION_TOTAL, *COUNTED) if meter in columns]
    if counted and not any_given(record, *(columns[meter].name for meter in counted)):
        raise RefusedError("it has no counts")
    units = {meter: count(record.get(columns[meter].name), columns[meter].name) for meter in counted}
    for total, rest in ((PROMPT_TOTAL, PROMPT), (COMPLETION_TOTAL, COMPLETION)):
        if total in units:
            inside = {meter: units[meter] for meter in mapping.included(total)}
            units |= split(units.pop(total), columns[total].name, rest, inside)
    return {meter: units for meter, units in units.items() if units or meter in (PROMPT, COMPLETION)}
