"""What is known of a probe, and of many."""

from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import StrEnum


class Outcome(StrEnum):
    """How a probe ended. `limited` is kept apart from downtime; every other one but `ok` is an error."""

    OK = "ok"
    LIMITED = "limited"  # 429: the endpoint asked us to wait
    TIMEOUT = "timeout"  # no answer, or no end of it, within the deadline
    REFUSED = "refused"  # no connection: DNS, TCP or TLS failed
    HTTP_ERROR = "http error"  # any other status than 200
    STREAM_ERROR = "stream error"  # an error inside a stream that began with 200
    TRUNCATED = "truncated"  # the stream ended without finish_reason or [DONE]
    WRONG_PROVIDER = "wrong provider"  # another provider answered than the one that was asked
    EMPTY = "empty"  # a complete answer without a single token

    @property
    def is_error(self) -> bool:
        return self not in (Outcome.OK, Outcome.LIMITED)


class Prompt(StrEnum):
    """How long the prompt is. Latency depends on it, so the two are never mixed."""

    SHORT = "short"  # about 100 tokens
    LONG = "long"  # about 10,000 tokens


@dataclass(frozen=True, slots=True)
class Target:
    """What is probed.

    `name` is unique and stable: an endpoint's own name (`openrouter:author/model@tag`), or the name that a user gave
    to an OpenAI-compatible server. `prober`: chat or reach. `model`: what the server calls the model; `tag`: the
    provider to pin (None: the server has no providers behind it). `key_variable`: the environment variable of its key.
    `free`: its owner says that nobody is billed.
    """

    name: str
    prober: str
    url: str
    model: str | None = None
    tag: str | None = None
    key_variable: str | None = None
    prompts: tuple[Prompt, ...] = (Prompt.SHORT,)
    every: timedelta = timedelta(minutes=10)
    max_tokens: int = 64
    free: bool = False
    endpoint_id: int | None = None


@dataclass(frozen=True, slots=True)
class Phases:
    """Where the time of a request went, in ms, as blackbox_exporter has it; None: it did not come to that.

    A warm connection has no resolve, connect and tls.
    """

    resolve_ms: float | None = None
    connect_ms: float | None = None
    tls_ms: float | None = None
    processing_ms: float | None = None
    transfer_ms: float | None = None


@dataclass(frozen=True, slots=True)
class Probe:
    """One probe. All durations in ms, counted from t0, when the request's headers were sent.

    `queue_ms`: from the start of the work to t0, connecting included; kept apart. `ttft_ms`: to the first non-empty
    content or reasoning delta. `ttfat_ms`: to the first non-empty content delta. `tokens_per_s`: (N-1) / (last - first)
    with N = `output_tokens` as the server counts them, None below two tokens. `warm`: on a connection used before.
    `cost_usd`: as the server reports it. `reason`: what happened, in one sentence, for any outcome but ok.
    """

    target: str
    prober: str
    prompt: Prompt | None
    scheduled_at: datetime
    started_at: datetime
    outcome: Outcome
    warm: bool
    reason: str | None = None
    http_status: int | None = None
    queue_ms: float | None = None
    ttft_ms: float | None = None
    ttfat_ms: float | None = None
    total_ms: float | None = None
    tokens_per_s: float | None = None
    prompt_tokens: int | None = None
    output_tokens: int | None = None
    phases: Phases = field(default_factory=Phases)
    provider: str | None = None
    generation_id: str | None = None
    cost_usd: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Series:
    """Probes whose latencies may be compared and merged. `prompt`: None where the prober sends none."""

    target: str
    prober: str
    prompt: Prompt | None
    warm: bool


@dataclass(frozen=True, slots=True)
class Summary:
    """What many probes of one target by one prober come to, over a window of whole UTC hours [start, end).

    `uptime`: ok / (ok + errors), None where there are neither. `causes`: only those that occurred. Percentiles are of
    the ok probes of one series (`prompt` and `warm` say which), as `{"p50": 412.0, ...}`; empty where no probe has the
    figure. `n_of`: measure -> how many probes its percentiles are of; `n` is the largest of these. `relative_error`
    bounds every percentile. `cost_usd`: the sum of what servers reported, None where none did; `unpriced` probes
    stand beside it.
    """

    target: str
    start: datetime
    end: datetime
    probes: int
    ok: int
    limited: int
    errors: int
    causes: dict[Outcome, int]
    n: int
    ttft_ms: dict[str, float]
    tokens_per_s: dict[str, float]
    total_ms: dict[str, float]
    relative_error: float
    newest: datetime | None
    cost_usd: Decimal | None
    unpriced: int = 0
    prober: str = "chat"
    prompt: Prompt | None = None
    warm: bool | None = None
    n_of: dict[str, int] = field(default_factory=dict)

    @property
    def uptime(self) -> float | None:
        return _share(self.ok, self.errors)


class CellClass(StrEnum):
    """What the probes of a cell can show: a share would pretend to a resolution that they do not have."""

    ALL_OK = "all ok"
    ONE_FAILED = "1 failed"
    FEW_FAILED = "2-5 failed"
    MANY_FAILED = "> 5 failed"
    LIMITED = "all limited"
    NO_DATA = "no data"


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell of an uptime strip: [start, end), how many probes, and how they ended."""

    start: datetime
    end: datetime
    n: int
    ok: int
    failed: int
    limited: int

    @property
    def shows(self) -> CellClass:
        if self.n == 0:
            return CellClass.NO_DATA
        if self.failed == 0:
            return CellClass.ALL_OK if self.ok else CellClass.LIMITED
        if self.failed == 1:
            return CellClass.ONE_FAILED
        return CellClass.FEW_FAILED if self.failed <= 5 else CellClass.MANY_FAILED

    @property
    def uptime(self) -> float | None:
        return _share(self.ok, self.failed)


@dataclass(frozen=True, slots=True)
class Hour:
    """One hour of a target by one prober. Outcomes are of all its probes; percentiles (p50, p90) are of the ok ones of
    one series, and empty where there are none. An hour without a probe has no value of this kind."""

    start: datetime
    probes: int
    ok: int
    limited: int
    errors: int
    causes: dict[Outcome, int]
    n: int
    ttft_ms: dict[str, float]
    tokens_per_s: dict[str, float]
    total_ms: dict[str, float]


@dataclass(frozen=True, slots=True)
class Spending:
    """The probe budget of one UTC day. `reserved_usd`: estimates of probes that are not reconciled yet."""

    day: date
    budget_usd: Decimal
    spent_usd: Decimal
    reserved_usd: Decimal

    @property
    def left_usd(self) -> Decimal:
        return max(Decimal(0), self.budget_usd - self.spent_usd - self.reserved_usd)


def _share(ok: int, errors: int) -> float | None:
    return ok / (ok + errors) if ok + errors else None
