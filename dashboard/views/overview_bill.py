"""The viewer's own bill on the Overview: this month, its projection against budgets, and what is wrong right now."""

from datetime import date, timedelta
from typing import Final

import streamlit as st

from dashboard import controls, data_plans, markup
from dashboard import format as fmt
from dashboard.charts.fan_points import money
from dashboard.data import Reader
from dashboard.data_plans import Seen
from dashboard.markup import Html, Text
from dashboard.views import projection_fan, projection_filters
from dashboard.views.spend_figures import dollars, exact
from dashboard.views.spend_filters import CUSTOM, sample_tag
from db.plans.alert_read import Told
from db.plans.periods import moment
from db.plans.projection import Answer

ALERT_DAYS: Final = 7
MOST_ALERTS: Final = 6
NO_USAGE: Final = Html(
    "<b>Your own bill is not here yet.</b> <code>ratecard usage import FILE</code> reads your logs and costs each "
    "request; <code>ratecard sample</code> makes a synthetic log to look around with."
)

Card = tuple[Text, Text, Text, Text]


def draw(reader: Reader, seen: Seen) -> None:
    """The figures, and the alerts below them."""
    if not seen.has_usage:
        st.html(markup.note(NO_USAGE))
    else:
        tag = sample_tag() if seen.sampled else ""
        known = f"usage known up to {fmt.instant(seen.until)}"
        st.html(markup.heading("Your bill", markup.join([tag, known], " ") if tag else known, first=True))
        st.html(markup.cards(cards(data_plans.monthly(reader, seen), data_plans.standings(reader, seen), seen.asof)))
    told = data_plans.alerts(reader, reader.now - timedelta(days=ALERT_DAYS), MOST_ALERTS)
    if told:
        st.html(markup.heading("Alerts", f"open ones, and those of {ALERT_DAYS} days"))
        st.html(alerts(reader, told))


def cards(month: Answer, budgets: tuple[Answer, ...], asof: date | None) -> list[Card]:
    """This month, and the budget that is nearest to its limit."""
    name = f"{month.question.period.start:%B}"
    spent = _spent(month, name)
    return [spent, _projected(month, name, asof), _budget(budgets, asof), projection_fan.unpriced(month)]


def _spent(month: Answer, name: str) -> Card:
    period = month.question.period
    last = moment(min(month.as_of, period.until), period.timezone).day
    days = {"period": CUSTOM, "from": f"{period.start}", "to": f"{last}"}
    link = markup.link("by model and project", "spend", days)
    if month.spent is None:
        return f"Spent in {name}", markup.span("unknown", "unknown"), "", "no request has a price"
    return (
        f"Spent in {name}",
        markup.span(dollars(month.spent), "", exact(month.spent)),
        "in all" if projection_fan.is_over(month) else "so far",
        link,
    )


def _projected(month: Answer, name: str, asof: date | None) -> Card:
    link = markup.link("Why, and what if", "projection", controls.keep_asof(asof, part="Bridge"))
    if month.projection is None:
        return f"{name} in all", markup.span("unknown", "unknown"), "", month.note or ""
    total = month.projection.total
    if projection_fan.is_over(month):
        return f"{name} in all", money(total.median), "", markup.join(["it has ended · ", link])
    ranged = f"80%: {money(total.low80)} – {money(total.high80)} · "
    return f"{name} in all", money(total.median), "projected", markup.join([ranged, link])


def _budget(budgets: tuple[Answer, ...], asof: date | None) -> Card:
    live = [each for each in budgets if not projection_fan.is_over(each)]
    if not live:
        link = markup.link("Set one", "projection", controls.keep_asof(asof, part="Budgets"))
        return "Budget", markup.span("none", "unknown"), "", link
    each = max(live, key=_pressure)
    budget, told = each.question.budget, each.projection
    name = budget.name if budget is not None else ""
    link = projection_filters.budget_link(name, asof)
    label = f"Budget{f', tightest of {len(live)}' if len(live) > 1 else ''}"
    if told is None or told.crossing is None or budget is None or each.share is None:
        return label, markup.span("unknown", "unknown"), "", link
    of = f"of {dollars(budget.limit_nano)} spent"
    spent = projection_fan.percent(each.share) if each.share.is_finite() else dollars(each.spent)
    return label, markup.span(spent, "warn" if each.is_over or each.will_be_over else "good"), of, _chance(each, link)


def _pressure(each: Answer) -> tuple[float, float]:
    crossing = each.projection.crossing if each.projection is not None else None
    return (crossing.probability if crossing is not None else 0.0, float(each.share or 0))


def _chance(each: Answer, link: Html) -> Html:
    crossing = each.projection.crossing if each.projection is not None else None
    if crossing is None:
        return link
    if each.is_over and crossing.day is not None:
        return markup.join([link, f": crossed on {projection_fan.short_day(crossing.day)}"])
    when = f" on {projection_fan.short_day(crossing.day)}" if crossing.day is not None else ""
    chance = projection_fan.percent(crossing.probability)
    return markup.join([link, f": {chance} chance to be passed{f', median{when}' if when else ''}"])


def alerts(reader: Reader, told: tuple[Told, ...]) -> Html:
    """A line an alert: what, since when, and whether it is over."""
    rows: list[list[Text]] = []
    for each in told:
        alert = each.alert
        state = "open" if alert.is_open else "over" if alert.over_at is not None else ""
        kind = "warn" if alert.is_open or alert.urgent else ""
        undelivered = [d.channel for d in each.deliveries if d.state == "given up"]
        below = f"not delivered to {', '.join(undelivered)}" if undelivered else alert.text
        rows.append(
            [
                markup.two_lines(markup.span(alert.title, kind), below),
                markup.span(fmt.ago(alert.raised_at, reader.now), "nowrap", fmt.instant(alert.raised_at)),
                markup.span(state, kind if alert.is_open else "mute"),
            ]
        )
    columns = [markup.Column("Alert"), markup.Column("Raised"), markup.Column("State")]
    return markup.table(columns, rows, "Alerts")
