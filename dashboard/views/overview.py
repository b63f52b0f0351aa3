"""Your bill, what moved, what came and went, and how fresh all that is."""

from collections.abc import Iterable, Sequence
from datetime import date, datetime, timedelta

import streamlit as st

from dashboard import controls, data, data_plans, markup
from dashboard import format as fmt
from dashboard.charts.moves import counted, moves_chart, moves_title
from dashboard.data import Arrival, Reader, Record
from dashboard.markup import Column, Html, Text
from dashboard.views import bill_impacts, change_table, overview_bill
from db.prices.facts import Change

WINDOWS = {"7 days": 7, "30 days": 30, "90 days": 90, "1 year": 365}
ALL, CUTS, RISES = "All", "Cuts", "Rises"
BIGGEST = 8
ROWS = 25
MOST_ARRIVALS = 15


def page() -> None:
    """The page."""
    reader = controls.opened()
    if reader is None:
        return
    asof = controls.header(
        reader, "Overview", "Your bill, what moved in the prices of language models, and how fresh this record is."
    )
    seen = data_plans.seen(reader, asof)
    overview_bill.draw(reader, seen)
    st.html(markup.heading("The market", "how old its newest prices are, by source"))
    st.html(freshness(reader))
    days, source, direction = _filters(reader)
    until = reader.shown(asof)
    since = until - timedelta(days=days)
    moves = [move for move in data.moves(reader, since, until) if _wanted(move, source, direction)]
    arrivals = [a for a in data.arrivals(reader, since, until) if source in (None, a.source)]
    left, right = st.columns([5, 3], gap="large")
    with left:
        if seen.has_usage:
            bill_impacts.feed(reader, seen, since, until, asof)
        _moves(reader, moves, since, until, days, asof)
    with right:
        _arrivals(arrivals, asof, days)


def _filters(reader: Reader) -> tuple[int, str | None, str]:
    names = {fmt.source(record.source): record.source for record in data.records(reader)}
    with st.container(horizontal=True, vertical_alignment="bottom"):
        days = WINDOWS[controls.choose_one("Window", list(WINDOWS), "days", "30 days")]
        direction = controls.choose_one("Moves", [ALL, CUTS, RISES], "moves")
        source = names.get(controls.choose_one("Source", [ALL, *names], "source"))
    return days, source, direction


def _wanted(move: Change, source: str | None, direction: str) -> bool:
    if source is not None and move.endpoint.source != source:
        return False
    percent = move.percent or 0
    return direction == ALL or (percent > 0 if direction == RISES else percent < 0)


def freshness(reader: Reader) -> Html:
    """One box a source: how old its newest poll is, and what is wrong with it."""
    entries: list[tuple[Text, Text, Text, Text]] = []
    for record in data.records(reader):
        last = record.last_success
        value = fmt.ago(last, reader.now) if last else "never"
        is_open = any(gap.end is None for gap in record.gaps(reader.now))
        shown = markup.span(value, "warn" if is_open else "", fmt.instant(last) if last else "")
        entries.append((fmt.source(record.source), shown, "", markup.join(_health(record, is_open=is_open), " · ")))
    return markup.cards(entries)


def _health(record: Record, *, is_open: bool) -> list[Text]:
    parts: list[Text] = []
    if record.newest:
        parts.append(fmt.plural(record.newest.items, "item"))
        if record.newest.rejected:
            parts.append(markup.span(f"{fmt.count(record.newest.rejected)} rejected", "warn"))
    if record.usual:
        parts.append(f"usually every {fmt.span(record.usual)}")
    if is_open:
        parts.append(markup.span("a gap is open", "warn"))
    if record.failures:
        parts.append(
            markup.span(f"{fmt.plural(len(record.failures), 'failure')} since", "warn", record.failures[0].error or "")
        )
    return parts


def _moves(
    reader: Reader, moves: Sequence[Change], since: datetime, until: datetime, days: int, asof: date | None
) -> None:
    if not moves:
        st.html(markup.heading("Price changes"))
        st.html(markup.note(_quiet(reader, days, until)))
        return
    title = moves_title(moves, days)
    keys = [markup.span("■ rises", "warn"), markup.span("■ cuts", "good")]
    below = markup.join([*keys, f"up to {fmt.day(until)}, every meter of every endpoint"], " · ")
    st.html(markup.chart_title(title, below))
    counts = counted(moves, since, until)
    if not counts.empty:
        st.altair_chart(moves_chart(counts, since, until, controls.colours()), theme=None, width="stretch", alt=title)
    feed = change_table.together(moves)
    biggest = sorted(feed, key=change_table.factor, reverse=True)[:BIGGEST]
    st.html(markup.heading("Biggest moves", "by factor, of input and output prices; US$ per 1M tokens"))
    st.html(change_table.feed(biggest, "Biggest moves", asof))
    st.html(markup.heading("All moves", f"{fmt.count(len(feed))}, newest first; US$ per 1M tokens"))
    start, stop = controls.page_of(len(feed), ROWS, "moves_page")
    st.html(change_table.feed(feed[::-1][start:stop], "All moves", asof))


def _quiet(reader: Reader, days: int, until: datetime) -> Html:
    """Why there is nothing, and what to do about it."""
    seen = [at for record in data.records(reader) for at in record.instants if at <= until]
    newest = max(
        (r.last_success for r in data.records(reader) if r.last_success and len(r.instants) > 1),
        default=max(seen, default=None),
    )
    if newest is None:
        return Html(f"<b>Nothing was polled before {fmt.day(until)}.</b> Choose a later as-of date.")
    told = f"<b>No price moved in the {days} days up to {fmt.day(until)}.</b> "
    if newest < until - timedelta(days=days / 2):
        link = markup.link(f"as of {fmt.day(newest)}", "./", {controls.ASOF: newest.date().isoformat()})
        told += f"The newest poll with a history is {fmt.span(until - newest)} old: look at the market {link}, "
        return Html(told + "choose a longer window, or run <code>ratecard poll</code>.")
    return Html(told + "Choose a longer window, or other filters.")


def _arrivals(arrivals: Sequence[Arrival], asof: date | None, days: int) -> None:
    came = [arrival for arrival in arrivals if arrival.kind != "removed"]
    gone = [arrival for arrival in arrivals if arrival.kind == "removed"]
    st.html(_arrival_list("New models", came, asof, days, first=True))
    st.html(_arrival_list("Removed models", gone, asof, days))


def _arrival_list(
    title: str, arrivals: Sequence[Arrival], asof: date | None, days: int, *, first: bool = False
) -> Html:
    heading = markup.heading(title, f"{fmt.count(len(arrivals))} in {days} days", first=first)
    if not arrivals:
        return markup.join([heading, markup.note(f"None in {days} days.")])
    parts: list[Text] = [heading, _arrival_table(title, arrivals[:MOST_ARRIVALS], asof)]
    if len(arrivals) > MOST_ARRIVALS:
        rest = _arrival_table(f"{title}, older", arrivals[MOST_ARRIVALS : MOST_ARRIVALS + 200], asof)
        parts.append(Html(f'<div class="rc"><details><summary>Older ones</summary>{rest}</details></div>'))
    return markup.join(parts)


def _arrival_table(label: str, arrivals: Iterable[Arrival], asof: date | None) -> Html:
    rows = [
        [
            markup.two_lines(
                controls.model_link(arrival.model, arrival.model, asof),
                f"{'back ' if arrival.kind == 'returned' else ''}at {fmt.source(arrival.source)}"
                + (f", {fmt.count(arrival.providers)} providers" if arrival.providers > 1 else ""),
            ),
            markup.span(fmt.day(arrival.at), "nowrap", fmt.instant(arrival.at)),
        ]
        for arrival in arrivals
    ]
    return markup.table([Column("Model"), Column("When", True)], rows, label)
