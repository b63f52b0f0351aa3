"""Percentiles from merged histograms are within the stated error of exact ones, however the values were split."""

from functools import reduce

import pytest
from hypothesis import given
from hypothesis import strategies as st

from db.probes.percentiles import (
    LARGEST,
    RELATIVE_ERROR,
    SMALLEST,
    Histogram,
    decode,
    exact,
    histogram,
    nearest_rank,
)

MEASURED = st.one_of(st.just(0.0), st.floats(SMALLEST, LARGEST), st.floats(100, 30_000))
# Whole hours of values, empty ones too.
HOURS = st.lists(st.lists(MEASURED, max_size=30), max_size=20)
BOUND = RELATIVE_ERROR * (1 + 1e-9)


@given(HOURS, st.integers(0, 100))
def test_a_percentile_of_merged_hours_is_within_the_stated_error_of_the_exact_one(
    hours: list[list[float]], percent: int
) -> None:
    merged = reduce(Histogram.__add__, map(histogram, hours), Histogram())
    values = [value for hour in hours for value in hour]

    found, truth = merged.percentile(percent), exact(values, percent)

    assert merged.count == len(values)
    if truth is None:
        assert found is None
    else:
        assert found == pytest.approx(truth, rel=BOUND, abs=0)


@given(HOURS, HOURS, HOURS)
def test_merging_is_associative_and_commutative(
    one: list[list[float]], two: list[list[float]], three: list[list[float]]
) -> None:
    a, b, c = (histogram(value for hour in hours for value in hour) for hours in (one, two, three))

    assert (a + b) + c == a + (b + c)
    assert a + b == b + a
    assert a + Histogram() == a


@given(HOURS)
def test_encoded_histograms_are_summed_as_if_they_were_not(hours: list[list[float]]) -> None:
    histograms = [histogram(hour) for hour in hours]

    assert decode(each.encode() for each in histograms) == reduce(Histogram.__add__, histograms, Histogram())
    assert all(decode([each.encode()]) == each for each in histograms)


def test_the_rank_is_the_nearest() -> None:
    assert [nearest_rank(percent, 10) for percent in (0, 1, 10, 11, 50, 90, 91, 100)] == [1, 1, 1, 2, 5, 9, 10, 10]
    # In floats 0.07 x 100 is a little over 7.
    assert nearest_rank(7, 100) == 7
    assert exact([40, 10, 30, 20], 50) == 20
    assert exact([], 50) is None


def test_the_percentiles_of_one_value_are_that_value() -> None:
    found = histogram([412.0]).percentiles((0, 50, 100))

    assert found is not None
    assert len(set(found)) == 1
    assert found[0] == pytest.approx(412, rel=BOUND)


def test_nothing_has_no_percentiles() -> None:
    assert histogram([]) == Histogram()
    assert histogram([]).percentiles((50, 90)) is None
    assert histogram([]).count == 0
    assert histogram([]).encode() == b""
    assert decode([]) == decode([b"", b""]) == Histogram()


def test_zero_is_a_value() -> None:
    measured = histogram([0.0, 0.0, 100.0])

    assert measured.count == 3
    assert measured.percentile(50) == 0
    assert measured.percentile(100) == pytest.approx(100, rel=BOUND)


def test_what_is_beyond_the_range_keeps_its_rank() -> None:
    assert histogram([SMALLEST / 2]).percentile(50) == 0
    assert histogram([1e300]).percentile(50) == pytest.approx(LARGEST, rel=BOUND)


@pytest.mark.parametrize("value", [-0.1, float("nan"), float("inf")])
def test_what_is_no_duration_is_refused(value: float) -> None:
    with pytest.raises(ValueError, match="finite and not negative"):
        histogram([value])


@pytest.mark.parametrize("percent", [-1, 101])
def test_a_percentile_is_from_0_to_100(percent: int) -> None:
    with pytest.raises(ValueError, match="from 0 to 100"):
        histogram([1.0]).percentile(percent)


def test_an_hour_of_six_probes_takes_few_bytes() -> None:
    assert len(histogram([380, 395, 410, 480, 530, 1900]).encode()) < 50
