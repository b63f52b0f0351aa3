"""When a failing source is left alone. Pure: it follows from the stored polls, so it survives a restart."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from db.polls.facts import Poll

PATIENCE: Final = 3
"""Failures in a row before a source is left alone for longer than its usual interval."""
LONGEST: Final = timedelta(hours=12)


def closed_until(failures: Sequence[Poll], every: timedelta) -> datetime | None:
    """Until when not to poll a source whose last polls, newest first, failed; None: poll it.

    A pause that the source asked for (Retry-After) is kept in any case. From the third failure in a row on, the pause
    is the usual interval, doubled with each further failure, up to 12 hours.
    """
    if not failures:
        return None
    asked = max((poll.retry_at for poll in failures if poll.retry_at is not None), default=None)
    if len(failures) < PATIENCE:
        return asked
    pause: timedelta = min(every * 2 ** min(len(failures) - PATIENCE, 10), LONGEST)
    until = failures[0].observed_at + pause
    return max(until, asked) if asked is not None else until
