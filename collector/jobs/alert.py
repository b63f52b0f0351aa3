"""Alerts: what is found becomes rows, and rows become messages. Rows first, so that nothing is lost or told twice."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import structlog
from sqlalchemy import Connection, Engine

from collector import notify
from collector.jobs.poll import utc_now
from collector.settings import Alerting, Channel, secret
from db.engine import reading, writing
from db.errors import RatecardError, UsageError
from db.plans import alert_health, alert_money, alert_state, impacts, outbox, projection
from db.plans.alert_money import Impacts
from db.plans.alerts import Alert, BudgetState, Finding, Kind, Restated, Thresholds, decide
from db.plans.messages import MOST_ATTEMPTS, Message
from db.prices.facts import Change

log = structlog.get_logger("ratecard.alert")

Send = Callable[[str, str, str, str, float], str | None]
"""(URL, title, body, uid, seconds it may take) -> None once sent, else why not; see collector.notify.send."""


@dataclass(frozen=True, slots=True)
class Readers:
    """What other parts of Ratecard know and alerts ask for. None: nobody knows, so such alerts are left as they are.

    `budgets`: where every budget stands now; `impacts`: what price changes make of the bill of a month; `restated`:
    past bills that moved of late.
    """

    budgets: Callable[[Connection, datetime], Iterable[BudgetState]] | None = None
    impacts: Callable[[Connection, Sequence[Change], datetime], Impacts] | None = None
    restated: Callable[[Connection, datetime], Iterable[Restated]] | None = alert_state.restatements


READERS: Final = Readers(budgets=projection.budget_states, impacts=impacts.usd_by_change)
"""Those of this version."""


@dataclass(frozen=True, slots=True)
class Sent:
    """One attempt to send a message. `error`: why it failed, None once it was sent."""

    message: Message
    error: str | None

    @property
    def given_up(self) -> bool:
        return self.error is not None and self.message.attempts >= MOST_ATTEMPTS


@dataclass(frozen=True, slots=True)
class Scope:
    """What alerts look at besides the database: source -> interval between its polls, and since when the collector
    has been polling (None: there is none)."""

    sources: Mapping[str, timedelta]
    began: datetime | None = None
    readers: Readers = READERS


def raise_alerts(engine: Engine, alerting: Alerting, scope: Scope, now: datetime) -> list[Alert]:
    """Look at everything, and write down what is new, each with its deliveries; the alerts that are."""
    findings: list[Finding] = []
    looked_at: set[Kind] = set()
    for kind, look in _LOOKS.items():
        try:
            with reading(engine) as connection:
                found = look(View(connection, alerting.thresholds, scope, now))
        except RatecardError as error:
            log.error("not looked for", kind=str(kind), error=str(error))
            continue
        if found is not None:
            findings += found
            looked_at.add(kind)
    with writing(engine) as connection:
        decision = decide(findings, outbox.open_alerts(connection), looked_at, alerting.urgent, now)
        return outbox.record(connection, decision, alerting.wanted, now)


@dataclass(frozen=True, slots=True)
class View:
    """What a look is taken with."""

    connection: Connection
    limits: Thresholds
    scope: Scope
    now: datetime


Found = list[Finding] | None
"""What one look came to; None: nobody could say."""


def _stale(view: View) -> Found:
    states = alert_state.source_states(view.connection, view.scope.sources)
    return _some(alert_health.stale(each, view.now, view.limits, view.scope.began) for each in states)


def _down(view: View) -> Found:
    of_late = alert_state.health_of_late(view.connection, view.now)
    return [alert_health.down(each, view.now, view.limits) for each in of_late]


def _slow(view: View) -> Found:
    latencies = alert_state.latencies(view.connection, view.now)
    return [alert_health.slow(each, view.now, view.limits) for each in latencies]


def _expire(view: View) -> Found:
    mine = alert_state.models_in_use(view.connection)
    expiring = [each for each in alert_state.expiring(view.connection) if not mine or each.model in mine]
    return _some(alert_health.expire(each, view.now, view.limits) for each in expiring)


def _price(view: View) -> Found:
    moved = alert_state.moves(view.connection, view.now)
    impacts = view.scope.readers.impacts
    usd = impacts(view.connection, moved, view.now) if impacts is not None and moved else {}
    return alert_money.price_moves(moved, view.limits, usd, alert_state.models_in_use(view.connection))


def _budget(view: View) -> Found:
    budgets = view.scope.readers.budgets
    return None if budgets is None else alert_money.budgets(budgets(view.connection, view.now), view.now, view.limits)


def _restated(view: View) -> Found:
    restated = view.scope.readers.restated
    if restated is None:
        return None
    return _some(alert_money.restated(each, view.limits) for each in restated(view.connection, view.now))


def _some(found: Iterable[Finding | None]) -> list[Finding]:
    return [each for each in found if each is not None]


_LOOKS: Final[dict[Kind, Callable[[View], Found]]] = {
    Kind.STALE: _stale,
    Kind.DOWN: _down,
    Kind.SLOW: _slow,
    Kind.EXPIRE: _expire,
    Kind.PRICE: _price,
    Kind.BUDGET: _budget,
    Kind.RESTATED: _restated,
}


def deliver(
    engine: Engine, alerting: Alerting, now: Callable[[], datetime] = utc_now, send: Send = notify.send
) -> list[Sent]:
    """Send what is due, the channels side by side; one that fails is left alone until the next time.

    A channel whose URL cannot be had is told of and costs no attempt: its messages wait.
    """
    if not alerting.channels:
        return []
    with ThreadPoolExecutor(max_workers=len(alerting.channels), thread_name_prefix="alert") as pool:
        tried = pool.map(lambda name: _deliver_to(engine, alerting, name, now, send), alerting.channels)
        return [each for of_channel in tried for each in of_channel]


def _deliver_to(engine: Engine, alerting: Alerting, name: str, now: Callable[[], datetime], send: Send) -> list[Sent]:
    try:
        url = address(name, alerting.channels[name])
    except UsageError as error:
        log.warning("alerts wait", channel=name, error=str(error))
        return []
    done: list[Sent] = []
    with writing(engine) as connection:
        outbox.compose(connection, name, alerting.an_hour, alerting.quiet_hours, now())
    while not done or done[-1].error is None:
        with writing(engine) as connection:
            message = outbox.claim(connection, name, alerting.lease, alerting.quiet_hours, now())
        if message is None:
            break
        failure = send(url, message.title, message.body, message.uid, alerting.timeout_s)
        with writing(engine) as connection:
            if failure is None:
                outbox.mark_sent(connection, message, now())
            else:
                outbox.mark_failed(connection, message, failure, now())
        done.append(Sent(message, failure))
    return done


def address(name: str, channel: Channel) -> str:
    """The apprise URL of a channel: a secret. Raises UsageError where the environment has none."""
    url = secret(channel.url)
    if url is None:
        raise UsageError(
            f"The alert channel {name} has no URL: set the environment variable {channel.url}, or {channel.url}_FILE."
        )
    return url.get_secret_value()


def run(
    engine: Engine,
    alerting: Alerting,
    scope: Scope,
    now: Callable[[], datetime] = utc_now,
    send: Send = notify.send,
) -> tuple[list[Alert], list[Sent]]:
    """Once round: what was raised, and what was sent or tried to."""
    raised = raise_alerts(engine, alerting, scope, now())
    for alert in raised:
        log.info("alert", kind=str(alert.kind), subject=alert.subject, title=alert.title)
    sent = deliver(engine, alerting, now, send)
    for each in sent:
        if each.error is None:
            log.info("alert sent", channel=each.message.channel, alerts=len(each.message.alerts))
        else:
            log.warning("alert not sent", channel=each.message.channel, error=each.error, given_up=each.given_up)
    return raised, sent
