"""What the charts of the Providers page are made of, and the rules behind its words."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashboard.charts import latency, pareto, uptime
from dashboard.charts.price_bars import bars, price_bars
from dashboard.theme import DARK, LIGHT
from dashboard.views.providers import trusted
from db.catalog.facts import Endpoint
from db.probes.facts import Cell, Hour, Outcome
from db.quality.compare import ranked
from db.quality.facts import Compared, Effective, Measure, Origin
from db.quality.failover import failover
from db.quality.rating import LEAST, rate

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def row(name: str, usd: str | None, ttft_ms: float | None = None, **given: Any) -> Compared:
    """An endpoint of OpenRouter at the provider `name`, measured where it has a figure."""
    source, origin = given.pop("source", "openrouter"), given.pop("origin", Origin.MEASURED)
    endpoint = Endpoint(hash(name) % 1000, source, "endpoints", f"a/m@{name}", "", "a/m", name, name.title(), "a/m",
                        None, None, "own id")  # fmt: skip
    usual: dict[str, Any] = {"tokens_per_s": None, "uptime_percent": None, "context": 8192, "quantization": "fp8"}
    usual |= {"parameters": ("tools",), "lost_parameters": None, "priced_since": NOON}
    figure = Measure(ttft_ms, origin, "72 h", 100, NOON) if ttft_ms is not None else None
    effective = Effective(Decimal(usd)) if usd is not None else None
    return Compared(endpoint=endpoint, effective=effective, ttft_ms=figure, **(usual | given))


FIRST = pareto.AGAINST["First token"]


def names(cloud: pareto.Cloud | None, column: str) -> set[str]:
    assert cloud is not None
    return set(cloud.points[cloud.points[column]]["name"])


def test_the_frontier_is_what_no_other_is_both_cheaper_and_faster_than() -> None:
    cloud = pareto.cloud([row("slow", "1", 900), row("fast", "4", 200), row("worse", "5", 300)], FIRST)

    assert names(cloud, "is_front") == {"Slow", "Fast"}
    assert cloud is not None
    assert pareto.conclusion(cloud, FIRST) == "2 of 3 endpoints are cheap for how fast they begin to answer"


def test_of_speed_and_uptime_more_is_better() -> None:
    assert pareto.frontier([(30, 1), (100, 2), (20, 3)], is_high_good=True) == {0, 1}
    assert pareto.frontier([(30, 1), (100, 2), (20, 3)], is_high_good=False) == {0, 2}


@given(st.lists(st.tuples(st.integers(1, 9), st.integers(1, 9)), min_size=1, max_size=12), st.booleans())
def test_every_point_off_the_frontier_is_beaten_by_one_on_it(points: list[tuple[int, int]], is_high_good: bool) -> None:
    sign = -1 if is_high_good else 1
    front = pareto.frontier([(float(x), float(y)) for x, y in points], is_high_good)

    assert front
    for number, (x, usd) in enumerate(points):
        as_good = [other for other in front if sign * points[other][0] <= sign * x and points[other][1] <= usd]
        assert as_good
        if number in front:
            assert as_good == [number]


def test_measured_and_reported_figures_share_no_frontier() -> None:
    rows = [row("a", "1", 900), row("b", "2", 500), row("c", "0.5", 100, origin=Origin.REPORTED)]

    cloud = pareto.cloud(rows, FIRST)

    assert names(cloud, "is_front") == {"A", "B"}
    assert names(cloud, "is_other") == {"C"}


def test_what_cannot_be_drawn_is_counted() -> None:
    cloud = pareto.cloud([row("a", "1", 9), row("free", "0", 9), row("unpriced", None, 9), row("silent", "1")], FIRST)

    assert cloud is not None
    assert (cloud.no_figure, cloud.no_price, cloud.free, cloud.compared) == (1, 1, 1, 1)
    assert pareto.cloud([row("silent", "1")], FIRST) is None


@pytest.mark.parametrize("palette", [LIGHT, DARK])
def test_only_the_frontier_is_coloured_and_labelled(palette: Any) -> None:
    cloud = pareto.cloud([row("slow", "1", 900), row("fast", "4", 200), row("worse", "5", 300)], FIRST)
    assert cloud is not None

    chart = pareto.pareto_chart(cloud, FIRST, palette, "3:1").to_dict(validate=True)

    marks = [layer["mark"] for layer in chart["layer"]]
    assert [mark["type"] for mark in marks] == ["point", "line", "point", "text", "text"]
    assert marks[0]["color"] == palette.faint
    assert marks[2]["color"] == palette.accent
    labels = chart["datasets"][chart["layer"][4]["data"]["name"]]
    assert {each["name"] for each in labels} == {"Slow", "Fast"}
    assert chart["layer"][2]["encoding"]["y"]["title"].startswith("$ per 1M tokens at 3:1 (log scale)")


def test_labels_that_would_meet_are_left_out() -> None:
    rows = [row(f"p{n}", str(Decimal(2) - Decimal(n) / 1000), 500 + n) for n in range(20)]
    cloud = pareto.cloud([*rows, row("far", "0.01", 9000)], FIRST)
    assert cloud is not None

    chart = pareto.pareto_chart(cloud, FIRST, LIGHT, "3:1").to_dict(validate=True)

    assert len(chart["datasets"][chart["layer"][-1]["data"]["name"]]) < 6


def test_prices_alone_accent_the_cheapest() -> None:
    drawn = bars([row("a", "1"), row("b", "2"), row("c", None)])

    assert list(drawn["name"]) == ["A", "B"]
    assert list(drawn["is_cheapest"]) == [True, False]
    assert price_bars(drawn, LIGHT, "3:1").to_dict(validate=True)["layer"][0]["mark"]["type"] == "bar"


def cell(number: int, ok: int, failed: int = 0, limited: int = 0) -> Cell:
    start = NOON + timedelta(hours=6 * number)
    return Cell(start, start + timedelta(hours=6), ok + failed + limited, ok, failed, limited)


def test_a_cell_shows_what_its_probes_can_show() -> None:
    strip = uptime.Row("'; evil \"", [cell(0, 36), cell(1, 35, 1), cell(2, 0), cell(3, 0, 0, 3)], 0.99, 75)

    drawn = uptime.cells([strip], NOON + timedelta(hours=20))

    assert list(drawn["class"]) == ["all ok", "1 failed", "no data", "all limited"]
    assert drawn["told"].iloc[1].endswith("18:00 to 00:00 UTC: 1 of 36 probes failed")
    assert drawn["told"].iloc[2].endswith("not probed")
    assert drawn["end"].iloc[3] == NOON + timedelta(hours=20), "the running cell ends now"
    for palette in (LIGHT, DARK):
        chart = uptime.uptime_chart([strip], NOON + timedelta(hours=20), palette).to_dict(validate=True)
        encoding = chart["layer"][0]["encoding"]
        assert encoding["color"]["scale"]["domain"] == ["all ok", "1 failed", "all limited", "no data"]
        assert encoding["y"]["axis"]["labelExpr"] == '({"0": "\'; evil \\""})[datum.value]'


def test_a_strip_stays_within_the_marks_that_a_page_can_draw() -> None:
    assert uptime.most_rows(NOON - timedelta(days=30), NOON) * 121 <= uptime.MOST_CELLS


def hour(number: int, p50: float | None, causes: dict[Outcome, int] | None = None, limited: int = 0) -> Hour:
    failed = causes or {}
    figures = {"p50": p50, "p90": p50 * 2} if p50 else {}
    errors = sum(failed.values())
    start = NOON + timedelta(hours=number)
    return Hour(start, 6, 6 - errors - limited, limited, errors, failed, 6 - errors, figures, {}, figures)


def test_hours_without_a_probe_break_the_line() -> None:
    drawn = latency.lines([hour(0, 400), hour(1, 500), hour(3, 600), hour(4, None)], "ttft_ms")

    assert list(drawn["segment"]) == [0, 0, 1]
    assert drawn["told"].iloc[2] == "1 Jan 2026 15:00 UTC: p50 600 ms, p90 1,200 ms, n 6"
    assert latency.latency_chart(drawn, "First", NOON, NOON + timedelta(hours=6), LIGHT).to_dict(validate=True)


def test_failures_stand_on_each_other_by_cause() -> None:
    hours = [hour(0, 400, {Outcome.TIMEOUT: 2, Outcome.TRUNCATED: 1}, limited=1), hour(2, 400)]

    drawn = latency.failures(hours, NOON, NOON + timedelta(hours=6))

    stacked = [(str(c), int(b), int(t)) for c, b, t in zip(drawn["cause"], drawn["bottom"], drawn["top"], strict=True)]
    assert stacked == [("timeout", 0, 2), ("truncated", 2, 3), ("limited (429)", 3, 4)]
    lines = latency.lines(hours, "ttft_ms")
    chart = latency.failure_chart(drawn, lines, NOON, NOON + timedelta(hours=6), DARK).to_dict(validate=True)
    colours = chart["layer"][0]["encoding"]["color"]["scale"]
    assert dict(zip(colours["domain"], colours["range"], strict=True))["limited (429)"] == DARK.faint


def test_long_windows_count_failures_in_wider_bars() -> None:
    hours = [hour(n, 400, {Outcome.TIMEOUT: 1}) for n in range(24)]

    drawn = latency.failures(hours, NOON - timedelta(days=30), NOON)

    assert list(drawn["n"]) == [12, 12]


def test_a_rating_needs_a_cohort() -> None:
    assert rate(1, [1, 2, 3, 4]) is None
    best = rate(100, [100, 200, 300, 400, 500])
    assert best is not None
    assert (best.percentile, best.n) == (100, LEAST)
    worst = rate(100, [100, 200, 300, 400, 500], is_high_good=True)
    assert worst is not None
    assert worst.percentile == 0
    even = rate(7, [7] * 9)
    assert even is not None
    assert even.percentile == 50


def test_the_next_best_keeps_the_parameters_and_is_not_the_same_provider() -> None:
    used = row("used", "1", parameters=("tools", "seed"))
    cheap = row("cheap", "0.5", parameters=("tools",))
    same = row("same", "1.5", parameters=("tools", "seed"))
    down = row("down", "0.1", parameters=("tools", "seed"), status=-10)
    unknown = row("unknown", None, parameters=("tools", "seed"))

    found = failover(ranked([used, cheap, same, down, unknown]), used)

    assert found is not None
    assert found.change.after.endpoint.provider == "same"
    assert found.keeps_parameters is True
    assert found.usd_per_hour(2_000_000) == Decimal(1)
    only = failover(ranked([used, cheap]), used)
    assert only is not None
    assert only.keeps_parameters is False
    assert only.usd_per_hour(1_000_000) == Decimal("-0.5")
    assert failover(ranked([used, down, unknown]), used) is None


def test_an_endpoint_that_several_sources_tell_of_is_one_row() -> None:
    ours, theirs = row("nebius", "1"), row("nebius", "0.5", source="models_dev")
    unpriced = replace(ours, effective=None)

    assert [each.endpoint.source for each in trusted([ours, theirs])] == ["openrouter"]
    assert [each.endpoint.source for each in trusted([unpriced, theirs])] == ["models_dev"]
