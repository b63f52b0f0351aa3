"""What charts are made of, and where their labels stand."""

import itertools
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import altair as alt
import pytest
from altair.utils.schemapi import SchemaValidationError
from hypothesis import given
from hypothesis import strategies as st

from dashboard.charts.moves import counted, moves_chart, moves_title
from dashboard.charts.price_steps import price_steps
from dashboard.charts.series import series_of
from dashboard.charts.style import LABEL_GAP_PX, log_ticks, spread, styled
from dashboard.theme import DARK, LIGHT, Palette
from db.polls.facts import Gap
from db.prices.facts import Change
from tests.dashboard.test_series import day, draw, endpoint, steps


@given(st.lists(st.floats(0, 300), max_size=12))
def test_labels_stand_apart_in_their_order(positions: list[float]) -> None:
    placed = spread(positions, LABEL_GAP_PX, 6, 294)

    ordered = sorted(placed)
    assert all(b - a >= LABEL_GAP_PX - 1e-6 for a, b in itertools.pairwise(ordered))
    pairs = list(zip(positions, placed, strict=True))
    assert all(p <= q for (a, p) in pairs for (b, q) in pairs if a < b)


def test_labels_that_have_room_stay_where_they_are() -> None:
    assert spread([100, 20, 200], 17, 6, 294) == [100, 20, 200]
    assert spread([290, 291], 17, 6, 294) == [277, 294]


@pytest.mark.parametrize(
    ("low", "high", "ticks"),
    [
        (0.9, 2.2, [1.0, 1.5, 2.0]),
        (0.15, 1.1, [0.2, 0.5, 1.0]),
        (0.9, 12, [1.0, 2.0, 5.0, 10.0]),
        (0.001, 90, [0.001, 0.01, 0.1, 1.0, 10.0]),
    ],
)
def test_log_ticks_are_round(low: float, high: float, ticks: list[float]) -> None:
    assert log_ticks(low, high) == ticks


def spec(is_log: bool = True, palette: Palette = LIGHT, count: int = 3) -> dict[str, Any]:
    many = [step for n in range(count) for step in steps(("1", 0, 9), ("2", 9, None), of=endpoint(n, f"provider{n}"))]
    drawn = draw(series_of(many, ["prompt"]), is_log=is_log)
    chart: dict[str, Any] = price_steps(drawn, "1M input tokens", palette, is_log=is_log, height=300).to_dict(
        validate=True
    )
    return chart


def test_the_price_axis_says_its_unit_and_its_scale() -> None:
    line = spec()["layer"][0]["encoding"]

    assert line["y"]["title"] == "$ per 1M input tokens (log scale)"
    assert line["y"]["scale"]["type"] == "log"
    assert line["y"]["axis"]["values"] == [1.0, 1.5, 2.0]
    assert line["x"]["scale"]["type"] == "utc"
    assert spec(is_log=False)["layer"][0]["encoding"]["y"]["scale"]["domain"][0] == 0


def test_labels_of_equal_prices_stand_17_px_apart() -> None:
    chart = spec(is_log=False)
    data = next(rows for rows in chart["datasets"].values() if rows and "label_usd" in rows[0])
    low, high = chart["layer"][0]["encoding"]["y"]["scale"]["domain"]

    heights = sorted(300 * (1 - (row["label_usd"] - low) / (high - low)) for row in data)

    assert len(heights) == 3
    assert all(b - a >= LABEL_GAP_PX - 0.01 for a, b in itertools.pairwise(heights))


def test_each_segment_is_a_line_of_its_own_and_marks_are_described() -> None:
    layers = spec()["layer"]

    assert layers[0]["encoding"]["detail"]["field"] == "segment"
    assert layers[2]["encoding"]["description"]["field"] == "told"


def test_a_gap_is_shaded_and_says_why() -> None:
    gap = Gap("openrouter", day(12), day(20))
    drawn = draw(series_of(steps(("1", 0, None)), ["prompt"]), [gap])

    layers = price_steps(drawn, "1M input tokens", LIGHT, is_log=True).to_dict(validate=True)["layer"]

    assert layers[0]["mark"]["type"] == "rect"
    assert layers[0]["encoding"]["x2"]["field"] == "end"
    assert layers[0]["encoding"]["tooltip"]["field"] == "text"


def test_both_themes_draw_on_their_own_background() -> None:
    assert spec(palette=LIGHT)["config"]["background"] == LIGHT.background
    assert spec(palette=DARK)["config"]["background"] == DARK.background


def test_a_chart_can_be_checked_and_a_page_does_not_pay_for_it() -> None:
    chart = styled([alt.Chart(alt.NamedData("none")).mark_bar(align="nowhere")], LIGHT, 100)  # type: ignore[arg-type]

    assert chart.to_dict()["layer"][0]["mark"]["align"] == "nowhere"
    with pytest.raises(SchemaValidationError):
        chart.to_dict(validate=True)


def move(number: int, percent: int) -> Change:
    return Change(day(number), endpoint(), "prompt", Decimal(100), Decimal(100 + percent))


def test_rises_count_up_and_cuts_count_down() -> None:
    counts = counted([move(1, 5), move(1, 5), move(1, -5), move(8, -5)], day(0), day(10))

    assert [(row.kind, row.n) for row in counts.itertuples()] == [("rises", 2), ("cuts", -1), ("cuts", -1)]
    assert counts.iloc[0]["told"] == "2 rises, 2 Jan 2026 to 3 Jan 2026"
    layers = moves_chart(counts, day(0), day(10), LIGHT).to_dict(validate=True)["layer"]
    assert layers[0]["encoding"]["y"]["title"] == "Price changes"


def test_a_long_window_is_counted_by_the_week_and_month() -> None:
    for days, width in ((90, 7), (800, 30)):
        counts = counted([move(0, 5)], day(0) - timedelta(days=days), day(1))
        assert counts.iloc[0]["end"] - counts.iloc[0]["start"] == timedelta(days=width)


@pytest.mark.parametrize(
    ("percents", "said"),
    [
        ([5, 5, -5, -5], "2 price cuts and 2 rises in 30 days"),
        ([-5, -5, -5, 5], "3 price cuts and 1 rise in 30 days: cuts lead 3.0 to 1"),
        ([5], "1 price rise in 30 days"),
        ([-5, -5], "2 price cuts in 30 days"),
    ],
)
def test_the_title_of_the_moves(percents: list[int], said: str) -> None:
    assert moves_title([move(1, percent) for percent in percents], 30) == said


def test_a_bar_at_the_very_end_of_the_window_is_counted() -> None:
    until = datetime(2026, 1, 10, tzinfo=UTC)

    assert counted([move(8, 5)], day(0), until).iloc[0]["end"] == until
