"""The catalogue: every model that can be had, searched, filtered and sorted."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

import streamlit as st

from dashboard import controls, data, markup
from dashboard import format as fmt
from dashboard.data import Line
from dashboard.markup import Column, Html, Text
from db.prices.facts import Rate

ROWS = 50
CONTEXTS = {"any": 0, "32K": 32_000, "128K": 128_000, "200K": 200_000, "1M": 1_000_000}
TOLD = ("Tool calling", "Structured outputs", "Reasoning", "Web search", "Open weights")
"""The features worth a place in the list; what it takes and gives stands beside them."""
_LAST = Decimal("Infinity")


def _usd(rate: Rate | None) -> Decimal:
    """For sorting: what is not known comes last."""
    return rate.usd if rate is not None and rate.usd is not None else _LAST


SORTS: dict[str, tuple[Callable[[Line], Any], bool]] = {
    "Newest": (lambda line: (line.released or "", line.first_seen), True),
    "Name": (lambda line: line.model, False),
    "Input price": (lambda line: (_usd(line.prompt), line.model), False),
    "Output price": (lambda line: (_usd(line.completion), line.model), False),
    "Dearest": (lambda line: (_usd(line.prompt) is not _LAST, _usd(line.prompt)), True),
    "Longest context": (lambda line: line.context or 0, True),
    "Most providers": (lambda line: line.providers, True),
}


@dataclass(frozen=True, slots=True)
class Filters:
    """What the list is narrowed to."""

    text: str = ""
    author: str | None = None
    inputs: frozenset[str] = frozenset()
    features: frozenset[str] = frozenset()
    context: int = 0
    most_usd: Decimal | None = None


def page() -> None:
    """The page."""
    reader = controls.opened()
    if reader is None:
        return
    asof = controls.header(reader, "Models")
    lines = data.catalogue(reader, data.end_of(asof))
    filters, sort = _filters(lines)
    found = [line for line in lines if fits(line, filters)]
    if not found:
        st.html(markup.note(_none(lines, asof)))
        return
    key, is_reversed = SORTS[sort]
    ordered = sorted(found, key=key, reverse=is_reversed)
    start, stop = controls.page_of(
        len(ordered), ROWS, "models_page", f"{fmt.count(len(ordered))} of {fmt.plural(len(lines), 'model')}"
    )
    st.html(_table(ordered[start:stop], asof))


def _none(lines: Sequence[Line], asof: date | None) -> str:
    if not lines:
        return (
            f"Nothing was on offer on {fmt.day(asof)}. Choose a later as-of date."
            if asof
            else "Nothing is on offer now."
        )
    return f"None of {fmt.plural(len(lines), 'model')} fits all filters. Take one away."


def _filters(lines: Sequence[Line]) -> tuple[Filters, str]:
    inputs = sorted({kind for line in lines for kind in line.inputs} - {"text"})
    features = sorted({feature for line in lines for feature in line.features})
    with st.container(horizontal=True, vertical_alignment="bottom"):
        text = st.text_input("Search", key="q", bind="query-params", placeholder="name or id", width=210, type="search")
        author = st.selectbox(
            "Author",
            sorted({line.author for line in lines}),
            index=None,
            key="author",
            bind="query-params",
            placeholder="any",
            width=160,
        )
        takes = st.multiselect("Takes", inputs, key="takes", bind="query-params", placeholder="text", width=150)
        can = st.multiselect("Can", features, key="can", bind="query-params", placeholder="anything", width=200)
        context = st.selectbox("Context from", list(CONTEXTS), key="context", bind="query-params", width=115)
        most = st.number_input(
            "Input up to, $ per 1M",
            min_value=0.0,
            value=None,
            step=0.5,
            key="most",
            bind="query-params",
            placeholder="any",
            width=140,
        )
        sort = st.selectbox("Sort by", list(SORTS), key="sort", bind="query-params", width=160)
    # A price limit that a person types is no money: two decimals are all it says.
    limit = Decimal(f"{most:.4f}") / fmt.MILLION if most is not None else None
    narrowed = Filters(text or "", author, frozenset(takes), frozenset(can), CONTEXTS[context], limit)
    return narrowed, sort


def fits(line: Line, filters: Filters) -> bool:
    """Whether a model is in the narrowed list. What is not known never fits a limit."""
    words = filters.text.lower().split()
    text = f"{line.model} {line.name}".lower()
    return (
        all(word in text for word in words)
        and (filters.author is None or line.author == filters.author)
        and filters.inputs <= set(line.inputs)
        and filters.features <= set(line.features)
        and (line.context or 0) >= filters.context
        and (filters.most_usd is None or _usd(line.prompt) <= filters.most_usd)
    )


def _table(lines: Sequence[Line], asof: date | None) -> Html:
    columns = [
        Column("Model"),
        Column("Input, $/1M", True, "US$ per 1M tokens"),
        Column("Output, $/1M", True, "US$ per 1M tokens"),
        Column("Context, tokens", True),
        Column("In → out"),
        Column("Can"),
        Column("Released", True),
        Column("Providers", True),
    ]
    return markup.table(columns, [_row(line, asof) for line in lines], "Models")


def _row(line: Line, asof: date | None) -> list[Text]:
    arrow = f"{', '.join(line.inputs) or '?'} → {', '.join(line.outputs) or '?'}"
    return [
        markup.span(markup.two_lines(controls.model_link(line.model, line.name, asof), line.model), "name"),
        _price(line.prompt, line),
        _price(line.completion, line),
        fmt.count(line.context) if line.context else markup.span("unknown", "unknown"),
        markup.span(arrow, "small"),
        markup.span(", ".join(f for f in line.features if f in TOLD), "small mute"),
        fmt.partial_day(line.released) if line.released else markup.span("unknown", "unknown"),
        fmt.count(line.providers),
    ]


def _price(rate: Rate | None, line: Line) -> Html:
    if rate is None:
        return markup.span(fmt.NOT_QUOTED, "unknown")
    return markup.span(fmt.rate(rate), "", f"{fmt.exact(rate.meter, rate.usd)}, quoted by {fmt.source(line.source)}")
