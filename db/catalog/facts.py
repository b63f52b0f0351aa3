"""What is known of models and endpoints besides their price."""

import hashlib
import json
from dataclasses import dataclass, field, fields
from datetime import datetime
from decimal import Decimal
from functools import cache, cached_property
from typing import Any

Json = dict[str, Any]


@dataclass(frozen=True)
class Detail:
    """What a source said of an endpoint in one poll. None: it did not say.

    Lengths in tokens; `created` in Unix seconds; `knowledge_cutoff`, `released`, `expires` as the source's own ISO
    text (a year, month or day); `discount` a share as decimal text, already contained in the rates; `status` the
    source's code (0 is healthy); `lifecycle` its word (alpha, beta, deprecated); `extra`: upstream fields that this
    version does not know, kept as they came.
    """

    native_model: str | None = None
    name: str | None = None
    description: str | None = None
    created: int | None = None
    released: str | None = None
    knowledge_cutoff: str | None = None
    expires: str | None = None
    context_length: int | None = None
    top_context_length: int | None = None
    max_prompt_tokens: int | None = None
    max_completion_tokens: int | None = None
    input_modalities: tuple[str, ...] | None = None
    output_modalities: tuple[str, ...] | None = None
    parameters: tuple[str, ...] | None = None
    default_parameters: Json | None = None
    voices: tuple[str, ...] | None = None
    tokenizer: str | None = None
    instruct_type: str | None = None
    quantization: str | None = None
    moderated: bool | None = None
    implicit_caching: bool | None = None
    open_weights: bool | None = None
    reasoning: Json | None = None
    hugging_face_id: str | None = None
    permaslug: str | None = None
    alias_of: str | None = None
    status: int | None = None
    lifecycle: str | None = None
    discount: str | None = None
    extra: Json | None = None

    def to_json(self) -> Json:
        """Only what was said, in the order of the fields."""
        return {name: value for name in _names() if (value := getattr(self, name)) is not None}

    @classmethod
    def from_json(cls, body: Json) -> "Detail":
        known = _names()
        said: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in body.items() if k in known}
        return cls(**said)

    @cached_property
    def text(self) -> str:
        return json_text(self.to_json())

    @cached_property
    def digest(self) -> str:
        """The content address."""
        return digest(self.text)


@cache
def _names() -> tuple[str, ...]:
    return tuple(f.name for f in fields(Detail))


@dataclass(frozen=True, slots=True)
class Reported:
    """What a source itself measured. Never mixed with what we measure. Shares in percent, times in ms.

    Percentiles are p50, p75, p90, p99 as far as given.
    """

    uptime_5m: float | None = None
    uptime_30m: float | None = None
    uptime_1d: float | None = None
    latency_ms: tuple[tuple[str, float], ...] = ()
    tokens_per_s: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True, slots=True)
class Identity:
    """Which model and variant an endpoint serves, and by which rule we think so."""

    model: str
    variant: str | None = None
    quantization: str | None = None
    rule: str = "own id"


@dataclass(frozen=True, slots=True)
class Native:
    """What a source calls an endpoint, as far as it helps to tell which model it is."""

    source: str
    provider: str
    model: str
    hugging_face_id: str | None = None
    permaslug: str | None = None
    quantization: str | None = None


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One model at one provider, in one variant, as one source tells it."""

    id: int
    source: str
    part: str
    key: str
    scope: str
    model: str
    provider: str
    provider_name: str
    native_model: str
    variant: str | None
    quantization: str | None
    rule: str

    @property
    def name(self) -> str:
        """The endpoint's stable name on the command line and in links."""
        return f"{self.source}:{self.key}"

    @property
    def is_headline(self) -> bool:
        """A lister's own price for a model, not one of the endpoints behind it."""
        return self.provider == self.source


@dataclass(frozen=True, slots=True)
class Listing:
    """An endpoint with what its source said of it at one time."""

    endpoint: Endpoint
    detail: Detail
    since: datetime
    recorded_at: datetime


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened to an endpoint besides its price.

    `kind`: added, removed, returned, or the name of the detail field that changed, with its `old` and `new`.
    """

    at: datetime
    endpoint: Endpoint
    kind: str
    old: Any = field(default=None)
    new: Any = field(default=None)


def json_text(value: Any) -> str:
    """Canonical JSON: the same value always gives the same text."""
    return _CANONICAL.encode(value)


def _plain(value: Any) -> Any:
    """Decimals that are no money (a temperature, a score) as JSON numbers."""
    return float(value) if isinstance(value, Decimal) else str(value)


def digest(text: str) -> str:
    """A short content address: 96 bits are plenty for millions of values."""
    return hashlib.blake2b(text.encode(), digest_size=12).hexdigest()


_CANONICAL = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=_plain)
