"""What things are called in a log: printable, at most 200 characters long, and without secret keys."""

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from hashlib import sha256
from pathlib import PurePosixPath, PureWindowsPath
from typing import Any, Final

from db.usage.facts import NO_TAGS

LONGEST: Final = 200
LONGEST_TAG_NAME: Final = 60
MOST_TAGS: Final = 20
_LONGEST_NUMBER: Final = 10**18
_TIERS: Final = {
    **dict.fromkeys(("standard", "default", "auto", "on_demand", "not_available"), ""),
    "priority_on_demand": "priority",
    "flex_discount": "flex",
}
_SECRET: Final = re.compile(
    r"((?:sk|pk|rk)-(?:[a-z]+\d*-)*+|(?:gsk|hf|r8|fw|gh[pousr])_|(?:xai|pplx|nvapi|csk)-|tgp_v1_|AIza|AKIA)"
    r"(?=[A-Za-z_\-]*\d)([\w\-]{4,}+)(?![.…*])",
    re.ASCII,
)
_OPAQUE: Final = re.compile(r"(?=.*\d)(?=.*[a-z])[A-Za-z0-9+/=_\-]{24,}", re.ASCII)
_PUBLIC_ID: Final = re.compile(
    r"[0-9a-f]{40}|[0-9a-f]{64}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|(key|apikey)_\w+|[a-z]+([-_][a-z]+)*([-_]\d+)?",
    re.ASCII,
)


def name(value: Any) -> str:
    """What something is called; empty where the log does not say, or says it with no text."""
    if type(value) is str:
        return _clean(value[: 2 * LONGEST]) if value else ""
    if type(value) is int and abs(value) < _LONGEST_NUMBER:
        return str(value)
    return ""


@lru_cache(maxsize=50_000)
def _clean(text: str) -> str:
    if not text.isprintable():
        text = "".join(c if c.isprintable() else " " for c in text)
    text = _SECRET.sub(_masked, " ".join(text.split()))
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"


def _masked(found: re.Match[str]) -> str:
    start, rest = found.groups()
    return f"{start}…{rest[-4:] if len(rest) >= 12 else ''}"


def key_name(value: Any) -> str:
    """The label or id of an API key. What looks like the key itself keeps its last four characters only."""
    label = name(value)
    if len(label) < 24 or "…" in label or _PUBLIC_ID.fullmatch(label) or not _OPAQUE.fullmatch(label):
        return label
    return f"…{label[-4:]}"


def last_part(folder: str) -> str:
    """`/home/me/shop` and `C:\\\\work\\\\shop` -> `shop`: what people call the project."""
    path = PureWindowsPath(folder) if "\\" in folder else PurePosixPath(folder)
    return path.name


def variant(tier: Any) -> str:
    """A service tier as the variant of an endpoint: batch, flex, priority, fast, ...; empty for the standard one."""
    named = name(tier).lower()
    return _TIERS.get(named, named)


def tags(pairs: Iterable[tuple[Any, Any]]) -> Mapping[str, str]:
    """The first 20 labels that have a name and a plain value."""
    found: dict[str, str] = {}
    for label, value in pairs:
        text = str(value).lower() if isinstance(value, bool) else name(value)
        if text and (called := name(label)[:LONGEST_TAG_NAME]) and len(found) < MOST_TAGS:
            found[called] = text
    return found or NO_TAGS


def identity(log_format: str, *parts: Any) -> str | None:
    """The key of a request: `claude_code:msg_1:req_1`. None if a part is missing: then its content identifies it."""
    if not all(isinstance(part, str) and part for part in parts):
        return None
    joined = ":".join(parts)
    if len(joined) <= LONGEST and joined.isprintable() and joined.isascii():
        return f"{log_format}:{joined}"
    return digest(log_format, *parts)


def digest(log_format: str, *parts: Any) -> str:
    """A key of what the parts say, whatever they are and however long."""
    return f"{log_format}:{sha256(repr(parts).encode('utf-8', 'backslashreplace')).hexdigest()[:32]}"
