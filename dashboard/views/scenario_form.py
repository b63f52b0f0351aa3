"""Building a what-if: its moves, volume and cache rate are in the URL, so that a link shows it; saving one by name."""

from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from html import escape
from typing import Final
from urllib.parse import urlencode

import streamlit as st

from dashboard import controls, data_plans, markup, plan_writer
from dashboard.data import Reader
from dashboard.data_plans import Seen
from dashboard.markup import Html, Text
from db.errors import RatecardError, UsageError
from db.meters import decimal_text
from db.plans.scenario import Scenario, parse_move

MOVES, VOLUME, CACHE = "moves", "volume", "cache"
EVERYTHING: Final = "all"


def draw(reader: Reader, seen: Seen) -> Scenario | None:
    """The controls; what they describe, None where it is nothing yet or has a mistake, which is said."""
    _add_move(reader, seen)
    moves = st.multiselect(
        "Moves, each of what those before it left",
        list(dict.fromkeys(st.session_state.get(MOVES, []))),
        key=MOVES,
        bind="query-params",
        accept_new_options=True,
        placeholder="Add one above, or write MODEL@PROVIDER -> MODEL@PROVIDER: 50%",
    )
    with st.container(horizontal=True, vertical_alignment="bottom"):
        volume = st.number_input(
            "Volume, times", 0.0, 1000.0, 1.0, 0.1, key=VOLUME, bind="query-params", width=150, format="%.2f"
        )
        cache = st.number_input(
            "Cache rate, %",
            0.0,
            100.0,
            None,
            5.0,
            key=CACHE,
            bind="query-params",
            width=170,
            format="%g",
            placeholder="as it is",
            help="The share of the input that is read from cache, of what is not written to one.",
        )
        try:
            made = built("this scenario", moves, volume, cache)
        except UsageError as error:
            st.html(markup.problem(str(error)))
            return None
        if made is not None:
            _save(reader, made)
    return made


def built(name: str, moves: Sequence[str], volume: float, cache: float | None) -> Scenario | None:
    """The scenario of these controls; None where it changes nothing. Raises UsageError for a move that is none."""
    rate = _decimal(cache) / 100 if cache is not None else None
    made = Scenario(name, tuple(map(parse_move, moves)), _decimal(volume), rate)
    return made if made.moves or made.volume != 1 or rate is not None else None


def _decimal(number: float) -> Decimal:
    """As it was typed."""
    return Decimal(str(round(number, 4)))


def _add_move(reader: Reader, seen: Seen) -> None:
    """Choose a move instead of writing it."""
    sources = [EVERYTHING, *data_plans.used(reader, seen)]
    sources += [str(scope) for scope in data_plans.scopes(reader, seen) if scope.key == "project"]
    with st.container(horizontal=True, vertical_alignment="bottom"):
        of = st.selectbox("Move usage of", sources, index=None, key="move_of", placeholder="Which usage?", width=330)
        to = st.selectbox(
            "to",
            _targets(data_plans.endpoints(reader), of),
            index=None,
            key="move_to",
            placeholder=f"Of {model}, or any other" if (model := _model(of)) else "Which endpoint?",
            accept_new_options=True,
            width=330,
        )
        st.number_input("Share, %", 1, 100, 100, 10, key="move_share", width=120)
        ready = of is not None and to is not None
        st.button("Add move", icon=":material/add:", disabled=not ready, on_click=_added)


def _targets(endpoints: Sequence[str], of: str | None) -> list[str]:
    """Every endpoint, those of the same model first."""
    model = _model(of)
    return sorted(endpoints, key=lambda each: (each.rpartition("@")[0] != model, each))


def _model(of: str | None) -> str:
    """The model of MODEL@PROVIDER; nothing of other usage."""
    return (of or "").rpartition("@")[0]


def _added() -> None:
    # The fields as they are now: a share typed just before the press is newer than the run that drew the button.
    state = st.session_state
    move = f"{state['move_of']} -> {state['move_to']}: {state['move_share']}%"
    state[MOVES] = [*state.get(MOVES, []), move]


def _save(reader: Reader, made: Scenario) -> None:
    name = st.text_input("Save as", key="scenario_name", placeholder="cheaper", width=200)
    if st.button("Save", type="primary", icon=":material/check:"):
        try:
            plan_writer.set_scenario(reader, Scenario(name.strip(), made.moves, made.volume, made.cache_rate))
        except RatecardError as error:
            st.html(markup.problem(str(error)))
            return
        st.rerun()


def remove(reader: Reader, seen: Seen) -> None:
    """The form that takes a scenario away."""
    names = [each.name for each in data_plans.scenarios(reader, seen)]
    if not names:
        return
    with st.expander("Remove a scenario"), st.container(horizontal=True, vertical_alignment="bottom"):
        name = st.selectbox("Scenario", names, index=None, key="scenario_remove", placeholder="Which?", width=300)
        if st.button("Remove", icon=":material/delete:", disabled=name is None) and name is not None:
            try:
                plan_writer.remove_scenario(reader, name)
            except RatecardError as error:
                st.html(markup.problem(str(error)))
                return
            st.rerun()


def link(text: Text, made: Scenario, asof: date | None) -> Html:
    """A link that shows a scenario in the controls."""
    pairs = [("part", "Scenarios"), *((MOVES, str(move)) for move in made.moves)]
    pairs += [(VOLUME, decimal_text(made.volume))] if made.volume != 1 else []
    pairs += [(CACHE, decimal_text(made.cache_rate * 100))] if made.cache_rate is not None else []
    pairs += [(controls.ASOF, asof.isoformat())] if asof is not None else []
    return Html(f'<a href="projection?{escape(urlencode(pairs))}" target="_self">{markup.html(text)}</a>')
