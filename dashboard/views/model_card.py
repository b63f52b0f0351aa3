"""Everything that is known of one model."""

from datetime import date

import streamlit as st

from dashboard import controls, data, markup
from dashboard import format as fmt
from dashboard.charts.series import by_interest, series_of
from dashboard.data import Reader
from dashboard.views import bill_impacts, card_facts, card_prices, card_probes, price_chart
from db.catalog.identity import OWN_API
from db.errors import RatecardError
from db.meters import COMPLETION, PROMPT
from db.prices.modelcard import Card

METERS = {"Input": PROMPT, "Output": COMPLETION}


def page() -> None:
    """The page."""
    reader = controls.opened()
    if reader is None:
        return
    title, asof = controls.header_later()
    model = _choose(reader)
    if model is None:
        title.html(markup.title("Model card", "Choose a model, or open one from the list of models."), width="stretch")
        return
    try:
        card = data.card(reader, model, data.end_of(asof))
    except RatecardError as error:
        title.html(markup.title("Model card"), width="stretch")
        st.html(markup.problem(str(error)))
        return
    title.html(markup.title(card.name, controls.ages(reader, asof), card.model), width="stretch")
    _draw(reader, card, asof)


def _choose(reader: Reader) -> str | None:
    return st.selectbox(
        "Model",
        data.models(reader),
        index=None,
        key=controls.MODEL,
        bind="query-params",
        placeholder="Choose a model, or type a part of its name",
        accept_new_options=True,
        label_visibility="collapsed",
    )


def _draw(reader: Reader, card: Card, asof: date | None) -> None:
    if not any(offered.price for offered in card.offered):
        when = f"on {fmt.day(asof)}" if asof else "now"
        st.html(
            markup.note(f"Nobody offers this model {when}. What was last said of it, and its history, stand below.")
        )
    st.html(card_facts.headline(card))
    left, right = st.columns([3, 2], gap="large")
    with left:
        _history(reader, card, asof)
        st.html(card_prices.current(card))
        st.html(card_facts.abilities(card))
    with right:
        st.html(card_facts.description(card))
        st.html(card_facts.specifications(card))
    st.html(card_prices.endpoints(card, reader.shown(asof)))
    bill_impacts.on_card(reader, card.model, asof)
    st.html(card_prices.disagreements(card))
    st.html(card_facts.not_yet(card, card_probes.draw(reader, card, asof)))
    st.html(card_facts.benchmarks(card))
    st.html(card_facts.events(card))
    st.html(card_facts.others(card, asof))


def _history(reader: Reader, card: Card, asof: date | None) -> None:
    with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="bottom"):
        st.html(markup.heading("Price history", first=True))
        with st.container(horizontal=True, width="content"):
            meter = METERS[controls.choose_one("Meter", list(METERS), "of")]
            controls.scale()
    steps = data.history(reader, (card.model,), data.end_of(asof))
    own_api = next((provider for provider, author in OWN_API.items() if author == card.author), None)
    series = by_interest(series_of(card_prices.preferred(steps), [meter]), own_api)
    unit = f"1M {'input' if meter == PROMPT else 'output'} tokens"
    price_chart.draw(reader, series, model=card.name, unit=unit, asof=asof)
