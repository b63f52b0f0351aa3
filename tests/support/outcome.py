"""Waiting for what a test expects, and for no longer."""

import time
from collections.abc import Callable

PATIENCE_S = 60


def eventually(outcome: Callable[[], bool], what: str) -> None:
    """Return as soon as the outcome is there; fail, saying what was waited for, if it never comes."""
    give_up = time.monotonic() + PATIENCE_S
    while not outcome():
        assert time.monotonic() < give_up, f"waited {PATIENCE_S} s for {what}"
        time.sleep(0.01)
