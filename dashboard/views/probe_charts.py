"""What probes measured over time: the uptime strip, and latency with the causes of failures."""

from collections.abc import Sequence
from datetime import datetime, timedelta

import streamlit as st

from dashboard import controls, data_probes, markup
from dashboard import format as fmt
from dashboard.charts import latency, uptime
from dashboard.charts.series import endpoint_label
from dashboard.data import Reader
from dashboard.data_probes import Seen, Strip
from dashboard.markup import Html
from dashboard.theme import Palette
from db.probes.facts import Hour
from db.quality.facts import Compared

STRIP = timedelta(days=30)
TITLES = {
    "chat": ("ttft_ms", "Time to first token"),
    "reach": ("total_ms", "Time to the first byte, reached only"),
}


def draw(
    reader: Reader, rows: Sequence[Compared], own: Sequence[str], model: str, seen: Seen, window: timedelta
) -> None:
    """Both charts of the measured targets, or how to get them."""
    names = target_labels(rows, own)
    found = data_probes.strips(reader, tuple(names), seen.until - STRIP, seen)
    if not found:
        st.html(markup.heading("Uptime and latency over time"))
        st.html(markup.note(nothing(model)))
        return
    strip(found, names, seen)
    _latency(reader, found, names, seen, window)


def target_labels(rows: Sequence[Compared], own: Sequence[str] = ()) -> dict[str, str]:
    """Target -> what to call it: endpoints by their provider, a user's own servers by their name."""
    return {row.endpoint.name: endpoint_label(row.endpoint) for row in rows} | {name: name for name in own}


def nothing(model: str) -> Html:
    """What to do to get measured figures."""
    return markup.join(
        [
            Html("<b>Nothing was measured here.</b> "),
            Html(f"<code>ratecard watch {markup.html(model)}</code> puts its endpoints on the watch list; "),
            Html("<code>ratecard run</code> or <code>ratecard collect</code> then probes them on schedule."),
        ]
    )


def strip(found: Sequence[Strip], names: dict[str, str], seen: Seen, *, first: bool = False) -> None:
    """The uptime strip, the most reliable target first."""
    _strip(names, seen, controls.colours(), first, found)


@st.cache_resource(show_spinner=False, max_entries=32)
def _strip(names: dict[str, str], seen: Seen, palette: Palette, first: bool, _found: Sequence[Strip]) -> None:
    """Drawn once for a state of the probes, then shown again as it was: it is by far the largest chart of a page."""
    ordered = sorted(_found, key=lambda each: (*_reliability(each), names[each.target]))
    shown = ordered[: uptime.most_rows(seen.until - STRIP, seen.until)]
    rows = [uptime.Row(_label(each, names), each.cells, each.uptime, each.n) for each in shown]
    title = _conclusion(ordered, names)
    st.html(markup.heading("Uptime", "measured, 30 days", first=first))
    below = "Each cell is 6 hours of probes · uptime = ok / (ok + errors) · limited requests (429) count as neither"
    if len(shown) < len(ordered):
        below += f" · {fmt.count(len(ordered) - len(shown))} less reliable ones left out"
    st.html(markup.chart_title(title, below))
    st.altair_chart(uptime.uptime_chart(rows, seen.until, palette), theme=None, width="stretch", alt=title)


def _reliability(each: Strip) -> tuple[bool, bool, float]:
    """The order of the strips: what was only reached says less, so it comes last."""
    return each.prober == "reach", each.uptime is None, -(each.uptime or 0)


def _label(each: Strip, names: dict[str, str]) -> str:
    return names[each.target] + (" (reached only)" if each.prober == "reach" else "")


def _conclusion(ordered: Sequence[Strip], names: dict[str, str]) -> str:
    rated = [each for each in ordered if each.uptime is not None and each.prober == ordered[0].prober]
    if not rated:
        return "Every probe was limited: nothing is known of the uptime"
    best, worst = rated[0], rated[-1]
    top, bottom = (f"{(each.uptime or 0) * 100:.2f}%" for each in (best, worst))
    if len(rated) == 1:
        return f"{names[best.target]} answered {top} of its probes"
    if top == bottom:
        return f"All {len(rated)} answered {top} of their probes"
    return f"{names[best.target]} answered {top} of its probes, {names[worst.target]} {bottom}"


@st.fragment
def _latency(reader: Reader, found: Sequence[Strip], names: dict[str, str], seen: Seen, window: timedelta) -> None:
    labels = {_label(each, names): each for each in found}
    with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="bottom"):
        st.html(markup.heading("Latency over time", f"measured, {_words(window)}"), width="stretch")
        if st.session_state.get("target") not in (None, *labels):
            del st.session_state["target"]
        chosen = st.selectbox(
            "Endpoint", list(labels), key="target", bind="query-params", width=260, label_visibility="collapsed"
        )
    each = labels.get(chosen or "", found[0])
    since = seen.since(window)
    hours = data_probes.hours(reader, each.target, each.prober, since, seen)
    if not hours:
        st.html(markup.note("It was not probed in this window. Choose a longer one."))
        return
    _latency_chart(each, hours, names[each.target], since, seen)
    _failures(hours, TITLES[each.prober][0], since, seen)


def _latency_chart(each: Strip, hours: Sequence[Hour], name: str, since: datetime, seen: Seen) -> None:
    measure, what = TITLES[each.prober]
    drawn = latency.lines(hours, measure)
    if drawn.empty:
        st.html(markup.note("No probe came to a first token in this window."))
        return
    n = sum(hour.n for hour in hours)
    title = f"{name}: {what.lower()} was {_range(hours, measure)}"
    kind = "short prompts on fresh connections, " if each.prober == "chat" else ""
    below = f"Line: median of each hour, shade up to the 90th percentile · {kind}n {fmt.count(n)} · gaps: not probed"
    st.html(markup.chart_title(title, below))
    chart = latency.latency_chart(drawn, what, since, seen.until, controls.colours())
    st.altair_chart(chart, theme=None, width="stretch", alt=title)


def _range(hours: Sequence[Hour], measure: str) -> str:
    medians = sorted(figures["p50"] for hour in hours if (figures := getattr(hour, measure)))
    low, high = latency.ms(medians[0]), latency.ms(medians[-1])
    return low if low == high else f"{low} in its best hour and {high} in its worst, by median"


def _failures(hours: Sequence[Hour], measure: str, since: datetime, seen: Seen) -> None:
    probes, errors = sum(hour.probes for hour in hours), sum(hour.errors for hour in hours)
    limited = sum(hour.limited for hour in hours)
    if not errors and not limited:
        st.html(markup.paragraph(f"None of {fmt.plural(probes, 'probe')} failed in this window.", "small mute"))
        return
    title = f"{fmt.count(errors)} of {fmt.plural(probes, 'probe')} failed"
    if limited:
        title += f", {fmt.count(limited)} more were limited"
    drawn = latency.failures(hours, since, seen.until)
    st.html(markup.chart_title(title, "by cause"))
    chart = latency.failure_chart(drawn, latency.lines(hours, measure), since, seen.until, controls.colours())
    st.altair_chart(chart, theme=None, width="stretch", alt=title)


def _words(window: timedelta) -> str:
    hours = window // timedelta(hours=1)
    return f"{hours} h" if hours <= 72 else f"{hours // 24} days"
