"""The viewer's own bill on the Overview, and what price changes do to it."""

from db.engine import open_engine, writing
from db.plans import outbox
from db.plans.alerts import Alert, Decision, Kind
from tests.dashboard.conftest import Build, Run
from tests.dashboard.market import HOSTILE
from tests.dashboard.planned import ASOF, NOW
from tests.dashboard.test_pages import plain, told


def test_this_month_stands_beside_its_projection_and_the_tightest_budget(planned: Build, run: Run) -> None:
    planned(budget=True)
    text = plain(run("overview", asof=ASOF))

    assert "Spent in February $144.00 so far by model and project" in text
    assert "February in all $220.00 projected 80%: $" in text
    assert "Budget, tightest of 2" in text
    assert "chance to be passed, median on 2" in text
    assert "6.2% of requests" in text


def test_a_price_change_says_what_it_does_to_the_bill(planned: Build, run: Run) -> None:
    planned()
    text = plain(run("overview", asof=ASOF, days="90 days"))

    # 2M tokens of a for 30 days, at $2 instead of $1 per 1M.
    assert "Impact on your bill" in text
    assert "author/a" in text
    assert "+$60.00 $60.00 → $120.00 search" in text


def test_a_models_card_says_it_too(planned: Build, run: Run) -> None:
    planned()

    assert "+$60.00 $60.00 → $120.00 search" in plain(run("model_card", model="author/a", asof=ASOF))


def test_without_usage_it_says_how_to_get_some(market: str, run: Run) -> None:
    body = told(run("overview"))

    assert "Your own bill is not here yet." in body
    assert "<code>ratecard usage import FILE</code>" in body
    assert "Impact on your bill" not in body


def test_usage_without_any_price_is_unknown(planned: Build, run: Run) -> None:
    planned(priced=False)
    text = plain(run("overview", asof=ASOF))

    assert "Spent in February unknown no request has a price" in text
    assert "Unpriced 100% of requests" in text


def test_a_sample_is_marked_and_names_are_inert(planned: Build, run: Run) -> None:
    planned(sample=True, budget=True)
    body = told(run("overview", asof=ASOF))

    assert "sample data" in body
    assert "<img" not in body
    assert "<b>chat</b>" not in body


def test_open_alerts_stand_on_the_overview(planned: Build, run: Run) -> None:
    url = planned()
    alert = Alert("k", Kind.STALE, "openrouter", "openrouter is stale", HOSTILE, False, NOW, lasting=True)
    with writing(open_engine(url)) as connection:
        outbox.record(connection, Decision((alert,), ()), {}, NOW)
    body = told(run("overview", asof=ASOF))

    assert "openrouter is stale" in body
    assert ">open<" in body
    assert "<img" not in body
