"""Streams as servers really send them, byte for byte: what counts as a token, and in what form it may come."""

import json
from decimal import Decimal
from typing import Any, Final

import pytest

from db.probes.facts import Outcome
from tests.collector.probers.probing import DONE, PROCESSING, ROLE, STOP, delta, outcome_of, usage
from tests.support.stream import HANG, chunked, event

PAUSE_S: Final = 0.1
"""A busy machine may see a piece late, which shortens what it measures; half of this is allowed for."""

# What counts as a token


@pytest.mark.parametrize(
    "first",
    [ROLE, PROCESSING, delta(content=None), delta(reasoning=""), delta(), event({"choices": []}), b"data: {}\n\n"],
    ids=["role only", "comment", "null", "empty reasoning", "empty delta", "no choices", "empty chunk"],
)
def test_what_holds_no_text_is_no_first_token(first: bytes) -> None:
    found = outcome_of(chunked(first, PAUSE_S, delta(content="one"), STOP, DONE))

    assert found.outcome is Outcome.OK
    assert found.ttft_ms is not None
    assert found.ttft_ms >= PAUSE_S * 1000


@pytest.mark.parametrize("name", ["reasoning", "reasoning_content"])
def test_a_thought_is_a_first_token_but_no_first_answer(name: str) -> None:
    script = chunked(PROCESSING, ROLE, delta(**{name: "hmm"}), PAUSE_S, delta(content="one"), usage(9), STOP, DONE)

    found = outcome_of(script)

    assert found.outcome is Outcome.OK
    assert found.ttft_ms is not None
    assert found.ttfat_ms is not None
    assert found.ttfat_ms - found.ttft_ms >= PAUSE_S * 1000 / 2


def test_a_reasoning_model_that_ran_out_of_tokens_has_no_answer_and_is_up() -> None:
    script = chunked(delta(reasoning="hmm"), delta(finish="length"), usage(64), DONE)

    found = outcome_of(script)

    assert (found.outcome, found.ttfat_ms, found.output_tokens) == (Outcome.OK, None, 64)
    assert found.ttft_ms is not None


def test_speed_counts_the_tokens_of_the_server_not_its_chunks() -> None:
    several = delta(content="one two three four ")
    found = outcome_of(chunked(ROLE, several, PAUSE_S, several, PAUSE_S, several, STOP, usage(13), DONE))

    assert found.tokens_per_s is not None
    # Twelve tokens after the first, in two pauses; the chunks alone would be two.
    assert 12 / (20 * PAUSE_S) < found.tokens_per_s <= 12 / (2 * PAUSE_S / 2)


def test_thoughts_that_were_not_streamed_do_not_make_a_server_fast() -> None:
    details = {"reasoning_tokens": 50}
    last = usage(53, completion_tokens_details=details)
    silent = outcome_of(chunked(delta(content="a"), PAUSE_S, delta(content="b"), STOP, last, DONE))
    aloud = outcome_of(chunked(delta(reasoning="a"), PAUSE_S, delta(content="b"), STOP, last, DONE))

    assert silent.output_tokens == aloud.output_tokens == 53
    assert silent.tokens_per_s is not None
    assert aloud.tokens_per_s is not None
    assert silent.tokens_per_s <= 2 / (PAUSE_S / 2)
    assert aloud.tokens_per_s > 5 * silent.tokens_per_s


@pytest.mark.parametrize("tokens", [None, 1, 0, "many", 2.5, True, -3, 10**30])
def test_without_a_count_of_two_there_is_no_speed(tokens: Any) -> None:
    found = outcome_of(chunked(delta(content="a"), PAUSE_S, delta(content="b"), STOP, usage(tokens), DONE))

    assert (found.outcome, found.tokens_per_s) == (Outcome.OK, None)
    assert found.output_tokens == (tokens if type(tokens) is int and 0 <= tokens < 10 else None)


def test_an_answer_in_one_piece_has_no_speed() -> None:
    found = outcome_of(chunked(ROLE + delta(content="a") + delta(content="b") + STOP + usage(2) + DONE))

    assert (found.outcome, found.tokens_per_s) == (Outcome.OK, None)


@pytest.mark.parametrize(
    ("said", "cost"),
    [
        ("0.000000083333333333333334", "0.000000083333333333333334"),
        ("1.2e-7", "1.2E-7"),
        ("0", "0"),
        ('"0.5"', None),
        ("true", None),
        ("-0.1", None),
        ("NaN", None),
        ("Infinity", None),
        ("1e400", None),
        ("1e-400", None),
        ("null", None),
    ],
)
def test_cost_is_an_exact_amount_or_unknown(said: str, cost: str | None) -> None:
    chunk = b'data: {"choices": [], "usage": {"completion_tokens": 1, "cost": %b}}\n\n' % said.encode()

    found = outcome_of(chunked(delta(content="a"), STOP, chunk, DONE))

    assert found.outcome is Outcome.OK
    assert found.cost_usd == (None if cost is None else Decimal(cost))


# How the bytes come


def test_line_ends_comments_and_lines_of_data_in_any_form() -> None:
    stream = ROLE + PROCESSING + delta(content="one") + STOP + usage(1) + DONE
    in_lines = json.dumps(json.loads(delta(content="one")[6:]), indent=1).encode().replace(b"\n", b"\ndata: ")
    forms = [
        stream.replace(b"\n", b"\r\n"),
        stream.replace(b"\n", b"\r"),
        stream.replace(b"data: ", b"data:"),
        b"\xef\xbb\xbf" + stream,
        b"data: " + in_lines + b"\n\n" + STOP + usage(1) + DONE,
    ]

    for form in forms:
        found = outcome_of(chunked(form))
        assert (found.outcome, found.output_tokens) == (Outcome.OK, 1)


def test_chunks_cut_inside_a_character_and_inside_a_line_end() -> None:
    emoji = '{"choices": [{"delta": {"content": "\U0001f600"}, "finish_reason": "stop"}], "provider": "Größe"}'
    stream = b"data: " + emoji.encode() + b"\r\n\r\n" + DONE
    inside = [stream.index(b"\xf0") + 2, stream.index(b"\xb6") + 0, stream.index(b"\r\n") + 1]
    first, second, third = sorted(inside)

    script = chunked(stream[:first], 0.005, stream[first:second], 0.005, stream[second:third], 0.005, stream[third:])
    found = outcome_of(script)

    assert (found.outcome, found.provider) == (Outcome.OK, "Größe")


def test_a_stream_of_single_bytes_is_the_same_stream() -> None:
    stream = ROLE + delta(content="one") + STOP + usage(1) + DONE

    assert outcome_of(chunked(*(bytes([byte]) for byte in stream))).outcome is Outcome.OK


def test_a_body_without_a_length_ends_with_the_connection() -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n"

    assert outcome_of([head, delta(content="a") + STOP + DONE]).outcome is Outcome.OK


def test_the_last_event_may_lack_its_blank_line() -> None:
    assert outcome_of(chunked(delta(content="a"), STOP, b"data: [DONE]")).outcome is Outcome.OK


def test_what_comes_after_the_end_is_not_waited_for() -> None:
    found = outcome_of(chunked(delta(content="a") + STOP + DONE, HANG))

    assert found.outcome is Outcome.OK
    assert found.total_ms == found.ttft_ms
