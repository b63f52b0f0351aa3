"""What-ifs: where shares of usage go, how much there is of it, and how much is read from cache. Pure."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from fractions import Fraction
from typing import Final

import numpy as np

from db.errors import UsageError
from db.meters import PROMPT, decimal_text
from db.plans.facts import ALL, Scope, parse_scope, parse_share
from db.usage.cells import Cells
from db.usage.exact import Ints
from db.usage.keys import Subject
from db.usage.recost import Comparison
from db.usage.rollup import Label, half_even

CACHE_READ: Final = "input_cache_read"
_MOVE: Final = re.compile(r"\s*(?P<of>.+?)\s*->\s*(?P<to>.+?)(?:\s*:\s*(?P<share>[0-9.]+%))?\s*")
_HOW: Final = "Write it like 'MODEL@PROVIDER -> MODEL@PROVIDER: 50%'"


@dataclass(frozen=True, slots=True)
class Move:
    """A `share` (above 0, up to 1) of some usage goes elsewhere.

    Which: of `model` and `provider` (None: any) and inside `scope`. `to`: SOURCE:KEY, MODEL@PROVIDER, or @PROVIDER for
    each model's own endpoint there.
    """

    to: str
    share: Decimal = Decimal(1)
    model: str | None = None
    provider: str | None = None
    scope: Scope = ALL

    def takes(self, subject: Subject, label: Label) -> bool:
        """Whether it is about usage of a subject and a label."""
        wanted = [self.scope]
        wanted += [Scope("model", self.model)] if self.model is not None else []
        wanted += [Scope("provider", self.provider)] if self.provider is not None else []
        return all(scope.holds(subject, label) for scope in wanted)

    def __str__(self) -> str:
        named = "@".join([self.model or "", self.provider] if self.provider else [self.model or ""])
        return f"{named or self.scope} -> {self.to}: {decimal_text(self.share * 100)}%"


@dataclass(frozen=True, slots=True)
class Scenario:
    """Moves in order, each of what those before it left; then everything `volume` times; with `cache_rate`, that
    share of the input that is not written to a cache is read from one (None: as it was)."""

    name: str
    moves: tuple[Move, ...] = ()
    volume: Decimal = Decimal(1)
    cache_rate: Decimal | None = None


def parse_move(text: str) -> Move:
    """`MODEL@PROVIDER -> MODEL@PROVIDER: 50%`; before the arrow also all, MODEL, project=NAME, provider=NAME or
    another scope; after it also SOURCE:KEY or @PROVIDER. Without a share all of it. Raises UsageError."""
    found = _MOVE.fullmatch(text)
    if found is None:
        raise UsageError(f"--move is no move: {text!r}. {_HOW}.")
    share = parse_share(found["share"] or "100%", "The share of --move")
    if not share:
        raise UsageError(f"--move moves nothing: {text!r}. {_HOW}.")
    of, to = found["of"], found["to"]
    if "@" not in to and ":" not in to:
        raise UsageError(f"--move names no endpoint: {to!r}. Write MODEL@PROVIDER, SOURCE:KEY or @PROVIDER.")
    if of == "all" or "=" in of:
        return Move(to, share, scope=parse_scope(of))
    model, _, provider = of.partition("@")
    return Move(to, share, model or None, provider or None)


STAY: Final = ""
"""Where usage goes that no move takes."""


def routes(moves: Sequence[Move], subject: Subject, label: Label) -> dict[str, Fraction]:
    """Where the usage of a subject and a label goes -> which share of it; together 1."""
    found: dict[str, Fraction] = {}
    left = Fraction(1)
    for move in moves:
        if left and move.takes(subject, label):
            part = left * Fraction(move.share)
            found[move.to] = found.get(move.to, Fraction(0)) + part
            left -= part
    return {**found, STAY: left} if left else found


def with_cache_rate(usage: Cells, rate: Decimal | None) -> Cells:
    """The same input, read from cache at another rate. What is written to a cache, and audio, stays as it was; tokens
    are whole, half of one goes to the cache."""
    if rate is None:
        return usage
    nothing = np.zeros(len(usage.requests), np.int64)
    tokens = usage.units.get(PROMPT, nothing) + usage.units.get(CACHE_READ, nothing)
    cached = _scaled(tokens, Fraction(rate))
    return replace(usage, units={**usage.units, PROMPT: tokens - cached, CACHE_READ: cached})


def _scaled(values: Ints, by: Fraction) -> Ints:
    top, bottom = by.numerator, by.denominator
    if len(values) and int(values.max()) * top * 2 >= 2**62:
        return np.array([(2 * v * top + bottom) // (2 * bottom) for v in values.tolist()], np.int64)
    return (2 * values * top + bottom) // (2 * bottom)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What usage did cost against what it would have cost under a scenario, like with like. Money in 1e-9 USD.

    `actual`, `best`, `low`, `high`: of the requests that have a price on both sides, `compared`; `unpriced`: those
    that have none under the scenario. Shares of requests are rounded.
    """

    requests: int
    compared: int
    unpriced: int
    actual: int
    best: int
    low: int
    high: int

    @property
    def ratio(self) -> Fraction | None:
        """By how much the bill is multiplied; None where nothing compares, or what compares was free."""
        return Fraction(self.best, self.actual) if self.actual else None


def outcome(shares: Mapping[Fraction, Comparison], volume: Decimal) -> Outcome:
    """Comparisons, each counted by its share; each total is rounded once, half to even."""

    def total(name: str, times: Fraction = Fraction(1)) -> int:
        exact = times * sum((share * getattr(each, name) for share, each in shares.items()), Fraction(0))
        return half_even(exact.numerator, exact.denominator)

    more = Fraction(volume)
    return Outcome(
        requests=total("requests"),
        compared=total("compared"),
        unpriced=total("unpriced"),
        actual=total("actual"),
        best=total("best", more),
        low=total("low", more),
        high=total("high", more),
    )
