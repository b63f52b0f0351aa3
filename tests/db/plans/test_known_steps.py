"""Price steps that are known ahead: an endpoint that expires, at the cheapest other or at the same cost."""

from dataclasses import replace
from datetime import date, timedelta

import pytest
from sqlalchemy import Engine, select

from db.catalog.facts import Detail
from db.engine import reading, writing
from db.plans.known_steps import known_ahead
from db.prices import store
from db.prices.facts import Offer, Snapshot
from db.prices.tables import PriceRow
from db.versions import table_of
from tests.db import worlds
from tests.db.usage_reading.made import USD, Book, Cell
from tests.db.worlds import Seen, at, offer

MILLION = {"prompt": 1_000_000}


def elsewhere(provider: str, usd: int, expires: str | None = None) -> Offer:
    """The same model at another provider."""
    mine = offer("a", usd)
    detail = Detail(native_model="author/a", expires=expires)
    return replace(mine, key=f"{provider}/a", provider=provider, provider_name=provider, detail=detail)


def filled(engine: Engine, *others: Offer) -> None:
    """Usage of $2 for a million tokens, of a model that expires at its provider on 20 January."""
    going = replace(offer("a", 2), detail=Detail(native_model="author/a", expires="2026-01-20"))
    offers = (going, *others)
    with writing(engine) as connection:
        seen = worlds.draft(Seen(0, {}))
        store.record(connection, seen, Snapshot(("models",), len(offers), offers), store.Book())
        price = table_of(PriceRow)
        price_id = connection.execute(select(price.c.id).order_by(price.c.id)).scalars().first()
    Book(engine).add([Cell(24, MILLION, 2 * USD, price_id=price_id)], at(30))


def test_its_usage_goes_to_the_cheapest_that_stays(engine: Engine) -> None:
    gone = elsewhere("cheap-but-gone", 1, "2026-01-19")
    filled(engine, gone, elsewhere("dear", 7), elsewhere("fair", 3), elsewhere("gratis", 0))
    with reading(engine) as connection:
        [step] = known_ahead(connection, at(48))
    assert step.day == date(2026, 1, 20)
    assert step.factor == pytest.approx(1.5)
    assert "expires on 2026-01-20; its usage is taken to go on at the cheapest other endpoint" in step.text


def test_where_nobody_else_has_it_nothing_is_assumed(engine: Engine) -> None:
    filled(engine)
    with reading(engine) as connection:
        [step] = known_ahead(connection, at(48))
    assert step.factor is None
    assert step.text.endswith("its usage is taken to go on elsewhere at the same cost.")


def test_what_is_over_or_not_used_of_late_is_no_step(engine: Engine) -> None:
    filled(engine, elsewhere("fair", 3))
    with reading(engine) as connection:
        assert known_ahead(connection, at(24 * 20)) == []
        assert known_ahead(connection, at(48) + timedelta(days=365)) == []
