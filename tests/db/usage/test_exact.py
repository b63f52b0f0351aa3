"""The engine beside the plain reading of the rules, to the last digit."""

from pathlib import Path

from db.usage.engine import Costing, open_engine
from tests.db.usage.conftest import ROWS, World
from tests.db.usage.rolled import differences, engine_rows, femto_and_unpriced, tallies


def test_a_million_requests_cost_the_same_to_the_last_femto_dollar_cell_by_cell(million: World, tmp_path: Path) -> None:
    with open_engine(Costing(home=tmp_path)) as engine:
        names = engine.names(million.files)
        engine.cost(million.files, million.pricing, tmp_path / "cells")
    found = tallies(engine_rows(tmp_path / "cells", million.pricing))

    assert set(names) == {each.name for each in million.market.names}
    assert femto_and_unpriced(found) == femto_and_unpriced(million.expected)
    assert differences(million.expected, found)[:3] == []


def test_the_million_requests_play_every_rule(million: World) -> None:
    """Or the comparison would prove less than it says."""
    cells = million.expected.values()
    priced = [tally for tally in cells if tally.femto is not None]
    assumed = set().union(*(tally.assumed for tally in priced))
    kinds = {key[4] for key in million.expected}

    assert sum(sum(tally.units) > 0 for tally in priced) > ROWS / 10
    assert assumed == {
        "internal_reasoning", "input_cache_read", "input_cache_write", "input_cache_write_1h", "audio",
        "audio_output", "input_audio_cache", "image_token", "bucket",
    }  # fmt: skip
    assert {key[0] % 60 for key in million.expected} == {0, 30, 45, 15}
    assert {key[3] for key in million.expected} == {0, 32_001, 128_001, 200_001}
    assert kinds >= {0, 1, 2, 3, 7, 31}
    assert any(tally.femto == 0 and sum(tally.units) > 0 for tally in priced)
    assert any(tally.femto is None and key[5] is not None for key, tally in million.expected.items())
    assert any(tally.femto is None and key[5] is None for key, tally in million.expected.items())
    assert any(tally.femto % 1_000_000 == 500_000 for tally in priced if tally.femto is not None)
