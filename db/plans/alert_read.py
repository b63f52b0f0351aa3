"""Reading alerts, and what became of their deliveries."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, func, or_, select

from db.plans.alerts import Alert
from db.plans.outbox import ALERT, DELIVERY, DUE, GIVEN_UP, MESSAGE, SENT, alert_fact


@dataclass(frozen=True, slots=True)
class Delivery:
    """What became of an alert at one channel.

    `state`: waiting (no message yet: quiet hours, or enough of them this hour), due, sent, given up. `error`: why the
    last attempt failed; `next_at`: when the next one is.
    """

    channel: str
    state: str
    attempts: int = 0
    sent_at: datetime | None = None
    next_at: datetime | None = None
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Told:
    """An alert with its deliveries, by channel; none where no channel wanted it."""

    alert: Alert
    deliveries: tuple[Delivery, ...]


@dataclass(frozen=True, slots=True)
class ChannelState:
    """Where one channel stands. `given_up`: messages that were, since the last one that was sent; `error`: the newest
    of an attempt since then."""

    name: str
    waiting: int
    given_up: int
    last_sent_at: datetime | None
    error: str | None


def alerts(connection: Connection, since: datetime | None = None, limit: int | None = None) -> list[Told]:
    """Alerts with their deliveries, newest first: all that are open, and the others raised since then (None: ever)."""
    query = select(ALERT).order_by(ALERT.c.raised_at.desc(), ALERT.c.id.desc())
    if since is not None:
        is_open = ALERT.c.lasting & ALERT.c.over_at.is_(None)
        query = query.where(or_(is_open, ALERT.c.raised_at >= since))
    found = [alert_fact(row) for row in connection.execute(query.limit(limit))]
    deliveries = _deliveries(connection, [alert.id for alert in found])
    return [Told(alert, tuple(deliveries.get(alert.id, ()))) for alert in found]


def _deliveries(connection: Connection, ids: list[int]) -> dict[int, list[Delivery]]:
    columns = (MESSAGE.c.state, MESSAGE.c.attempts, MESSAGE.c.sent_at, MESSAGE.c.due_at, MESSAGE.c.error)
    found: dict[int, list[Delivery]] = {}
    for start in range(0, len(ids), 900):
        query = (
            select(DELIVERY.c.alert_id, DELIVERY.c.channel, *columns)
            .join(MESSAGE, MESSAGE.c.id == DELIVERY.c.message_id, isouter=True)
            .where(DELIVERY.c.alert_id.in_(ids[start : start + 900]))
            .order_by(DELIVERY.c.alert_id, DELIVERY.c.channel)
        )
        for alert_id, channel, state, attempts, sent_at, due_at, error in connection.execute(query):
            next_at = due_at if state == DUE else None
            one = Delivery(channel, state or "waiting", attempts or 0, sent_at, next_at, error)
            found.setdefault(alert_id, []).append(one)
    return found


def channels(connection: Connection) -> dict[str, ChannelState]:
    """Channel -> where it stands, of every channel that an alert ever was for."""
    names = connection.execute(select(DELIVERY.c.channel).distinct().order_by(DELIVERY.c.channel)).scalars()
    return {name: _channel(connection, name) for name in names}


def _channel(connection: Connection, name: str) -> ChannelState:
    mine = MESSAGE.c.channel == name
    last = connection.execute(select(func.max(MESSAGE.c.sent_at)).where(mine)).scalar_one()
    unsent = (
        select(func.count()).select_from(DELIVERY).join(MESSAGE, MESSAGE.c.id == DELIVERY.c.message_id, isouter=True)
    )
    waiting = unsent.where(DELIVERY.c.channel == name, or_(DELIVERY.c.message_id.is_(None), MESSAGE.c.state == DUE))
    since = mine if last is None else mine & (MESSAGE.c.due_at > last)
    given_up = select(func.count()).where(since, MESSAGE.c.state == GIVEN_UP)
    error = select(MESSAGE.c.error).where(since, MESSAGE.c.state != SENT, MESSAGE.c.error.is_not(None))
    return ChannelState(
        name,
        connection.execute(waiting).scalar_one(),
        connection.execute(given_up).scalar_one(),
        last,
        connection.execute(error.order_by(MESSAGE.c.due_at.desc()).limit(1)).scalar(),
    )
