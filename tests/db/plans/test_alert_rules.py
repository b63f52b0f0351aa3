"""What is worth an alert, and what is not."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from db.plans.alert_health import SETTLING, Expiring, Health, Latency, SourceState, down, expire, slow, stale
from db.plans.alert_money import budgets, price_moves, restated
from db.plans.alerts import BudgetState, Finding, Kind, Restated, Thresholds, Verdict, decide
from db.prices.facts import Change
from tests.db.plans.made import NOON, after, alert, finding, probed
from tests.db.quotes import endpoint

LIMITS = Thresholds()
BAD, GOOD, UNSURE = Verdict.BAD, Verdict.GOOD, Verdict.UNSURE
SOURCE = SourceState("openrouter", timedelta(hours=1), after(hours=-1))
BUDGET = BudgetState("team", "2026-01", Decimal(400), Decimal(1000), Decimal("0.4"))


def the(found: Finding | None) -> Finding:
    assert found is not None
    return found


# Sources


@pytest.mark.parametrize(("hours", "verdict"), [(1, GOOD), (3, GOOD), (3.1, BAD), (50, BAD)])
def test_a_source_is_stale_after_three_of_its_intervals(hours: float, verdict: Verdict) -> None:
    found = the(stale(replace(SOURCE, last_success=after(hours=-hours)), NOON, LIMITS, None))

    assert found.verdict is verdict


def test_the_same_silence_is_the_same_alert_however_often_it_is_found() -> None:
    silent = replace(SOURCE, last_success=after(hours=-5), error="openrouter answered 500")
    found = [the(stale(silent, after(minutes=minutes), LIMITS, None)) for minutes in range(3)]

    assert {each.key for each in found} == {"stale:openrouter:2026-01-06T07:00:00Z"}
    assert "openrouter answered 500" in found[0].text


def test_what_became_stale_while_nobody_collected_is_polled_before_it_is_told() -> None:
    silent = replace(SOURCE, last_success=after(hours=-50))

    assert the(stale(silent, NOON, LIMITS, NOON)).verdict is UNSURE
    assert the(stale(silent, NOON + SETTLING, LIMITS, NOON)).verdict is BAD


def test_a_source_that_never_answered_is_stale_once_it_has_failed_for_long() -> None:
    never = replace(SOURCE, last_success=None)

    assert stale(never, NOON, LIMITS, None) is None
    assert the(stale(replace(never, failing_since=after(hours=-1)), NOON, LIMITS, None)).verdict is UNSURE
    assert the(stale(replace(never, failing_since=after(hours=-4)), NOON, LIMITS, None)).key == "stale:openrouter:never"


# Endpoints


@pytest.mark.parametrize(
    ("ok", "failed", "verdict"),
    [(12, 0, GOOD), (11, 1, GOOD), (10, 2, UNSURE), (9, 3, UNSURE), (8, 4, BAD), (0, 5, BAD), (0, 4, UNSURE)],
)
def test_down_is_an_uptime_below_the_threshold_with_enough_probes(ok: int, failed: int, verdict: Verdict) -> None:
    assert down(Health("nebius", (probed(ok, failed),)), NOON, LIMITS).verdict is verdict


def test_probes_of_all_probers_count_and_causes_are_told() -> None:
    found = down(Health("nebius", (probed(1, 2), probed(1, 3, prober="reach"))), NOON, LIMITS)

    assert found.verdict is BAD
    assert found.text == "5 of 7 probes since 2026-01-06 11:00 UTC failed (5 timeout): uptime 29 %."


def test_without_probes_nothing_is_said() -> None:
    assert down(Health("nebius", ()), NOON, LIMITS).verdict is UNSURE
    assert slow(Latency("nebius", None, None), NOON, LIMITS).verdict is UNSURE


@pytest.mark.parametrize(
    ("n", "p50", "p95", "verdict"),
    [
        (10, 400, 600, GOOD),
        (10, 590, 600, GOOD),  # up to 1.5 times
        (10, 700, 900, UNSURE),
        (10, 800, 900, BAD),  # 2 times
        (4, 4000, 9000, UNSURE),  # too few
        (10, 400, 9000, GOOD),  # the p95 of ten is an outlier
        (20, 400, 9000, BAD),
    ],
)
def test_slow_is_a_multiple_of_its_own_baseline(n: int, p50: float, p95: float, verdict: Verdict) -> None:
    found = slow(Latency("nebius", probed(n, p50=p50, p95=p95), probed(900)), NOON, LIMITS)

    assert found.verdict is verdict


def test_slow_compares_like_with_like_and_what_somebody_could_notice() -> None:
    window = probed(10, p50=900)

    assert slow(Latency("nebius", window, probed(900, warm=False)), NOON, LIMITS).verdict is UNSURE
    assert slow(Latency("nebius", window, probed(49)), NOON, LIMITS).verdict is UNSURE
    assert slow(Latency("home", probed(10, p50=9), probed(900, p50=2)), NOON, LIMITS).verdict is GOOD


# Models


@pytest.mark.parametrize(
    ("expires", "verdict", "title"),
    [
        ("2026-02-05", BAD, "author/model expires in 30 days"),
        ("2026-02-06", UNSURE, "author/model expires in 31 days"),
        ("2026-02", BAD, "author/model expires in 26 days"),
        ("2026-01-07T09:00:00Z", BAD, "author/model expires tomorrow"),
        ("2026-01-06", BAD, "author/model expires today"),
        ("2025", BAD, "author/model expires any time now"),
    ],
)
def test_a_model_is_told_of_before_it_goes(expires: str, verdict: Verdict, title: str) -> None:
    found = the(expire(Expiring("author/model", "openrouter", expires), NOON, LIMITS))

    assert (found.verdict, found.title) == (verdict, title)
    assert found.key == f"expire:author/model:{expires}"


def test_a_date_that_is_none_is_left_alone() -> None:
    assert expire(Expiring("author/model", "openrouter", "soon"), NOON, LIMITS) is None


# Prices


def change(old: str | None, new: str | None, id_: int = 1, meter: str = "prompt", **given: object) -> Change:
    usd = [Decimal(each) / 1_000_000 if each is not None else None for each in (old, new)]
    return replace(Change(NOON, endpoint(id_), meter, usd[0], usd[1]), **given)  # type: ignore[arg-type]


def test_the_moves_of_a_model_at_one_moment_are_one_alert() -> None:
    moves = [change("1", "1.5"), change("2", "2.1", meter="completion"), change("1", "3", id_=2)]
    (found,) = price_moves(moves, LIMITS, {}, ())

    assert found.key == "price:openrouter:author/model:2026-01-06T12:00:00Z"
    assert (found.title, found.lasting) == ("The price of author/model rose", False)
    assert "Openrouter, Input: $1/M to $1.5/M (+50.0 %)" in found.text


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [("1", "1.2", True), ("1", "0.8", True), ("1", "1.19", False), ("0", "1", True), (None, "1", False)],
)
def test_a_move_is_told_from_the_threshold_on(old: str | None, new: str, told: bool) -> None:
    assert bool(price_moves([change(old, new)], LIMITS, {}, ())) is told


def test_a_small_move_of_a_large_bill_is_told_with_what_it_costs() -> None:
    small = change("1", "1.01")
    (found,) = price_moves([small], LIMITS, {(1, NOON): Decimal("412.3")}, ())

    assert found.title == "The price of author/model rose: +$412.30 a month at your mix"
    assert price_moves([small], LIMITS, {(1, NOON): Decimal("-9.99")}, ()) == []


def test_suspect_moves_and_models_of_others_are_left_alone() -> None:
    assert price_moves([change("1", "9", suspect=True)], LIMITS, {}, ()) == []
    assert price_moves([change("1", "9")], LIMITS, {}, {"other/model"}) == []


# Budgets and the past bill


def verdicts(state: BudgetState) -> dict[str, Verdict]:
    return {each.subject.removeprefix("team:2026-01:"): each.verdict for each in budgets([state], NOON, LIMITS)}


def test_of_the_shares_that_are_reached_the_highest_alone_is_news() -> None:
    assert verdicts(BUDGET) == {"80": GOOD, "100": GOOD}
    assert verdicts(replace(BUDGET, share=Decimal("0.8"))) == {"80": BAD, "100": GOOD}
    assert verdicts(replace(BUDGET, share=Decimal("1.2"))) == {"80": UNSURE, "100": BAD}


@pytest.mark.parametrize(("probability", "verdict"), [(0.2, GOOD), (0.3, GOOD), (0.4, UNSURE), (0.5, BAD), (1, BAD)])
def test_a_crossing_is_projected_from_its_probability(probability: float, verdict: Verdict) -> None:
    state = replace(BUDGET, crossing_probability=probability, projected_usd=Decimal("1234.5"))

    assert verdicts(state)["projected"] is verdict
    # Crossed is crossed.
    assert verdicts(replace(state, share=Decimal(1)))["projected"] is UNSURE


def test_the_keys_and_sentences_of_a_budget() -> None:
    state = replace(BUDGET, share=Decimal("0.8"), crossing_probability=0.7, projected_usd=Decimal("1234.5"))
    found = {each.key: each for each in budgets([state], NOON, LIMITS)}

    assert found["budget:team:2026-01:80"].title == "80 % of the budget team is spent"
    projected = found["budget:team:2026-01:projected:2026-01-06"]
    assert "exceeds $1,000.00 is 70%. The projected total is $1,234.50." in projected.text


def test_a_past_bill_that_moved_is_told_from_the_threshold_on() -> None:
    moved = Restated(NOON, "restatement", Decimal("-12.34"), 3)

    assert the(restated(moved, LIMITS)).title == "The past bill moved by −$12.34"
    assert restated(replace(moved, delta_usd=Decimal("9.99")), LIMITS) is None


# From findings to events


def test_an_alert_is_raised_once_and_its_recovery_told_once() -> None:
    first = decide([finding(BAD)], {}, {Kind.STALE}, (), NOON)
    (opened,) = first.raised
    open_alerts = {(opened.kind, opened.subject): opened}

    assert (opened.key, opened.is_open, first.over) == ("stale:openrouter:1", True, ())
    for verdict in (BAD, UNSURE):
        again = decide([finding(verdict)], open_alerts, {Kind.STALE}, (), after(hours=1))
        assert (again.raised, again.over) == ((), ())
    recovered = decide([finding(GOOD)], open_alerts, {Kind.STALE}, (), after(hours=2))
    assert recovered.over == ("stale:openrouter:1",)
    assert [(each.key, each.title, each.recovers) for each in recovered.raised] == [
        ("stale:openrouter:1:over", "openrouter is fresh again", "stale:openrouter:1")
    ]
    assert decide([finding(GOOD)], {}, {Kind.STALE}, (), after(hours=3)).raised == ()


def test_what_is_not_there_any_more_is_over_without_a_word_but_only_where_one_looked() -> None:
    opened = alert(1, kind=Kind.BUDGET, lasting=True)
    open_alerts = {(opened.kind, opened.subject): opened}

    assert decide([], open_alerts, {Kind.STALE}, (), NOON).over == ()
    assert decide([], open_alerts, {Kind.BUDGET}, (), NOON).over == (opened.key,)


def test_a_recovery_is_as_urgent_as_what_it_ends() -> None:
    (opened,) = decide([finding(BAD)], {}, {Kind.STALE}, {Kind.STALE}, NOON).raised
    (over,) = decide([finding(GOOD)], {(opened.kind, opened.subject): opened}, {Kind.STALE}, (), NOON).raised

    assert (opened.urgent, over.urgent) == (True, True)


@pytest.mark.parametrize("name", ["price_percent", "slow_multiple", "stale_intervals", "crossing_probability"])
def test_a_threshold_that_is_always_reached_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match=f"{name} must be"):
        Thresholds(**{name: 0})  # type: ignore[arg-type]
