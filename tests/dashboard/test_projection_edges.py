"""The Projection page and the Overview where calendars and amounts are odd: what they say is exact there too."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pandas as pd
import pyarrow as pa
import pytest
from streamlit.testing.v1 import AppTest

from db.plans.facts import Budget
from db.plans.periods import Kind
from tests.dashboard.conftest import Build, Run
from tests.dashboard.planned import ASOF, CHAT, MOVE, spent
from tests.dashboard.test_pages import plain, told
from tests.dashboard.test_projection import open_page

BERLIN = Budget("team", Decimal(40), timezone="Europe/Berlin")
TOKYO = Budget("team", Decimal(100), timezone="Asia/Tokyo")
NEW_YORK = Budget("team", Decimal(100), timezone="America/New_York")
QUARTER = Budget("quarter", Decimal(60), Kind.QUARTER, "America/New_York")


def drawn(test: AppTest, *columns: str) -> pd.DataFrame:
    """What the first chart of the page draws of these columns, the most rows of it."""
    frames = [
        pa.ipc.open_stream(each.data.data).read_pandas() for each in test.get("vega_lite_chart")[0].proto.datasets
    ]
    return max((frame for frame in frames if set(columns) <= set(frame.columns)), key=len)


def line(test: AppTest) -> dict[datetime, Decimal]:
    """The running total so far: US$ at each place of the time axis."""
    frame = drawn(test, "at", "usd", "told")
    return {at.to_pydatetime(): round(Decimal(usd), 9) for at, usd in zip(frame["at"], frame["usd"], strict=True)}


def midnight(text: str) -> datetime:
    return datetime.fromisoformat(f"{text}T00:00:00+00:00")


def test_a_month_without_usage_after_months_with_some_is_nothing_and_not_unknown(planned: Build, run: Run) -> None:
    planned(
        cells=[spent("2026-01-05T12", "3.50"), spent("2026-01-20T12", "4.25")], budgets=[Budget("team", Decimal(9))]
    )
    test = open_page(run, asof="2026-02-18")

    text = plain(test)
    assert "Spent so far $0.00 exact, up to 19 Feb 2026 00:00 UTC" in text
    assert "Projected $0.00 median" in text
    assert "Budget $9.00 a month team: 0% spent, 0% projected" in text
    assert "Unpriced – no request yet" in text
    assert "team all February 2026 UTC $9.00 $0.00 0% spent, 0% projected" in text
    assert "unknown" not in told(test)
    assert set(line(test).values()) == {Decimal(0)}
    assert "Spent in February $0.00 so far" in plain(run("overview", asof="2026-02-18"))


def test_a_month_that_ended_without_usage_says_so_beside_the_one_with_some(planned: Build, run: Run) -> None:
    planned(cells=[spent("2026-01-05T12", "3.50")], budgets=[Budget("team", Decimal(9))])

    text = plain(open_page(run, asof="2026-03-10", month="2026-02"))
    assert "Spent $0.00 exact, up to 1 Mar 2026 00:00 UTC" in text
    assert "Crossing never the limit was kept" in text
    assert "Unpriced – no request Nothing was spent in February 2026." in text

    text = plain(open_page(run, asof="2026-03-10", part="Bridge", a="2026-01", b="2026-02"))
    assert "February 2026: $3.50 less than January 2026, mostly volume (−$3.50)" in text
    assert "After 0.000000000 Difference −3.500000000" in text

    text = plain(open_page(run, asof="2026-03-10", part="Bridge", a="2026-02", b="2026-03"))
    assert "There is no usage in either period." in text
    assert "Exact sums" not in text


@pytest.mark.parametrize(
    ("month", "days", "name"),
    [
        ("2026-02", 28, "February 2026"),
        ("2024-02", 29, "February 2024"),
        ("2026-04", 30, "April 2026"),
        ("2026-03", 31, "March 2026"),
    ],
)
def test_a_month_has_the_days_that_it_has(planned: Build, run: Run, month: str, days: int, name: str) -> None:
    first = date.fromisoformat(f"{month}-01")
    # A dollar a day: the days of the month are what it comes to.
    since = [first + timedelta(days=number) for number in range(-40, 10)]
    planned(cells=[spent(f"{each}T12", "1") for each in since])
    test = open_page(run, asof=f"{month}-10")

    text = plain(test)
    assert f"Spent so far $10.00 exact, up to 11 {first:%b %Y} 00:00 UTC" in text
    assert f"{name} is on course for ${days}.00" in text
    begins = [midnight(month + "-01") + timedelta(days=number) for number in range(days + 1)]
    assert list(line(test).items()) == [(begins[number], Decimal(number)) for number in range(11)]
    ahead = drawn(test, "at", "median")
    assert [at.to_pydatetime() for at in ahead["at"]] == begins[10:]
    assert ahead["median"].round(9).tolist() == list(range(10, days + 1))
    assert ahead["told"].iloc[-1].startswith(f"End of {days} {first:%b %Y}: median ${days}.00")
    spec = test.get("vega_lite_chart")[0].proto.spec
    assert f'"domain": ["{begins[0].isoformat()}", "{begins[-1].isoformat()}"]' in spec


NIGHT = [
    spent("2026-02-28T22", "64"),  # 23:00 on the last of February in Berlin
    spent("2026-02-28T23", "0.000000001"),  # 00:00 on the first of March
    spent("2026-03-28T22", "1"),  # 23:00 on the 28th
    spent("2026-03-28T23", "2"),  # 00:00 on the 29th
    spent("2026-03-29T00", "4"),  # 01:00, the last hour before the skipped one
    spent("2026-03-29T01", "8"),  # 03:00, the first one after it
    spent("2026-03-29T21", "16"),  # 23:00 on the 29th
    spent("2026-03-29T22", "32"),  # 00:00 on the 30th
]


def test_the_night_of_summer_time_belongs_to_the_days_of_the_budgets_zone(planned: Build, run: Run) -> None:
    planned(cells=NIGHT, budgets=[BERLIN])
    test = open_page(run, asof="2026-03-30", of="Budget team")

    text = plain(test)
    assert "Spent so far $63.00 exact, up to 31 Mar 2026 00:00 UTC" in text
    assert 'title="63.000000001 US$"' in told(test)
    # In UTC days it would be the 29th.
    assert "March 2026 is over budget by $23.00, since 30 Mar" in text
    assert "Crossed 30 Mar the limit is behind" in text
    assert "days of Europe/Berlin" in text
    found = line(test)
    assert found[midnight("2026-03-02")] == found[midnight("2026-03-28")] == Decimal("0.000000001")
    assert found[midnight("2026-03-29")] == Decimal("1.000000001")
    assert found[midnight("2026-03-30")] == Decimal("31.000000001")
    assert found[midnight("2026-03-31")] == Decimal("63.000000001")
    assert max(found) == datetime(2026, 3, 31, 2, tzinfo=UTC)
    assert len(found) == 32


def test_inside_the_night_the_day_has_23_hours(planned: Build, run: Run) -> None:
    planned(cells=NIGHT, budgets=[BERLIN])
    test = open_page(run, asof="2026-03-28", of="Budget team")

    assert "Spent so far $3.00 exact, up to 29 Mar 2026 00:00 UTC" in plain(test)
    found = line(test)
    assert found[midnight("2026-03-29")] == Decimal("1.000000001")
    here = max(found)
    assert found[here] == Decimal("3.000000001")
    assert here - midnight("2026-03-29") == timedelta(days=1 / 23)
    assert drawn(test, "at", "median")["at"].iloc[-1].to_pydatetime() == midnight("2026-04-01")


def test_the_hour_that_comes_twice_counts_twice(planned: Build, run: Run) -> None:
    hours = ["2026-10-24T22", "2026-10-25T00", "2026-10-25T01", "2026-10-25T22", "2026-10-25T23"]
    # 00:00, 02:00, 02:00 again and 23:00 on the 25th, 00:00 on the 26th.
    planned(cells=[spent(at, 2**number) for number, at in enumerate(hours)], budgets=[BERLIN])
    test = open_page(run, asof="2026-10-26", of="Budget team", month="2026-10")

    assert "Spent so far $31.00" in plain(test)
    found = line(test)
    assert (found[midnight("2026-10-25")], found[midnight("2026-10-26")]) == (Decimal(0), Decimal(15))
    assert found[midnight("2026-10-27")] == Decimal(31)


TURN = [
    spent("2025-12-01T04", "32"),  # 23:00 on 30 November in New York
    spent("2025-12-10T12", "16"),
    spent("2025-12-31T14", "64"),  # 23:00 on 31 December in Tokyo
    spent("2025-12-31T15", "1"),  # 00:00 on 1 January there
    spent("2026-01-01T04", "2"),  # 23:00 on 31 December in New York
    spent("2026-01-01T05", "4"),  # 00:00 on 1 January there
    spent("2026-01-01T12", "8"),
]


def test_the_year_turns_in_utc_without_a_budget(planned: Build, run: Run) -> None:
    planned(cells=TURN)

    assert "Spent so far $14.00" in plain(open_page(run, asof="2026-01-01"))
    test = open_page(run, asof="2026-01-01", month="2025-12")
    assert "Spent $113.00 exact, up to 1 Jan 2026 00:00 UTC" in plain(test)
    assert "December 2025 came to $113.00" in plain(test)
    assert max(line(test)) == midnight("2026-01-01")
    text = plain(open_page(run, asof="2026-01-01", part="Bridge", a="2025-12", b="2026-01"))
    assert "January 2026 so far: $99.00 less than December 2025" in text
    assert "Before 113.000000000" in text
    assert "After 14.000000000 Difference −99.000000000" in text


def test_the_year_turns_later_in_new_york(planned: Build, run: Run) -> None:
    planned(cells=TURN, budgets=[NEW_YORK])
    test = open_page(run, asof="2026-01-01")

    assert "Spent so far $12.00 exact, up to 2 Jan 2026 00:00 UTC" in plain(test)
    assert test.selectbox("month").options == ["2026-01", "2025-12", "2025-11"]
    text = plain(open_page(run, asof="2026-01-01", month="2025-12"))
    assert "Spent $83.00 exact, up to 1 Jan 2026 05:00 UTC" in text
    assert "December 2025 stayed within budget: $83.00 of $100.00" in text
    test.selectbox("month").set_value("2025-11").run()
    assert "November 2025 stayed within budget: $32.00 of" in plain(test)
    # A scope without that budget has UTC months, and so no November.
    test.selectbox("of").set_value("project=search").run()
    assert test.selectbox("month").value == "2026-01"
    assert "Spent so far $14.00" in plain(test)
    text = plain(open_page(run, asof="2026-01-01", part="Bridge", a="2025-12", b="2026-01"))
    assert "Before 83.000000000" in text
    assert "After 12.000000000 Difference −71.000000000" in text


def test_the_year_turns_earlier_in_tokyo(planned: Build, run: Run) -> None:
    planned(cells=TURN, budgets=[TOKYO])
    test = open_page(run, asof="2025-12-31")

    # 00:00 UTC is 09:00 on 1 January.
    text = plain(test)
    assert "Spent so far $1.00 exact, up to 1 Jan 2026 00:00 UTC" in text
    assert "January 2026" in text
    assert "team all January 2026 Asia/Tokyo $100.00 $1.00" in text
    assert max(line(test)) == datetime(2026, 1, 1, 9, tzinfo=UTC)
    assert test.selectbox("month").options == ["2026-01", "2025-12"]
    assert "Spent in January $1.00 so far" in plain(run("overview", asof="2025-12-31"))
    assert "December 2025 went over budget by $12.00, since 31 Dec" in plain(
        open_page(run, asof="2025-12-31", month="2025-12")
    )
    text = plain(open_page(run, asof="2025-12-31", part="Bridge"))
    assert "January 2026, projected: $" in text
    assert "Before 112.000000000" in text


def test_a_quarter_ends_with_the_year(planned: Build, run: Run) -> None:
    planned(cells=TURN, budgets=[QUARTER])

    test = open_page(run, asof="2025-12-31", of="Budget quarter")
    text = plain(test)
    assert "Spent so far $113.00 exact, up to 1 Jan 2026 00:00 UTC" in text
    assert "2025-Q4 is over budget by $53.00, since 31 Dec" in text
    assert (min(line(test)), drawn(test, "at", "median")["at"].iloc[-1].to_pydatetime()) == (
        midnight("2025-10-01"),
        midnight("2026-01-01"),
    )
    assert test.selectbox("month").disabled
    text = plain(open_page(run, asof="2026-01-01", of="Budget quarter"))
    assert "Spent so far $12.00" in text
    assert "2026-Q1" in text


def test_usage_without_any_price_is_an_unknown_bill_and_an_unknown_budget(planned: Build, run: Run) -> None:
    planned(priced=False, budget=True)

    text = plain(run("overview", asof="2026-02-18"))
    assert "Spent in February unknown no request has a price" in text
    assert "February in all unknown None of the 180 requests of all has a price" in text
    assert "Budget, tightest of 2 unknown" in text
    assert "Unpriced 100% of requests 180 requests, not in these amounts" in text
    for part in ("Budgets", "Bridge", "Scenarios"):
        assert "$0.00" not in plain(open_page(run, part=part))
    text = plain(open_page(run, part="Bridge", a="2026-01", b="2026-02"))
    assert "None of the 310 requests of January 2026 has a price. What they cost is unknown" in text
    assert "Exact sums" not in text


def test_a_project_without_any_price_in_one_period_has_no_bridge_of_its_own(planned: Build, run: Run) -> None:
    planned(
        cells=[
            spent("2026-01-05T12", "3"),
            spent("2026-01-05T13", None, CHAT),
            spent("2026-02-05T12", "5"),
            spent("2026-02-05T13", "7", CHAT),
        ]
    )
    text = plain(open_page(run, asof="2026-02-18", part="Bridge", a="2026-01", b="2026-02"))

    assert "Before 3.000000000" in text
    assert "After 12.000000000 Difference 9.000000000" in text
    by_project = text[text.index("By project") :]
    assert "&lt;b&gt;chat&lt;/b&gt; unknown – – $7.00 unknown" in by_project
    assert "January 2026: 50% unpriced" in text


def test_links_keep_the_day_that_is_looked_at(planned: Build, run: Run) -> None:
    planned(budget=True)

    body = told(run("overview", asof=ASOF))
    assert 'href="projection?part=Bridge&amp;asof=2026-02-18"' in body
    assert 'href="spend?period=Custom&amp;from=2026-02-01&amp;to=2026-02-18"' in body
    assert 'href="projection?of=Budget+team&amp;asof=2026-02-18"' in told(open_page(run))
    body = told(open_page(run, part="Scenarios", moves=[MOVE], volume="0.125", cache="33.5"))
    assert "33.5% from cache" in plain(open_page(run, part="Scenarios", cache="33.5"))
    assert "volume=0.125&amp;cache=33.5&amp;asof=2026-02-18" in body


def test_a_share_is_0_or_100_percent_only_where_it_is(planned: Build, run: Run) -> None:
    budgets = [Budget("least", Decimal(100)), Budget("team", Decimal("12345.67"))]
    planned(cells=[spent("2026-02-05T12", "99.60")], budgets=budgets)

    text = plain(open_page(run))
    assert "$99.60 over 99% spent" in text
    assert "team all February 2026 UTC $12,345.67 $99.60 under 1% spent" in text
