"""Which switches are suggested: cheaper ones that lose nothing known."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import Engine

from db.engine import reading
from db.plans.known_steps import first_day
from db.plans.suggest import candidates, check, suggestions
from db.quality.facts import Compared, Effective, Measure, Origin
from tests.db.quotes import endpoint
from tests.db.usage_reading.made import Book, Cell, two_models
from tests.db.worlds import at


def row(id_: int, usd: str | None, provider: str, **said: Any) -> Compared:
    known: dict[str, Any] = {"context": 1000, "quantization": "fp8", "parameters": ("tools",)} | said
    figures = {name: known.pop(name, None) for name in ("ttft_ms", "tokens_per_s", "uptime_percent")}
    variant = known.pop("variant", None)
    return Compared(
        endpoint=endpoint(id_, provider=provider, variant=variant),
        effective=Effective(Decimal(usd)) if usd is not None else None,
        lost_parameters=None,
        priced_since=None,
        **figures,
        **known,
    )


def measured(value: float, origin: Origin = Origin.MEASURED) -> Measure:
    return Measure(value, origin, "72 h")


NOW = row(1, "3", "here", ttft_ms=measured(500), tokens_per_s=measured(50), uptime_percent=measured(99.9))


@pytest.mark.parametrize(
    "said",
    [
        {"context": 999},
        {"parameters": ()},
        {"quantization": "fp4"},
        {"ttft_ms": measured(600)},
        {"tokens_per_s": measured(40)},
        {"uptime_percent": measured(99)},
    ],
)
def test_what_is_worse_in_something_known_is_not_suggested(said: dict[str, Any]) -> None:
    assert candidates(NOW, [NOW, row(2, "1", "there", **said)]) == []


@pytest.mark.parametrize(
    "other",
    [
        row(2, "4", "there"),
        row(2, None, "there"),
        row(2, "0", "plan"),
        row(2, "1", "here"),
        row(2, "1", "x", variant="free"),
    ],
)
def test_what_is_dearer_unknown_free_or_another_thing_is_not_suggested(other: Compared) -> None:
    assert candidates(NOW, [NOW, other]) == []


def test_what_nobody_says_is_told_as_unknown() -> None:
    verdict = check(NOW, row(2, "1", "there", quantization=None, tokens_per_s=measured(50, Origin.REPORTED)))
    assert verdict.checked == ["parameters", "context"]
    assert verdict.unknown == ["quantization", "first token", "speed", "uptime"]
    assert verdict.lost == []


def test_without_another_endpoint_nothing_is_suggested(engine: Engine) -> None:
    price = two_models(engine)
    Book(engine).add([Cell(30, {"prompt": 1000}, 2_000, price_id=price["a10"])], at(40))
    with reading(engine) as connection:
        assert suggestions(connection, at(40)) == []


@pytest.mark.parametrize(
    ("text", "day"), [("2026", (2026, 1, 1)), ("2026-05", (2026, 5, 1)), ("2026-05-07", (2026, 5, 7)), ("soon", None)]
)
def test_an_expiry_is_the_first_day_that_it_can_mean(text: str, day: tuple[int, int, int] | None) -> None:
    assert first_day(text) == (datetime(*day, tzinfo=UTC).date() if day else None)
