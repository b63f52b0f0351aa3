"""What a period comes to: its figures, and the fan."""

from datetime import date, timedelta
from decimal import Decimal

import streamlit as st

from dashboard import controls, data_plans, markup
from dashboard import format as fmt
from dashboard.charts.fan import fan_chart
from dashboard.charts.fan_points import fan, money, top
from dashboard.data import Reader
from dashboard.data_plans import Seen
from dashboard.markup import Html, Text
from dashboard.views.spend_figures import dollars, exact, share
from dashboard.views.spend_filters import sample_tag
from db.plans.facts import Budget
from db.plans.forecast import WINDOWS_FOR_95, Projection
from db.plans.periods import Period, moment
from db.plans.projection import Answer

Card = tuple[Text, Text, Text, Text]


def draw(reader: Reader, seen: Seen, answer: Answer) -> None:
    """Figures and chart of one answer."""
    st.html(markup.cards(cards(answer)))
    told, question = answer.projection, answer.question
    if told is None or (not answer.requests and not told.total.high80):
        ahead = "" if is_over(answer) else ", and nothing is ahead"
        st.html(markup.note(answer.note or f"Nothing was spent in {period_name(question.period)}{ahead}."))
        return
    running = data_plans.running(reader, seen, question.scope, question.period)
    here = moment(answer.as_of, question.period.timezone)
    limit = question.budget.limit_nano if question.budget is not None else None
    drawn = fan(running, told, here, limit, is_live=reader.now - answer.as_of < timedelta(hours=2))
    said = title(answer)
    st.html(markup.chart_title(said, _below(seen, answer)))
    if limit is not None and limit / 1e9 > top(drawn):
        st.html(markup.paragraph(f"The budget of {money(limit)} is far above all of this and not drawn.", "small mute"))
    chart = fan_chart(drawn, controls.colours(), f"in {period_name(question.period)}")
    st.altair_chart(chart, theme=None, width="stretch", alt=said)
    _notes(answer)


def _notes(answer: Answer) -> None:
    lines: list[Text] = [f"From {fmt.day(each.day)}: {each.text}" for each in dict.fromkeys(answer.steps)]
    if lines:
        st.html(markup.paragraph(markup.join(map(markup.html, lines), Html("<br>")), "small mute"))


def cards(answer: Answer) -> list[Card]:
    """The figures of an answer, each with where it comes from."""
    return [_spent(answer), _projected(answer), _budget(answer), _crossing(answer), unpriced(answer)]


def _unknown(text: str = fmt.UNKNOWN) -> Html:
    return markup.span(text, "unknown")


def _spent(answer: Answer) -> Card:
    end = min(answer.as_of, answer.question.period.until)
    label = "Spent" if is_over(answer) else "Spent so far"
    until = "nothing yet" if end <= answer.question.period.since else f"exact, up to {fmt.instant(end)}"
    if answer.spent is None:
        return label, _unknown(), "", "none of its requests has a price"
    return label, markup.span(dollars(answer.spent), "", exact(answer.spent)), "", until


def _projected(answer: Answer) -> Card:
    told = answer.projection
    if is_over(answer):
        return "Projected", _unknown("over"), "", "this period has ended"
    if told is None:
        return "Projected", _unknown(), "", "there is nothing to project from"
    total = told.total
    wide = (
        f"95%: {money(total.low95)} – {money(total.high95)}"
        if total.low95 is not None and total.high95 is not None
        else too_short(told)
    )
    lines = markup.join([f"80%: {money(total.low80)} – {money(total.high80)}", wide, error(told)], Html("<br>"))
    return "Projected", markup.span(money(total.median), "", exact(total.median)), "median", lines


def too_short(told: Projection) -> str:
    """Why there is no 95% range."""
    ahead = max(1, len(told.path))
    needed = max(ahead + WINDOWS_FOR_95 + 1, 2 * ahead)
    if told.history >= needed:
        return "no 95% range: too few past days are like these"
    return f"no 95% range: {fmt.plural(told.history, 'day')} of history, it takes {needed}"


def _budget(answer: Answer) -> Card:
    budget = answer.question.budget
    if budget is None:
        return "Budget", _unknown("none"), "", "set one below"
    spent, told = answer.share, answer.projection
    parts = [f"{percent(spent)} spent"] if spent is not None and spent.is_finite() else []
    if told is not None and not is_over(answer) and budget.limit_nano:
        parts.append(f"{percent(told.total.median / budget.limit_nano)} projected")
    per = f"a {budget.kind}" if budget.start is None else "in all"
    below = f"{budget.name}: {', '.join(parts)}" if parts else budget.name
    return "Budget", dollars(budget.limit_nano), per, below


def _crossing(answer: Answer) -> Card:
    crossing = answer.projection.crossing if answer.projection is not None else None
    if answer.question.budget is None or crossing is None:
        return "Crossing", "–", "", "needs a budget" if answer.question.budget is None else ""
    if answer.is_over and crossing.day is not None:
        return "Crossed", markup.span(short_day(crossing.day), "warn"), "", "the limit is behind"
    if is_over(answer):
        return "Crossing", markup.span("never", "good"), "", "the limit was kept"
    chance = f"{percent(crossing.probability)} chance that the total passes it"
    if crossing.day is None:
        return "Crossing", markup.span("not expected", "good"), "", chance
    return "Crossing", markup.span(short_day(crossing.day), "warn"), "median", chance


def percent(share: float | Decimal) -> str:
    """A share or a chance in whole percent that says 0% and 100% only of nothing and of all."""
    if 0 < share < 0.01:
        return "under 1%"
    return "over 99%" if 0.99 < share < 1 else f"{share:.0%}"


def error(told: Projection) -> str:
    """How far the method was off on this very series."""
    found = told.backtest
    if found is None:
        return "error of the method: not known yet, history is too short to test it"
    tries = f"{found.windows} past tries, {fmt.plural(found.horizon, 'day')} ahead"
    return f"error of the method: ±{found.median_error_percent:.0f}%, median of {tries}"


def unpriced(answer: Answer) -> Card:
    """The requests whose cost is in none of the figures."""
    if not answer.requests:
        return "Unpriced", "–", "", "no request" if is_over(answer) else "no request yet"
    if not answer.unpriced_requests:
        return "Unpriced", markup.span("none", "good"), "", f"all of {fmt.plural(answer.requests, 'request')} priced"
    shown = markup.span(share(answer.unpriced_requests, answer.requests), "warn")
    return "Unpriced", shown, "of requests", f"{fmt.plural(answer.unpriced_requests, 'request')}, not in these amounts"


def is_over(answer: Answer) -> bool:
    """Whether the period has ended, as far as usage is known."""
    return answer.as_of >= answer.question.period.until


def short_day(day: date) -> str:
    """23 Nov."""
    return f"{day.day} {day:%b}"


def period_name(period: Period) -> str:
    """November 2026, 2026-Q4, or its days."""
    if ".." in period.key:
        return f"{fmt.day(period.start)} to {fmt.day(period.end - timedelta(days=1))}"
    return period.key if "Q" in period.key else f"{period.start:%B %Y}"


def title(answer: Answer) -> str:
    """What the chart says."""
    name, told, budget = period_name(answer.question.period), answer.projection, answer.question.budget
    if told is None:
        return name
    if budget is None:
        verb = "came to" if is_over(answer) else "is on course for"
        return f"{name} {verb} {money(told.total.median)}"
    return _against(name, answer, told, budget)


def _against(name: str, answer: Answer, told: Projection, budget: Budget) -> str:
    day = told.crossing.day if told.crossing is not None else None
    if answer.is_over and answer.spent is not None:
        more = money(answer.spent - budget.limit_nano)
        return f"{name} {'went' if is_over(answer) else 'is'} over budget by {more}" + (
            f", since {short_day(day)}" if day is not None else ""
        )
    if is_over(answer):
        return f"{name} stayed within budget: {money(told.total.median)} of {money(budget.limit_nano)}"
    if day is not None:
        return f"On course to pass the budget of {name} on {short_day(day)}"
    return f"On course to stay within the budget of {name}"


def _below(seen: Seen, answer: Answer) -> Html:
    told = answer.projection
    parts: list[Text] = []
    if told is not None and told.path:
        bands = "50, 80 and 95%" if told.total.high95 is not None else "50 and 80%"
        parts.append(f"Shaded: where the total ends up with {bands} probability")
        parts.append(f"learned from {fmt.plural(told.history, 'day')} of history")
    zone = answer.question.period.timezone
    parts.append(f"days of {zone}" if zone != "UTC" else "UTC days")
    if seen.sampled:
        parts.append(sample_tag())
    return markup.join(parts, " · ")
