"""Prices over time as steps: change points only, gaps left open, labels at the line ends."""

from datetime import timedelta
from math import exp, log

import altair as alt
import pandas as pd

from dashboard.charts.series import Frames
from dashboard.charts.style import DOLLARS, LABEL_GAP_PX, Drawn, constant, log_ticks, spread, styled
from dashboard.theme import Palette


def price_steps(drawn: Frames, unit: str, palette: Palette, *, is_log: bool, height: int = 300) -> Drawn:
    """The chart; `unit` is what a price is for, such as `1M input tokens`."""
    low, high = _domain(drawn, is_log)
    labels = _labels(drawn.ends, low, high, height, is_log)
    x = alt.X("at:T", title=None, scale=alt.Scale(type="utc"), axis=_time_axis(drawn.lines))
    y = alt.Y(
        "usd:Q",
        title=f"$ per {unit}" + (" (log scale)" if is_log else ""),
        scale=alt.Scale(type="log" if is_log else "linear", domain=[low, high], nice=False),
        axis=alt.Axis(labelExpr=DOLLARS, **({"values": log_ticks(low, high)} if is_log else {"tickCount": 6})),
    )
    colour = alt.Color("colour:N", scale=None, legend=None)
    band = (
        alt.Chart(drawn.bands)
        .mark_rect(color=palette.grid, opacity=0.6)
        .encode(
            x=alt.X("start:T", title=None, scale=alt.Scale(type="utc")),
            x2=alt.X2("end:T"),
            tooltip=alt.Tooltip("text:N", title=" "),
        )
    )
    line = (
        alt.Chart(drawn.lines)
        .mark_line(interpolate="step-after", strokeJoin="round")
        .encode(
            x=x,
            y=y,
            color=colour,
            detail=alt.Detail("segment:N"),
            order=alt.Order("order:Q"),
            strokeWidth=alt.condition("datum.is_main", alt.value(2.2), alt.value(1.2)),
        )
    )
    dot = (
        alt.Chart(drawn.dots)
        .mark_point(filled=True, opacity=1, stroke=palette.background, strokeWidth=1)
        .encode(
            x=x,
            y=y,
            color=colour,
            size=alt.condition("datum.is_main", alt.value(38), alt.value(16)),
            description=alt.Description("told:N"),
            tooltip=[
                alt.Tooltip("series:N", title="Endpoint"),
                alt.Tooltip("price:N", title="Price"),
                alt.Tooltip("when:N", title="Since"),
            ],
        )
    )
    base = alt.Chart(labels).encode(color=colour)
    lead = base.mark_rule(opacity=0.35, strokeDash=[1, 3], strokeWidth=1.2).encode(
        x=x, x2=constant(alt.X2Value, "width"), y=y, y2=alt.Y2("label_usd:Q")
    )
    text = base.mark_text(align="left", baseline="middle", dx=6, fontSize=12, fontWeight=600).encode(
        x=constant(alt.XValue, "width"),
        y=alt.Y("label_usd:Q"),
        text=alt.Text("text:N"),
        description=alt.Description("told:N"),
    )
    bands = [] if drawn.bands.empty else [band]
    return styled([*bands, line, lead, dot, text], palette, height, right=8)


def _time_axis(lines: pd.DataFrame) -> alt.Axis:
    is_short = not lines.empty and lines["at"].max() - lines["at"].min() < timedelta(days=200)
    return alt.Axis(tickCount=8, labelOverlap=True, labelSeparation=12, format="%d %b" if is_short else "%b %Y")


def _domain(drawn: Frames, is_log: bool) -> tuple[float, float]:
    """The range of the y axis, with some air."""
    values = drawn.lines["usd"]
    if values.empty:
        return (0.1, 10.0) if is_log else (0.0, 1.0)
    low, high = float(values.min()), float(values.max())
    if is_log:
        air = max(1.12, (high / low) ** 0.06)
        return low / air, high * air
    return 0.0, high * 1.08 if high > 0 else 1.0


def _labels(ends: pd.DataFrame, low: float, high: float, height: int, is_log: bool) -> pd.DataFrame:
    """The coloured line ends, each with the value at whose height its label stands free of the others."""
    chosen = ends[ends["is_main"].astype(bool)].copy()

    def scale(usd: float) -> float:
        return log(usd) if is_log else usd

    bottom, top = scale(low), scale(high)
    pixels = [height * (1 - (scale(usd) - bottom) / (top - bottom)) for usd in chosen["usd"]]
    values = [bottom + (1 - px / height) * (top - bottom) for px in spread(pixels, LABEL_GAP_PX, 6, height - 6)]
    chosen["label_usd"] = [exp(value) if is_log else value for value in values]
    return chosen
