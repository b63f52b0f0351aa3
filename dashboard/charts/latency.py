"""Latency of one target over time: the median and the 90th percentile of every hour, and why probes failed."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final

import altair as alt
import pandas as pd

from dashboard import format as fmt
from dashboard.charts.style import LABEL_GAP_PX, Drawn, constant, spread, styled, top_legend
from dashboard.theme import Palette
from db.probes.facts import Hour, Outcome

HOUR: Final = timedelta(hours=1)
_Y_PX: Final = 52
"""Both charts keep as much room for their y axis, so that their hours stand below each other."""
_RIGHT_PX: Final = 8
LIMITED: Final = "limited (429)"
_MS = "datum.value >= 1000 ? format(datum.value / 1000, '~g') + ' s' : format(datum.value, '~g') + ' ms'"


def lines(hours: Sequence[Hour], measure: str) -> pd.DataFrame:
    """One line an hour with a figure: at, end, p50, p90, segment (a new one after hours without), told."""
    rows: list[dict[str, Any]] = []
    segment = 0
    for hour in hours:
        figures: dict[str, float] = getattr(hour, measure)
        if "p50" not in figures:
            continue
        if rows and rows[-1]["end"] != hour.start:
            segment += 1
        rows.append(
            {
                "at": hour.start,
                "end": hour.start + HOUR,
                "p50": figures["p50"],
                "p90": figures["p90"],
                "segment": segment,
                "told": f"{fmt.instant(hour.start)}: p50 {ms(figures['p50'])}, p90 {ms(figures['p90'])}, "
                f"n {fmt.count(hour.n)}",
            }
        )
    return pd.DataFrame(rows, columns=["at", "end", "p50", "p90", "segment", "told"])


def ms(value: float) -> str:
    """412 ms; from ten seconds on in seconds."""
    return f"{value:,.0f} ms" if value < 10_000 else f"{value / 1000:,.1f} s"


def failures(hours: Sequence[Hour], since: datetime, until: datetime) -> pd.DataFrame:
    """One line for every cause in every bin (of 1, 3 or 12 hours): start, end, cause, n, bottom and top of its
    bar, told. Limited probes are no failures, but stand beside them.
    """
    length = until - since
    width = 1 if length <= timedelta(days=4) else 3 if length <= timedelta(days=10) else 12
    bins: dict[tuple[datetime, str], int] = {}
    for hour in hours:
        start = hour.start - (hour.start.hour % width) * HOUR
        limited = {LIMITED: hour.limited} if hour.limited else {}
        for cause, n in ({each.value: count for each, count in hour.causes.items()} | limited).items():
            bins[start, cause] = bins.get((start, cause), 0) + n
    order = {cause: rank for rank, cause in enumerate([*(each.value for each in Outcome), LIMITED])}
    rows: list[dict[str, Any]] = [
        {
            "start": start,
            "end": start + width * HOUR,
            "cause": cause,
            "n": n,
            "told": f"{fmt.instant(start)}, {fmt.plural(width, 'hour')}: {fmt.count(n)} {cause}",
        }
        for (start, cause), n in sorted(bins.items(), key=lambda each: (each[0][0], order[each[0][1]]))
    ]
    height: dict[datetime, int] = {}
    for row in rows:
        row["bottom"] = height.get(row["start"], 0)
        row["top"] = height[row["start"]] = row["bottom"] + row["n"]
    return pd.DataFrame(rows, columns=["start", "end", "cause", "n", "bottom", "top", "told"])


def _time(since: datetime, until: datetime, field: str, *, labels: bool = True) -> alt.X:
    is_long = until - since >= timedelta(days=5)
    return alt.X(
        f"{field}:T",
        title=None,
        scale=alt.Scale(type="utc", nice=False, domain=[_epoch_ms(since), _epoch_ms(until)]),
        axis=alt.Axis(
            format="%d %b" if is_long else "%d %b %H:%M",
            tickCount=8,
            labelOverlap=True,
            labelSeparation=12,
            labels=labels,
        ),
    )


def _epoch_ms(at: datetime) -> int:
    return int(at.timestamp() * 1000)


def latency_chart(
    drawn: pd.DataFrame, title: str, since: datetime, until: datetime, palette: Palette, height: int = 220
) -> Drawn:
    """The chart of `lines`: the median as a line, the 90th percentile above it, labels at their ends."""
    x = _time(since, until, "at")
    top = float(drawn["p90"].max()) * 1.12
    scale = alt.Scale(domain=[0, top], nice=False)
    axis = alt.Axis(labelExpr=_MS, tickCount=5, minExtent=_Y_PX, maxExtent=_Y_PX)

    def y(field: str) -> alt.Y:
        return alt.Y(f"{field}:Q", title=title, scale=scale, axis=axis)

    base = alt.Chart(drawn)
    area = base.mark_area(color=palette.accent, opacity=0.13).encode(
        x=x, y=y("p50"), y2=alt.Y2("p90:Q"), detail=alt.Detail("segment:N")
    )
    p90 = base.mark_line(color=palette.accent, strokeWidth=1.2, opacity=0.6).encode(
        x=x, y=y("p90"), detail=alt.Detail("segment:N")
    )
    p50 = base.mark_line(color=palette.accent, strokeWidth=2.2).encode(x=x, y=y("p50"), detail=alt.Detail("segment:N"))
    # An hour between two unknown ones is no line, but a dot.
    alone = drawn[drawn.groupby("segment")["segment"].transform("size") == 1] if len(drawn) else drawn
    dot = alt.Chart(alone).mark_point(filled=True, size=26, color=palette.accent, opacity=1).encode(x=x, y=y("p50"))
    point = (
        base.mark_rect(opacity=0)
        .encode(x=x, x2=alt.X2("end:T"), y=constant(alt.YValue, 0), y2=constant(alt.Y2Value, height))
        .encode(description=alt.Description("told:N"), tooltip=alt.Tooltip("told:N", title=" "))
    )
    ends = _ends(drawn, top, height)
    text = _end_text(ends).encode(
        x=constant(alt.XValue, "width"), y=alt.Y("label:Q"), color=alt.Color("colour:N", scale=None, legend=None)
    )
    text.data = ends.assign(colour=[palette.accent, palette.mute])
    return styled([area, p90, p50, *([] if alone.empty else [dot]), text, point], palette, height, right=_RIGHT_PX)


def _end_text(ends: pd.DataFrame) -> alt.Chart:
    chart: alt.Chart = (
        alt.Chart(ends)
        .mark_text(align="left", baseline="middle", dx=8, fontSize=12, fontWeight=600)
        .encode(text=alt.Text("text:N"))
    )
    return chart


def _ends(drawn: pd.DataFrame, top: float, height: int) -> pd.DataFrame:
    last = drawn.iloc[-1]
    pixels = [height * (1 - float(last[name]) / top) for name in ("p50", "p90")]
    placed = spread(pixels, LABEL_GAP_PX, 6, height - 6)
    return pd.DataFrame(
        [
            {"label": top * (1 - px / height), "text": f"{name} {ms(float(last[name]))}"}
            for px, name in zip(placed, ("p50", "p90"), strict=True)
        ]
    )


def failure_chart(
    drawn: pd.DataFrame, beside: pd.DataFrame, since: datetime, until: datetime, palette: Palette, height: int = 90
) -> Drawn:
    """The chart of `failures`: bars by cause, the most frequent causes in colour.

    `beside`: the `lines` of the chart above it, so that both are equally wide.
    """
    often = list(drawn.groupby("cause")["n"].sum().sort_values(ascending=False).index)
    coloured = [cause for cause in often if cause != LIMITED]
    # The first colour is the latency's.
    colours = dict(zip(coloured, palette.series[1:], strict=False))
    top = int(drawn["top"].max())
    bars = (
        alt.Chart(drawn)
        .mark_rect(stroke=palette.background, strokeWidth=1)
        .encode(
            x=_time(since, until, "start"),
            x2=alt.X2("end:T"),
            y=alt.Y(
                "bottom:Q",
                title=None,
                scale=alt.Scale(domain=[0, top], nice=False),
                axis=alt.Axis(values=_counts(top), format=",d", minExtent=_Y_PX, maxExtent=_Y_PX),
            ),
            y2=alt.Y2("top:Q"),
            color=alt.Color(
                "cause:N",
                title=None,
                scale=alt.Scale(domain=often, range=[colours.get(cause, palette.faint) for cause in often]),
                legend=top_legend(palette, 10),
            ),
            description=alt.Description("told:N"),
            tooltip=alt.Tooltip("told:N", title=" "),
        )
    )
    # The labels of the chart above, unseen: they only take their room.
    at: dict[str, Any] = {
        "x": constant(alt.XValue, "width"),
        "y": constant(alt.YValue, 0),
        "opacity": constant(alt.OpacityValue, 0),
    }
    room = [] if beside.empty else [_end_text(_ends(beside, 1, height)).encode(**at)]
    return styled([bars, *room], palette, height, right=_RIGHT_PX)


def _counts(top: int) -> list[int]:
    """Whole numbers for the axis, about four of them."""
    step = max(1, -(-top // 4))
    return list(range(0, top + 1, step))
