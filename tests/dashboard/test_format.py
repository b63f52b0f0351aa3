"""Numbers and times as a person reads them."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from dashboard import format as fmt
from db.catalog.facts import Endpoint
from db.prices.facts import Change, Rate

ENDPOINT = Endpoint(
    1, "openrouter", "models", "a/b", "a/b", "a/b", "openrouter", "OpenRouter", "a/b", None, None, "own id"
)
NOW = datetime(2026, 8, 22, 12, 8, tzinfo=UTC)


@pytest.mark.parametrize(
    ("usd", "shown"),
    [
        ("0.3", "$0.30"),
        ("1.2", "$1.20"),
        ("0.1999188", "$0.1999"),
        ("0.24999988", "$0.25"),
        ("0.075", "$0.075"),
        ("0.0000083333333", "$0.000008333"),
        ("12.345", "$12.34"),
        ("1250", "$1,250.00"),
        ("-3", "−$3.00"),
        ("0", "$0.00"),
    ],
)
def test_money_has_two_decimals_and_four_digits(usd: str, shown: str) -> None:
    assert fmt.money(Decimal(usd)) == shown


def test_unknown_free_and_dynamic_are_three_things() -> None:
    assert fmt.rate(None) == "not quoted"
    assert fmt.rate(Rate("prompt", None)) == "dynamic"
    assert fmt.rate(Rate("prompt", Decimal(0))) == "free"
    assert fmt.rate(Rate("prompt", Decimal("0.0000003"))) == "$0.30"


def test_token_rates_are_shown_per_million_and_others_per_unit() -> None:
    assert (fmt.amount("web_search", Decimal("0.01")), fmt.per("web_search")) == ("$0.01", "search")
    assert fmt.per("input_cache_read") == "1M tokens"


def test_the_exact_value_loses_no_digit() -> None:
    assert fmt.exact("prompt", Decimal("0.00000008333333333333334")) == "$0.08333333333333334 per 1M tokens"


@pytest.mark.parametrize(
    ("percent", "shown"),
    [
        ("25", "+25%"),
        ("-98.5", "−98.5%"),
        ("0.1", "+0.1%"),
        ("0.001", "≈0%"),
        ("0", "0%"),
        ("233.33", "+233%"),
        ("1100", "×12"),
        ("-20.04", "−20%"),
    ],
)
def test_percentages(percent: str, shown: str) -> None:
    assert fmt.percentage(Decimal(percent)) == shown


@pytest.mark.parametrize(
    ("old", "new", "shown"),
    [
        ("1", "2", "+100%"),
        (None, "2", "now quoted"),
        ("1", None, "no longer quoted"),
        ("0", "2", "was free"),
        ("2", "0", "−100%"),
    ],
)
def test_a_change_without_a_ratio_is_told_in_words(old: str | None, new: str | None, shown: str) -> None:
    moved = Change(NOW, ENDPOINT, "prompt", Decimal(old) if old else None, Decimal(new) if new else None)
    assert fmt.change(moved) == shown


def test_conditions_in_words() -> None:
    assert fmt.condition(0, None, None) == ""
    assert fmt.condition(200_000, None, None) == "above 200,000 prompt tokens"
    assert fmt.condition(0, 1000, 100) == "daily 10:00–01:00 UTC"


@pytest.mark.parametrize(
    ("length", "shown"),
    [
        (timedelta(seconds=45), "45 s"),
        (timedelta(minutes=12), "12 min"),
        (timedelta(hours=5), "5 h"),
        (timedelta(days=92), "92 days"),
        (timedelta(days=767), "2.1 years"),
        (timedelta(seconds=-5), "0 s"),
    ],
)
def test_spans_take_their_largest_fitting_unit(length: timedelta, shown: str) -> None:
    assert fmt.span(length) == shown


def test_times_are_utc_and_ages_look_both_ways() -> None:
    assert fmt.instant(NOW.astimezone()) == "22 Aug 2026 12:08 UTC"
    assert fmt.ago(NOW - timedelta(hours=3), NOW) == "3 h ago"
    assert fmt.ago(NOW + timedelta(days=3), NOW) == "in 3 days"


@pytest.mark.parametrize(
    ("iso", "shown"), [("2024-08-31", "31 Aug 2024"), ("2024-08", "Aug 2024"), ("2024", "2024"), ("soon", "soon")]
)
def test_partial_days(iso: str, shown: str) -> None:
    assert fmt.partial_day(iso) == shown


def test_shares_and_plurals() -> None:
    assert fmt.share("0.25") == "25%"
    assert fmt.share("a lot") == "a lot"
    assert (fmt.plural(1, "model"), fmt.plural(1200, "model")) == ("1 model", "1,200 models")
    assert (fmt.times(Decimal(2)), fmt.times(Decimal("123.4"))) == ("2.0×", "123×")
