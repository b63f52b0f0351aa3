"""From alerts to messages: quiet hours, how many an hour, when to try again, what is written. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from hashlib import blake2b
from itertools import chain
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from db.plans.alerts import Alert, minute

MOST_ATTEMPTS: Final = 12
"""With the pauses between them some seven hours; then a message is given up."""
FIRST_PAUSE: Final = timedelta(minutes=1)
LONGEST_PAUSE: Final = timedelta(hours=1)
JITTER: Final = 0.2
MOST_LISTED: Final = 40
"""Alerts that a summary names; it counts the others."""


@dataclass(frozen=True, slots=True)
class Quiet:
    """Hours of the day in which only what is urgent is sent: from `start` to before `end` by the clocks of `zone`."""

    start: time
    end: time
    zone: ZoneInfo

    def covers(self, at: datetime) -> bool:
        """Whether the clocks of the zone show a quiet hour at that instant; so a night is as long as it is there."""
        shown = at.astimezone(self.zone).time()
        if self.start < self.end:
            return self.start <= shown < self.end
        return shown >= self.start or shown < self.end


def quiet_hours(text: str, zone: str) -> Quiet | None:
    """`22:00-07:00` in a time zone as quiet hours; None of an empty text. Raises ValueError for what is none."""
    if not text:
        return None
    try:
        start, end = (time.fromisoformat(part.strip()) for part in text.split("-"))
    except ValueError as error:
        raise ValueError("quiet hours are written like 22:00-07:00") from error
    if start == end or start.tzinfo or end.tzinfo:
        raise ValueError("quiet hours are from one time of the day to another, like 22:00-07:00")
    try:
        return Quiet(start, end, ZoneInfo(zone))
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ValueError("the time zone of the quiet hours is not known; write it like Europe/Berlin") from error


@dataclass(frozen=True, slots=True)
class Message:
    """What is sent to one channel at once: one alert, or several as a summary.

    `uid`: the same at every attempt, so that a receiver can tell a repetition; `attempts`: this one included.
    """

    id: int
    uid: str
    channel: str
    attempts: int
    alerts: tuple[Alert, ...]

    @property
    def title(self) -> str:
        if len(self.alerts) == 1:
            return f"Ratecard: {_harmless(self.alerts[0].title)}"
        return f"Ratecard: {len(self.alerts)} alerts"

    @property
    def body(self) -> str:
        """Plain text; the last line names the message."""
        if len(self.alerts) == 1:
            told = [_harmless(self.alerts[0].text) or _harmless(self.alerts[0].title)]
        else:
            told = [f"{minute(each.raised_at)}  {_harmless(each.title)}" for each in self.alerts[:MOST_LISTED]]
            if (others := len(self.alerts) - MOST_LISTED) > 0:
                told.append(f"and {others} more: `ratecard alerts list`")
        return "\n".join([*told, "", f"Message {self.uid}"])


def _harmless(text: str) -> str:
    """Names come from elsewhere: nothing in them may become markup, or call a whole chat room."""
    return text.replace("<", "‹").replace(">", "›").replace("@everyone", "everyone").replace("@here", "here")


def bundles(waiting: Iterable[Alert], room: int, quiet: Quiet | None, now: datetime) -> list[tuple[Alert, ...]]:
    """The messages that the alerts which wait for a channel become now, of which there may be `room`.

    What is not urgent waits for the end of the quiet hours, and then comes as one summary. What exceeds the room
    becomes one summary too; without any, all wait. Urgent ones go first.
    """
    is_quiet = quiet is not None and quiet.covers(now)
    ready = sorted(
        (each for each in waiting if each.urgent or not is_quiet), key=lambda each: (not each.urgent, each.id)
    )
    held = [each for each in ready if quiet is not None and not each.urgent and quiet.covers(each.raised_at)]
    parts: list[tuple[Alert, ...]] = [(each,) for each in ready if each not in held]
    parts += [tuple(held)] if held else []
    if len(parts) <= room:
        return parts
    if room <= 0:
        return []
    rest = sorted(chain.from_iterable(parts[room - 1 :]), key=lambda each: each.id)
    return [*parts[: room - 1], tuple(rest)]


def message_uid(channel: str, alerts: Sequence[Alert]) -> str:
    """The identity of a message: what it tells, and to whom."""
    told = "\n".join([channel, *(each.key for each in alerts)])
    return blake2b(told.encode(), digest_size=8).hexdigest()


def pause(uid: str, attempts: int) -> timedelta:
    """How long to wait after so many attempts failed: doubled each time, and a little different for each message."""
    usual: timedelta = min(FIRST_PAUSE * 2 ** min(attempts - 1, 10), LONGEST_PAUSE)
    draw = blake2b(f"{uid} {attempts}".encode(), digest_size=4).digest()
    share = int.from_bytes(draw) / 2**32
    return usual * (1 - JITTER + 2 * JITTER * share)
