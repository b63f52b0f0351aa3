"""What a probe would send and cost at most, and why it is only a reach."""

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine

from collector.jobs import probe as job
from collector.jobs.watching import resolve
from collector.probers import prompts
from db.engine import reading
from db.prices.facts import Rate
from db.prices.rates import rate_for
from db.probes.facts import Prompt, Target
from tests.collector.jobs.billing import (
    ESTIMATE,
    USUAL,
    Billing,
    offer,
    planned,
    priced,
    settings_for,
)


def test_a_priced_endpoint_with_a_key_and_a_budget_is_chatted_with(sqlite: Engine, server: Billing) -> None:
    priced(sqlite, offer("acme/atlas"))

    (plan,) = planned(sqlite, settings_for(server), "acme/atlas")

    assert (plan.prober, plan.prompt, plan.estimate_usd, plan.instead) == ("chat", Prompt.SHORT, ESTIMATE, None)


def test_each_prompt_is_a_probe_of_its_own(sqlite: Engine, server: Billing) -> None:
    priced(sqlite, offer("acme/atlas"))

    short, long = planned(sqlite, settings_for(server, "1"), "acme/atlas", prompts=(Prompt.SHORT, Prompt.LONG))

    assert (short.prompt, long.prompt) == (Prompt.SHORT, Prompt.LONG)
    assert long.estimate_usd > short.estimate_usd + 9000 * Decimal("0.000001")


UNKNOWN = "its price is unknown"
NO_BUDGET = "there is no probe budget (RATECARD_PROBE_BUDGET_USD)"
TOO_DEAR = "one probe may cost more than the probe budget of a day (RATECARD_PROBE_BUDGET_USD)"


@pytest.mark.parametrize(
    ("rates", "budget", "why"),
    [
        (USUAL, "0", NO_BUDGET),
        (USUAL, "0.0001", TOO_DEAR),
        ((), "1", UNKNOWN),
        (USUAL[:1], "1", UNKNOWN),
        ((USUAL[0], Rate("completion", None)), "1", UNKNOWN),
        ((*USUAL, Rate("prompt", None, utc_start=800, utc_end=900)), "1", UNKNOWN),
        ((*USUAL, Rate("request", None)), "1", UNKNOWN),
        ((*USUAL, Rate("internal_reasoning", None)), "1", UNKNOWN),
    ],
)
def test_what_cannot_be_paid_or_priced_is_only_reached(
    sqlite: Engine, server: Billing, rates: tuple[Rate, ...], budget: str, why: str
) -> None:
    priced(sqlite, offer("acme/atlas", rates))

    (plan,) = planned(sqlite, settings_for(server, budget), "acme/atlas", prompts=(Prompt.SHORT, Prompt.LONG))

    assert (plan.prober, plan.prompt, plan.estimate_usd, plan.instead) == ("reach", None, Decimal(0), why)


def test_without_a_key_it_is_only_reached(sqlite: Engine, server: Billing, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENROUTER_API_KEY")
    priced(sqlite, offer("acme/atlas"))

    (plan,) = planned(sqlite, settings_for(server), "acme/atlas")

    assert (plan.prober, plan.instead) == ("reach", "the environment has no OPENROUTER_API_KEY")


def test_a_key_that_is_none_costs_the_other_targets_nothing(
    sqlite: Engine, server: Billing, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME_KEY", "two words")
    priced(sqlite, offer("acme/atlas"))
    home = Target("home", "chat", f"{server.url}/v1", "llama", key_variable="HOME_KEY")
    settings = settings_for(server)

    with reading(sqlite) as connection:
        targets = [home, *resolve(connection, ["acme/atlas"], settings)]
        of_home, of_atlas = job.plan(connection, targets, settings, datetime.now(UTC))

    assert of_home.prober == "reach"
    assert of_home.instead == "The key in HOME_KEY holds a space or an unprintable character. Was it pasted whole?"
    assert of_atlas.prober == "chat"


def test_what_is_free_needs_no_budget(sqlite: Engine, server: Billing) -> None:
    free = (Rate("prompt", Decimal(0)), Rate("completion", Decimal(0)))
    priced(sqlite, offer("acme/atlas", free))

    (plan,) = planned(sqlite, settings_for(server, "0"), "acme/atlas")

    assert (plan.prober, plan.estimate_usd) == ("chat", Decimal(0))


def test_a_server_with_a_key_is_asked_only_where_its_owner_says_that_it_is_free(
    sqlite: Engine, server: Billing, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME_KEY", "sk-home")
    home = Target("home", "chat", f"{server.url}/v1", "llama", key_variable="HOME_KEY")

    with reading(sqlite) as connection:
        (unsaid,) = job.plan(connection, [home], settings_for(server), datetime.now(UTC))
        (free,) = job.plan(connection, [replace(home, free=True)], settings_for(server), datetime.now(UTC))

    assert (unsaid.prober, unsaid.instead) == ("reach", "its price is unknown (is it free? `--free` says so)")
    assert (free.prober, free.estimate_usd) == ("chat", Decimal(0))


def test_a_server_without_a_key_bills_nobody(sqlite: Engine, server: Billing) -> None:
    home = Target("home", "chat", f"{server.url}/v1", "llama")

    with reading(sqlite) as connection:
        (plan,) = job.plan(connection, [home], settings_for(server, "0"), datetime.now(UTC))

    assert (plan.prober, plan.estimate_usd, plan.instead) == ("chat", Decimal(0), None)


USD = st.decimals(0, Decimal("0.001"), places=12)
TIER = st.sampled_from([0, 0, 50, 128, 8_000, 200_000])
HHMM = st.sampled_from([0, 830, 1630, 2359])
BASE = [st.builds(Rate, st.just(meter), USD) for meter in ("prompt", "completion")]
CONDITIONAL = st.builds(Rate, st.sampled_from(["prompt", "completion", "request", "internal_reasoning"]), USD, TIER)
WINDOWED = st.builds(Rate, st.sampled_from(["prompt", "completion"]), USD, TIER, HHMM, HHMM)


@given(
    st.tuples(*BASE, st.lists(st.one_of(CONDITIONAL, WINDOWED), max_size=4)),
    st.sampled_from(Prompt),
    st.data(),
    st.datetimes(timezones=st.just(UTC)),
)
def test_an_estimate_is_the_most_that_a_probe_can_cost(
    drawn: tuple[Rate, Rate, list[Rate]], prompt: Prompt, data: st.DataObject, at: datetime
) -> None:
    rates = (*drawn[:2], *drawn[2])
    target = Target("any", "chat", "http://any", "any", "any")
    prompt_tokens = data.draw(st.integers(0, prompts.tokens_at_most(prompt)))
    answer_tokens = data.draw(st.integers(0, target.max_tokens))
    thoughts = data.draw(st.integers(0, answer_tokens))

    def usd(meter: str, otherwise: Decimal = Decimal(0)) -> Decimal:
        rate = rate_for(rates, meter, prompt_tokens, at)
        return rate.usd if rate is not None and rate.usd is not None else otherwise

    completion = usd("completion")
    cost = usd("prompt") * prompt_tokens + completion * (answer_tokens - thoughts) + usd("request")
    cost += usd("internal_reasoning", completion) * thoughts

    most = job._at_most(rates, target, prompt)

    assert most is not None
    assert cost <= most
