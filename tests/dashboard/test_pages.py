"""Each page in each of its states, without a browser."""

import re
from datetime import date
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from dashboard import launch
from dashboard.views import prices
from dashboard.views.models import Filters, fits
from db.engine import migrate, open_engine
from tests.dashboard.conftest import Run
from tests.dashboard.market import HERMES

PAGES = ["overview", "models", "model_card", "prices", "collector"]


def told(test: AppTest) -> str:
    """All that a page says in its own HTML."""
    assert not test.exception
    return "\n".join(element.proto.body for element in test.get("html"))


def plain(test: AppTest) -> str:
    """The same without markup."""
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", told(test)))


@pytest.mark.parametrize("page", PAGES)
def test_without_a_database_every_page_says_what_to_do(page: str, run: Run) -> None:
    body = told(run(page))

    assert "There is no database" in body
    assert "<code>ratecard init</code>" in body


@pytest.mark.parametrize("page", PAGES)
def test_without_a_poll_every_page_says_how_to_get_prices(
    page: str, run: Run, sqlite_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RATECARD_DATABASE_URL", sqlite_database)
    migrate(open_engine(sqlite_database))

    text = plain(run(page))

    assert "No prices yet." in text
    assert "ratecard poll" in text


def test_a_setting_that_is_wrong_is_one_sentence(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RATECARD_DATABASE_URL", "nonsense")

    assert "is not a database URL" in plain(run("overview"))


def test_a_file_that_is_no_database_is_one_sentence(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "not.db").write_text("this is no database, and it is long enough to be taken for one" * 20)
    monkeypatch.setenv("RATECARD_DATABASE_URL", f"sqlite:///{tmp_path / 'not.db'}")

    assert "refused" in plain(run("collector"))


def test_the_overview_shows_what_moved_and_came_and_went(market: str, run: Run) -> None:
    test = run("overview", asof="2026-01-10")

    text = plain(test)
    assert "2 price rises in 30 days" in text
    assert "$0.30 → $1.00 +233%" in text
    assert re.search(r"New models 1 in 30 days .*acme/newcomer at OpenRouter 5 Jan 2026", text)
    assert re.search(r"Removed models 1 in 30 days .*acme/veteran", text)
    assert "1 rejected" in text
    assert "a gap is open" in text
    assert len(test.get("vega_lite_chart")) == 1


def test_a_quiet_window_says_why_and_leads_to_data(market: str, run: Run) -> None:
    body = told(run("overview"))

    assert "No price moved in the 30 days up to" in body
    assert 'href="./?asof=2026-02-20"' in body


def test_moves_can_be_narrowed(market: str, run: Run) -> None:
    assert "No price moved" in plain(run("overview", asof="2026-01-10", moves="Cuts"))
    assert "No price moved" in plain(run("overview", asof="2026-01-10", source="models.dev"))
    assert "2 price rises" in plain(run("overview", asof="2026-01-10", moves="Rises", source="OpenRouter"))


def test_the_catalogue_tells_free_dynamic_and_unknown_apart(market: str, run: Run) -> None:
    text = plain(run("models", sort="Name"))

    assert re.search(r"Acme: Gift acme/gift free free 8,192", text)
    assert re.search(r"Acme: Router acme/router dynamic dynamic unknown", text)
    assert re.search(r"Nous: Hermes 4 405B nousresearch/hermes-4-405b \$1.00 \$3.00 131,072", text)
    assert "6 of 6 models" in text


def test_the_catalogue_is_searched_filtered_and_dated_by_the_url(market: str, run: Run) -> None:
    body = told(run("models", q="HERMES", asof="2026-01-04"))

    assert "At the end of 4 Jan 2026 (UTC)" in body
    assert "1 of 6 models" in body
    assert "$0.30" in body
    assert f'href="model?model={HERMES}&amp;asof=2026-01-04"' in body
    assert "1 of 6" in plain(run("models", takes="image"))
    assert "2 of 6" in plain(run("models", context="128K"))
    assert "None of 6 models fits" in plain(run("models", q="no such thing"))
    assert "Nothing was on offer on 1 Jan 2020" in plain(run("models", asof="2020-01-01"))


def test_what_is_unknown_fits_no_limit(market: str, run: Run) -> None:
    assert "3 of 6" in plain(run("models", most="0.9"))


def test_a_hostile_name_stays_text(market: str, run: Run) -> None:
    body = told(run("models"))

    assert "<script>" not in body
    assert "&lt;script&gt;" in body
    assert "<b>evil" not in body


def test_the_card_shows_everything_that_is_known(market: str, run: Run) -> None:
    test = run("model_card", model=HERMES)

    text = plain(test)
    assert "Input price of Hermes 4 405B at OpenRouter: up 3.3× since Dec 2025, $0.30 → $1.00" in text
    assert "Parameters 405B derived from the name Hermes-4-405B" in text
    assert "Knowledge cutoff 31 Aug 2024 OpenRouter 1 Dec 2025" in text
    assert "Cost tier $$$" in text
    assert re.search(
        r"Nebius \S+nebius/fp8 fp8 131,072 \$1.00 \$3.00 not quoted not quoted up 850 ms \d+ days ago 98.75%"
        r" \d+ days ago OpenRouter",
        text,
    )
    assert "reported by the source, not measured here" in text
    assert "openrouter Input OpenRouter $1.00 · models.dev $2.00 2.0×" in text
    assert "13 Jan 2026 Chutes OpenRouter removed" in text
    assert text.count("No data yet") == 5
    assert len(test.get("vega_lite_chart")) == 1


def test_the_card_at_an_earlier_day(market: str, run: Run) -> None:
    text = plain(run("model_card", model=HERMES, asof="2026-01-04"))

    assert "unchanged at $0.30 since Dec 2025 Each dot" in text, "what ended later had not ended by then"
    assert "At the end of 4 Jan 2026 (UTC)" in text
    assert re.search(r"Chutes \S+@chutes 131,072|Chutes \S+@chutes unknown \$0.30", text)


def test_the_card_shows_conditions_benchmarks_and_relations(market: str, run: Run) -> None:
    body = told(run("model_card", model="acme/mini"))
    text = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", body))

    assert "Input $2.00 1M tokens above 200,000 prompt tokens" in text
    assert "Output $3.00 1M tokens daily 10:00–01:00 UTC" in text
    assert "Web search $0.01 search always" in text
    assert "artificial analysis › intelligence index 42.5 OpenRouter" in text
    assert "arena › code elo 1,200 OpenRouter" in text
    assert 'href="model?model=acme/gift"' in body


def test_the_card_of_a_dynamic_price_and_of_a_model_that_is_gone(market: str, run: Run) -> None:
    assert "Input price dynamic" in plain(run("model_card", model="acme/router"))
    gone = plain(run("model_card", model="acme/veteran"))
    assert "Nobody offers this model now." in gone
    assert "until it ended in Jan 2026" in gone


def test_the_card_of_no_model(market: str, run: Run) -> None:
    assert "Did you mean nousresearch/hermes-4-405b?" in plain(run("model_card", model="hermes"))
    assert "Choose a model" in plain(run("model_card"))


def test_price_history_of_several_models_and_meters(market: str, run: Run) -> None:
    test = run("prices", models=[HERMES, "acme/mini"], meters=["Input", "Web search"], scale="Linear")

    assert len(test.get("vega_lite_chart")) == 2, "a price per search and one per token share no axis"
    text = plain(test)
    assert "hermes-4-405b" in text
    assert "5 Jan 2026 nousresearch/hermes-4-405b OpenRouter OpenRouter Input per 1M tokens $0.30 $1.00 +233%" in text


def test_price_history_is_narrowed_by_the_url(market: str, run: Run) -> None:
    test = run("prices", models=HERMES, providers="Chutes", asof="2026-01-10")
    assert "Input price of hermes-4-405b at Chutes: unchanged at $0.30" in plain(test)
    assert "No price moved in this window" in plain(test)
    other = plain(run("prices", models=HERMES, **{"from": "models.dev"}))
    assert "at Kilo Gateway: unchanged at $1.50" in other


def test_price_history_without_a_model_suggests_some(market: str, run: Run) -> None:
    body = told(run("prices", asof="2026-02-20"))

    assert f'href="prices?models={HERMES}&amp;asof=2026-02-20"' in body


def test_the_csv_has_exact_decimals(market: str, run: Run) -> None:
    from dashboard import data

    lines = prices.as_csv(data.history(data.open_reader(), (HERMES,), None)).splitlines()

    assert lines[0] == ",".join(prices.COLUMNS)
    chutes = [line for line in lines if ",chutes," in line and ",prompt," in line]
    assert chutes == [
        (
            f"{HERMES},chutes,openrouter:{HERMES}@chutes,openrouter,prompt,token,"
            "0.00000030000000000000000001,0,,,2025-12-01T12:00:00Z,2026-01-13T12:00:00Z"
        )
    ]


def test_the_collector_page_shows_the_record(market: str, run: Run) -> None:
    text = plain(run("collector"))

    assert re.search(r"OpenRouter 20 Feb 2026 12:00 UTC \d+ days ago 24 h 21 Feb 2026 12:00 UTC 6 1 1", text)
    assert "20 Jan 2026 12:00 UTC 1 Feb 2026 12:00 UTC 12 days" in text
    assert "it said 503 &lt;b&gt;" in text
    assert "acme/broken prompt is no amount: &#x27;cheap&#x27;" in text
    assert "shiny 3" in text
    assert "models.dev same id 2 1" in text


def test_polls_are_filtered_by_outcome(market: str, run: Run) -> None:
    text = plain(run("collector", outcome="failed", source="OpenRouter"))

    assert text.count("it said 503") == 1
    assert "No poll ended like this" in plain(run("collector", outcome="implausible"))


def test_the_whole_app_opens_on_the_overview(market: str) -> None:
    test = AppTest.from_file(str(launch.APP), default_timeout=20).run()

    assert "Your bill, what moved" in told(test)
    assert test.date_input[0].value is None


def test_the_as_of_date_is_a_control(market: str, run: Run) -> None:
    test = run("model_card", model=HERMES)

    test.date_input(key="asof").set_value(date(2026, 1, 4)).run()

    assert "unchanged at $0.30 since Dec 2025" in plain(test)


def test_filters_in_words(market: str) -> None:
    from dashboard import data

    line = next(line for line in data.catalogue(data.open_reader(), None) if line.model == "acme/mini")
    assert fits(line, Filters(text="mini ACME", author="acme", features=frozenset({"Vision"})))
    assert not fits(line, Filters(text="mini other"))
    assert not fits(line, Filters(features=frozenset({"Reasoning"})))
