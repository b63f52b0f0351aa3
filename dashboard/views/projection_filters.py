"""What the Projection page is asked: whose spend, in which month. All of it is in the URL."""

from dataclasses import dataclass
from datetime import date
from typing import Final

import streamlit as st

from dashboard import controls, data_plans, markup
from dashboard.data import Reader
from dashboard.data_plans import Seen
from dashboard.markup import Html
from db.plans import projection
from db.plans.facts import ALL, Budget, Scope
from db.plans.periods import Kind, moment, month, zone_of
from db.plans.projection import Question

OF: Final = "of"
MONTH: Final = "month"
EVERYTHING: Final = "All usage"
_NEXT: Final = "projection_next"


@dataclass(frozen=True, slots=True)
class Choice:
    """One thing to project: a budget with its scope, or a scope with the monthly budget that it may have."""

    label: str
    scope: Scope = ALL
    budget: Budget | None = None


def budget_label(name: str) -> str:
    """How a budget is listed among the scopes."""
    return f"Budget {name}"


def budget_link(name: str, asof: date | None) -> Html:
    """A link to the projection against a budget."""
    return markup.link(name, "projection", controls.keep_asof(asof, **{OF: budget_label(name)}))


def show_next(name: str) -> None:
    """Have the page show a budget when it is drawn anew."""
    st.session_state[_NEXT] = budget_label(name)


def choices(reader: Reader, seen: Seen) -> list[Choice]:
    """Everything that can be projected: all usage, each budget, each project, model, provider and key."""
    budgets = data_plans.budgets(reader, seen)
    of_budgets = [Choice(budget_label(each.name), each.scope, each) for each in budgets]
    return [Choice(EVERYTHING), *of_budgets, *(Choice(str(scope), scope) for scope in data_plans.scopes(reader, seen))]


def choose(reader: Reader, seen: Seen) -> Question:
    """Draw the filters; the question that they ask."""
    there = {each.label: each for each in choices(reader, seen)}
    if (wanted := st.session_state.pop(_NEXT, None)) in there:
        st.session_state[OF] = wanted
    with st.container(horizontal=True, vertical_alignment="bottom"):
        label = st.selectbox("Of", list(there), key=OF, bind="query-params", width=340) or EVERYTHING
        chosen = there.get(label, Choice(EVERYTHING))
        budget = chosen.budget or _monthly_budget(reader, seen, chosen.scope)
        zone = budget.timezone if budget is not None else "UTC"
        is_monthly = budget is None or budget.kind is Kind.MONTH
        there_are = months(seen, zone)
        text = st.selectbox(
            "Month",
            there_are,
            key=MONTH,
            bind="query-params",
            width=150,
            disabled=not is_monthly,
            help=None if is_monthly else "This budget has a period of its own.",
        )
    text = text or there_are[0]
    return projection.of_budget(budget, seen.until, text) if budget else Question(chosen.scope, month(text, zone))


def _monthly_budget(reader: Reader, seen: Seen, scope: Scope) -> Budget | None:
    """What a scope without a budget of its own is held against: the least monthly one of it."""
    own = [each for each in data_plans.budgets(reader, seen) if each.scope == scope and each.kind is Kind.MONTH]
    return min(own, key=lambda each: each.limit_usd, default=None)


def months(seen: Seen, zone: str) -> list[str]:
    """This month as it is in the zone, then those before it from the first usage on, newest first."""
    now = moment(seen.until, zone).day
    first = min(seen.first.astimezone(zone_of(zone)).date(), now) if seen.first is not None else now
    count = (now.year - first.year) * 12 + now.month - first.month + 1
    newest = now.year * 12 + now.month - 1
    return [f"{place // 12:04}-{place % 12 + 1:02}" for place in range(newest, newest - count, -1)]
