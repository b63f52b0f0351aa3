"""Bars of spend: their pieces, marks and spec."""

from datetime import date

import pandas as pd

from dashboard.charts.spend import bars, colours, spend_chart, step_for, unpriced_marks
from dashboard.theme import DARK, LIGHT

FIRST, LAST = date(2026, 1, 3), date(2026, 1, 9)
SUMS = pd.DataFrame(
    {
        "start": pd.to_datetime(["2025-12-29", "2026-01-05", "2026-01-05", "2026-01-05"]).astype("datetime64[s]"),
        "place": [0, 1, 0, 2],
        "requests": [2, 3, 4, 5],
        "unpriced_requests": [0, 0, 0, 5],
        "cost_nano": [1_500_000_000, 250_000_000, 2_000_000_000, 0],
    }
)
LABELS = ["<b>big</b>", "small", "all others"]


def test_a_step_is_cut_to_the_period_and_stacked_the_largest_group_first() -> None:
    drawn = bars(SUMS, LABELS, FIRST, LAST, "week")

    assert list(drawn["low"]) == [0, 0, 2.0]
    assert list(drawn["high"]) == [1.5, 2.0, 2.25]
    assert list(drawn["told"]) == [
        "<b>big</b>: $1.50, 3 Jan 2026 to 4 Jan 2026",
        "<b>big</b>: $2.00, 5 Jan 2026 to 9 Jan 2026",
        "small: $0.25, 5 Jan 2026 to 9 Jan 2026",
    ]


def test_steps_with_unpriced_requests_are_marked_above_their_bar() -> None:
    (mark,) = unpriced_marks(SUMS, FIRST, LAST, "week").to_dict("records")

    assert mark["high"] == 2.25
    assert mark["told"] == "5 Jan 2026 to 9 Jan 2026: 5 of 12 requests without a price"


def test_the_spec_is_valid_has_units_and_the_palette_of_the_theme() -> None:
    drawn, marks = bars(SUMS, LABELS, FIRST, LAST, "week"), unpriced_marks(SUMS, FIRST, LAST, "week")
    for palette in (LIGHT, DARK):
        fills = colours(2, rest=True, palette=palette)
        spec = spend_chart(drawn, marks, fills, (FIRST, LAST), "week", palette).to_dict(validate=True)

        pieces, points = spec["layer"]
        assert pieces["encoding"]["y"]["title"] == "Spend per week, US$"
        assert pieces["encoding"]["color"]["scale"]["range"] == [*palette.series[:2], palette.faint]
        assert points["mark"]["color"] == palette.warn
        assert spec["config"]["background"] == palette.background


def test_few_enough_bars_to_draw_quickly() -> None:
    assert step_for(date(2026, 1, 1), date(2026, 3, 31)) == "day"
    assert step_for(date(2026, 1, 1), date(2026, 12, 31)) == "week"
    assert step_for(date(2023, 1, 1), date(2026, 12, 31)) == "month"
