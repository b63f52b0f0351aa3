"""Requests with every rule in play, and what they cost by the plain reading of the rules."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from db.usage.pricing import Pricing, grid_of, pricing
from tests.db.usage import reference
from tests.db.usage.market import Market, market
from tests.db.usage.reference import Key, Tally
from tests.db.usage.traffic import stored, traffic

ROWS = 1_000_000
FEWER_ROWS = 100_000
FILES = 12
SEED = 20_260_101


@dataclass(frozen=True)
class World:
    """`files`: the requests; `expected`: their roll-up by the reference."""

    market: Market
    files: list[Path]
    pricing: Pricing
    expected: Mapping[Key, Tally]


@pytest.fixture(scope="session")
def million(tmp_path_factory: pytest.TempPathFactory) -> World:
    return _world(ROWS, tmp_path_factory.mktemp("million"))


@pytest.fixture(scope="session")
def fewer(tmp_path_factory: pytest.TempPathFactory) -> World:
    return _world(FEWER_ROWS, tmp_path_factory.mktemp("fewer"))


def _world(rows: int, folder: Path) -> World:
    made = market(SEED)
    table = traffic(made, rows, SEED)
    expected = reference.cells(table, reference.Ledger(made.candidates()))
    return World(made, stored(table, folder, FILES), priced(made), expected)


def priced(made: Market) -> Pricing:
    return pricing(made.names, made.prices, grid_of(p.rates for versions in made.prices.values() for p in versions))
