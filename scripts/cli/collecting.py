"""The verbs that fill the database: init, poll, replay, backfill, alias."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from db.errors import SourceError, UsageError
from scripts.cli import output
from scripts.cli.database import read_only, writable
from scripts.cli.logs import configure

if TYPE_CHECKING:
    from collector.history import Recorded, Replayed
    from db.polls.facts import Poll


def init() -> None:
    """Create the database, or bring it to this version. Nothing in it is lost.

    Example: ratecard init
    """
    with writable() as engine:
        output.tell(f"The database is ready at {engine.url.render_as_string(hide_password=True)}.")


def poll(
    sources: Annotated[
        list[str] | None, typer.Argument(help="Sources to poll. Default: all.", show_default=False)
    ] = None,
) -> None:
    """Poll now, once. Exit code 1 if a source failed, with one sentence about each.

    Example: ratecard poll openrouter
    """
    from collector.history import source_named
    from collector.schedule import chosen
    from collector.settings import Collecting
    from db.settings import load

    configure(quiet=True)
    settings = load(Collecting)
    wanted = [source_named(name) for name in sources] if sources else chosen(settings)
    with writable() as engine:
        done = [asyncio.run(_poll_one(source, settings, engine)) for source in wanted]
    for each in done:
        output.tell(sentence(each))
    failed = [each for each in done if each.status == "failed"]
    if failed:
        raise typer.Exit(SourceError.exit_code)


async def _poll_one(source: Any, settings: Any, engine: Any) -> "Poll":
    from collector.jobs.poll import Desk, fetcher_for, open_client
    from collector.jobs.poll import poll as poll_job

    async with open_client(settings) as client:
        with bar(f"Polling {source.title}", "requests") as advance:
            return await poll_job(
                Desk(source), fetcher_for(source, client, settings), engine, at_once=settings.at_once, progress=advance
            )


def sentence(poll: "Poll") -> str:
    """What a poll came to, for a person."""
    if poll.status == "failed":
        return f"{poll.source}: {poll.error}"
    said = f"{poll.source}: {poll.items:,} entries, {poll.changed:,} changes"
    if poll.rejected:
        said += f", {poll.rejected:,} rejected (the Collector page and `ratecard status` show why)"
    if poll.status == "implausible":
        said += "; implausibly short after the last complete poll, so nothing was removed"
    return f"{said}."


def replay(
    files: Annotated[
        list[Path] | None,
        typer.Argument(
            help="Recorded polls: JSON lines {observed_at, source, data}, .xz, .gz or plain.", show_default=False
        ),
    ] = None,
    source: Annotated[str | None, typer.Option(help="What they are polls of.", show_default=False)] = None,
    git: Annotated[
        Path | None, typer.Option(help="A git repository that scraped the source.", show_default=False)
    ] = None,
    path: Annotated[str | None, typer.Option(help="With --git: the scraped file in it.", show_default=False)] = None,
) -> None:
    """Load recorded polls, from files or from every commit of a scraped file. Again is a no-op.

    Example: ratecard replay --source openrouter polls.jsonl.xz
    """
    from collector.history import from_files, source_named
    from collector.history import replay as replay_job
    from collector.scrapers import commits, from_git

    of = source_named(source) if source else None
    if bool(files) == bool(git):
        raise UsageError("Name the files to replay, or a repository with --git and --path.")
    if git is not None and (path is None or of is None):
        raise UsageError("--git needs --source, and with --path the scraped file in the repository.")
    missing = [str(file) for file in files or () if not file.exists()]
    if missing:
        raise UsageError(f"There is no file {', '.join(missing)}.")
    with writable() as engine:
        if git is not None and path is not None:
            versions = commits(git, path)
            with replay_bar(len(versions)) as advance:
                result = replay_job(engine, from_git(git, path, versions), of, progress=advance)
        else:
            with replay_bar(None) as advance:
                result = replay_job(engine, from_files(files or ()), of, progress=advance)
    report(result)


def report(result: "Replayed") -> None:
    """Say what a replay came to; exit code 2 where something could not be read."""
    for problem in result.problems[:20]:
        output.tell(problem)
    if len(result.problems) > 20:
        output.tell(f"… and {len(result.problems) - 20:,} more.")
    output.tell(
        f"{result.loaded:,} polls loaded, {result.skipped:,} were stored before, {result.rejected:,} could not be read."
    )
    output.put(
        output.json_text(
            {
                "loaded": result.loaded,
                "skipped": result.skipped,
                "rejected": result.rejected,
                "changed": result.changed,
                "rejected_items": result.rejected_items,
            }
        )
    )
    if result.rejected:
        raise typer.Exit(2)


@contextmanager
def replay_bar(total: int | None) -> Iterator[Any]:
    """A progress bar that counts polls and shows their dates."""
    with progress_bar() as progress:
        task = progress.add_task("Replaying", total=total, unit="polls")

        def advance(each: "Recorded") -> None:
            day = each.observed_at.date().isoformat() if each.observed_at else "?"
            progress.update(task, advance=1, description=f"Replaying {day}")

        yield advance


@contextmanager
def bar(title: str, unit: str) -> Iterator[Any]:
    """A progress bar whose total grows as work is found: `advance(done, more)`."""
    with progress_bar() as progress:
        task = progress.add_task(title, total=0, unit=unit)

        def advance(done: int, more: int) -> None:
            progress.update(task, advance=done, total=(progress.tasks[0].total or 0) + more)

        yield advance


def progress_bar() -> Any:
    """A progress bar on standard error; none where nobody watches."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    console = Console(stderr=True)
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[unit]}"),
        TimeElapsedColumn(),
        console=console,
        transient=True,
        # Where nobody watches, it would leave an empty line.
        disable=not console.is_terminal,
    )


def backfill(
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    list_only: Annotated[bool, typer.Option("--list", help="Only show what would be cloned.")] = False,
) -> None:
    """Load years of price history: clone public repositories that scraped a source, and replay them.

    Example: ratecard backfill --list
    """
    from collector.history import replay as replay_job
    from collector.history import source_named
    from collector.scrapers import SCRAPERS, clone, commits, from_git
    from db.settings import Storage, load

    output.tell("These public repositories are cloned into your RATECARD_HOME and replayed:")
    for scraper in SCRAPERS:
        output.tell(f"  {scraper.url}  {scraper.path}  ({scraper.source}, since {scraper.since}, {scraper.licence})")
    if list_only:
        return
    import sys

    if not yes and sys.stdin.isatty():
        typer.confirm("Go on?", abort=True, err=True)
    with writable() as engine:
        for scraper in SCRAPERS:
            folder = clone(scraper, load(Storage).home / "scrapers")
            versions = commits(folder, scraper.path)
            with replay_bar(len(versions)) as advance:
                result = replay_job(
                    engine, from_git(folder, scraper.path, versions), source_named(scraper.source), progress=advance
                )
            report(result)


def alias(
    name: Annotated[str | None, typer.Argument(help="A source's id, or provider/id.", show_default=False)] = None,
    model: Annotated[str | None, typer.Argument(help="The model that it is.", show_default=False)] = None,
    remove: Annotated[bool, typer.Option("--remove", help="Take the declaration of NAME back.")] = False,
    format_: output.FormatOption = None,
) -> None:
    """Declare that a source's id is a model, where the rules do not see it; without arguments, list what is declared.

    Example: ratecard alias chutes/Hermes-405B nousresearch/hermes-4-405b
    """
    from db.catalog import read, store
    from db.engine import writing

    if name is None:
        with read_only() as connection:
            found = [{"name": key, "model": value} for key, value in sorted(read.aliases(connection).items())]
        output.rows(found, format_, {"name": "Name", "model": "Is the model"}, "No alias is declared.")
        return
    if (model is None) != remove:
        raise UsageError("Give a name and the model that it is, or a name and --remove.")
    with writable() as engine, writing(engine) as connection:
        store.set_alias(connection, name, model)
        moved = store.relink(connection)
    output.tell(f"{moved:,} endpoints changed their model.")
