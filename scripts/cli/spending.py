"""The verbs that read usage: usage summary, usage imports, usage export."""

import csv
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TextIO

import typer

from db.errors import UsageError
from scripts.cli import output
from scripts.cli.database import read_only
from scripts.cli.prices import KnownAt

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from db.usage.read import View
    from db.usage.summary import Summary

KEYS = (
    "model, provider, variant, subject (as logged), endpoint (as priced), project, api_key, user, tag:NAME, "
    "month, week, day, hour, import, sample, why and hint (of what is unpriced)"
)

By = Annotated[str, typer.Option(help=f"What to group by, separated by commas: {KEYS}. Days are UTC days.")]
From = Annotated[
    str | None, typer.Option("--from", help="From this time on (inclusive), a whole UTC hour.", show_default=False)
]
To = Annotated[
    str | None, typer.Option("--to", help="Before this time (exclusive), a whole UTC hour.", show_default=False)
]
OfModel = Annotated[
    str | None,
    typer.Option("--model", help="Only this model, as the catalogue or the log names it.", show_default=False),
]
OfProvider = Annotated[str | None, typer.Option("--provider", help="Only this provider.", show_default=False)]
OfProject = Annotated[str | None, typer.Option("--project", help="Only this project.", show_default=False)]


def view(
    since: str | None,
    until: str | None,
    known_at: str | None,
    model: str | None = None,
    provider: str | None = None,
    project: str | None = None,
) -> "View":
    """The options as the usage that is meant. Raises UsageError."""
    from db.usage.read import View, minute_of

    start, end = output.moment(since, "--from"), output.moment(until, "--to")
    for at in (start, end):
        if at is not None:
            minute_of(at)
    return View(start, end, output.moment(known_at, "--known-at"), model, provider, project)


def summary(
    by: By = "model,provider",
    since: From = None,
    until: To = None,
    known_at: KnownAt = None,
    model: OfModel = None,
    provider: OfProvider = None,
    project: OfProject = None,
    format_: output.FormatOption = None,
) -> None:
    """What usage cost, at the price that was in force for each request; unpriced requests are counted, never $0.

    Example: ratecard usage summary --by project,model --from 2026-08-01 --to 2026-09-01
    Example: ratecard usage summary --by day,tag:team --format csv
    Example: ratecard usage summary --known-at 2026-09-01
    """
    from db.usage import keys, report

    wanted, asked = keys.parse(by), view(since, until, known_at, model, provider, project)
    with read_only() as connection:
        found = report.summary(connection, wanted, asked)
        synthetic = _synthetic(connection, asked)
    rows = [_row(wanted, each) for each in found]
    if output.chosen(format_) is output.Format.table:
        rows = [row | _shown(each) for row, each in zip(rows, found, strict=True)]
    columns = {
        **{key: key.removeprefix("tag:").replace("_", " ").capitalize() for key in wanted},
        "requests": "Requests",
        "all_tokens": "Tokens",
        "cost": "Cost",
        "unpriced_requests": "Unpriced requests",
        "effective": "$/1M tokens",
        "cache": "Cache hits",
        "logged": "Logged cost",
    }
    output.rows(rows, format_, columns, "No usage is on record there. `ratecard usage import FILE` reads a log.")
    tell_total(found)
    if synthetic:
        output.tell(
            f"Sample: {synthetic:,} of these requests are synthetic; `ratecard sample --remove` takes them out."
        )


def _row(by: Sequence[str], sums: "Summary") -> dict[str, Any]:
    from db.usage.exact import usd

    return {
        **dict(zip(by, sums.key, strict=True)),
        "requests": sums.requests,
        "tokens": dict(sums.units),
        "cost_usd": usd(sums.cost_nano) if sums.cost_nano is not None else None,
        "unpriced_requests": sums.unpriced_requests,
        "logged_usd": usd(sums.logged_nano) if sums.logged_nano is not None else None,
        "logged_requests": sums.logged_requests,
        "effective_usd_per_mtok": sums.effective_usd_per_mtok,
        "cache_hit_rate": sums.cache_hit_rate,
        "assumptions": dict(sums.assumptions),
    }


def _shown(sums: "Summary") -> dict[str, Any]:
    effective, rate = sums.effective_usd_per_mtok, sums.cache_hit_rate
    return {
        "all_tokens": sums.tokens,
        "cost": dollars(sums.cost_nano) if sums.cost_nano is not None else "unpriced",
        "effective": f"${output.money(round(effective, 4))}" if effective is not None else None,
        "cache": f"{rate:.1%}" if rate is not None else None,
        "logged": dollars(sums.logged_nano) if sums.logged_nano is not None else None,
    }


def dollars(nano: int) -> str:
    """An amount for a person: cents, or what a smaller amount needs to be seen."""
    from db.usage.exact import usd

    amount = usd(nano)
    shown = round(amount, 2) if abs(amount) >= Decimal("0.1") else round(amount, 6)
    return f"${output.money(shown)}" if shown >= 0 else f"-${output.money(-shown)}"


def tell_total(found: "Sequence[Summary]") -> None:
    """The total, never without what it leaves out."""
    requests, unpriced = (sum(s.requests for s in found), sum(s.unpriced_requests for s in found))
    if not requests:
        return
    priced = [s.cost_nano for s in found if s.cost_nano is not None]
    total = dollars(sum(priced)) if priced else "unknown"
    said = f"Total: {total} for {requests - unpriced:,} priced requests"
    if unpriced:
        share = f"{unpriced / requests:.1%}"
        said += f"; {unpriced:,} more ({share}) are unpriced: `ratecard usage summary --by why,subject,hint` lists them"
    output.tell(f"{said}.")


def _synthetic(connection: "Connection", asked: "View") -> int:
    """How many of the requests are a sample's."""
    from db.usage import read, report

    if not read.names(connection).samples:
        return 0
    return sum(each.requests for each in report.summary(connection, ("sample",), asked) if each.key == (True,))


def imports(format_: output.FormatOption = None) -> None:
    """Every import, the newest first: its files, how many rows were read, and what they cost as known now.

    Example: ratecard usage imports --format json
    """
    from db.usage import read, report

    with read_only() as connection:
        found = read.imports(connection)
        costs = {each.key[0]: each for each in report.summary(connection, ("import",))}
    rows = []
    for each in found:
        sums = costs.get(each["id"])
        told = _row(("import",), sums) if sums is not None else {}
        rows.append(each | {name: told.get(name) for name in ("requests", "cost_usd", "unpriced_requests")})
        if output.chosen(format_) is output.Format.table:
            names = [Path(str(file["name"])).name for file in each["files"]]
            more = f" and {len(names) - 1:,} more" if len(names) > 1 else ""
            rows[-1] |= {"file": (names or ["–"])[0] + more, **(_shown(sums) if sums is not None else {})}
    columns = {
        "id": "Import",
        "recorded_at": "At (UTC)",
        "log_format": "Format",
        "file": "Files",
        "rows": "Rows",
        "imported": "Imported",
        "duplicates": "Duplicates",
        "rejected": "Rejected",
        "first_at": "From (UTC)",
        "last_at": "To (UTC)",
        "cost": "Cost",
        "unpriced_requests": "Unpriced requests",
        "sample": "Sample",
    }
    output.rows(rows, format_, columns, "Nothing was imported yet. `ratecard usage import FILE` reads a log.")


def export(
    file: Annotated[str, typer.Argument(help="A CSV file to write, or - for standard output.", show_default=False)],
    focus: Annotated[bool, typer.Option("--focus", help="Charges in the columns of FOCUS 1.2.")] = False,
    by: Annotated[
        str | None,
        typer.Option(
            help="With --focus the charge period: hour or day (default). Else as in `usage summary`; default: "
            "day,model,provider,project.",
            show_default=False,
        ),
    ] = None,
    since: From = None,
    until: To = None,
    known_at: KnownAt = None,
    format_: output.FormatOption = None,
) -> None:
    """Write usage and its cost as CSV, for a spreadsheet or a FinOps tool. An unpriced cost stays empty.

    With --focus, what was restated since it was first costed follows as corrections (ChargeClass Correction); all
    rows together sum to what is believed now, or at --known-at.

    Example: ratecard usage export --focus --from 2026-08-01 --to 2026-09-01 august.csv
    Example: ratecard usage export --by month,project - | column -s, -t
    """
    from db.usage import keys

    if format_ not in (None, output.Format.csv):
        raise UsageError("An export is CSV. `ratecard usage summary --format json` gives the same sums as JSON.")
    asked = view(since, until, known_at)
    if focus and by not in (None, "hour", "day"):
        raise UsageError("--by with --focus is the charge period: hour or day.")
    wanted = keys.parse(by or "day,model,provider,project")
    with read_only() as connection, _opened(file) as stream:
        if focus:
            told = _write_focus(connection, asked, keys.minutes_of((by or "day",)), stream)
        else:
            told = _write_sums(connection, asked, wanted, stream)
    output.tell(told)


def _write_focus(connection: "Connection", asked: "View", minutes: int, stream: TextIO) -> str:
    from db.usage.charges import COLUMNS, focus
    from db.usage.export import charges

    count = corrections = unpriced = 0
    writer = _writer(stream, COLUMNS)
    for charge in charges(connection, asked, minutes):
        writer.writerow({name: output.inert(value) for name, value in focus(charge).items()})
        count += 1
        corrections += charge.corrected_at is not None
        unpriced += charge.unpriced_requests
    return f"{count:,} charges ({corrections:,} corrections){_without(unpriced)}."


def _write_sums(connection: "Connection", asked: "View", by: Sequence[str], stream: TextIO) -> str:
    from db.usage import report
    from db.usage.facts import COUNTED

    found = report.summary(connection, by, asked)
    used = [meter for meter in COUNTED if any(meter in each.units for each in found)]
    names = [*by, "requests", *used, "cost_usd", "unpriced_requests", "logged_usd", "logged_requests"]
    writer = _writer(stream, names)
    for each in found:
        row: Mapping[str, Any] = {**_row(by, each), **{meter: each.units.get(meter, 0) for meter in used}}
        writer.writerow({name: output.inert(output.plain(row[name])) for name in names})
    return f"{len(found):,} rows{_without(sum(each.unpriced_requests for each in found))}."


def _writer(stream: TextIO, names: Iterable[str]) -> "csv.DictWriter[str]":
    writer = csv.DictWriter(stream, list(names), lineterminator="\n")
    writer.writeheader()
    return writer


def _without(unpriced: int) -> str:
    return f"; the cost of {unpriced:,} unpriced requests is not in it and stays empty" if unpriced else ""


@contextmanager
def _opened(file: str) -> Iterator[TextIO]:
    """Standard output, or a file that appears whole or not at all. Raises UsageError."""
    if file == "-":
        yield sys.stdout
        return
    aside = Path(f"{file}.part")
    try:
        with aside.open("w", encoding="utf-8", newline="") as stream:
            yield stream
        aside.replace(file)
    except OSError as error:
        raise UsageError(f"{file} cannot be written: {error.strerror}.") from error
    finally:
        aside.unlink(missing_ok=True)
