"""How the record was made: polls, gaps, what was rejected, and which endpoints were taken to be one model."""

from collections import Counter
from collections.abc import Sequence

import streamlit as st

from dashboard import controls, data, markup
from dashboard import format as fmt
from dashboard.data import Reader, Record
from dashboard.markup import Column, Html, Text
from db import meters
from db.polls.facts import Poll, Status

ROWS = 20
MOST_POLLS = 1_000
MOST_REJECTED = 50
MOST_DISAGREEING = 15
ALL = "All"
KINDS = {Status.OK: "good", Status.PARTIAL: "warn", Status.IMPLAUSIBLE: "warn", Status.FAILED: "warn"}


def page() -> None:
    """The page."""
    reader = controls.opened()
    if reader is None:
        return
    controls.header(reader, "Collector", asof=False)
    records = data.records(reader)
    st.html(_sources(records, reader))
    names = {fmt.source(record.source): record.source for record in records}
    with st.container(horizontal=True, vertical_alignment="bottom"):
        source = names.get(controls.choose_one("Source", [ALL, *names], "source"))
        outcome = controls.choose_one("Outcome", [ALL, *Status], "outcome")
    _polls(reader, source, outcome)
    chosen = [record for record in records if source in (None, record.source)]
    left, right = st.columns(2, gap="large")
    with left:
        st.html(_gaps(chosen, reader))
        st.html(_unknown_fields(chosen))
    with right:
        st.html(_rejected(chosen))
    left, right = st.columns(2, gap="large")
    with left:
        st.html(_merges(reader))
    with right:
        st.html(_disagreeing(reader))


def _sources(records: Sequence[Record], reader: Reader) -> Html:
    columns = [
        Column("Source"),
        Column("Last success", True),
        Column("Age", True),
        Column("Usually every", True, "the median of its ten newest intervals"),
        Column("Next run", True, "last success plus the usual interval; the collector's own schedule may differ"),
        Column("Items", True),
        Column("Rejected", True),
        Column("Failures since", True),
        Column("Polls", True),
        Column("Gaps", True),
    ]
    rows = [_source_row(record, reader) for record in records]
    told = "The next run is estimated: last success plus the median of the ten newest intervals."
    return markup.join(
        [
            markup.heading("Sources", first=True),
            markup.table(columns, rows, "Sources"),
            markup.paragraph(told, "small mute"),
        ]
    )


def _source_row(record: Record, reader: Reader) -> list[Text]:
    last, newest = record.last_success, record.newest
    gaps = record.gaps(reader.now)
    is_open = any(gap.end is None for gap in gaps)
    unknown = markup.span("unknown", "unknown")
    age = markup.span(fmt.ago(last, reader.now), "warn" if is_open else "") if last else unknown
    due: Text = unknown
    if last and record.usual:
        at = last + record.usual
        due = markup.span(fmt.instant(at), "warn" if at < reader.now else "", "overdue" if at < reader.now else "")
    return [
        fmt.source(record.source),
        fmt.instant(last) if last else unknown,
        age,
        fmt.span(record.usual) if record.usual else unknown,
        due,
        fmt.count(newest.items) if newest else unknown,
        fmt.count(newest.rejected) if newest else unknown,
        markup.span(fmt.count(len(record.failures)), "warn" if record.failures else ""),
        fmt.count(len(record.instants)),
        markup.span(f"{fmt.count(len(gaps))}{', one open' if is_open else ''}", "warn" if is_open else ""),
    ]


def _polls(reader: Reader, source: str | None, outcome: str) -> None:
    polls = [poll for poll in data.recent_polls(reader, source, MOST_POLLS) if outcome in (ALL, poll.status)]
    st.html(markup.heading("Polls", "newest first"))
    if not polls:
        st.html(markup.note("No poll ended like this. Choose another outcome."))
        return
    start, stop = controls.page_of(len(polls), ROWS, "polls_page")
    columns = [
        Column("Observed"),
        Column("Source"),
        Column("Outcome"),
        Column("Items", True),
        Column("Changed", True, "versions that began or ended"),
        Column("Rejected", True),
        Column("Unsettled", True, "absences and jumps that wait for a second poll"),
        Column("Took", True),
        Column("Recorded"),
        Column("Error"),
    ]
    st.html(markup.table(columns, [_poll_row(poll) for poll in polls[start:stop]], "Polls"))


def _poll_row(poll: Poll) -> list[Text]:
    return [
        fmt.instant(poll.observed_at),
        fmt.source(poll.source),
        markup.span(str(poll.status), KINDS[poll.status]),
        fmt.count(poll.items),
        fmt.count(poll.changed),
        fmt.count(poll.rejected),
        fmt.count(poll.unsettled),
        f"{fmt.count(poll.duration_ms)} ms" if poll.duration_ms is not None else markup.span("replayed", "unknown"),
        markup.span(fmt.instant(poll.recorded_at), "mute"),
        markup.span(poll.error or "", "small"),
    ]


def _gaps(records: Sequence[Record], reader: Reader) -> Html:
    gaps = sorted((g for record in records for g in record.gaps(reader.now)), key=lambda gap: gap.start, reverse=True)
    title = markup.heading("Gaps", "over three times the usual interval; prices in them are unknown")
    if not gaps:
        return markup.join([title, markup.note("None.")])
    rows = [
        [
            fmt.source(gap.source),
            fmt.instant(gap.start),
            fmt.instant(gap.end) if gap.end else markup.span("open", "warn"),
            fmt.span((gap.end or reader.now) - gap.start),
        ]
        for gap in gaps
    ]
    columns = [Column("Source"), Column("From"), Column("To"), Column("Length", True)]
    return markup.join([title, markup.table(columns, rows, "Gaps")])


def _rejected(records: Sequence[Record]) -> Html:
    rows: list[list[Text]] = [
        [fmt.source(record.source), rejection.item or "unnamed", markup.span(rejection.reason, "small")]
        for record in records
        for rejection in record.rejections[:MOST_REJECTED]
    ]
    title = markup.heading("Rejected items", "of each source's newest poll")
    if not rows:
        return markup.join([title, markup.note("None.")])
    return markup.join(
        [title, markup.table([Column("Source"), Column("Item"), Column("Reason")], rows, "Rejected items")]
    )


def _unknown_fields(records: Sequence[Record]) -> Html:
    rows: list[list[Text]] = []
    for record in records:
        fields = Counter(record.newest.unknown_fields if record.newest and record.newest.unknown_fields else {})
        if fields:
            names = markup.tags(f"{name} {fmt.count(n)}" for name, n in fields.most_common(30))
            rows.append([fmt.source(record.source), names])
    title = markup.heading("Fields that this version does not know", "kept as they came; with how many entries")
    if not rows:
        return markup.join([title, markup.note("None in the newest polls.")])
    return markup.join([title, markup.table([Column("Source"), Column("Fields")], rows, "Unknown fields")])


def _merges(reader: Reader) -> Html:
    rows: list[list[Text]] = [
        [fmt.source(source), rule, fmt.count(endpoints), fmt.count(models)]
        for source, rule, endpoints, models in data.merges(reader)
    ]
    title = markup.heading("How endpoints were matched to models", "by rule, gone ones included")
    columns = [Column("Source"), Column("Rule"), Column("Endpoints", True), Column("Models", True)]
    return markup.join([title, markup.table(columns, rows, "How endpoints were matched")])


def _disagreeing(reader: Reader) -> Html:
    found = data.disagreeing(reader, None)
    title = markup.heading("Largest disagreements", f"{fmt.count(len(found))} between sources, in US$ per 1M tokens")
    if not found:
        return markup.join([title, markup.note("None: all sources that quote the same endpoint agree.")])
    rows: list[list[Text]] = []
    for model, each in found[:MOST_DISAGREEING]:
        quotes = [f"{fmt.source(source)} {fmt.amount(each.meter, usd)}" for source, usd in each.quotes]
        where = f"{each.provider}, {meters.label(each.meter).lower()}"
        ratio = fmt.times(each.ratio) if each.ratio is not None else "free or not"
        rows.append([markup.two_lines(controls.model_link(model, model, None), where), " · ".join(quotes), ratio])
    columns = [Column("Model"), Column("Quotes"), Column("Dearest to cheapest", True)]
    return markup.join([title, markup.table(columns, rows, "Largest disagreements")])
