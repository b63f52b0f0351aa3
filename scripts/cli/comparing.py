"""The verb that compares endpoints."""

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Any

import typer

from db.errors import UsageError
from scripts.cli import output
from scripts.cli.database import read_only
from scripts.cli.prices import KnownAt, Model, named

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from db.quality.facts import Compared, Measure, Mix, Switch

_COLUMNS = {
    "provider": "Provider",
    "variant": "Variant",
    "quantization": "Quantization",
    "source": "Source",
    "price": "",  # headed by the mix
    "change": "Switch",
    "ttft": "First token",
    "speed": "Speed",
    "uptime": "Uptime",
    "context": "Context (tokens)",
    "dominated_by": "Dominated by",
}


def compare(
    model: Model,
    mix: Annotated[str, typer.Option(help="Prompt to completion tokens of your requests; mine: as imported.")] = "3:1",
    cached: Annotated[
        float | None,
        typer.Option(
            help="Share of the prompt that is read from cache. Default: none.", min=0, max=1, show_default=False
        ),
    ] = None,
    prompt_tokens: Annotated[
        int | None,
        typer.Option(help="Length of the prompt; chooses the price tier. Default: 0.", min=0, show_default=False),
    ] = None,
    at: Annotated[str | None, typer.Option(help="As of this time. Default: now.", show_default=False)] = None,
    known_at: KnownAt = None,
    switch_from: Annotated[
        str | None,
        typer.Option(
            "--from", help="Endpoint or provider that you use now. Default: the lister's own price.", show_default=False
        ),
    ] = None,
    format_: output.FormatOption = None,
) -> None:
    """Endpoints of MODEL side by side, for your token mix; what a switch would change; who is dominated by whom.

    Example: ratecard compare nousresearch/hermes-4-405b --mix 3:1
    Example: ratecard compare nousresearch/hermes-4-405b --mix mine
    """
    from db.quality.compare import switch
    from db.quality.read import baseline, chosen, compared

    when, known = output.moment(at, "--at"), output.moment(known_at, "--known-at")
    with read_only() as connection:
        wanted = _mix(connection, model, mix, cached, prompt_tokens)
        rows = compared(connection, model, wanted, when, known)
    base = chosen(rows, switch_from) if switch_from else baseline(rows)
    found = [
        _row(row)
        | {
            "mix": str(wanted),
            "switch": _switch(switch(base, row)) | _break_even(base, row, wanted, when) if base is not None else None,
        }
        for row in rows
    ]
    if output.chosen(format_) is output.Format.table:
        found = [row | _shown(row) for row in found]
    columns = _COLUMNS | {"price": f"$/1M at {wanted}"}
    output.rows(found, format_, columns, f"No endpoint serves {model} at that time.")
    if found and base is not None and output.chosen(format_) is output.Format.table:
        output.tell(f"Switch: the change in price from {base.endpoint.provider} ({base.endpoint.name}).")


def _mix(connection: "Connection", model: str, mix: str, cached: float | None, prompt_tokens: int | None) -> "Mix":
    """The mix that the options mean. Raises UsageError."""
    from db.quality.compare import parse_mix

    if mix != "mine":
        return replace(parse_mix(mix), cached=Decimal(str(cached or 0)), prompt_tokens=prompt_tokens or 0)
    if cached is not None or prompt_tokens is not None:
        raise UsageError("--mix mine takes --cached and --prompt-tokens from your usage: leave them out.")
    return _own_mix(connection, model)


def _own_mix(connection: "Connection", model: str) -> "Mix":
    """The mix of the imported usage of a model; says of which time it is. Raises UsageError without any."""
    from db.quality.facts import Mix
    from db.usage.report import own_mix

    found = own_mix(connection, model)
    if found is None:
        raise UsageError(
            f"--mix mine needs your usage of {model}, and none is imported: `ratecard usage import FILE` reads a log. "
            "Or write a mix such as 3:1."
        )
    mine, since, until = found
    days = f"{since.date().isoformat()} to {until.date().isoformat()}"
    output.tell(f"Your mix: {mine.requests:,} requests to {model} in the 30 days to its last use ({days}).")
    return Mix(mine.prompt, mine.completion, mine.cached, mine.prompt_tokens)


def _row(row: "Compared") -> dict[str, Any]:
    return {
        **named(row.endpoint),
        "effective_usd_per_mtok": row.effective.usd_per_mtok if row.effective else None,
        "assumed": list(row.effective.assumed) if row.effective else [],
        "ttft_ms": row.ttft_ms.value if row.ttft_ms else None,
        "tokens_per_s": row.tokens_per_s.value if row.tokens_per_s else None,
        "uptime_percent": row.uptime_percent.value if row.uptime_percent else None,
        "context": row.context,
        "parameters": list(row.parameters) if row.parameters is not None else None,
        "lost_parameters": list(row.lost_parameters) if row.lost_parameters is not None else None,
        "dominated_by": row.dominated_by,
        "status": row.status,
        "priced_since": row.priced_since,
        "measures": {
            "ttft_ms": _measure(row.ttft_ms),
            "tokens_per_s": _measure(row.tokens_per_s),
            "uptime_percent": _measure(row.uptime_percent),
        },
    }


def _measure(measure: "Measure | None") -> dict[str, Any] | None:
    if measure is None:
        return None
    return {
        "value": measure.value,
        "origin": str(measure.origin),
        "window": measure.window,
        "n": measure.n,
        "newest": measure.newest,
    }


def _switch(switch: "Switch") -> dict[str, Any]:
    percent = switch.change_percent
    return {
        "from": switch.before.endpoint.name,
        "change_percent": float(round(percent, 4)) if percent is not None else None,
        "saving_usd_per_mtok": switch.saving_usd_per_mtok,
        "ttft_ms": switch.ttft_ms,
        "uptime_points": switch.uptime_points,
        "lost_parameters": list(switch.lost_parameters) if switch.lost_parameters is not None else None,
        "context": switch.context,
        "quantization": {"from": switch.quantization[0], "to": switch.quantization[1]},
    }


def _break_even(base: "Compared", row: "Compared", mix: "Mix", at: datetime | None) -> dict[str, Any]:
    from db.quality.caching import break_even

    share = break_even(base.rates, row.rates, mix, at or datetime.now(UTC)) if row is not base else None
    return {"break_even_cached": round(Decimal(share.numerator) / share.denominator, 6) if share is not None else None}


def _shown(row: dict[str, Any]) -> dict[str, Any]:
    usd, percent = row["effective_usd_per_mtok"], (row["switch"] or {}).get("change_percent")
    return {
        "price": f"${output.money(round(usd, 6))}" if usd is not None else "unknown",
        "change": f"{percent:+.0f}%" if percent is not None else "unknown",
        "ttft": _said(row["measures"]["ttft_ms"], "{:,.0f} ms"),
        "speed": _said(row["measures"]["tokens_per_s"], "{:,.0f} tokens/s"),
        "uptime": _said(row["measures"]["uptime_percent"], "{:.2f}%"),
    }


def _said(measure: dict[str, Any] | None, shape: str) -> str:
    if measure is None:
        return "no data"
    n = f", n={measure['n']:,}" if measure["n"] is not None else ""
    return f"{shape.format(measure['value'])} ({measure['origin']}, {measure['window']}{n})"
