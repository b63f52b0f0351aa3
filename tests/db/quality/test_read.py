"""Comparing what a real database holds."""

from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal

import pytest
from sqlalchemy import Engine

from db.catalog.facts import Detail, Reported
from db.engine import reading, writing
from db.errors import UsageError
from db.polls.facts import Poll, Status
from db.prices import store as prices
from db.prices.facts import Offer, Snapshot
from db.probes import store
from db.probes.facts import Outcome, Probe, Prompt
from db.quality.facts import Compared, Measure, Mix, Origin
from db.quality.read import WINDOW, compared
from tests.db.probes.made import near
from tests.db.quotes import rate
from tests.db.worlds import at

MODEL = "acme/atlas"
NEBIUS, CHUTES = f"openrouter:{MODEL}@nebius/fp8", f"openrouter:{MODEL}@chutes"
REPORTED = Reported(uptime_5m=100, uptime_30m=99.5, uptime_1d=98, latency_ms=(("p50", 700),))
DAY = 24
TO = at(10 * DAY)


def offer(tag: str, prompt: str, reported: Reported | None = None, quantization: str | None = None) -> Offer:
    return Offer(
        part="endpoints",
        scope=f"{MODEL}@",
        key=f"{MODEL}@{tag}",
        provider=tag.split("/", maxsplit=1)[0],
        provider_name=tag.split("/", maxsplit=1)[0].title(),
        native_model=MODEL,
        rates=(rate("prompt", prompt), rate("completion", "3")),
        detail=Detail(
            native_model=MODEL, context_length=131_072, parameters=("tools",), quantization=quantization, status=0
        ),
        reported=reported,
    )


def polled(engine: Engine, when: datetime, *offers: Offer, recorded_at: datetime | None = None) -> None:
    poll = Poll("openrouter", (), when, recorded_at or when, Status.OK)
    with writing(engine) as connection:
        prices.record(connection, poll, Snapshot(("endpoints",), len(offers), offers), prices.Book())


def probed(engine: Engine, target: str, *when: datetime, **known: object) -> None:
    """Cold chat probes with a short prompt."""
    usual = Probe(target, "chat", Prompt.SHORT, at(0), at(0), Outcome.OK, warm=False, ttft_ms=200.0, tokens_per_s=50.0)
    with writing(engine) as connection:
        found = [replace(usual, scheduled_at=moment, started_at=moment, **known) for moment in when]  # type: ignore[arg-type]
        store.add(connection, found)


def rows(engine: Engine, when: datetime = TO, known_at: datetime | None = None) -> dict[str, Compared]:
    with reading(engine) as connection:
        return {each.endpoint.name: each for each in compared(connection, MODEL, Mix(), when, known_at)}


def test_the_cheapest_comes_first_with_what_is_known_of_it(engine: Engine) -> None:
    polled(engine, at(0), offer("nebius/fp8", "1", quantization="fp8"), offer("chutes", "0.5"))

    found = rows(engine)

    assert list(found) == [CHUTES, NEBIUS]
    nebius = found[NEBIUS]
    assert nebius.effective is not None
    assert nebius.effective.usd_per_mtok == Decimal("1.5")
    assert (nebius.context, nebius.quantization, nebius.parameters) == (131_072, "fp8", ("tools",))
    assert (nebius.status, nebius.priced_since, nebius.lost_parameters) == (0, at(0), ())
    assert (nebius.ttft_ms, nebius.tokens_per_s, nebius.uptime_percent) == (None, None, None)


def test_what_is_reported_says_so_with_its_window_and_age(engine: Engine) -> None:
    polled(engine, at(0), offer("nebius/fp8", "1", REPORTED))
    polled(engine, at(5), offer("nebius/fp8", "1", replace(REPORTED, uptime_1d=None)))

    early, late = rows(engine, at(4))[NEBIUS], rows(engine)[NEBIUS]

    assert early.ttft_ms == Measure(700, Origin.REPORTED, "30 min", None, at(0))
    assert early.uptime_percent == Measure(98, Origin.REPORTED, "1 day", None, at(0))
    assert late.uptime_percent == Measure(99.5, Origin.REPORTED, "30 min", None, at(5))
    assert late.tokens_per_s is None


def test_what_was_measured_comes_before_what_is_reported(engine: Engine) -> None:
    polled(engine, at(0), offer("nebius/fp8", "1", REPORTED), offer("chutes", "0.5", REPORTED))
    probed(engine, NEBIUS, *(TO - timedelta(hours=hours) for hours in (1, 2, 3)))
    probed(engine, NEBIUS, TO - timedelta(hours=4), tokens_per_s=None)
    probed(engine, NEBIUS, TO - timedelta(hours=5), outcome=Outcome.TIMEOUT, ttft_ms=None, tokens_per_s=None)
    probed(engine, NEBIUS, TO - timedelta(hours=6), outcome=Outcome.LIMITED, ttft_ms=None, tokens_per_s=None)

    found = rows(engine)

    newest = TO - timedelta(hours=1)
    nebius = found[NEBIUS]
    assert nebius.ttft_ms == Measure(near(200), Origin.MEASURED, "72 h", 4, newest)
    assert nebius.tokens_per_s == Measure(near(50), Origin.MEASURED, "72 h", 3, newest)
    assert nebius.uptime_percent == Measure(80, Origin.MEASURED, "72 h", 5, newest)
    assert found[CHUTES].ttft_ms == Measure(700, Origin.REPORTED, "30 min", None, at(0))


def test_failures_alone_are_an_uptime_of_zero_and_no_latency(engine: Engine) -> None:
    polled(engine, at(0), offer("nebius/fp8", "1", REPORTED))
    probed(engine, NEBIUS, TO - timedelta(hours=1), outcome=Outcome.HTTP_ERROR, ttft_ms=None, tokens_per_s=None)

    nebius = rows(engine)[NEBIUS]

    assert nebius.uptime_percent == Measure(0, Origin.MEASURED, "72 h", 1, TO - timedelta(hours=1))
    assert nebius.ttft_ms is not None
    assert nebius.ttft_ms.origin is Origin.REPORTED


def test_only_the_window_counts(engine: Engine) -> None:
    polled(engine, at(0), offer("nebius/fp8", "1"))
    probed(engine, NEBIUS, TO - WINDOW - timedelta(hours=1), TO + timedelta(hours=1))
    assert rows(engine)[NEBIUS].ttft_ms is None

    probed(engine, NEBIUS, TO - WINDOW)
    measure = rows(engine)[NEBIUS].ttft_ms
    assert measure is not None
    assert measure.n == 1


def test_long_prompts_and_other_probers_are_not_mixed_in(engine: Engine) -> None:
    polled(engine, at(0), offer("nebius/fp8", "1"))
    probed(engine, NEBIUS, TO - timedelta(hours=1), prompt=Prompt.LONG)
    probed(engine, NEBIUS, TO - timedelta(hours=2), prober="reach", prompt=None)

    assert rows(engine)[NEBIUS].ttft_ms is None


def test_as_of_a_time_and_as_known_at_a_time(engine: Engine) -> None:
    polled(engine, at(0), offer("nebius/fp8", "1"))
    polled(engine, at(DAY), offer("nebius/fp8", "2"), offer("chutes", "0.5"))
    polled(engine, at(DAY - 12), offer("nebius/fp8", "4"), recorded_at=at(3 * DAY))

    def price(when: datetime, known_at: datetime | None = None) -> Decimal:
        found = rows(engine, when, known_at)[NEBIUS].effective
        assert found is not None
        return found.usd_per_mtok

    assert CHUTES not in rows(engine, at(0))
    assert price(at(0)) == Decimal("1.5")
    assert price(at(13)) == Decimal("3.75")
    assert price(at(13), at(2 * DAY)) == Decimal("1.5")
    assert price(at(DAY)) == Decimal("2.25")
    assert rows(engine, at(0) - timedelta(hours=1)) == {}


def test_a_dynamic_price_is_unknown_and_last(engine: Engine) -> None:
    dynamic = replace(offer("chutes", "0"), rates=(rate("prompt", None), rate("completion", None)))
    polled(engine, at(0), offer("nebius/fp8", "1"), dynamic)

    found = rows(engine)

    assert list(found) == [NEBIUS, CHUTES]
    assert found[CHUTES].effective is None
    assert found[CHUTES].dominated_by is None


def test_a_model_that_nobody_knows_is_refused(engine: Engine) -> None:
    with reading(engine) as connection, pytest.raises(UsageError, match="There is no model acme/none"):
        compared(connection, "acme/none", Mix())
