"""A small market, as three sources would tell it: what the dashboard's tests look at."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from sqlalchemy import Engine

from db.catalog import store as catalog
from db.catalog.facts import Detail, Reported
from db.engine import migrate, open_engine, writing
from db.polls import store as polls
from db.polls.facts import Poll, Rejection, Status
from db.prices.facts import Offer, Rate, Snapshot
from db.prices.store import Book, record

HERMES = "nousresearch/hermes-4-405b"
START = datetime(2025, 12, 1, 12, tzinfo=UTC)
RISE = datetime(2026, 1, 5, 12, tzinfo=UTC)
LAST = datetime(2026, 2, 20, 12, tzinfo=UTC)
GAP = (datetime(2026, 1, 20, 12, tzinfo=UTC), datetime(2026, 2, 1, 12, tzinfo=UTC))

HOSTILE = (
    "<img src=x onerror=\"document.title='owned'\"><script>document.title='owned'</script>\n"
    "[click](javascript:document.title='owned') ![pixel](http://192.0.2.1/pixel.png) $x^2$ :red[alarm] "
    "http://192.0.2.1/plain <a href='http://192.0.2.1/'>link</a> \u202etxet\u202c"
)


def usd(per_million: str) -> Decimal:
    return Decimal(per_million) / 1_000_000


def rates(prompt: str, completion: str, *more: Rate) -> tuple[Rate, ...]:
    """Base rates in USD per 1M tokens, and others in USD per unit."""
    return (Rate("prompt", usd(prompt)), Rate("completion", usd(completion)), *more)


def listed(model: str, quoted: tuple[Rate, ...], detail: Detail, benchmarks: dict[str, object] | None = None) -> Offer:
    """A model on OpenRouter's list."""
    return Offer("models", model, model, "openrouter", "OpenRouter", model, quoted, detail, benchmarks)


def endpoint(tag: str, name: str, quoted: tuple[Rate, ...], detail: Detail, reported: Reported | None) -> Offer:
    """An endpoint of Hermes behind OpenRouter."""
    provider = tag.partition("/")[0]
    return Offer("endpoints", HERMES, f"{HERMES}@{tag}", provider, name, HERMES, quoted, detail, None, reported)


HERMES_DETAIL = Detail(
    name="Nous: Hermes 4 405B",
    description=HOSTILE,
    created=1756235463,
    knowledge_cutoff="2024-08-31",
    context_length=131_072,
    input_modalities=("text",),
    output_modalities=("text",),
    parameters=("max_tokens", "reasoning", "temperature", "tools"),
    hugging_face_id="NousResearch/Hermes-4-405B",
)
OTHERS = (
    listed(
        "acme/mini",
        rates(
            "1",
            "4",
            Rate("input_cache_read", usd("0.1")),
            Rate("web_search", Decimal("0.01")),
            Rate("prompt", usd("2"), min_prompt_tokens=200_000),
            Rate("completion", usd("3"), utc_start=1000, utc_end=100),
        ),
        Detail(name="Acme: Mini", context_length=1_000_000, input_modalities=("image", "text"), created=1767225600),
        {"artificial_analysis": {"intelligence_index": 42.5}, "arena": [{"category": "code", "elo": 1200}]},
    ),
    listed("acme/router", (Rate("prompt", None), Rate("completion", None)), Detail(name="Acme: Router")),
    listed("acme/gift", rates("0", "0"), Detail(name="Acme: Gift", context_length=8192)),
    listed("<b>evil</b>/\"x'", rates("0.1", "0.2"), Detail(name="<script>document.title='owned'</script> & co")),
)


def openrouter(at: datetime) -> Snapshot:
    """What OpenRouter tells at an instant."""
    price = rates("0.3", "1.2") if at < RISE else rates("1", "3")
    offers = [listed(HERMES, price, HERMES_DETAIL), *OTHERS]
    # A pool per size, so that measures vary and the newest one is told.
    measured = Reported(99.5, 99.25, 98.75, (("p50", 850.0), ("p99", 4200.0)), (("p50", 31.5),))
    offers.append(
        endpoint(
            "nebius/fp8",
            "Nebius",
            rates("1", "3"),
            Detail(quantization="fp8", context_length=131_072, status=0),
            measured,
        )
    )
    if at < datetime(2026, 1, 13, 12, tzinfo=UTC):
        offers.append(endpoint("chutes", "Chutes", rates("0.30000000000000000001", "1.2"), Detail(status=-5), None))
    if at >= RISE:
        offers.append(listed("acme/newcomer", rates("0.5", "1.5"), Detail(name="Acme: Newcomer")))
    else:
        offers.append(listed("acme/veteran", rates("5", "15"), Detail(name="Acme: Veteran")))
    rejections = (Rejection("models", "acme/broken", "prompt is no amount: 'cheap'"),) if at == LAST else ()
    return Snapshot(("models", "endpoints"), 6, tuple(offers), rejections, unknown_fields={"shiny": 3})


def models_dev() -> Snapshot:
    """The same model as another source tells it, at twice the price."""
    detail = Detail(name="Hermes 4 405B", context_length=128_000, released="2025-08-26", open_weights=True)
    offers = (
        Offer("api", "x", f"openrouter/{HERMES}", "openrouter", "OpenRouter", HERMES, rates("2", "6"), detail),
        Offer("api", "x", f"kilo/{HERMES}", "kilo", "Kilo Gateway", HERMES, rates("1.5", "3"), detail),
    )
    return Snapshot(("api",), 2, offers)


def build(url: str, until: datetime = LAST) -> Engine:
    """Fill the empty database at `url` with the market as it was told up to `until`."""
    engine = open_engine(url)
    migrate(engine)
    book = Book()
    with writing(engine) as connection:
        for at in instants(until):
            record(connection, _poll("openrouter", at), openrouter(at), book)
        record(connection, _poll("models_dev", START), models_dev(), Book())
        failed = replace(_poll("openrouter", until + timedelta(hours=6)), status=Status.FAILED, error="it said 503 <b>")
        polls.add(connection, [(failed, ())])
        catalog.relink(connection)
    return engine


def instants(until: datetime) -> Iterable[datetime]:
    """A poll a day, but none in the gap."""
    at = START
    while at <= until:
        if not GAP[0] < at < GAP[1]:
            yield at
        at += timedelta(days=1)


def _poll(source: str, at: datetime) -> Poll:
    return Poll(source, (), at, at, Status.OK, duration_ms=120)
