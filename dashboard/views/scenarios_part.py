"""What-ifs side by side: over past usage, re-costed, and over this month as it is projected; and what would save."""

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Final

import streamlit as st

from dashboard import data_plans, markup
from dashboard import format as fmt
from dashboard.charts.fan_points import money
from dashboard.data import Reader
from dashboard.data_plans import Seen
from dashboard.markup import Column, Html, Text
from dashboard.views import scenario_form
from dashboard.views.spend_figures import exact, share, signed
from db.errors import RatecardError
from db.meters import decimal_text
from db.plans.forecast import Range
from db.plans.scenario import Outcome, Scenario, parse_move
from db.plans.suggest import Suggestion
from db.plans.what_if import scaled

DAYS: Final = 30
MOST_SAVED: Final = 6
MOST_SUGGESTED: Final = 10


def draw(reader: Reader, seen: Seen) -> None:
    """Build one, compare it with those that are saved, and see what is suggested."""
    st.html(markup.heading("What if", "part of the usage elsewhere, more or less of it, more of it read from cache"))
    made = scenario_form.draw(reader, seen)
    saved = data_plans.scenarios(reader, seen)
    shown = [*([made] if made is not None else []), *saved[:MOST_SAVED]]
    if shown:
        _compare(reader, seen, shown)
    else:
        st.html(
            markup.note(
                Html("<b>Nothing to compare yet.</b> Add a move, set volume or cache rate, or try a suggestion below.")
            )
        )
    if len(saved) > MOST_SAVED:
        st.html(
            markup.paragraph(f"and {len(saved) - MOST_SAVED} more: ratecard usage recost --scenario NAME", "small mute")
        )
    scenario_form.remove(reader, seen)
    _suggestions(reader, seen)


def _compare(reader: Reader, seen: Seen, shown: Sequence[Scenario]) -> None:
    since = seen.until - timedelta(days=DAYS)
    ahead = data_plans.monthly(reader, seen)
    total = ahead.projection.total if ahead.projection is not None else None
    rows: list[list[Text]] = []
    for scenario in shown:
        try:
            found = data_plans.recosted(reader, seen, scenario, since, seen.until).whole
        except RatecardError as error:
            st.html(markup.problem(f"{scenario.name}: {error}"))
            continue
        rows.append(_row(scenario, found, total, seen.asof))
    if not rows:
        return
    st.html(markup.heading("Side by side", f"usage of {DAYS} days up to {fmt.instant(seen.until)}, all of it"))
    st.html(table([_baseline(reader, seen, total), *rows]))
    st.html(
        markup.paragraph(
            "Re-costed at the prices of its time, over the requests that have a price on both sides; low and high are "
            "what a log leaves open. This month: the projection times the same ratio.",
            "small mute",
        )
    )


def table(rows: Sequence[Sequence[Text]]) -> Html:
    """The baseline and scenarios, a line each."""
    columns = [
        Column("Scenario"),
        Column(f"{DAYS} days were", True, "what the requests that compare did cost"),
        Column("would be", True, "re-costed; below: from low to high"),
        Column("Difference", True),
        Column("Without a price there", True, "share of the requests"),
        Column("This month", True, "median of the projection; below: its 80% range"),
    ]
    return markup.table(columns, rows, "Scenarios")


def _baseline(reader: Reader, seen: Seen, total: Range | None) -> list[Text]:
    as_it_is = data_plans.recosted(
        reader, seen, Scenario("as it is"), seen.until - timedelta(days=DAYS), seen.until
    ).whole
    is_known = as_it_is.compared or not as_it_is.requests
    return [
        Html("<b>As it is</b>"),
        _money(as_it_is.actual) if is_known else markup.span("unknown", "unknown", "no request has a price"),
        "–",
        "–",
        share(as_it_is.unpriced, as_it_is.requests),
        _month(total),
    ]


def _row(scenario: Scenario, found: Outcome, total: Range | None, asof: date | None) -> list[Text]:
    name = scenario_form.link(scenario.name, scenario, asof)
    ratio = found.ratio
    unknown = markup.span("unknown", "unknown", "no request has a price on both sides")
    if not found.compared:
        return [markup.two_lines(name, described(scenario)), unknown, unknown, unknown, _unpriced(found), unknown]
    return [
        markup.two_lines(name, described(scenario)),
        _money(found.actual),
        markup.two_lines(_money(found.best), _between(found)),
        difference(found),
        _unpriced(found),
        _month(scaled(total, ratio)) if total is not None and ratio is not None else markup.span("unknown", "unknown"),
    ]


def _between(found: Outcome) -> str:
    return f"{money(found.low)} – {money(found.high)}" if found.low != found.high else "exact"


def _unpriced(found: Outcome) -> Text:
    shown = share(found.unpriced, found.requests)
    return markup.span(shown, "warn") if found.unpriced else shown


def difference(found: Outcome) -> Html:
    """By how much the bill changes, in money and percent."""
    moved = found.best - found.actual
    kind = "warn" if moved > 0 else "good" if moved < 0 else ""
    percent = f"{(found.best / found.actual - 1) * 100:+.1f}%".replace("-", fmt.MINUS) if found.actual else ""
    return markup.two_lines(markup.span(signed(moved), kind, exact(moved)), percent)


def described(scenario: Scenario) -> Html:
    """What a scenario changes, in words."""
    parts = [str(move) for move in scenario.moves]
    parts += [f"{decimal_text(scenario.volume)} × the volume"] if scenario.volume != 1 else []
    parts += [f"{decimal_text(scenario.cache_rate * 100)}% from cache"] if scenario.cache_rate is not None else []
    return markup.join(map(markup.html, parts), Html("<br>"))


def _money(nano: int) -> Html:
    return markup.span(money(nano), "", exact(nano))


def _month(total: Range | None) -> Html:
    if total is None:
        return markup.span("unknown", "unknown", "there is no projection")
    return markup.two_lines(_money(total.median), f"{money(total.low80)} – {money(total.high80)}")


def _suggestions(reader: Reader, seen: Seen) -> None:
    found = data_plans.suggestions(reader, seen)
    note = "your usage of 30 days, at the prices of now; same model, nothing known is lost"
    st.html(markup.heading("Switches that would save most", note))
    if not found:
        told = "No other endpoint of a model that you use is cheaper at your mix and known to be no worse."
        st.html(markup.note(told))
        return
    st.html(suggested(found[:MOST_SUGGESTED], seen.asof))


def suggested(found: Sequence[Suggestion], asof: date | None) -> Html:
    """Suggestions, a line each, with a link that tries it."""
    columns = [
        Column("From"),
        Column("To"),
        Column("Saves a month", True),
        Column("Checked: no worse in"),
        Column("Nobody says"),
        Column(""),
    ]
    rows: list[list[Text]] = [
        [
            markup.two_lines(each.endpoint.model, f"at {each.endpoint.provider_name}"),
            markup.two_lines(each.to.provider_name, each.to.name),
            markup.two_lines(
                markup.span(money(each.saving), "good", exact(each.saving)),
                f"{money(each.before)} → {money(each.after)}",
            ),
            ", ".join(each.checked) or "–",
            markup.span(", ".join(each.unknown), "mute") if each.unknown else "–",
            scenario_form.link("Try it", Scenario("", (parse_move(each.move),)), asof),
        ]
        for each in found
    ]
    return markup.table(columns, rows, "Suggestions")
