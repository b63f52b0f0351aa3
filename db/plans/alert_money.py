"""The rules of alerts on prices, budgets and the past bill: from their state at one time to findings. Pure."""

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from decimal import Decimal
from itertools import groupby

from db.meters import PER_MILLION, decimal_text, label, unit
from db.plans.alerts import BudgetState, Finding, Kind, Restated, Thresholds, Verdict, minute, stamp
from db.prices.facts import Change

Impacts = Mapping[tuple[int, datetime], Decimal]
"""(endpoint id, when its price moved) -> what that makes of the bill of a month at your mix, in USD."""


def price_moves(
    changes: Iterable[Change], limits: Thresholds, impacts: Impacts, models: Collection[str]
) -> list[Finding]:
    """Moves that are worth a word: one finding for a model, source and instant. `models`: those alone (none: all)."""

    def of(change: Change) -> tuple[str, str, datetime]:
        return change.endpoint.model, change.endpoint.source, change.at

    settled = [each for each in changes if not each.suspect and (not models or each.endpoint.model in models)]
    found = []
    for (model, source, at), group in groupby(sorted(settled, key=of), key=of):
        moved = list(group)
        usd = [impacts[endpoint, at] for endpoint in {each.endpoint.id for each in moved} if (endpoint, at) in impacts]
        impact = sum(usd, Decimal(0)) if usd else None
        most = max((abs(each.percent) for each in moved if each.percent is not None), default=Decimal(0))
        no_longer_free = any(each.old == 0 and each.new for each in moved)
        matters = impact is not None and abs(impact) >= limits.price_usd
        if most < limits.price_percent and not no_longer_free and not matters:
            continue
        effect = f": {_signed(impact)} a month at your mix" if impact is not None else ""
        rose = {each.new > each.old for each in moved if each.old is not None and each.new is not None}
        how = {frozenset({True}): "rose", frozenset({False}): "fell"}.get(frozenset(rose), "moved")
        found.append(
            Finding(
                Kind.PRICE,
                f"{source}:{model}",
                Verdict.BAD,
                f"price:{source}:{model}:{stamp(at)}",
                f"The price of {model} {how}{effect}",
                "\n".join([f"Seen at {source}, {minute(at)}.", *map(_move, moved)]),
                lasting=False,
            )
        )
    return found


def _move(change: Change) -> str:
    tier = f" above {change.min_prompt_tokens:,} tokens" if change.min_prompt_tokens else ""
    hours = f" from {change.utc_start:04} UTC" if change.utc_start is not None else ""
    percent = f" ({change.percent:+.1f} %)" if change.percent is not None else ""
    old, new = _rate(change.old, change.meter), _rate(change.new, change.meter)
    return f"{change.endpoint.provider_name}, {label(change.meter)}{tier}{hours}: {old} to {new}{percent}"


def _rate(usd: Decimal | None, meter: str) -> str:
    if usd is None:
        return "not quoted"
    per_million = unit(meter) == "token"
    return f"${decimal_text(usd * PER_MILLION if per_million else usd)}/{'M' if per_million else unit(meter)}"


def budgets(states: Iterable[BudgetState], now: datetime, limits: Thresholds) -> list[Finding]:
    """Budgets of which a warning share is spent, and those projected to be crossed."""
    return [found for state in states for found in (*_spent(state), *_projected(state, now, limits))]


def _spent(state: BudgetState) -> list[Finding]:
    reached = [share for share in sorted(state.warn_at) if state.share >= share]
    unpriced = f" {state.unpriced_requests:,} requests are unpriced." if state.unpriced_requests else ""
    text = f"{_usd(state.spent_usd)} of {_usd(state.limit_usd)} is spent in {state.period}.{unpriced}"
    found = []
    for share in sorted(state.warn_at):
        percent = decimal_text(share * 100)
        title = (
            f"{percent} % of the budget {state.name} is spent" if share < 1 else f"The budget {state.name} is crossed"
        )
        # Of those reached the highest alone is news; a share may be left again where the limit was raised.
        is_news = bool(reached) and share == reached[-1]
        verdict = Verdict.GOOD if share not in reached else Verdict.BAD if is_news else Verdict.UNSURE
        key = f"budget:{state.name}:{state.period}:{percent}"
        found.append(Finding(Kind.BUDGET, f"{state.name}:{state.period}:{percent}", verdict, key, title, text))
    return found


def _projected(state: BudgetState, now: datetime, limits: Thresholds) -> list[Finding]:
    probability = state.crossing_probability
    if probability is None:
        return []
    is_crossed = state.share >= 1
    well = limits.crossing_probability * 0.6
    likely, unlikely = probability >= limits.crossing_probability, probability <= well
    verdict = Verdict.UNSURE if is_crossed else Verdict.BAD if likely else Verdict.GOOD if unlikely else Verdict.UNSURE
    median = f" The projected total is {_usd(state.projected_usd)}." if state.projected_usd is not None else ""
    subject = f"{state.name}:{state.period}:projected"
    return [
        Finding(
            Kind.BUDGET,
            subject,
            verdict,
            f"budget:{subject}:{now.date()}",
            f"The budget {state.name} is projected to be crossed",
            f"The probability that {state.period} exceeds {_usd(state.limit_usd)} is {probability:.0%}.{median}"
            f" {_usd(state.spent_usd)} is spent.",
            over=f"The budget {state.name} is projected to hold again",
        )
    ]


def restated(each: Restated, limits: Thresholds) -> Finding | None:
    """A past bill that moved by enough."""
    if abs(each.delta_usd) < limits.restated_usd:
        return None
    of = {"import": "An import", "restatement": "Prices or names that were learned later"}.get(each.act, each.act)
    return Finding(
        Kind.RESTATED,
        f"{each.act}:{stamp(each.at)}",
        Verdict.BAD,
        f"restated:{each.act}:{stamp(each.at)}",
        f"The past bill moved by {_signed(each.delta_usd)}",
        f"{of} changed it at {minute(each.at)}; requests without a price: {each.delta_unpriced:+,}.",
        lasting=False,
    )


def _usd(amount: Decimal | None) -> str:
    return "unknown" if amount is None else f"${amount:,.2f}"


def _signed(amount: Decimal) -> str:
    return f"{'+' if amount >= 0 else '−'}${abs(amount):,.2f}"
