"""What a comparison of endpoints is made of."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from db.catalog.facts import Endpoint
from db.prices.facts import Rates


class Origin(StrEnum):
    """Who says so. Measured and reported figures never mix in one number."""

    MEASURED = "measured"
    REPORTED = "reported"


@dataclass(frozen=True, slots=True)
class Measure:
    """One figure with where it comes from: of how many probes (None: the source does not say), over which window,
    and when the newest of it was seen."""

    value: float
    origin: Origin
    window: str
    n: int | None = None
    newest: datetime | None = None


@dataclass(frozen=True, slots=True)
class Mix:
    """The tokens of a typical request, as shares: prompt to completion, and how much of the prompt is read from cache.

    `prompt_tokens`: how long the prompt is, which chooses the tier.
    """

    prompt: Decimal = Decimal(3)
    completion: Decimal = Decimal(1)
    cached: Decimal = Decimal(0)
    prompt_tokens: int = 0

    def __str__(self) -> str:
        text = f"{self.prompt.normalize():f}:{self.completion.normalize():f}"
        if self.cached:
            text += f", {(self.cached * 100).normalize():f}% cached"
        return text + (f", {self.prompt_tokens:,}-token prompts" if self.prompt_tokens else "")


@dataclass(frozen=True, slots=True)
class Effective:
    """What a mix costs at an endpoint, in USD per 1M tokens; `assumed` names the rates that were stood in for."""

    usd_per_mtok: Decimal
    assumed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Compared:
    """One endpoint of a comparison. None is unknown, never zero.

    `lost_parameters`: what others of the comparison support and this one does not say it does; None where it says
    nothing. `dominated_by`: an endpoint that is no worse in anything known and better in something.
    """

    endpoint: Endpoint
    effective: Effective | None
    ttft_ms: Measure | None
    tokens_per_s: Measure | None
    uptime_percent: Measure | None
    context: int | None
    quantization: str | None
    parameters: tuple[str, ...] | None
    lost_parameters: tuple[str, ...] | None
    priced_since: datetime | None
    status: int | None = None
    dominated_by: str | None = None
    rates: Rates = ()


@dataclass(frozen=True, slots=True)
class Switch:
    """What moving from one endpoint to another changes. Differences are after minus before; None where unknown."""

    before: Compared
    after: Compared
    change_percent: Decimal | None
    saving_usd_per_mtok: Decimal | None
    ttft_ms: float | None
    tokens_per_s: float | None
    uptime_points: float | None
    lost_parameters: tuple[str, ...] | None
    context: int | None
    quantization: tuple[str | None, str | None]


@dataclass(frozen=True, slots=True)
class Rating:
    """Where a figure stands in its cohort: better than `percentile` percent of the `n - 1` others, ties count half."""

    percentile: float
    n: int
