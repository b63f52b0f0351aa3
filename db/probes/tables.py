"""The tables of probes."""

from datetime import date, datetime
from decimal import Decimal

from sqlalchemy import Index, Text, UniqueConstraint
from sqlmodel import Field, SQLModel

from db.columns import ExactDecimal, Instant


class TargetRow(SQLModel, table=True):
    """The watch list, and every target that was ever probed; see db.probes.facts.Target. `prompts` are separated by
    commas. `url` is empty where a probe was stored of a target that nobody described."""

    __tablename__ = "target"

    id: int | None = Field(default=None, primary_key=True)
    name: str = Field(unique=True)
    prober: str
    url: str
    model: str | None
    tag: str | None
    key_variable: str | None
    prompts: str
    every_s: int
    max_tokens: int
    free: bool
    endpoint_id: int | None = Field(default=None, foreign_key="endpoint.id")
    watched: bool


class ProbeRow(SQLModel, table=True):
    """One probe; see db.probes.facts.Probe. `prompt` is empty where the prober sends none. Kept for a time; what
    remains is in the roll-ups."""

    __tablename__ = "probe"
    __table_args__ = (UniqueConstraint("target_id", "started_at", "prompt"), Index("probe_started", "started_at"))

    id: int | None = Field(default=None, primary_key=True)
    target_id: int = Field(foreign_key="target.id")
    prober: str
    prompt: str
    scheduled_at: datetime = Field(sa_type=Instant)
    started_at: datetime = Field(sa_type=Instant)
    outcome: str
    warm: bool
    reason: str | None = Field(default=None, sa_type=Text)
    http_status: int | None
    queue_ms: float | None
    ttft_ms: float | None
    ttfat_ms: float | None
    total_ms: float | None
    tokens_per_s: float | None
    prompt_tokens: int | None
    output_tokens: int | None
    resolve_ms: float | None
    connect_ms: float | None
    tls_ms: float | None
    processing_ms: float | None
    transfer_ms: float | None
    provider: str | None
    generation_id: str | None
    cost_usd: Decimal | None = Field(default=None, sa_type=ExactDecimal)


class RolledUp(SQLModel):
    """The columns of a roll-up; see db.probes.rollup. One counter an outcome; the measures are encoded histograms of
    db.probes.percentiles. `period` counts hours (or days) from 1970-01-01 UTC."""

    target_id: int = Field(foreign_key="target.id", primary_key=True)
    period: int = Field(primary_key=True)
    prober: str = Field(primary_key=True)
    prompt: str = Field(primary_key=True)
    warm: bool = Field(primary_key=True)
    ok: int
    limited: int
    timeout: int
    refused: int
    http_error: int
    stream_error: int
    truncated: int
    wrong_provider: int
    empty: int
    ttft_ms: bytes
    tokens_per_s: bytes
    total_ms: bytes
    cost_usd: Decimal | None = Field(default=None, sa_type=ExactDecimal)
    unpriced: int
    newest: datetime = Field(sa_type=Instant)


class ProbeHourRow(RolledUp, table=True):
    """The probes of one series in one hour."""

    __tablename__ = "probe_hour"
    # Small rows, always read as one target's run of hours: they lie in that order.
    __table_args__ = ({"sqlite_with_rowid": False},)


class ProbeDayRow(RolledUp, table=True):
    """The probes of one series in one UTC day, so that a month of many targets is quick to sum."""

    __tablename__ = "probe_day"


class SpendingRow(SQLModel, table=True):
    """What the reservations of one UTC day come to, so that a look at the budget reads one row."""

    __tablename__ = "probe_spending"

    day: date = Field(primary_key=True)
    reserved_usd: Decimal = Field(sa_type=ExactDecimal)
    spent_usd: Decimal = Field(sa_type=ExactDecimal)


class ReservationRow(SQLModel, table=True):
    """Money set aside for one probe before it is sent. `state`: reserved; spent (at `actual_usd`, or at the estimate
    where that is unknown); presumed (never reconciled, so counted as spent at the estimate); released."""

    __tablename__ = "reservation"
    __table_args__ = (Index("reservation_state", "state", "reserved_at"),)

    id: int | None = Field(default=None, primary_key=True)
    day: date
    target: str
    reserved_at: datetime = Field(sa_type=Instant)
    estimated_usd: Decimal = Field(sa_type=ExactDecimal)
    actual_usd: Decimal | None = Field(default=None, sa_type=ExactDecimal)
    state: str
