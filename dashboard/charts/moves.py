"""How many prices rose and fell over time: rises above the line, cuts below it."""

from collections.abc import Iterable
from datetime import datetime, timedelta

import altair as alt
import pandas as pd

from dashboard import format as fmt
from dashboard.charts.style import Drawn, styled
from dashboard.theme import Palette
from db.prices.facts import Change

RISES, CUTS = "rises", "cuts"


def counted(moves: Iterable[Change], since: datetime, until: datetime) -> pd.DataFrame:
    """Rises and cuts by day, week or month (30 days), whichever gives 12 to 60 bars; cuts count downwards."""
    length = until - since
    width = timedelta(days=1 if length <= timedelta(days=45) else 7 if length <= timedelta(days=400) else 30)
    bins: dict[tuple[int, str], int] = {}
    for move in moves:
        if move.percent:
            kind = RISES if move.percent > 0 else CUTS
            # Counted from the end, so that the last bar is a whole one.
            key = (until - move.at - timedelta(microseconds=1)) // width, kind
            bins[key] = bins.get(key, 0) + 1
    rows = []
    for (back, kind), n in sorted(bins.items(), reverse=True):
        end = until - back * width
        start = max(end - width, since)
        told = f"{fmt.plural(n, kind.removesuffix('s'))}, {fmt.day(start)} to {fmt.day(end)}"
        rows.append({"start": start, "end": end, "kind": kind, "n": n if kind == RISES else -n, "told": told})
    return pd.DataFrame(rows, columns=["start", "end", "kind", "n", "told"])


def moves_chart(counts: pd.DataFrame, since: datetime, until: datetime, palette: Palette) -> Drawn:
    """The chart of `counted`: rises above the line in one colour, cuts below it in another."""
    axis = alt.Axis(
        format="%d %b" if until - since < timedelta(days=400) else "%b %Y",
        tickCount=8,
        labelOverlap=True,
        labelSeparation=12,
    )
    bars = (
        alt.Chart(counts)
        .mark_rect(stroke=palette.background, strokeWidth=1, cornerRadius=2)
        .encode(
            x=alt.X("start:T", title=None, scale=alt.Scale(type="utc", nice=False), axis=axis),
            x2=alt.X2("end:T"),
            y=alt.Y(
                "n:Q",
                title="Price changes",
                axis=alt.Axis(labelExpr="format(abs(datum.value), ',')", tickCount=4, tickMinStep=1),
            ),
            y2=alt.Y2Datum(0),
            color=alt.Color(
                "kind:N", scale=alt.Scale(domain=[RISES, CUTS], range=[palette.warn, palette.good]), legend=None
            ),
            description=alt.Description("told:N"),
            tooltip=alt.Tooltip("told:N", title=" "),
        )
    )
    # Over the whole window, so that quiet days at its ends have their place too.
    window = pd.DataFrame({"start": [since], "end": [until], "zero": [0]})
    zero = (
        alt.Chart(window)
        .mark_rule(color=palette.faint)
        .encode(x=alt.X("start:T"), x2=alt.X2("end:T"), y=alt.Y("zero:Q"))
    )
    return styled([bars, zero], palette, 150)


def moves_title(moves: Iterable[Change], days: int) -> str:
    """What the chart says."""
    percents = [move.percent for move in moves if move.percent]
    rises = sum(percent > 0 for percent in percents)
    cuts = len(percents) - rises
    if not cuts or not rises:
        return f"{fmt.plural(cuts or rises, 'price cut' if cuts else 'price rise')} in {days} days"
    told = f"{fmt.plural(cuts, 'price cut')} and {fmt.plural(rises, 'rise')} in {days} days"
    more, fewer, word = (cuts, rises, "cuts") if cuts >= rises else (rises, cuts, "rises")
    return told if more < fewer * 1.15 else f"{told}: {word} lead {more / fewer:.1f} to 1"
