"""What moving from one endpoint to another changes, and where to go when the one in use fails."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal

import streamlit as st

from dashboard import format as fmt
from dashboard import markup
from dashboard.charts.series import endpoint_label
from dashboard.markup import Column, Html, Text
from dashboard.views.provider_table import figure, lacks
from db.quality.compare import switch
from db.quality.facts import Compared, Measure, Switch
from db.quality.failover import Failover, failover
from db.quality.read import baseline

USUAL_TOKENS = 1_000_000


@st.fragment
def draw(rows: Sequence[Compared], mix: str, now: datetime) -> None:
    """The two endpoints to choose, what changes between them, and the failover of the first."""
    if len(rows) < 2:
        st.html(markup.heading("Switch", first=True))
        st.html(markup.note("There is one endpoint only: nothing to switch to."))
        return
    labels = unique_labels(rows)
    base = baseline(list(rows)) or rows[0]
    usual = next(row for row in rows if row is not base)
    st.html(markup.heading("Switch", f"at {mix}", first=True))
    with st.container(horizontal=True):
        used = _choose("You use", "from", labels, base)
        other = _choose("Instead of it", "to", labels, usual)
    st.html(card(switch(used, other), now))
    _failover(rows, used, labels)


def unique_labels(rows: Sequence[Compared]) -> dict[str, Compared]:
    """Label -> row; endpoints that share a label are told apart by their key."""
    short = [endpoint_label(row.endpoint) for row in rows]
    return {
        label if short.count(label) == 1 else f"{label} {row.endpoint.key}": row
        for label, row in zip(short, rows, strict=True)
    }


def _choose(label: str, key: str, labels: dict[str, Compared], usual: Compared) -> Compared:
    options = list(labels)
    index = next(number for number, row in enumerate(labels.values()) if row is usual)
    # A link may name an endpoint that is not there at this time.
    if st.session_state.get(key) not in (None, *options):
        del st.session_state[key]
    chosen = st.selectbox(label, options, index=index, key=key, bind="query-params")
    return labels.get(chosen or "", usual)


def card(change: Switch, now: datetime) -> Html:
    """What changes, one line each; what is not known on one of the two sides is said."""
    before, after = change.before, change.after
    rows: list[list[Text]] = [
        ["Price, $ per 1M", _usd(before), _usd(after), _price(change)],
        ["First token", figure(before.ttft_ms, "{:,.0f} ms", now), figure(after.ttft_ms, "{:,.0f} ms", now),
         _moved(change.ttft_ms, "{:,.0f} ms", is_high_good=False, of=(before.ttft_ms, after.ttft_ms))],
        ["Speed", figure(before.tokens_per_s, "{:,.1f} t/s", now), figure(after.tokens_per_s, "{:,.1f} t/s", now),
         _moved(change.tokens_per_s, "{:,.1f} t/s", is_high_good=True, of=(before.tokens_per_s, after.tokens_per_s))],
        ["Uptime", figure(before.uptime_percent, "{:.2f}%", now), figure(after.uptime_percent, "{:.2f}%", now),
         _moved(change.uptime_points, "{:.2f} points", is_high_good=True,
                of=(before.uptime_percent, after.uptime_percent))],
        ["Context, tokens", _count(before.context), _count(after.context),
         _moved(change.context, "{:,}", is_high_good=True)],
        ["Quantization", before.quantization or _unknown(), after.quantization or _unknown(), _quantization(change)],
        ["Parameters lost", "", "", lacks(change.lost_parameters)],
    ]  # fmt: skip
    columns = [Column("What"), Column("Now", True), Column("Then", True), Column("Change", True)]
    return markup.table(columns, rows, "Switch")


def _price(change: Switch) -> Html:
    saving, percent = change.saving_usd_per_mtok, change.change_percent
    if saving is None:
        return _unknown()
    if saving == 0:
        return markup.span("the same", "mute")
    kind, verb = ("good", "saves") if saving > 0 else ("warn", "costs")
    more = "" if saving > 0 else " more"
    told = f"{verb} {fmt.money(abs(saving))}{more}"
    share = f" ({fmt.percentage(percent)})" if percent is not None else ""
    return markup.span(told + share, f"{kind} nowrap")


def _usd(row: Compared) -> Html:
    if row.effective is None:
        return _unknown()
    return Html(fmt.money(row.effective.usd_per_mtok) if row.effective.usd_per_mtok else fmt.FREE)


def _count(number: int | None) -> Html:
    return _unknown() if number is None else Html(fmt.count(number))


def _unknown() -> Html:
    return markup.span(fmt.UNKNOWN, "unknown")


def _moved(
    difference: float | None,
    shape: str,
    *,
    is_high_good: bool,
    of: tuple[Measure | None, Measure | None] = (None, None),
) -> Html:
    if difference is None:
        is_mixed = of[0] is not None and of[1] is not None
        told = "one is measured, the other reported: they cannot be compared" if is_mixed else ""
        return markup.span("not comparable" if is_mixed else fmt.UNKNOWN, "unknown", told)
    text = shape.format(abs(difference))
    if difference == 0 or text == shape.format(0):
        return markup.span("the same", "mute")
    sign = "+" if difference > 0 else fmt.MINUS
    return markup.span(f"{sign}{text}", "good nowrap" if (difference > 0) is is_high_good else "warn nowrap")


def _quantization(change: Switch) -> Html:
    before, after = change.quantization
    if before is None or after is None:
        return _unknown()
    return markup.span("the same", "mute") if before == after else markup.span("another", "warn")


def _failover(rows: Sequence[Compared], used: Compared, labels: dict[str, Compared]) -> None:
    name = next((label for label, row in labels.items() if row is used), endpoint_label(used.endpoint))
    # A lister routes by itself: with a provider pinned instead, it is this one.
    when = f"a provider to pin instead of {name}" if used.endpoint.is_headline else f"if {name} fails"
    st.html(markup.heading("Failover", when))
    tokens = st.number_input(
        "Tokens per hour",
        min_value=0,
        value=USUAL_TOKENS,
        step=USUAL_TOKENS,
        key="tph",
        bind="query-params",
        width=180,
        help="Of the mix above: how much you would send to the other provider.",
    )
    found = failover(rows, used)
    st.html(markup.note("No other provider has a known price and is not dominated.") if found is None else
            _told(found, tokens))  # fmt: skip


def _told(found: Failover, tokens: int) -> Html:
    after = found.change.after
    extra = found.usd_per_hour(tokens)
    cost: Text
    if extra is None:
        cost = "its extra cost is unknown, as the price of the one in use is"
    elif extra == 0:
        cost = "it costs the same"
    else:
        kind, word = ("warn", "more") if extra > 0 else ("good", "less")
        amount = markup.span(f"{_dollars(abs(extra))} an hour {word}", kind)
        cost = markup.join([amount, f" at {fmt.count(tokens)} tokens an hour"])
    parameters = {
        True: "supports every parameter of the one in use",
        False: f"lacks {', '.join(found.change.lost_parameters or ())}",
        None: "whether it supports the same parameters is unknown",
    }[found.keeps_parameters]
    name = Html(f"<b>{markup.html(endpoint_label(after.endpoint))}</b>")
    return markup.paragraph(markup.join(["Next best: ", name, ", ", cost, markup.span(parameters, "sub")]))


def _dollars(usd: Decimal) -> str:
    """An amount; below a tenth of a cent it says only that."""
    return fmt.money(usd) if usd >= Decimal("0.001") else "less than $0.001"
