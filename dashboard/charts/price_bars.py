"""Prices side by side, where nothing is known to set them against."""

from collections.abc import Sequence

import altair as alt
import pandas as pd

from dashboard import format as fmt
from dashboard.charts.series import endpoint_label
from dashboard.charts.style import DOLLARS, Drawn, row_names, styled
from dashboard.theme import Palette
from db.quality.facts import Compared

MOST = 20
ROW_PX = 26


def bars(rows: Sequence[Compared]) -> pd.DataFrame:
    """The endpoints with a price, the cheapest first, at most MOST: name, usd, text, told, is_cheapest."""
    priced = [(endpoint_label(row.endpoint), row.effective.usd_per_mtok) for row in rows if row.effective][:MOST]
    least = min((usd for _, usd in priced), default=None)
    return pd.DataFrame(
        [
            {
                # Two endpoints may share a label, but no row of the chart.
                "row": str(number),
                "name": name,
                "usd": float(usd),
                "text": fmt.money(usd) if usd else fmt.FREE,
                "told": f"{name}: {fmt.money(usd)} per 1M tokens" if usd else f"{name}: {fmt.FREE}",
                "is_cheapest": usd == least,
            }
            for number, (name, usd) in enumerate(priced)
        ],
        columns=["row", "name", "usd", "text", "told", "is_cheapest"],
    )


def price_bars(drawn: pd.DataFrame, palette: Palette, mix: str) -> Drawn:
    """The chart of `bars`: from zero, with the price at the end of each bar."""
    top = float(drawn["usd"].max()) or 1.0
    x = alt.X(
        "usd:Q",
        title=f"$ per 1M tokens at {mix}",
        scale=alt.Scale(domain=[0, top * 1.12], nice=False),
        axis=alt.Axis(labelExpr=DOLLARS, tickCount=5, titleAnchor="start"),
    )
    y = alt.Y(
        "row:N",
        title=None,
        sort=None,
        scale=alt.Scale(paddingInner=0.3, paddingOuter=0.15),
        axis=row_names(list(drawn["name"]), palette),
    )
    base = alt.Chart(drawn).encode(x=x, y=y)
    bar = base.mark_bar(cornerRadiusEnd=3).encode(
        color=alt.condition("datum.is_cheapest", alt.value(palette.accent), alt.value(palette.faint)),
        description=alt.Description("told:N"),
        tooltip=alt.Tooltip("told:N", title=" "),
    )
    text = base.mark_text(align="left", baseline="middle", dx=6, fontSize=12, fontWeight=600, color=palette.ink)
    return styled([bar, text.encode(text=alt.Text("text:N"))], palette, ROW_PX * len(drawn))
