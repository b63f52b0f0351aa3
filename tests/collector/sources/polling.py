"""A poll of OpenRouter without a server."""

import json
from typing import Any

from collector.sources.openrouter import SOURCE
from db.errors import SourceError
from db.prices.facts import Snapshot
from tests.collector.playing import play


def polled(bodies: dict[str, Any]) -> Snapshot:
    """A whole poll of those bodies, by path; what is not among them is not there."""

    def body_at(path: str) -> bytes | SourceError:
        nothing = SourceError(f"openrouter.test{path} answered 404: there is nothing at this address.", permanent=True)
        body = bodies.get(path, nothing)
        return body if isinstance(body, SourceError | bytes) else json.dumps(body).encode()

    return play(SOURCE, body_at)
