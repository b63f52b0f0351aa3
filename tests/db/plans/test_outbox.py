"""The outbox: rows first, each message sent once, whatever dies when."""

from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from sqlalchemy import Engine

from db.engine import reading, writing
from db.plans import alert_read, outbox
from db.plans.alerts import Alert, Decision, Kind, Verdict, decide
from db.plans.messages import MOST_ATTEMPTS, Message, quiet_hours
from tests.db.plans.made import NOON, after, finding, raised

ALL = tuple(Kind)
LEASE = timedelta(seconds=30)
ONCALL = {"oncall": ALL}


def record(engine: Engine, decision: Decision, channels: Mapping[str, Collection[Kind]] | None = None) -> list[Alert]:
    with writing(engine) as connection:
        return outbox.record(connection, decision, ONCALL if channels is None else channels, NOON)


def compose(engine: Engine, now: datetime = NOON, an_hour: int = 10, channel: str = "oncall") -> int:
    with writing(engine) as connection:
        return outbox.compose(connection, channel, an_hour, None, now)


def claim(engine: Engine, now: datetime = NOON, channel: str = "oncall") -> Message | None:
    with writing(engine) as connection:
        return outbox.claim(connection, channel, LEASE, None, now)


def claimed(engine: Engine, now: datetime = NOON) -> Message:
    message = claim(engine, now)
    assert message is not None
    return message


def sent(engine: Engine, message: Message, now: datetime = NOON) -> None:
    with writing(engine) as connection:
        outbox.mark_sent(connection, message, now)


def failed(engine: Engine, message: Message, now: datetime = NOON) -> None:
    with writing(engine) as connection:
        outbox.mark_failed(connection, message, "answered 500", now)


def deliveries(engine: Engine) -> list[tuple[str, str, int]]:
    """(channel, state, attempts) of every delivery, oldest alert first."""
    with reading(engine) as connection:
        found = alert_read.alerts(connection)
    return [(each.channel, each.state, each.attempts) for told in reversed(found) for each in told.deliveries]


def test_an_alert_is_written_once_with_a_delivery_for_each_channel_that_wants_it(engine: Engine) -> None:
    channels = {"oncall": (Kind.PRICE,), "mail": ALL, "budgets": (Kind.BUDGET,)}

    assert [each.key for each in record(engine, raised(1), channels)] == ["key-1"]
    assert record(engine, raised(1), channels) == []
    assert deliveries(engine) == [("mail", "waiting", 0), ("oncall", "waiting", 0)]


def test_a_message_goes_out_once(engine: Engine) -> None:
    record(engine, raised(1))
    assert compose(engine) == 1
    assert compose(engine) == 0

    message = claimed(engine)
    assert claim(engine) is None
    sent(engine, message)
    assert [each.title for each in message.alerts] == ["Alert 1"]
    assert claim(engine, after(days=1)) is None
    assert deliveries(engine) == [("oncall", "sent", 1)]


def test_who_died_with_a_message_is_followed_by_another_who_sends_it_as_the_same(engine: Engine) -> None:
    record(engine, raised(1))
    compose(engine)
    first = claimed(engine)

    assert claim(engine, NOON + LEASE - timedelta(microseconds=1)) is None
    again = claimed(engine, NOON + LEASE)
    assert (again.uid, again.attempts) == (first.uid, 2)
    # The first was only slow: what it says still counts where it was sent, and not where it failed.
    failed(engine, first, NOON + LEASE)
    assert deliveries(engine) == [("oncall", "due", 2)]
    sent(engine, first, NOON + LEASE)
    failed(engine, again, NOON + LEASE)
    assert deliveries(engine) == [("oncall", "sent", 2)]


def test_a_failed_attempt_is_repeated_later_and_given_up_in_the_end(engine: Engine) -> None:
    record(engine, raised(1))
    compose(engine)
    now = NOON
    for _ in range(MOST_ATTEMPTS):
        failed(engine, claimed(engine, now), now)
        assert claim(engine, now + timedelta(seconds=40)) is None
        now += timedelta(hours=2)

    assert claim(engine, now) is None
    assert deliveries(engine) == [("oncall", "given up", MOST_ATTEMPTS)]
    with reading(engine) as connection:
        state = alert_read.channels(connection)["oncall"]
    assert (state.waiting, state.given_up, state.error) == (0, 1, "answered 500")


def test_a_message_that_kills_whoever_sends_it_is_given_up_too(engine: Engine) -> None:
    record(engine, raised(1))
    compose(engine)
    for attempt in range(MOST_ATTEMPTS):
        claimed(engine, NOON + LEASE * attempt)

    assert claim(engine, NOON + LEASE * MOST_ATTEMPTS) is None
    assert deliveries(engine) == [("oncall", "given up", MOST_ATTEMPTS)]


def test_a_channel_gets_so_many_messages_an_hour_and_a_summary_of_the_others(engine: Engine) -> None:
    record(engine, raised(*range(1, 8)))
    assert compose(engine, an_hour=3) == 3
    messages = [claimed(engine) for _ in range(3)]
    assert [len(each.alerts) for each in messages] == [1, 1, 5]
    for each in messages:
        sent(engine, each)

    record(engine, raised(8, 9, at=after(minutes=5)))
    assert compose(engine, after(minutes=59), an_hour=3) == 0
    assert compose(engine, after(minutes=61), an_hour=3) == 2


def test_what_is_due_but_fails_counts_against_the_hour(engine: Engine) -> None:
    record(engine, raised(1, 2))
    compose(engine, an_hour=2)
    failed(engine, claimed(engine))
    record(engine, raised(3))

    assert compose(engine, after(hours=5), an_hour=2) == 0


def test_quiet_hours_hold_what_is_not_urgent_even_at_its_second_attempt(engine: Engine) -> None:
    quiet = quiet_hours("12:30-14:00", "UTC")
    record(engine, raised(1))
    record(engine, raised(2, urgent=True))
    compose(engine)
    now = NOON
    for _ in range(2):
        failed(engine, claimed(engine, now), now)

    with writing(engine) as connection:
        during = outbox.claim(connection, "oncall", LEASE, quiet, after(hours=1))
        nothing = outbox.claim(connection, "oncall", LEASE, quiet, after(hours=1))
        morning = outbox.claim(connection, "oncall", LEASE, quiet, after(hours=2))
    assert during is not None
    assert morning is not None
    assert ([each.id for each in during.alerts], nothing) == ([2], None)


def test_open_alerts_end_once_and_so_does_their_recovery(engine: Engine) -> None:
    def step(verdict: Verdict, key: str = "stale:openrouter:1") -> list[str]:
        with writing(engine) as connection:
            open_alerts = outbox.open_alerts(connection)
            decision = decide([finding(verdict, key=key)], open_alerts, {Kind.STALE}, (), NOON)
            return [each.key for each in outbox.record(connection, decision, ONCALL, NOON)]

    assert step(Verdict.BAD) == ["stale:openrouter:1"]
    assert step(Verdict.BAD) == []
    assert step(Verdict.GOOD) == ["stale:openrouter:1:over"]
    assert step(Verdict.GOOD) == []
    # Back within the same episode: it was told.
    assert step(Verdict.BAD) == []
    assert step(Verdict.BAD, "stale:openrouter:2") == ["stale:openrouter:2"]


def test_two_who_found_the_same_recovery_tell_it_once(engine: Engine) -> None:
    opened = decide([finding(Verdict.BAD)], {}, {Kind.STALE}, (), NOON)
    (stored,) = record(engine, opened)
    recovery = decide([finding(Verdict.GOOD)], {(stored.kind, stored.subject): stored}, {Kind.STALE}, (), NOON)

    assert len(record(engine, recovery)) == 1
    assert record(engine, recovery) == []


def test_alerts_are_read_newest_first_and_the_open_ones_always(engine: Engine) -> None:
    old = decide([finding(Verdict.BAD)], {}, {Kind.STALE}, (), after(days=-30))
    record(engine, old)
    record(engine, raised(1, at=after(days=-20)))
    record(engine, raised(2))

    with reading(engine) as connection:
        recent = [each.alert.key for each in alert_read.alerts(connection, since=after(days=-7))]
        ever = [each.alert.key for each in alert_read.alerts(connection)]
        first = [each.alert.key for each in alert_read.alerts(connection, limit=1)]
    assert recent == ["key-2", "stale:openrouter:1"]
    assert ever == ["key-2", "key-1", "stale:openrouter:1"]
    assert first == ["key-2"]


@pytest.mark.parametrize("text", ["", "Zeilen\nund Zeichen – 日本 'quoted' \\"])
def test_an_alert_comes_back_as_it_was_written(engine: Engine, text: str) -> None:
    (alert,) = raised(1, urgent=True, recovers="key-0").raised
    written = replace(alert, text=text, recovers=None)
    (stored,) = record(engine, Decision((written,), ()))

    with reading(engine) as connection:
        (told,) = alert_read.alerts(connection)
    assert told.alert == stored == replace(written, id=stored.id)
