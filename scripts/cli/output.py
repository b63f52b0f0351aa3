"""What a read verb prints: a table for people, JSON or CSV for programs, and nothing else on standard output."""

import csv
import io
import json
import os
import re
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Any

import typer

from db.errors import UsageError
from db.meters import PER_MILLION, decimal_text, unit

Row = Mapping[str, Any]

_PROSE = {"note", "finding", "value"}
"""Columns whose text wraps; the others are cut at the terminal's edge."""

_UNSEEN = re.compile("[\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]")
"""Characters that steer a terminal or hide text, and that JSON does not escape by itself."""
_NUMBER = re.compile(r"[+-]?[0-9]+(\.[0-9]+)?")


class Format(StrEnum):
    """How a read verb prints."""

    table = "table"
    json = "json"
    csv = "csv"


FormatOption = Annotated[
    Format | None,
    typer.Option(
        "--format", help="table, json or csv. Default: table on a terminal, json otherwise.", show_default=False
    ),
]


def chosen(wanted: Format | None) -> Format:
    return wanted or (Format.table if sys.stdout.isatty() else Format.json)


def rows(found: Sequence[Row], wanted: Format | None, columns: Mapping[str, str], empty: str) -> None:
    """Print rows. `columns`: what a table shows, key -> heading; `empty`: what to tell a person if there are none."""
    match chosen(wanted):
        case Format.json:
            put(json_text(list(found)))
        case Format.csv:
            put(_csv(found, columns), end="")
        case Format.table:
            if found:
                table(found, columns)
    if not found:
        tell(empty)


def table(found: Sequence[Row], columns: Mapping[str, str], title: str | None = None) -> None:
    """Print a table; figures stand to the right."""
    from rich import box
    from rich.console import Console
    from rich.table import Table

    drawn = Table(box=box.SIMPLE_HEAD, title=title, title_justify="left", pad_edge=False)
    shown = {key: heading for key, heading in columns.items() if any(row.get(key) not in (None, "") for row in found)}
    for key, heading in shown.items():
        figures = all(isinstance(row.get(key), int | float | Decimal | None) for row in found)
        drawn.add_column(heading, justify="right" if figures else "left", no_wrap=key not in _PROSE)
    for row in found:
        drawn.add_row(*(cell(row.get(key)) for key in shown))
    # What is piped on is not cut to the width of a terminal that is not there.
    console = Console(markup=False, highlight=False, width=None if sys.stdout.isatty() else 240)
    with console.capture() as drawing:
        console.print(drawn)
    put(drawing.get(), end="")


def put(text: str, end: str = "\n") -> None:
    """Answer on standard output. A reader who has had enough (`| head`) is no error, and changes no exit code."""
    try:
        print(text, end=end, flush=True)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def cell(value: Any) -> str:
    """One value for a person. Third-party text loses its control characters."""
    match value:
        case None:
            return "–"
        case bool():
            return "yes" if value else "no"
        case datetime():
            return value.astimezone(UTC).isoformat(" ", "minutes")[:16]
        case Decimal():
            return decimal_text(value)
        case int():
            return f"{value:,}"
        case float():
            return f"{value:,.1f}"
        case list() | tuple():
            return ", ".join(map(cell, value))
        case _:
            return printable(str(value))


def printable(text: str) -> str:
    """Third-party text without what steers a terminal or breaks a line."""
    return "".join(c if c.isprintable() else " " for c in text)


def json_text(value: Any) -> str:
    text = json.dumps(plain(value), indent=2, ensure_ascii=False)
    return _UNSEEN.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def plain(value: Any) -> Any:
    """Money and rates as decimal strings, times as UTC with Z."""
    match value:
        case Decimal():
            return decimal_text(value)
        case datetime():
            return stamp(value)
        case Mapping():
            return {str(k): plain(v) for k, v in value.items()}
        case list() | tuple():
            return [plain(v) for v in value]
        case _:
            return value


def stamp(at: datetime) -> str:
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _csv(found: Sequence[Row], columns: Mapping[str, str]) -> str:
    stream = io.StringIO()
    names = list(found[0]) if found else list(columns)
    writer = csv.DictWriter(stream, names, lineterminator="\n")
    writer.writeheader()
    for row in found:
        flat = {k: json.dumps(plain(v)) if isinstance(v, dict | list | tuple) else plain(v) for k, v in row.items()}
        writer.writerow({k: inert(v) for k, v in flat.items()})
    return stream.getvalue()


def inert(value: Any) -> Any:
    """A spreadsheet runs a cell that begins like a formula; third-party text must not."""
    if isinstance(value, bool):
        return str(value).lower()
    if not isinstance(value, str):
        return value
    text = printable(value)
    return f"'{text}" if text.lstrip()[:1] in set("=+-@") and not _NUMBER.fullmatch(text) else text


def per_million(usd: Decimal | None, meter: str) -> str:
    """A rate for a person: `$0.30/M` for tokens, `$0.01/search` for what is counted one by one."""
    if usd is None:
        return "dynamic"
    if usd == 0:
        return "free"
    if unit(meter) == "token":
        return f"${money(usd * PER_MILLION)}/M"
    return f"${money(usd)}/{unit(meter)}"


def money(usd: Decimal) -> str:
    """At least cents, and as many digits as the amount has."""
    text = decimal_text(usd)
    whole, _, cents = text.partition(".")
    return f"{int(whole):,}.{cents.ljust(2, '0')}"


def tell(message: str) -> None:
    """Say something to the person at the terminal; standard output stays clean."""
    print(printable(message), file=sys.stderr)


def moment(text: str | None, option: str) -> datetime | None:
    """An option's time: ISO 8601 with a zone, or a bare date, which is its midnight in UTC."""
    if text is None:
        return None
    try:
        at = datetime.fromisoformat(text)
    except ValueError as error:
        raise UsageError(f"{option} is no time: {text!r}. Write it like 2026-01-06 or 2026-01-06T18:00:00Z.") from error
    if at.tzinfo is None:
        if len(text) > 10:
            raise UsageError(f"{option} has no time zone: {text!r}. Add Z for UTC, or an offset like +01:00.")
        at = at.replace(tzinfo=UTC)
    try:
        return at.astimezone(UTC)
    except OverflowError as error:
        raise UsageError(f"{option} is too far away: {text!r}.") from error
