"""A made-up usage log of 30 days, and a ledger with the prices of its endpoints."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from random import Random

import duckdb
from sqlalchemy import Engine

from db.catalog.facts import Detail
from db.engine import migrate, open_engine, writing
from db.polls.facts import Poll, Status
from db.prices import store
from db.prices.facts import Offer, Rate, Rates, Snapshot

MODELS, PROVIDERS, VERSIONS, DAYS = 300, 3, 5_000, 30
START = datetime(2026, 1, 1, tzinfo=UTC)
COLUMNS = ("time", "model", "provider", "project", "prompt", "completion", "input_cache_read")
_POLLS = 25


def write_log(rows: int, file: Path) -> None:
    """A CSV of requests in order of time. Prompts: a median of 400 tokens, 1 in 10,000 above 150,000."""
    span_us = DAYS * 86_400_000_000
    # Numbers from hashes, so that the file is the same whatever the number of threads.
    draws = ", ".join(f"(hash(i * 8 + {k + 9}) + 1) / 18446744073709551616.0 AS r{k}" for k in range(6))
    normal = "sqrt(-2 * ln(r0))"
    query = f"""
        SELECT strftime(
                   TIMESTAMP '{START:%Y-%m-%d}' + to_microseconds(i * {span_us // rows}), '%Y-%m-%dT%H:%M:%S.%fZ'
               ) AS time,
               'author-' || model % 40 || '/model-' || model AS model, 'provider-' || provider AS provider,
               'project-' || project AS project, prompt, completion, input_cache_read
        FROM (SELECT i, floor({MODELS} * r2 ** 1.5)::BIGINT AS model, floor({PROVIDERS} * r3)::BIGINT AS provider,
                     (r4 < 0.5)::INT AS project, 1 + exp(6 + 1.6 * {normal} * cos(6.283 * r1))::BIGINT AS prompt,
                     1 + exp(5 + {normal} * sin(6.283 * r1))::BIGINT AS completion,
                     CASE WHEN r5 < 0.4 THEN exp(5 + 9 * r5)::BIGINT ELSE 0 END AS input_cache_read
              FROM (SELECT i, {draws} FROM range({rows}) AS t(i)))
    """  # noqa: S608  # numbers of our own
    with duckdb.connect() as connection:
        connection.execute(f"COPY ({query}) TO '{file}' (HEADER)")


def make_ledger(file: Path) -> Engine:
    """A database in which each endpoint's price changed a few times: VERSIONS prices with tiers, some with hours."""
    engine = open_engine(f"sqlite:///{file}")
    migrate(engine)
    with writing(engine) as connection:
        recorder = store.Recorder(connection, "openrouter", store.Book(), ())
        for poll, snapshot in _polls():
            recorder.add(poll, snapshot)
        recorder.flush()
    return engine


def _polls() -> Iterator[tuple[Poll, Snapshot]]:
    """The first poll sees every endpoint; each later one sees the same number of them at a new price."""
    rng = Random(1)  # noqa: S311
    names = [(f"author-{m % 40}/model-{m}", f"provider-{p}") for m in range(MODELS) for p in range(PROVIDERS)]
    quotes = {name: _quote(rng) for name in names}
    changes = [name for _ in range(VERSIONS // len(names) + 1) for name in rng.sample(names, len(names))]
    changes = changes[: VERSIONS - len(names)]
    for number in range(_POLLS):
        if number:
            step = -(-len(changes) // (_POLLS - 1))
            quotes |= {name: _quote(rng) for name in changes[(number - 1) * step : number * step]}
        # Not on the hour: then a change cuts an hour's requests in two.
        at = START - timedelta(days=1) + timedelta(days=(DAYS + 1) / _POLLS * number, minutes=17 * (number > 0))
        offers = tuple(_offer(*name, rates) for name, rates in quotes.items())
        yield Poll("openrouter", (), at, at, Status.OK), Snapshot(("endpoints",), len(offers), offers)


def _offer(model: str, provider: str, rates: Rates) -> Offer:
    key = f"{model}@{provider}"
    return Offer(
        "endpoints", model, key, provider, provider.title(), model, rates, Detail(native_model=model, name=key)
    )


def _quote(rng: Random) -> Rates:
    """Base rates, often a tier or two, sometimes cheaper hours from a half hour over midnight to another."""
    meters = ("prompt", "completion", "input_cache_read")[: rng.choice((2, 3, 3))]
    rates = [Rate(meter, _usd(rng)) for meter in meters]
    for threshold in ((), (200_000,), (32_000, 128_000))[rng.choice((0, 0, 1, 2))]:
        rates += [Rate(meter, _usd(rng), threshold) for meter in meters]
    if rng.random() < 0.1:
        rates += [Rate(meter, _usd(rng), 0, 1630, 30) for meter in meters]
    return tuple(rates)


def _usd(rng: Random) -> Decimal:
    return Decimal(rng.randrange(1, 10**13)).scaleb(-19)
