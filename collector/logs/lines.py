"""Lines of bounded length from blocks of bytes. Time is linear, whatever the lines are like."""

from collections.abc import Callable, Iterable, Iterator
from typing import Final

from collector.logs.base import Parsed
from collector.logs.compressed import CutError

LONGEST: Final = 16 << 20
"""Bytes of one line or record; a longer one is refused."""
TOO_LONG: Final = f"it is longer than {LONGEST >> 20} MB"
NOT_UTF8: Final = "it is not UTF-8 text"

Refuse = Callable[[Parsed], None]
"""Told of each line that cannot be read."""


class BrokenError(Exception):
    """A file that cannot be read further than the line or record `after`; the text says why."""

    def __init__(self, why: str, after: int) -> None:
        super().__init__(why)
        self.after = after


def lines(blocks: Iterable[bytes], refuse: Refuse) -> Iterator[tuple[int, str]]:
    """Each line with its number, without its end. Raises BrokenError after the last whole line of a cut file."""
    number = 0
    held = _Held()
    try:
        for block in blocks:
            first, newline, rest = block.partition(b"\n")
            held.add(first)
            if not newline:
                continue
            number += 1
            if (line := held.take(number, refuse)) is not None:
                yield number, line
            whole, newline, last = rest.rpartition(b"\n")
            if newline:
                for text in _texts(whole):
                    number += 1
                    if text is None:
                        refuse(Parsed(number, reason=NOT_UTF8))
                    else:
                        yield number, text
            held.add(last)
    except CutError as cut:
        raise BrokenError(str(cut), number) from None
    if held.size and (line := held.take(number + 1, refuse)) is not None:
        yield number + 1, line


def _texts(whole: bytes) -> Iterable[str | None]:
    """The lines as text; None for one that is not UTF-8."""
    try:
        return whole.decode().split("\n")
    except UnicodeDecodeError:
        return map(_text, whole.split(b"\n"))


def _text(line: bytes) -> str | None:
    try:
        return line.decode()
    except UnicodeDecodeError:
        return None


class _Held:
    """The line that no end has been seen of yet, in pieces; of one that grows too long only the length."""

    def __init__(self) -> None:
        self.size = 0
        self._pieces: list[bytes] = []

    def add(self, piece: bytes) -> None:
        self.size += len(piece)
        if self.size <= LONGEST:
            self._pieces.append(piece)
        else:
            self._pieces.clear()

    def take(self, number: int, refuse: Refuse) -> str | None:
        """The whole line as text; None if it was refused."""
        too_long = self.size > LONGEST
        text = None if too_long else _text(b"".join(self._pieces))
        self.size, self._pieces = 0, []
        if text is None:
            refuse(Parsed(number, reason=TOO_LONG if too_long else NOT_UTF8))
        return text
