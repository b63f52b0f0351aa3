"""One model at eight providers, priced by a source and probed for days: what the Providers page is tested with."""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from sqlalchemy import Engine

from db.catalog import store as catalog
from db.catalog.facts import Detail, Reported
from db.engine import migrate, open_engine, writing
from db.polls.facts import Poll, Status
from db.prices.facts import Offer, Rate, Rates, Snapshot
from db.prices.store import Book, record
from db.probes import store
from db.probes.facts import Outcome, Probe, Prompt, Target

MODEL = "acme/large"
UNTIL = datetime(2026, 2, 20, 12, tzinfo=UTC)
PARAMETERS = ("max_tokens", "seed", "structured_outputs", "temperature", "tools")


@dataclass(frozen=True, slots=True)
class At:
    """One provider: prices in USD per 1M tokens, medians, and the share of probes that fail."""

    tag: str
    name: str
    prompt: str
    completion: str
    ttft_ms: float = 0
    speed: float = 0
    failing: float = 0
    parameters: tuple[str, ...] = PARAMETERS
    context: int | None = 131_072
    cache_read: str | None = None
    reported: bool = False

    @property
    def quantization(self) -> str | None:
        return self.tag.partition("/")[2] or None


PROVIDERS = (
    At("chutes/fp8", "Chutes", "0.20", "0.80", 1450, 38, 0.03, PARAMETERS[:4], 65_536),
    At("deepinfra/fp8", "DeepInfra", "0.35", "1.10", 690, 52, 0.006),
    At("nebius/fp8", "Nebius", "0.50", "1.50", 720, 47, 0.004, cache_read="0.05"),
    At("crusoe/bf16", "Crusoe", "0.55", "1.65", 410, 88, 0.01),
    At("lambda", "Lambda", "0.60", "1.80", 980, 31, 0.02, PARAMETERS[:3]),
    At("fireworks/fp8", "Fireworks", "0.90", "2.70", 330, 140, 0.002, cache_read="0.09"),
    At("cerebras/fp16", "Cerebras", "2.00", "4.50", 190, 1150, 0.001, PARAMETERS[:4], 65_536),
    At("azure", "Azure", "2.75", "8.25", reported=True),
)


def endpoint_name(at: At) -> str:
    return f"openrouter:{MODEL}@{at.tag}"


def prices(at: At) -> Rates:
    cached = (("input_cache_read", at.cache_read),) if at.cache_read else ()
    pairs = (("prompt", at.prompt), ("completion", at.completion), *cached)
    return tuple(Rate(meter, Decimal(text) / 1_000_000) for meter, text in pairs)


def snapshot() -> Snapshot:
    own = prices(PROVIDERS[2])
    detail = Detail(name="Acme: Large", context_length=131_072, parameters=PARAMETERS)
    offers = [Offer("models", MODEL, MODEL, "openrouter", "OpenRouter", MODEL, own, detail)]
    for at in PROVIDERS:
        reported = Reported(99.9, 99.8, 99.75, (("p50", 610.0),), (("p50", 58.0),)) if at.reported else None
        of_endpoint = Detail(
            quantization=at.quantization, context_length=at.context, parameters=at.parameters, status=0
        )
        key, provider = f"{MODEL}@{at.tag}", at.tag.partition("/")[0]
        offers.append(Offer("endpoints", MODEL, key, provider, at.name, MODEL, prices(at), of_endpoint, None, reported))
    return Snapshot(("models", "endpoints"), len(offers), tuple(offers), ())


def probes(at: At, since: datetime, until: datetime, every: timedelta) -> Iterator[Probe]:
    """Its probes, the same ones each time; Chutes is down for ten hours."""
    draw = random.Random(at.tag)
    causes = (Outcome.TIMEOUT, Outcome.HTTP_ERROR, Outcome.HTTP_ERROR, Outcome.LIMITED, Outcome.TRUNCATED)
    down = until - timedelta(hours=40)
    moment = since
    while moment < until:
        is_down = at.tag.startswith("chutes") and down <= moment < down + timedelta(hours=10)
        fails = draw.random() < (0.7 if is_down else at.failing)
        outcome = draw.choice(causes) if fails else Outcome.OK
        wave = 1 + 0.25 * (moment.hour / 24) + 0.1 * draw.random()
        ttft = at.ttft_ms * wave * draw.lognormvariate(0, 0.22)
        good = outcome is Outcome.OK
        yield Probe(
            target=endpoint_name(at),
            prober="chat",
            prompt=Prompt.SHORT,
            scheduled_at=moment,
            started_at=moment,
            outcome=outcome,
            warm=False,
            reason=None if good else "made up",
            ttft_ms=ttft if good else None,
            total_ms=ttft * 2 if good else None,
            tokens_per_s=at.speed * draw.lognormvariate(0, 0.1) if good else None,
        )
        moment += every


def build(
    url: str,
    until: datetime = UNTIL,
    days: int = 2,
    every: timedelta = timedelta(minutes=30),
    *,
    is_probed: bool = True,
) -> Engine:
    """Fill the empty database at `url`: polled daily from ten days before `until`, and probed for `days` up to it."""
    engine = open_engine(url)
    migrate(engine)
    book = Book()
    with writing(engine) as connection:
        for back in range(10, -1, -1):
            at = until - timedelta(days=back)
            record(connection, Poll("openrouter", (), at, at, Status.OK, duration_ms=120), snapshot(), book)
        catalog.relink(connection)
        if is_probed:
            own = Target("basement", "reach", "http://127.0.0.1:8000/v1", MODEL)
            store.watch(connection, [own])
            since = until - timedelta(days=days)
            for of in PROVIDERS:
                if not of.reported:
                    store.add(connection, probes(of, since, until, every))
            store.add(
                connection,
                [
                    Probe("basement", "reach", None, at, at, Outcome.OK, False, total_ms=12.0)
                    for at in (since + n * every for n in range(int((until - since) / every)))
                ],
            )
    return engine
