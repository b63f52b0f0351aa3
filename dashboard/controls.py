"""What a viewer can set. Every control is in the URL, so a link shows what its sender saw."""

from collections.abc import Sequence
from datetime import date

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from dashboard import data, markup
from dashboard import format as fmt
from dashboard.data import Reader
from dashboard.markup import Html, Text
from dashboard.theme import Palette, palette
from db.errors import RatecardError

MODEL = "model"
ASOF = "asof"
SCALE = "scale"
LOG, LINEAR = "Log", "Linear"

NO_PRICES = Html(
    "<b>No prices yet.</b> <code>ratecard poll</code> gets today's, <code>ratecard backfill</code> two years of "
    "history, and <code>ratecard run</code> keeps both up to date."
)


def colours() -> Palette:
    """The palette of the viewer's theme."""
    return palette(st.context.theme.type)


def opened() -> Reader | None:
    """The database, or None after one sentence about why there is nothing to show."""
    try:
        reader = data.open_reader()
    except RatecardError as error:
        st.html(markup.problem(str(error)))
        return None
    if reader.newest_poll == 0:
        st.html(markup.note(NO_PRICES))
        return None
    return reader


def header(reader: Reader, title: Text, sub: Text = "", *, asof: bool = True) -> date | None:
    """The top of a page: what it is, one line (else the age of the data), and the as-of date that was chosen."""
    name, chosen = _top(asof)
    name.html(markup.title(title, sub or ages(reader, chosen)), width="stretch")
    return chosen


def header_later() -> tuple[DeltaGenerator, date | None]:
    """The place for a title that is not known yet, and the as-of date beside it."""
    return _top(asof=True)


def _top(asof: bool) -> tuple[DeltaGenerator, date | None]:
    with st.container(horizontal=True, vertical_alignment="bottom", horizontal_alignment="distribute"):
        return st.empty(), as_of() if asof else None


def as_of() -> date | None:
    """The day whose prices are shown; None for now."""
    chosen = st.date_input(
        "As of (UTC)",
        value=None,
        format="YYYY-MM-DD",
        key=ASOF,
        bind="query-params",
        width=170,
        help="Show what was known to be in force at the end of this day. Empty: now.",
    )
    return chosen if isinstance(chosen, date) else None


def ages(reader: Reader, asof: date | None) -> Html:
    """One line: how old what is shown is, by source."""
    at = data.end_of(asof)
    parts = []
    for record in data.records(reader):
        seen = [instant for instant in record.instants if at is None or instant <= at]
        if seen:
            is_late = at is None and any(gap.end is None for gap in record.gaps(reader.now))
            told = f"{fmt.source(record.source)} {fmt.ago(seen[-1], reader.now) if at is None else fmt.day(seen[-1])}"
            parts.append(markup.span(told, "warn" if is_late else "", f"newest poll: {fmt.instant(seen[-1])}"))
    if not parts:
        return markup.html("Nothing was polled by then.")
    when = f"At the end of {fmt.day(asof)} (UTC), from the polls of " if asof else "Newest polls: "
    return markup.join([when, markup.join(parts, " · ")])


def keep_asof(asof: date | None, **parameters: str | None) -> dict[str, str | None]:
    """The parameters of a link that keeps the as-of date."""
    return {**parameters, ASOF: asof.isoformat() if asof else None}


def model_link(model: str, text: Text, asof: date | None) -> Html:
    """A link to a model's card."""
    return markup.link(text, "model", keep_asof(asof, model=model))


def choose_one(label: str, options: Sequence[str], key: str, default: str | None = None) -> str:
    """One of a few options side by side; the default (else the first) stays out of the URL."""
    default = default or options[0]
    chosen = st.segmented_control(
        label,
        options,
        default=default,
        required=True,
        key=key,
        bind="query-params",
    )
    return chosen or default


def scale() -> None:
    """Log or linear prices, for the charts below."""
    choose_one("Scale", [LOG, LINEAR], SCALE)


def page_of(rows: int, at_once: int, key: str, told: str = "") -> tuple[int, int]:
    """Which rows of a long list to show: from, and to before. Draws the pages where there is more than one."""
    pages = max(1, -(-rows // at_once))
    with st.container(horizontal=True, vertical_alignment="center"):
        if told:
            st.html(markup.paragraph(told, "mute"), width="stretch")
        # Its own idea of its width shows one page of two.
        width = min(pages, 7) * 37 + 76
        number = st.pagination(pages, key=key, bind="query-params", width=width) if pages > 1 else 1
    start = (min(number, pages) - 1) * at_once
    return start, min(start + at_once, rows)
