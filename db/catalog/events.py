"""From versions of what was said to what happened. Pure."""

from collections.abc import Iterable, Iterator
from dataclasses import fields
from datetime import datetime
from itertools import groupby, pairwise

from db.catalog.facts import Detail, Endpoint, Event

Told = tuple[Endpoint, Detail, datetime, datetime | None]
"""An endpoint, what was said of it, from when, and until when."""

_QUIET = {"description", "extra", "default_parameters"}
"""Fields whose every change is no news."""


def events(told: Iterable[Told], record_began: dict[tuple[str, str], datetime]) -> list[Event]:
    """What happened to endpoints besides their price, oldest first.

    `told` comes by endpoint, oldest first. `record_began`: (source, part) -> its first poll: what was there then was
    not added then. For a history that starts with a later version, the first one is taken as known before.
    """
    found: list[Event] = []
    for _, versions in groupby(told, key=lambda each: each[0].id):
        found += _of_endpoint(list(versions), record_began)
    return sorted(found, key=lambda event: (event.at, event.endpoint.id))


def _of_endpoint(versions: list[Told], record_began: dict[tuple[str, str], datetime]) -> Iterator[Event]:
    endpoint, _, first, _ = versions[0]
    if first > record_began.get((endpoint.source, endpoint.part), first):
        yield Event(first, endpoint, "added")
    for (_, before, _, ended), (_, after, began, _) in pairwise(versions):
        if ended is not None and ended < began:
            yield Event(ended, endpoint, "removed")
            yield Event(began, endpoint, "returned")
        for field in fields(Detail):
            old, new = getattr(before, field.name), getattr(after, field.name)
            if old != new and field.name not in _QUIET:
                yield Event(began, endpoint, field.name, old, new)
    last = versions[-1][3]
    if last is not None:
        yield Event(last, endpoint, "removed")
