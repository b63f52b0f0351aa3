"""The verb that imports usage logs: usage import."""

import gc
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import typer

from db.errors import UsageError
from scripts.cli import output
from scripts.cli.database import writable
from scripts.cli.usage_group import usage

if TYPE_CHECKING:
    from collector.jobs.import_usage import Imported
    from collector.jobs.origin import Wanted


@usage.command("import", no_args_is_help=True)
def import_(
    files: Annotated[list[Path], typer.Argument(help="Logs: files, folders or patterns; .gz and .zst too.")],
    log_format: Annotated[
        str | None, typer.Option(help="What they are. Default: recognised by their content.", show_default=False)
    ] = None,
    map_: Annotated[
        str | None,
        typer.Option(
            "--map",
            help="Which column is what, for any CSV, JSON lines or Parquet: time=COL,prompt=COL,completion=COL,...",
            show_default=False,
        ),
    ] = None,
    timezone: Annotated[
        str | None, typer.Option(help="The zone of times without one: UTC, Europe/Berlin, ...", show_default=False)
    ] = None,
    model: Annotated[str | None, typer.Option(help="The model, where the log names none.", show_default=False)] = None,
    provider: Annotated[
        str | None, typer.Option(help="The provider, where the log names none.", show_default=False)
    ] = None,
    project: Annotated[
        str | None, typer.Option(help="The project, where the log names none.", show_default=False)
    ] = None,
    shift_to: Annotated[
        str | None, typer.Option(help="Move the first instant of each file to this date.", show_default=False)
    ] = None,
    format_: output.FormatOption = None,
) -> None:
    """Import usage logs and cost each request at the price of its time. The same request is never counted twice.

    Example: ratecard usage import ~/.claude/projects
    Example: ratecard usage import activity.csv --log-format openrouter_activity
    Example: ratecard usage import calls.csv.gz --map time=ts,model=model,prompt=in,completion=out --timezone UTC
    """
    from collector.jobs.origin import expanded

    wanted = _wanted(log_format, map_, timezone, {"model": model, "provider": provider, "project": project}, shift_to)
    done = run(expanded(files), wanted)
    report(done, format_)


def run(files: Sequence[Path], wanted: "Wanted") -> "Imported":
    """Import files into the database of the settings, behind a progress bar."""
    from collector.jobs.import_usage import import_usage
    from collector.jobs.poll import utc_now
    from db.settings import load
    from db.usage.engine import Costing

    with writable() as engine, _bar() as progress, _seldom_collecting():
        return import_usage(engine, load(Costing), files, wanted, utc_now(), progress)


@contextmanager
def _seldom_collecting() -> Iterator[None]:
    """Modules stay, and an import makes many small things that stay too: look for garbage less often."""
    before = gc.get_threshold()
    gc.freeze()
    gc.set_threshold(50_000)
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()


def _wanted(
    log_format: str | None, map_: str | None, timezone: str | None, names: dict[str, str | None], shift_to: str | None
) -> "Wanted":
    """The options, over what ratecard.toml says under [usage]."""
    from collector.jobs.intake import Defaults
    from collector.jobs.mapped import GENERIC
    from collector.jobs.origin import Wanted
    from collector.logs import FORMATS
    from collector.logs.generic import parse_mapping
    from collector.settings import Importing
    from db.settings import load

    settings = load(Importing).usage
    if log_format is not None and log_format not in (*FORMATS, GENERIC):
        raise UsageError(f"--log-format is {log_format!r}; it is one of: {', '.join((*FORMATS, GENERIC))}.")
    if map_ is not None and log_format not in (None, GENERIC):
        raise UsageError(f"--map is for the format {GENERIC}; {log_format} has its own columns.")
    usual = parse_mapping(settings.map) if settings.map else None
    mapping = parse_mapping(settings.map, map_) if map_ is not None else usual if log_format == GENERIC else None
    defaults = Defaults(**{name: value or getattr(settings, name) for name, value in names.items()})
    return Wanted(
        log_format,
        mapping,
        usual,
        _zone(timezone or settings.timezone),
        defaults,
        output.moment(shift_to, "--shift-to"),
    )


def _zone(name: str) -> ZoneInfo | None:
    if not name:
        return None
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise UsageError(
            f"--timezone is {name!r}, which is no time zone. Write it like UTC or Europe/Berlin."
        ) from error


def report(done: "Imported", format_: output.Format | None) -> None:
    """Say what an import came to; exit code 2 where a file could not be read whole."""
    for sentence in (*done.notes, *done.problems):
        output.tell(sentence)
    if done.rejects is not None:
        output.tell(f"{done.rejected:,} rows were rejected; why stands in {done.rejects}.")
    if done.differing:
        output.tell(f"{done.differing:,} of the duplicates differ from what was imported before, which stays.")
    if done.unpriced:
        output.tell(f"{done.unpriced:,} requests have no price:")
    for each in done.names:
        name = " ".join(
            filter(None, (each.model or "(no model)", each.provider and f"at {each.provider}", each.variant))
        )
        output.tell(f"  {each.requests:,} of {name}: {each.hint or each.why}")
    found = {
        "files": done.files,
        "rows": done.rows,
        "imported": done.imported,
        "duplicates": done.duplicates,
        "rejected": done.rejected,
        "ignored": done.ignored,
        "unpriced": done.unpriced,
        "cost_usd": done.cost_usd,
    }
    columns = {
        "files": "Files",
        "rows": "Rows",
        "imported": "Imported",
        "duplicates": "Duplicates",
        "rejected": "Rejected",
        "ignored": "Without usage",
        "unpriced": "Unpriced requests",
        "cost_usd": "Cost (US$)",
    }
    if output.chosen(format_) is output.Format.json:
        output.put(output.json_text(found))
    else:
        output.rows([found], format_, columns, "")
    if done.problems:
        raise typer.Exit(2)


@contextmanager
def _bar() -> Iterator[Callable[[str, int, int], None]]:
    """A progress bar for one stage after the other: bytes read, costing, cells loaded."""
    from scripts.cli.collecting import progress_bar

    with progress_bar() as progress:
        tasks: dict[str, Any] = {}

        def advance(stage: str, done: int, of: int) -> None:
            unit, by = ("MB", 1 << 20) if stage == "Reading" else ("cells", 1)
            if stage not in tasks:
                tasks[stage] = progress.add_task(stage, total=None, unit=unit)
            progress.update(tasks[stage], completed=done // by, total=-(-of // by) or None)

        yield advance
