"""What counts as a price change: what would be billed, and nothing else."""

from decimal import Decimal

from db.prices.changes import changes, steps
from db.prices.facts import Change, Price, Rates, Step
from tests.db.quotes import endpoint, per_million, price, rate
from tests.db.worlds import at

Move = tuple[str, str | None, str | None]


def moves(*versions: Price) -> list[Move]:
    """(meter, old, new) of every change, in USD per 1M."""
    return [(change.meter, per_million(change.old), per_million(change.new)) for change in changes(versions)]


def base(prompt: str | None = "1", completion: str | None = "3") -> Rates:
    return rate("prompt", prompt), rate("completion", completion)


def test_a_rate_that_moved_is_a_change_and_one_that_did_not_is_none() -> None:
    found = changes([price(base("1", "3"), 0, 5), price(base("2", "3"), 5)])

    assert found == [
        Change(at(5), endpoint(), "prompt", Decimal("0.000001"), Decimal("0.000002"), 0, None, None, suspect=False)
    ]
    assert found[0].percent == 100


def test_the_first_price_is_no_change() -> None:
    assert moves(price(base(), 0)) == []


def test_a_meter_that_comes_or_goes_at_zero_is_no_change() -> None:
    free = rate("web_search", "0")

    assert moves(price(base(), 0, 5), price((*base(), free), 5, 9), price(base(), 9)) == []


def test_a_meter_that_comes_or_goes_at_a_price_is_a_change_without_a_percentage() -> None:
    search = rate("web_search", "4000")
    versions = price(base(), 0, 5), price((*base(), search), 5, 9), price(base(), 9)

    assert moves(*versions) == [("web_search", None, "4000"), ("web_search", "4000", None)]
    assert [change.percent for change in changes(versions)] == [None, None]


def test_from_free_there_is_no_percentage() -> None:
    (change,) = changes([price((rate("prompt", "0"),), 0, 5), price((rate("prompt", "1"),), 5)])

    assert (change.old, change.percent) == (Decimal(0), None)


def test_to_free_is_minus_100_percent() -> None:
    (change,) = changes([price((rate("prompt", "1"),), 0, 5), price((rate("prompt", "0"),), 5)])

    assert change.percent == -100


def test_a_price_that_becomes_dynamic_is_a_change_and_no_zero() -> None:
    known, dynamic = (rate("prompt", "1"),), (rate("prompt", None),)

    assert moves(price(known, 0, 5), price(dynamic, 5, 9), price(known, 9)) == [
        ("prompt", "1", None),
        ("prompt", None, "1"),
    ]
    assert moves(price(dynamic, 0, 5), price((*dynamic, rate("image", "0")), 5)) == []


def test_the_order_of_rates_is_no_change() -> None:
    assert moves(price(base(), 0, 5), price(tuple(reversed(base())), 5)) == []


def test_a_tier_moves_on_its_own() -> None:
    before = (*base(), rate("prompt", "2", 128_000))
    after = (*base(), rate("prompt", "4", 128_000))

    (change,) = changes([price(before, 0, 5), price(after, 5)])

    assert (change.meter, change.min_prompt_tokens, change.percent) == ("prompt", 128_000, Decimal(100))


def test_a_tier_that_comes_or_goes_is_measured_against_what_applies_without_it() -> None:
    tier = rate("prompt", "2", 200_000)

    assert moves(price(base(), 0, 5), price((*base(), tier), 5, 9), price(base(), 9)) == [
        ("prompt", "1", "2"),
        ("prompt", "2", "1"),
    ]


def test_a_tier_at_the_price_below_it_is_no_change() -> None:
    assert moves(price(base(), 0, 5), price((*base(), rate("prompt", "1", 200_000)), 5)) == []


def test_a_tier_that_begins_later_changes_the_price_in_between_only() -> None:
    before = (*base(), rate("prompt", "2", 128_000))
    after = (*base(), rate("prompt", "2", 200_000))

    (change,) = changes([price(before, 0, 5), price(after, 5)])

    assert (change.min_prompt_tokens, per_million(change.old), per_million(change.new)) == (128_000, "2", "1")


def test_free_nights_are_a_change() -> None:
    nights = rate("prompt", "0", 0, 1600, 100)

    (change,) = changes([price(base(), 0, 5), price((*base(), nights), 5)])

    assert (change.utc_start, change.utc_end) == (1600, 100)
    assert (per_million(change.old), change.new) == ("1", Decimal(0))


def test_a_window_moves_on_its_own() -> None:
    before = (*base(), rate("completion", "2", 0, 1000, 100))
    after = (*base("5"), rate("completion", "1", 0, 1000, 100))

    assert [(c.meter, c.utc_start, c.utc_end) for c in changes([price(before, 0, 5), price(after, 5)])] == [
        ("prompt", None, None),
        ("completion", 1000, 100),
    ]


def test_what_returns_at_another_price_changed_when_it_returned() -> None:
    gone_between = price(base("1"), 0, 5), price(base("2"), 9)

    assert [(change.at, change.meter) for change in changes(gone_between)] == [(at(9), "prompt")]
    assert moves(price(base("1"), 0, 5), price(base("1"), 9)) == []


def test_a_suspect_change_says_so() -> None:
    (change,) = changes([price((rate("prompt", "1"),), 0, 5), price((rate("prompt", "5000"),), 5, suspect=True)])

    assert change.suspect


def test_from_is_inclusive_and_to_is_exclusive() -> None:
    versions = [price(base(str(usd)), usd, usd + 1) for usd in range(1, 6)]

    assert [change.at for change in changes(versions, since=at(2), until=at(4))] == [at(2), at(3)]


def test_endpoints_are_not_compared_with_each_other_and_come_in_order_of_time() -> None:
    one, other = endpoint(1), endpoint(2, provider="nebius")
    versions = [
        price(base("1"), 0, 8, of=one),
        price(base("2"), 8, of=one),
        price(base("7"), 0, 4, of=other),
        price(base("8"), 4, of=other),
    ]

    assert [(change.at, change.endpoint.id) for change in changes(versions)] == [(at(4), 2), (at(8), 1)]


def spans(found: list[Step]) -> list[tuple[str, str | None, object, object]]:
    return [(s.rate.meter, per_million(s.rate.usd), s.valid_from, s.valid_to) for s in found]


def test_a_rate_goes_on_while_another_one_of_its_quote_changes() -> None:
    versions = [price(base("1", "3"), 0, 5), price(base("2", "3"), 5)]

    assert spans(steps(versions)) == [
        ("prompt", "1", at(0), at(5)),
        ("completion", "3", at(0), None),
        ("prompt", "2", at(5), None),
    ]


def test_a_gap_ends_a_step() -> None:
    versions = [price((rate("prompt", "1"),), 0, 5), price((rate("prompt", "1"),), 9)]

    assert spans(steps(versions)) == [("prompt", "1", at(0), at(5)), ("prompt", "1", at(9), None)]


def test_a_meter_that_is_no_longer_quoted_ends() -> None:
    versions = [price((*base(), rate("image", "9")), 0, 5), price(base(), 5)]

    assert ("image", "9", at(0), at(5)) in spans(steps(versions))


def test_a_step_that_was_suspect_is_apart() -> None:
    versions = [price((rate("prompt", "900"),), 0, 5, suspect=True), price((rate("prompt", "900"),), 5)]

    assert [step.suspect for step in steps(versions)] == [True, False]


def test_base_rates_come_before_conditional_ones() -> None:
    tiered = price((rate("prompt", "2", 200_000), rate("prompt", "1")), 0)

    assert [step.rate.min_prompt_tokens for step in steps([tiered])] == [0, 200_000]
