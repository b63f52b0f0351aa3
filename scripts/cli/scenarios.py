"""The verbs of what-ifs: scenario set, list, remove and suggest; and what `usage recost --scenario` tells."""

from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Any

import typer

from db.errors import UsageError
from scripts.cli import output
from scripts.cli.database import read_only, writable
from scripts.cli.planning import range_usd, tell_of_sample
from scripts.cli.spending import dollars

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from db.plans.scenario import Outcome
    from db.plans.suggest import Suggestion
    from db.usage.read import View

scenario = typer.Typer(
    name="scenario",
    help="What-ifs by name: usage that goes elsewhere, more or less of it, and how much is read from cache.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)

Name = Annotated[str, typer.Argument(help="The scenario's name.", show_default=False)]


@scenario.command("set")
def set_(
    name: Name,
    move: Annotated[
        list[str] | None,
        typer.Option(
            help="'WHICH -> WHERE: SHARE%'; may be repeated, each takes its share of what those before it left. WHICH: "
            "MODEL, MODEL@PROVIDER, @PROVIDER, project=NAME or all; WHERE: MODEL@PROVIDER, SOURCE:KEY, or @PROVIDER "
            "for the same models there.",
            show_default=False,
        ),
    ] = None,
    volume: Annotated[str, typer.Option(help="So many times as much usage.")] = "1",
    cache_rate: Annotated[
        str | None,
        typer.Option(help="Share of the input that is read from cache. Default: as it was.", show_default=False),
    ] = None,
) -> None:
    """Set a scenario; one of the same name is replaced. `ratecard usage recost --scenario NAME` costs it.

    Example: ratecard scenario set cheaper --move 'nousresearch/hermes-4-405b@nebius -> @chutes: 50%' --volume 1.2
    Example: ratecard scenario set cached --cache-rate 0.4
    """
    from db.engine import writing
    from db.plans import facts, store
    from db.plans.scenario import Scenario, parse_move
    from db.plans.what_if import places

    rate = facts.parse_share(cache_rate, "--cache-rate") if cache_rate is not None else None
    more = facts.parse_share(volume, "--volume", Decimal(1_000_000))
    made = Scenario(name, tuple(map(parse_move, move or ())), more, rate)
    if not made.moves and made.volume == 1 and rate is None:
        raise UsageError("A scenario changes something: give --move, --volume or --cache-rate.")
    with writable() as engine, writing(engine) as connection:
        places(connection, made)
        store.set_scenario(connection, made, datetime.now(UTC))
    output.tell(f"{name} is set. `ratecard usage recost --scenario {name}` costs your usage under it.")


@scenario.command("list")
def list_(format_: output.FormatOption = None) -> None:
    """Every scenario, by name.

    Example: ratecard scenario list
    """
    from db.plans import read

    with read_only() as connection:
        found = read.scenarios(connection)
    rows = [
        {
            "name": each.name,
            "moves": [str(move) for move in each.moves],
            "volume": each.volume,
            "cache_rate": each.cache_rate,
        }
        for each in found
    ]
    columns = {"name": "Scenario", "moves": "Moves", "volume": "Volume", "cache_rate": "Cache rate"}
    output.rows(rows, format_, columns, "There is no scenario yet. `ratecard scenario set NAME --move ...` makes one.")


@scenario.command()
def remove(name: Name) -> None:
    """Take a scenario away.

    Example: ratecard scenario remove cheaper
    """
    from db.engine import writing
    from db.plans import store

    with writable() as engine, writing(engine) as connection:
        store.remove_scenario(connection, name)
    output.tell(f"The scenario {name} is gone.")


@scenario.command()
def suggest(format_: output.FormatOption = None) -> None:
    """The switches of provider that would have saved most over your last 30 days of usage, at the prices of now, and
    that lose nothing known: no parameter, no context, no other quantization, and as far as measured no speed or uptime.

    `checked` is what was compared and is no worse; of `unknown` nobody says.

    Example: ratecard scenario suggest
    """
    from db.plans import suggest as rules

    with read_only() as connection:
        found = rules.suggestions(connection, datetime.now(UTC))
        tell_of_sample(connection)
    rows = [_suggestion(each) for each in found]
    if output.chosen(format_) is output.Format.table:
        shown = (
            {"saving": dollars(each.saving), "now": dollars(each.before), "then": dollars(each.after)} for each in found
        )
        rows = [row | more for row, more in zip(rows, shown, strict=True)]
    columns = {
        "model": "Model",
        "provider": "From",
        "to_provider": "To",
        "saving": "Saves a month",
        "now": "Now",
        "then": "Then",
        "checked": "Checked",
        "unknown": "Unknown",
    }
    output.rows(rows, format_, columns, "Nothing known is cheaper for your usage without losing something.")


def _suggestion(each: "Suggestion") -> dict[str, Any]:
    from db.usage.exact import usd

    return {
        "model": each.endpoint.model,
        "provider": each.endpoint.provider,
        "endpoint": each.endpoint.name,
        "to_provider": each.to.provider,
        "to_endpoint": each.to.name,
        "saving_usd": usd(each.saving),
        "before_usd": usd(each.before),
        "after_usd": usd(each.after),
        "requests": each.requests,
        "checked": each.checked,
        "unknown": each.unknown,
        "move": each.move,
    }


def recosted(
    connection: "Connection", name: str, by: Sequence[str], view: "View"
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """What usage would have cost under a scenario: the whole with its projection, and the parts."""
    from db.plans import read, what_if

    plan = read.scenario(connection, name)
    told = what_if.recosted(connection, plan, by, view)
    tell_of_sample(connection)
    whole = {"scenario": plan.name} | outcome(told.whole)
    if (view.model, view.provider, view.project, view.known_at) == (None,) * 4:
        whole["projected"] = _projected(connection, told.whole)
    parts = [dict(zip(by, key, strict=True)) | outcome(each) for key, each in told.parts.items()]
    return whole, parts


def _projected(connection: "Connection", whole: "Outcome") -> dict[str, Any] | None:
    """This month as it is projected, and under the scenario: times what it made of the past usage; None without one."""
    from db.plans import projection, read, what_if

    as_of = read.usage_until(connection, datetime.now(UTC))
    [answer] = projection.answers(connection, projection.of_month(connection, None, as_of), as_of)
    if answer.projection is None or whole.ratio is None:
        return None
    return {
        "month": answer.question.period.key,
        "as_of": as_of,
        "baseline_usd": range_usd(answer.projection.total),
        "scenario_usd": range_usd(what_if.scaled(answer.projection.total, whole.ratio)),
    }


def outcome(each: "Outcome") -> dict[str, Any]:
    """In the words of `usage recost`."""
    from db.usage.exact import usd

    sums = {"actual_usd": each.actual, "recost_usd": each.best, "low_usd": each.low, "high_usd": each.high}
    return {
        "requests": each.requests,
        "compared_requests": each.compared,
        **{name: usd(nano) if each.compared else None for name, nano in sums.items()},
        "unpriced_requests": each.unpriced,
    }


def shown(each: dict[str, Any]) -> dict[str, Any]:
    """For a table."""

    def told(name: str) -> str | None:
        return f"${each[name]:,.2f}" if each[name] is not None else None

    same = each["low_usd"] == each["high_usd"]
    change = (each["recost_usd"] - each["actual_usd"]) / each["actual_usd"] if each["actual_usd"] else None
    return each | {
        "was": told("actual_usd"),
        "would": told("recost_usd"),
        "range": None if each["low_usd"] is None else "exact" if same else f"{told('low_usd')} to {told('high_usd')}",
        "change": f"{change:+.1%}" if change is not None else None,
    }


def sentence(whole: dict[str, Any]) -> str:
    """The whole, and this month under the scenario."""
    told = shown(whole)
    said = f"{told['was']} would have been {told['would']}" if told["was"] else "Nothing compares"
    said += f"; {whole['unpriced_requests']:,} of {whole['requests']:,} requests have no price there."
    if whole.get("projected"):
        before, after = (whole["projected"][side]["median"] for side in ("baseline_usd", "scenario_usd"))
        said += f" {whole['projected']['month']} is projected at ${before:,.2f}, under it at ${after:,.2f}."
    return said
