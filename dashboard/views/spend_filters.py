"""What the Spend page is asked: period, group and whose usage, all of it in the URL."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cached_property
from typing import Any, Final

import streamlit as st

from dashboard import controls, markup
from dashboard import format as fmt
from dashboard.data_usage import Seen
from dashboard.markup import Html, Text
from dashboard.usage_sums import Only, Period, Usage, sampled, summaries, whole
from db.usage.exact import Bools
from db.usage.keys import TIMES
from db.usage.summary import Summary

RANGES: Final = {"7 days": 7, "30 days": 30, "90 days": 90}
MONTH, LAST_MONTH, ALL, CUSTOM = "Month to date", "Last month", "All", "Custom"
USUAL: Final = "30 days"
GROUPS: Final = {
    "Model": "model",
    "Provider": "provider",
    "Project": "project",
    "Key": "api_key",
    "User": "user",
    "Day": "day",
    "Week": "week",
    "Month": "month",
    "Name as logged": "subject",
    "Variant": "variant",
}
TAG: Final = "Tag "
NOT_SAID: Final = "not in the log"


@dataclass(frozen=True)
class Asked:
    """One state of the filters, with the usage that it leaves. `label`: what the group is called."""

    state: Seen
    usage: Usage
    period: Period
    only: Only
    label: str
    key: str

    @cached_property
    def rows(self) -> Bools:
        return self.usage.chosen(self.period, self.only)

    @cached_property
    def rows_before(self) -> Bools:
        return self.usage.chosen(self.period.before, self.only)

    @cached_property
    def total(self) -> Summary:
        return whole(self.usage, self.rows)

    @cached_property
    def total_before(self) -> Summary:
        return whole(self.usage, self.rows_before)

    @cached_property
    def groups(self) -> list[Summary]:
        """By the chosen key: the dearest first, times oldest first."""
        return summaries(self.usage, self.rows, (self.key,))

    @cached_property
    def sampled(self) -> int:
        """How many of the requests are synthetic."""
        return sampled(self.usage, self.rows)

    @cached_property
    def incomparable(self) -> str:
        """Why the period before says nothing about this one; empty where it does."""
        before, now = (self.usage.days_in(rows) for rows in (self.rows_before, self.rows))
        days = self.period.days
        if not before:
            return f"no usage in the {fmt.plural(days, 'day')} before" if days > 1 else "no usage the day before"
        return f"only {before} of the {days} days before has usage" if before * 2 < now else ""

    @property
    def is_time(self) -> bool:
        return self.key in TIMES

    def described(self) -> str:
        """The period in words."""
        first, last = self.period.first, self.period.last
        return fmt.day(first) if first == last else f"{fmt.day(first)} to {fmt.day(last)}"

    def noted(self, note: str) -> Text:
        """A remark beside a heading, with the mark of a sample."""
        return markup.join([sample_tag(), note], " ") if self.sampled else note


def sample_tag(told: str = "sample data") -> Html:
    """The mark of synthetic usage."""
    return markup.span(told, "tag warn", "synthetic requests; ratecard sample --remove takes them out")


def choose(state: Seen, usage: Usage, span: Period) -> Asked:
    """Draw the filters; `span`: the days with usage."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        names = [*RANGES, MONTH, LAST_MONTH, ALL, CUSTOM]
        asked = controls.choose_one("Period, up to the newest usage", names, "period", USUAL)
        period = _custom(span) if asked == CUSTOM else period_of(asked, span)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        groups = GROUPS | {f"{TAG}{name}": f"tag:{name}" for name in usage.tags}
        label = st.selectbox("Group by", list(groups), key="by", bind="query-params", width=170) or "Model"
        only = Only(*(_only(name, usage.values(name)) for name in ("model", "provider", "project")))
    return Asked(state, usage, period, only, label, groups[label])


def _only(name: str, values: Sequence[str]) -> str | None:
    return st.selectbox(
        name.capitalize(),
        values,
        index=None,
        key=name,
        bind="query-params",
        placeholder=f"All {fmt.plural(len(values), name)}" if len(values) != 1 else f"All ({values[0]})",
        accept_new_options=True,
        width=300 if name == "model" else 220,
    )


def _custom(span: Period) -> Period:
    first = _day("From (UTC)", "from", span.first)
    last = _day("To, included (UTC)", "to", span.last)
    return Period(min(first, last), max(first, last))


def _day(label: str, key: str, default: date) -> date:
    chosen: Any = st.date_input(
        label, value=None, format="YYYY-MM-DD", key=key, bind="query-params", width=170, min_value=date(1970, 1, 1)
    )
    return chosen if isinstance(chosen, date) else default


def period_of(name: str, span: Period) -> Period:
    """A quick range, by days with usage: it ends with the last of them."""
    last = span.last
    if name in RANGES:
        return Period(last - timedelta(days=RANGES[name] - 1), last)
    month = Period(last.replace(day=1), last)
    if name == MONTH:
        return month
    if name == LAST_MONTH:
        end = month.first - timedelta(days=1)
        return Period(end.replace(day=1), end)
    return span


def drill(asked: Asked, value: Any) -> Html:
    """A group's name; where a filter can narrow the page to it, as the link that does."""
    if value is None:
        return markup.span(NOT_SAID, "unknown")
    now = st.query_params.to_dict()
    kept: dict[str, str | None] = {name: value for name, value in now.items() if not name.endswith("_page")}
    match asked.key:
        case "model" | "provider" | "project":
            onward = "Provider" if asked.key == "model" else "Model"
            return markup.link(str(value), "spend", kept | {asked.key: str(value), "by": onward})
        case "day":
            one = {"period": CUSTOM, "from": str(value), "to": str(value), "by": None}
            return markup.link(fmt.day(date.fromisoformat(value)), "spend", kept | one)
        case "week":
            return markup.html(f"week of {fmt.day(date.fromisoformat(value))}")
        case "month":
            return markup.html(fmt.month(date.fromisoformat(f"{value}-01")))
    return markup.html(str(value))
