"""Why one period's bill differs from another's: parts that sum to the difference exactly. Pure.

Sequential substitution, in the order of PARTS: one after the other, what A had is replaced by what B had, and a part is
what that step changes. (The order matters and is fixed; Laspeyres weights at the start, as in a price x volume x mix
bridge of management accounting.) The last step is the price: B's quantities at what they cost in B, less B's quantities
at A's effective rates. An effective rate is what a meter was charged at an endpoint by what was used of it.

- volume: how many requests there were, at A's cost of a request.
- unpriced: which share of them has a price. A request without one costs nothing here, which is not $0.
- model_mix: which models they went to; a new one enters at what it cost in B, one that stopped leaves with its cost.
- routing: at which provider and variant of the same model; a new one enters at its rates of B.
- request_size: tokens of a request, and its images and searches.
- token_mix: of these tokens, which share is input.
- cache: of the input, which share is read from or written to a cache (and which is audio).
- tiers: at which prompt length and time of day, where the price depends on it.
- price: as above, tier by tier; one that A did not use is no change of price.

Each model's totals after each step are exact fractions. Running over the models they are rounded once, half to even, to
1e-9 USD, so that models sum to the whole and parts to the difference, both exactly.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Final

from db.meters import unit
from db.usage.billing import FALLBACKS, family
from db.usage.rollup import FEMTO_PER_NANO, half_even

PARTS: Final = ("volume", "unpriced", "model_mix", "routing", "request_size", "token_mix", "cache", "tiers", "price")
REQUEST: Final = "request"

Route = tuple[str, str]
"""Provider and variant."""
Amounts = Mapping[str, Fraction]
"""By meter."""
Tier = tuple[str, int, int]
"""A meter, and from which prompt length and minute of the day its rate holds."""
NOTHING: Final = Fraction(0)


@dataclass(frozen=True)
class Lot:
    """Priced usage of one model by one route: how much of each meter, and what was charged for it (1e-15 USD); `tiers`:
    the same once more, by tier, where it is known."""

    requests: Fraction
    units: Amounts
    charges: Amounts
    tiers: Mapping[Tier, tuple[Fraction, Fraction]] = field(default_factory=dict)

    def __add__(self, other: "Lot") -> "Lot":
        units, charges = _sum(self.units, other.units), _sum(self.charges, other.charges)
        tiers = dict(self.tiers)
        for tier, (used, charged) in other.tiers.items():
            before = tiers.get(tier, (NOTHING, NOTHING))
            tiers[tier] = (before[0] + used, before[1] + charged)
        return Lot(self.requests + other.requests, units, charges, tiers)

    def scaled(self, by: Fraction) -> "Lot":
        """So many times as much of everything."""
        tiers = {tier: (used * by, charged * by) for tier, (used, charged) in self.tiers.items()}
        return Lot(self.requests * by, _times(self.units, by), _times(self.charges, by), tiers)

    @property
    def cost(self) -> Fraction:
        """In 1e-9 USD."""
        return sum(self.charges.values(), NOTHING) / FEMTO_PER_NANO

    @property
    def rates(self) -> Amounts:
        """What a unit of each meter came to."""
        return {meter: self.charges.get(meter, NOTHING) / units for meter, units in self.units.items() if units}

    @property
    def profile(self) -> Amounts:
        """How much of each meter a request used."""
        return {meter: units / self.requests for meter, units in self.units.items()} if self.requests else {}


@dataclass(frozen=True)
class Side:
    """One period: lots by model and route, and all its requests, the unpriced ones too."""

    lots: Mapping[str, Mapping[Route, Lot]] = field(default_factory=dict)
    requests: Fraction = NOTHING

    @property
    def priced(self) -> Fraction:
        return sum((lot.requests for routes in self.lots.values() for lot in routes.values()), NOTHING)

    def scaled(self, by: Fraction) -> "Side":
        """So many times as much of everything."""
        lots = {m: {route: lot.scaled(by) for route, lot in routes.items()} for m, routes in self.lots.items()}
        return Side(lots, self.requests * by)


@dataclass(frozen=True, slots=True)
class Bridge:
    """From `before` to `after`, in 1e-9 USD. `parts`: in the order of PARTS; they sum to the difference exactly."""

    before: int
    after: int
    parts: Mapping[str, int]

    @property
    def difference(self) -> int:
        return self.after - self.before


def bridge(a: Side, b: Side) -> tuple[Bridge, dict[str, Bridge]]:
    """The whole, and each model's share of it, those with the largest difference first."""
    models = sorted(a.lots.keys() | b.lots.keys())
    steps = [_steps(a, b, a.lots.get(model, {}), b.lots.get(model, {})) for model in models]
    rounded = [_running(column) for column in zip(*steps, strict=True)]
    by_model = {model: _bridge(row) for model, row in zip(models, zip(*rounded, strict=True), strict=True)}
    whole = _bridge([sum(column) for column in rounded] or [0] * (len(PARTS) + 1))
    return whole, dict(sorted(by_model.items(), key=lambda item: -abs(item[1].difference)))


def _bridge(totals: Sequence[int]) -> Bridge:
    parts = {part: after - before for part, before, after in zip(PARTS, totals[:-1], totals[1:], strict=True)}
    return Bridge(totals[0], totals[-1], parts)


def _running(values: Iterable[Fraction]) -> list[int]:
    """Whole numbers that sum to the rounded sum of the values, at every place."""
    found: list[int] = []
    total, before = NOTHING, 0
    for value in values:
        total += value
        after = half_even(total.numerator, total.denominator)
        found.append(after - before)
        before = after
    return found


def _steps(a: Side, b: Side, mine: Mapping[Route, Lot], theirs: Mapping[Route, Lot]) -> list[Fraction]:
    """One model's total before the first step and after each, in 1e-9 USD."""
    was, will = (sum((lot.cost for lot in lots.values()), NOTHING) for lots in (mine, theirs))
    volume = was * _ratio(b.requests, a.requests)
    if not a.requests:
        # From nothing at all everything is volume.
        return [was, *[will] * len(PARTS)]
    if not a.priced or not b.priced:
        return [was, volume, *[will] * (len(PARTS) - 1)]
    priced = was * _ratio(b.priced, a.priced)
    if not _requests(mine) or not _requests(theirs):
        return [was, volume, priced, *[will] * (len(PARTS) - 2)]
    mixed = was * _ratio(_requests(theirs), _requests(mine))
    return [was, volume, priced, mixed, *_inside(mine, theirs), will]


def _inside(mine: Mapping[Route, Lot], theirs: Mapping[Route, Lot]) -> list[Fraction]:
    """The total after routing, request size, token mix, cache and tiers: B's requests, at A's effective rates."""
    together = _all(mine)
    totals = [NOTHING] * 5
    for route, lot in theirs.items():
        old = mine.get(route)
        profile = (old if old is not None and old.requests else together).profile
        rates = _Rates([old.rates if old is not None else {}, lot.rates, together.rates])
        sized = _sized(profile, lot.profile)
        mixed = _mixed(sized, lot.profile)
        for i, each in enumerate((profile, sized, mixed, lot.profile)):
            totals[i] += lot.requests * sum((n * rates.of(meter) for meter, n in each.items() if n), NOTHING)
        at_a = sum((n * rates.of(meter) for meter, n in lot.units.items() if n), NOTHING)
        totals[4] += at_a if old is None or not lot.tiers else _by_tier(old, lot)
    return [total / FEMTO_PER_NANO for total in totals]


def _by_tier(old: Lot, lot: Lot) -> Fraction:
    """What `lot` would have cost at the rates that `old` had in each tier, in 1e-15 USD."""
    total = NOTHING
    for tier, (used, charged) in lot.tiers.items():
        had_used, had_charged = old.tiers.get(tier, (NOTHING, NOTHING))
        total += used * had_charged / had_used if had_used else charged
    return total


@dataclass(frozen=True)
class _Rates:
    """Effective rates, the first that knows a meter counts; one that none knows is billed as FALLBACKS says."""

    known: Sequence[Amounts]

    def of(self, meter: str) -> Fraction:
        names = (meter, *FALLBACKS.get(meter, ()))
        # What the first two say of a stand-in is nearer than what the model's other routes say of the meter.
        nearest = [(rates, name) for name in names for rates in self.known[:2]]
        farther = [(rates, name) for name in names for rates in self.known[2:]]
        return next((rates[name] for rates, name in (*nearest, *farther) if name in rates), NOTHING)


def _sized(profile: Amounts, wanted: Amounts) -> Amounts:
    """As many tokens a request as `wanted`, in the proportions of `profile`; what is no token as wanted."""
    tokens, goal = (sum((n for m, n in each.items() if _is_token(m)), NOTHING) for each in (profile, wanted))
    others = {meter: n for meter, n in wanted.items() if not _is_token(meter)}
    shape = profile if tokens else wanted
    by = goal / (tokens or goal or 1)
    return {**{meter: n * by for meter, n in shape.items() if _is_token(meter)}, **others}


def _mixed(profile: Amounts, wanted: Amounts) -> Amounts:
    """As much of each family as `wanted`, in the family's proportions of `profile`."""
    found: dict[str, Fraction] = {}
    for name in dict.fromkeys(family(meter) for meter in (*profile, *wanted)):
        inside, goal = ({m: n for m, n in each.items() if family(m) == name} for each in (profile, wanted))
        had, needed = sum(inside.values(), NOTHING), sum(goal.values(), NOTHING)
        # Output has its kinds (text, reasoning) with the mix; only those of the input are the cache's.
        keep = had and name == "prompt"
        found |= _times(inside, needed / had) if keep else goal
    return found


def _is_token(meter: str) -> bool:
    return unit(meter) == "token"


def _requests(lots: Mapping[Route, Lot]) -> Fraction:
    return sum((lot.requests for lot in lots.values()), NOTHING)


def _all(lots: Mapping[Route, Lot]) -> Lot:
    return sum(lots.values(), Lot(NOTHING, {}, {}))


def _ratio(top: Fraction, bottom: Fraction) -> Fraction:
    return top / bottom if bottom else NOTHING


def _times(amounts: Amounts, by: Fraction) -> dict[str, Fraction]:
    return {meter: n * by for meter, n in amounts.items()}


def _sum(a: Amounts, b: Amounts) -> dict[str, Fraction]:
    return {meter: a.get(meter, NOTHING) + b.get(meter, NOTHING) for meter in dict.fromkeys((*a, *b))}
