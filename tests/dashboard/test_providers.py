"""The Providers page, and the measured part of the model card, in each of their states."""

import re
from datetime import timedelta

import pytest

from tests.dashboard.conftest import Run
from tests.dashboard.market import HERMES
from tests.dashboard.measured import MODEL, build
from tests.dashboard.test_pages import plain, told

THEN = "2026-02-20"
"""The day at whose end the measured market stands."""


@pytest.fixture(scope="module")
def measured_url(tmp_path_factory: pytest.TempPathFactory) -> str:
    url = f"sqlite:///{tmp_path_factory.mktemp('measured') / 'ratecard.db'}"
    build(url).dispose()
    return url


@pytest.fixture
def measured(measured_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """This process reads a market that was probed."""
    monkeypatch.setenv("RATECARD_DATABASE_URL", measured_url)


def test_without_a_model_it_suggests_the_ones_with_most_providers(market: str, run: Run) -> None:
    body = told(run("providers", asof=THEN))

    assert "Choose a model above." in body
    assert f'href="providers?model={HERMES}&amp;asof={THEN}"' in body


def test_a_model_that_is_not_there_names_near_ones(market: str, run: Run) -> None:
    assert "Did you mean nousresearch/hermes-4-405b?" in plain(run("providers", model="hermes"))


def test_a_wrong_mix_is_one_sentence(market: str, run: Run) -> None:
    assert "Prompt : completion is no mix: &#x27;3-1&#x27;" in told(run("providers", model=HERMES, mix="3-1"))


def test_without_a_figure_it_says_how_to_get_one_and_draws_prices(market: str, run: Run) -> None:
    test = run("providers", model="acme/mini")

    text = plain(test)
    assert "No endpoint of this model has a latency yet" in text
    assert "ratecard watch acme/mini" in text
    assert "OpenRouter is the cheapest of 1 endpoint" in text
    assert "Nothing was measured here." in text
    assert "nothing to switch to" in text
    assert len(test.get("vega_lite_chart")) == 1


def test_reported_figures_are_called_reported(market: str, run: Run) -> None:
    text = plain(run("providers", model=HERMES))

    assert re.search(
        r"Nebius quoted by OpenRouter fp8 \$1.50 since 1 Dec 2025 850 ms reported 30 min, \d+ days ago", text
    )
    assert "98.75% reported 1 day" in text
    assert "Only Nebius fp8 has a reported figure: 850 ms" in text
    assert "Kilo Gateway quoted by models.dev not told $1.875" in text
    assert "no data" in text


def test_the_mix_prices_cached_prompts_and_says_what_it_assumed(measured: None, run: Run) -> None:
    text = plain(run("providers", model=MODEL, asof=THEN, mix="1:1", cached="50"))

    assert "9 endpoints at 1:1, 50% cached" in text
    assert re.search(r"Nebius quoted by OpenRouter fp8 \$0.8875 since", text), "(0.5 x 0.50 + 0.5 x 0.05 + 1.50) / 2"
    assert re.search(r"Lambda quoted by OpenRouter not told \$1.20 no cache price, since", text)


def test_measured_figures_say_n_window_and_age(measured: None, run: Run) -> None:
    test = run("providers", model=MODEL, asof=THEN)

    text = plain(test)
    assert re.search(r"Cerebras .*? \$2.625 since 10 Feb 2026 \d+ ms measured, n 9\d 72 h, 12 h ago", text)
    assert re.search(r"Azure .*? \$4.125 since 10 Feb 2026 610 ms reported 30 min", text)
    assert "6 of 7 endpoints are cheap for how fast they begin to answer" in text
    assert "hollow: reported, so not compared" in text
    assert "basement" not in text.partition("Best value")[0], "a server without a price is not in the table"
    assert len(test.get("vega_lite_chart")) >= 3


def test_the_switch_card_and_failover(measured: None, run: Run) -> None:
    text = plain(run("providers", model=MODEL, asof=THEN, **{"from": "Nebius fp8", "to": "Chutes fp8"}, tph="2000000"))

    assert "Price, $ per 1M $0.75 $0.35 saves $0.40 (−53.3%)" in text
    assert re.search(r"First token (\d+ ms measured, n 9\d 72 h, 12 h ago )\S+ ms measured", text)
    assert "Context, tokens 131,072 65,536 −65,536" in text
    assert "Quantization fp8 fp8 the same" in text
    assert "Parameters lost tools" in text
    assert "Next best: DeepInfra fp8 , $0.425 an hour less at 2,000,000 tokens an hour" in text
    assert "supports every parameter of the one in use" in text


def test_measured_and_reported_figures_are_not_subtracted(measured: None, run: Run) -> None:
    text = plain(run("providers", model=MODEL, asof=THEN, **{"from": "Nebius fp8", "to": "Azure"}))

    assert "not comparable" in text


def test_an_endpoint_of_a_link_that_is_not_there_is_forgotten(measured: None, run: Run) -> None:
    text = plain(run("providers", model=MODEL, asof=THEN, **{"from": "Nobody", "target": "Nobody"}))

    assert "a provider to pin instead of OpenRouter" in text


def test_the_chart_can_be_switched(measured: None, run: Run) -> None:
    assert "are cheap for how fast they write" in plain(run("providers", model=MODEL, asof=THEN, against="Speed"))
    assert "are cheap for how reliable they are" in plain(run("providers", model=MODEL, asof=THEN, against="Uptime"))


def test_the_strip_and_the_hours_of_a_target(measured: None, run: Run) -> None:
    text = plain(run("providers", model=MODEL, asof=THEN, target="Chutes fp8"))

    assert re.search(r"Cerebras fp16 answered \d+\.\d\d% of its probes, Chutes fp8 \d+\.\d\d%", text)
    assert re.search(r"Chutes fp8: time to first token was [\d,]+ ms in its best hour", text)
    assert re.search(r"\d+ of 9\d probes failed", text)
    reached = plain(run("providers", model=MODEL, asof=THEN, target="basement (reached only)"))
    assert "basement: time to the first byte, reached only was 12 ms" in reached
    assert "None of 96 probes failed in this window." in reached


def test_before_the_first_price_it_says_when_that_was(measured: None, run: Run) -> None:
    text = plain(run("providers", model=MODEL, asof="2026-01-01"))

    assert "Nobody offered this model on 1 Jan 2026." in text
    assert "is from 10 Feb 2026: choose a later as-of date" in text


def test_the_card_rates_what_was_measured_among_its_cohort(measured: None, run: Run) -> None:
    test = run("model_card", model=MODEL, asof=THEN)

    text = plain(test)
    assert re.search(
        r"First token \d+ ms Cerebras fp16, p50 of n 9\d; faster than 100% of the other 6 measured endpoints;"
        r" newest probe 12 h ago",
        text,
    )
    assert re.search(r"Output speed 1,\d+\.\d tokens/s Cerebras fp16", text)
    assert "at worst" in text
    assert f'href="providers?model={MODEL}&amp;asof={THEN}"' in told(test)
    assert "Reliability No data yet" not in text
    assert "Ability No data yet" in text


def test_the_card_does_not_rate_a_small_cohort(sqlite_database: str, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    from tests.dashboard import measured as made

    monkeypatch.setattr(made, "PROVIDERS", made.PROVIDERS[:3])
    build(sqlite_database, days=1, every=timedelta(hours=1)).dispose()
    monkeypatch.setenv("RATECARD_DATABASE_URL", sqlite_database)

    text = plain(run("model_card", model=MODEL, asof=THEN))

    assert "no rating: only 3 endpoints measured, 5 are needed" in text
