"""The verbs of alerts: alerts list, alerts check, alerts test."""

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from db.errors import RatecardError, UsageError
from scripts.cli import output
from scripts.cli.database import read_only, writable
from scripts.cli.logs import configure

if TYPE_CHECKING:
    from collector.jobs.alert import Sent
    from collector.settings import Alerting
    from db.plans.alert_read import Delivery, Told

RECENT: Final = timedelta(days=7)
MOST_LISTED: Final = 1000

alerts = typer.Typer(
    name="alerts",
    help="What is worth telling somebody: prices that move, sources and endpoints that fail, budgets that are crossed.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)

COLUMNS: Final = {
    "raised_at": "Raised (UTC)",
    "kind": "Kind",
    "state": "State",
    "title": "Alert",
    "over_at": "Over (UTC)",
    "delivered": "Delivery",
}


@alerts.command("list")
def list_(
    all_: Annotated[bool, typer.Option("--all", help="Those that are long over too.")] = False,
    format_: output.FormatOption = None,
) -> None:
    """Alerts that are open or were raised in the last 7 days, newest first, and what became of their delivery.

    Example: ratecard alerts list --all
    """
    from db.plans import alert_read

    since = None if all_ else datetime.now(UTC) - RECENT
    with read_only() as connection:
        found = [_told(each) for each in alert_read.alerts(connection, since, MOST_LISTED)]
    if output.chosen(format_) is output.Format.table:
        found = [row | {"delivered": _delivered(row["deliveries"])} for row in found]
    output.rows(found, format_, COLUMNS, "There are no alerts." if all_ else "No alert is open or recent.")


def _told(each: "Told") -> dict[str, Any]:
    alert = each.alert
    return {
        "key": alert.key,
        "kind": str(alert.kind),
        "subject": alert.subject,
        "state": "open" if alert.is_open else "over" if alert.lasting else "told",
        "urgent": alert.urgent,
        "raised_at": alert.raised_at,
        "over_at": alert.over_at,
        "title": alert.title,
        "text": alert.text,
        "recovers": alert.recovers,
        "deliveries": [_delivery(delivery) for delivery in each.deliveries],
    }


def _delivery(each: "Delivery") -> dict[str, Any]:
    return {
        "channel": each.channel,
        "state": each.state,
        "attempts": each.attempts,
        "sent_at": each.sent_at,
        "next_at": each.next_at,
        "error": each.error,
    }


def _delivered(deliveries: list[dict[str, Any]]) -> str:
    return "; ".join(
        f"{each['channel']}: {each['state']}" + (f" ({each['error']})" if each["error"] else "") for each in deliveries
    )


@alerts.command()
def check(format_: output.FormatOption = None) -> None:
    """Look now, once, and send what is due; prints what was raised. Exit code 1 if a message could not be sent.

    Example: ratecard alerts check
    """
    from collector.jobs import alert as job
    from collector.schedule import chosen
    from collector.settings import Collecting
    from db.settings import load

    configure(quiet=True)
    settings = load(Collecting)
    scope = job.Scope({source.name: source.every for source in chosen(settings)})
    with writable() as engine:
        raised, sent = job.run(engine, settings.alerts, scope)
    found = [
        {"key": each.key, "kind": str(each.kind), "raised_at": each.raised_at, "title": each.title, "text": each.text}
        for each in raised
    ]
    columns = {"raised_at": "Raised (UTC)", "kind": "Kind", "title": "Alert"}
    output.rows(found, format_, columns, "Nothing new.")
    if not settings.alerts.channels and raised:
        output.tell("No alert channel is set up, so nobody was told. `ratecard alerts test` says how.")
    unusable = [why for name in settings.alerts.channels if (why := _unusable(name, settings.alerts)) is not None]
    for why in unusable:
        output.tell(why)
    if _report(sent) or unusable:
        raise typer.Exit(1)


def _report(sent: "list[Sent]") -> bool:
    """Say what was sent; whether anything failed."""
    for each in sent:
        what = f"{len(each.message.alerts)} alerts" if len(each.message.alerts) > 1 else each.message.alerts[0].title
        if each.error is None:
            output.tell(f"Sent to {each.message.channel}: {what}.")
        else:
            again = "it is given up" if each.given_up else "it will be tried again"
            output.tell(f"The channel {each.message.channel} {each.error}; {again}: {what}.")
    return any(each.error for each in sent)


def _unusable(name: str, alerting: "Alerting") -> str | None:
    """Why a channel has no URL; None where it has one."""
    from collector.jobs.alert import address

    try:
        address(name, alerting.channels[name])
    except RatecardError as error:
        return str(error)
    return None


@alerts.command("test")
def try_(
    channel: Annotated[
        str | None, typer.Argument(help="The channel to try. Default: every one.", show_default=False)
    ] = None,
) -> None:
    """Send a test message now. Exit code 1 if it could not be sent, with one sentence about each channel.

    Example: ratecard alerts test oncall
    """
    from collector.settings import Collecting
    from db.settings import load

    configure(quiet=True)
    alerting = load(Collecting).alerts
    if not alerting.channels:
        raise UsageError(
            'No alert channel is set up. Write into ratecard.toml, under [alerts.channels], oncall = "ONCALL_URL" and '
            "put its apprise URL (mailto://..., slack://..., json://...) into the environment variable ONCALL_URL."
        )
    if channel is not None and channel not in alerting.channels:
        raise UsageError(f"There is no alert channel {channel}; there is: {', '.join(alerting.channels)}.")
    wanted = [channel] if channel is not None else list(alerting.channels)
    problems = [problem for name in wanted if (problem := _try(name, alerting)) is not None]
    for problem in problems:
        output.tell(problem)
    if problems:
        raise typer.Exit(1)


def _try(name: str, alerting: "Alerting") -> str | None:
    """Send a test message; None once it was sent, or one sentence why not."""
    import secrets

    from collector import notify
    from collector.jobs.alert import address

    try:
        url = address(name, alerting.channels[name])
    except RatecardError as error:
        return str(error)
    body = f"This is a test of the alert channel {name}. Alerts of Ratecard will come here."
    problem = notify.send(url, "Ratecard: a test", body, secrets.token_hex(8), alerting.timeout_s)
    if problem is not None:
        return f"The channel {name} {problem}."
    output.tell(f"Sent to {name} ({notify.service(url)}).")
    return None
