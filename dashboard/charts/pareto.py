"""Price against latency, speed or uptime: a grey cloud, and one accented frontier that carries the labels."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import log
from typing import Any, Final, Literal

import altair as alt
import pandas as pd

from dashboard import format as fmt
from dashboard.charts.series import endpoint_label
from dashboard.charts.style import DOLLARS, LABEL_GAP_PX, Drawn, log_ticks, styled
from dashboard.theme import Palette
from db.quality.facts import Compared, Measure, Origin

WIDTH_PX: Final = 740
"""About how wide the plot is drawn: labels that would meet at this width are left out."""
_CHAR_PX: Final = 7.0


@dataclass(frozen=True, slots=True)
class Against:
    """What a price is set against. `better`, `how`: completes "both cheaper and ...", "cheap for how ..."."""

    field: Literal["ttft_ms", "tokens_per_s", "uptime_percent"]
    title: str
    better: str
    how: str
    shown: str
    labels: str
    is_high_good: bool
    is_log: bool = True

    def told(self, measure: Measure) -> str:
        return self.shown.format(measure.value)


AGAINST: Final = {
    "First token": Against(
        "ttft_ms",
        "Median time to first token (log scale)   ← faster",
        "faster",
        "fast they begin to answer",
        "{:,.0f} ms",
        "datum.value >= 1000 ? format(datum.value / 1000, '~g') + ' s' : format(datum.value, '~g') + ' ms'",
        is_high_good=False,
    ),
    "Speed": Against(
        "tokens_per_s",
        "Median output speed, tokens per second (log scale)   faster →",
        "faster",
        "fast they write",
        "{:,.1f} tokens/s",
        "format(datum.value, ',~g')",
        is_high_good=True,
    ),
    "Uptime": Against(
        "uptime_percent",
        "Uptime, ok / (ok + errors)   more reliable →",
        "more reliable",
        "reliable they are",
        "{:.2f}%",
        "format(datum.value, '~g') + '%'",
        is_high_good=True,
        is_log=False,
    ),
}


@dataclass(frozen=True, slots=True)
class Cloud:
    """What a chart draws, and how many endpoints it cannot show.

    `points`: name, x, usd, told, is_front, is_other (of the other origin, so not compared). `origin`: of the rest.
    """

    points: pd.DataFrame
    origin: Origin
    window: str
    no_figure: int
    no_price: int
    free: int

    @property
    def compared(self) -> int:
        return int((~self.points["is_other"]).sum())


def cloud(rows: Sequence[Compared], against: Against) -> Cloud | None:
    """The endpoints that have a price and the figure; None where none has the figure.

    Measured figures are only compared with measured ones, reported with reported: the frontier is of those that more
    endpoints have, measured ones where that is even.
    """
    having = [(row, measure) for row in rows if (measure := getattr(row, against.field)) is not None]
    if not having:
        return None
    drawn = [(row, m, float(row.effective.usd_per_mtok)) for row, m in having if row.effective]
    priced = [each for each in drawn if each[2] > 0]
    measured = sum(measure.origin is Origin.MEASURED for _, measure, _ in priced)
    origin = Origin.MEASURED if measured and measured * 2 >= len(priced) else Origin.REPORTED
    front = frontier([(m.value, usd) if m.origin is origin else None for _, m, usd in priced], against.is_high_good)
    points = [
        {
            "name": endpoint_label(row.endpoint),
            "x": m.value,
            "usd": usd,
            "figure": against.told(m),
            "price": f"{fmt.money(row.effective.usd_per_mtok)} per 1M" if row.effective else "",
            "source": m.origin.value + (f", n {fmt.count(m.n)}" if m.n is not None else "") + f", {m.window}",
            "is_front": number in front,
            "is_other": m.origin is not origin,
        }
        for number, (row, m, usd) in enumerate(priced)
    ]
    frame = pd.DataFrame(
        points, columns=["name", "x", "usd", "figure", "price", "source", "is_front", "is_other"]
    ).astype({"is_front": bool, "is_other": bool})
    frame["told"] = [f"{p['name']}: {p['price']}, {p['figure']} ({p['source']})" for p in points]
    window = next((m.window for _, m, _ in priced if m.origin is origin), "")
    return Cloud(frame, origin, window, len(rows) - len(having), len(having) - len(drawn), len(drawn) - len(priced))


def frontier(points: Sequence[tuple[float, float] | None], is_high_good: bool) -> set[int]:
    """The numbers of the points (x, price) that no other is both cheaper and better than; None is not compared."""
    sign = -1 if is_high_good else 1
    ordered = sorted((sign * p[0], p[1], number) for number, p in enumerate(points) if p is not None)
    front: set[int] = set()
    cheapest = float("inf")
    for _, usd, number in ordered:
        if usd < cheapest:
            front.add(number)
            cheapest = usd
    return front


def conclusion(shown: Cloud, against: Against) -> str:
    """What the chart says, as a title."""
    front = shown.points[shown.points["is_front"]]
    if shown.compared == 1:
        return f"Only {front['name'].iloc[0]} has a {shown.origin} figure: {front['figure'].iloc[0]}"
    if len(front) == 1:
        return f"{front['name'].iloc[0]} is both the cheapest and the {_most(against)} of {shown.compared} endpoints"
    if len(front) == shown.compared:
        return f"You pay for it: none of {shown.compared} endpoints is both cheaper and {against.better} than another"
    few = "Only " if len(front) * 2 <= shown.compared else ""
    return f"{few}{len(front)} of {shown.compared} endpoints are cheap for how {against.how}"


def _most(against: Against) -> str:
    return "fastest" if against.better == "faster" else "most reliable"


def pareto_chart(shown: Cloud, against: Against, palette: Palette, mix: str, height: int = 430) -> Drawn:
    """The chart of `cloud`."""
    points = shown.points
    xs, ys = _domain(points["x"], against), _padded(points["usd"], 0.1, 1.3)
    x_values: dict[str, Any] = {"values": log_ticks(*xs)} if against.is_log else {"tickCount": 5}
    x = alt.X(
        "x:Q",
        title=against.title,
        scale=alt.Scale(type="log" if against.is_log else "linear", domain=xs, nice=False, zero=False),
        axis=alt.Axis(labelExpr=against.labels, titleAnchor="start", titlePadding=8, labelOverlap=True, **x_values),
    )
    y = alt.Y(
        "usd:Q",
        title=f"$ per 1M tokens at {mix} (log scale)   ↓ cheaper",
        scale=alt.Scale(type="log", domain=ys, nice=False),
        axis=alt.Axis(labelExpr=DOLLARS, values=log_ticks(*ys)),
    )
    tooltip = [
        alt.Tooltip(f"{field}:N", title=title)
        for field, title in (("name", "Endpoint"), ("price", "Price"), ("figure", "Figure"), ("source", "From"))
    ]
    shared: dict[str, Any] = {"x": x, "y": y, "tooltip": tooltip, "description": alt.Description("told:N")}
    front = points[points["is_front"]].sort_values("x")
    labels = alt.Chart(_labelled(front, xs, ys, against, height))
    rest = points[~points["is_front"] & ~points["is_other"]]
    other = points[points["is_other"]]
    is_left = against.is_high_good
    line = (
        alt.Chart(front)
        .mark_line(
            interpolate="step-before" if is_left else "step-after",
            color=palette.accent,
            strokeWidth=1.8,
            opacity=0.55,
            tooltip=None,
        )
        .encode(x=x, y=y)
    )
    dot = alt.Chart(front).mark_point(
        filled=True, size=110, color=palette.accent, stroke=palette.background, strokeWidth=1.5, opacity=1
    )
    grey = alt.Chart(rest).mark_point(filled=True, size=80, color=palette.faint, opacity=0.8).encode(**shared)
    hollow = alt.Chart(other).mark_point(filled=False, size=60, color=palette.faint, strokeWidth=1.6).encode(**shared)
    layers = [*([] if other.empty else [hollow]), *([] if rest.empty else [grey]), line, dot.encode(**shared)]
    return styled([*layers, *_names(labels.encode(x=x, y=y), palette, is_left=is_left)], palette, height)


def _names(labels: alt.Chart, palette: Palette, *, is_left: bool) -> list[alt.Chart]:
    """The labels, each on a halo that keeps lines away from it."""
    side = {"align": "right", "dx": -7} if is_left else {"align": "left", "dx": 7}
    text: dict[str, Any] = {**side, "baseline": "bottom", "dy": -5, "fontSize": 13, "fontWeight": 600}
    halo = labels.mark_text(**text, stroke=palette.background, strokeWidth=4, color=palette.background)
    return [each.encode(text=alt.Text("name:N")) for each in (halo, labels.mark_text(**text, color=palette.ink))]


def _domain(values: "pd.Series[float]", against: Against) -> tuple[float, float]:
    if against.is_log:
        return _padded(values, 0.12, 1.15)
    low = float(values.min())
    return max(0.0, low - max(0.05, (100 - low) * 0.12)), 100.0


def _padded(values: "pd.Series[float]", share: float, least: float) -> tuple[float, float]:
    """The range of a log axis, with some air."""
    low, high = float(values.min()), float(values.max())
    air = max(least, (high / low) ** share)
    return low / air, high * air


def _labelled(
    front: pd.DataFrame, xs: tuple[float, float], ys: tuple[float, float], against: Against, height: int
) -> pd.DataFrame:
    """The points of the frontier whose label meets no other one; the cheapest and the best come first."""
    boxes: list[tuple[float, float, float]] = []
    kept: list[bool] = [False] * len(front)
    for number in _ends_first(len(front)):
        row = front.iloc[number]
        left = _place(row["x"], xs, against.is_log) * WIDTH_PX
        down = _place(row["usd"], ys, is_log=True) * height
        width = len(row["name"]) * _CHAR_PX + 12
        start = left - width if against.is_high_good else left
        if all(abs(down - d) >= LABEL_GAP_PX or start + width < s or s + w < start for s, w, d in boxes):
            kept[number] = True
            boxes.append((start, width, down))
    return front[kept]


def _ends_first(count: int) -> Iterable[int]:
    ends = [number for number in (0, count - 1) if number >= 0]
    return list(dict.fromkeys([*ends, *range(count)]))


def _place(value: float, domain: tuple[float, float], is_log: bool) -> float:
    if is_log:
        return (log(value) - log(domain[0])) / (log(domain[1]) - log(domain[0]))
    return (value - domain[0]) / (domain[1] - domain[0])
