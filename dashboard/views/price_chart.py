"""A step chart of prices with its title, its scale and what must be said below it. Used by more than one page."""

from collections.abc import Sequence
from datetime import date, datetime

import streamlit as st

from dashboard import controls, data, markup
from dashboard import format as fmt
from dashboard.charts.price_steps import price_steps
from dashboard.charts.series import COLOURED, Frames, Series, conclusion, frames
from dashboard.data import Reader


def draw(
    reader: Reader,
    series: Sequence[Series],
    *,
    model: str,
    unit: str,
    asof: date | None,
    since: datetime | None = None,
    height: int = 300,
) -> None:
    """Draw `series`, the ones worth a colour first, up to the as-of date; the title says what the first one did."""
    title = conclusion(series, model, since)
    end = data.end_of(asof) or reader.now
    end = min(end, reader.now)
    is_log = st.session_state.get(controls.SCALE) != controls.LINEAR
    records = data.records(reader)
    palette = controls.colours()
    drawn = frames(
        series,
        palette.series,
        palette.faint,
        gaps={record.source: record.gaps(end) for record in records},
        last_seen={
            record.source: max(seen) for record in records if (seen := [i for i in record.instants if i <= end])
        },
        since=since,
        end=end,
        is_log=is_log,
    )
    st.html(markup.chart_title(title, _below_title(series, drawn)))
    if drawn.lines.empty:
        st.html(markup.note(_nothing(series, drawn)))
        return
    chart = price_steps(drawn, unit, palette, is_log=is_log, height=height)
    st.altair_chart(chart, theme=None, width="stretch", alt=title)
    if notes := _notes(drawn):
        st.html(markup.paragraph(" ".join(notes), "small mute"))


def _below_title(series: Sequence[Series], drawn: Frames) -> str:
    rest = len(series) - COLOURED
    parts = ["Each dot is a change"]
    if not drawn.bands.empty:
        parts.append(f"shaded: {fmt.source(series[0].endpoint.source)} was not polled, so nothing is known")
    if rest > 0:
        parts.append(f"{fmt.plural(rest, 'other endpoint')} in grey, named when pointed at")
    return " · ".join(parts)


def _nothing(series: Sequence[Series], drawn: Frames) -> str:
    if drawn.hidden_free:
        return "Free all the time, which a log scale cannot show. Choose the linear scale."
    return "No source quotes a price here." if not series else "No price is known in this window. Choose a longer one."


def _notes(drawn: Frames) -> list[str]:
    notes = []
    if drawn.hidden_free:
        notes.append("A log scale has no zero: free periods are left out; the linear scale shows them.")
    if drawn.left_out:
        notes.append(f"{fmt.plural(drawn.left_out, 'endpoint')} left out to keep the chart readable: choose fewer.")
    return notes
