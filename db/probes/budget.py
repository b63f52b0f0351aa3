"""The daily probe budget: money is set aside before a probe is sent and reconciled after it.

The budget of a UTC day counts what was spent and what is reserved, so probes that are sent at once cannot exceed it
together. A reservation that its process never closed (it was killed) stays counted at its estimate: nobody knows
whether the probe was sent. It ends no later than its day, and is called presumed after PRESUMED_AFTER.
"""

from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any, Final

from sqlalchemy import Connection, Row, insert, select, update

from db.probes.rollup import add_usd, day_of
from db.probes.tables import ReservationRow, SpendingRow
from db.versions import table_of

RESERVATION, SPENDING = table_of(ReservationRow), table_of(SpendingRow)
RESERVED, SPENT, PRESUMED, RELEASED = "reserved", "spent", "presumed", "released"
CLOSED: Final = (SPENT, PRESUMED, RELEASED)
PRESUMED_AFTER: Final = timedelta(hours=1)
"""Longer than any probe takes."""
_ZERO: Final = Decimal(0)


def reserve(connection: Connection, now: datetime, target: str, estimate: Decimal, daily_budget: Decimal) -> int | None:
    """Set `estimate` aside for one probe; the reservation's id, or None where the day's budget would be exceeded."""
    if estimate < 0:
        raise ValueError(f"an estimate is not negative, not {estimate}")
    presume(connection, now)
    day = day_of(now)
    row = connection.execute(select(SPENDING).where(SPENDING.c.day == day)).first()
    taken = _sum(row.spent_usd, row.reserved_usd) if row is not None else _ZERO
    if _sum(taken, estimate) > daily_budget:
        return None
    _move(connection, day, reserved=estimate)
    values = {"day": day, "target": target, "reserved_at": now, "estimated_usd": estimate, "state": RESERVED}
    added = insert(RESERVATION).values(values).returning(RESERVATION.c.id)
    return int(connection.execute(added).scalar_one())


def reconcile(connection: Connection, reservation: int, actual: Decimal | None) -> None:
    """Turn a reservation into what the probe cost; None where that is unknown: its estimate counts as spent.

    A presumed one is corrected. One that is spent or released already stays as it is.
    """
    if actual is not None and actual < 0:
        raise ValueError(f"a cost is not negative, not {actual}")
    row = _reservation(connection, reservation)
    cost = actual if actual is not None else row.estimated_usd
    if row.state == RESERVED:
        _move(connection, row.day, reserved=-row.estimated_usd, spent=cost)
    elif row.state == PRESUMED:
        _move(connection, row.day, spent=_sum(cost, -row.estimated_usd))
    else:
        return
    _close(connection, row.id, SPENT, actual)


def release(connection: Connection, reservation: int) -> None:
    """Give back what was reserved for a probe that was never sent. A reservation that is closed stays as it is."""
    row = _reservation(connection, reservation)
    if row.state == RESERVED:
        _move(connection, row.day, reserved=-row.estimated_usd)
    elif row.state == PRESUMED:
        _move(connection, row.day, spent=-row.estimated_usd)
    else:
        return
    _close(connection, row.id, RELEASED, None)


def presume(connection: Connection, now: datetime) -> int:
    """Count reservations that nobody closed within PRESUMED_AFTER as spent at their estimate; how many."""
    left = select(RESERVATION).where(RESERVATION.c.state == RESERVED, RESERVATION.c.reserved_at < now - PRESUMED_AFTER)
    rows = connection.execute(left).all()
    for row in rows:
        _move(connection, row.day, reserved=-row.estimated_usd, spent=row.estimated_usd)
        _close(connection, row.id, PRESUMED, None)
    return len(rows)


def _reservation(connection: Connection, reservation: int) -> Row[Any]:
    row = connection.execute(select(RESERVATION).where(RESERVATION.c.id == reservation)).first()
    if row is None:
        raise ValueError(f"there is no reservation {reservation}")
    return row


def _close(connection: Connection, reservation: int, state: str, actual: Decimal | None) -> None:
    same = RESERVATION.c.id == reservation
    connection.execute(update(RESERVATION).where(same).values(state=state, actual_usd=actual))


def _move(connection: Connection, day: date, reserved: Decimal = _ZERO, spent: Decimal = _ZERO) -> None:
    same = SPENDING.c.day == day
    row = connection.execute(select(SPENDING).where(same)).first()
    if row is None:
        connection.execute(insert(SPENDING).values(day=day, reserved_usd=reserved, spent_usd=spent))
        return
    moved = {"reserved_usd": _sum(row.reserved_usd, reserved), "spent_usd": _sum(row.spent_usd, spent)}
    connection.execute(update(SPENDING).where(same).values(moved))


def _sum(*amounts: Decimal) -> Decimal:
    return add_usd(amounts) or _ZERO
