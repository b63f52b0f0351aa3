"""Probing: what it may cost, and one probe after the other sent, bounded and stored.

Money is reserved before a probe is sent and reconciled with what the server reports, in the transaction that stores
the probe. Without a key, a budget or a known price a chat target is only reached for, which is free.
"""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from functools import partial
from typing import Final, TypeVar

import structlog
from sqlalchemy import Connection, Engine

from collector.jobs.poll import utc_now
from collector.jobs.watching import due, due_at
from collector.probers import PROBERS, prompts
from collector.probers.measure import MOST_AT_ONCE, Connections, measure
from collector.probers.wire import Bounds
from collector.settings import Collecting, secret
from db.engine import reading, writing
from db.errors import UsageError
from db.meters import COMPLETION, PROMPT
from db.prices import read as prices
from db.prices.facts import Rates
from db.probes import budget, store
from db.probes import read as probes
from db.probes.facts import Probe, Prompt, Target

T = TypeVar("T")

REASONING: Final = "internal_reasoning"
REQUEST: Final = "request"

log = structlog.get_logger("ratecard.probe")

STAGGER_S: Final = 0.03
"""Between two starts: connections that open at once delay each other's clocks."""


@dataclass(frozen=True, slots=True)
class Plan:
    """One probe that is to be sent. `instead`: why it is only a reach, where a chat was wanted."""

    target: Target
    prober: str
    prompt: Prompt | None
    estimate_usd: Decimal
    scheduled_at: datetime
    instead: str | None = None


def plan(connection: Connection, targets: Iterable[Target], settings: Collecting, now: datetime) -> list[Plan]:
    """What would be sent `now`, and at most spent, for each target and prompt."""
    plans: list[Plan] = []
    for target in targets:
        if target.prober != "chat":
            plans.append(Plan(target, target.prober, None, Decimal(0), now))
            continue
        for prompt in target.prompts:
            cost, why_not = _cost(connection, target, prompt, settings, now)
            if cost is None:
                plans.append(Plan(target, "reach", None, Decimal(0), now, why_not))
                break
            plans.append(Plan(target, "chat", prompt, cost, now))
    return plans


def _cost(
    connection: Connection, target: Target, prompt: Prompt, settings: Collecting, now: datetime
) -> tuple[Decimal | None, str | None]:
    """What a chat probe can cost at most; None and the reason where it must not be sent."""
    if target.key_variable is None:
        return Decimal(0), None  # nobody can be billed
    try:
        if secret(target.key_variable) is None:
            return None, f"the environment has no {target.key_variable}"
    except UsageError as error:
        return None, str(error).rstrip(".")
    if target.free:
        return Decimal(0), None
    rates = prices.rates_of(connection, target.endpoint_id, now) if target.endpoint_id is not None else ()
    cost = _at_most(rates, target, prompt)
    if cost is None:
        own = target.endpoint_id is None
        return None, "its price is unknown" + (" (is it free? `--free` says so)" if own else "")
    if cost and settings.probe_budget_usd == 0:
        return None, "there is no probe budget (RATECARD_PROBE_BUDGET_USD)"
    if cost > settings.probe_budget_usd:
        return None, "one probe may cost more than the probe budget of a day (RATECARD_PROBE_BUDGET_USD)"
    return cost, None


def _at_most(rates: Rates, target: Target, prompt: Prompt) -> Decimal | None:
    """What one chat probe can cost at these rates, at whatever hour and in whatever tier; None where one is unknown."""
    tokens = prompts.tokens_at_most(prompt)
    dearest: dict[str, Decimal | None] = {}
    for rate in rates:
        if rate.min_prompt_tokens < tokens:
            known = dearest.get(rate.meter, rate.usd)
            dearest[rate.meter] = None if known is None or rate.usd is None else max(known, rate.usd)
    prompt_usd, answer_usd = dearest.get(PROMPT), dearest.get(COMPLETION)
    thought_usd, request_usd = dearest.get(REASONING, Decimal(0)), dearest.get(REQUEST, Decimal(0))
    if prompt_usd is None or answer_usd is None or thought_usd is None or request_usd is None:
        return None
    # Any token of the answer may be a thought.
    return PROBERS["chat"].estimate(target, prompt, prompt_usd, max(answer_usd, thought_usd)) + request_usd


async def send(
    plans: Sequence[Plan],
    connections: Connections,
    engine: Engine,
    settings: Collecting,
    *,
    bounds: Bounds | None = None,
    gate: asyncio.Semaphore | None = None,
    progress: Callable[[], None] | None = None,
    now: Callable[[], datetime] = utc_now,
) -> list[Probe]:
    """Send the plans, at most 16 at once with staggered starts; what was sent and stored.

    `gate`: shared by those who send at the same time. One that fails costs none of the others; its error is raised
    when all are done.
    """
    gate = gate or asyncio.Semaphore(MOST_AT_ONCE)

    async def one(number: int, each: Plan) -> Probe | None:
        await asyncio.sleep(number % MOST_AT_ONCE * STAGGER_S)
        async with gate:
            try:
                return await _send(each, connections, engine, settings.probe_budget_usd, bounds, now)
            finally:
                if progress is not None:
                    progress()

    sending = (one(number, each) for number, each in enumerate(plans))
    done = await asyncio.gather(*sending, return_exceptions=True)
    for each in done:
        if isinstance(each, BaseException):
            raise each
    return [each for each in done if isinstance(each, Probe)]


async def _send(
    each: Plan,
    connections: Connections,
    engine: Engine,
    daily_budget: Decimal,
    bounds: Bounds | None,
    now: Callable[[], datetime],
) -> Probe | None:
    reservation = None
    prober, prompt = each.prober, each.prompt
    if each.estimate_usd:
        reservation, cancelled = await _to_the_end(partial(_reserve, engine, each, daily_budget, now))
        if cancelled is not None:
            if reservation is not None:
                _release(engine, reservation)
            raise cancelled
        if reservation is None:
            log.info("budget used up: only reached", target=each.target.name)
            prober, prompt = "reach", None
    try:
        probe = await measure(
            PROBERS[prober], connections, each.target, prompt, scheduled_at=each.scheduled_at, bounds=bounds, now=now
        )
    except UsageError as error:
        # Nothing was sent.
        log.warning("not probed", target=each.target.name, error=str(error))
        if reservation is not None:
            _release(engine, reservation)
        return None
    except BaseException:
        # It may have been sent: nobody knows what it cost, so its estimate counts as spent.
        if reservation is not None:
            _settle(engine, [], reservation, None)
        raise
    # What was never sent cost nothing.
    cost = Decimal(0) if probe.queue_ms is None else probe.cost_usd
    _, cancelled = await _to_the_end(partial(_settle, engine, [probe], reservation, cost, each.target))
    if cancelled is not None:
        raise cancelled
    return probe


async def _to_the_end(work: Callable[[], T]) -> tuple[T, asyncio.CancelledError | None]:
    """Do blocking work in a thread, and wait for its end even where that is cancelled: a thread goes on anyway.

    Returns what it came to, and the cancellation that came meanwhile.
    """
    task = asyncio.ensure_future(asyncio.to_thread(work))
    try:
        return await asyncio.shield(task), None
    except asyncio.CancelledError as cancelled:
        return await task, cancelled


def _reserve(engine: Engine, each: Plan, daily_budget: Decimal, now: Callable[[], datetime]) -> int | None:
    with writing(engine) as connection:
        return budget.reserve(connection, now(), each.target.name, each.estimate_usd, daily_budget)


def _release(engine: Engine, reservation: int) -> None:
    with writing(engine) as connection:
        budget.release(connection, reservation)


def _settle(
    engine: Engine, done: list[Probe], reservation: int | None, cost: Decimal | None, target: Target | None = None
) -> None:
    with writing(engine) as connection:
        if target is not None:
            store.register(connection, [target])
        store.add(connection, done)
        if reservation is not None:
            budget.reconcile(connection, reservation, cost)


async def probe_due(
    connections: Connections,
    engine: Engine,
    settings: Collecting,
    now: datetime,
    *,
    gate: asyncio.Semaphore | None = None,
    busy: set[str] | None = None,
) -> list[Probe]:
    """Probe what is due of the watch list. `busy`: the targets that are being probed, which are left alone."""
    busy = set() if busy is None else busy
    with reading(engine) as connection:
        watched = [target for target in probes.targets(connection, watched=True) if target.name not in busy]
        plans = plan(connection, due(watched, probes.last_probes(connection), now), settings, now)
    names = {each.target.name for each in plans}
    busy |= names
    try:
        timed = [replace(each, scheduled_at=due_at(each.target, now)) for each in plans]
        return await send(timed, connections, engine, settings, gate=gate)
    finally:
        busy -= names
