"""Probing: what is due, what it may cost, and one probe after the other sent, bounded and stored.

Money is reserved before a probe is sent and reconciled with what the server reports, in the transaction that stores
the probe. Without a key, a budget or a known price a chat target is only reached for, which is free.
"""

import asyncio
import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Final

import structlog
from sqlalchemy import Connection, Engine

from collector.jobs.poll import utc_now
from collector.probers import PROBERS
from collector.probers.measure import MOST_AT_ONCE, Connections, measure
from collector.probers.wire import Bounds
from collector.settings import Collecting, Watched, secret
from db.catalog import read as catalog
from db.catalog.facts import Endpoint
from db.engine import reading, writing
from db.errors import RatecardError, UsageError
from db.meters import COMPLETION, PROMPT
from db.prices import read as prices
from db.prices.rates import base_rate
from db.probes import budget, store
from db.probes import read as probes
from db.probes.facts import Probe, Prompt, Target

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


def openrouter_target(endpoint: Endpoint, settings: Collecting, **options: object) -> Target:
    """The target that pins one of OpenRouter's endpoints. Raises UsageError for an endpoint that is none."""
    if endpoint.source != "openrouter":
        raise UsageError(
            f"{endpoint.name} is not an endpoint of OpenRouter, so there is nowhere to send a probe. "
            "Name an OpenRouter endpoint, or an OpenAI-compatible server with --url."
        )
    _, _, tag = endpoint.key.partition("@")
    target = Target(
        name=endpoint.name,
        prober="chat",
        url=settings.openrouter_url,
        model=endpoint.native_model,
        tag=tag.split(" ")[0] or None,
        key_variable="OPENROUTER_API_KEY",
        endpoint_id=endpoint.id,
    )
    return replace(target, **options)  # type: ignore[arg-type]


def resolve(connection: Connection, names: Iterable[str], settings: Collecting, **options: object) -> list[Target]:
    """Targets by endpoint name, by model id (its OpenRouter endpoints), or by the name of a known target."""
    known = {target.name: target for target in probes.targets(connection)}
    found: list[Target] = []
    for name in names:
        if name in known:
            found.append(replace(known[name], **options))  # type: ignore[arg-type]
            continue
        source, _, key = name.partition(":")
        by_name = [e for e in catalog.endpoints(connection, source=source) if e.key == key]
        behind = [e for e in catalog.endpoints(connection, name, source="openrouter") if e.part == "endpoints"]
        own = [e for e in catalog.endpoints(connection, name, source="openrouter") if e.is_headline]
        endpoints = by_name or behind or own
        if not endpoints:
            raise UsageError(
                f"{name} is neither an endpoint, a model at OpenRouter nor a watched target. "
                "`ratecard model ID` lists a model's endpoints."
            )
        found += [openrouter_target(endpoint, settings, **options) for endpoint in endpoints]
    return found


def from_settings(connection: Connection, watched: Sequence[Watched], settings: Collecting) -> list[Target]:
    """The targets that ratecard.toml names."""
    found = []
    for entry in watched:
        options: dict[str, object] = {
            "every": timedelta(minutes=entry.every_minutes),
            "prompts": tuple(Prompt(prompt) for prompt in entry.prompts),
            "prober": entry.prober,
        }
        if entry.url is not None:
            own = Target(entry.name or entry.url, entry.prober, entry.url, entry.model, None, entry.key)
            found.append(replace(own, **options))  # type: ignore[arg-type]
        elif entry.endpoint is not None:
            found += resolve(connection, [entry.endpoint], settings, **options)
    return found


def due_at(target: Target, now: datetime) -> datetime:
    """When the target is probed in the interval that `now` lies in: a random but fixed moment of it."""
    length = target.every.total_seconds()
    slot = int(now.timestamp() // length)
    draw = hashlib.blake2b(f"{target.name} {slot}".encode(), digest_size=4).digest()
    return datetime.fromtimestamp((slot + int.from_bytes(draw) / 2**32) * length, UTC)


def due(targets: Iterable[Target], last: dict[str, datetime], now: datetime) -> list[Target]:
    """The targets whose moment has come in this interval and that were not probed in it."""
    found = []
    for target in targets:
        at = due_at(target, now)
        length = target.every.total_seconds()
        began = datetime.fromtimestamp(now.timestamp() // length * length, UTC)
        if at <= now and (target.name not in last or last[target.name] < began):
            found.append(target)
    return found


def plan(connection: Connection, targets: Iterable[Target], settings: Collecting, now: datetime) -> list[Plan]:
    """What would be sent, and at most spent, for each target and prompt."""
    plans: list[Plan] = []
    for target in targets:
        at = due_at(target, now)
        if target.prober != "chat":
            plans.append(Plan(target, target.prober, None, Decimal(0), at))
            continue
        for prompt in target.prompts:
            cost, why_not = _cost(connection, target, prompt, settings, now)
            if cost is None:
                plans.append(Plan(target, "reach", None, Decimal(0), at, why_not))
                break
            plans.append(Plan(target, "chat", prompt, cost, at))
    return plans


def _cost(
    connection: Connection, target: Target, prompt: Prompt, settings: Collecting, now: datetime
) -> tuple[Decimal | None, str | None]:
    """What a chat probe can cost at most; None and the reason where it must not be sent."""
    if target.key_variable is None:
        return Decimal(0), None  # nobody can be billed
    if secret(target.key_variable) is None:
        return None, f"the environment has no {target.key_variable}"
    rates = prices.rates_of(connection, target.endpoint_id, now) if target.endpoint_id is not None else ()
    prompt_rate, completion_rate = base_rate(rates, PROMPT), base_rate(rates, COMPLETION)
    if prompt_rate is None or completion_rate is None or prompt_rate.usd is None or completion_rate.usd is None:
        return None, "its price is unknown"
    cost = PROBERS["chat"].estimate(target, prompt, prompt_rate.usd, completion_rate.usd)
    if cost and settings.probe_budget_usd == 0:
        return None, "there is no probe budget (RATECARD_PROBE_BUDGET_USD)"
    return cost, None


async def send(
    plans: Sequence[Plan],
    connections: Connections,
    engine: Engine,
    settings: Collecting,
    *,
    bounds: Bounds | None = None,
    progress: Callable[[], None] | None = None,
    now: Callable[[], datetime] = utc_now,
) -> list[Probe]:
    """Send the plans, at most 16 at once with staggered starts; what was sent and stored."""
    gate = asyncio.Semaphore(MOST_AT_ONCE)

    async def one(number: int, each: Plan) -> Probe | None:
        await asyncio.sleep(number % MOST_AT_ONCE * STAGGER_S)
        async with gate:
            try:
                return await _send(each, connections, engine, settings.probe_budget_usd, bounds, now)
            finally:
                if progress is not None:
                    progress()

    done = await asyncio.gather(*(one(number, each) for number, each in enumerate(plans)))
    return [probe for probe in done if probe is not None]


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
        reservation = await asyncio.to_thread(_reserve, engine, each, daily_budget, now)
        if reservation is None:
            log.info("budget used up: only reached", target=each.target.name)
            prober, prompt = "reach", None
    try:
        probe = await measure(
            PROBERS[prober], connections, each.target, prompt, scheduled_at=each.scheduled_at, bounds=bounds, now=now
        )
    except UsageError as error:
        log.warning("not probed", target=each.target.name, error=str(error))
        if reservation is not None:
            await asyncio.to_thread(_release, engine, reservation)
        return None
    except asyncio.CancelledError:
        # It may have been sent: nobody knows what it cost, so its estimate counts as spent.
        if reservation is not None:
            _settle(engine, [], reservation, None)
        raise
    await asyncio.shield(asyncio.to_thread(_settle, engine, [probe], reservation, probe.cost_usd, each.target))
    return probe


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


async def probe_due(connections: Connections, engine: Engine, settings: Collecting, now: datetime) -> list[Probe]:
    """Probe what is due of the watch list."""
    with reading(engine) as connection:
        watched = probes.targets(connection, watched=True)
        plans = plan(connection, due(watched, probes.last_probes(connection), now), settings, now)
    return await send(plans, connections, engine, settings)


def watch_from_settings(engine: Engine, settings: Collecting) -> None:
    """Put what ratecard.toml names on the watch list; an entry that cannot be resolved is told and costs nothing."""
    for entry in settings.watch:
        try:
            with writing(engine) as connection:
                store.watch(connection, from_settings(connection, [entry], settings))
        except RatecardError as error:
            log.warning("not watched", entry=entry.endpoint or entry.name, error=str(error))
