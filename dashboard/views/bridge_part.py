"""Why one period's bill differs from another's: a waterfall, and the exact sums."""

from collections.abc import Mapping
from typing import Final

import streamlit as st

from dashboard import controls, data_plans, markup
from dashboard import format as fmt
from dashboard.charts.fan_points import money
from dashboard.charts.waterfall import TOLD, bars, part_label, signed, waterfall_chart
from dashboard.data import Reader
from dashboard.data_plans import Seen
from dashboard.markup import Column, Html, Text
from dashboard.views.projection_fan import period_name
from dashboard.views.projection_filters import months
from dashboard.views.spend_figures import exact, share
from db.errors import RatecardError
from db.plans import periods
from db.plans.bridge import Bridge
from db.plans.bridging import PROJECTED, Account, Bridged
from db.usage.exact import usd

MOST: Final = 15
NEGLIGIBLE: Final = 0.0005
"""A part below this share of the larger total is shown as about nothing."""


def draw(reader: Reader, seen: Seen) -> None:
    """Choose two periods; the bridge between them."""
    there = months(seen)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        first = _period("From", "a", there[1:] + there[:1])
        last = _period("To", "b", [PROJECTED, *there])
    try:
        found = _bridged(reader, seen, first, last)
    except RatecardError as error:
        st.html(markup.problem(str(error)))
        return
    _chart(seen, found)
    st.html(markup.heading("Exact sums", "US$; parts sum to the difference to the last digit"))
    st.html(sums(found.whole))
    st.html(markup.heading("By model"))
    st.html(details(found.models, "Model"))
    st.html(markup.heading("By project", "each project's own bridge"))
    st.html(details(found.projects, "Project"))


def _period(label: str, key: str, options: list[str]) -> str:
    chosen = st.selectbox(
        label,
        options,
        key=key,
        bind="query-params",
        accept_new_options=True,
        width=220,
        help="A month, days such as 2026-01-05..2026-02-01 (the last is not in it), or this month as it is projected.",
    )
    return chosen or options[0]


def _bridged(reader: Reader, seen: Seen, first: str, last: str) -> Bridged:
    # The zone in which this month is projected, so that both say the same.
    zone = data_plans.monthly(reader, seen).question.period.timezone
    a = periods.parse(first, zone)
    if last == PROJECTED:
        return data_plans.bridged_ahead(reader, seen, a)
    return data_plans.bridged(reader, seen, a, periods.parse(last, zone))


def _chart(seen: Seen, found: Bridged) -> None:
    whole = found.whole
    if not found.a.requests and not found.b.requests:
        st.html(markup.note("There is no usage in either period. Choose others."))
        return
    names = [_name(seen, found.a), _name(seen, found.b)]
    said = title(whole, *names)
    st.html(markup.chart_title(said, _below(found)))
    drawn = bars(whole, *(_short(seen, account) for account in (found.a, found.b)))
    if whole.before or whole.after:
        st.altair_chart(waterfall_chart(drawn, controls.colours()), theme=None, width="stretch", alt=said)
    else:
        st.html(markup.note("Nothing in either period has a price, so there is no bridge to draw."))


def _name(seen: Seen, account: Account) -> str:
    name = period_name(account.period)
    if account.projected:
        return f"{name}, projected"
    return f"{name} so far" if account.period.until > seen.until else name


def _short(seen: Seen, account: Account) -> str:
    """The same, for the axis."""
    if ".." in account.period.key:
        return account.period.key
    name = f"{account.period.start:%b}"
    if account.projected:
        return f"{name} projected"
    return f"{name} so far" if account.period.until > seen.until else fmt.month(account.period.start)


def title(whole: Bridge, first: str, last: str) -> str:
    """What the waterfall says: the difference, and the part that did most of it."""
    if not whole.difference:
        return f"{last} cost as much as {first}"
    word = "more" if whole.difference > 0 else "less"
    told = f"{last}: {money(abs(whole.difference))} {word} than {first}"
    along = {part: nano for part, nano in whole.parts.items() if nano * whole.difference > 0}
    if not along:
        return told
    most = max(along, key=lambda part: abs(along[part]))
    return f"{told}, mostly {part_label(most).lower()} ({signed(along[most], max(whole.before, whole.after))})"


def _below(found: Bridged) -> Html:
    parts: list[Text] = [markup.span("■ adds", "warn"), markup.span("■ saves", "good")]
    for account in (found.a, found.b):
        if account.unpriced_requests:
            told = f"{period_name(account.period)}: {share(account.unpriced_requests, account.requests)} unpriced"
            parts.append(markup.span(told, "warn"))
    return markup.join(parts, " · ")


def sums(whole: Bridge) -> Html:
    """Every part, the ones without effect too."""
    rows: list[list[Text]] = [["Before", "", _exact(whole.before)]]
    rows += [[part_label(part), TOLD.get(part, ""), _exact(nano)] for part, nano in whole.parts.items()]
    rows.append(["After", "", _exact(whole.after)])
    rows.append([Html("<b>Difference</b>"), "", _exact(whole.difference)])
    return markup.table([Column("Part"), Column("What it is"), Column("US$", True)], rows, "Bridge")


def _exact(nano: int) -> str:
    return f"{usd(nano):,f}".replace("-", fmt.MINUS)


def _part(each: Bridge, part: str) -> Html:
    nano, largest = each.parts[part], max(each.before, each.after)
    if abs(nano) < largest * NEGLIGIBLE:
        return markup.span("≈0" if nano else "0", "mute", exact(nano))
    return markup.span(signed(nano, largest), "", exact(nano))


def details(found: Mapping[str, Bridge], of: str) -> Html:
    """The parts of each, those with the largest difference first."""
    shown = list(found.items())[:MOST]
    if not shown:
        return markup.note("Nothing here has a price.")
    parts = [part for part in shown[0][1].parts if any(each.parts[part] for _, each in shown)]
    columns = [Column(of), Column("Before", True), *(Column(part_label(part), True) for part in parts)]
    rows = [
        [
            name or markup.span("not in the log", "unknown"),
            money(each.before),
            *(_part(each, part) for part in parts),
            money(each.after),
            Html(f"<b>{signed(each.difference, max(each.before, each.after))}</b>"),
        ]
        for name, each in shown
    ]
    told = markup.table([*columns, Column("After", True), Column("Difference", True)], rows, f"Bridge by {of.lower()}")
    rest = len(found) - len(shown)
    return markup.join([told, markup.paragraph(f"and {rest} more", "small mute")]) if rest else told
