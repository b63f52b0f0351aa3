"""Tags as text, the same for the same tags. Pure."""

import json
from collections.abc import Mapping


def canonical(tags: Mapping[str, str]) -> str:
    """JSON with its names in order; empty for no tags."""
    return json.dumps(dict(tags), sort_keys=True, ensure_ascii=False, separators=(",", ":")) if tags else ""


def tags_of(text: str) -> Mapping[str, str]:
    """The tags that `canonical` wrote."""
    found: dict[str, str] = json.loads(text) if text else {}
    return found
