"""What was spent over time: bars by day, week or month, stacked by group; steps with unpriced requests are marked."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any, Final

import altair as alt
import pandas as pd

from dashboard import format as fmt
from dashboard.charts.style import DOLLARS, Drawn, styled
from dashboard.theme import Palette

HEIGHT_PX: Final = 240
MOST_DAYS: Final = 100
MOST_WEEKS: Final = 100
OTHERS: Final = "all others"


def step_for(first: date, last: date) -> str:
    """day, week or month, whichever gives at most a hundred bars."""
    days = (last - first).days + 1
    return "day" if days <= MOST_DAYS else "week" if days <= MOST_WEEKS * 7 else "month"


def colours(groups: int, *, rest: bool, palette: Palette) -> list[str]:
    """The colour of each group, the largest first; the rest is grey."""
    return [*palette.series[:groups], *([palette.faint] if rest else [])]


def bars(sums: pd.DataFrame, labels: Sequence[str], first: date, last: date, step: str) -> pd.DataFrame:
    """The pieces of the bars: {place, start, end, low, high (US$), told}.

    `sums`: {start, place, requests, unpriced_requests, cost_nano}; `labels`: what each place is called. The steps at
    the ends are cut to [first, last].
    """
    rows: list[dict[str, Any]] = []
    for start, of_step in sums.sort_values("place").groupby("start"):
        begin, end = _span(start, first, last, step)
        low = 0
        for place, nano in zip(of_step["place"].tolist(), of_step["cost_nano"].tolist(), strict=True):
            if nano:
                told = f"{labels[place]}: {fmt.money(_usd(nano))}, {_when(begin, end)}"
                high = low + nano
                rows.append(
                    {
                        "place": str(place),
                        "start": begin,
                        "end": end,
                        "low": low / 1e9,
                        "high": high / 1e9,
                        "told": told,
                    }
                )
                low = high
    return pd.DataFrame(rows, columns=["place", "start", "end", "low", "high", "told"])


def unpriced_marks(sums: pd.DataFrame, first: date, last: date, step: str) -> pd.DataFrame:
    """The steps with requests that have no price: {at, high (US$), told}."""
    rows = []
    totals = sums.groupby("start", as_index=False)[["requests", "unpriced_requests", "cost_nano"]].sum()
    for start, requests, without, nano in totals.itertuples(index=False):
        if without:
            begin, end = _span(start, first, last, step)
            told = f"{_when(begin, end)}: {fmt.count(without)} of {fmt.plural(requests, 'request')} without a price"
            rows.append({"at": begin + (end - begin) / 2, "high": nano / 1e9, "told": told})
    return pd.DataFrame(rows, columns=["at", "high", "told"])


def _span(start: pd.Timestamp, first: date, last: date, step: str) -> tuple[datetime, datetime]:
    begin = start.to_pydatetime().replace(tzinfo=UTC)
    days = {"day": 1, "week": 7, "month": 32}[step]
    end = begin + timedelta(days=days)
    if step == "month":
        end = end.replace(day=1)
    return max(begin, _midnight(first)), min(end, _midnight(last) + timedelta(days=1))


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


def _when(begin: datetime, end: datetime) -> str:
    until = end - timedelta(days=1)
    return fmt.day(begin) if until <= begin else f"{fmt.day(begin)} to {fmt.day(until)}"


def _usd(nano: int) -> Decimal:
    return Decimal(nano).scaleb(-9)


def spend_chart(
    drawn: pd.DataFrame,
    marks: pd.DataFrame,
    fills: Sequence[str],
    period: tuple[date, date],
    step: str,
    palette: Palette,
) -> Drawn:
    """The chart of `bars` and `unpriced_marks`, the largest group at the bottom; `fills`: the colour of each place."""
    first, last = period
    domain = [_midnight(first), _midnight(last) + timedelta(days=1)]
    is_long = (last - first).days > 400
    x_scale = alt.Scale(type="utc", nice=False, domain=[each.isoformat() for each in domain])
    axis = alt.Axis(
        format="%b %Y" if is_long else "%d %b", tickCount=8, labelOverlap=True, labelSeparation=12, tickMinStep=86.4e6
    )
    y = alt.Y("low:Q", title=f"Spend per {step}, US$", axis=alt.Axis(labelExpr=DOLLARS, tickCount=5))
    pieces = (
        alt.Chart(drawn)
        .mark_rect(stroke=palette.background, strokeWidth=_gap(drawn))
        .encode(
            x=alt.X("start:T", title=None, scale=x_scale, axis=axis),
            x2=alt.X2("end:T"),
            y=y,
            y2=alt.Y2("high:Q"),
            color=alt.Color(
                "place:N",
                scale=alt.Scale(domain=[str(place) for place in range(len(fills))], range=list(fills)),
                legend=None,
            ),
            description=alt.Description("told:N"),
            tooltip=alt.Tooltip("told:N", title=" "),
        )
    )
    layers = [pieces]
    if not marks.empty:
        layers.append(
            alt.Chart(marks)
            .mark_point(shape="circle", size=20, strokeWidth=1.5, color=palette.warn, opacity=1, yOffset=-7)
            .encode(
                x=alt.X("at:T"),
                y=alt.Y("high:Q"),
                description=alt.Description("told:N"),
                tooltip=alt.Tooltip("told:N", title=" "),
            )
        )
    return styled(layers, palette, HEIGHT_PX)


def _gap(drawn: pd.DataFrame) -> float:
    return 1 if drawn["start"].nunique() > 1 else 0
