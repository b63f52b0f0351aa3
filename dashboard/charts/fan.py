"""The fan: the line so far, ranges ahead, the budget's line, and the labelled day on which the two meet."""

from typing import Final

import altair as alt
import pandas as pd

from dashboard.charts.fan_points import Fan, ahead_frame, day_of, end_labels, money, spent_frame, top
from dashboard.charts.style import DOLLARS, LABEL_GAP_PX, Drawn, constant, spread, styled
from dashboard.theme import Palette

HEIGHT: Final = 340
BANDS: Final = (("low95", "high95", 0.13), ("low80", "high80", 0.17), ("low50", "high50", 0.24))
"""The widest first, as they are laid over each other; with their opacities."""


def fan_chart(drawn: Fan, palette: Palette, unit: str) -> Drawn:
    """The chart; `unit`: what the total is of, such as `this month`."""
    highest = top(drawn)
    days = (drawn.end - drawn.start).days
    axis = alt.Axis(
        format="%d %b" if days < 200 else "%b %Y",
        tickCount=10,
        labelOverlap=True,
        labelSeparation=12,
        tickMinStep=86.4e6,
    )
    domain = [drawn.start.isoformat(), drawn.end.isoformat()]
    x = alt.X("at:T", title=None, scale=alt.Scale(type="utc", nice=False, domain=domain), axis=axis)
    y = alt.Y(
        "usd:Q",
        title=f"Cumulative spend {unit}, US$",
        scale=alt.Scale(domain=[0, highest], nice=False),
        axis=alt.Axis(labelExpr=DOLLARS, tickCount=5),
    )
    layers = [*_budget(drawn, palette, highest), *_lines(drawn, palette, x, y, highest)]
    return styled(layers, palette, HEIGHT)


def _lines(drawn: Fan, palette: Palette, x: alt.X, y: alt.Y, highest: float) -> list[alt.Chart]:
    ahead, spent = ahead_frame(drawn), spent_frame(drawn)
    layers: list[alt.Chart] = []
    if not ahead.empty:
        layers += [
            alt.Chart(ahead)
            .mark_area(color=palette.accent, opacity=opacity, line=False, clip=True)
            .encode(x=x, y=_of(y, low), y2=alt.Y2(f"{high}:Q"))
            for low, high, opacity in BANDS
            if low != "low95" or drawn.has_95
        ]
        layers += _now(drawn, palette, x, highest)
        dashed = alt.Chart(ahead).mark_line(color=palette.accent, strokeDash=[5, 4], strokeWidth=2, clip=True)
        layers.append(dashed.encode(x=x, y=_of(y, "median")))
    layers.append(alt.Chart(spent).mark_line(color=palette.ink, strokeWidth=2.4).encode(x=x, y=y))
    layers.append(
        alt.Chart(spent.tail(1)).mark_point(filled=True, size=60, color=palette.ink, opacity=1).encode(x=x, y=y)
    )
    layers += _crossing(drawn, palette, x, y, highest)
    if not ahead.empty:
        layers.append(_ends(drawn, palette, x, y, highest))
    layers.append(_hover(pd.concat([spent.iloc[1:], ahead.iloc[1:]])[["at", "told"]], x))
    return layers


def _of(y: alt.Y, name: str) -> alt.Y:
    """The money axis, for another column."""
    found = y.copy()
    found.shorthand = f"{name}:Q"
    return found


def _now(drawn: Fan, palette: Palette, x: alt.X, highest: float) -> list[alt.Chart]:
    at = drawn.spent[-1].at
    if at == drawn.start:
        # It has not begun: what is known ends before it.
        return []
    frame = pd.DataFrame({"at": [at], "label": ["Now" if drawn.is_live else f"Known to {day_of(at)}"]})
    rule = alt.Chart(frame).mark_rule(color=palette.faint, strokeDash=[2, 3])
    is_left = (at - drawn.start) * 4 < drawn.end - drawn.start
    text = alt.Chart(frame).mark_text(
        align="left" if is_left else "right", dx=5 if is_left else -5, color=palette.mute, fontSize=12.5
    )
    # Away from the line, which has just begun, or is at the right.
    is_low = drawn.spent[-1].nano / 1e9 < highest * 0.15
    place = constant(alt.YValue, 10 if is_low else HEIGHT - 10)
    return [
        rule.encode(x=x, description=alt.Description("label:N")),
        text.encode(x=x, y=place, text=alt.Text("label:N")),
    ]


def _budget(drawn: Fan, palette: Palette, highest: float) -> list[alt.Chart]:
    if drawn.limit is None or drawn.limit / 1e9 > highest:
        return []
    frame = pd.DataFrame({"usd": [drawn.limit / 1e9], "label": [f"Budget {money(drawn.limit)}"]})
    rule = alt.Chart(frame).mark_rule(color=palette.warn, strokeWidth=1.6)
    text = alt.Chart(frame).mark_text(
        align="left", baseline="bottom", dx=2, dy=-5, color=palette.warn, fontWeight=600, fontSize=12.5
    )
    y = alt.Y("usd:Q")
    return [
        rule.encode(y=y, description=alt.Description("label:N")),
        text.encode(x=constant(alt.XValue, 0), y=y, text=alt.Text("label:N")),
    ]


def _crossing(drawn: Fan, palette: Palette, x: alt.X, y: alt.Y, highest: float) -> list[alt.Chart]:
    found, day = drawn.crossing, drawn.crossing_day
    if found is None or day is None or found.nano / 1e9 > highest:
        return []
    is_past = found.at <= drawn.spent[-1].at
    word = "Crossed" if is_past else "Median crosses"
    frame = pd.DataFrame({"at": [found.at], "usd": [found.nano / 1e9], "label": [f"{word} {day.day} {day:%b}"]})
    # The budget's own label stands at the left.
    is_left = (found.at - drawn.start) < (drawn.end - drawn.start) * 0.42
    ring = alt.Chart(frame).mark_point(size=90, color=palette.warn, strokeWidth=2, fill=palette.background, opacity=1)
    text = alt.Chart(frame).mark_text(
        align="left" if is_left else "right",
        baseline="top" if is_left else "bottom",
        dx=10 if is_left else -9,
        dy=8 if is_left else -8,
        color=palette.ink,
        fontSize=12.5,
        fontWeight=600,
    )
    return [
        ring.encode(x=x, y=y, description=alt.Description("label:N")),
        text.encode(x=x, y=y, text=alt.Text("label:N")),
    ]


def _ends(drawn: Fan, palette: Palette, x: alt.X, y: alt.Y, highest: float) -> alt.Chart:
    """What the median and the widest range come to, at the right."""
    labels = end_labels(drawn)
    places = [HEIGHT * (1 - min(nano / 1e9, highest) / highest) for _, nano in labels]
    apart = spread(places, LABEL_GAP_PX, 6, HEIGHT - 6)
    frame = pd.DataFrame(
        {
            "at": [drawn.end] * len(labels),
            "usd": [highest * (1 - place / HEIGHT) for place in apart],
            "label": [label for label, _ in labels],
        }
    )
    text = alt.Chart(frame).mark_text(align="left", baseline="middle", dx=8, fontSize=12.5, color=palette.mute)
    found: alt.Chart = text.encode(x=x, y=y, text=alt.Text("label:N"))
    return found


def _hover(frame: pd.DataFrame, x: alt.X) -> alt.Chart:
    """What each day comes to, anywhere above it."""
    found: alt.Chart = (
        alt.Chart(frame)
        .mark_rule(strokeWidth=14, opacity=0)
        .encode(x=x, description=alt.Description("told:N"), tooltip=alt.Tooltip("told:N", title=" "))
    )
    return found
