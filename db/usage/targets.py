"""Where usage could have gone: one endpoint, or each model's own at another provider."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache

from sqlalchemy import Connection

from db.catalog import read as catalog
from db.catalog.facts import Endpoint
from db.catalog.identity import provider_slug
from db.errors import UsageError
from db.prices import read as prices
from db.usage.keys import Subject
from db.usage.recost import Target
from db.usage.resolve import Name, Resolved
from db.usage.segments import segments
from db.usage.store import directory


@dataclass(frozen=True)
class Elsewhere:
    """A move of usage: `of` says where the usage of a subject goes, None where it has no price there; `endpoints`:
    whose prices count, the preferred first, where it is one place for all."""

    of: Callable[[Subject], Target | None]
    endpoints: Sequence[Endpoint] = ()


def one_endpoint(connection: Connection, text: str, known_at: datetime | None = None) -> Elsewhere:
    """All usage at one endpoint: SOURCE:KEY, or MODEL@PROVIDER, where one source's prices fill the gaps of another's.

    Raises UsageError where there is none.
    """
    known = directory(connection)
    found = known.resolve(Name("", endpoint=text))
    model, _, provider = text.rpartition("@")
    if not found.candidates and model and provider:
        found = known.resolve(Name(model, provider))
    if not found.candidates:
        why = f"{found.why}; {found.hint}" if model else "write SOURCE:KEY or MODEL@PROVIDER"
        raise UsageError(f"--endpoint names no endpoint: {text!r} ({why}). `ratecard compare MODEL` lists them.")
    target = _target(connection, found, known_at)
    return Elsewhere(lambda _subject: target, found.candidates)


def same_model_at(connection: Connection, provider: str, known_at: datetime | None = None) -> Elsewhere:
    """Each model's standard endpoint at one provider. Raises UsageError where that provider serves nothing known."""
    if not catalog.endpoints(connection, provider=provider_slug(provider)):
        raise UsageError(f"--same-model-at names no provider that is known: {provider!r}.")
    known = directory(connection)

    @cache
    def at(model: str) -> Target | None:
        found = known.resolve(Name(model, provider))
        return _target(connection, found, known_at) if found.candidates else None

    return Elsewhere(lambda subject: at(subject.as_model))


def _target(connection: Connection, found: Resolved, known_at: datetime | None) -> Target:
    versions = prices.of_endpoints(connection, [endpoint.id for endpoint in found.candidates], known_at)
    tiles = segments([versions.get(endpoint.id, ()) for endpoint in found.candidates])
    return Target((tile.start, tile.price.rates if tile.price is not None else None) for tile in tiles)
