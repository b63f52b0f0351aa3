"""What a source is: pure functions from bodies to a snapshot. Fetching is done by a job, not here."""

import json
import re
from collections import Counter
from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from typing import Any, Final

from db.errors import InputError, SourceError
from db.polls.facts import Rejection
from db.prices.facts import Offer, Rate, Rates, Snapshot

Json = Any

DEEPEST: Final = 40
"""Levels of nesting that are kept of one item; what lies deeper becomes a note."""
LONGEST_NUMBER: Final = 300
"""Digits of a number, and decimal places that it may be moved by; beyond, it stays text and is refused as such."""
_UNSTORABLE_ESCAPE: Final = re.compile(r"\\(?:x00|ud[89a-f])")
_UNSTORABLE: Final = re.compile("[\x00\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Request:
    """One document to get: a path below the source's base URL."""

    path: str


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back for a request: a body, or the reason why there is none."""

    body: bytes | None
    error: SourceError | None = None

    def document(self, what: str) -> Json:
        """The JSON in the body. Raises the request's own error, or InputError where the body is no JSON."""
        if self.error is not None:
            raise self.error
        return parse_json(self.body or b"", what)


@dataclass
class Memo:
    """What the items of the last poll came to, so that what did not change is not parsed again."""

    items: dict[str, tuple[Json, "Read"]] = field(default_factory=dict)

    def read(self, name: str, item: Json, parse: "Parse", revise: "Revise | None" = None) -> "Read":
        """What an item comes to; `revise` is asked first where it was there before and some fields moved."""
        before, last = self.items.get(name, (None, None))
        if last is not None and before == item:
            return last
        moved = _moved(before, item)
        result = None
        if not _is_storable(moved):
            item = storable(item)
        elif revise is not None and last is not None:
            result = revise(last, moved)
        if result is None:
            result = parse(item)
        self.items[name] = (item, result)
        return result


def _moved(before: Json, item: Json) -> Json:
    """The fields that are not what they were, as they are now; the whole item where it is no object, or is new."""
    if not isinstance(before, dict) or not isinstance(item, dict):
        return item
    names = before.keys() | item.keys()
    return {name: item.get(name) for name in names if before.get(name) != item.get(name)}


@dataclass(frozen=True, slots=True)
class Read:
    """What one item came to: offers, the reasons for what was refused, and fields that are not known here."""

    offers: tuple[Offer, ...] = ()
    rejections: tuple[Rejection, ...] = ()
    unknown: tuple[str, ...] = ()


Parse = Callable[[Json], Read]
Revise = Callable[[Read, Json], Read | None]
"""What an item came to, and the fields of it that moved -> what it comes to now; None to have all of it parsed."""

Conversation = Generator[list[Request], list[Answer], Snapshot]
"""Yields batches of requests, is sent their answers in the same order, and returns what it saw."""


@dataclass(frozen=True)
class Source:
    """A place that tells prices.

    `url`: its default address (None: it is a package on this machine); `converse`: how a live poll goes;
    `read`: one recorded body of its main list. Both raise InputError for a body that is not theirs at all.
    """

    name: str
    title: str
    every: timedelta
    url: str | None
    url_setting: str | None
    converse: Callable[[Memo, datetime], Conversation]
    read: Callable[[Json, Memo], Snapshot]


def parse_json(body: bytes | str, what: str) -> Json:
    """JSON with exact numbers: fractions as Decimal; NaN, Infinity and absurd sizes as text, to be refused.

    Broken UTF-8 becomes U+FFFD; other characters that no database takes are left to `Memo.read`, which sees only
    the items that changed.
    """
    text = body if isinstance(body, str) else body.decode("utf-8-sig", "replace")
    try:
        try:
            return json.loads(text, parse_float=_fraction, parse_constant=str)
        except ValueError as error:
            if "digits" not in str(error):
                raise
            # An absurdly long integer somewhere: slower, and only that one becomes text.
            return json.loads(text, parse_float=_fraction, parse_int=_integer, parse_constant=str)
    except RecursionError as error:
        raise InputError(f"{what} is not usable: it is nested too deeply.") from error
    except ValueError as error:
        html = text[:200].lstrip().startswith("<")
        reason = "it is HTML, not JSON" if html else f"it is not JSON ({error})" if text.strip() else "it is empty"
        raise InputError(f"{what} is not usable: {reason}.") from error


def _fraction(text: str) -> Decimal | str:
    # Few are new, and equal ones that are one object compare at once. A long text is not worth keeping.
    return _recurring(text) if len(text) <= 32 else _decimal(text)


def _decimal(text: str) -> Decimal | str:
    try:
        value = Decimal(text)
    except InvalidOperation:
        return text
    return value if abs(value.adjusted()) <= LONGEST_NUMBER else text


_recurring = lru_cache(maxsize=20_000)(_decimal)


def _integer(text: str) -> int | str:
    return int(text) if len(text) <= LONGEST_NUMBER else text


def _is_storable(item: Json) -> bool:
    try:
        text = repr(item)
    except RecursionError:
        return False
    return _UNSTORABLE_ESCAPE.search(text) is None and text.count("[") + text.count("{") < DEEPEST


def storable(value: Json, levels: int = DEEPEST) -> Json:
    """A copy that any database and any JSON writer takes."""
    if isinstance(value, str):
        return _UNSTORABLE.sub("\ufffd", value)
    if not isinstance(value, dict | list):
        return value
    if not levels:
        return f"(nested more than {DEEPEST} levels deep)"
    if isinstance(value, list):
        return [storable(each, levels - 1) for each in value]
    return {storable(name): storable(each, levels - 1) for name, each in value.items()}


def last_wins(rates: Iterable[Rate]) -> Rates:
    """Of several rates under one and the same condition only the last can ever apply."""
    kept: dict[tuple[str, int, int | None, int | None], Rate] = {}
    for rate in rates:
        kept.pop(rate.condition, None)
        kept[rate.condition] = rate
    return tuple(kept.values())


def collect(
    parts: tuple[str, ...],
    items: int,
    reads: list[Read],
    *,
    whole: bool = True,
    extra: list[Rejection] | None = None,
) -> Snapshot:
    """Merge what the items came to. An endpoint offered twice is kept if both agree, and unknown if not."""
    offers: dict[str, Offer] = {}
    torn: dict[str, Rejection] = {}
    for read in reads:
        for offer in read.offers:
            other = offers.setdefault(offer.key, offer)
            if other is not offer and other.digests != offer.digests:
                reason = f"{offer.key} is listed twice with different content"
                torn.setdefault(offer.key, Rejection(offer.part, offer.key, reason))
    for key in torn:
        del offers[key]
    rejections = (*(extra or ()), *(r for read in reads for r in read.rejections), *torn.values())
    unknown = Counter(name for read in reads for name in read.unknown)
    return Snapshot(parts, items, tuple(offers.values()), rejections, whole, unknown)
