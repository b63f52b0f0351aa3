"""Prices over time: any models, providers and meters side by side."""

import csv
import io
from collections import Counter
from collections.abc import Sequence
from datetime import date, datetime, timedelta

import streamlit as st

from dashboard import controls, data, markup
from dashboard import format as fmt
from dashboard.charts.series import by_interest, series_of
from dashboard.data import Reader
from dashboard.markup import Html
from dashboard.views import card_prices, change_table, price_chart
from db import meters
from db.meters import decimal_text
from db.prices.facts import Change, Step

MOST_MODELS = 6
ROWS = 20
WINDOWS = {"All": None, "1 year": 365, "90 days": 90, "30 days": 30}
BEST = "Most trusted"


def page() -> None:
    """The page."""
    reader = controls.opened()
    if reader is None:
        return
    asof = controls.header(reader, "Price history")
    chosen = st.multiselect(
        "Models",
        data.models(reader),
        key="models",
        bind="query-params",
        max_selections=MOST_MODELS,
        placeholder="Choose models, or type a part of a name",
        label_visibility="collapsed",
    )
    if not chosen:
        st.html(markup.note(_suggestions(reader, asof)))
        return
    until = data.end_of(asof)
    steps = list(data.history(reader, tuple(chosen), until))
    if not steps:
        st.html(markup.note("No source quoted a price for this up to that day. Choose a later as-of date."))
        return
    steps, wanted, since = _filters(reader, steps, until)
    _charts(reader, steps, wanted, chosen, since, asof)
    names = {(step.endpoint.id, step.rate.meter) for step in steps}
    moves = [
        move
        for move in data.model_moves(reader, tuple(chosen), until)
        if (move.endpoint.id, move.meter) in names and move.meter in wanted and (since is None or move.at >= since)
    ]
    _changes(moves, steps, wanted, chosen, asof)


def _suggestions(reader: Reader, asof: date | None) -> Html:
    until = reader.shown(asof)
    moved = Counter(move.endpoint.model for move in data.moves(reader, until - timedelta(days=365), until))
    links = [markup.link(model, "prices", controls.keep_asof(asof, models=model)) for model, _ in moved.most_common(5)]
    told = Html("<b>Choose one or more models above.</b>")
    if not links:
        return told
    return markup.join([told, " The most moves within a year had ", markup.join(links, ", "), "."])


def _filters(
    reader: Reader, steps: list[Step], until: datetime | None
) -> tuple[list[Step], list[str], datetime | None]:
    """The steps, meters and start that the controls leave."""
    there = sorted({step.rate.meter for step in steps if step.rate.is_base and step.rate.usd != 0}, key=meters.order)
    labels = {meters.label(meter): meter for meter in there}
    sources = {fmt.source(step.endpoint.source): step.endpoint.source for step in steps}
    with st.container(horizontal=True, vertical_alignment="bottom"):
        picked = st.multiselect(
            "Meters", list(labels), key="meters", bind="query-params", placeholder="Input", width=260
        )
        source = controls.choose_one("Source", [BEST, "All", *sorted(sources)], "from")
        days = WINDOWS[controls.choose_one("Window", list(WINDOWS), "window")]
        controls.scale()
    if source == BEST:
        steps = card_prices.preferred(steps)
    elif source in sources:
        steps = [step for step in steps if step.endpoint.source == sources[source]]
    names = sorted({step.endpoint.provider_name for step in steps})
    providers = st.multiselect(
        "Providers", names, key="providers", bind="query-params", placeholder=f"All {len(names)} providers",
        label_visibility="collapsed",
    )  # fmt: skip
    if providers:
        steps = [step for step in steps if step.endpoint.provider_name in providers]
    since = (min(until or reader.now, reader.now) - timedelta(days=days)) if days else None
    return steps, [labels[label] for label in picked] or there[:1], since


def _charts(
    reader: Reader,
    steps: Sequence[Step],
    wanted: Sequence[str],
    chosen: Sequence[str],
    since: datetime | None,
    asof: date | None,
) -> None:
    """One chart for each unit: a price per search and one per token share no axis."""
    names = {model: model.rpartition("/")[2] for model in chosen}
    for per in dict.fromkeys(map(fmt.per, wanted)):
        of_unit = [meter for meter in wanted if fmt.per(meter) == per]
        series = by_interest(series_of(steps, of_unit, names=names))
        is_one = len(of_unit) == 1 and per == "1M tokens"
        unit = f"1M {meters.label(of_unit[0]).lower()} tokens" if is_one else per
        lead = names[series[0].endpoint.model] if series else ", ".join(names.values())
        price_chart.draw(reader, series, model=lead, unit=unit, asof=asof, since=since, height=360)


def _changes(
    moves: Sequence[Change], steps: Sequence[Step], wanted: Sequence[str], chosen: Sequence[str], asof: date | None
) -> None:
    with st.container(horizontal=True, vertical_alignment="bottom", horizontal_alignment="distribute"):
        st.html(markup.heading("Changes", f"{fmt.count(len(moves))}, newest first"), width="stretch")
        st.download_button(
            "CSV",
            lambda: as_csv([step for step in steps if step.rate.meter in wanted]),
            file_name="price_history.csv",
            mime="text/csv",
            icon=":material/download:",
            on_click="ignore",
            help="Every step of every rate, conditions included, with exact decimals in US$ per single unit.",
        )
    if not moves:
        st.html(markup.note("No price moved in this window."))
        return
    start, stop = controls.page_of(len(moves), ROWS, "changes_page")
    st.html(change_table.table(moves[::-1][start:stop], "Changes", asof, with_model=len(chosen) > 1))


COLUMNS = (
    "model", "provider", "endpoint", "source", "meter", "unit", "usd", "min_prompt_tokens", "utc_start", "utc_end",
    "valid_from", "valid_to",
)  # fmt: skip


def as_csv(steps: Sequence[Step]) -> str:
    """The steps as CSV, oldest first: exact decimals, UTC instants; an empty `usd` is a dynamic price."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    for step in steps:
        endpoint, rate = step.endpoint, step.rate
        writer.writerow(
            [
                _inert(endpoint.model),
                _inert(endpoint.provider),
                _inert(endpoint.name),
                endpoint.source,
                rate.meter,
                meters.unit(rate.meter),
                decimal_text(rate.usd) if rate.usd is not None else "",
                rate.min_prompt_tokens,
                rate.utc_start if rate.utc_start is not None else "",
                rate.utc_end if rate.utc_end is not None else "",
                _iso(step.valid_from),
                _iso(step.valid_to) if step.valid_to else "",
            ]
        )
    return out.getvalue()


def _iso(at: datetime) -> str:
    return at.isoformat().replace("+00:00", "Z")


def _inert(name: str) -> str:
    """A name that no spreadsheet takes for a formula."""
    return f"'{name}" if name[:1] in "=+-@\t\r" else name
