"""What happened to an endpoint besides its price."""

from datetime import datetime
from typing import Any

from db.catalog.events import Told, events
from db.catalog.facts import Detail, Endpoint, Event
from tests.db.quotes import endpoint
from tests.db.worlds import at

ONE = endpoint(1)
BEGAN = {("openrouter", "models"): at(0)}


def told(since: float, until: float | None, of: Endpoint = ONE, **said: Any) -> Told:
    ended: datetime | None = at(until) if until is not None else None
    return of, Detail(**said), at(since), ended


def kinds(*versions: Told) -> list[tuple[datetime, str]]:
    return [(event.at, event.kind) for event in events(versions, BEGAN)]


def test_what_was_there_at_the_first_poll_was_not_added_then() -> None:
    assert kinds(told(0, None)) == []
    assert kinds(told(5, None)) == [(at(5), "added")]


def test_a_removal_and_a_return() -> None:
    assert kinds(told(0, 5), told(9, 20)) == [(at(5), "removed"), (at(9), "returned"), (at(20), "removed")]


def test_a_field_that_changed_is_told_with_both_values() -> None:
    found = events([told(0, 5, context_length=8192), told(5, None, context_length=131_072)], BEGAN)

    assert found == [Event(at(5), ONE, "context_length", 8192, 131_072)]


def test_a_field_that_comes_or_goes_is_an_event_too() -> None:
    found = events([told(0, 5), told(5, 9, expires="2026-12-31"), told(9, None)], BEGAN)

    assert [(e.at, e.kind, e.old, e.new) for e in found] == [
        (at(5), "expires", None, "2026-12-31"),
        (at(9), "expires", "2026-12-31", None),
    ]


def test_what_changed_while_it_was_gone_is_told_at_its_return() -> None:
    assert kinds(told(0, 5, name="Old"), told(9, None, name="New")) == [
        (at(5), "removed"),
        (at(9), "returned"),
        (at(9), "name"),
    ]


def test_prose_and_unknown_fields_are_no_news() -> None:
    before = told(0, 5, description="A model", extra={"a": 1}, default_parameters={"temperature": 1})
    after = told(5, None, description="The model", extra={"a": 2}, default_parameters={"temperature": 2})

    assert kinds(before, after) == []


def test_events_of_several_endpoints_come_in_order_of_time() -> None:
    other = endpoint(2, provider="nebius")

    found = events([told(0, 9), told(3, 5, of=other)], BEGAN)

    assert [(e.at, e.endpoint.id, e.kind) for e in found] == [
        (at(3), 2, "added"),
        (at(5), 2, "removed"),
        (at(9), 1, "removed"),
    ]


def test_each_list_of_a_source_began_in_its_own_time() -> None:
    """Endpoints were first read a year after models: those found then were not added then."""
    began = {("openrouter", "models"): at(0), ("openrouter", "endpoints"): at(5)}

    assert events([told(5, None, of=endpoint(2, part="endpoints"))], began) == []
