"""What is watched: targets by their name, from ratecard.toml or for a server of one's own, and when each is due."""

import hashlib
import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Final
from urllib.parse import urlsplit

import structlog
from sqlalchemy import Connection, Engine

from collector.settings import Collecting, Watched
from db.catalog import read as catalog
from db.catalog.facts import Endpoint
from db.engine import writing
from db.errors import UsageError
from db.probes import read as probes
from db.probes import store
from db.probes.facts import Prompt, Target

log = structlog.get_logger("ratecard.probe")

TICK: Final = timedelta(seconds=15)
"""How often the schedule looks for what is due. No moment lies in the last tick of its interval: it would be missed."""
_VARIABLE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def openrouter_target(endpoint: Endpoint, settings: Collecting, **options: object) -> Target:
    """The target that pins one of OpenRouter's endpoints. Raises UsageError for an endpoint that is none."""
    if endpoint.source != "openrouter":
        raise UsageError(
            f"{endpoint.name} is not an endpoint of OpenRouter, so there is nowhere to send a probe. "
            "Name an OpenRouter endpoint, or an OpenAI-compatible server with --url."
        )
    _, _, tag = endpoint.key.partition("@")
    target = Target(
        name=endpoint.name,
        prober="chat",
        url=settings.openrouter_url,
        model=endpoint.native_model,
        tag=tag.split(" ")[0] or None,
        key_variable="OPENROUTER_API_KEY",
        endpoint_id=endpoint.id,
    )
    return replace(target, **options)  # type: ignore[arg-type]


def server_target(name: str, url: str, model: str | None, key_variable: str | None, **options: object) -> Target:
    """The target that is an OpenAI-compatible server. Raises UsageError where it could never be probed, or where a key
    stands in place of the name of its variable: that would be stored and shown."""
    try:
        parts = urlsplit(url)
        is_usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and not (parts.query or parts.fragment)
        holds_key = parts.username is not None or parts.password is not None
    except ValueError:
        is_usable, holds_key = False, "@" in url
    if holds_key:
        raise UsageError("The address of the server holds a user or a key. Put the key in an environment variable.")
    if not is_usable:
        raise UsageError(f"The address of the server {name} is none: write it like http://127.0.0.1:8000/v1.")
    if key_variable is not None and not _VARIABLE.fullmatch(key_variable):
        raise UsageError(
            f"The key of the server {name} is no name of an environment variable. Name the variable, never the key."
        )
    target = replace(Target(name, "chat", url, model, None, key_variable), **options)  # type: ignore[arg-type]
    if target.prober == "chat" and model is None:
        raise UsageError(f"The server {name} needs the name of a model there, or only to be reached for.")
    return target


def resolve(connection: Connection, names: Iterable[str], settings: Collecting, **options: object) -> list[Target]:
    """Targets by endpoint name, by model id (its OpenRouter endpoints), or by the name of a known target."""
    known = {target.name: target for target in probes.targets(connection)}
    found: list[Target] = []
    for name in names:
        if name in known:
            found.append(replace(known[name], **options))  # type: ignore[arg-type]
            continue
        source, _, key = name.partition(":")
        by_name = [e for e in catalog.endpoints(connection, source=source) if e.key == key.lower()]
        listed = [each.endpoint for each in catalog.listings(connection, name, source="openrouter")]
        behind = [e for e in listed if e.part == "endpoints"]
        own = [e for e in listed if e.is_headline]
        endpoints = by_name or behind or own
        if not endpoints:
            raise UsageError(
                f"{name} is neither an endpoint, a model at OpenRouter nor a watched target. "
                "`ratecard model ID` lists a model's endpoints."
            )
        found += [openrouter_target(endpoint, settings, **options) for endpoint in endpoints]
    return found


def from_settings(connection: Connection, watched: Sequence[Watched], settings: Collecting) -> list[Target]:
    """The targets that ratecard.toml names. Raises UsageError for an entry that names none."""
    found = []
    for entry in watched:
        options: dict[str, object] = {
            "every": timedelta(minutes=entry.every_minutes),
            "prompts": tuple(Prompt(prompt) for prompt in entry.prompts),
            "prober": entry.prober,
        }
        if (entry.endpoint is None) == (entry.url is None):
            raise UsageError("An entry of [[watch]] names either an endpoint or model, or the url of a server.")
        if entry.url is not None:
            options["free"] = entry.free
            found.append(server_target(entry.name or entry.url, entry.url, entry.model, entry.key, **options))
        elif entry.endpoint is not None:
            found += resolve(connection, [entry.endpoint], settings, **options)
    return found


def due_at(target: Target, now: datetime) -> datetime:
    """When the target is probed in the interval that `now` lies in: a random but fixed moment of it."""
    length = target.every.total_seconds()
    slot = int(now.timestamp() // length)
    draw = hashlib.blake2b(f"{target.name} {slot}".encode(), digest_size=4).digest()
    share = int.from_bytes(draw) / 2**32
    return datetime.fromtimestamp(slot * length + share * (length - TICK.total_seconds()), UTC)


def next_due(target: Target, now: datetime) -> datetime:
    """The first moment of the target that is still to come."""
    at = due_at(target, now)
    return at if at > now else due_at(target, now + target.every)


def due(targets: Iterable[Target], last: dict[str, datetime], now: datetime) -> list[Target]:
    """The targets whose moment has come in this interval and that were not probed in it."""
    found = []
    for target in targets:
        at = due_at(target, now)
        length = target.every.total_seconds()
        began = datetime.fromtimestamp(now.timestamp() // length * length, UTC)
        if at <= now and (target.name not in last or last[target.name] < began):
            found.append(target)
    return found


def watch_from_settings(
    engine: Engine, settings: Collecting, entries: Collection[Watched] | None = None
) -> list[Watched]:
    """Put what ratecard.toml names on the watch list (`entries`: of that only these); those that could not be.

    An entry that cannot be resolved is told and costs nothing else.
    """
    refused = []
    for entry in settings.watch if entries is None else entries:
        try:
            with writing(engine) as connection:
                store.watch(connection, from_settings(connection, [entry], settings))
        except UsageError as error:
            refused.append(entry)
            log.warning("not watched", entry=entry.endpoint or entry.name or entry.model, error=str(error))
    return refused
