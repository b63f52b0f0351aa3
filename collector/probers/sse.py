"""Server-sent events, as the HTML standard defines them (html.spec.whatwg.org, "Parsing an event stream").

Pure: bytes go in as they come, whole events come out. Comments, ids and retry times mean nothing to a probe.
"""

import re
from typing import Final, NamedTuple

_LINE_END: Final = re.compile(rb"\r\n|\r|\n")
_BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"


class Event(NamedTuple):
    """One event: its name ("message" where it has none) and its data, the lines joined."""

    name: str
    data: str


class Events:
    """The events of one stream, however its bytes are cut into pieces."""

    def __init__(self) -> None:
        self._line = bytearray()
        self._is_first_line = True
        self._ended_in_return = False
        self._name = ""
        self._data: list[str] = []

    def feed(self, piece: bytes) -> list[Event]:
        """The events that these bytes complete."""
        if not piece:
            return []
        if self._ended_in_return and piece.startswith(b"\n"):
            piece = piece[1:]
        self._ended_in_return = piece.endswith(b"\r")
        first, *rest = _LINE_END.split(piece)
        self._line += first
        events: list[Event] = []
        for following in rest:
            event = self._take(bytes(self._line))
            if event is not None:
                events.append(event)
            self._line = bytearray(following)
        return events

    def end(self) -> list[Event]:
        """The event that only lacks its blank line. The standard drops it; servers that end so mean it."""
        events = [self._take(bytes(self._line)), self._take(b"")]
        self._line.clear()
        return [event for event in events if event is not None]

    def _take(self, line: bytes) -> Event | None:
        if self._is_first_line:
            self._is_first_line = False
            line = line.removeprefix(_BYTE_ORDER_MARK)
        if not line:
            event = Event(self._name or "message", "\n".join(self._data)) if self._data else None
            self._name, self._data = "", []
            return event
        field, _, value = line.partition(b":")
        if field == b"data":
            self._data.append(_text(value))
        elif field == b"event":
            self._name = _text(value)
        return None


def _text(value: bytes) -> str:
    return value.removeprefix(b" ").decode("utf-8", "replace")
