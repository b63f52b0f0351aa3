"""The verbs that say why a bill moved: impact, bridge."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from db.errors import UsageError
from scripts.cli import output
from scripts.cli.database import read_only
from scripts.cli.planning import tell_of_sample
from scripts.cli.prices import From, To
from scripts.cli.spending import dollars

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from db.plans.bridge import Bridge
    from db.plans.bridging import Account, Bridged
    from db.plans.impact import Impact
    from db.prices.facts import Change


def impact(
    since: From = None,
    until: To = None,
    model: Annotated[str | None, typer.Option(help="Only this model.", show_default=False)] = None,
    format_: output.FormatOption = None,
) -> None:
    """What each price change does to your bill of a month, the newest first: the usage of 30 days at the price after,
    less at the price before. Only endpoints at whose prices your usage was costed.

    The 30 days end with your last usage where the new price still holds, else on the day of the change. monthly_usd is
    null where no request has a price on both sides.

    Example: ratecard impact --from 2026-08-01
    """
    from db.plans import impacts

    start, end = output.moment(since, "--from"), output.moment(until, "--to")
    with read_only() as connection:
        found = impacts.impacts(connection, start, end, datetime.now(UTC), model)
        tell_of_sample(connection)
    rows = [_impact(each) for each in found]
    if output.chosen(format_) is output.Format.table:
        rows = [row | _impact_shown(each) for row, each in zip(rows, found, strict=True)]
    columns = {
        "at": "At (UTC)",
        "model": "Model",
        "provider": "Provider",
        "monthly": "A month",
        "before": "Before",
        "after": "After",
        "requests": "Requests",
        "most": "Projects",
        "source": "Source",
    }
    output.rows(rows, format_, columns, "No price that your usage is costed at changed then.")


def _impact(each: "Impact") -> dict[str, Any]:
    from db.usage.exact import usd

    known = each.monthly is not None
    return {
        "at": each.at,
        "model": each.endpoint.model,
        "provider": each.endpoint.provider,
        "endpoint": each.endpoint.name,
        "source": each.endpoint.source,
        "monthly_usd": usd(each.monthly) if each.monthly is not None else None,
        "before_usd": usd(each.before) if known else None,
        "after_usd": usd(each.after) if known else None,
        "requests": each.requests,
        "unpriced_requests": each.unpriced_requests,
        "from": each.first.isoformat(),
        "to": each.last.isoformat(),
        "projects": [{"project": project or None, "monthly_usd": usd(nano)} for project, nano in each.projects],
        "changes": [_change(change) for change in each.changes],
    }


def _change(change: "Change") -> dict[str, Any]:
    return {
        "meter": change.meter,
        "old_usd": change.old,
        "new_usd": change.new,
        "change_percent": round(change.percent, 2) if change.percent is not None else None,
        "min_prompt_tokens": change.min_prompt_tokens,
        "utc_start": change.utc_start,
        "utc_end": change.utc_end,
    }


def _impact_shown(each: "Impact") -> dict[str, Any]:
    most = ", ".join(f"{project or '–'} {_signed(nano)}" for project, nano in each.projects[:2])
    if each.monthly is None:
        return {"monthly": "unknown", "most": None}
    moved = {"monthly": _signed(each.monthly), "most": most}
    return moved | {"before": dollars(each.before), "after": dollars(each.after)}


def _signed(nano: int) -> str:
    return f"{'+' if nano >= 0 else '-'}{dollars(abs(nano))}"


def bridge(
    a: Annotated[str, typer.Argument(help="A month (2026-01) or days (2026-01-05..2026-02-01).", show_default=False)],
    b: Annotated[
        str, typer.Argument(help="The same, or projected: this month as it is projected.", show_default=False)
    ],
    by_part: Annotated[bool, typer.Option("--by-part", help="As a table or CSV: each part of each model.")] = False,
    timezone: Annotated[str, typer.Option(help="Where a day begins at midnight.")] = "UTC",
    format_: output.FormatOption = None,
) -> None:
    """Why B's bill differs from A's, in parts that sum to the difference exactly. One after the other, what A had is
    replaced by what B had:

    volume (requests), unpriced (the share that has no price), model_mix, routing (provider and variant of a model),
    request_size (tokens of a request), token_mix (input to output), cache (share of the input), tiers (prompt length
    and time of day), and price: B's quantities at B's cost, less at A's effective rates.

    Example: ratecard bridge 2026-07 2026-08
    Example: ratecard bridge 2026-07 projected --by-part
    """
    with read_only() as connection:
        found = _bridged(connection, a, b, timezone)
        tell_of_sample(connection)
    told = _told(found)
    match output.chosen(format_):
        case output.Format.json:
            output.put(output.json_text(told))
        case output.Format.csv:
            rows = _parts(found) if by_part else [{"part": p, "usd": usd_} for p, usd_ in told["parts"].items()]
            output.rows(rows, format_, {"part": "Part", "usd": "USD"}, "")
        case output.Format.table:
            _draw(found, by_part=by_part)


def _bridged(connection: "Connection", a: str, b: str, timezone: str) -> "Bridged":
    from db.plans import bridging, periods, read

    if a == bridging.PROJECTED:
        raise UsageError("A bridge goes to a projection, not from one: write the month first, `projected` second.")
    first = bridging.account(connection, periods.parse(a, timezone))
    if b != bridging.PROJECTED:
        return bridging.bridged(first, bridging.account(connection, periods.parse(b, timezone)))
    as_of = read.usage_until(connection, datetime.now(UTC))
    return bridging.bridged(first, bridging.projected(connection, as_of, timezone))


def _told(found: "Bridged") -> dict[str, Any]:
    return {
        "a": _account(found.a, found.whole.before),
        "b": _account(found.b, found.whole.after),
        **_bridge(found.whole),
        "models": [{"model": name or None, **_bridge(each)} for name, each in found.models.items()],
        "projects": [{"project": name or None, **_bridge(each)} for name, each in found.projects.items()],
    }


def _account(each: "Account", nano: int) -> dict[str, Any]:
    from db.usage.exact import usd

    return {
        "period": each.period.key,
        "timezone": each.period.timezone,
        "projected": each.projected,
        "usd": usd(nano) if each.requests > each.unpriced_requests or not each.requests else None,
        "requests": each.requests,
        "unpriced_requests": each.unpriced_requests,
    }


def _bridge(each: "Bridge") -> dict[str, Any]:
    from db.usage.exact import usd

    parts = {name: usd(nano) for name, nano in each.parts.items()}
    return {
        "before_usd": usd(each.before),
        "after_usd": usd(each.after),
        "difference_usd": usd(each.difference),
        "parts": parts,
    }


def _parts(found: "Bridged") -> list[dict[str, Any]]:
    from db.usage.exact import usd

    return [
        {"model": name or None, "part": part, "usd": usd(nano)}
        for name, each in found.models.items()
        for part, nano in each.parts.items()
    ]


def _draw(found: "Bridged", *, by_part: bool) -> None:
    columns = {
        "of": "Model" if by_part else "",
        "before": "A",
        **{p: _heading(p) for p in found.whole.parts},
        "after": "B",
    }
    rows = [_line("All", found.whole)]
    if by_part:
        rows += [_line(name or "–", each) for name, each in found.models.items() if each.before or each.after]
    output.table(rows, columns)
    for side in (found.a, found.b):
        if side.unpriced_requests:
            output.tell(
                f"{side.unpriced_requests:,} of {side.requests:,} requests in {side.period.key} are unpriced; their "
                "cost is not in these amounts."
            )


def _heading(part: str) -> str:
    return part.replace("_", " ").capitalize()


def _line(name: str, each: "Bridge") -> Mapping[str, Any]:
    parts = {part: _signed(nano) for part, nano in each.parts.items()}
    return {"of": name, "before": dollars(each.before), **parts, "after": dollars(each.after)}
