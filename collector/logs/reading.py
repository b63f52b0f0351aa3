"""Opens a usage log of any shape and size and gives its records, with bounded memory and in linear time."""

import json
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import Final, Literal

from collector.logs.base import Parsed, Record, RefusedError
from collector.logs.compressed import CutError, Progress, blocks, compression
from collector.logs.documents import AT_ONCE, documents, unwrapped
from collector.logs.jsontext import parse, scan
from collector.logs.lines import LONGEST, BrokenError, Refuse, lines
from collector.logs.tables import delimiter_of, table
from db.errors import InputError

SAMPLE: Final = 50
_SAMPLE_BYTES: Final = 8 << 20
_HEAD: Final = 64 << 10
_BOM: Final = b"\xef\xbb\xbf"
_UTF16: Final = (b"\xff\xfe", b"\xfe\xff")


class CutShortError(InputError):
    """A file that cannot be read to its end. What came before `line` and itself was read.

    `line`: the last line, or record of a JSON document, that was read.
    """

    def __init__(self, message: str, line: int) -> None:
        super().__init__(message)
        self.line = line


@dataclass(frozen=True, slots=True)
class Shape:
    """What a file holds: rows of CSV (with their delimiter), one JSON record a line, a JSON document, or Parquet."""

    kind: Literal["csv", "jsonl", "json", "parquet"]
    delimiter: str = ""
    compression: str = ""


def _nobody(_consumed: int) -> None:
    """Nobody wants to know how far reading is."""


def _ignore(_refused: Parsed) -> None:
    """Garbage does not matter for a guess."""


def shape(path: Path) -> Shape:
    """What a file holds, by its content. Raises InputError for one that is empty or none of these."""
    with _named(path):
        return _shape(path, _opened(path, _nobody)[0])


def read(path: Path, refuse: Refuse, progress: Progress = _nobody) -> Iterator[tuple[int, Record]]:
    """Each record with its line number; in a JSON document, with its place among the records.

    `refuse` is told of every line that cannot be read; `progress`, how many bytes of the file on disk have been
    consumed so far. Raises InputError for a file that is empty or no log at all, and CutShortError after the last
    whole record of one that ends early.
    """
    with _named(path):
        head, content = _opened(path, progress)
        yield from _records(_shape(path, head), content, refuse)


def sample(path: Path) -> list[Record]:
    """The first records, at most 50 and from the first 8 MB, without those that cannot be read."""
    records: list[Record] = []
    with _named(path):
        head, content = _opened(path, _nobody)
        found = _shape(path, head)
        with suppress(BrokenError):
            records.extend(record for _, record in islice(_records(found, _first(content), _ignore), SAMPLE))
    return records


def _first(content: Iterator[bytes]) -> Iterator[bytes]:
    size = 0
    for block in content:
        yield block
        size += len(block)
        if size > _SAMPLE_BYTES:
            return


@contextmanager
def _named(path: Path) -> Iterator[None]:
    """What goes wrong, said of this file."""
    try:
        yield
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}.") from error
    except RefusedError as refused:
        raise InputError(f"{path} is no log that can be read: {refused}.") from None
    except BrokenError as broken:
        message = f"{path} ends early after line {broken.after}: {broken}; what came before was read."
        raise CutShortError(message, broken.after) from None


def _opened(path: Path, progress: Progress) -> tuple[bytes, Iterator[bytes]]:
    """The first line, with more of the content (but never much more than a line may have), and all of the content."""
    source = blocks(path, progress)
    pieces: list[bytes] = []
    size = 0
    rest: Iterator[bytes] = source
    try:
        for block in source:
            pieces.append(block)
            size += len(block)
            # Only of what begins like a record the first line has to be seen, to tell it from a document.
            is_record = b"".join(pieces[:1]).removeprefix(_BOM).lstrip().startswith(b"{")
            if size >= _HEAD and (not is_record or b"\n" in block or size > LONGEST):
                break
    except CutError as cut:
        if not any(pieces):
            raise RefusedError(str(cut)) from None
        rest = _cut(cut)
    head = b"".join(pieces).removeprefix(_BOM)
    if head.startswith(_UTF16):
        raise RefusedError("it is UTF-16 text; save it as UTF-8")
    return head, chain([head], rest)


def _cut(cut: CutError) -> Iterator[bytes]:
    yield b""
    raise cut


def _shape(path: Path, head: bytes) -> Shape:
    """What a file holds whose content begins like this."""
    text = head.decode("utf-8", "replace").lstrip()
    if head.startswith(b"PAR1"):
        return Shape("parquet")
    if not text:
        raise RefusedError("it is empty")
    if "\0" in text[:_HEAD]:
        raise RefusedError("it is binary, neither JSON nor CSV nor Parquet")
    packed = compression(path)
    if text[0] == "[" and text[1:_HEAD].lstrip()[:1] in ("{", "[", "]", ""):
        return Shape("json", compression=packed)
    if text[0] == "{":
        return Shape("json" if _goes_on(text) else "jsonl", compression=packed)
    first = text[:_HEAD].splitlines()
    if any(_is_object(line) for line in first[:SAMPLE]):
        return Shape("jsonl", compression=packed)
    if delimiter := delimiter_of(text[:_HEAD]):
        return Shape("csv", delimiter, packed)
    raise RefusedError("it is neither JSON nor a table with a header line")


def _goes_on(text: str) -> bool:
    """Whether the JSON that begins in the first line goes on in the next: a document, and not a record a line."""
    first, newline, rest = text.partition("\n")
    if not newline:
        return len(first) > AT_ONCE
    try:
        scan(first)
    except RefusedError:
        return False
    except json.JSONDecodeError as error:
        if error.msg.startswith("Unterminated string") or error.pos < len(first.rstrip()):
            return False
    else:
        return False
    second = next((line for line in rest[:_HEAD].splitlines() if line.strip()), "")
    return first.rstrip()[-1] in "[:" or not _is_object(second)


def _is_object(line: str) -> bool:
    try:
        return line.lstrip().startswith("{") and isinstance(parse(line), dict)
    except RefusedError:
        return False


def _records(found: Shape, content: Iterator[bytes], refuse: Refuse) -> Iterator[tuple[int, Record]]:
    if found.kind == "parquet":
        raise RefusedError("it is Parquet, which needs the format generic and a mapping of its columns")
    if found.kind == "csv":
        return table(lines(content, refuse), found.delimiter, refuse)
    if found.kind == "json":
        return documents(content, refuse)
    return _json_lines(lines(content, refuse), refuse)


def _json_lines(numbered: Iterator[tuple[int, str]], refuse: Refuse) -> Iterator[tuple[int, Record]]:
    for number, line in numbered:
        if not line or line.isspace():
            continue
        try:
            value = parse(line)
        except RefusedError as refused:
            refuse(Parsed(number, reason=str(refused)))
            continue
        for record in unwrapped(value) if isinstance(value, dict) else [value]:
            if isinstance(record, dict):
                yield number, record
            else:
                refuse(Parsed(number, reason="it is not a JSON object"))
