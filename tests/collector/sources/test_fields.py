"""Reading single values that nobody vouches for."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.sources.base import DEEPEST, Memo, Read, parse_json, storable
from collector.sources.fields import DEAREST_USD, RefusedError, clean_float, day, number, shown, usd, whole
from db.errors import InputError
from db.meters import decimal_text

amounts = st.decimals(0, DEAREST_USD, allow_nan=False, allow_infinity=False, places=None).filter(
    lambda amount: int(amount.as_tuple().exponent) >= -40
)
spaces = st.sampled_from(["", " ", "\n", "\t "])


@given(amounts, spaces, spaces)
def test_an_amount_is_read_as_the_same_value_however_it_is_written(amount: Decimal, before: str, after: str) -> None:
    for written in (str(amount), decimal_text(amount), f"{amount:e}", amount):
        read = usd(f"{before}{written}{after}" if isinstance(written, str) else written, "prompt")
        assert read == amount
        assert read is not None
        assert not read.is_signed()


@given(st.integers(0, int(DEAREST_USD)))
def test_a_whole_number_is_an_amount(amount: int) -> None:
    assert usd(amount, "prompt") == amount


@given(st.decimals(max_value=Decimal("-1e-40"), allow_nan=False, allow_infinity=False).filter(lambda a: a != -1))
def test_a_negative_amount_is_refused(amount: Decimal) -> None:
    with pytest.raises(RefusedError, match="prompt is negative"):
        usd(str(amount), "prompt")


@given(st.decimals(min_value=DEAREST_USD, allow_nan=False, allow_infinity=False).filter(lambda a: a > DEAREST_USD))
def test_an_amount_beyond_the_limit_is_refused(amount: Decimal) -> None:
    with pytest.raises(RefusedError, match="prompt is no plausible amount"):
        usd(amount, "prompt")


@given(st.one_of(st.none(), st.booleans(), st.floats(), st.text(), st.binary(), st.lists(st.integers())))
def test_anything_else_is_refused_with_a_short_reason_or_read_as_what_it_says(value: object) -> None:
    reason = None
    try:
        read = usd(value, "prompt")
    except RefusedError as refusal:
        reason = str(refusal)
    if reason is None:
        assert isinstance(value, str)
        assert value.strip().isascii()
        assert read == (None if Decimal(value.strip()) == -1 else Decimal(value.strip()))
    else:
        assert reason.isprintable()
        assert len(reason) < 200


@pytest.mark.parametrize(
    "value",
    ["NaN", "sNaN", "Infinity", "-Infinity", "1e400", "1e99999999999999999999", "1e-41", "1_0", "١", "0x1", "$1"],
)
def test_what_looks_like_a_number_and_is_no_plain_amount_is_refused(value: str) -> None:
    with pytest.raises(RefusedError):
        usd(value, "prompt")


@pytest.mark.parametrize(("value", "read"), [("-1", None), ("-1.0", None), (-1, None), ("-0", "0"), ("+2.50", "2.5")])
def test_minus_one_is_dynamic_and_minus_zero_is_zero(value: str | int, read: str | None) -> None:
    amount = usd(value, "prompt")

    assert amount is None if read is None else amount is not None and decimal_text(amount) == read


@given(st.integers(0, 10**7), st.integers(1, 9))
def test_a_number_that_a_person_wrote_survives_its_way_through_a_float(units: int, places: int) -> None:
    written = Decimal(units).scaleb(-places)

    assert clean_float(written) == written
    assert clean_float(Decimal(repr(float(written)))) == written
    # An artefact of arithmetic on it is undone.
    assert clean_float(Decimal(repr(float(written) * 3))) == written * 3


@pytest.mark.parametrize(
    ("value", "read"),
    [(5, 5), (Decimal("5.0"), 5), (-2, -2), (True, None), (Decimal("0.5"), None), ("5", None), (10**400, None)],
)
def test_whole_numbers(value: object, read: int | None) -> None:
    assert whole(value) == read


@pytest.mark.parametrize(
    ("value", "read"), [(5, 5.0), (Decimal("0.25"), 0.25), (True, None), (-1, None), ("5", None), (10**400, None)]
)
def test_figures(value: object, read: float | None) -> None:
    assert number(value) == read


@pytest.mark.parametrize(
    ("value", "read"),
    [("2026-08-22", "2026-08-22"), ("2025-06", "2025-06"), ("2025", "2025"), ("2026-08-22T10:00:00Z", "2026-08-22"),
     ("2026-13-01", None), ("soon", None), (2025, None)],
)  # fmt: skip
def test_days(value: object, read: str | None) -> None:
    assert day(value) == read


@given(
    st.recursive(
        st.none() | st.integers() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)
    )
)
def test_anything_can_be_shown_in_a_few_printable_characters(value: object) -> None:
    assert shown(value).isprintable()
    assert len(shown(value)) < 150


# Bodies


def test_numbers_keep_their_digits() -> None:
    read = parse_json(b'[0.00000008333333333333334, 1.10, 5, 1E-7, "0.1"]', "it")

    assert [str(value) for value in read] == ["8.333333333333334E-8", "1.10", "5", "1E-7", "0.1"]


@pytest.mark.parametrize("token", ["NaN", "Infinity", "-Infinity", "1e400", "1e99999999999999999999", "9" * 5000])
def test_one_impossible_number_does_not_cost_the_document(token: str) -> None:
    assert parse_json(f"[1, {token}]", "it") == [1, token]


@pytest.mark.parametrize(
    ("body", "name"),
    [
        (b'{"name": "a\xed\xa0\x80b"}', "a\ufffd\ufffd\ufffdb"),
        (b'{"name": "a\xffb"}', "a\ufffdb"),
        (rb'{"name": "\ud83d\ude00"}', "\U0001f600"),
        (b'\xef\xbb\xbf{"name": "caf\xc3\xa9"}', "café"),
    ],
)
def test_text_is_utf_8_and_what_is_not_is_replaced(body: bytes, name: str) -> None:
    assert parse_json(body, "it") == {"name": name}


@pytest.mark.parametrize("text", [r"a\u0000b", r"a\ud800b", r"a\udfffb"])
def test_characters_that_no_database_takes_are_replaced_where_an_item_is_read(text: str) -> None:
    seen: list[object] = []

    def parse(item: object) -> Read:
        seen.append(item)
        return Read()

    Memo().read("it", parse_json(f'{{"{text}": ["{text}"]}}', "it"), parse)

    assert seen == [{"a\ufffdb": ["a\ufffdb"]}]


@pytest.mark.parametrize("body", [b"[" * 100_000, b'{"a":' * 100_000, b"[" * 50_000 + b"]" * 50_000])
def test_a_document_nested_beyond_reading_is_refused(body: bytes) -> None:
    with pytest.raises(InputError, match="it is not usable: it is nested too deeply"):
        parse_json(body, "it")


def test_an_item_nested_too_deeply_is_cut_where_it_is_read() -> None:
    deep = parse_json("[" * 500 + "]" * 500, "it")
    seen: list[object] = []

    def parse(item: object) -> Read:
        seen.append(item)
        return Read()

    memo = Memo()
    memo.read("deep", {"price": 1, "more": deep}, parse)
    memo.read("deep", {"price": 1, "more": deep}, parse)

    assert str(seen[0]).count("[") == DEEPEST - 1
    assert "nested more than 40 levels deep" in str(seen[0])
    assert storable(seen[0]) == seen[0]


def test_a_bad_character_is_replaced_when_it_comes_and_as_long_as_it_stays() -> None:
    memo = Memo()
    bodies = [
        {"name": "a", "more": 1},
        {"name": "a\0", "more": 1},
        {"name": "a\0", "more": 2},
        {"name": "a", "more": 2},
    ]
    seen: list[object] = []

    def parse(item: object) -> Read:
        seen.append(item)
        return Read()

    for body in bodies:
        memo.read("it", body, parse)

    assert [str(each) for each in seen] == [str(body).replace("\\x00", "\ufffd") for body in bodies]
