"""What the month will cost, against which budget, why it differs from the last one, and what would change it."""

from collections.abc import Callable
from typing import Final

import streamlit as st

from dashboard import controls, data, data_plans, markup
from dashboard import format as fmt
from dashboard.data import Reader
from dashboard.data_plans import Seen
from dashboard.markup import Html, Text
from dashboard.views import bridge_part, budgets_form, projection_fan, projection_filters, scenarios_part
from dashboard.views.spend_filters import sample_tag
from db.errors import RatecardError

PART: Final = "part"
PARTS: Final[dict[str, Callable[[Reader, Seen], None]]] = {
    "Budgets": budgets_form.draw,
    "Bridge": bridge_part.draw,
    "Scenarios": scenarios_part.draw,
}
NO_USAGE: Final = Html(
    "<b>No usage yet, so there is nothing to project.</b> <code>ratecard usage import FILE</code> reads your logs, "
    'the <a href="spend" target="_self">Spend</a> page takes an upload, and <code>ratecard sample</code> makes a '
    "synthetic log to look around with. A budget can be set before."
)


def page() -> None:
    """The page."""
    try:
        reader = data.open_reader()
    except RatecardError as error:
        st.html(markup.problem(str(error)))
        return
    title, asof = controls.header_later()
    seen = data_plans.seen(reader, asof)
    title.html(markup.title(_title(seen), _below(reader, seen)), width="stretch")
    if not seen.has_usage:
        st.html(markup.note(NO_USAGE))
        budgets_form.draw(reader, seen)
        return
    question = projection_filters.choose(reader, seen)
    projection_fan.draw(reader, seen, data_plans.answer(reader, seen, question))
    _parts(reader, seen)


def _title(seen: Seen) -> Text:
    return markup.join(["Projection", *([" ", sample_tag()] if seen.sampled else [])])


def _below(reader: Reader, seen: Seen) -> Text:
    if not seen.has_usage:
        return "What the month will cost, and why."
    # At a day of the past, more may be known since.
    age = f", {fmt.ago(seen.until, reader.now)}" if seen.asof is None else ""
    known = f"Usage is known up to {fmt.instant(seen.until)}{age}."
    return f"What the month will cost, why it differs from the last one, and what would change it. {known}"


@st.fragment
def _parts(reader: Reader, seen: Seen) -> None:
    """Below the fan: one part at a time, drawn anew by itself."""
    part = controls.choose_one("Details", list(PARTS), PART)
    PARTS[part](reader, seen)
