"""From versions of whole quotes to the history of single rates, and to moves. Pure."""

from collections.abc import Iterable, Iterator
from datetime import datetime
from decimal import Decimal
from itertools import groupby, pairwise

from db.prices.facts import Change, Price, Rate, Rates, Step

Condition = tuple[str, int, int | None, int | None]


def by_endpoint(prices: Iterable[Price]) -> Iterator[list[Price]]:
    """Versions grouped by endpoint, each group oldest first. Expects them in that order."""
    for _, versions in groupby(prices, key=lambda price: price.endpoint.id):
        yield list(versions)


def steps(prices: Iterable[Price]) -> list[Step]:
    """The history of every rate: one step for as long as it did not change, oldest first.

    A quote may change in one meter and not in another; the others' steps go on. Where the endpoint was gone in
    between, a new step begins.
    """
    found: list[Step] = []
    for versions in by_endpoint(prices):
        running: dict[Condition, Step] = {}
        for price in versions:
            now: dict[Condition, Step] = {}
            for rate in price.rates:
                before = running.get(rate.condition)
                goes_on = (
                    before is not None
                    and before.valid_to == price.valid_from
                    and before.rate.usd == rate.usd
                    and before.suspect == price.suspect
                )
                start = before.valid_from if before is not None and goes_on else price.valid_from
                now[rate.condition] = Step(price.endpoint, rate, start, price.valid_to, price.suspect)
            # What does not go on, by another rate or none, is done.
            found += [s for c, s in running.items() if c not in now or now[c].valid_from != s.valid_from]
            running = now
        found += running.values()
    return sorted(found, key=lambda s: (s.valid_from, s.endpoint.id, s.rate.condition[1:] != (0, None, None)))


def changes(prices: Iterable[Price], since: datetime | None = None, until: datetime | None = None) -> list[Change]:
    """Every move of a rate, oldest first.

    A meter that comes or goes at a rate of zero changes no bill: it is no move. A conditional rate that comes or goes
    is measured against the rate that applies under its condition without it.
    """
    found: list[Change] = []
    for versions in by_endpoint(prices):
        for before, after in pairwise(versions):
            at = after.valid_from
            if (since is None or at >= since) and (until is None or at < until):
                found += _moves(before, after)
    return sorted(found, key=lambda change: (change.at, change.endpoint.id))


def _moves(before: Price, after: Price) -> Iterator[Change]:
    old = {rate.condition: rate for rate in before.rates}
    new = {rate.condition: rate for rate in after.rates}
    for condition in dict.fromkeys([*old, *new]):
        was = old.get(condition) or _applying(before.rates, condition)
        now = new.get(condition) or _applying(after.rates, condition)
        if _usd(was) == _usd(now) and (was is None) == (now is None):
            continue
        if (was is None and _is_free(now)) or (now is None and _is_free(was)):
            continue
        meter, min_prompt_tokens, utc_start, utc_end = condition
        yield Change(
            after.valid_from,
            after.endpoint,
            meter,
            _usd(was),
            _usd(now),
            min_prompt_tokens,
            utc_start,
            utc_end,
            after.suspect,
        )


def _applying(rates: Rates, condition: Condition) -> Rate | None:
    """The rate that applies under a condition which the quote does not name: the last whose own condition it meets."""
    meter, min_prompt_tokens, *window = condition
    found = None
    for rate in rates:
        meets = rate.min_prompt_tokens <= min_prompt_tokens and [rate.utc_start, rate.utc_end] in ([None, None], window)
        if rate.meter == meter and meets:
            found = rate
    return found


def _usd(rate: Rate | None) -> Decimal | None:
    return rate.usd if rate is not None else None


def _is_free(rate: Rate | None) -> bool:
    return rate is not None and rate.usd == 0
