"""Who is dominated by whom, in which order, and what a switch changes."""

from dataclasses import replace
from decimal import Decimal
from itertools import permutations
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from db.errors import UsageError
from db.quality.compare import dominates, ranked, switch
from db.quality.facts import Compared
from db.quality.read import baseline, chosen
from tests.db.quality.made import measured, reported, row
from tests.db.quotes import endpoint

KNOWN: dict[str, Any] = {
    "ttft_ms": measured(400),
    "tokens_per_s": measured(50),
    "uptime_percent": measured(99),
    "context": 131_072,
    "parameters": ("temperature", "tools"),
}


def changed(of: Compared, name: str, value: Any) -> Compared:
    return replace(of, **{name: value})


@pytest.mark.parametrize(
    "better",
    [
        {"usd": "0.9"},
        {"ttft_ms": measured(399)},
        {"tokens_per_s": measured(51)},
        {"uptime_percent": measured(99.5)},
        {"usd": "0.9", "context": 200_000, "parameters": ("seed", "temperature", "tools")},
    ],
)
def test_no_worse_in_anything_and_better_in_something(better: dict[str, Any]) -> None:
    a, b = row("nebius", **KNOWN | better), row("chutes", **KNOWN)

    assert dominates(a, b)
    assert not dominates(b, a)


@pytest.mark.parametrize(
    "worse",
    [
        {"usd": "1.1"},
        {"ttft_ms": measured(500)},
        {"tokens_per_s": measured(40)},
        {"uptime_percent": measured(98)},
        {"context": 100_000},
        {"parameters": ("temperature",)},
    ],
)
def test_worse_in_anything_is_no_verdict(worse: dict[str, Any]) -> None:
    better = {"usd": "0.9", "ttft_ms": measured(100)}

    assert not dominates(row("nebius", **KNOWN | better | worse), row("chutes", **KNOWN))


def test_the_same_is_no_verdict() -> None:
    assert not dominates(row("nebius", **KNOWN), row("chutes", **KNOWN))
    # A larger context alone is no reason to call the other one worse.
    assert not dominates(row("nebius", **KNOWN | {"context": 200_000}), row("chutes", **KNOWN))


@pytest.mark.parametrize("name", KNOWN)
def test_what_only_one_of_them_says_cannot_be_compared(name: str) -> None:
    cheaper, dearer = row("nebius", "0.5", **KNOWN), row("chutes", **KNOWN)

    assert not dominates(cheaper, changed(dearer, name, None))
    assert not dominates(changed(cheaper, name, None), dearer)
    assert dominates(changed(cheaper, name, None), changed(dearer, name, None))


def test_an_unknown_price_is_no_verdict() -> None:
    known, unknown = row("nebius", **KNOWN), row("chutes", None, **KNOWN | {"ttft_ms": measured(9_000)})

    assert not dominates(known, unknown)
    assert not dominates(unknown, known)


@pytest.mark.parametrize("name", ["ttft_ms", "tokens_per_s", "uptime_percent"])
def test_what_was_measured_never_competes_with_what_is_reported(name: str) -> None:
    cheaper, dearer = row("nebius", "0.5", **KNOWN), row("chutes", **KNOWN)

    other = changed(dearer, name, reported(getattr(dearer, name).value))
    assert not dominates(cheaper, other)
    assert not dominates(other, cheaper)


@pytest.mark.parametrize("other", [{"variant": "free"}, {"quantization": "fp8"}])
def test_another_variant_or_quantization_is_another_thing(other: dict[str, Any]) -> None:
    assert not dominates(row("nebius", "0.5"), row("chutes", **other))
    assert dominates(row("nebius", "0.5", **other), row("chutes", **other))


def test_two_prices_of_one_provider_do_not_compete() -> None:
    assert not dominates(row("nebius", "0.5"), row("nebius", "1"))


def maybe(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.none() | values


FIGURE = st.builds(measured, st.sampled_from([1.0, 2.0, 3.0])) | st.builds(reported, st.sampled_from([1.0, 2.0]))
ROW = st.builds(
    row,
    st.sampled_from("abc"),
    maybe(st.sampled_from(["0", "1", "2", "3"])),
    variant=st.sampled_from([None, None, None, "free"]),
    ttft_ms=maybe(FIGURE),
    tokens_per_s=maybe(FIGURE),
    context=maybe(st.sampled_from([1, 2])),
    parameters=maybe(st.sampled_from([(), ("seed",), ("seed", "tools")])),
)
PRICED_ONLY = st.builds(row, st.sampled_from("abc"), st.sampled_from(["0", "1", "2"]), context=st.sampled_from([1, 2]))


@given(st.lists(ROW | PRICED_ONLY, min_size=3, max_size=6))
def test_dominance_is_a_strict_order_among_providers(rows: list[Compared]) -> None:
    for each in rows:
        assert not dominates(each, each)
    for a, b in permutations(rows, 2):
        assert not (dominates(a, b) and dominates(b, a))
    for a, b, c in permutations(rows, 3):
        if dominates(a, b) and dominates(b, c) and a.endpoint.provider != c.endpoint.provider:
            assert dominates(a, c)


@given(st.lists(ROW | PRICED_ONLY, max_size=6))
def test_a_ranking_keeps_every_row_and_names_real_dominators(rows: list[Compared]) -> None:
    rows = [replace(each, endpoint=replace(each.endpoint, key=f"key-{n}")) for n, each in enumerate(rows)]
    found = ranked(rows)

    prices = [each.effective.usd_per_mtok if each.effective else Decimal("Infinity") for each in found]
    assert prices == sorted(prices)
    assert {each.endpoint.key for each in found} == {each.endpoint.key for each in rows}
    by_name = {each.endpoint.name: each for each in found}
    for each in found:
        better = [other for other in found if dominates(other, each)]
        assert (each.dominated_by is None) == (not better)
        assert each.dominated_by is None or by_name[each.dominated_by] in better


def test_a_ranking_says_what_each_lacks_and_puts_unknown_prices_last() -> None:
    rows = [
        row("unpriced", None, parameters=("seed",)),
        row("dear", "2", parameters=("temperature", "tools")),
        row("silent", "1"),
        row("free", "0", variant="free", parameters=()),
    ]

    assert [(each.endpoint.provider, each.lost_parameters) for each in ranked(rows)] == [
        ("free", ("seed", "temperature", "tools")),
        ("silent", None),
        ("dear", ("seed",)),
        ("unpriced", ("temperature", "tools")),
    ]


def test_the_cheapest_of_those_that_are_better_is_named() -> None:
    found = ranked([row("dear", "3"), row("cheap", "1"), row("middling", "2")])

    cheap = "openrouter:cheap/author/model"
    assert [each.dominated_by for each in found] == [None, cheap, cheap]


def test_a_switch_is_after_minus_before() -> None:
    before = row("nebius", "1.5", quantization="bf16", **KNOWN)
    after = row(
        "chutes",
        "0.525",
        ttft_ms=measured(350),
        tokens_per_s=measured(60),
        uptime_percent=measured(98.5),
        context=40_960,
        parameters=("seed", "tools"),
        quantization="fp8",
    )

    change = switch(before, after)

    assert (change.change_percent, change.saving_usd_per_mtok) == (Decimal(-65), Decimal("0.975"))
    assert (change.ttft_ms, change.tokens_per_s, change.uptime_points) == (-50, 10, -0.5)
    assert (change.lost_parameters, change.context) == (("temperature",), 40_960 - 131_072)
    assert change.quantization == ("bf16", "fp8")


def test_a_switch_of_which_nothing_is_known() -> None:
    known, unknown = row("nebius", **KNOWN), row("chutes", None)

    for change in (switch(known, unknown), switch(unknown, known)):
        assert (change.change_percent, change.saving_usd_per_mtok) == (None, None)
        assert (change.ttft_ms, change.tokens_per_s, change.uptime_points) == (None, None, None)
        assert (change.lost_parameters, change.context) == (None, None)


def test_a_switch_from_free_has_a_price_but_no_percentage() -> None:
    change = switch(row("free", "0"), row("paid", "2"))

    assert (change.change_percent, change.saving_usd_per_mtok) == (None, Decimal(-2))
    assert switch(row("paid", "2"), row("free", "0")).change_percent == -100


def test_a_switch_never_subtracts_what_is_reported_from_what_was_measured() -> None:
    assert switch(row("a", ttft_ms=measured(400)), row("b", ttft_ms=reported(300))).ttft_ms is None
    assert switch(row("a", ttft_ms=reported(400)), row("b", ttft_ms=reported(300))).ttft_ms == -100


def test_the_baseline_is_the_listers_own_price_else_the_dearest() -> None:
    own, cheap, dear = row("openrouter", "1.2"), row("cheap", "1"), row("dear", "2")
    unpriced = row("unpriced", None)

    assert baseline(ranked([cheap, own, dear, unpriced])) is not None
    assert baseline([cheap, own, dear, unpriced]) == own
    assert baseline([cheap, dear, unpriced]) == dear
    assert baseline([cheap, replace(own, effective=None)]) == cheap
    assert baseline([cheap, row("openrouter", "5", variant="free")]) is not None
    assert baseline([unpriced]) is None
    assert baseline([]) is None


def test_a_variant_is_not_the_baseline_where_there_is_anything_else() -> None:
    free = row("openrouter", "0", variant="free")

    assert baseline([free, row("dear", "2")]) == row("dear", "2")


def test_a_row_is_chosen_by_its_endpoint_or_provider() -> None:
    rows = [row("chutes"), replace(row("nebius"), endpoint=endpoint(provider="nebius", model="other/name"))]

    assert chosen(rows, "Chutes") == rows[0]
    assert chosen(rows, "openrouter:nebius/other/name") == rows[1]


def test_what_cannot_be_chosen_gets_one_sentence() -> None:
    with pytest.raises(UsageError) as refused:
        chosen([row("nebius"), row("chutes"), row("chutes", "2")], "acme")
    assert str(refused.value) == "No endpoint or provider 'acme' serves it then. There are: nebius, chutes."

    with pytest.raises(UsageError, match="There are: none"):
        chosen([], "acme")
