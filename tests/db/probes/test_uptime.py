"""What roll-ups come to: uptime without the limited ones, cells by what they can show, and one series' latencies."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from db.probes.facts import Cell, CellClass, Hour, Outcome, Probe, Prompt, Summary
from db.probes.percentiles import RELATIVE_ERROR
from db.probes.rollup import add_usd, fold, hour_of, instant, total
from db.probes.uptime import hourly, strip, summary
from tests.db.probes.made import START, at, near, probe

FIRST = hour_of(START)
DAY = (FIRST, FIRST + 24)


def summed(*probes: Probe) -> Summary | None:
    rolled = fold(probes, hours=24 * 365)
    return summary(DAY, {series: each for (series, _), each in rolled.items()})


def hours_of(*probes: Probe) -> list[Hour]:
    return hourly((series, hour, rolled) for (series, hour), rolled in fold(probes).items())


def test_uptime_leaves_the_limited_ones_out() -> None:
    found = summed(
        probe(0),
        probe(1),
        probe(2),
        probe(3, Outcome.TIMEOUT),
        probe(4, Outcome.LIMITED),
        probe(5, Outcome.LIMITED),
    )

    assert found is not None
    assert (found.probes, found.ok, found.limited, found.errors) == (6, 3, 2, 1)
    assert found.uptime == 0.75
    assert found.causes == {Outcome.TIMEOUT: 1}
    assert (found.start, found.end, found.newest) == (at(0), at(24), at(5))


def test_without_an_answer_or_an_error_uptime_is_unknown() -> None:
    limited = summed(probe(0, Outcome.LIMITED))

    assert limited is not None
    assert limited.uptime is None
    assert summed() is None


def test_down_all_day_is_zero_and_not_unknown() -> None:
    down = summed(probe(0, Outcome.REFUSED), probe(1, Outcome.HTTP_ERROR))

    assert down is not None
    assert down.uptime == 0
    assert (down.n, down.ttft_ms, down.tokens_per_s, down.total_ms) == (0, {}, {}, {})


def test_percentiles_are_of_ok_probes_and_say_how_many() -> None:
    found = summed(
        *(probe(i, ttft_ms=100 * (i + 1), total_ms=1000) for i in range(9)),
        probe(10, ttft_ms=1000, total_ms=2000, tokens_per_s=50),
        probe(11, Outcome.TRUNCATED, ttft_ms=9_000_000, total_ms=9_000_000, tokens_per_s=1),
    )

    assert found is not None
    assert found.n_of == {"ttft_ms": 10, "tokens_per_s": 1, "total_ms": 10}
    assert found.n == 10
    assert [found.ttft_ms[name] for name in ("p10", "p50", "p90", "p99")] == [
        near(exact) for exact in (100, 500, 900, 1000)
    ]
    assert found.tokens_per_s["p50"] == near(50)
    assert found.relative_error == RELATIVE_ERROR


def test_latencies_of_two_series_are_never_mixed() -> None:
    found = summed(
        *(probe(i, ttft_ms=100) for i in range(3)),
        *(probe(i, ttft_ms=900, prompt=Prompt.LONG) for i in range(2)),
        probe(5, ttft_ms=500, warm=False),
        probe(6, Outcome.TIMEOUT, prompt=Prompt.LONG),
    )

    assert found is not None
    # The outcomes are of all, the percentiles of the most sampled series.
    assert (found.probes, found.ok, found.errors) == (7, 6, 1)
    assert (found.prompt, found.warm, found.n) == (Prompt.SHORT, True, 3)
    assert found.ttft_ms["p99"] == near(100)


def test_of_two_series_with_as_many_probes_the_short_warm_one_is_told() -> None:
    found = summed(probe(0, ttft_ms=900, prompt=Prompt.LONG), probe(1, ttft_ms=500, warm=False), probe(2, ttft_ms=100))

    assert found is not None
    assert (found.prompt, found.warm) == (Prompt.SHORT, True)


def test_a_cost_that_no_server_reported_is_unknown() -> None:
    free = summed(probe(0, cost_usd=Decimal(0)))
    unknown = summed(probe(0))
    some = summed(probe(0), probe(1, cost_usd=Decimal("0.00000008333333333333334")), probe(2, cost_usd=Decimal(1000)))

    assert free is not None
    assert (free.cost_usd, free.unpriced) == (Decimal(0), 0)
    assert unknown is not None
    assert (unknown.cost_usd, unknown.unpriced) == (None, 1)
    assert some is not None
    assert (some.cost_usd, some.unpriced) == (Decimal("1000.00000008333333333333334"), 1)


def test_a_sum_of_money_is_exact_beyond_28_digits() -> None:
    small, large = Decimal("1E-30"), Decimal("1E+12")

    assert add_usd([large, small, None]) == Decimal("1000000000000.000000000000000000000000000001")
    assert add_usd([None]) is None


@pytest.mark.parametrize(
    ("ok", "failed", "limited", "shown", "uptime"),
    [
        (36, 0, 0, CellClass.ALL_OK, 1),
        (35, 0, 1, CellClass.ALL_OK, 1),
        (35, 1, 0, CellClass.ONE_FAILED, 35 / 36),
        (34, 2, 0, CellClass.FEW_FAILED, 34 / 36),
        (31, 5, 0, CellClass.FEW_FAILED, 31 / 36),
        (30, 6, 0, CellClass.MANY_FAILED, 30 / 36),
        (0, 36, 0, CellClass.MANY_FAILED, 0),
        (0, 1, 0, CellClass.ONE_FAILED, 0),
        (0, 0, 36, CellClass.LIMITED, None),
        (0, 0, 0, CellClass.NO_DATA, None),
    ],
)
def test_what_a_cell_can_show(ok: int, failed: int, limited: int, shown: CellClass, uptime: float | None) -> None:
    cell = Cell(at(0), at(6), ok + failed + limited, ok, failed, limited)

    assert cell.shows is shown
    assert cell.uptime == uptime


def test_a_strip_has_every_cell_of_its_window() -> None:
    cells = strip((FIRST + 5, FIRST + 19), {FIRST // 6 + 1: (35, 1, 0)})

    assert [(cell.start, cell.end, cell.n) for cell in cells] == [
        (at(0), at(6), 0),
        (at(6), at(12), 36),
        (at(12), at(18), 0),
        (at(18), at(24), 0),
    ]
    assert [cell.shows for cell in cells][:2] == [CellClass.NO_DATA, CellClass.ONE_FAILED]


def test_an_hour_without_a_probe_is_left_out_and_one_without_an_answer_has_no_latency() -> None:
    found = hours_of(
        *(probe(i / 10, ttft_ms=100 + i, tokens_per_s=50) for i in range(6)),
        probe(2.1, Outcome.TIMEOUT),
        probe(2.3, Outcome.HTTP_ERROR),
        probe(2.5, Outcome.LIMITED),
    )

    first, down = found
    assert (first.start, first.probes, first.ok, first.n, first.causes) == (at(0), 6, 6, 6, {})
    assert set(first.ttft_ms) == {"p50", "p90"}
    assert first.ttft_ms["p50"] == near(102)
    assert (down.start, down.probes, down.ok, down.errors, down.limited, down.n) == (at(2), 3, 0, 2, 1, 0)
    assert down.causes == {Outcome.TIMEOUT: 1, Outcome.HTTP_ERROR: 1}
    assert (down.ttft_ms, down.tokens_per_s, down.total_ms) == ({}, {}, {})


def test_all_hours_chart_one_series() -> None:
    found = hours_of(
        probe(0.1, ttft_ms=100), probe(1.1, ttft_ms=100), probe(1.2, ttft_ms=5000, warm=False), probe(2, warm=False)
    )

    assert [(hour.probes, hour.n) for hour in found] == [(1, 1), (2, 1), (1, 0)]
    assert found[1].ttft_ms["p90"] == near(100)
    assert hours_of() == []


OUTCOMES = st.sampled_from(list(Outcome))
WORLDS = st.lists(
    st.builds(
        probe,
        st.integers(0, 200),
        OUTCOMES,
        st.none() | st.floats(1, 60_000),
        cost_usd=st.none() | st.decimals(0, 1, places=20),
    ),
    min_size=1,
    max_size=40,
)


@given(WORLDS, st.integers(1, 48))
def test_roll_ups_of_any_length_come_to_the_same(probes: list[Probe], hours: int) -> None:
    assert total(fold(probes, hours).values()) == total(fold(probes).values())


def test_hours_are_counted_in_utc() -> None:
    assert instant(hour_of(START)) == START
    with pytest.raises(TypeError):
        hour_of(START.replace(tzinfo=None))
