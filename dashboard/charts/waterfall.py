"""A bridge as a waterfall: what one period cost, what each part added or took away, what the other cost."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import altair as alt
import pandas as pd

from dashboard.charts.fan_points import money
from dashboard.charts.style import DOLLARS, Drawn, styled
from dashboard.theme import Palette
from db.plans.bridge import Bridge

HEIGHT: Final = 300
SMALLEST: Final = 0.003
"""A part below this share of the larger total has no height."""
TOTAL, MORE, LESS = "total", "more", "less"
LABELS: Final = {
    "volume": "Volume",
    "unpriced": "Unpriced share",
    "model_mix": "Model mix",
    "routing": "Provider routing",
    "request_size": "Request size",
    "token_mix": "Token mix",
    "cache": "Cache rate",
    "tiers": "Length and hours",
    "price": "Price",
}
"""What each part is called."""
TOLD: Final = {
    "volume": "more or fewer requests",
    "unpriced": "another share of the requests has a price",
    "model_mix": "requests went to other models",
    "routing": "the same models at other providers or variants",
    "request_size": "more or fewer tokens a request",
    "token_mix": "another share of them is input",
    "cache": "another share of the input is read from or written to a cache",
    "tiers": "other prompt lengths or times of day, where the price depends on them",
    "price": "the same usage at other prices",
}


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar, from `low` to `high` (1e-9 USD), with its label; `end`: where the line to the next one leaves it."""

    name: str
    kind: str
    low: int
    high: int
    label: str
    told: str
    end: int


def part_label(part: str) -> str:
    """What a part of a bridge is called."""
    return LABELS.get(part, part.replace("_", " ").capitalize())


def signed(nano: int, of: int) -> str:
    """By how much: +$1.20, −$0.35; whole cents where they are part `of` a dollar or more (1e-9 USD)."""
    told = money(round(nano, -7) if of >= 10**9 else nano)
    return f"+{told}" if nano > 0 else told


def bars(bridge: Bridge, first: str, last: str) -> list[Bar]:
    """The bars in order, without the parts that changed nothing that can be seen."""
    largest = max(bridge.before, bridge.after)
    least = largest * SMALLEST
    found = [
        Bar(first, TOTAL, 0, bridge.before, money(bridge.before), f"{first}: {money(bridge.before)}", bridge.before)
    ]
    at = bridge.before
    for part, nano in bridge.parts.items():
        after = at + nano
        if abs(nano) > least:
            name = part_label(part)
            told = f"{name}: {signed(nano, largest)} ({TOLD.get(part, part)})"
            kind = MORE if nano > 0 else LESS
            found.append(Bar(name, kind, min(at, after), max(at, after), signed(nano, largest), told, after))
        at = after
    found.append(Bar(last, TOTAL, 0, bridge.after, money(bridge.after), f"{last}: {money(bridge.after)}", bridge.after))
    return found


def frame(drawn: Sequence[Bar]) -> pd.DataFrame:
    """{place, kind, low, high, end (US$), label, told}."""
    columns = ["place", "kind", "low", "high", "end", "label", "told"]
    rows = [
        (str(place), bar.kind, bar.low / 1e9, bar.high / 1e9, bar.end / 1e9, bar.label, bar.told)
        for place, bar in enumerate(drawn)
    ]
    return pd.DataFrame(rows, columns=columns)


def waterfall_chart(drawn: Sequence[Bar], palette: Palette) -> Drawn:
    """The chart of `bars`."""
    shown = frame(drawn)
    names = [bar.name for bar in drawn]
    order = shown["place"].tolist()
    axis = alt.Axis(
        labelExpr=f"{_names(names)}[datum.value]", labelAngle=0, labelLimit=110, labelOverlap=False, ticks=False
    )
    x = alt.X("place:N", title=None, sort=order, scale=alt.Scale(paddingInner=0.35, paddingOuter=0.15), axis=axis)
    highest = float(shown["high"].max()) * 1.1 or 1.0
    lowest = min(0.0, float(shown["low"].min()) * 1.1)
    y = alt.Y(
        "low:Q",
        title="US$",
        scale=alt.Scale(domain=[lowest, highest], nice=False),
        axis=alt.Axis(labelExpr=DOLLARS, tickCount=5),
    )
    kinds = alt.Scale(domain=[TOTAL, MORE, LESS], range=[palette.faint, palette.warn, palette.good])
    boxes = (
        alt.Chart(shown)
        .mark_bar(cornerRadius=2)
        .encode(
            x=x,
            y=y,
            y2=alt.Y2("high:Q"),
            color=alt.Color("kind:N", scale=kinds, legend=None),
            description=alt.Description("told:N"),
            tooltip=alt.Tooltip("told:N", title=" "),
        )
    )
    text = (
        alt.Chart(shown)
        .mark_text(baseline="bottom", dy=-4, fontSize=12.5, fontWeight=600, color=palette.ink)
        .encode(x=x, y=alt.Y("high:Q"), text=alt.Text("label:N"))
    )
    return styled([*_joints(shown, palette, x), boxes, text], palette, HEIGHT)


def _joints(shown: pd.DataFrame, palette: Palette, x: alt.X) -> list[alt.Chart]:
    """Thin lines from the end of each bar to the next one."""
    joints = pd.DataFrame(
        {
            "place": shown["place"].iloc[:-1].tolist(),
            "next": shown["place"].iloc[1:].tolist(),
            "end": shown["end"].iloc[:-1].tolist(),
        }
    )
    line = alt.Chart(joints).mark_rule(color=palette.faint, strokeWidth=1)
    return [line.encode(x=x, x2=alt.X2("next:N", bandPosition=0.5), y=alt.Y("end:Q"))]


def _names(names: Sequence[str]) -> str:
    """The names by place, as JSON in an expression: never code."""
    return f"({json.dumps({str(place): name for place, name in enumerate(names)})})"
