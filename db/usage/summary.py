"""Sums of usage by group, and what can be told from them. Pure."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from operator import add
from typing import Any, Final

from db.meters import PER_MILLION, PROMPT, unit
from db.usage.billing import ASSUMPTIONS, family
from db.usage.exact import usd
from db.usage.facts import COUNTED
from db.usage.keys import TIMES, Key, order

MEASURES: Final = ("requests", "cost_nano", "logged_nano", "logged_requests")
"""What is summed besides the meters that were used, in the order of the columns."""

UNPRICED: Final = -1
"""The basis of cells without a price; that of others is what their cost assumes (bits of ASSUMPTIONS)."""

TOKENS: Final = tuple(meter for meter in COUNTED if unit(meter) == "token")
_INPUT: Final = tuple(meter for meter in TOKENS if family(meter) == PROMPT)
_CACHED: Final = ("input_cache_read", "input_audio_cache")


@dataclass(frozen=True, slots=True)
class Summary:
    """Sums over one group of requests.

    `key`: the value of each key that was asked for; `units`: meter -> units that were used; `priced_units`: of them,
    those of priced requests. Money in 1e-9 USD: `cost_nano` of the priced requests (None: none has a price),
    `logged_nano` as the logs themselves say, for `logged_requests`. `assumptions`: rule of ASSUMPTIONS -> how many
    units (of a meter that was billed at another one's rate) or requests (`bucket`, `choice`) it concerns.
    """

    key: Key
    requests: int
    unpriced_requests: int
    units: Mapping[str, int]
    priced_units: Mapping[str, int]
    cost_nano: int | None
    logged_nano: int | None
    logged_requests: int
    assumptions: Mapping[str, int]

    @property
    def tokens(self) -> int:
        """All tokens, of whatever kind."""
        return sum(self.units.get(meter, 0) for meter in TOKENS)

    @property
    def effective_usd_per_mtok(self) -> Decimal | None:
        """What 1M tokens came to, of priced requests, at the mix that was used; None without any."""
        tokens = sum(self.priced_units.get(meter, 0) for meter in TOKENS)
        if self.cost_nano is None or not tokens:
            return None
        return round(usd(self.cost_nano) * PER_MILLION / tokens, 9)

    @property
    def cache_hit_rate(self) -> Decimal | None:
        """Which share of the input tokens was read from cache, of all requests; None without input."""
        return cache_hit_rate(self.units)


def cache_hit_rate(units: Mapping[str, int]) -> Decimal | None:
    """Cache reads / (prompt + cache reads + cache writes): input that is read from cache, of all input.

    Meters are disjoint here, so this is both Anthropic's cache_read_input_tokens over the sum of its three input
    counters, and OpenAI's cached_tokens / prompt_tokens. Source: the providers' guides to prompt caching.
    """
    tokens = sum(units.get(meter, 0) for meter in _INPUT)
    return round(Decimal(sum(units.get(m, 0) for m in _CACHED)) / tokens, 6) if tokens else None


@dataclass(frozen=True, slots=True)
class Mine:
    """The tokens of one's own requests, by kind: what a comparison needs to know of them.

    `prompt` : `completion`: input, cached or not, to one token of output (of 0 output, 1 : 0); `cached`: the share of
    the input that was read from cache; `prompt_tokens`: the mean length of a prompt.
    """

    requests: int
    prompt: Decimal
    completion: Decimal
    cached: Decimal
    prompt_tokens: int


def mine(sums: Summary) -> Mine | None:
    """The mix of some usage, in four digits; None without tokens."""
    taken = sum(sums.units.get(meter, 0) for meter in _INPUT)
    given = sums.tokens - taken
    if not taken and not given:
        return None
    prompt = Decimal(taken) / given if given else Decimal(1)
    return Mine(
        sums.requests,
        prompt=Decimal(f"{prompt:.4g}"),
        completion=Decimal(1 if given else 0),
        cached=round(cache_hit_rate(sums.units) or Decimal(0), 4),
        prompt_tokens=taken // max(sums.requests, 1),
    )


def folded(
    rows: Iterable[Sequence[Any]], name: Callable[[Sequence[Any]], Key], keys: Sequence[str], meters: Sequence[str]
) -> list[Summary]:
    """Groups of the same name as one. A row: the ids that `name` wants, then its basis, MEASURES and `meters`.

    By time where `keys` have one, oldest first; the dearest first otherwise.
    """
    groups: dict[Key, dict[int, list[int]]] = {}
    width = len(MEASURES) + len(meters)
    for row in rows:
        sums = groups.setdefault(name(row[: -width - 1]), {})
        basis, values = row[-width - 1], row[-width:]
        before = sums.get(basis)
        sums[basis] = list(map(int, values)) if before is None else list(map(add, before, map(int, values)))
    found = [_summary(key, sums, meters) for key, sums in groups.items()]
    found.sort(key=lambda each: order(each.key))
    if not set(keys) & set(TIMES):
        found.sort(key=lambda each: -1 if each.cost_nano is None else each.cost_nano, reverse=True)
    return found


def _summary(key: Key, by_basis: Mapping[int, Sequence[int]], meters: Sequence[str]) -> Summary:
    every = [sum(values) for values in zip(*by_basis.values(), strict=True)]
    priced = [values for basis, values in by_basis.items() if basis != UNPRICED]
    ours = [sum(values) for values in zip(*priced, strict=True)] if priced else [0] * len(every)
    requests, _, logged_nano, logged_requests = every[: len(MEASURES)]
    return Summary(
        key,
        requests,
        unpriced_requests=requests - ours[0],
        units=_used(meters, every),
        priced_units=_used(meters, ours),
        cost_nano=ours[1] if priced else None,
        logged_nano=logged_nano if logged_requests else None,
        logged_requests=logged_requests,
        assumptions=_assumptions(by_basis, meters),
    )


def _used(meters: Sequence[str], sums: Sequence[int]) -> dict[str, int]:
    return {meter: units for meter, units in zip(meters, sums[len(MEASURES) :], strict=True) if units}


def _assumptions(by_basis: Mapping[int, Sequence[int]], meters: Sequence[str]) -> dict[str, int]:
    found: dict[str, int] = {}
    for basis, values in by_basis.items():
        for i, rule in enumerate(ASSUMPTIONS if basis > 0 else ()):
            if basis >> i & 1:
                place = len(MEASURES) + meters.index(rule) if rule in COUNTED else 0
                found[rule] = found.get(rule, 0) + values[place]
    return found
