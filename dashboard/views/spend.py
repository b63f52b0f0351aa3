"""What was spent, on what, at the prices that were in force; what has no price is counted, and never $0."""

from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from typing import Any, Final

import streamlit as st

from dashboard import controls, data, data_usage, markup
from dashboard import format as fmt
from dashboard.charts import spend as chart
from dashboard.data import Reader
from dashboard.markup import Html, Text
from dashboard.usage_sums import Period, over_time, tokens_unpriced, unpriced
from dashboard.views import spend_downloads, spend_records, spend_tables, spend_upload
from dashboard.views.spend_figures import compact, dollars, exact, moved, share
from dashboard.views.spend_filters import NOT_SAID, Asked, choose, sample_tag
from db.errors import RatecardError
from db.usage.summary import Summary

KNOWN: Final = "known"
MOST_COLOURS: Final = 4
SUB: Final = "What your requests cost, each at the price that was in force when it was made."
SECTIONS: Final = {
    "Groups": spend_tables.groups,
    "Movers": spend_tables.movers,
    "Reconciliation": spend_records.reconciliation,
    "Assumptions": spend_records.assumptions,
    "Imports": spend_records.imports,
    "Restatements": spend_records.restatements,
}


def page() -> None:
    """The page."""
    try:
        reader = data.open_reader()
    except RatecardError as error:
        st.html(markup.problem(str(error)))
        return
    with st.container(horizontal=True, vertical_alignment="bottom", horizontal_alignment="distribute"):
        title = st.empty()
        known = _known()
        upload = st.empty()
    state = data_usage.seen(reader, known)
    usage = data_usage.usage(reader, state)
    if usage.span is None:
        title.html(markup.title("Spend", SUB), width="stretch")
        _empty(state.costings, known)
        return
    if upload.button("Upload a log", icon=":material/upload:"):
        spend_upload.dialog()
    asked = choose(state, usage, usage.span)
    tag = markup.join([" ", sample_tag()]) if asked.sampled else ""
    title.html(markup.title(markup.join(["Spend", tag]), _below(asked, known)), width="stretch")
    if not asked.total.requests:
        st.html(markup.note(_nothing(asked, usage.span)))
        return
    _sample_note(asked)
    st.html(headline(asked))
    if asked.total.unpriced_requests:
        st.html(spend_tables.unpriced_names(unpriced(usage, asked.rows), asked))
    _chart(asked)
    _details(reader, asked)


def _known() -> date | None:
    chosen = st.date_input(
        "Known at (UTC)",
        value=None,
        format="YYYY-MM-DD",
        key=KNOWN,
        bind="query-params",
        width=170,
        help="The report as it was at the end of this day: later imports and restatements are left out. Empty: now.",
    )
    return chosen if isinstance(chosen, date) else None


def _empty(costings: int, known: date | None) -> None:
    if costings and known is not None:
        st.html(markup.note(Html(f"<b>Nothing was imported up to {fmt.day(known)}.</b> Choose a later known-at date.")))
        return
    st.html(
        markup.note(
            Html(
                "<b>No usage yet.</b> <code>ratecard usage import FILE</code> reads your logs (OpenRouter, OpenAI, "
                "Anthropic, LiteLLM, Langfuse, Helicone, OpenTelemetry, Claude Code, Codex, or any CSV); "
                "<code>ratecard sample</code> makes a synthetic log to look around with. Or upload a log here:"
            )
        )
    )
    spend_upload.form()


def _below(asked: Asked, known: date | None) -> Text:
    told = f"{asked.described()} (UTC days)"
    when = f", as it was known at the end of {fmt.day(known)}" if known else ", at the prices known now"
    only = [each for each in (asked.only.model, asked.only.provider, asked.only.project) if each is not None]
    return f"{told}{when}" + (f" · only {', '.join(only)}" if only else "")


def _nothing(asked: Asked, span: Period) -> Html:
    said = markup.html(f"No request of this kind from {asked.described()}.")
    rest = (
        f" Usage is known from {fmt.day(span.first)} to {fmt.day(span.last)}: choose another period, or fewer filters."
    )
    return markup.join([Html(f"<b>{said}</b>"), rest])


def _sample_note(asked: Asked) -> None:
    if asked.sampled:
        of = f"{fmt.count(asked.sampled)} of {fmt.plural(asked.total.requests, 'request')} here are synthetic."
        rest = Html(" <code>ratecard sample --remove</code> takes them out without a trace.")
        st.html(markup.note(markup.join([Html("<b>Sample data.</b> "), of, rest])))


def headline(asked: Asked) -> Html:
    """The figures of the period, each with its unit and where it comes from."""
    now, before = asked.total, asked.total_before
    effective, rate = now.effective_usd_per_mtok, now.cache_hit_rate
    old = asked.incomparable
    entries: list[tuple[Text, Text, Text, Text]] = [
        ("Spend, US$", _spend(now), f"in {fmt.plural(asked.period.days, 'day')}", _spend_told(now, before, old)),
        ("Requests", compact(now.requests), "requests", _moved(now.requests, before.requests, old)),
        ("Tokens", compact(now.tokens), "tokens", _moved(now.tokens, before.tokens, old)),
        (
            "Effective price",
            fmt.money(round(effective, 4)) if effective is not None else markup.span(fmt.UNKNOWN, "unknown"),
            "per 1M tokens",
            _price_told(now, before, old),
        ),
        (
            "Cache hits",
            f"{rate:.1%}" if rate is not None else markup.span("no input", "unknown"),
            "of input tokens",
            f"{before.cache_hit_rate:.1%} before" if old == "" and before.cache_hit_rate is not None else "",
        ),
        ("Unpriced", *_unpriced_card(now)),
    ]
    return markup.cards(entries)


def _spend(now: Summary) -> Html:
    return markup.span(dollars(now.cost_nano), "" if now.cost_nano is not None else "unknown", exact(now.cost_nano))


def _moved(now: int, before: int, reason: str) -> Text:
    return "" if reason else markup.join([moved(Decimal(now), Decimal(before)), " from ", compact(before)])


def _spend_told(now: Summary, before: Summary, reason: str) -> Text:
    if reason or now.cost_nano is None or before.cost_nano is None:
        return reason or "nothing here, or before, has a price"
    was = f" from {dollars(before.cost_nano)} before"
    return markup.join([moved(Decimal(now.cost_nano), Decimal(before.cost_nano)), was])


def _price_told(now: Summary, before: Summary, reason: str) -> Text:
    new, old = now.effective_usd_per_mtok, before.effective_usd_per_mtok
    if reason or new is None or old is None:
        return "of priced requests, at your mix"
    return markup.join([moved(new, old), f" from {fmt.money(round(old, 4))}"])


def _unpriced_card(now: Summary) -> tuple[Text, Text, Text]:
    if not now.unpriced_requests:
        return markup.span("none", "good"), "", "every request has a price"
    tokens = tokens_unpriced(now)
    of_tokens = f", {share(tokens, now.tokens)} of tokens" if now.tokens else ""
    told = f"{fmt.plural(now.unpriced_requests, 'request')}{of_tokens}; not in the spend"
    return markup.span(share(now.unpriced_requests, now.requests), "warn"), "of requests", told


def _chart(asked: Asked) -> None:
    """Spend over time, in the colours of the largest groups."""
    period, usage = asked.period, asked.usage
    step = chart.step_for(period.first, period.last)
    shown = [] if asked.is_time else [each for each in asked.groups if each.cost_nano][:MOST_COLOURS]
    values = [each.key[0] for each in shown]
    sums = over_time(usage, asked.rows, step, asked.key, values)
    labels = [_name(value) for value in values] + [chart.OTHERS if values else "all"]
    palette = controls.colours()
    rest = bool((sums.loc[sums["place"] == len(values), "cost_nano"] != 0).any())
    fills = chart.colours(len(values), rest=rest, palette=palette) if values else [palette.series[0]]
    drawn = chart.bars(sums, labels, period.first, period.last, step)
    marks = chart.unpriced_marks(sums, period.first, period.last, step)
    title = _chart_title(asked, shown, labels)
    st.html(markup.chart_title(title, _legend(asked, shown, fills, rest=rest, marked=not marks.empty)))
    if drawn.empty and marks.empty:
        st.html(markup.note("Nothing here has a price, so there is no spend to draw."))
        return
    drawing = chart.spend_chart(drawn, marks, fills, (period.first, period.last), step, palette)
    st.altair_chart(drawing, theme=None, width="stretch", alt=title)


def _chart_title(asked: Asked, shown: Sequence[Summary], labels: Sequence[str]) -> str:
    total = asked.total.cost_nano
    told = f"{dollars(total)} in {fmt.plural(asked.period.days, 'day')}"
    if not total:
        return "No spend is known: nothing here has a price" if total is None else f"{told}: all of it is free"
    if not shown or shown[0].cost_nano is None:
        return told
    return f"{told}; {labels[0]} is {share(shown[0].cost_nano, total)} of it"


def _legend(asked: Asked, shown: Sequence[Summary], fills: Sequence[str], *, rest: bool, marked: bool) -> Html:
    """The groups in their colours, with what each came to."""
    parts: list[Text] = []
    left = asked.total.cost_nano or 0
    for each, fill in zip(shown, fills, strict=False):
        cost = each.cost_nano or 0
        left -= cost
        parts.append(markup.join([_square(fill), f" {_name(each.key[0])} {dollars(cost)}"]))
    if rest and shown:
        parts.append(markup.join([_square(fills[-1]), f" {chart.OTHERS} {dollars(left)}"]))
    if marked:
        parts.append(markup.join([markup.span("○", "warn"), " with unpriced requests, which are not in the bars"]))
    if asked.sampled:
        parts.append(sample_tag())
    return markup.join((markup.span(part, "nowrap") for part in parts), Html("&ensp; "))


def _square(colour: str) -> Html:
    """`colour`: one of the theme's own."""
    return Html(f'<span style="color:{colour}">■</span>')


def _name(value: Any) -> str:
    return NOT_SAID if value is None else str(value)


@st.fragment
def _details(reader: Reader, asked: Asked) -> None:
    """Below the chart: one table at a time, and the downloads."""
    with st.container(horizontal=True, vertical_alignment="bottom", horizontal_alignment="distribute"):
        section = controls.choose_one("Details", list(SECTIONS), "show")
        spend_downloads.buttons(reader, asked)
    SECTIONS[section](reader, asked)
