"""What stands beside the sums: the logs' own costs, assumptions, imports and restatements."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any, Final

import streamlit as st

from dashboard import data_usage, markup
from dashboard import format as fmt
from dashboard.data import Reader
from dashboard.data_usage import Restatement
from dashboard.markup import Column, Html, Text
from dashboard.views.spend_figures import compact, dollars, exact, share, signed
from dashboard.views.spend_filters import NOT_SAID, Asked, sample_tag
from db import meters
from db.usage.billing import FALLBACKS
from db.usage.reconcile import Reconciled

MOST: Final = 25
MOST_IMPORTS: Final = 50
MOST_FILES: Final = 3
_PARTS: Final = {
    "price": "another price per token, in requests that have both costs",
    "tokens": "tokens that only one of the two counted, at our average",
    "tier": "what disappears at the base tier of our price",
    "missing": "requests that only one of the two has a cost for",
}
_RULES: Final = {
    "bucket": ("A bucket of requests", "priced as at its start, at its mean prompt length", "requests"),
    "choice": ("Several endpoints fit the name", "one of them was chosen", "requests"),
}


def reconciliation(reader: Reader, asked: Asked) -> None:
    """Our costs beside the logs' own, and why they differ."""
    if not asked.total.logged_requests:
        st.html(markup.heading("Reconciliation", asked.noted("with the cost that logs carry"), first=True))
        st.html(markup.note("No log of this period carries a cost of its own, so there is no bill to compare with."))
        return
    with st.spinner("Comparing with the logs' own costs…"):
        found = data_usage.reconciled(reader, asked.state, asked.period, asked.only)
    whole = found.whole
    st.html(markup.heading(_verdict(whole), asked.noted("residual = logged − ours, in US$"), first=True))
    st.html(markup.paragraph(_coverage(whole), "small mute"))
    columns = [
        Column("Model"),
        Column("Logged", True, "what the logs themselves say"),
        Column("Ours", True, "at the price that was in force"),
        Column("Residual", True, "logged − ours"),
        *(Column(name.capitalize(), True, told) for name, told in _PARTS.items()),
        Column("Compared", True, "requests that have both costs, of all in logs that carry costs"),
    ]
    parts = found.parts[:MOST]
    rows = [_reconciled(_subject(key), each) for key, each in parts]
    rows.append(_reconciled(Html("<b>All</b>"), whole))
    st.html(markup.table(columns, rows, "Reconciliation"))
    if len(found.parts) > MOST:
        st.html(markup.paragraph(f"and {fmt.count(len(found.parts) - MOST)} with smaller residuals", "small mute"))


def _verdict(whole: Reconciled) -> str:
    """Of the requests that have both costs."""
    if not whole.compared:
        return "No request has both costs"
    differ = whole.residual - whole.missing
    if not differ:
        return "Where both costs are known, the logs and we agree to the last digit"
    side = "more" if differ > 0 else "less"
    told = f"Where both costs are known, the logs say {dollars(abs(differ))} {side} than we do"
    return f"{told} ({share(abs(differ), whole.logged)} of what they say)" if whole.logged else told


def _coverage(whole: Reconciled) -> str:
    told = f"{fmt.count(whole.compared)} of {fmt.plural(whole.requests, 'request')} have both costs"
    if whole.unlogged:
        told += f"; {fmt.count(whole.unlogged)} have none in the log"
    if whole.unpriced:
        told += f"; {fmt.count(whole.unpriced)} have none here, as they are unpriced"
    return f"{told}. Only logs that carry costs are compared."


def _subject(key: Sequence[Any]) -> Html:
    model, provider = (NOT_SAID if each is None else str(each) for each in key)
    return markup.two_lines(model, f"at {provider}")


def _reconciled(name: Html, each: Reconciled) -> list[Text]:
    parts = (getattr(each, part) for part in _PARTS)
    residual = markup.span(signed(each.residual), "warn" if each.residual else "mute", exact(each.residual))
    return [
        name,
        _side(each.logged, each, "not logged"),
        _side(each.ours, each, "unpriced"),
        residual,
        *(markup.span(signed(part) if part else "–", "" if part else "mute", exact(part)) for part in parts),
        markup.two_lines(fmt.count(each.compared), f"of {fmt.count(each.requests)}"),
    ]


def _side(nano: int, each: Reconciled, absent: str) -> Html:
    """One of the two costs; where no request has it, it is unknown and not 0."""
    if not nano and not each.compared:
        return markup.span(absent, "unknown")
    return markup.span(dollars(nano), "", exact(nano))


def assumptions(_reader: Reader, asked: Asked) -> None:
    """What the costs rest on besides quoted rates."""
    note = asked.noted("what the cost rests on besides quoted rates, by named rule")
    st.html(markup.heading("Assumptions", note, first=True))
    found = asked.total.assumptions
    if not found:
        st.html(markup.note("None: every unit was billed at a rate that was quoted for it."))
        return
    columns = [Column("Rule"), Column("What was done"), Column("Concerns", True), Column("Of all", True)]
    rows = [_rule(rule, number, asked) for rule, number in sorted(found.items(), key=lambda item: -item[1])]
    st.html(markup.table(columns, rows, "Assumptions"))


def _rule(rule: str, number: int, asked: Asked) -> list[Text]:
    if rule in _RULES:
        name, done, unit = _RULES[rule]
        return [name, done, f"{fmt.count(number)} {unit}", share(number, asked.total.requests)]
    instead = ", else ".join(meters.label(meter).lower() for meter in FALLBACKS.get(rule, ()))
    done = f"no rate of its own was quoted: billed at that of {instead}"
    name = f"{meters.label(rule)} without a rate"
    units = asked.total.units.get(rule, 0)
    return [name, done, markup.join([compact(number), f" {meters.unit(rule)}s"]), share(number, units)]


def imports(reader: Reader, asked: Asked) -> None:
    """Every import that is known, whatever the period."""
    found = data_usage.imports(reader, asked.state)
    note = f"{fmt.count(len(found))}, newest first, whatever the period; every row is in one of the counts behind it"
    st.html(markup.heading("Imports", note, first=True))
    columns = [
        Column("When"),
        Column("Files"),
        Column("Format"),
        Column("Rows", True),
        Column("Imported", True),
        Column("Duplicates", True, "requests that were counted before"),
        Column("Rejected", True, "rows that could not be read; the rejects file says why"),
        Column("Without usage", True, "rows that are no request, such as headings of a session"),
        Column("Requests from – to (UTC)"),
    ]
    st.html(markup.table(columns, [_import(each, reader) for each in found[:MOST_IMPORTS]], "Imports"))
    if len(found) > MOST_IMPORTS:
        st.html(markup.paragraph(f"and {fmt.count(len(found) - MOST_IMPORTS)} older ones", "small mute"))


def _import(each: dict[str, Any], reader: Reader) -> list[Text]:
    names = [str(file["name"]) for file in each["files"]]
    files: Text = markup.span(_some(names), "", "\n".join(names[:MOST]))
    span = ""
    if each["first_at"] is not None and each["last_at"] is not None:
        span = f"{fmt.day(each['first_at'])} – {fmt.day(each['last_at'])}"
    rejected = each["rejected"]
    return [
        markup.span(fmt.ago(each["recorded_at"], reader.now), "nowrap", fmt.instant(each["recorded_at"])),
        markup.join([files, " ", sample_tag()]) if each["sample"] else files,
        each["log_format"],
        fmt.count(each["rows"]),
        fmt.count(each["imported"]),
        fmt.count(each["duplicates"]),
        markup.span(fmt.count(rejected), "warn" if rejected else ""),
        fmt.count(each["ignored"]),
        markup.span(span, "nowrap"),
    ]


def _some(names: Sequence[str]) -> str:
    more = f" and {fmt.count(len(names) - MOST_FILES)} more" if len(names) > MOST_FILES else ""
    return ", ".join(names[:MOST_FILES]) + more


def restatements(reader: Reader, asked: Asked) -> None:
    """What moved since it was first costed, with dates."""
    found = data_usage.restatements(reader, asked.state)
    note = asked.noted("past cost that moved as prices or names were learned later; of whole imports, newest first")
    st.html(markup.heading("Restatements", note, first=True))
    if not found:
        st.html(markup.note("None: all past cost stands as it was first computed."))
        return
    moved = sum(each.delta_nano for each in found)
    told = f"Together {signed(moved) if moved else '$0.00'}. A known-at date shows the report as it was before."
    st.html(markup.paragraph(told, "small mute"))
    columns = [
        Column("When"),
        Column("Import"),
        Column("Moved by, US$", True),
        Column("Unpriced requests", True),
        Column("Cells", True, "hourly sums that were added and that they replaced"),
    ]
    st.html(markup.table(columns, [_restated(each) for each in found[:MOST_IMPORTS]], "Restatements"))


def _restated(each: Restatement) -> list[Text]:
    size = Decimal(each.delta_nano)
    return [
        markup.span(fmt.instant(each.at), "nowrap"),
        _some(each.files) if each.files else "all",
        markup.span(signed(each.delta_nano) if size else "–", "", exact(each.delta_nano)),
        f"{each.delta_unpriced:+,}".replace("-", fmt.MINUS) if each.delta_unpriced else "–",
        f"+{fmt.count(each.cells)} {fmt.MINUS}{fmt.count(each.superseded)}",
    ]
