"""Budgets: where each stands, a form to set one, and one to remove it."""

from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from typing import Any, Final
from zoneinfo import available_timezones

import streamlit as st

from dashboard import data_plans, markup, plan_writer
from dashboard.charts.fan_points import money
from dashboard.data import Reader
from dashboard.data_plans import Seen
from dashboard.markup import Column, Html, Text
from dashboard.views import projection_filters
from dashboard.views.projection_fan import is_over, percent, period_name, short_day
from dashboard.views.spend_figures import dollars, exact
from db.errors import RatecardError, UsageError
from db.meters import decimal_text
from db.plans import facts
from db.plans.facts import Budget
from db.plans.periods import Kind, span, zone_of
from db.plans.projection import Answer

EVERYTHING: Final = "all"
TAG: Final = "tag"
WHOSE: Final = (EVERYTHING, *facts.SCOPES, TAG)


def draw(reader: Reader, seen: Seen) -> None:
    """The list, and the forms below it."""
    found = data_plans.standings(reader, seen)
    if found:
        st.html(markup.heading("Budgets", "bars: spent, and projected behind it"))
        st.html(table(found, seen.asof))
    else:
        st.html(markup.heading("Budgets"))
        st.html(markup.note(Html("<b>No budget yet.</b> Set one here, or with <code>ratecard budget set</code>.")))
    st.html(markup.heading("Set a budget", "one of the same name is replaced"))
    _form(reader, seen)
    if found:
        _remove(reader, seen)


def table(found: Sequence[Answer], asof: date | None) -> Html:
    """Where budgets stand."""
    columns = [
        Column("Budget"),
        Column("Period"),
        Column("Limit", True),
        Column("Spent", True),
        Column("Share of the limit"),
        Column("Projected", True, "median, and the 80% range"),
        Column("Crossing"),
        Column("Unpriced", True, "requests without a price, which are in no amount"),
    ]
    return markup.table(columns, [_row(each, asof) for each in found], "Budgets")


def _row(each: Answer, asof: date | None) -> list[Text]:
    budget, told = each.question.budget, each.projection
    if budget is None:
        return [""] * 8
    total = told.total if told is not None else None
    link = projection_filters.budget_link(budget.name, asof)
    zone = budget.timezone
    ranged = markup.two_lines(money(total.median), f"{money(total.low80)} – {money(total.high80)}") if total else None
    return [
        markup.two_lines(link, str(budget.scope)),
        markup.two_lines(period_name(each.question.period), zone),
        dollars(budget.limit_nano),
        markup.span(dollars(each.spent), "unknown" if each.spent is None else "", exact(each.spent)),
        bar(each),
        ranged if ranged is not None else markup.span("unknown", "unknown", each.note or ""),
        _crossing(each),
        f"{each.unpriced_requests:,}" if each.unpriced_requests else "none",
    ]


def bar(each: Answer) -> Html:
    """The share of the limit that is spent, and that is projected behind it; full at the limit."""
    spent, told, budget = each.share, each.projection, each.question.budget
    if spent is None or not spent.is_finite() or budget is None or not budget.limit_nano:
        return markup.span("–", "mute")
    ahead = told.total.median / budget.limit_nano if told is not None else 0.0
    widths = [f'<i class="{kind}" style="width:{min(value, 1) * 100:.1f}%"></i>' for kind, value in
              (("ahead", ahead), ("", float(spent)))]  # fmt: skip
    is_bad = each.is_over or each.will_be_over
    below = f"{percent(spent)} spent" + (
        f", {percent(ahead)} projected" if told is not None and not is_over(each) else ""
    )
    return Html(
        f'<span class="bar{" warn" if is_bad else ""}">{"".join(widths)}</span><span class="sub">{below}</span>'
    )


def _crossing(each: Answer) -> Text:
    crossing = each.projection.crossing if each.projection is not None else None
    if crossing is None:
        return "–"
    if each.is_over and crossing.day is not None:
        return markup.span(f"crossed {short_day(crossing.day)}", "warn")
    chance = f"{percent(crossing.probability)} chance"
    if is_over(each):
        return "kept"
    return markup.two_lines(markup.span(short_day(crossing.day), "warn") if crossing.day else "not expected", chance)


def _form(reader: Reader, seen: Seen) -> None:
    there = {each.name: each for each in data_plans.budgets(reader, seen)}
    with st.container(horizontal=True, vertical_alignment="bottom"):
        name = st.selectbox(
            "Name",
            list(there),
            index=None,
            key="budget_name",
            placeholder="Type a name, or choose one to change",
            accept_new_options=True,
            width=300,
        )
        # What is set already stands in the fields: each budget has fields of its own.
        own = f"budget {name}" if name in there else "budget"
        old = there.get(name or "")
        limit = st.text_input(
            "Limit, US$", decimal_text(old.limit_usd) if old else "", key=f"{own} limit", placeholder="500", width=130
        )
        kinds = [str(kind) for kind in Kind]
        kind = st.selectbox("Period", kinds, kinds.index(str(old.kind)) if old else 0, key=f"{own} period", width=130)
        zones = sorted({"UTC", *available_timezones(), *([old.timezone] if old else [])})
        zone = st.selectbox(
            "Time zone", zones, zones.index(old.timezone if old else "UTC"), key=f"{own} zone", width=200
        )
        first, last = _days(own, old) if kind == Kind.CUSTOM else (None, None)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        scope = _scope(reader, seen, own, old)
        warn = st.text_input(
            "Warn at these shares", _shares(old.warn_at if old else facts.WARN_AT), key=f"{own} warn", width=200
        )
        pressed = st.button("Set budget", type="primary", icon=":material/check:")
    if pressed:
        _set(reader, {"name": name, "limit": limit, "kind": kind, "zone": zone, "scope": scope, "warn": warn,
                      "first": first, "last": last})  # fmt: skip


def _days(own: str, old: Budget | None) -> tuple[Any, Any]:
    first = st.date_input("First day", old.start if old else None, format="YYYY-MM-DD", key=f"{own} first", width=150)
    last = st.date_input(
        "Day after the last", old.end if old else None, format="YYYY-MM-DD", key=f"{own} last", width=170
    )
    return first, last


def _scope(reader: Reader, seen: Seen, own: str, old: Budget | None) -> str:
    """Whose usage, as db.plans.facts.parse_scope takes it."""
    was, _, value = str(old.scope).partition("=") if old else (EVERYTHING, "", "")
    was = TAG if was.startswith(f"{TAG}:") else was
    whose = st.selectbox("Whose usage", WHOSE, WHOSE.index(was), key=f"{own} scope", width=130)
    if whose == EVERYTHING:
        return EVERYTHING
    if whose == TAG:
        shown = str(old.scope).removeprefix(f"{TAG}:") if old and was == TAG else ""
        return f"{TAG}:{st.text_input('Tag', shown, key=f'{own} tag', placeholder='team=search', width=260)}"
    key = facts.SCOPES[whose]
    values = [each.value for each in data_plans.scopes(reader, seen) if each.key == key and each.value]
    if old and was == whose and value not in values:
        values = [value, *values]
    index = values.index(value) if old and was == whose else None
    chosen = st.selectbox(
        whose.capitalize(),
        values,
        index,
        key=f"{own} {whose}",
        accept_new_options=True,
        placeholder="Which?",
        width=300,
    )
    return f"{whose}={chosen or ''}"


def _shares(shares: Sequence[Decimal]) -> str:
    return ", ".join(f"{decimal_text(share * 100)}%" for share in shares)


def made(given: dict[str, Any]) -> Budget:
    """The budget that the form describes. Raises UsageError in one sentence."""
    name = (given["name"] or "").strip()
    if not name:
        raise UsageError("A budget needs a name.")
    first, last = given["first"], given["last"]
    zone_of(given["zone"])
    if given["kind"] == Kind.CUSTOM:
        if not isinstance(first, date) or not isinstance(last, date):
            raise UsageError("A custom period needs its first day, and the day after its last.")
        span(first, last, given["zone"])
    shares = {
        facts.parse_share(part.strip(), "A share to warn at", None) for part in given["warn"].split(",") if part.strip()
    }
    if Decimal(0) in shares:
        raise UsageError("A share to warn at is above 0: at 0 it would always warn.")
    if not given["limit"].strip():
        raise UsageError("A budget needs a limit in US$, such as 500 or 99.90.")
    limit = facts.parse_usd(given["limit"].strip().removeprefix("$"), "The limit")
    scope = facts.parse_scope(given["scope"])
    return Budget(name, limit, Kind(given["kind"]), given["zone"], scope, tuple(sorted(shares)), first, last)


def _set(reader: Reader, given: dict[str, Any]) -> None:
    try:
        budget = made(given)
        plan_writer.set_budget(reader, budget)
    except RatecardError as error:
        st.html(markup.problem(str(error)))
        return
    projection_filters.show_next(budget.name)
    st.rerun()


def _remove(reader: Reader, seen: Seen) -> None:
    names = [each.name for each in data_plans.budgets(reader, seen)]
    with st.expander("Remove a budget"), st.container(horizontal=True, vertical_alignment="bottom"):
        name = st.selectbox("Budget", names, index=None, key="budget_remove", placeholder="Which?", width=300)
        if st.button("Remove", icon=":material/delete:", disabled=name is None) and name is not None:
            try:
                plan_writer.remove_budget(reader, name)
            except RatecardError as error:
                st.html(markup.problem(str(error)))
                return
            st.rerun()
