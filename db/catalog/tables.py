"""The tables of the catalogue."""

from datetime import datetime

from sqlalchemy import JSON, Column, Index, Text, UniqueConstraint
from sqlmodel import Field, SQLModel

from db.columns import Instant
from db.versions import Versioned


class EndpointRow(SQLModel, table=True):
    """One endpoint of one source; see db.catalog.facts.Endpoint. What it is called never changes; which model that
    is may be learned later, so `model`, `variant`, `quantization` and `rule` follow the identity rules."""

    __tablename__ = "endpoint"
    __table_args__ = (UniqueConstraint("source", "key"),)

    id: int | None = Field(default=None, primary_key=True)
    source: str
    part: str
    key: str
    scope: str
    model: str = Field(index=True)
    provider: str
    provider_name: str
    native_model: str
    variant: str | None
    quantization: str | None
    rule: str


class AliasRow(SQLModel, table=True):
    """A name that a user declared to be a model: `provider/native id` or a bare native id, in lower case."""

    __tablename__ = "alias"

    name: str = Field(primary_key=True)
    model: str


class ContentRow(SQLModel, table=True):
    """An immutable JSON body, by its digest."""

    __tablename__ = "content"

    id: int | None = Field(default=None, primary_key=True)
    digest: str = Field(unique=True)
    body: str = Field(sa_type=Text)


class DetailRow(Versioned, table=True):
    """What a source said of an endpoint, over time."""

    __tablename__ = "detail"
    __table_args__ = (Index("detail_endpoint", "endpoint_id", "valid_from"),)


class BenchmarkRow(Versioned, table=True):
    """Which benchmark results a source gave for an endpoint, over time."""

    __tablename__ = "benchmark"
    __table_args__ = (Index("benchmark_endpoint", "endpoint_id", "valid_from"),)


class AbsenceRow(SQLModel, table=True):
    """A poll that could have seen the endpoint and did not. `pending` until the next poll that can tell shows it to
    be a blip or the first half of a removal."""

    __tablename__ = "absence"

    endpoint_id: int = Field(foreign_key="endpoint.id", primary_key=True)
    at: datetime = Field(sa_type=Instant, primary_key=True)
    pending: bool = Field(index=True)


class ReportedRow(SQLModel, table=True):
    """What a source measured of an endpoint, stored when it changed; see db.catalog.facts.Reported."""

    __tablename__ = "reported"

    endpoint_id: int = Field(foreign_key="endpoint.id", primary_key=True)
    at: datetime = Field(sa_type=Instant, primary_key=True)
    uptime_5m: float | None
    uptime_30m: float | None
    uptime_1d: float | None
    latency_ms: dict[str, float] | None = Field(default=None, sa_column=Column(JSON(none_as_null=True)))
    tokens_per_s: dict[str, float] | None = Field(default=None, sa_column=Column(JSON(none_as_null=True)))
