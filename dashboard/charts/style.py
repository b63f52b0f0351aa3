"""The look that all charts share, and where labels and ticks stand."""

import json
from collections.abc import Callable, Mapping, Sequence
from math import floor, log10
from typing import Any, TypeVar

import altair as alt
from altair.utils.schemapi import disable_debug_mode

from dashboard.theme import FONT, Palette

# Else each part of a chart is checked when it is made, once more.
disable_debug_mode()

T = TypeVar("T")
LABEL_GAP_PX = 17
DOLLARS = (
    "datum.value === 0 ? '$0' : datum.value >= 1 && datum.value === floor(datum.value)"
    " ? format(datum.value, '$,.0f') : datum.value >= 0.01 ? format(datum.value, '$,.2f')"
    " : '$' + format(datum.value, '~g')"
)


class Drawn(alt.LayerChart):
    """Layers as one chart, for pages that redraw often; each layer has its own data and is used here only.

    A usual `LayerChart` copies its layers over and over, and its `to_dict` checks them against the schema of Vega-Lite:
    together they take longer than all else that the server does for a page.
    """

    def __init__(self, **given: Any) -> None:
        super(alt.LayerChart, self).__init__(**given)

    def to_dict(self, validate: bool = False, **options: Any) -> dict[str, Any]:
        """The spec; `validate`: refuse what Vega-Lite does not know, as the tests do."""
        spec: dict[str, Any] = super().to_dict(validate, **options)
        return spec


def styled(layers: Sequence[alt.Chart], palette: Palette, height: int, right: int = 16) -> Drawn:
    """The layers as one chart in the dashboard's look. `height`: of the plot; `right`: room for labels at line ends."""
    return Drawn(
        layer=list(layers),
        height=height,
        padding={"left": 4, "top": 4, "bottom": 4, "right": right},
        autosize=alt.AutoSizeParams(type="fit-x", contains="padding"),
        config=_look(palette),
    )


def _look(palette: Palette) -> alt.Config:
    return alt.Config(
        font=FONT,
        background=palette.background,
        view=alt.ViewConfig(stroke=None),
        axis=alt.AxisConfig(
            labelColor=palette.mute,
            titleColor=palette.mute,
            labelFontSize=12,
            titleFontSize=12,
            titleFontWeight="normal",
            gridColor=palette.grid,
            domain=False,
            tickColor=palette.grid,
            labelPadding=6,
            titleAnchor="start",
        ),
        axisX=alt.AxisConfig(grid=False, domain=True, domainColor=palette.faint, ticks=True, tickSize=4),
        axisY=alt.AxisConfig(
            ticks=False, titleAngle=0, titleAlign="left", titleBaseline="bottom", titleX=0, titleY=-10
        ),
    )


def constant(channel: Callable[[float | str], T], value: float | str) -> T:
    """The same for all marks, such as (alt.XValue, "width"). `alt.value` would search all of altair for its class."""
    return channel(value)


def top_legend(palette: Palette, offset: int = 8) -> alt.Legend:
    """Squares of colour in a row above the plot."""
    return alt.Legend(
        orient="top",
        direction="horizontal",
        symbolType="square",
        symbolSize=130,
        symbolStrokeWidth=0,
        labelColor=palette.mute,
        labelFontSize=12,
        offset=offset,
    )


def row_names(names: Sequence[str], palette: Palette) -> alt.Axis:
    """An axis whose values are the numbers of rows ("0", "1", ...) and whose labels are their names.

    Two rows may have one name. Names come from strangers: in the expression they are JSON, never code.
    """
    labels: Mapping[str, str] = {str(number): name for number, name in enumerate(names)}
    return alt.Axis(
        labelFontSize=13,
        labelColor=palette.ink,
        labelLimit=220,
        labelPadding=10,
        labelExpr=f"({json.dumps(labels)})[datum.value]",
    )


def log_ticks(low: float, high: float) -> list[float]:
    """1, 2 and 5 of every power of ten in [low, high]; only the ones where they are many, more where they are few."""
    decades = range(floor(log10(low)), floor(log10(high)) + 1)
    inside: list[float] = []
    for factors in ((1, 2, 5), (1, 1.5, 2, 3, 4, 5, 7)):
        ticks = (factor * 10.0**decade for decade in decades for factor in factors)
        inside = [round(tick, 12) for tick in ticks if low <= tick <= high]
        if len(inside) > 2:
            break
    return inside if len(inside) <= 9 else [tick for tick in inside if log10(tick).is_integer()]


def spread(positions: Sequence[float], least: float, top: float, bottom: float) -> list[float]:
    """Move positions (in px) apart until they are `least` apart, within [top, bottom] as far as they fit."""
    order = sorted(range(len(positions)), key=lambda i: positions[i])
    placed = [0.0] * len(positions)
    floor_px = top
    for i in order:
        placed[i] = max(positions[i], floor_px)
        floor_px = placed[i] + least
    ceiling_px = bottom
    for i in reversed(order):
        placed[i] = min(placed[i], ceiling_px)
        ceiling_px = placed[i] - least
    return placed
