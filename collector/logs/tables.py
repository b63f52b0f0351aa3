"""Rows of CSV of any usual delimiter, as records by column name."""

import csv
from collections import deque
from collections.abc import Iterator
from io import StringIO
from itertools import islice
from typing import Final

from collector.logs.base import Parsed, Record, RefusedError
from collector.logs.lines import LONGEST, Refuse

DELIMITERS: Final = (",", ";", "\t", "|")
_WIDE: Final = 6
"""With this many columns, lines of a quoted text that happen to have as many are rows that a stray quote swallowed."""

# The module's own limit, 128 KB, would refuse a logged prompt. (It can only be set for the whole process.)
csv.field_size_limit(LONGEST)


def delimiter_of(head: str) -> str:
    """The delimiter that cuts the first lines into rows of one width; empty where none does."""
    rated = [(*_evenness(head, delimiter), delimiter) for delimiter in DELIMITERS]
    even, width, delimiter = max(rated, key=lambda each: each[:2])
    return delimiter if width > 1 and even else ""


def _evenness(head: str, delimiter: str) -> tuple[int, int]:
    """How many of the first 20 rows are as wide as the header, and how wide it is."""
    try:
        rows = list(islice(csv.reader(StringIO(head, newline=""), delimiter=delimiter), 20))
    except csv.Error:
        return 0, 0
    width = len(rows[0]) if rows else 0
    return (sum(len(row) == width for row in rows), width) if width > 1 else (0, 0)


def table(lines: Iterator[tuple[int, str]], delimiter: str, refuse: Refuse) -> Iterator[tuple[int, Record]]:
    """Each row with the number of its first line. Raises RefusedError for an unusable header."""
    feed = _Feed(lines)
    reader = csv.reader(feed, delimiter=delimiter)
    header = _header(next(reader, []))
    width = len(header)
    while True:
        feed.row.clear()
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            refuse(Parsed(feed.row[0][0], reason=f"it is not CSV: {error}"))
            feed.give_back()
            continue
        if not any(row) or row == header:
            continue
        if len(row) > width and not any(row[width:]):
            row = row[:width]
        if len(row) != width:
            refuse(Parsed(feed.row[0][0], reason=f"it has {len(row)} fields where the header names {width}"))
            feed.give_back()
        elif len(feed.row) > 1 and width >= _WIDE and _swallowed(feed.row, delimiter, width):
            refuse(Parsed(feed.row[0][0], reason="it has a quote that is not closed"))
            feed.give_back()
        else:
            yield feed.row[0][0], dict(zip(header, row, strict=True))


def _header(row: list[str]) -> list[str]:
    header = [name.strip() for name in row]
    double = next((name for name in header if name and header.count(name) > 1), None)
    if double is not None:
        raise RefusedError(f"its header names the column {double!r} twice")
    return header


def _swallowed(row: list[tuple[int, str]], delimiter: str, width: int) -> bool:
    """Whether each line after the first would be a row of its own."""
    return all(len(next(csv.reader([line], delimiter=delimiter), [])) == width for _, line in row[1:])


class _Feed:
    """Gives the CSV reader its lines, and remembers those of one row: a stray quote must not swallow its neighbours."""

    def __init__(self, lines: Iterator[tuple[int, str]]) -> None:
        self.row: list[tuple[int, str]] = []
        self._lines = lines
        self._again: deque[tuple[int, str]] = deque()

    def __iter__(self) -> "_Feed":
        return self

    def __next__(self) -> str:
        line = self._again.popleft() if self._again else next(self._lines)
        self.row.append(line)
        return line[1] + "\n"

    def give_back(self) -> None:
        """Have the lines after the first read again, each for itself."""
        self._again.extendleft(reversed(self.row[1:]))
