"""The verbs that read prices: price, history, changes."""

from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from db.meters import label, order, unit
from scripts.cli import output
from scripts.cli.database import read_only

if TYPE_CHECKING:
    from db.catalog.facts import Endpoint
    from db.prices.facts import Price, Rate, Step

Model = Annotated[str, typer.Argument(help="A model's id, such as nousresearch/hermes-4-405b.", show_default=False)]
Provider = Annotated[str | None, typer.Option(help="Only this provider, such as nebius.", show_default=False)]
From = Annotated[str | None, typer.Option("--from", help="From this time on (inclusive).", show_default=False)]
To = Annotated[str | None, typer.Option("--to", help="Before this time (exclusive).", show_default=False)]
KnownAt = Annotated[
    str | None, typer.Option("--known-at", help="As Ratecard knew it at this time.", show_default=False)
]


def price(
    model: Model,
    provider: Provider = None,
    at: Annotated[str | None, typer.Option(help="In force at this time. Default: now.", show_default=False)] = None,
    known_at: KnownAt = None,
    format_: output.FormatOption = None,
) -> None:
    """Prices in force, of every endpoint that serves MODEL.

    Example: ratecard price nousresearch/hermes-4-405b --at 2026-01-06T18:00:00Z
    """
    from db.catalog import read as catalog
    from db.prices import read
    from db.prices.cards import require_model

    when, known = output.moment(at, "--at"), output.moment(known_at, "--known-at")
    with read_only() as connection:
        require_model(connection, model)
        prices = read.in_force_at(connection, model, provider, when, known)
        said = {each.endpoint.id: each.detail for each in catalog.listings(connection, model, when, known)}
    found = []
    for each in prices:
        detail = said.get(each.endpoint.id)
        found.append(
            named(each.endpoint)
            | {
                "valid_from": each.valid_from,
                "valid_to": each.valid_to,
                "recorded_at": each.recorded_at,
                "suspect": each.suspect,
                "context": detail.context_length if detail else None,
                "rates": [_rate(rate) for rate in by_meter(each.rates)],
            }
        )
    nothing = f"No price of {model} was in force then. `ratecard history {model}` shows when there was one."
    if output.chosen(format_) is output.Format.json:
        output.rows(found, format_, {}, nothing)
        return
    flat = [{**{k: v for k, v in row.items() if k != "rates"}, **_flat(rate)} for row in found for rate in row["rates"]]
    columns = {
        "provider": "Provider",
        "variant": "Variant",
        "quantization": "Quantization",
        "source": "Source",
        "meter": "Meter",
        "price": "Price",
        "condition": "Condition",
        "valid_from": "Since (UTC)",
        "context": "Context (tokens)",
    }
    output.rows(flat, format_, columns, nothing)


def by_meter(rates: "Iterable[Rate]") -> "list[Rate]":
    """Rates in the order of display; of one meter, in the quote's own order."""
    return sorted(rates, key=lambda rate: order(rate.meter))


def named(endpoint: "Endpoint") -> dict[str, Any]:
    """What every row says of its endpoint."""
    return {
        "model": endpoint.model,
        "provider": endpoint.provider,
        "endpoint": endpoint.name,
        "source": endpoint.source,
        "provider_name": endpoint.provider_name,
        "variant": endpoint.variant,
        "quantization": endpoint.quantization,
    }


def _rate(rate: "Rate") -> dict[str, Any]:
    return {
        "meter": rate.meter,
        "unit": unit(rate.meter),
        "usd": rate.usd,
        "dynamic": rate.usd is None,
        "min_prompt_tokens": rate.min_prompt_tokens,
        "utc_start": rate.utc_start,
        "utc_end": rate.utc_end,
    }


def _flat(rate: dict[str, Any]) -> dict[str, Any]:
    return {
        **rate,
        "price": output.per_million(rate["usd"], rate["meter"]),
        "condition": condition(rate["min_prompt_tokens"], rate["utc_start"], rate["utc_end"]),
    }


def condition(min_prompt_tokens: int, utc_start: int | None, utc_end: int | None) -> str | None:
    """`above 128,000 prompt tokens`, `10:00–01:00 UTC`, or both."""
    said = []
    if min_prompt_tokens:
        said.append(f"above {min_prompt_tokens:,} prompt tokens")
    if utc_start is not None and utc_end is not None:
        said.append(f"{utc_start // 100:02}:{utc_start % 100:02}–{utc_end // 100:02}:{utc_end % 100:02} UTC")
    return ", ".join(said) or None


def history(
    model: Model,
    provider: Provider = None,
    meter: Annotated[
        str | None, typer.Option(help="Only this meter, such as prompt or completion.", show_default=False)
    ] = None,
    since: From = None,
    until: To = None,
    known_at: KnownAt = None,
    format_: output.FormatOption = None,
) -> None:
    """Every rate of MODEL over time, oldest first; valid_to is empty where it still holds.

    Example: ratecard history nousresearch/hermes-4-405b --meter prompt --format json
    """
    from db.prices import read
    from db.prices.cards import require_model
    from db.prices.changes import steps

    start, end = output.moment(since, "--from"), output.moment(until, "--to")
    with read_only() as connection:
        require_model(connection, model)
        known = output.moment(known_at, "--known-at")
        # A rate may have begun before the window and go on after it: what is cut is the list, not its intervals.
        prices = read.history(connection, model, provider, known_at=known)
    found = [
        {
            **named(step.endpoint),
            "meter": step.rate.meter,
            "unit": unit(step.rate.meter),
            "usd": step.rate.usd,
            "dynamic": step.rate.usd is None,
            "min_prompt_tokens": step.rate.min_prompt_tokens,
            "utc_start": step.rate.utc_start,
            "utc_end": step.rate.utc_end,
            "valid_from": step.valid_from,
            "valid_to": step.valid_to,
            "suspect": step.suspect,
        }
        for step in steps(prices)
        if meter in (None, step.rate.meter) and _meets(step, start, end)
    ]
    if output.chosen(format_) is output.Format.table:
        found = [row | _flat(row) for row in found]
    columns = {
        "valid_from": "From (UTC)",
        "valid_to": "To (UTC)",
        "provider": "Provider",
        "source": "Source",
        "meter": "Meter",
        "price": "Price",
        "condition": "Condition",
    }
    output.rows(
        found, format_, columns, "No price of that kind is on record. Leave --meter or --provider out to see all."
    )


def _meets(step: "Step", start: datetime | None, end: datetime | None) -> bool:
    begins_in_time = end is None or step.valid_from < end
    return begins_in_time and (start is None or step.valid_to is None or step.valid_to > start)


def changes(
    since: From = None,
    until: To = None,
    model: Annotated[str | None, typer.Option(help="Only this model.", show_default=False)] = None,
    format_: output.FormatOption = None,
) -> None:
    """The price-change feed, oldest first. old_usd or new_usd is empty where the meter was not quoted, or is dynamic.

    Example: ratecard changes --from 2026-08-01 --to 2026-09-01
    """
    from db.prices import changes as rules
    from db.prices import read
    from db.prices.cards import require_model

    start, end = output.moment(since, "--from"), output.moment(until, "--to")
    with read_only() as connection:
        if model is not None:
            require_model(connection, model)
        prices: list[Price] = read.around_changes(connection, start, end, model)
    found = [
        {
            "at": change.at,
            **named(change.endpoint),
            "meter": change.meter,
            "old_usd": change.old,
            "new_usd": change.new,
            "change_percent": float(round(change.percent, 4)) if change.percent is not None else None,
            "min_prompt_tokens": change.min_prompt_tokens,
            "utc_start": change.utc_start,
            "utc_end": change.utc_end,
            "suspect": change.suspect,
        }
        for change in rules.changes(prices, start, end)
    ]
    if output.chosen(format_) is output.Format.table:
        found = [row | _moved(row) for row in found]
    columns = {
        "at": "At (UTC)",
        "model": "Model",
        "provider": "Provider",
        "what": "Meter",
        "old": "Was",
        "new": "Is",
        "percent": "Change",
        "note": "",
    }
    output.rows(found, format_, columns, "No price changed in that time.")


def _moved(row: dict[str, Any]) -> dict[str, Any]:
    percent = row["change_percent"]
    said = condition(row["min_prompt_tokens"], row["utc_start"], row["utc_end"])
    return {
        "what": label(row["meter"]) + (f" ({said})" if said else ""),
        "old": output.per_million(row["old_usd"], row["meter"]) if row["old_usd"] is not None else "not quoted",
        "new": output.per_million(row["new_usd"], row["meter"]) if row["new_usd"] is not None else "not quoted",
        "percent": f"{percent:+.1f}%" if percent is not None else "–",
        "note": "suspect" if row["suspect"] else "",
    }
