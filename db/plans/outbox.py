"""The outbox: alerts and their deliveries are rows before anything is sent.

Each function is one step of one transaction. A step that is repeated changes nothing, and a process that dies between
two steps leaves work for the next one: an alert is delivered at least once, and a second time only where the process
died, or the channel was cut off, between the sending and the note of it.
"""

from collections.abc import Collection, Mapping
from dataclasses import asdict, replace
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Connection, Row, and_, func, insert, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite

from db.plans.alert_tables import AlertRow, DeliveryRow, MessageRow
from db.plans.alerts import Alert, Decision, Kind
from db.plans.messages import MOST_ATTEMPTS, Message, Quiet, bundles, message_uid, pause
from db.versions import table_of

ALERT, DELIVERY, MESSAGE = table_of(AlertRow), table_of(DeliveryRow), table_of(MessageRow)
DUE, SENT, GIVEN_UP = "due", "sent", "given up"
HOUR: Final = timedelta(hours=1)
DIED: Final = "whoever sent it never returned"


def open_alerts(connection: Connection) -> dict[tuple[Kind, str], Alert]:
    """(kind, subject) -> its open alert."""
    query = select(ALERT).where(ALERT.c.lasting, ALERT.c.over_at.is_(None)).order_by(ALERT.c.id)
    found = map(alert_fact, connection.execute(query))
    return {(alert.kind, alert.subject): alert for alert in found}


def alert_fact(row: Row[Any]) -> Alert:
    """The alert in a row that has all columns of the alert table."""
    values = {column.name: row._mapping[column.name] for column in ALERT.c}
    flags = {name: bool(values[name]) for name in ("urgent", "lasting")}
    return Alert(**(values | flags | {"kind": Kind(values["kind"])}))


def record(
    connection: Connection, decision: Decision, channels: Mapping[str, Collection[Kind]], now: datetime
) -> list[Alert]:
    """Write down what was decided, with one delivery for each channel that wants its kind; the alerts that are new.

    An alert whose key is there already, and a recovery of one that is over already, changes nothing.
    """
    ended = {key for key in decision.over if _end(connection, key, now)}
    new = []
    for alert in decision.raised:
        if alert.recovers is not None and alert.recovers not in ended:
            continue
        if (alert_id := _add(connection, alert)) is not None:
            new.append(replace(alert, id=alert_id))
    rows = [
        {"alert_id": alert.id, "channel": channel}
        for alert in new
        for channel, kinds in channels.items()
        if alert.kind in kinds
    ]
    if rows:
        connection.execute(insert(DELIVERY), rows)
    return new


def _end(connection: Connection, key: str, now: datetime) -> bool:
    over = update(ALERT).where(ALERT.c.key == key, ALERT.c.over_at.is_(None)).values(over_at=now)
    return connection.execute(over).rowcount == 1


def _add(connection: Connection, alert: Alert) -> int | None:
    """The row of a new alert; None where its key is taken."""
    row = asdict(alert)
    del row["id"]
    if connection.dialect.name == "postgresql":
        added = connection.execute(
            postgresql.insert(ALERT).values(row).on_conflict_do_nothing(index_elements=["key"]).returning(ALERT.c.id)
        )
    else:
        added = connection.execute(
            sqlite.insert(ALERT).values(row).on_conflict_do_nothing(index_elements=["key"]).returning(ALERT.c.id)
        )
    found: int | None = added.scalar_one_or_none()
    return found


def compose(connection: Connection, channel: str, an_hour: int, quiet: Quiet | None, now: datetime) -> int:
    """Make messages of what waits for the channel, so that at most `an_hour` are sent in any hour; how many."""
    waiting_for = and_(DELIVERY.c.channel == channel, DELIVERY.c.message_id.is_(None))
    query = select(ALERT).join(DELIVERY, DELIVERY.c.alert_id == ALERT.c.id).where(waiting_for)
    waiting = [alert_fact(row) for row in connection.execute(query)]
    if not waiting:
        return 0
    counts = or_(MESSAGE.c.state == DUE, MESSAGE.c.sent_at > now - HOUR)
    taken = connection.execute(select(func.count()).where(MESSAGE.c.channel == channel, counts)).scalar_one()
    made = bundles(waiting, an_hour - taken, quiet, now)
    for alerts in made:
        row = {
            "uid": message_uid(channel, alerts),
            "channel": channel,
            "urgent": any(alert.urgent for alert in alerts),
            "state": DUE,
            "attempts": 0,
            "made_at": now,
            "due_at": now,
        }
        message_id = connection.execute(insert(MESSAGE).returning(MESSAGE.c.id), row).scalar_one()
        told = DELIVERY.c.alert_id.in_([alert.id for alert in alerts])
        connection.execute(update(DELIVERY).where(waiting_for, told).values(message_id=message_id))
    return len(made)


def claim(connection: Connection, channel: str, lease: timedelta, quiet: Quiet | None, now: datetime) -> Message | None:
    """Take the next message that is due, for as long as `lease`: until then nobody else gets it. None: none is."""
    due = and_(MESSAGE.c.channel == channel, MESSAGE.c.state == DUE, MESSAGE.c.due_at <= now)
    worn_out = update(MESSAGE).where(due, MESSAGE.c.attempts >= MOST_ATTEMPTS)
    connection.execute(worn_out.values(state=GIVEN_UP, error=DIED))
    query = select(MESSAGE).where(due).order_by(MESSAGE.c.urgent.desc(), MESSAGE.c.id).limit(1)
    if quiet is not None and quiet.covers(now):
        query = query.where(MESSAGE.c.urgent)
    row = connection.execute(query).first()
    if row is None:
        return None
    attempts = row.attempts + 1
    taken = update(MESSAGE).where(MESSAGE.c.id == row.id)
    connection.execute(taken.values(attempts=attempts, due_at=now + lease))
    told = select(ALERT).join(DELIVERY, DELIVERY.c.alert_id == ALERT.c.id).where(DELIVERY.c.message_id == row.id)
    alerts = tuple(alert_fact(each) for each in connection.execute(told.order_by(ALERT.c.id)))
    return Message(row.id, row.uid, channel, attempts, alerts)


def mark_sent(connection: Connection, message: Message, now: datetime) -> None:
    """Note that the message was sent; whoever else holds it by now need not send it."""
    values = {"state": SENT, "sent_at": now, "error": None}
    connection.execute(update(MESSAGE).where(MESSAGE.c.id == message.id).values(values))


def mark_failed(connection: Connection, message: Message, error: str, now: datetime) -> None:
    """Note that an attempt failed: it is due again after a pause, or given up after the last one."""
    last = message.attempts >= MOST_ATTEMPTS
    # Unless somebody else has taken it since.
    mine = and_(MESSAGE.c.id == message.id, MESSAGE.c.state == DUE, MESSAGE.c.attempts == message.attempts)
    due_at = now if last else now + pause(message.uid, message.attempts)
    again = {"state": GIVEN_UP if last else DUE, "due_at": due_at, "error": error}
    connection.execute(update(MESSAGE).where(mine).values(again))
