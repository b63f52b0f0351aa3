"""Rates, prices and what a poll saw."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from functools import cached_property
from typing import Any

from db.catalog.facts import Detail, Endpoint, Reported, digest, json_text
from db.meters import decimal_text
from db.polls.facts import Rejection

Condition = tuple[str, int, int | None, int | None]
"""What a rate is for: meter, min_prompt_tokens, utc_start, utc_end."""


@dataclass(frozen=True, slots=True)
class Rate:
    """USD per single unit of a meter, under a condition.

    `usd` is None where the price is dynamic (known only after the request). The rate holds for
    prompts strictly longer than `min_prompt_tokens` (as every source means its threshold; 0 is any prompt, an empty
    one too), and daily from `utc_start` to before `utc_end` (HHMM as an integer; the window may wrap
    midnight). Of several that match, the last one of the quote wins.
    """

    meter: str
    usd: Decimal | None
    min_prompt_tokens: int = 0
    utc_start: int | None = None
    utc_end: int | None = None

    @property
    def is_base(self) -> bool:
        return self.min_prompt_tokens == 0 and self.utc_start is None

    @property
    def condition(self) -> Condition:
        """What the rate is for: two rates with the same condition compare."""
        return self.meter, self.min_prompt_tokens, self.utc_start, self.utc_end


Rates = tuple[Rate, ...]


def rates_digest(rates: Rates) -> str:
    """The content address of a quote. The order of base rates does not matter, that of conditional ones does."""
    base = sorted(_rate_text(r) for r in rates if r.is_base)
    return digest("\n".join(base + [_rate_text(r) for r in rates if not r.is_base]))


def _rate_text(rate: Rate) -> str:
    usd = "dynamic" if rate.usd is None else decimal_text(rate.usd)
    return f"{rate.meter} {usd} {rate.min_prompt_tokens} {rate.utc_start} {rate.utc_end}"


@dataclass(frozen=True)
class Offer:
    """What one poll saw of one endpoint.

    `part`: the list it came from; `key`: unique in the source, in lower case; `scope`: what is unknown together
    when a request fails.
    """

    part: str
    scope: str
    key: str
    provider: str
    provider_name: str
    native_model: str
    rates: Rates
    detail: Detail
    benchmarks: Mapping[str, Any] | None = None
    reported: Reported | None = None

    @cached_property
    def digests(self) -> tuple[str, str, str]:
        """Content addresses of price, detail and benchmarks; empty where there are no benchmarks."""
        benchmarks = digest(self.benchmarks_text) if self.benchmarks else ""
        return rates_digest(self.rates), self.detail.digest, benchmarks

    @cached_property
    def fingerprint(self) -> str:
        """The same for two offers that say the same of the same endpoint."""
        return " ".join((self.part, self.key, *self.digests))

    @cached_property
    def benchmarks_text(self) -> str:
        return json_text(self.benchmarks)


@dataclass(frozen=True)
class Snapshot:
    """Everything that one poll saw.

    `parts`: the lists that were read; `items`: entries of the main list, rejected ones included; `whole`: False
    where an entry could not even be named, so that an absence proves nothing; `unknown_fields`: upstream field that
    this version does not know -> how many entries had it.
    """

    parts: tuple[str, ...]
    items: int
    offers: tuple[Offer, ...]
    rejections: tuple[Rejection, ...] = ()
    whole: bool = True
    unknown_fields: Mapping[str, int] = field(default_factory=dict)

    @cached_property
    def digest(self) -> str:
        """The same for two polls that saw the same."""
        seen = sorted(offer.fingerprint for offer in self.offers)
        lost = sorted(f"{r.part} {r.item}" for r in self.rejections)
        return digest("\n".join([*self.parts, *seen, *lost, str(self.whole)]))


@dataclass(frozen=True, slots=True)
class Price:
    """One version of an endpoint's price: all rates that its source quoted over [valid_from, valid_to).

    `id`: its row in the ledger.
    """

    endpoint: Endpoint
    rates: Rates
    valid_from: datetime
    valid_to: datetime | None
    recorded_at: datetime
    suspect: bool
    id: int = 0


@dataclass(frozen=True, slots=True)
class Step:
    """One rate of one endpoint over the interval in which it did not change."""

    endpoint: Endpoint
    rate: Rate
    valid_from: datetime
    valid_to: datetime | None
    suspect: bool = False


@dataclass(frozen=True, slots=True)
class Change:
    """A rate that moved. `old` or `new` is None where the meter was not quoted, or is dynamic."""

    at: datetime
    endpoint: Endpoint
    meter: str
    old: Decimal | None
    new: Decimal | None
    min_prompt_tokens: int = 0
    utc_start: int | None = None
    utc_end: int | None = None
    suspect: bool = False

    @property
    def percent(self) -> Decimal | None:
        """The relative change; None where it started from nothing known, or from free."""
        if self.old is None or self.new is None or self.old == 0:
            return None
        return (self.new - self.old) / self.old * 100
