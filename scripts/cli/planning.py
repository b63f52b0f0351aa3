"""The verbs that hold spend against a limit: budget set, budget list, budget remove, project."""

from collections.abc import Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from db.errors import UsageError
from scripts.cli import output
from scripts.cli.database import read_only, writable
from scripts.cli.spending import dollars

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from db.plans.facts import Budget
    from db.plans.forecast import Range
    from db.plans.projection import Answer

SCOPES: Final = "all, project=NAME, model=NAME, provider=NAME, key=NAME or tag:TAG=VALUE"
BOUNDS: Final = ("median", "low50", "high50", "low80", "high80", "low95", "high95")

budget = typer.Typer(
    name="budget",
    help="Limits on what a month, a quarter or a span of days may cost.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)

Name = Annotated[str, typer.Argument(help="The budget's name.", show_default=False)]


@budget.command("set")
def set_(
    name: Name,
    limit: Annotated[str, typer.Option(help="In USD, such as 500 or 99.90.", show_default=False)],
    period: Annotated[str, typer.Option(help="month, quarter, or custom with --from and --to.")] = "month",
    timezone: Annotated[str, typer.Option(help="Where a day begins at midnight, such as Europe/Berlin.")] = "UTC",
    scope: Annotated[str, typer.Option(help=f"Whose usage: {SCOPES}.")] = "all",
    warn: Annotated[
        list[str] | None,
        typer.Option(
            help="Warn at this share of the limit; may be repeated. Default: 0.5, 0.8, 1.", show_default=False
        ),
    ] = None,
    since: Annotated[
        str | None, typer.Option("--from", help="First day of a custom period.", show_default=False)
    ] = None,
    until: Annotated[
        str | None, typer.Option("--to", help="The day after the last of a custom period.", show_default=False)
    ] = None,
) -> None:
    """Set a budget; one of the same name is replaced. Usage is summed by the UTC hour, and an hour belongs to the
    period in which it begins.

    Example: ratecard budget set team --limit 500 --timezone Europe/Berlin --scope project=search --warn 0.8
    Example: ratecard budget set launch --limit 2000 --period custom --from 2026-01-15 --to 2026-03-01
    """
    from db.engine import writing
    from db.plans import facts, periods, store

    start, end = _days(period, since, until, timezone)
    shares = {facts.parse_share(text, "--warn", None) for text in warn} if warn else set(facts.WARN_AT)
    if Decimal(0) in shares:
        raise UsageError("--warn is a share above 0: at 0 it would always warn.")
    made = facts.Budget(
        name,
        facts.parse_usd(limit, "--limit"),
        periods.Kind(period),
        timezone,
        facts.parse_scope(scope),
        tuple(sorted(shares)),
        start,
        end,
    )
    with writable() as engine, writing(engine) as connection:
        store.set_budget(connection, made, datetime.now(UTC))
    output.tell(
        f"{name}: {output.money(made.limit_usd)} USD a {period} for {made.scope}.".replace("a custom", "in all")
    )


def _days(period: str, since: str | None, until: str | None, timezone: str) -> tuple[date | None, date | None]:
    """The days of a custom period. Raises UsageError where kind, days or zone are none, or do not fit each other."""
    from db.plans import periods

    if period not in list(periods.Kind):
        raise UsageError(f"--period is month, quarter or custom, not {period!r}.")
    start, end = _day(since, "--from"), _day(until, "--to")
    if (period == "custom") != (start is not None) or (period == "custom") != (end is not None):
        raise UsageError("A custom period needs --from and --to, and no other period has them.")
    if start is not None and end is not None:
        periods.span(start, end, timezone)
    periods.zone_of(timezone)
    return start, end


def _day(text: str | None, option: str) -> date | None:
    try:
        return date.fromisoformat(text) if text is not None else None
    except ValueError as error:
        raise UsageError(f"{option} is no day: {text!r}. Write it like 2026-01-15.") from error


@budget.command("list")
def list_(format_: output.FormatOption = None) -> None:
    """Every budget with what is spent in its present period, and what it is projected to come to. Exit 1 if one is
    crossed.

    Example: ratecard budget list
    """
    from db.plans import projection, read

    with read_only() as connection:
        as_of = read.usage_until(connection, datetime.now(UTC))
        found = projection.of_budgets(connection, as_of)
        tell_of_sample(connection)
    rows = [_budget(each.question.budget) | _standing(each) for each in found if each.question.budget is not None]
    if output.chosen(format_) is output.Format.table:
        rows = [row | _shown(each) for row, each in zip(rows, found, strict=True)]
    columns = {
        "name": "Budget",
        "scope": "Scope",
        "period_key": "Period",
        "limit": "Limit",
        "spent": "Spent",
        "used": "Share",
        "projected": "Projected",
        "crossing_day": "Crossed on",
        "unpriced_requests": "Unpriced requests",
    }
    output.rows(rows, format_, columns, "There is no budget yet. `ratecard budget set NAME --limit USD` makes one.")
    if any(each.is_over for each in found):
        raise typer.Exit(1)


@budget.command()
def remove(name: Name) -> None:
    """Take a budget away. The usage stays.

    Example: ratecard budget remove team
    """
    from db.engine import writing
    from db.plans import store

    with writable() as engine, writing(engine) as connection:
        store.remove_budget(connection, name)
    output.tell(f"The budget {name} is gone.")


def project(
    month: Annotated[str | None, typer.Option(help="Such as 2026-01. Default: this one.", show_default=False)] = None,
    as_of: Annotated[
        str | None,
        typer.Option(
            help="As if it were this time (its whole hour), from the usage up to it. Default: the last whole hour, or "
            "the end of the last logged one if that is less than 7 days ago.",
            show_default=False,
        ),
    ] = None,
    by: Annotated[
        str | None,
        typer.Option(help="One row for each: project, model, provider, key or tag:NAME.", show_default=False),
    ] = None,
    budget: Annotated[
        str | None, typer.Option(help="This budget, in its own period and scope.", show_default=False)
    ] = None,
    format_: output.FormatOption = None,
) -> None:
    """What a month will have cost: spent so far, exact; the total as a median with 50, 80 and 95 % intervals, rounded
    to 1e-9 USD. Exit 1 if the median is above the budget.

    A row is held against the monthly budget of its scope, and its days are days of that budget's time zone.
    backtest_error is the median error of this very method on this series, in percent; a bound is null where history
    is too short. Unpriced requests are counted beside, never as $0.

    Example: ratecard project
    Example: ratecard project --month 2026-01 --as-of 2026-01-12T00:00:00Z --by project
    """
    from db.plans import facts, projection, read

    if by is not None and budget is not None:
        raise UsageError("--budget has a scope of its own: leave out --by.")
    with read_only() as connection:
        at = output.moment(as_of, "--as-of") or read.usage_until(connection, datetime.now(UTC))
        if budget is not None:
            asked = [projection.of_budget(read.budget(connection, budget), at, month)]
        else:
            asked = projection.of_month(connection, month, at, facts.parse_key(by) if by is not None else None)
        found = projection.answers(connection, asked, at)
        tell_of_sample(connection)
    _tell_projection(found, format_)
    if any(each.is_over or each.will_be_over for each in found):
        raise typer.Exit(1)


def _tell_projection(found: "Sequence[Answer]", format_: output.Format | None) -> None:
    rows = [_standing(each) for each in found]
    if output.chosen(format_) is output.Format.table:
        rows = [row | _shown(each) for row, each in zip(rows, found, strict=True)]
    columns = {
        "scope": "Scope",
        "month": "Month",
        "spent": "Spent",
        "projected": "Projected",
        "range": "80 % interval",
        "limit": "Budget",
        "crossing_day": "Crossed on",
        "chance": "Crossed with",
        "error": "Backtest error",
        "unpriced_requests": "Unpriced requests",
    }
    output.rows(rows, format_, columns, "No usage is on record. `ratecard usage import FILE` reads a log.")
    if output.chosen(format_) is output.Format.table:
        for told in (*(each.note for each in found), *(step.text for each in found for step in each.steps)):
            if told:
                output.tell(told)


def tell_of_sample(connection: "Connection") -> None:
    """Say so where synthetic usage is in the figures."""
    from db.usage.read import names

    if names(connection).samples:
        output.tell("Sample: synthetic usage is in these figures; `ratecard sample --remove` takes it out.")


def _budget(each: "Budget") -> dict[str, Any]:
    return {
        "name": each.name,
        "limit_usd": each.limit_usd,
        "period": str(each.kind),
        "from": each.start.isoformat() if each.start is not None else None,
        "to": each.end.isoformat() if each.end is not None else None,
        "warn_at": each.warn_at,
    }


def _standing(each: "Answer") -> dict[str, Any]:
    """One answer in the words of the contract, and more beside."""
    from db.plans.projection import METHOD
    from db.usage.exact import usd

    told, question = each.projection, each.question
    crossing = told.crossing if told is not None else None
    backtest = told.backtest if told is not None else None
    return {
        "scope": str(question.scope),
        "month": question.period.key,
        "timezone": question.period.timezone,
        "as_of": each.as_of,
        "spent_usd": usd(each.spent) if each.spent is not None else None,
        "projected_usd": range_usd(told.total) if told is not None else dict.fromkeys(BOUNDS),
        "budget": question.budget.name if question.budget is not None else None,
        "budget_usd": question.budget.limit_usd if question.budget is not None else None,
        "spent_share": each.share if each.share is not None and each.share.is_finite() else None,
        "crossing_day": crossing.day.isoformat() if crossing is not None and crossing.day is not None else None,
        "crossing_probability": round(crossing.probability, 4) if crossing is not None else None,
        "backtest_error": round(backtest.median_error_percent, 2) if backtest is not None else None,
        "backtest_windows": backtest.windows if backtest is not None else None,
        "requests": each.requests,
        "unpriced_requests": each.unpriced_requests,
        "method": METHOD,
        "history_days": told.history if told is not None else None,
        "steps": [{"day": step.day.isoformat(), "factor": step.factor, "text": step.text} for step in each.steps],
        "note": each.note,
    }


def range_usd(total: "Range") -> dict[str, Decimal | None]:
    """A range in USD."""
    from db.usage.exact import usd

    return {name: None if (nano := getattr(total, name)) is None else usd(nano) for name in BOUNDS}


def _shown(each: "Answer") -> dict[str, Any]:
    told = each.projection
    crossing = told.crossing if told is not None else None
    budget = each.question.budget
    return {
        "period_key": each.question.period.key,
        "limit": f"${output.money(budget.limit_usd)}" if budget is not None else None,
        "spent": dollars(each.spent) if each.spent is not None else None,
        "used": f"{each.share:.0%}" if each.share is not None and each.share.is_finite() else None,
        "projected": dollars(told.total.median) if told is not None else None,
        "range": f"{dollars(told.total.low80)} to {dollars(told.total.high80)}" if told is not None else None,
        "chance": f"{crossing.probability:.0%}" if crossing is not None else None,
        "error": f"{told.backtest.median_error_percent:.0f} %" if told is not None and told.backtest else None,
    }
