"""The tables of usage. Requests stay in Parquet files; here are imports, names and hourly sums."""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, BigInteger, Index, Integer, UniqueConstraint
from sqlmodel import Field, SQLModel

from db.columns import Instant

# SQLite numbers rows by itself only where the key is a plain INTEGER (64 bits there anyway).
_BIG_ID = BigInteger().with_variant(Integer, "sqlite")


class ImportRow(SQLModel, table=True):
    """One run of an import. `files`: [{name, rows, imported, duplicates, rejected}]; `folder`: where its requests lie,
    under RATECARD_HOME/usage; `sample`: synthetic, and to be taken out again without a trace."""

    __tablename__ = "usage_import"

    id: int | None = Field(default=None, primary_key=True)
    recorded_at: datetime = Field(sa_type=Instant)
    log_format: str
    folder: str = Field(unique=True)
    files: list[dict[str, Any]] = Field(sa_type=JSON)
    rows: int = Field(sa_type=BigInteger)
    imported: int = Field(sa_type=BigInteger)
    duplicates: int = Field(sa_type=BigInteger)
    rejected: int = Field(sa_type=BigInteger)
    ignored: int = Field(sa_type=BigInteger)
    first_at: datetime | None = Field(default=None, sa_type=Instant)
    last_at: datetime | None = Field(default=None, sa_type=Instant)
    sample: bool = False


class CostingRow(SQLModel, table=True):
    """One act of costing: an import, or a restatement after prices or names were learned.

    Ids grow with time, so what was believed at a time is a comparison of integers. `delta_nano`: by how much the
    priced total moved, in 1e-9 USD; `delta_unpriced`: by how many requests the unpriced did.
    """

    __tablename__ = "usage_costing"

    id: int | None = Field(default=None, primary_key=True)
    recorded_at: datetime = Field(sa_type=Instant)
    import_id: int | None = Field(default=None, foreign_key="usage_import.id")
    kind: str
    cells: int
    superseded: int
    delta_nano: int = Field(sa_type=BigInteger)
    delta_unpriced: int = Field(sa_type=BigInteger)


class SubjectRow(SQLModel, table=True):
    """What logs call an endpoint (`model`, `provider`, `endpoint`, `variant`; empty where they do not say), and what
    that means by the identity rules of today (`as_model`, `as_provider`)."""

    __tablename__ = "usage_subject"
    __table_args__ = (UniqueConstraint("model", "provider", "endpoint", "variant"),)

    id: int | None = Field(default=None, primary_key=True)
    model: str
    provider: str
    endpoint: str
    variant: str
    as_model: str = Field(index=True)
    as_provider: str
    hint: str


class LabelRow(SQLModel, table=True):
    """Whose usage it was. `tags`: canonical JSON of name -> value, empty for none."""

    __tablename__ = "usage_label"
    __table_args__ = (UniqueConstraint("project", "api_key", "user", "tags"),)

    id: int | None = Field(default=None, primary_key=True)
    project: str
    api_key: str
    user: str
    tags: str


class HourRow(SQLModel, table=True):
    """A roll-up cell: sums of one import's requests that one rate applies to.

    `minute`: where it starts, in minutes since 1970 (UTC); it ends with the hour, or where a price's daily window
    cuts the hour. `band`: prompts of at least so many tokens, up to the next band. `shape`: which meter families were
    used (bits; db.usage.billing.FAMILIES). `price_id`: the ledger row that was in force, None where none was.
    `assumed`: bits of db.usage.billing.ASSUMPTIONS. Money in 1e-9 USD: `cost_nano` by the ledger (None: unpriced, and
    `why` says the reason), `logged_nano` by the log itself for `logged_requests` of the requests. A cell is in force
    from its costing on, up to the costing that superseded it.
    """

    __tablename__ = "usage_hour"
    __table_args__ = (
        Index("usage_hour_time", "minute"),
        Index("usage_hour_import", "import_id"),
    )

    id: int | None = Field(default=None, sa_type=_BIG_ID, primary_key=True)
    costing_id: int = Field(foreign_key="usage_costing.id")
    superseded_by: int | None = Field(default=None, foreign_key="usage_costing.id")
    import_id: int = Field(foreign_key="usage_import.id")
    minute: int
    subject_id: int = Field(foreign_key="usage_subject.id")
    label_id: int = Field(foreign_key="usage_label.id")
    band: int = Field(sa_type=BigInteger)
    shape: int
    price_id: int | None = Field(default=None, foreign_key="price.id")
    why: str | None = None
    assumed: int
    requests: int = Field(sa_type=BigInteger)
    prompt: int = Field(sa_type=BigInteger)
    completion: int = Field(sa_type=BigInteger)
    internal_reasoning: int = Field(sa_type=BigInteger)
    input_cache_read: int = Field(sa_type=BigInteger)
    input_cache_write: int = Field(sa_type=BigInteger)
    input_cache_write_1h: int = Field(sa_type=BigInteger)
    audio: int = Field(sa_type=BigInteger)
    audio_output: int = Field(sa_type=BigInteger)
    input_audio_cache: int = Field(sa_type=BigInteger)
    image_token: int = Field(sa_type=BigInteger)
    image: int = Field(sa_type=BigInteger)
    image_output: int = Field(sa_type=BigInteger)
    web_search: int = Field(sa_type=BigInteger)
    total_tokens: int = Field(sa_type=BigInteger)
    cost_nano: int | None = Field(default=None, sa_type=BigInteger)
    logged_nano: int = Field(sa_type=BigInteger)
    logged_requests: int = Field(sa_type=BigInteger)
