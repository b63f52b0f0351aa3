"""All time of one name, cut where its price changes."""

from datetime import datetime, timedelta
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from db.prices.facts import Price
from db.usage.segments import BEGINNING, END, Segment, segments
from tests.db.quotes import endpoint, price, rate
from tests.db.worlds import at


def version(usd: str, since: float, until: float | None = None, *, suspect: bool = False) -> Price:
    return price((rate("prompt", usd),), since, until, suspect=suspect)


def spans(*candidates: list[Price]) -> list[tuple[datetime, datetime, str | None]]:
    return [(s.start, s.end, _usd(s)) for s in segments(candidates)]


def _usd(segment: Segment) -> str | None:
    return format(segment.price.rates[0].usd or 0, "f").strip("0.") if segment.price else None


def test_a_name_without_endpoints_has_no_price_at_any_time() -> None:
    assert spans() == [(BEGINNING, END, None)]


def test_before_the_first_price_in_gaps_and_after_the_last_there_is_none() -> None:
    assert spans([version("1", 0, 5), version("2", 7, 9)]) == [
        (BEGINNING, at(0), None),
        (at(0), at(5), "1"),
        (at(5), at(7), None),
        (at(7), at(9), "2"),
        (at(9), END, None),
    ]


def test_the_first_candidate_wins_and_the_next_fills_its_gaps() -> None:
    preferred = [version("1", 2, 4), version("2", 6)]
    other = [version("3", 0, 3), version("4", 3)]

    assert spans(preferred, other) == [
        (BEGINNING, at(0), None),
        (at(0), at(2), "3"),
        (at(2), at(4), "1"),
        (at(4), at(6), "4"),
        (at(6), END, "2"),
    ]


def test_a_third_candidate_fills_what_two_leave_open() -> None:
    assert spans([version("1", 2, 3)], [version("2", 1, 4)], [version("3", 0, 5)]) == [
        (BEGINNING, at(0), None),
        (at(0), at(1), "3"),
        (at(1), at(2), "2"),
        (at(2), at(3), "1"),
        (at(3), at(4), "2"),
        (at(4), at(5), "3"),
        (at(5), END, None),
    ]


def test_a_price_in_doubt_prices_nothing() -> None:
    assert spans([version("1", 0, 2), version("900", 2, 4, suspect=True), version("1", 4)]) == [
        (BEGINNING, at(0), None),
        (at(0), at(2), "1"),
        (at(2), at(4), None),
        (at(4), END, "1"),
    ]
    assert spans([version("900", 0, suspect=True)], [version("3", 0)])[1:] == [(at(0), END, "3")]


# Moments that versions may begin or end at, in hours.
TIMELINES = st.lists(
    st.lists(st.integers(0, 40), unique=True, max_size=6).map(sorted).flatmap(
        lambda times: st.tuples(st.just(times), st.integers(0, 2**12), st.booleans())
    ),
    max_size=3,
)  # fmt: skip


def timeline(number: int, times: list[int], kinds: int, is_open: bool) -> list[Price]:
    """Versions between the times; bits of `kinds` leave one out or put it in doubt."""
    ends = [*times[1:], None] if is_open else times[1:]
    return [
        price((rate("prompt", f"{number}{i}"),), since, until, of=endpoint(number), suspect=bool(kinds >> i & 64))
        for i, (since, until) in enumerate(zip(times, ends, strict=False))
        if not kinds >> i & 1
    ]


@given(TIMELINES, st.integers(-10, 500))
def test_segments_tile_all_time_with_the_price_of_the_first_that_has_one(
    drawn: list[tuple[list[int], int, bool]], tenth: int
) -> None:
    candidates = [timeline(n, *each) for n, each in enumerate(drawn, 1)]
    found = list(segments(candidates))
    moment = at(0) + timedelta(hours=tenth / 10)

    assert (found[0].start, found[-1].end) == (BEGINNING, END)
    assert all(a.end == b.start for a, b in pairwise(found))
    assert all(s.start < s.end for s in found)
    (here,) = [s.price for s in found if s.start <= moment < s.end]
    in_force = (
        p
        for versions in candidates
        for p in versions
        if not p.suspect and p.valid_from <= moment and (p.valid_to is None or moment < p.valid_to)
    )
    assert here == next(in_force, None)
