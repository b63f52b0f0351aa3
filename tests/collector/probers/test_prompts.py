"""Prompts that no cache has seen, and what a probe can cost at most."""

from decimal import Decimal
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.probers import PROBERS
from collector.probers.prompts import text, tokens_at_most
from db.probes.facts import Prompt, Target

RATE = Decimal("0.00000008333333333333334")


@pytest.mark.parametrize(("prompt", "least", "most"), [(Prompt.SHORT, 70, 130), (Prompt.LONG, 9_500, 10_500)])
def test_prompts_are_about_as_long_as_they_are_called(prompt: Prompt, least: int, most: int) -> None:
    assert least <= len(text(prompt, "0123456789abcdef").split()) <= most


@given(st.sets(st.text("0123456789abcdef", min_size=16, max_size=16), min_size=2, max_size=4), st.sampled_from(Prompt))
def test_two_prompts_part_at_their_nonce(nonces: set[str], prompt: Prompt) -> None:
    for one, other in combinations(nonces, 2):
        assert text(prompt, one)[: len("Request ") + 16] != text(prompt, other)[: len("Request ") + 16]
        assert text(prompt, one).split()[10:] != text(prompt, other).split()[10:]


def test_a_prompt_is_plain_ascii_and_the_same_for_the_same_nonce() -> None:
    assert text(Prompt.LONG, "a").isascii()
    assert text(Prompt.LONG, "a") == text(Prompt.LONG, "a")


@pytest.mark.parametrize("prompt", Prompt)
def test_the_estimate_covers_two_tokens_a_word_and_the_longest_answer(prompt: Prompt) -> None:
    target = Target("t", "chat", "http://127.0.0.1", model="m", max_tokens=50)
    words = len(text(prompt, "f" * 16).split())

    estimate = PROBERS["chat"].estimate(target, prompt, RATE, 4 * RATE)

    assert estimate == tokens_at_most(prompt) * RATE + 200 * RATE
    assert estimate > 2 * words * RATE + 200 * RATE


def test_free_is_free() -> None:
    target = Target("t", "chat", "http://127.0.0.1", model="m")

    assert PROBERS["chat"].estimate(target, Prompt.SHORT, Decimal(0), Decimal(0)) == 0
    assert PROBERS["reach"].estimate(target, None, Decimal(1), Decimal(1)) == 0
