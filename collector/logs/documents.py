"""Records of JSON documents of any size: an array of records, or objects that wrap one, read piece by piece."""

import codecs
import json
import re
from collections.abc import Iterable, Iterator
from typing import Any, Final

from collector.logs.base import Parsed, Record, RefusedError
from collector.logs.compressed import CutError
from collector.logs.jsontext import scan
from collector.logs.lines import LONGEST, NOT_UTF8, TOO_LONG, BrokenError, Refuse

WRAPPERS: Final = ("data", "resourceSpans")
"""Under these names an object wraps a list of records."""
AT_ONCE: Final = 1 << 20
"""Characters of an object that are read at once, before what it wraps is read piece by piece."""
_OF_A_RECORD: Final = ("id", "model", "usage")
_SPACE: Final = re.compile(r"\s*")
_MARK: Final = re.compile(r'[{}\[\],"]')
_IN_STRING: Final = re.compile(r'["\\]')
_NOT_UTF8: Final = re.compile("[\udc80-\udcff]")
_AT_THE_EDGE: Final = 16
"""A token that the window cuts off (`-Infinity`, an escape) has no more characters than this."""
_BROKEN: Final = "it is not valid JSON"


def unwrapped(record: dict[str, Any]) -> list[Any]:
    """The records that an object wraps, or itself: a page `{"data": [...]}`, a batch `{"resourceSpans": [...]}`.

    An embedding's response has `data` too, but is a record itself: it names its model and usage.
    """
    name = next((name for name in WRAPPERS if isinstance(record.get(name), list)), None)
    if name is None or any(mark in record for mark in _OF_A_RECORD):
        return [record]
    inner: list[Any] = record[name]
    return inner


def documents(blocks: Iterable[bytes], refuse: Refuse) -> Iterator[tuple[int, Record]]:
    """Each record with its place in the file: 1 for the first. Raises BrokenError where the JSON cannot be followed."""
    window = _Window(blocks)
    count = 0
    try:
        for value in _values(window):
            count += 1
            if isinstance(value, dict):
                yield count, value
            else:
                refuse(Parsed(count, reason=value if isinstance(value, _Reason) else "it is not a JSON object"))
    except CutError as cut:
        raise BrokenError(str(cut), count) from None
    except RefusedError as refused:
        raise BrokenError(str(refused), count) from None


class _Reason(str):
    """Why there is no value."""

    __slots__ = ()


def _values(window: "_Window") -> Iterator[Any]:
    """What might be records, or the reasons why they are none."""
    while mark := window.peek():
        if mark == "[":
            yield from _elements(window)
        elif mark != "{":
            raise RefusedError(_BROKEN)
        elif isinstance(value := window.value(AT_ONCE), dict):
            yield from unwrapped(value)
        elif value is _TOO_LONG:
            yield from _members(window)
        else:
            yield value
            window.skip()


def _elements(window: "_Window") -> Iterator[Any]:
    """The elements of the array that begins here. One that cannot be read is passed over by its brackets."""
    window.at += 1
    while (mark := window.peek()) != "]":
        if not mark:
            raise RefusedError("it ends within a list")
        if mark == ",":
            window.at += 1
            continue
        value = window.value()
        if isinstance(value, _Reason):
            window.skip()
        yield value
    window.at += 1


def _members(window: "_Window") -> Iterator[Any]:
    """The records that a large object wraps, or itself if it wraps none."""
    window.at += 1
    others: dict[str, Any] | _Reason = {}
    wraps = False
    while (mark := window.peek()) != "}":
        if not mark:
            raise RefusedError("it ends within an object")
        if mark == ",":
            window.at += 1
            continue
        name = window.value()
        if isinstance(name, _Reason) or not isinstance(name, str) or window.peek() != ":":
            raise RefusedError(_BROKEN)
        window.at += 1
        if window.peek() == "[" and name in WRAPPERS:
            wraps = True
            yield from _elements(window)
            continue
        value = window.value()
        if isinstance(value, _Reason):
            others = value
            window.skip()
        elif isinstance(others, dict):
            others[name] = value
    window.at += 1
    if not wraps:
        yield others


_TOO_LONG: Final = _Reason(TOO_LONG)


class _Window:
    """The part of a document that is being read: `at` is the place in `text`. It grows as a value needs it."""

    def __init__(self, blocks: Iterable[bytes]) -> None:
        self.text = ""
        self.at = 0
        self._blocks = iter(blocks)
        # What is no UTF-8 stays recognisable, so that only its own record is refused.
        self._decoder = codecs.getincrementaldecoder("utf-8")("surrogateescape")
        self._done = False

    def _more(self) -> bool:
        """Let go of what was read, and at least double the rest (so that the work stays linear). False at the end."""
        if self._done:
            return False
        rest = self.text[self.at :]
        pieces, missing = [rest], max(1, len(rest))
        while missing > 0 and not self._done:
            block = next(self._blocks, b"")
            self._done = not block
            pieces.append(self._decoder.decode(block, final=self._done))
            missing -= len(pieces[-1])
        self.at = max(0, self.at - len(self.text))
        self.text = "".join(pieces)
        return len(self.text) > len(rest)

    def peek(self) -> str:
        """The next character that is no space, not consumed; empty at the end."""
        while True:
            found = _SPACE.match(self.text, self.at)
            self.at = found.end() if found else self.at
            if self.at < len(self.text):
                return self.text[self.at]
            if not self._more():
                return ""

    def value(self, longest: int = LONGEST) -> Any:
        """The value that begins here, consumed; or the reason why there is none, with nothing consumed."""
        while True:
            try:
                value, end = scan(self.text, self.at)
            except json.JSONDecodeError as error:
                if self._is_certain(error):
                    return _Reason(f"it is not JSON: {error.msg}")
            except RefusedError as refused:
                return _Reason(str(refused))
            else:
                if not _NOT_UTF8.search(self.text, self.at, end):
                    self.at = end
                    return value
                return _Reason(NOT_UTF8)
            if len(self.text) - self.at > longest:
                return _TOO_LONG
            if not self._more():
                raise RefusedError("it ends within a record")

    def _is_certain(self, error: json.JSONDecodeError) -> bool:
        """Whether more text could not mend it."""
        cut_off = error.msg.startswith("Unterminated string") or error.pos > len(self.text) - _AT_THE_EDGE
        return not cut_off

    def skip(self) -> None:
        """Pass over a value that cannot be read, by its brackets and quotes."""
        depth, in_string = 0, False
        while True:
            found = (_IN_STRING if in_string else _MARK).search(self.text, self.at)
            if found is None:
                self.at = max(self.at, len(self.text))
                if not self._more():
                    raise RefusedError(_BROKEN)
                continue
            self.at, mark = found.end(), found.group()
            if in_string:
                in_string = mark == "\\"
                self.at += in_string
            elif mark == '"':
                in_string = True
            elif mark in "{[":
                depth += 1
            elif depth == 0:
                self.at -= 1
                return
            elif mark in "}]":
                depth -= 1
                if depth == 0:
                    return
