"""The embedded engine works through a log in slices of time, so that its memory does not grow with the log."""

from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from db.usage import engine as engines
from db.usage.engine import HOUR, SLICE_ROWS, Costing, open_engine, slices
from db.usage.requests import Profile
from tests.db.usage.conftest import World
from tests.db.usage.rolled import differences, engine_rows, tallies
from tests.db.worlds import START

MOMENTS = st.integers(0, 90 * 86_400 * 10**6).map(lambda us: START + timedelta(microseconds=us))


def about(rows: int, first_at: datetime | None, last_at: datetime | None) -> Profile:
    return Profile(rows, 0, first_at, last_at, frozenset(), frozenset())


@given(st.integers(1, 20 * SLICE_ROWS), MOMENTS, MOMENTS)
def test_slices_are_whole_hours_and_hold_every_request_once(rows: int, one: datetime, other: datetime) -> None:
    first_at, last_at = sorted((one, other))

    found = list(slices(about(rows, first_at, last_at), None))

    assert found[0][0] <= first_at < found[0][1]
    assert found[-1][0] <= last_at < found[-1][1]
    assert all(a[1] == b[0] for a, b in pairwise(found))
    assert all((at - START) % HOUR == timedelta(0) for span in found for at in span)
    assert len(found) <= -(-rows // SLICE_ROWS)


@given(st.integers(1, 20 * SLICE_ROWS), st.lists(MOMENTS, min_size=4, max_size=4))
def test_slices_of_a_part_are_cut_to_it(rows: int, moments: list[datetime]) -> None:
    first_at, last_at = sorted(moments[:2])
    since, until = sorted(moments[2:])

    whole = list(slices(about(rows, first_at, last_at), None))
    found = list(slices(about(rows, first_at, last_at), (since, until)))

    assert found == [(max(a, since), min(b, until)) for a, b in whole if max(a, since) < min(b, until)]


def test_a_log_of_ten_slices_has_ten() -> None:
    assert len(list(slices(about(10 * SLICE_ROWS, START, START + 100 * HOUR), None))) == 10
    assert not list(slices(about(0, None, None), None))


def test_costing_in_slices_comes_to_the_same_cells(
    fewer: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engines, "SLICE_ROWS", 10_000)
    with open_engine(Costing(home=tmp_path)) as engine:
        engine.cost(fewer.files, fewer.pricing, tmp_path / "cells")

    assert len(list((tmp_path / "cells").iterdir())) > 5
    assert differences(fewer.expected, tallies(engine_rows(tmp_path / "cells", fewer.pricing)))[:3] == []
