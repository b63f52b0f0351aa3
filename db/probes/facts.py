"""What is known of a probe, and of many."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
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
class Summary:
    """What many probes of one target come to, over a window.

    `uptime`: ok / (ok + errors), None where there are neither. A percentile is None where no probe has the figure;
    `n` says of how many probes the percentiles are. `relative_error` bounds every percentile.
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
    cost_usd: Decimal

    @property
    def uptime(self) -> float | None:
        counted = self.ok + self.errors
        return self.ok / counted if counted else None
