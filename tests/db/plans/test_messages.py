"""Quiet hours, how many messages an hour, when to try again, what is written."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from db.plans.alerts import Alert
from db.plans.messages import (
    LONGEST_PAUSE,
    MOST_ATTEMPTS,
    Message,
    Quiet,
    bundles,
    message_uid,
    pause,
    quiet_hours,
)
from tests.db.plans.made import NOON, after, alert

BERLIN = ZoneInfo("Europe/Berlin")


def night(text: str = "22:00-07:00", zone: str = "Europe/Berlin") -> Quiet:
    quiet = quiet_hours(text, zone)
    assert quiet is not None
    return quiet


def quiet_minutes(quiet: Quiet, since: datetime, hours: int) -> int:
    return sum(quiet.covers(since + timedelta(minutes=minute)) for minute in range(hours * 60))


def test_quiet_hours_follow_the_clocks_of_their_zone_and_may_span_midnight() -> None:
    quiet = night()

    shown = {hour: quiet.covers(datetime(2026, 1, 6, hour, tzinfo=UTC)) for hour in (5, 6, 20, 21)}
    assert shown == {5: True, 6: False, 20: False, 21: True}


@pytest.mark.parametrize(
    ("noon", "hours"),
    [("2026-01-06T12:00:00Z", 9), ("2026-03-28T12:00:00Z", 8), ("2026-10-24T12:00:00Z", 10)],
)
def test_the_night_in_which_the_clocks_change_is_an_hour_shorter_or_longer(noon: str, hours: int) -> None:
    assert quiet_minutes(night(), datetime.fromisoformat(noon), 24) == hours * 60


def test_an_end_that_the_clocks_skip_or_show_twice_ends_all_the_same() -> None:
    quiet = night("22:00-02:30")
    spring, autumn = datetime(2026, 3, 29, 1, tzinfo=UTC), datetime(2026, 10, 25, 1, 30, tzinfo=UTC)

    # 02:00 becomes 03:00 at 01:00 UTC; 03:00 becomes 02:00 at 01:00 UTC.
    assert (quiet.covers(spring - timedelta(minutes=1)), quiet.covers(spring)) == (True, False)
    assert (quiet.covers(autumn - timedelta(minutes=1)), quiet.covers(autumn)) == (True, False)


def test_no_quiet_hours_are_none() -> None:
    assert quiet_hours("", "UTC") is None


@pytest.mark.parametrize(
    ("text", "zone"), [("22", "UTC"), ("a-b", "UTC"), ("22:00-22:00", "UTC"), ("1:00-2:00", "UTC")]
)
def test_what_are_no_quiet_hours_is_refused(text: str, zone: str) -> None:
    with pytest.raises(ValueError, match="like 22:00-07:00"):
        quiet_hours(text, zone)


@pytest.mark.parametrize("zone", ["Mars/Base", "../etc/passwd", ""])
def test_a_zone_that_is_none_is_refused(zone: str) -> None:
    with pytest.raises(ValueError, match="time zone"):
        quiet_hours("22:00-07:00", zone)


def numbers(made: Sequence[Sequence[Alert]]) -> list[list[int]]:
    return [[each.id for each in part] for part in made]


def test_each_alert_is_a_message_and_urgent_ones_go_first() -> None:
    waiting = [alert(1), alert(2, urgent=True), alert(3)]

    assert numbers(bundles(waiting, 10, None, NOON)) == [[2], [1], [3]]


def test_what_exceeds_the_room_is_one_summary() -> None:
    waiting = [alert(number) for number in range(1, 8)]

    assert numbers(bundles(waiting, 3, None, NOON)) == [[1], [2], [3, 4, 5, 6, 7]]
    assert numbers(bundles(waiting, 1, None, NOON)) == [[1, 2, 3, 4, 5, 6, 7]]
    assert numbers(bundles(waiting, 0, None, NOON)) == []


def test_what_was_held_overnight_comes_as_one_summary_in_the_morning() -> None:
    quiet = night()
    evening, morning = datetime(2026, 1, 6, 22, tzinfo=UTC), datetime(2026, 1, 7, 6, tzinfo=UTC)
    waiting = [alert(1, at=evening), alert(2, at=evening, urgent=True), alert(3, at=evening), alert(4, at=morning)]

    assert numbers(bundles(waiting, 10, quiet, evening)) == [[2]]
    assert numbers(bundles([waiting[0], *waiting[2:]], 10, quiet, morning)) == [[4], [1, 3]]


@given(st.lists(st.booleans(), max_size=30), st.integers(-2, 12), st.integers(0, 23), st.booleans())
def test_no_alert_is_lost_or_told_twice_and_the_room_is_kept(
    urgent: list[bool], room: int, hour: int, is_quiet: bool
) -> None:
    waiting = [alert(i + 1, urgent=each, at=after(hours=i % 24)) for i, each in enumerate(urgent)]
    quiet = night() if is_quiet else None
    now = after(hours=hour)
    made = bundles(waiting, room, quiet, now)
    told = [each.id for part in made for each in part]

    assert len(made) <= max(0, room)
    assert len(told) == len(set(told))
    ready = {each.id for each in waiting if each.urgent or quiet is None or not quiet.covers(now)}
    assert set(told) == (ready if room > 0 else set())


def test_the_identity_of_a_message_is_what_it_tells_and_to_whom() -> None:
    told = [alert(1), alert(2)]

    assert message_uid("oncall", told) == message_uid("oncall", told)
    assert len({message_uid("oncall", told), message_uid("mail", told), message_uid("oncall", told[:1])}) == 3


def test_pauses_grow_to_an_hour_and_differ_a_little() -> None:
    pauses = [pause("uid", attempt) for attempt in range(1, MOST_ATTEMPTS + 1)]

    assert timedelta(seconds=48) <= pauses[0] <= timedelta(seconds=72)
    assert all(each <= LONGEST_PAUSE * 1.2 for each in pauses)
    assert timedelta(hours=4) < sum(pauses, timedelta(0)) < timedelta(hours=9)
    assert pause("uid", 3) == pause("uid", 3) != pause("another", 3)


def test_one_alert_is_written_whole_and_many_as_a_list() -> None:
    one = Message(1, "abc", "oncall", 1, (alert(1),))
    many = Message(1, "abc", "oncall", 1, tuple(alert(number) for number in range(1, 51)))

    assert (one.title, one.body) == ("Ratecard: Alert 1", "Alert 1\n\nMessage abc")
    assert many.title == "Ratecard: 50 alerts"
    assert many.body.splitlines()[0] == "2026-01-06 12:00 UTC  Alert 1"
    assert "and 10 more: `ratecard alerts list`" in many.body


def test_a_name_from_elsewhere_calls_nobody() -> None:
    hostile = Message(1, "abc", "oncall", 1, (replace(alert(1), title="<!channel> @everyone"),))

    assert hostile.title == "Ratecard: ‹!channel› everyone"
