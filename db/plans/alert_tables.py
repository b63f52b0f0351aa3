"""The tables of alerts. No address of a channel is ever in them, only its name."""

from datetime import datetime

from sqlalchemy import Index, Text
from sqlmodel import Field, SQLModel

from db.columns import Instant


class AlertRow(SQLModel, table=True):
    """One event; see db.plans.alerts.Alert."""

    __tablename__ = "alert"
    __table_args__ = (Index("alert_raised", "raised_at"),)

    id: int | None = Field(default=None, primary_key=True)
    key: str = Field(unique=True)
    kind: str
    subject: str
    title: str = Field(sa_type=Text)
    text: str = Field(sa_type=Text)
    urgent: bool
    raised_at: datetime = Field(sa_type=Instant)
    lasting: bool
    recovers: str | None
    over_at: datetime | None = Field(default=None, sa_type=Instant)


class MessageRow(SQLModel, table=True):
    """What is sent to one channel at once. `state`: due, sent, given up. `due_at`: when it is tried next; whoever
    sends it moves that on first, so that nobody else does meanwhile, and somebody does should he never return."""

    __tablename__ = "alert_message"
    __table_args__ = (Index("alert_message_due", "channel", "state", "due_at"),)

    id: int | None = Field(default=None, primary_key=True)
    uid: str = Field(unique=True)
    channel: str
    urgent: bool
    state: str
    attempts: int
    made_at: datetime = Field(sa_type=Instant)
    due_at: datetime = Field(sa_type=Instant)
    sent_at: datetime | None = Field(default=None, sa_type=Instant)
    error: str | None = Field(default=None, sa_type=Text)


class DeliveryRow(SQLModel, table=True):
    """That an alert goes to a channel, and in which message; None while it waits for one."""

    __tablename__ = "alert_delivery"

    alert_id: int = Field(foreign_key="alert.id", primary_key=True)
    channel: str = Field(primary_key=True)
    message_id: int | None = Field(default=None, foreign_key="alert_message.id", index=True)
