"""What a usage log tells, in one shape for every format."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from types import MappingProxyType
from typing import Final

from db.meters import COMPLETION, PROMPT

COUNTED: Final = (
    PROMPT,
    COMPLETION,
    "internal_reasoning",
    "input_cache_read",
    "input_cache_write",
    "input_cache_write_1h",
    "audio",
    "audio_output",
    "input_audio_cache",
    "image_token",
    "image",
    "image_output",
    "web_search",
)
"""The meters that a log can count. The quantity of the meter `request` is the number of requests itself."""

NOTHING: Final[Mapping[str, int]] = MappingProxyType({})
NO_TAGS: Final[Mapping[str, str]] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Usage:
    """One logged request, or one bucket of `requests` of them.

    `at`: when it began (aware; a bucket: its start), `until`: where a bucket ends, None for a single request.
    `model`, `provider`, `endpoint`, `variant` (batch, flex, priority, free, ...): as the log names them, empty where
    it does not. `quantities`: meter of COUNTED -> units, disjoint: a cached token is in `input_cache_read` and not in
    `prompt`, a reasoning token in `internal_reasoning` and not in `completion`. `cost_usd`: what the log itself says
    it cost, None where it does not say. `total_tokens`: the log's own total, where it has one beside its counters.

    `key` tells two records of one request by the format's own rule: of the records of one key, the one of the highest
    `rank` counts, then the first. Without a key, equal records are different requests, but the same one again in
    another file.
    """

    at: datetime
    quantities: Mapping[str, int] = field(default_factory=lambda: NOTHING)
    model: str = ""
    provider: str = ""
    endpoint: str = ""
    variant: str = ""
    requests: int = 1
    until: datetime | None = None
    project: str = ""
    api_key: str = ""
    user: str = ""
    tags: Mapping[str, str] = field(default_factory=lambda: NO_TAGS)
    cost_usd: Decimal | None = None
    total_tokens: int | None = None
    key: str | None = None
    rank: int = 0
