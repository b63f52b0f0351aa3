"""Why one period's bill differs from another's: a waterfall, and the exact sums."""

from collections.abc import Collection, Mapping, Sequence
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
from db.plans.periods import Period
from db.usage.exact import usd

MOST: Final = 15
NEGLIGIBLE: Final = 0.0005
"""A part below this share of the larger total is shown as about nothing."""


def draw(reader: Reader, seen: Seen) -> None:
    """Choose two periods; the bridge between them."""
    # The zone in which this month is projected, so that both say the same.
    zone = data_plans.monthly(reader, seen).question.period.timezone
    there = months(seen, zone)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        first = _period("From", "a", there[1:] + there[:1])
        last = _period("To", "b", [PROJECTED, *there])
    try:
        found = _bridged(reader, seen, periods.parse(first, zone), last)
    except RatecardError as error:
        st.html(markup.problem(str(error)))
        return
    if told := no_bridge(seen, found):
        st.html(markup.note(told))
        return
    _chart(seen, found)
    st.html(markup.heading("Exact sums", "US$; parts sum to the difference to the last digit"))
    st.html(sums(found.whole))
    st.html(markup.heading("By model"))
    st.html(details(found.models, "Model"))
    st.html(markup.heading("By project", "each project's own bridge"))
    st.html(details(found.projects, "Project", (_without_price(found.a), _without_price(found.b))))


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


def _bridged(reader: Reader, seen: Seen, a: Period, last: str) -> Bridged:
    if last == PROJECTED:
        return data_plans.bridged_ahead(reader, seen, a)
    return data_plans.bridged(reader, seen, a, periods.parse(last, a.timezone))


def no_bridge(seen: Seen, found: Bridged) -> str:
    """Why there is none between two periods; empty where there is."""
    for each in (found.a, found.b):
        if each.period.since >= seen.until:
            return f"{period_name(each.period)} is ahead. Usage is known up to {fmt.instant(seen.until)}."
    if not found.a.requests and not found.b.requests:
        return "There is no usage in either period. Choose others."
    for each in (found.a, found.b):
        if each.requests and each.requests == each.unpriced_requests:
            name, requests = period_name(each.period), fmt.plural(each.requests, "request")
            return f"None of the {requests} of {name} has a price. What they cost is unknown, so there is no bridge."
    return ""


def _without_price(account: Account) -> Collection[str]:
    """The projects whose requests have no price at all."""
    return {name for name, side in account.projects.items() if side.requests and not side.priced}


def _chart(seen: Seen, found: Bridged) -> None:
    whole = found.whole
    names = [_name(seen, found.a), _name(seen, found.b)]
    said = title(whole, *names)
    st.html(markup.chart_title(said, _below(found)))
    drawn = bars(whole, *(_short(seen, account) for account in (found.a, found.b)))
    if whole.before or whole.after:
        st.altair_chart(waterfall_chart(drawn, controls.colours()), theme=None, width="stretch", alt=said)
    else:
        st.html(markup.note("Both periods cost nothing, so there is nothing to draw."))


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
            # Not of the counts, which are rounded where they are projected.
            unpriced = 1 - account.whole.priced / account.whole.requests
            shown = share(unpriced.numerator, unpriced.denominator)
            told = f"{period_name(account.period)}: {shown} unpriced"
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


def _total(nano: int, is_unknown: bool) -> Html:
    if is_unknown:
        return markup.span("unknown", "unknown", "none of its requests has a price")
    return markup.span(money(nano), "", exact(nano))


def _row(name: str, each: Bridge, parts: Sequence[str], unknown: tuple[Collection[str], Collection[str]]) -> list[Text]:
    before, after = (name in names for names in unknown)
    largest = max(each.before, each.after)
    moved = [_part(each, part) for part in parts]
    difference = Html(f"<b>{markup.span(signed(each.difference, largest), '', exact(each.difference))}</b>")
    if before or after:
        moved, difference = [markup.span("–", "mute")] * len(parts), _total(0, is_unknown=True)
    called = name or markup.span("not in the log", "unknown")
    return [called, _total(each.before, before), *moved, _total(each.after, after), difference]


def details(found: Mapping[str, Bridge], of: str, unknown: tuple[Collection[str], Collection[str]] = ((), ())) -> Html:
    """The parts of each, those with the largest difference first; `unknown`: what has no price before, and after."""
    shown = list(found.items())[:MOST]
    if not shown:
        return markup.note("Nothing here has a price.")
    parts = [part for part in shown[0][1].parts if any(each.parts[part] for _, each in shown)]
    columns = [Column(of), Column("Before", True), *(Column(part_label(part), True) for part in parts)]
    rows = [_row(name, each, parts, unknown) for name, each in shown]
    told = markup.table([*columns, Column("After", True), Column("Difference", True)], rows, f"Bridge by {of.lower()}")
    rest = len(found) - len(shown)
    return markup.join([told, markup.paragraph(f"and {rest} more", "small mute")]) if rest else told
