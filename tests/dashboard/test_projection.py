"""The Projection page in each of its states, without a browser."""

import re
from decimal import Decimal
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from dashboard.views import budgets_form
from db.engine import open_engine, reading
from db.errors import UsageError
from db.plans import read
from db.plans.facts import Budget, Scope
from db.plans.periods import Kind
from tests.dashboard.conftest import Build, Run
from tests.dashboard.planned import ASOF, MOVE, day
from tests.dashboard.test_pages import plain, told


def open_page(run: Run, **parameters: str | list[str]) -> AppTest:
    test = run("projection", **({"asof": ASOF} | parameters))
    assert not test.exception
    return test


def test_without_a_database_it_says_what_to_do(run: Run) -> None:
    assert "There is no database" in told(run("projection"))


def test_without_usage_it_says_how_to_get_some_and_takes_a_budget(planned: Build, run: Run) -> None:
    planned(days=0)
    text = plain(open_page(run))

    assert "No usage yet, so there is nothing to project." in text
    assert "ratecard sample" in text
    assert "No budget yet." in text
    assert "Set a budget" in text


def test_the_headline_and_the_fan(planned: Build, run: Run) -> None:
    planned(budget=True)
    test = open_page(run)

    text = plain(test)
    # 18 days of $7, and $6 more on the two or three dear ones.
    assert re.search(r"Spent so far \$1\d\d\.00 exact, up to 19 Feb 2026 00:00 UTC", text)
    assert re.search(r"Projected \$2\d\d\.\d\d median 80%: \$\d+", text)
    assert re.search(r"error of the method: ±\d+%, median of \d+ past tries, 10 days ahead", text)
    assert "Budget $200.00 a month team: " in text
    assert re.search(r"Crossing 2\d Feb median (over )?\d+% chance", text)
    assert "18 requests, not in these amounts" in text
    assert "On course to pass the budget of February 2026 on 2" in text
    assert len(test.get("vega_lite_chart")) == 1


def test_a_scope_without_a_budget_is_projected_too(planned: Build, run: Run) -> None:
    planned()
    text = plain(open_page(run, of="project=search"))

    assert "Spent so far $72.00" in text
    assert "is on course for $1" in text
    assert "Budget none set one below" in text
    assert "Unpriced none all of 180 requests priced" in text


def test_a_month_that_is_over_says_what_it_came_to(planned: Build, run: Run) -> None:
    planned(budget=True)
    text = plain(open_page(run, month="2026-01"))

    assert "January 2026 went over budget by $" in text
    assert "Projected over this period has ended" in text
    assert "Crossed 2" in text


def test_three_days_of_history_have_no_95_band_and_it_is_said(planned: Build, run: Run) -> None:
    planned(days=3)
    text = plain(open_page(run))

    assert "no 95% range: 3 days of history, it takes 50" in text
    assert "50 and 80% probability" in text
    assert "not known yet, history is too short to test it" in text


def test_one_day_of_usage_draws(planned: Build, run: Run) -> None:
    planned(days=1)
    test = open_page(run)

    assert "Spent so far $7.00" in plain(test) or "Spent so far $13.00" in plain(test)
    assert len(test.get("vega_lite_chart")) == 1


def test_usage_without_any_price_is_unknown_and_not_nothing(planned: Build, run: Run) -> None:
    planned(priced=False, budget=True)
    for part in ("Budgets", "Bridge", "Scenarios"):
        test = open_page(run, part=part)
        text = plain(test)
        assert "Spent so far unknown" in text
        assert "None of the 180 requests of all has a price" in text
        assert "Unpriced 100% of requests" in text


def test_a_month_without_usage_is_a_sensible_page(planned: Build, run: Run) -> None:
    planned(days=5)
    text = plain(open_page(run, asof="2026-01-20"))

    assert "No usage yet" in text


def test_a_budget_whose_period_is_ahead_is_projected(planned: Build, run: Run) -> None:
    ahead = Budget("april", Decimal(500), Kind.CUSTOM, start=day("2026-04-01"), end=day("2026-05-01"))
    planned(budgets=[ahead])
    test = open_page(run, of="Budget april")

    text = plain(test)
    assert "Spent so far $0.00 nothing yet" in text
    assert "On course to stay within the budget of 1 Apr 2026 to 30 Apr 2026" in text
    assert "Budget $500.00 in all april: 0% spent" in text
    [chart] = test.get("vega_lite_chart")
    assert 'strokeDash": [2, 3]' not in chart.proto.spec


def test_sample_usage_is_marked(planned: Build, run: Run) -> None:
    planned(sample=True)

    assert plain(open_page(run)).count("sample data") >= 2


def test_the_bridge_from_last_month_to_the_projection_sums_exactly(planned: Build, run: Run) -> None:
    planned()
    test = open_page(run, part="Bridge")

    text = plain(test)
    assert "February 2026, projected: $" in text
    assert "less than January 2026" in text
    assert "January 2026: 6.2% unpriced · February 2026: 6.2% unpriced" in text
    table = text[text.index("Exact sums") : text.index("By model")].replace("−", "-")
    numbers = [Decimal(each) for each in re.findall(r"-?[\d,]+\.\d{9}", table.replace(",", ""))]
    before, *parts, after, difference = numbers
    assert before + sum(parts) == after
    assert after - before == difference
    assert len(test.get("vega_lite_chart")) == 2
    assert "search" in text[text.index("By project") :]


def test_a_bridge_takes_days_and_says_what_is_no_period(planned: Build, run: Run) -> None:
    planned()

    text = plain(open_page(run, part="Bridge", a="2026-01-05..2026-01-12", b="2026-02"))
    assert "February 2026 so far" in text
    assert "5 Jan 2026 to 11 Jan 2026" in text
    text = plain(open_page(run, part="Bridge", a="2026-01", b="2026-03"))
    assert "March 2026 is ahead. Usage is known up to 19 Feb 2026 00:00 UTC." in text
    assert "Exact sums" not in text
    assert "is no month. Write it like 2026-01." in plain(open_page(run, part="Bridge", a="soon"))


def test_a_scenario_from_a_link_stands_beside_the_baseline(planned: Build, run: Run) -> None:
    planned()
    text = plain(open_page(run, part="Scenarios", moves=[MOVE], volume="2.0"))

    assert re.search(r"As it is \$2\d\d\.00", text)
    assert f"this scenario {MOVE.replace('>', '&gt;')} 2 × the volume" in text
    assert "This month: the projection times the same ratio." in text


def test_a_move_that_is_none_is_one_sentence(planned: Build, run: Run) -> None:
    planned()

    assert "is no move" in plain(open_page(run, part="Scenarios", moves=["nonsense"]))
    text = plain(open_page(run, part="Scenarios", moves=["author/b@openrouter -> author/none@nowhere: 50%"]))
    assert "A move leads nowhere" in text


def test_hostile_names_are_inert(planned: Build, run: Run) -> None:
    planned(budget=True)
    for page, part in (("projection", "Budgets"), ("projection", "Scenarios"), ("projection", "Bridge")):
        body = told(run(page, asof=ASOF, part=part))
        assert "<img" not in body
        assert "<script" not in body
    assert "&lt;img src=x" in told(open_page(run))
    assert "<b>chat</b>" not in told(open_page(run, part="Bridge"))


def test_the_form_changes_a_budget_and_another_removes_it(planned: Build, run: Run) -> None:
    url = planned(budget=True)
    test = open_page(run)
    test.selectbox("budget_name").set_value("team").run()
    assert test.text_input("budget team limit").value == "200"
    test.text_input("budget team limit").set_value("150.50").run()
    test.selectbox("budget team scope").set_value("project").run()
    test.selectbox("budget team project").set_value("search").run()
    press(test, "Set budget")

    with reading(open_engine(url)) as connection:
        assert read.budget(connection, "team") == Budget("team", Decimal("150.5"), scope=Scope("project", "search"))
    assert test.selectbox("of").value == "Budget team"
    assert "Budget $150.50 a month team" in plain(test)

    test.selectbox("budget_remove").set_value("team").run()
    press(test, "Remove")
    with reading(open_engine(url)) as connection:
        assert [budget.name for budget in read.budgets(connection)] != ["team"]
    assert "Budget none set one below" in plain(test)


def press(test: AppTest, label: str) -> None:
    [button] = [each for each in test.button if each.label == label]
    button.click().run()
    assert not test.exception


def test_a_scenario_is_saved_and_removed(planned: Build, run: Run) -> None:
    url = planned()
    test = open_page(run, part="Scenarios", moves=[MOVE])
    test.text_input("scenario_name").set_value("cheaper").run()
    press(test, "Save")

    with reading(open_engine(url)) as connection:
        [found] = read.scenarios(connection)
    assert [str(move) for move in found.moves] == [MOVE]
    assert "cheaper" in plain(test)
    test.selectbox("scenario_remove").set_value("cheaper").run()
    press(test, "Remove")
    with reading(open_engine(url)) as connection:
        assert read.scenarios(connection) == []


GIVEN: dict[str, Any] = {
    "name": "team", "limit": "500", "kind": "month", "zone": "UTC", "scope": "all", "warn": "50%, 80%",
    "first": None, "last": None,
}  # fmt: skip


def test_the_form_makes_a_budget() -> None:
    assert budgets_form.made(GIVEN) == Budget("team", Decimal(500), warn_at=(Decimal("0.5"), Decimal("0.8")))
    days = {"kind": "custom", "first": day("2026-01-05"), "last": day("2026-02-01")}
    assert budgets_form.made(GIVEN | days).kind is Kind.CUSTOM


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"name": " "}, "A budget needs a name."),
        ({"name": None}, "A budget needs a name."),
        ({"limit": ""}, "A budget needs a limit"),
        ({"limit": "much"}, "The limit is no amount"),
        ({"limit": "-1"}, "The limit is from 0"),
        ({"kind": "custom"}, "needs its first day"),
        ({"kind": "custom", "first": day("2026-02-01"), "last": day("2026-01-01")}, "ends after it starts"),
        ({"zone": "Mars/Base"}, "There is no time zone"),
        ({"warn": "0%"}, "is above 0"),
        ({"warn": "often"}, "is no share"),
        ({"scope": "project="}, "There is no scope"),
        ({"scope": "tag:team"}, "There is no scope"),
    ],
)
def test_what_is_wrong_in_the_form_is_one_sentence(wrong: dict[str, Any], sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        budgets_form.made(GIVEN | wrong)
