"""A synthetic usage log, to try the spend pages with: the same for the same prices and day. Pure but for the file."""

import csv
import math
import random
from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

from db.meters import COMPLETION, PROMPT
from db.prices.facts import Price

DAYS: Final = 90
ENDPOINTS: Final = 12
PROJECTS: Final = ("sample-support-bot", "sample-code-review", "sample-search", "sample-evals")
COLUMNS: Final = ("time", "model", "provider", "project", "prompt", "completion", "input_cache_read", "cost_usd")
UNKNOWN: Final = (("sample/house-finetune-7b", "sample-own-gpus"), ("sample/retired-model", "openrouter"))
"""Names that no price list has: unpriced usage looks like this."""
_REQUESTS_A_DAY: Final = 240
_WEEKDAY: Final = (1.0, 1.1, 1.15, 1.1, 0.9, 0.35, 0.3)
_GROWTH: Final = 1.8
"""The last day has this many times the requests of the first."""


def picked(before: Iterable[Price], today: Iterable[Price]) -> list[Price]:
    """The endpoints that the sample uses: of many models and sellers, first those whose price covers all its days.

    `before`: prices in force on its first day, `today`: those of now.
    """
    covered = {price.endpoint.id for price in before}
    usable = [price for price in today if _plain(price)]
    usable.sort(key=lambda p: (p.endpoint.id not in covered, p.endpoint.provider == p.endpoint.source, p.endpoint.name))
    of_seller: dict[str, list[Price]] = {}
    for price in usable:
        of_seller.setdefault(price.endpoint.provider, []).append(price)
    chance = random.Random(1)
    found: list[Price] = []
    models: set[str] = set()
    while of_seller and len(found) < ENDPOINTS:
        for seller in list(of_seller):
            group = of_seller[seller]
            old = [p for p in group if p.endpoint.id in covered] or group
            price = old[chance.randrange(len(old))]
            group.remove(price)
            if not group:
                del of_seller[seller]
            if price.endpoint.model not in models and len(found) < ENDPOINTS:
                models.add(price.endpoint.model)
                found.append(price)
    return found


def _plain(price: Price) -> bool:
    """Whether it has a price for text, and one only."""
    usd = _usd(price)
    return bool(usd.get(PROMPT) and usd.get(COMPLETION)) and price.endpoint.variant is None and not price.suspect


def _usd(price: Price) -> dict[str, Decimal | None]:
    return {rate.meter: rate.usd for rate in reversed(price.rates)}


def write(file: Path, prices: Sequence[Price], now: datetime) -> int:
    """Write the log of the days up to `now` as CSV; how many requests it has."""
    with file.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(COLUMNS)
        count = 0
        for row in _rows(prices, now):
            writer.writerow(row)
            count += 1
    return count


def _rows(prices: Sequence[Price], now: datetime) -> Iterator[tuple[Any, ...]]:
    today = now.date()
    for number in range(DAYS, -1, -1):
        day = today - timedelta(days=number)
        chance = random.Random(day.toordinal())
        for at in _instants(day, number, chance):
            if at < now:
                yield (at.isoformat().replace("+00:00", "Z"), *_request(prices, chance))


def _instants(day: date, ago: int, chance: random.Random) -> list[datetime]:
    from datetime import UTC

    grown = _GROWTH ** (1 - ago / DAYS)
    requests = round(_REQUESTS_A_DAY * grown / _GROWTH * _WEEKDAY[day.weekday()] * chance.uniform(0.9, 1.1))
    midnight = datetime(day.year, day.month, day.day, tzinfo=UTC)
    seconds = (min(max(chance.gauss(14, 4), 0), 23.999) * 3600 for _ in range(requests))
    return sorted(midnight + timedelta(seconds=round(each, 3)) for each in seconds)


def _request(prices: Sequence[Price], chance: random.Random) -> tuple[Any, ...]:
    """Model, provider, project, prompt, completion, cached, logged cost."""
    project = chance.choices(PROJECTS, (5, 3, 2, 1))[0]
    prompt = round(math.exp(chance.gauss(7.2, 1.1))) + 1
    completion = round(math.exp(chance.gauss(5.4, 0.9))) + 1
    if chance.random() < 0.01:
        return (*UNKNOWN[chance.randrange(len(UNKNOWN))], project, prompt, completion, 0, "")
    place = chance.choices(range(len(prices)), [1 / (n + 1) for n in range(len(prices))])[0]
    price = prices[place]
    usd = _usd(price)
    cached = round(prompt * chance.uniform(0.3, 0.8)) if "input_cache_read" in usd and chance.random() < 0.5 else 0
    logged = ""
    if place % 3 == 0:
        full = (usd[PROMPT] or Decimal(0)) * prompt + (usd[COMPLETION] or Decimal(0)) * completion
        logged = f"{full:.9f}"
    return price.endpoint.model, price.endpoint.provider, project, prompt - cached, completion, cached, logged
