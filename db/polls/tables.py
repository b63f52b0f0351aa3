"""The tables of polls."""

from datetime import datetime

from sqlalchemy import JSON, Column, Text, UniqueConstraint
from sqlmodel import Field, SQLModel

from db.columns import Instant


class PollRow(SQLModel, table=True):
    """One poll; see db.polls.facts.Poll."""

    __tablename__ = "poll"
    __table_args__ = (UniqueConstraint("source", "observed_at"),)

    id: int | None = Field(default=None, primary_key=True)
    source: str
    parts: str
    observed_at: datetime = Field(sa_type=Instant)
    recorded_at: datetime = Field(sa_type=Instant)
    status: str
    items: int
    changed: int
    rejected: int
    unsettled: int
    body_digest: str | None
    content_digest: str | None
    seen: list[str] | None = Field(default=None, sa_column=Column(JSON(none_as_null=True)))
    unknown_fields: dict[str, int] | None = Field(default=None, sa_column=Column(JSON(none_as_null=True)))
    error: str | None = Field(default=None, sa_type=Text)
    retry_at: datetime | None = Field(default=None, sa_type=Instant)
    duration_ms: int | None


class RejectionRow(SQLModel, table=True):
    """One rejected item of a poll; see db.polls.facts.Rejection."""

    __tablename__ = "rejection"

    id: int | None = Field(default=None, primary_key=True)
    poll_id: int = Field(foreign_key="poll.id", index=True)
    part: str
    item: str | None
    reason: str = Field(sa_type=Text)
