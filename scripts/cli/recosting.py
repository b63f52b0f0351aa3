"""The verbs that hold usage against other figures: usage recost, usage reconcile."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from db.errors import UsageError
from scripts.cli import output
from scripts.cli.database import read_only
from scripts.cli.prices import KnownAt
from scripts.cli.spending import By, From, OfModel, OfProject, OfProvider, To, dollars, view

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from db.usage.read import View
    from db.usage.reconcile import Reconciled
    from db.usage.recost import Comparison
    from db.usage.targets import Elsewhere

_COMPARED = {
    "compared_requests": "Compared requests",
    "was": "Did cost",
    "would": "Would cost",
    "range": "Range",
    "change": "Change",
    "unpriced_requests": "Unpriced there",
}


def recost(
    endpoint: Annotated[
        str | None, typer.Option(help="All of it at this endpoint: SOURCE:KEY or MODEL@PROVIDER.", show_default=False)
    ] = None,
    same_model_at: Annotated[
        str | None, typer.Option(help="Each model's own endpoint at this provider.", show_default=False)
    ] = None,
    scenario: Annotated[
        str | None, typer.Option(help="As in this scenario (`ratecard scenario list`).", show_default=False)
    ] = None,
    by: By = "model",
    since: From = None,
    until: To = None,
    known_at: KnownAt = None,
    model: OfModel = None,
    provider: OfProvider = None,
    project: OfProject = None,
    format_: output.FormatOption = None,
) -> None:
    """What the same usage would have cost elsewhere, at the prices of its time. It is compared like with like: over
    the requests that have a price on both sides; those with one on a single side are counted apart.

    Exact where the other price is constant over what a roll-up cell holds, else a range from low_usd to high_usd.

    Example: ratecard usage recost --endpoint nousresearch/hermes-4-405b@nebius --from 2026-01-01
    Example: ratecard usage recost --same-model-at deepinfra --by project,model
    Example: ratecard usage recost --scenario cheaper
    """
    from db.usage import report

    if sum(each is not None for each in (endpoint, same_model_at, scenario)) != 1:
        raise UsageError(
            "Say where to: --endpoint SOURCE:KEY or MODEL@PROVIDER, --same-model-at PROVIDER, or --scenario NAME."
        )
    wanted, asked = _keys(by), view(since, until, known_at, model, provider, project)
    if scenario is not None:
        _recost_scenario(scenario, wanted, asked, format_)
        return
    with read_only() as connection:
        there = _elsewhere(connection, endpoint, same_model_at, asked)
        found = report.recosted(connection, there.of, wanted, asked)
    parts = [dict(zip(wanted, key, strict=True)) | _compared(each) for key, each in found.parts.items()]
    names = [each.name for each in there.endpoints]
    whole = {"endpoints": names, "same_model_at": same_model_at} | _compared(found.whole)
    columns = {**{key: key.replace("_", " ").capitalize() for key in wanted}, **_COMPARED}
    shown = [row | _moved(each) for row, each in zip(parts, found.parts.values(), strict=True)]
    _put(whole, parts, shown, format_, columns)
    if output.chosen(format_) is output.Format.table and found.whole.requests:
        _tell(found.whole)


def _tell(each: "Comparison") -> None:
    told = _moved(each)
    moved = f"{told['was']} would have been {told['would']}" if each.compared else "Nothing compares"
    output.tell(
        f"{moved}: {each.compared:,} of {each.requests:,} requests have a price on both sides, "
        f"{each.only_here:,} only here, {each.only_there:,} only there."
    )


def _columns(wanted: Sequence[str]) -> dict[str, str]:
    return {
        **{key: key.replace("_", " ").capitalize() for key in wanted},
        "compared_requests": "Compared requests",
        "was": "Did cost",
        "would": "Would cost",
        "range": "Range",
        "change": "Change",
        "unpriced_requests": "Unpriced there",
    }


def _recost_scenario(name: str, wanted: Sequence[str], asked: "View", format_: output.Format | None) -> None:
    """A scenario's whole with this month's projection under it, and its parts."""
    from scripts.cli import scenarios

    with read_only() as connection:
        whole, parts = scenarios.recosted(connection, name, wanted, asked)
    _put(whole, parts, [scenarios.shown(part) for part in parts], format_, _columns(wanted))
    if output.chosen(format_) is output.Format.table:
        output.tell(scenarios.sentence(whole))


def _keys(by: str) -> tuple[str, ...]:
    from db.usage import keys

    wanted = keys.parse(by)
    if "why" in wanted:
        raise UsageError("--by why is for `ratecard usage summary`: both sides here have reasons of their own.")
    return wanted


def _elsewhere(connection: "Connection", endpoint: str | None, provider: str | None, asked: "View") -> "Elsewhere":
    from db.usage.targets import one_endpoint, same_model_at

    if endpoint is not None:
        return one_endpoint(connection, endpoint, asked.known_at)
    return same_model_at(connection, provider or "", asked.known_at)


def _compared(each: "Comparison") -> dict[str, Any]:
    from db.usage.exact import usd

    known = each.compared > 0
    sums = {"actual_usd": each.actual, "recost_usd": each.best, "low_usd": each.low, "high_usd": each.high}
    return {
        "requests": each.requests,
        "compared_requests": each.compared,
        **{name: usd(nano) if known else None for name, nano in sums.items()},
        "unpriced_requests": each.unpriced,
        "only_here_requests": each.only_here,
        "only_here_usd": usd(each.only_here_nano) if each.only_here else None,
        "only_there_requests": each.only_there,
        "only_there_usd": usd(each.only_there_nano) if each.only_there else None,
    }


def _moved(each: "Comparison") -> dict[str, Any]:
    if not each.compared:
        return {"was": None, "would": None, "range": None, "change": None}
    return {
        "was": dollars(each.actual),
        "would": dollars(each.best),
        "range": f"{dollars(each.low)} to {dollars(each.high)}" if each.low != each.high else "exact",
        "change": f"{(each.best - each.actual) / each.actual:+.1%}" if each.actual else None,
    }


def reconcile(
    by: By = "model,provider",
    since: From = None,
    until: To = None,
    known_at: KnownAt = None,
    model: OfModel = None,
    provider: OfProvider = None,
    project: OfProject = None,
    format_: output.FormatOption = None,
) -> None:
    """Where logs carry a cost of their own: how far ours is from it, and why. Of the imports that carry any.

    residual_usd = logged_usd - ours_usd = tier (goes away at the base tier) + tokens (counted by one of the two only)
    + price (the rest) + missing (requests that have only one of the two costs).

    Example: ratecard usage reconcile --by provider --from 2026-08-01
    """
    from db.usage import report

    wanted, asked = _keys(by), view(since, until, known_at, model, provider, project)
    with read_only() as connection:
        found = report.reconciliation(connection, wanted, asked)
    parts = [dict(zip(wanted, key, strict=True)) | _residual(each) for key, each in found.parts.items()]
    columns = {
        **{key: key.replace("_", " ").capitalize() for key in wanted},
        "compared_requests": "Compared requests",
        **{name: name.capitalize() for name in ("logged", "ours", "residual", "tier", "tokens", "price", "missing")},
        "unpriced_requests": "Unpriced requests",
        "unlogged_requests": "Without a logged cost",
    }
    shown = [row | _told(each) for row, each in zip(parts, found.parts.values(), strict=True)]
    _put(_residual(found.whole), parts, shown, format_, columns, "No log there carries a cost of its own.")
    if output.chosen(format_) is output.Format.table and parts:
        told = _told(found.whole)
        output.tell("In all: " + ", ".join(f"{name} {amount}" for name, amount in told.items()) + ".")


def _residual(each: "Reconciled") -> dict[str, Any]:
    from db.usage.exact import usd

    return {
        "requests": each.requests,
        "compared_requests": each.compared,
        "unpriced_requests": each.unpriced,
        "unlogged_requests": each.unlogged,
        **{f"{name}_usd": usd(nano) if each.requests else None for name, nano in _amounts(each).items()},
    }


def _amounts(each: "Reconciled") -> dict[str, int]:
    names = ("logged", "ours", "residual", "tier", "tokens", "price", "missing")
    return {name: getattr(each, name) for name in names}


def _told(each: "Reconciled") -> dict[str, str]:
    return {name: dollars(nano) for name, nano in _amounts(each).items()}


def _put(
    whole: Mapping[str, Any],
    parts: Sequence[Mapping[str, Any]],
    shown: Sequence[Mapping[str, Any]],
    format_: output.Format | None,
    columns: Mapping[str, str],
    empty: str = "No usage is on record there. `ratecard usage import FILE` reads a log.",
) -> None:
    """JSON is one object with its parts; CSV and a table are the parts."""
    match output.chosen(format_):
        case output.Format.json:
            output.put(output.json_text({**whole, "parts": parts}))
            if not parts:
                output.tell(empty)
        case output.Format.csv:
            output.rows(parts, format_, columns, empty)
        case output.Format.table:
            output.rows(shown, format_, columns, empty)
