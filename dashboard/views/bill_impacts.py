"""What each price change does to one's own bill: for the feed of the Overview and for a model's card."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Final

import streamlit as st

from dashboard import controls, data_plans, markup
from dashboard import format as fmt
from dashboard.charts.series import endpoint_label
from dashboard.data import Reader
from dashboard.markup import Column, Html, Text
from dashboard.views import change_table
from dashboard.views.spend_figures import dollars, exact, signed
from db import meters
from db.plans.impact import Impact

MOST: Final = 8
LAST: Final = 108
"""So many at most, the smaller ones too."""
MOST_PROJECTS: Final = 3


def feed(reader: Reader, seen: data_plans.Seen, since: datetime, until: datetime, asof: date | None) -> None:
    """The changes in [since, until) that met own usage, the largest effect first."""
    found = data_plans.impacts_of(reader, seen, since, until, None)
    note = "price changes at endpoints that you use, at your mix of 30 days"
    st.html(markup.heading("Impact on your bill", note, first=True))
    if not found:
        st.html(markup.note("No price at which your usage is costed moved in this window."))
        return
    ordered = sorted((each for each in found if each.monthly != 0), key=lambda each: -abs(each.monthly or 0))
    if not ordered:
        told = f"{fmt.plural(len(found), 'price change')} met endpoints that you use, and changed nothing of your bill."
        st.html(markup.note(told))
        return
    st.html(table(ordered[:MOST], "Impact on your bill", asof))
    if len(ordered) > MOST:
        rest = markup.join([table(ordered[MOST:LAST], "Impact on your bill, smaller ones", asof), _more(ordered, LAST)])
        st.html(Html(f'<div class="rc"><details><summary>Smaller ones</summary>{rest}</details></div>'))


def table(found: Sequence[Impact], label: str, asof: date | None, *, with_model: bool = True) -> Html:
    """A line a change."""
    columns = [
        Column("When"),
        Column("Model" if with_model else "Endpoint"),
        Column("What moved"),
        Column("Your bill, a month", True, "30 days of usage at the price after, less at the price before"),
        Column("Projects"),
    ]
    return markup.table(columns, [_row(each, asof, with_model) for each in found], label)


def _row(each: Impact, asof: date | None, with_model: bool) -> list[Text]:
    place = endpoint_label(each.endpoint)
    model = controls.model_link(each.endpoint.model, each.endpoint.model, asof)
    return [
        markup.span(fmt.day(each.at), "nowrap", fmt.instant(each.at)),
        markup.two_lines(model, place) if with_model else place,
        _moved(each),
        effect(each),
        _projects(each),
    ]


def _moved(each: Impact) -> Html:
    told = [markup.join([meters.label(change.meter), " ", change_table.changed(change)]) for change in each.changes[:2]]
    more = len(each.changes) - len(told)
    return markup.join([*told, *([f"and {more} more"] if more > 0 else [])], Html("<br>"))


def effect(each: Impact) -> Html:
    """`+$412 a month`, with what it is from and to."""
    if each.monthly is None:
        return markup.span("unknown", "unknown", "no request has a price on both sides")
    kind = "warn" if each.monthly > 0 else "good" if each.monthly < 0 else ""
    told = f"{fmt.plural(each.requests, 'request')}, {fmt.day(each.first)} to {fmt.day(each.last)}"
    shown = markup.span(signed(each.monthly), kind, f"{exact(each.monthly)}; {told}")
    return markup.two_lines(shown, f"{dollars(each.before)} → {dollars(each.after)}")


def _projects(each: Impact) -> Html:
    told = [
        markup.span(name or "not in the log", "nowrap" if name else "unknown", signed(nano))
        for name, nano in each.projects[:MOST_PROJECTS]
    ]
    more = len(each.projects) - len(told)
    return markup.join([*told, *([f"and {more} more"] if more > 0 else [])], ", ") if told else markup.span("–", "mute")


def on_card(reader: Reader, model: str, asof: date | None) -> None:
    """On a model's card: what its price changes do to the bill; nothing where there is no usage of it."""
    seen = data_plans.seen(reader, asof)
    found = data_plans.impacts_of(reader, seen, None, None, model)
    if found:
        st.html(markup.heading("Impact on your bill", "what each price change does at your mix of 30 days"))
        shown = table(found[:MOST], "Impact on your bill", asof, with_model=False)
        st.html(markup.join([shown, _more(found, MOST)]))


def _more(found: Sequence[Impact], shown: int) -> Html:
    """How many are not shown; nothing where all are."""
    if len(found) <= shown:
        return Html("")
    told = Html(f"and {fmt.count(len(found) - shown)} more: <code>ratecard impact</code>")
    return markup.paragraph(told, "small mute")
