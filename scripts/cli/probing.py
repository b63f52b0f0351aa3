"""The verbs that probe: probe, watch."""

from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Any

import typer

from db.errors import UsageError
from scripts.cli import output
from scripts.cli.database import read_only, writable
from scripts.cli.logs import configure

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from collector.jobs.probe import Plan

Endpoints = Annotated[
    list[str] | None,
    typer.Argument(help="Endpoints, models or watched targets. Default: the watch list.", show_default=False),
]


def probe(
    endpoints: Endpoints = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would be sent, and its cost.")] = False,
    format_: output.FormatOption = None,
) -> None:
    """Probe now: time to first token, speed, outcome. A dry run shows what it would send and cost at most.

    Example: ratecard probe nousresearch/hermes-4-405b --dry-run
    """
    import asyncio

    from collector.jobs import probe as job
    from collector.jobs.poll import utc_now
    from collector.jobs.watching import resolve
    from collector.probers.measure import open_connections
    from collector.settings import Collecting
    from db.engine import reading
    from db.probes import read as probes
    from db.settings import load
    from scripts.cli.collecting import bar

    configure(quiet=True)
    settings = load(Collecting)
    with writable() as engine:
        with reading(engine) as connection:
            wanted = resolve(connection, endpoints, settings) if endpoints else probes.targets(connection, watched=True)
            plans = job.plan(connection, wanted, settings, utc_now())
            left = probes.spending(connection, utc_now(), settings.probe_budget_usd).left_usd
        if not plans:
            raise UsageError("Nothing is watched. Name an endpoint or model, or put one on the list: `ratecard watch`.")
        if dry_run:
            _print_plans(plans, format_)
            total = sum((each.estimate_usd for each in plans), Decimal(0))
            output.tell(
                f"{len(plans)} probes, at most ${output.money(total)}; ${output.money(left)} of today's budget is left."
            )
            return
        for reason in dict.fromkeys(each.instead for each in plans if each.instead):
            output.tell(f"Only reached, not probed: {reason}.")

        async def send() -> Any:
            async with open_connections() as connections:
                with bar("Probing", "probes") as advance:
                    advance(0, len(plans))
                    return await job.send(plans, connections, engine, settings, progress=lambda: advance(1, 0))

        done = asyncio.run(send())
    found = [
        {
            "target": each.target,
            "prober": each.prober,
            "prompt": str(each.prompt) if each.prompt else None,
            "outcome": str(each.outcome),
            "started_at": each.started_at,
            "ttft_ms": each.ttft_ms,
            "ttfat_ms": each.ttfat_ms,
            "total_ms": each.total_ms,
            "tokens_per_s": each.tokens_per_s,
            "output_tokens": each.output_tokens,
            "warm": each.warm,
            "cost_usd": each.cost_usd,
            "reason": each.reason,
        }
        for each in done
    ]
    columns = {
        "target": "Target",
        "prober": "Prober",
        "outcome": "Outcome",
        "ttft_ms": "First token (ms)",
        "total_ms": "Total (ms)",
        "tokens_per_s": "Tokens/s",
        "cost_usd": "Cost (US$)",
        "reason": "Reason",
    }
    output.rows(found, format_, columns, "Nothing was sent.")
    if len(done) < len(plans) or any(each.outcome.is_error for each in done):
        raise typer.Exit(1)


def _print_plans(plans: "list[Plan]", format_: output.Format | None) -> None:
    found = [
        {
            "target": each.target.name,
            "prober": each.prober,
            "prompt": str(each.prompt) if each.prompt else None,
            "url": each.target.url,
            "model": each.target.model,
            "provider": each.target.tag,
            "at_most_usd": each.estimate_usd,
            "instead": each.instead,
        }
        for each in plans
    ]
    columns = {
        "target": "Target",
        "prober": "Prober",
        "prompt": "Prompt",
        "provider": "Pinned provider",
        "at_most_usd": "At most (US$)",
        "instead": "Only a reach, because",
    }
    output.rows(found, format_, columns, "Nothing would be sent.")


def watch(
    endpoints: Annotated[
        list[str] | None, typer.Argument(help="Endpoints, or models for all of theirs.", show_default=False)
    ] = None,
    every: Annotated[float, typer.Option(help="Minutes between two probes.", min=1, max=1440)] = 10,
    prompt: Annotated[
        list[str] | None, typer.Option(help="short, long; may be repeated.", show_default="short")
    ] = None,
    reach: Annotated[bool, typer.Option("--reach", help="Only reach for it, which is free.")] = False,
    url: Annotated[
        str | None, typer.Option(help="An OpenAI-compatible server of your own.", show_default=False)
    ] = None,
    model: Annotated[str | None, typer.Option(help="With --url: its model.", show_default=False)] = None,
    key: Annotated[
        str | None, typer.Option(help="With --url: the environment variable that holds its key.", show_default=False)
    ] = None,
    free: Annotated[bool, typer.Option("--free", help="With --key: that server bills nobody.")] = False,
    remove: Annotated[bool, typer.Option("--remove", help="Take them off the list.")] = False,
    format_: output.FormatOption = None,
) -> None:
    """What is probed on schedule: add, change or remove; without arguments, list it.

    Example: ratecard watch nousresearch/hermes-4-405b --every 10
    Example: ratecard watch home --url http://127.0.0.1:8000/v1 --model llama
    """
    if not endpoints:
        _list(format_)
        return
    from collector.jobs.watching import resolve, server_target
    from collector.settings import Collecting
    from db.engine import writing
    from db.probes import store
    from db.settings import load

    if url is None and (model is not None or key is not None or free):
        raise UsageError("--model, --key and --free describe a server of your own, so they need its --url.")
    if url is not None and len(endpoints) > 1:
        raise UsageError("--url is one server. Give it one name.")
    options: dict[str, object] = {
        "every": timedelta(minutes=every),
        "prompts": tuple(dict.fromkeys(_prompt(name) for name in prompt or ["short"])),
        "prober": "reach" if reach else "chat",
    }
    with writable() as engine, writing(engine) as connection:
        if remove:
            gone = store.unwatch(connection, _watched(connection, endpoints))
            output.tell(f"{gone:,} targets are no longer watched; what was measured stays.")
            return
        if url is not None:
            targets = [server_target(endpoints[0], url, model, key, free=free, **options)]
        else:
            targets = resolve(connection, endpoints, load(Collecting), **options)
        store.watch(connection, targets)
    output.tell(f"{len(targets):,} targets are watched, each every {every:g} minutes.")


def _watched(connection: "Connection", names: list[str]) -> list[str]:
    """The watched targets of these names, or of these models at OpenRouter. Raises UsageError for a name of none."""
    from db.probes import read as probes

    found = []
    for name in names:
        of_name = [
            each.name
            for each in probes.targets(connection, watched=True)
            if each.name == name or (each.endpoint_id is not None and each.model == name)
        ]
        if not of_name:
            raise UsageError(f"{name} is not watched. `ratecard watch` lists what is.")
        found += of_name
    return found


def _prompt(name: str) -> Any:
    from db.probes.facts import Prompt

    try:
        return Prompt(name)
    except ValueError as error:
        raise UsageError(f"--prompt is {name!r}; it is one of: {', '.join(Prompt)}.") from error


def _list(format_: output.Format | None) -> None:
    from db.probes import read as probes

    with read_only() as connection:
        watched = probes.targets(connection, watched=True)
        last = probes.last_probes(connection)
    found = [
        {
            "target": each.name,
            "prober": each.prober,
            "prompts": [str(prompt) for prompt in each.prompts],
            "every_minutes": each.every.total_seconds() / 60,
            "url": each.url,
            "last_probe": last.get(each.name),
        }
        for each in watched
    ]
    columns = {
        "target": "Target",
        "prober": "Prober",
        "prompts": "Prompts",
        "every_minutes": "Every (min)",
        "url": "At",
        "last_probe": "Last probe (UTC)",
    }
    output.rows(found, format_, columns, "Nothing is watched. Example: ratecard watch nousresearch/hermes-4-405b")
