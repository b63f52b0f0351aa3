"""What a viewer can set. Every control is in the URL, so a link shows what its sender saw."""

from collections.abc import Sequence
from datetime import date, datetime

import streamlit as st

from dashboard import data, markup
from dashboard import format as fmt
from dashboard.data import Reader
from dashboard.markup import Html, Text
from dashboard.theme import Palette, palette
from db.errors import RatecardError

MODEL = "model"
ASOF = "asof"

NO_PRICES = Html(
    "<b>No prices yet.</b> <code>ratecard poll</code> gets today's, <code>ratecard backfill</code> two years of history, "
    "and <code>ratecard run</code> keeps both up to date."
)


def colours() -> Palette:
    """The palette of the viewer's theme."""
    return palette(st.context.theme.type)


def opened() -> Reader | None:
    """The database, or None after one sentence about why there is nothing to show."""
    try:
        reader = data.open_reader()
    except RatecardError as error:
        st.error(plain(str(error)), icon=":material/database_off:")
        return None
    if reader.newest_poll == 0:
        st.html(markup.note(NO_PRICES))
        return None
    return reader


def plain(text: str) -> str:
    """Text that Streamlit's Markdown leaves alone."""
    return "".join(f"\\{c}" if c in "\\`*_{}[]()<>#+-.!|$~:" else c for c in text)


def header(title: Text, sub: Text = "", name: Text = "", *, asof: bool = True) -> date | None:
    """The top of a page: what it is, how old its data is, and the as-of date. Returns the date that was chosen."""
    with st.container(horizontal=True, vertical_alignment="bottom", horizontal_alignment="distribute"):
        st.html(markup.title(title, sub, name), width="stretch")
        return as_of() if asof else None


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


def data_age(reader: Reader, at: datetime | None) -> Html:
    """One line: how old what is shown is, by source."""
    parts = []
    for record in data.records(reader):
        seen = [instant for instant in record.instants if at is None or instant <= at]
        if not seen:
            continue
        is_open = any(gap.end is None for gap in record.gaps(reader.now)) and at is None
        told = f"{fmt.source(record.source)} {fmt.ago(seen[-1], at or reader.now)}"
        parts.append(markup.span(told, "warn" if is_open else "", f"newest poll: {fmt.instant(seen[-1])}"))
    asked = f"as of {fmt.day(at)}, newest polls before its end: " if at else "newest polls: "
    return markup.join([asked.capitalize() if not parts else asked[0].upper() + asked[1:], markup.join(parts, " · ")])


def keep_asof(asof: date | None, **parameters: str | None) -> dict[str, str | None]:
    """The parameters of a link that keeps the as-of date."""
    return {**parameters, ASOF: asof.isoformat() if asof else None}


def model_link(model: str, text: Text, asof: date | None) -> Html:
    """A link to a model's card."""
    return markup.link(text, "model", keep_asof(asof, model=model))


def choose_one(label: str, options: Sequence[str], key: str, names: dict[str, str] | None = None) -> str:
    """One of a few options side by side; the first one is the default and stays out of the URL."""
    shown = names or {}
    chosen = st.segmented_control(
        label,
        options,
        default=options[0],
        required=True,
        format_func=lambda option: shown.get(option, option),
        key=key,
        bind="query-params",
    )
    return chosen or options[0]
