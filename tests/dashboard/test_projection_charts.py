"""The fan and the waterfall: what their frames hold, and that Vega-Lite knows all of it."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from dashboard.charts import fan_points, waterfall
from dashboard.charts.fan import fan_chart
from dashboard.charts.fan_points import Fan, fan
from dashboard.charts.waterfall import LESS, MORE, TOTAL, bars, waterfall_chart
from dashboard.theme import DARK, LIGHT, Palette
from db.plans.bridge import PARTS, Bridge
from db.plans.forecast import project
from db.plans.periods import Moment

USD = 10**9
FIRST = date(2026, 2, 1)
END = date(2026, 3, 1)


def drawn(limit: int | None = None, *, history: int = 60, known: int = 18, usd: int = 10) -> Fan:
    """A month of $10 a day, known up to the end of a day."""
    last = FIRST + timedelta(days=known - 1)
    daily = {last - timedelta(days=i): (usd + i % 3) * USD for i in range(history)}
    told = project(daily, last, FIRST, END, limit=limit)
    total, running = 0, []
    for i in range(known):
        total += daily.get(FIRST + timedelta(days=i), 0)
        running.append((FIRST + timedelta(days=i), total))
    return fan(running, told, Moment(last, 1.0), limit, is_live=True)


def texts(chart: Any) -> str:
    return str(chart.to_dict(validate=True))


def test_the_line_starts_at_nothing_and_the_fan_where_it_ends() -> None:
    found = drawn()

    assert found.spent[0].nano == 0
    assert found.spent[0].at == datetime(2026, 2, 1, tzinfo=UTC)
    assert found.spent[-1].at == datetime(2026, 2, 19, tzinfo=UTC)
    ahead = fan_points.ahead_frame(found)
    assert ahead.iloc[0]["low95"] == ahead.iloc[0]["high95"] == found.spent[-1].nano / 1e9
    assert ahead.iloc[-1]["at"] == datetime(2026, 3, 1, tzinfo=UTC)
    assert ahead.iloc[-1]["told"].startswith("End of 28 Feb 2026: median $")
    assert "95%" in ahead.iloc[-1]["told"]


def test_the_crossing_lies_on_the_line_within_its_day() -> None:
    found = drawn(250 * USD)

    assert found.crossing is not None
    assert found.crossing_day is not None
    assert found.crossing.nano == 250 * USD
    begins = fan_points.midnight(found.crossing_day)
    assert begins < found.crossing.at <= begins + timedelta(days=1)
    assert f"Median crosses {found.crossing_day.day} Feb" in texts(fan_chart(found, LIGHT, "in February 2026"))


def test_a_crossing_that_is_behind_is_on_the_line_so_far() -> None:
    found = drawn(50 * USD)

    assert found.crossing is not None
    assert found.crossing.at < found.spent[-1].at
    assert "'Crossed 5 Feb'" in texts(fan_chart(found, DARK, "in February 2026"))


def test_without_history_there_is_no_95_band() -> None:
    found = drawn(history=3, known=3)
    chart = fan_chart(found, LIGHT, "in February 2026")

    assert not found.has_95
    assert fan_points.end_labels(found)[0][0].startswith("90% $")
    told = texts(chart)
    assert "'y2': {'field': 'high95'" not in told
    assert "'y2': {'field': 'high80'" in told


def test_a_budget_far_above_everything_is_not_drawn() -> None:
    found = drawn(100_000 * USD)

    assert fan_points.top(found) < 1000
    assert "Budget" not in texts(fan_chart(found, LIGHT, "in February 2026"))


@pytest.mark.parametrize("palette", [LIGHT, DARK])
def test_a_month_without_spend_draws(palette: Palette) -> None:
    found = fan([], project({}, date(2026, 2, 3), FIRST, END), Moment(date(2026, 2, 3), 1.0), None, is_live=True)

    assert fan_points.top(found) == 1.0
    assert "Cumulative spend" in texts(fan_chart(found, palette, "in February 2026"))


def test_a_day_under_way_ends_now() -> None:
    here = Moment(date(2026, 2, 3), 0.5)
    daily = {FIRST + timedelta(days=i): USD for i in range(3)}
    told = project(daily, here.day, FIRST, END, elapsed=0.5)
    found = fan([(FIRST + timedelta(days=i), (i + 1) * USD) for i in range(3)], told, here, None, is_live=False)

    assert found.spent[-1].at == datetime(2026, 2, 3, 12, tzinfo=UTC)
    assert "Known to 3 Feb 2026" in texts(fan_chart(found, LIGHT, ""))


def made(**parts: int) -> Bridge:
    whole = {part: parts.get(part, 0) * USD for part in PARTS}
    return Bridge(100 * USD, 100 * USD + sum(whole.values()), whole)


def test_bars_start_where_the_one_before_ended_and_reach_the_end() -> None:
    found = bars(made(volume=30, model_mix=-50, price=5), "Jan", "Feb")

    assert [bar.name for bar in found] == ["Jan", "Volume", "Model mix", "Price", "Feb"]
    assert [bar.kind for bar in found] == [TOTAL, MORE, LESS, MORE, TOTAL]
    assert [(bar.low // USD, bar.high // USD) for bar in found] == [(0, 100), (100, 130), (80, 130), (80, 85), (0, 85)]
    assert found[2].label == "−$50.00"
    assert found[-2].end == found[-1].high


def test_a_part_too_small_to_see_is_left_to_the_table() -> None:
    whole = made(volume=30)
    tiny = Bridge(whole.before, whole.after + 8, {**whole.parts, "price": 8})

    assert [bar.name for bar in bars(tiny, "Jan", "Feb")] == ["Jan", "Volume", "Feb"]


@pytest.mark.parametrize("palette", [LIGHT, DARK])
def test_the_waterfall_is_known_to_vega_lite_and_names_are_no_code(palette: Palette) -> None:
    told = texts(waterfall_chart(bars(made(volume=30), "'] + alert(1) + ['", "Feb"), palette))

    assert '"0": "\'] + alert(1) + [\'"' in told.replace('\\\\"', '"').replace("\\'", "'").replace('\\"', '"')
    assert waterfall.part_label("a_new_part") == "A new part"
