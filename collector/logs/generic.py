"""Any table of requests, by a mapping of its columns. Here the mapping is read; what reads the table is elsewhere.

    time=TIMESTAMP, prompt=ContextTokens, completion=GeneratedTokens
    time=created:ms, prompt_total="tokens, in", cache_read=cached, tag.team=Team

A column whose name has a comma, an equals sign or a colon is quoted, or these are escaped with a backslash.
"""

import re
from collections.abc import Iterable
from collections.abc import Mapping as Table
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, Final

from db.errors import UsageError
from db.meters import COMPLETION, PROMPT
from db.usage.facts import COUNTED

TIME: Final = "time"
UNTIL: Final = "until"
PROMPT_TOTAL: Final = "prompt_total"
COMPLETION_TOTAL: Final = "completion_total"
TAG: Final = "tag."
UNITS: Final = ("s", "ms", "us", "ns")
"""Of a time that is a Unix time; without one, a time is ISO 8601 text (or a column of that type)."""
LABELS: Final = ("id", "model", "provider", "endpoint", "variant", "project", "api_key", "user")
NUMBERS: Final = ("cost", "requests", "total_tokens")
TARGETS: Final = (TIME, UNTIL, *LABELS, *NUMBERS, PROMPT_TOTAL, COMPLETION_TOTAL, *COUNTED)
SHORT: Final = {
    "input": PROMPT,
    "output": COMPLETION,
    "input_total": PROMPT_TOTAL,
    "output_total": COMPLETION_TOTAL,
    "cache_read": "input_cache_read",
    "cache_write": "input_cache_write",
    "cache_write_1h": "input_cache_write_1h",
    "reasoning": "internal_reasoning",
    "cost_usd": "cost",
}
"""Short names for people -> targets."""
INCLUDED: Final = {
    PROMPT_TOTAL: ("input_cache_read", "input_cache_write", "input_cache_write_1h"),
    COMPLETION_TOTAL: ("internal_reasoning",),
}
"""A count that includes others -> the meters to subtract from it, as far as they are mapped; the rest is prompt or
completion."""
_TAG_NAME: Final = re.compile(r"[\w.-]{1,60}")


@dataclass(frozen=True, slots=True)
class Column:
    """A column by name. `unit`: of a Unix time (one of UNITS), else empty."""

    name: str
    unit: str = ""


@dataclass(frozen=True, slots=True)
class Mapping:
    """Target -> column. Targets are of TARGETS, or `tag.NAME`; `time` is always among them."""

    columns: Table[str, Column]

    @property
    def tags(self) -> dict[str, Column]:
        """Tag -> column."""
        return {target.removeprefix(TAG): c for target, c in self.columns.items() if target.startswith(TAG)}

    def included(self, total: str) -> tuple[str, ...]:
        """The mapped meters that `prompt_total` or `completion_total` includes."""
        return tuple(meter for meter in INCLUDED[total] if meter in self.columns)


def parse_mapping(*parts: str | Table[str, Any]) -> Mapping:
    """A mapping as text (`--map`) or as a table (of ratecard.toml); later parts override earlier ones.

    In a table a column is text, or `{column = "...", unit = "ms"}`. Raises UsageError with one sentence.
    """
    columns: dict[str, Column] = {}
    for part in parts:
        pairs = _pairs_of_text(part) if isinstance(part, str) else _pairs_of_table(part)
        for target, column in _distinct(pairs).items():
            for other in _rivals(target):
                columns.pop(other, None)
            columns[target] = column
    if TIME not in columns:
        raise UsageError(f"The mapping names no column for time; it can name columns for {_possible()}.")
    return Mapping(columns)


def mapping_of(table: Table[str, Any]) -> Mapping:
    """The mapping that a table of ratecard.toml is."""
    return parse_mapping(table)


def _possible() -> str:
    short = [name for name in SHORT if not name.endswith("_total")]
    return f"{', '.join([*TARGETS, *short])} and tag.NAME"


def _distinct(pairs: Iterable[tuple[str, Column]]) -> dict[str, Column]:
    """The targets of one part, each once."""
    found: dict[str, Column] = {}
    for written, column in pairs:
        target = _target(written)
        if column.unit and target not in (TIME, UNTIL):
            raise UsageError(f"The mapping gives {written} a unit, which only time and until have.")
        for other in (target, *_rivals(target)):
            if other in found:
                both = written if other == target else f"{other} and {target}, which count the same"
                raise UsageError(f"The mapping names {both}{' twice' if other == target else ''}; name one of them.")
        found[target] = column
    return found


def _rivals(target: str) -> tuple[str, ...]:
    """Other targets that say the same."""
    pairs = ((PROMPT, PROMPT_TOTAL), (COMPLETION, COMPLETION_TOTAL))
    return tuple(other for pair in pairs if target in pair for other in pair if other != target)


def _target(written: str) -> str:
    target = SHORT.get(written, written)
    if target in TARGETS:
        return target
    if target.startswith(TAG):
        if _TAG_NAME.fullmatch(target.removeprefix(TAG)):
            return target
        raise UsageError(f"The mapping's {written} is no usable tag: its name has 1 to 60 letters, digits, _, . or -.")
    close = get_close_matches(written, [*TARGETS, *SHORT], 1)
    meant = f" (did you mean {close[0]}?)" if close else ""
    raise UsageError(f"The mapping names {written!r}, which is none of {_possible()}{meant}.")


def _pairs_of_table(table: Table[str, Any]) -> Iterable[tuple[str, Column]]:
    for target, value in table.items():
        if isinstance(value, str):
            yield target, _column(target, value, value)
        elif isinstance(value, dict) and target == "tag":
            yield from _pairs_of_table({f"{TAG}{name}": each for name, each in value.items()})
        elif isinstance(value, dict) and isinstance(value.get("column"), str) and value.keys() <= {"column", "unit"}:
            yield target, Column(value["column"], _unit(target, str(value.get("unit", ""))))
        else:
            raise UsageError(f'The mapping\'s {target} is no column: write {target} = "COLUMN".')


def _pairs_of_text(text: str) -> Iterable[tuple[str, Column]]:
    for bare, plain in _cut(text, ","):
        if not plain.strip():
            continue
        halves = _cut(bare, "=")
        if len(halves) != 2 or not halves[0][1].strip() or not halves[1][1].strip():
            raise UsageError(f"The mapping's {plain.strip()!r} is not of the form TARGET=COLUMN.")
        target = halves[0][1].strip()
        yield target, _column(target, halves[1][0], halves[1][1].strip())


def _column(target: str, bare: str, plain: str) -> Column:
    """A column, with the unit that a time may carry after a colon."""
    if target not in (TIME, UNTIL):
        return Column(plain)
    parts = _cut(bare, ":")
    if len(parts) < 2 or parts[-1][1].strip() not in UNITS:
        return Column(plain)
    return Column(":".join(part for _, part in parts[:-1]).strip(), parts[-1][1].strip())


def _unit(target: str, unit: str) -> str:
    if unit and unit not in UNITS:
        raise UsageError(f"The mapping's {target} has the unit {unit!r}, which is none of {', '.join(UNITS)}.")
    return unit


def _cut(text: str, separator: str) -> list[tuple[str, str]]:
    """The parts between unquoted, unescaped separators: each as written, and without its quotes and escapes."""
    parts: list[tuple[str, str]] = []
    written, plain, quote, escaped = "", "", "", False
    for character in text:
        if not (quote or escaped) and character == separator:
            parts.append((written, plain))
            written, plain = "", ""
            continue
        written += character
        if escaped:
            plain, escaped = plain + character, False
        elif character == "\\":
            escaped = True
        elif character == quote:
            quote = ""
        elif not quote and character in "\"'":
            quote = character
        else:
            plain += character
    if quote or escaped:
        raise UsageError(f"The mapping's {text.strip()!r} has a quote that is not closed, or ends with a backslash.")
    return [*parts, (written, plain)]
