"""Our engine beside genai-prices' own calc_price: the same requests at the same prices, plain, cached, long, audio.

What both price is equal, to the last digit and not only to the cent. Of 4,000 requests with genai-prices 0.2.3:

| requests | outcome |
|---:|---|
| 2,399 | equal |
| 416 | a meter that was used has no rate: there it costs nothing, here the request is unpriced |
| 729 | the variant (batch, flex, priority) has no price, or none yet: there it costs as much as the standard one |
| 389 | the model has no price in a unit that logs count: there it costs nothing |
| 67 | there the model is not found by its own name |
"""

from collections import Counter
from dataclasses import replace

import pytest

from collector.sources.genai_prices import METERS
from db.usage.billing import family
from db.usage.resolve import Why
from tests.db.usage.genai import (
    CONTEXTS,
    KINDS,
    Ours,
    Request,
    Theirs,
    fill,
    our_costs,
    requests,
    their_cost,
)
from tests.db.worlds import empty_engine

REQUESTS = 4_000
SEED = 1
EQUAL = "equal"
NO_RATE = "a meter without a rate"
NO_VARIANT = "a variant without a price"
NO_UNIT = "no unit that logs count"
NOT_FOUND = "their lookup"


@pytest.fixture(scope="module")
def compared(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[Request, Ours, Theirs]]:
    wanted = requests(REQUESTS, SEED)
    engine = empty_engine()
    with engine.begin() as connection:
        fill(connection)
        ours = our_costs(connection, wanted, tmp_path_factory.mktemp("genai"))
    engine.dispose()
    return list(zip(wanted, ours, map(their_cost, wanted), strict=True))


def test_what_both_price_is_equal_to_the_last_digit(compared: list[tuple[Request, Ours, Theirs]]) -> None:
    both = [
        (r, ours.usd, theirs.usd) for r, ours, theirs in compared if ours.usd is not None and theirs.usd is not None
    ]

    assert len(both) > REQUESTS / 2
    assert [each for each in both if each[1] != each[2]][:3] == []
    assert {r.kind for r, _, _ in both} == set(KINDS)
    assert {r.variant for r, _, _ in both} == {"", "batch", "flex", "priority"}
    assert any(usd for _, usd, _ in both)


def test_where_only_one_of_them_has_a_price_the_cause_has_a_name(
    compared: list[tuple[Request, Ours, Theirs]],
) -> None:
    causes = [(cause(*each), each) for each in compared]

    assert [each for name, each in causes if name is None][:3] == []
    assert Counter(name for name, _ in causes).keys() == {EQUAL, NO_RATE, NO_VARIANT, NO_UNIT, NOT_FOUND}


def cause(request: Request, ours: Ours, theirs: Theirs) -> str | None:
    """Why only one of them has a price, where it can be shown; None where it cannot."""
    if theirs.usd is None:
        return NOT_FOUND if "Unable to find model" in theirs.refusal else None
    if ours.usd is not None:
        return EQUAL if ours.usd == theirs.usd else None
    if ours.why is Why.NO_RATE:
        return NO_RATE if theirs.usd == their_cost(request, _priced_units(request)).usd else None
    if not set(_quoted(request)):
        return NO_UNIT if theirs.usd == 0 else None
    if request.variant and not _variant_has_price(request):
        return NO_VARIANT if theirs.usd == their_cost(replace(request, variant="")).usd else None
    return None


def _quoted(request: Request) -> list[str]:
    """Our meters that the price in force has a rate for."""
    price = request.model.get_prices(request.at, CONTEXTS[request.variant])
    return [METERS[name][0] for name, value in price.__dict__.items() if value is not None and name in METERS]


def _priced_units(request: Request) -> dict[str, int]:
    """What the request used of families that have a rate."""
    families = {family(meter) for meter in _quoted(request)}
    return {meter: units for meter, units in request.units.items() if family(meter) in families}


def _variant_has_price(request: Request) -> bool:
    context = CONTEXTS[request.variant]
    return request.model.get_prices(request.at, context) != request.model.get_prices(request.at, {})
