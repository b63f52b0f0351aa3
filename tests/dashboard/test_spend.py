"""The Spend page in each of its states, and an upload, without a browser."""

import io
from datetime import date
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from dashboard import data, data_usage
from dashboard.usage_sums import Only, Period
from dashboard.views import spend_downloads, spend_upload
from dashboard.views.spend_figures import compact, dollars, share
from dashboard.views.spend_filters import period_of
from db.engine import migrate, open_engine
from tests.dashboard.conftest import Run
from tests.dashboard.spending import HOSTILE, build
from tests.dashboard.test_pages import plain, told

ALL = Period(date(2026, 1, 1), date(2026, 2, 9))


@pytest.fixture(scope="module")
def spent_url(tmp_path_factory: pytest.TempPathFactory) -> str:
    url = f"sqlite:///{tmp_path_factory.mktemp('spent') / 'ratecard.db'}"
    build(url).dispose()
    return url


@pytest.fixture
def spent(spent_url: str, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("RATECARD_DATABASE_URL", spent_url)
    return spent_url


def test_without_a_database_it_says_what_to_do(run: Run) -> None:
    assert "<code>ratecard init</code>" in told(run("spend"))


def test_without_usage_it_says_how_to_get_some(run: Run, sqlite_database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RATECARD_DATABASE_URL", sqlite_database)
    migrate(open_engine(sqlite_database))

    test = run("spend")

    text = plain(test)
    assert "No usage yet. ratecard usage import FILE reads your logs" in text
    assert "ratecard sample makes a synthetic log" in text
    assert len(test.get("file_uploader")) == 1


def test_the_headline_says_units_change_and_what_is_not_in_it(spent: str, run: Run) -> None:
    text = plain(run("spend", period="Custom", **{"from": "2026-01-21", "to": "2026-02-09"}))

    assert "21 Jan 2026 to 9 Feb 2026 (UTC days), at the prices known now" in text
    assert "Spend, US$ $86.67 in 20 days +85.7% from $46.67 before" in text
    assert "Requests 118 requests" in text
    assert "Effective price $4.127 per 1M tokens" in text
    assert "18 requests, 8.7% of tokens; not in the spend" in text
    assert "$86.67 in 20 days; nousresearch/hermes-4-405b is 92.3% of it" in text
    assert "sample data" not in text


def test_what_has_no_price_is_listed_and_never_zero(spent: str, run: Run) -> None:
    body = told(run("spend", period="All"))

    assert "27 requests of 1 name without a price" in body
    assert "unknown model" in body
    assert "$0.00" not in body
    assert ">unpriced</span>" in body
    assert "<img" not in body


def test_an_older_report_is_reproduced(spent: str, run: Run) -> None:
    text = plain(run("spend", period="All", known="2026-03-05"))

    assert "as it was known at the end of 5 Mar 2026" in text
    assert "$73.33 in 40 days" in text
    assert "Nothing was imported up to 1 Feb 2026." in plain(run("spend", known="2026-02-01"))


def test_a_filter_that_leaves_nothing_says_where_usage_is(spent: str, run: Run) -> None:
    assert "Usage is known from 1 Jan 2026 to 9 Feb 2026" in plain(run("spend", model="no/such"))


@pytest.mark.parametrize(
    ("section", "said"),
    [
        ("Groups", "By project"),
        ("Movers", "Moved by, US$"),
        ("Reconciliation", "Where both costs are known, the logs say $40.00 less than we do (50% of what they say)"),
        ("Assumptions", "Cache read without a rate no rate of its own was quoted: billed at that of input"),
        ("Imports", "log.csv generic 83 83"),
        ("Restatements", "10 Mar 2026 09:00 UTC"),
    ],
)
def test_each_section(spent: str, run: Run, section: str, said: str) -> None:
    assert said in plain(run("spend", period="All", by="Project", show=section))


@pytest.mark.parametrize("by", ["Day", "Week", "Month", "Key", "User", "Name as logged", "Variant", "Tag team"])
def test_every_group_is_drawn(spent: str, run: Run, by: str) -> None:
    test = run("spend", period="All", by=by)

    assert f"By {by.lower()}" in plain(test)
    assert len(test.get("vega_lite_chart")) == 1


def test_a_sample_is_marked_everywhere(run: Run, sqlite_database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RATECARD_DATABASE_URL", sqlite_database)
    build(sqlite_database, sample=True).dispose()

    for section in ("Groups", "Movers", "Imports"):
        text = plain(run("spend", period="All", show=section))
        assert "Sample data. 40 of 267 requests here are synthetic. ratecard sample --remove" in text
        assert text.count("sample data") >= 3
    assert "sample/model sample" in plain(run("spend", period="All"))


def test_quick_ranges_end_with_the_newest_usage() -> None:
    assert period_of("7 days", ALL) == Period(date(2026, 2, 3), date(2026, 2, 9))
    assert period_of("Month to date", ALL) == Period(date(2026, 2, 1), date(2026, 2, 9))
    assert period_of("Last month", ALL) == Period(date(2026, 1, 1), date(2026, 1, 31))
    assert period_of("All", ALL) == ALL


def test_downloads_are_exact_and_inert(spent: str) -> None:
    reader = data.open_reader()
    view = data_usage.seen(reader, None).view(ALL, Only(project=HOSTILE))

    sums = spend_downloads.sums_csv(reader, view)
    assert sums.startswith("day,model,provider,project,api_key,user,sample,requests,prompt,cost_usd,")
    assert "2026-01-01,author/small,openrouter," in sums
    assert ",0.333333333," in sums
    assert ",'=cmd()," in sums
    focus = spend_downloads.focus_csv(reader, view)
    assert focus.startswith("BilledCost,BillingCurrency,")
    assert len(focus.splitlines()) == 1 + 40 + 3


@pytest.mark.parametrize(
    ("nano", "shown"), [(None, "unknown"), (0, "$0.00"), (1_234_567_891_000, "$1,234.57"), (1_234_567, "$0.001235")]
)
def test_amounts(nano: int | None, shown: str) -> None:
    assert dollars(nano) == shown


def test_figures_are_short_and_never_say_nothing_of_something() -> None:
    assert "83.34M" in compact(83_344_789)
    assert compact(99_999) == "99,999"
    assert (share(1, 10_000), share(9_999, 10_000), share(1, 1)) == ("<0.1%", ">99.9%", "100%")


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("../../etc/passwd", "etc_passwd"),
        ("--map=x.csv", "map_x.csv"),
        ("<b>*.csv", "b_.csv"),
        ("\u202e[a].jsonl.gz", "a_.jsonl.gz"),
        ("…", "log"),
    ],
)
def test_a_file_name_is_only_a_name(name: str, safe: str) -> None:
    assert spend_upload.safe_name(name) == safe


def test_an_upload_is_imported_by_the_command_and_leaves_no_file(
    market: str, sqlite_database: str, isolated_environment: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RATECARD_DATABASE_URL", sqlite_database)
    migrate(open_engine(sqlite_database))
    log = b"time,model,prompt,completion\n2026-01-07 10:00:00,x/y,10,5\nnonsense,x/y,1,1\n"
    columns = "time=time,model=model,prompt=prompt,completion=completion"

    refused = spend_upload.imported(io.BytesIO(log), "<b>log</b>.csv", {})
    done = spend_upload.imported(io.BytesIO(log), "log.csv", {"--map": columns, "--timezone": "UTC"})

    assert refused.failed
    assert "is of no format that is recognised" in spend_upload.told(refused, "<b>log</b>.csv")
    assert not done.failed
    assert "2 rows, 1 imported, 0 duplicates, 1 rejected" in spend_upload.told(done, "log.csv")
    assert "<b>log" not in spend_upload.told(refused, "<b>log</b>.csv")
    assert list((isolated_environment / "uploads").iterdir()) == []


def test_the_form_asks_for_a_file(run: Run, sqlite_database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RATECARD_DATABASE_URL", sqlite_database)
    migrate(open_engine(sqlite_database))
    test: AppTest = run("spend")

    next(button for button in test.button if button.label == "Import").click().run()

    assert "Choose a file first." in plain(test)
