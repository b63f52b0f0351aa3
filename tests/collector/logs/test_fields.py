"""Reading single values of a log that nobody vouches for."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.logs.base import Context, RefusedError
from collector.logs.fields import MOST_UNITS, added, count, instant, split, unix, usd
from collector.logs.names import digest, identity, key_name, last_part, name, tags, variant
from tests.collector.logs.parsing import CONTEXT, IN_BERLIN, NOW


@pytest.mark.parametrize(
    ("value", "units"), [(None, 0), ("", 0), (0, 0), (5, 5), (Decimal("5.0"), 5), ("12", 12), (" 3 ", 3), ("1e3", 1000)]
)
def test_a_count_is_a_whole_number(value: Any, units: int) -> None:
    assert count(value, "tokens") == units


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (-5, "tokens is negative: '-5'"),
        ("-5", "tokens is negative: '-5'"),
        (Decimal("0.5"), "tokens is not whole: '0.5'"),
        (True, "tokens is not a number: 'True'"),
        ("true", "tokens is not a number: 'true'"),
        ("12 tokens", "tokens is not a number: '12 tokens'"),
        ("NaN", "tokens is not a number: 'NaN'"),
        ([1], "tokens is not a number: '[1]'"),
        (MOST_UNITS + 1, "tokens is beyond any count: '1000000000001'"),
        ("1e999999", "tokens is beyond any count: '1e999999'"),
        ("٣", "tokens is not a number: '٣'"),
    ],
)
def test_what_is_no_count_is_refused(value: Any, reason: str) -> None:
    with pytest.raises(RefusedError) as refusal:
        count(value, "tokens")

    assert str(refusal.value) == reason


@given(st.one_of(st.none(), st.booleans(), st.integers(), st.decimals(), st.text(), st.lists(st.integers())))
def test_any_value_is_a_count_or_refused_with_a_short_reason(value: Any) -> None:
    reason = ""
    try:
        assert 0 <= count(value, "tokens") <= MOST_UNITS
    except RefusedError as refused:
        reason = str(refused)

    assert reason.isprintable()
    assert len(reason) < 200


@given(st.integers(0, 10**6), st.integers(0, 10**6))
def test_splitting_keeps_every_unit_once(part: int, other: int) -> None:
    meters = split(part + other, "prompt_tokens", "prompt", {"input_cache_read": part})

    assert sum(meters.values()) == part + other
    assert meters["prompt"] == other


def test_parts_that_exceed_their_whole_are_refused() -> None:
    with pytest.raises(
        RefusedError, match=r"^input_cache_read \(7\) and audio \(4\) exceed prompt_tokens \(10\), which"
    ):
        split(10, "prompt_tokens", "prompt", {"input_cache_read": 7, "input_cache_write": 0, "audio": 4})


@given(st.decimals(0, 10**9, allow_nan=False, places=15))
def test_an_amount_is_exact_however_it_is_written(amount: Decimal) -> None:
    assert usd(amount, "cost") == usd(str(amount), "cost") == usd(f"{amount:e}", "cost") == amount


@pytest.mark.parametrize("value", [-1, "-0.1", True, "$5", "1,5", "NaN", "1e400", Decimal("1e-41"), [1], 10**10])
def test_what_is_no_amount_is_refused(value: Any) -> None:
    with pytest.raises(RefusedError, match=r"^cost (is|has) "):
        usd(value, "cost")


def test_amounts_are_added_without_rounding() -> None:
    assert added(Decimal(1), None, Decimal(2)) == 3
    assert str(added(Decimal(10**8), Decimal("1e-30"))) == "100000000.000000000000000000000000000001"
    assert added(None, None) is None


@pytest.mark.parametrize(
    "written",
    [
        "2026-03-02T10:00:00Z",
        "2026-03-02 10:00:00+00:00",
        "2026-03-02T10:00:00.000000000Z",
        "2026-03-02T11:00:00+01:00",
        "2026-03-02 10:00:00 UTC",
        "2026-03-02 10:00:00+00",
    ],
)
def test_a_time_is_an_instant_in_utc(written: str) -> None:
    at = instant(written, CONTEXT, "time")

    assert at == datetime(2026, 3, 2, 10, tzinfo=UTC)
    assert at.tzinfo is UTC


def test_a_time_without_a_zone_is_in_the_named_one_or_refused() -> None:
    with pytest.raises(RefusedError, match=r"time has no time zone: '2026-03-02 10:00:00'; --timezone names it"):
        instant("2026-03-02 10:00:00", CONTEXT, "time")

    assert instant("2026-03-02 10:00:00", IN_BERLIN, "time") == datetime(2026, 3, 2, 9, tzinfo=UTC)
    assert instant("2026-03-02 10:00:00", IN_BERLIN, "time", implied=UTC).hour == 10
    assert instant("2026-03-02T10:00:00Z", IN_BERLIN, "time").hour == 10


@pytest.mark.parametrize(
    "value",
    [
        *("", None, 5, True, "now", "20260302", "2026-13-01T00:00:00Z", "1970-01-01T00:00:00Z"),
        *("0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "2026-03-12T00:00:00Z", "2026-03-02" + " " * 40),
    ],
)
def test_what_is_no_time_of_a_request_is_refused(value: Any) -> None:
    with pytest.raises(RefusedError, match=r"^time (is|lies) "):
        instant(value, CONTEXT, "time")


def test_a_clock_may_be_a_day_ahead() -> None:
    ahead = (NOW + timedelta(hours=23)).isoformat()

    assert instant(ahead, CONTEXT, "time") > NOW


@pytest.mark.parametrize(
    ("value", "per_second"),
    [
        *((1772445600, 1), ("1772445600", 1), (Decimal("1772445600.0"), 1), (1772445600000, 10**3)),
        *((1772445600 * 10**6, 10**6), (str(1772445600 * 10**9), 10**9)),
    ],
)
def test_a_unix_time_is_read_in_its_unit(value: Any, per_second: int) -> None:
    assert unix(value, CONTEXT, "time", per_second) == datetime(2026, 3, 2, 10, tzinfo=UTC)


@pytest.mark.parametrize("value", [None, "", -1, 0, True, "soon", 1772445600000, 10**300, Decimal("1e300"), [1]])
def test_what_is_no_unix_time_is_refused(value: Any) -> None:
    with pytest.raises(RefusedError, match=r"^time (is|lies) "):
        unix(value, CONTEXT, "time")


def test_a_zone_is_no_excuse_for_the_future() -> None:
    context = Context(NOW, ZoneInfo("Pacific/Kiritimati"))

    assert instant("2026-03-12 00:00:00", context, "time") == datetime(2026, 3, 11, 10, tzinfo=UTC)


@pytest.mark.parametrize(
    ("value", "called"),
    [
        ("acme/atlas-1:free", "acme/atlas-1:free"),
        ("  Support\n\tbot\x00 ", "Support bot"),
        ("a\ud800b", "a b"),
        ("x" * 500, "x" * 199 + "…"),
        (12, "12"),
        *((value, "") for value in (None, True, 1.5, [1], {"a": 1}, Decimal(5))),
        ("sk-learn-models", "sk-learn-models"),
        ("key sk-proj-abcdEFGH12345678wxyz used", "key sk-proj-…wxyz used"),
        ("sk-or-v1-0123456789abcdef", "sk-or-v1-…cdef"),
        ("sk-1234", "sk-…"),
        ("sk-or-v1-0e6...1c96", "sk-or-v1-0e6...1c96"),
        ("gsk_abcd1234abcd1234", "gsk_…1234"),
    ],
)
def test_a_name_is_printable_short_and_no_secret(value: Any, called: str) -> None:
    assert name(value) == called


@pytest.mark.parametrize(
    ("value", "label"),
    [
        ("team-a", "team-a"),
        ("production backend service 2", "production backend service 2"),
        ("production-backend-service-key", "production-backend-service-key"),
        ("key_AbCdEfGh12345678AbCdEfGh", "key_AbCdEfGh12345678AbCdEfGh"),
        ("5b3c0d3e-0000-4000-8000-000000000001", "5b3c0d3e-0000-4000-8000-000000000001"),
        ("88dc28d0f030c55ed4ab77ed8faf098196cb1c05df778539800c9f1243fe6b4b",) * 2,
        ("0123456789abcdef0123456789abcdef", "…cdef"),
        ("AbCdEfGh12345678AbCdEfGh", "…EfGh"),
    ],
)
def test_an_api_key_is_known_by_its_label_id_or_hash_only(value: str, label: str) -> None:
    assert key_name(value) == label


def test_tags_are_few_and_plain() -> None:
    assert tags([("a", 1), ("", "x"), (None, "x"), ("b", None), ("c", True), ("d", {"e": 1})]) == {
        "a": "1",
        "c": "true",
    }
    assert len(tags((str(i), "x") for i in range(100))) == 20


def test_service_tiers_are_variants() -> None:
    assert [
        variant(each) for each in ("standard", "default", None, "flex_discount", "Batch", "priority_on_demand")
    ] == [*("", "", "", "flex", "batch", "priority")]


def test_a_folder_is_called_by_its_last_part() -> None:
    assert [last_part(each) for each in ("/home/ana/shop", "C:\\code\\shop", "shop", "", "/")] == [
        *["shop"] * 3,
        "",
        "",
    ]


def test_a_key_names_its_format_and_survives_odd_ids() -> None:
    assert identity("claude_code", "msg_1", "req_1") == "claude_code:msg_1:req_1"
    assert identity("claude_code", "msg_1", None) is None
    assert identity("x", "a" * 300) == digest("x", "a" * 300)
    assert identity("x", "a" * 300) != identity("x", "a" * 301)
    assert identity("x", "é\ud800") == digest("x", "é\ud800")
