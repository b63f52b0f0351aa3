"""The bytes of a file in blocks, decompressed, with bounded memory."""

import io
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

BLOCK: Final = 1 << 20
GZIP: Final = "gzip"
ZSTD: Final = "zstd"
_MAGIC: Final = {b"\x1f\x8b": GZIP, b"\x28\xb5\x2f\xfd": ZSTD}
_GZIP_WINDOW: Final = 31

Progress = Callable[[int], None]
"""Told how many bytes of the file, as it lies on disk, have been consumed so far."""


class CutError(Exception):
    """The bytes end before they should; the text says why. All that came before has been given."""


def compression(path: Path) -> str:
    """How a file is compressed, by its first bytes and not by its name: gzip, zstd, or empty."""
    with path.open("rb") as file:
        start = file.read(4)
    return next((name for magic, name in _MAGIC.items() if start.startswith(magic)), "")


def blocks(path: Path, progress: Progress) -> Iterator[bytes]:
    """The content, decompressed. Raises OSError, or CutError at the place where a compressed file breaks off."""
    kind = compression(path)
    with _Watched(path, progress) as file:
        if kind == GZIP:
            yield from _gunzipped(file)
        elif kind == ZSTD:
            yield from _unzstd(path, file)
        else:
            while block := file.read(BLOCK):
                yield block


class _Watched(io.FileIO):
    """A file that tells how far it has been read."""

    def __init__(self, path: Path, progress: Progress) -> None:
        super().__init__(path)
        self._progress = progress

    def read(self, size: int | None = -1, /) -> bytes:
        data = super().read(-1 if size is None else size)
        self._progress(self.tell())
        return data or b""


def _gunzipped(file: _Watched) -> Iterator[bytes]:
    """All members of a gzip file."""
    member = zlib.decompressobj(_GZIP_WINDOW)
    pending, over = b"", False
    while pending := pending or file.read(BLOCK):
        if over:
            pending = pending.lstrip(b"\0")
            member, over = zlib.decompressobj(_GZIP_WINDOW), not pending
            continue
        before = member.copy()
        try:
            data = member.decompress(pending, BLOCK)
        except zlib.error:
            yield _until_damage(before, pending)
            raise CutError("it is damaged there") from None
        over = member.eof
        pending = member.unused_data if over else member.unconsumed_tail
        if data:
            yield data
    if not over:
        yield member.flush()
        raise CutError("its compressed data is cut off")


def _until_damage(member: "zlib._Decompress", pending: bytes) -> bytes:
    """What can be decompressed before the damage, byte by byte."""
    found = bytearray()
    try:
        for at in range(len(pending)):
            found += member.decompress(pending[at : at + 1])
    except zlib.error:
        pass
    return bytes(found)


def _unzstd(path: Path, file: _Watched) -> Iterator[bytes]:
    import pyarrow

    done = 0
    stream = pyarrow.CompressedInputStream(pyarrow.PythonFile(file, "r"), ZSTD)
    try:
        while block := stream.read(BLOCK):
            done += len(block)
            yield block
    except OSError:
        yield _rest_before_the_break(path, done)
        raise CutError("its compressed data is cut off or damaged") from None


def _rest_before_the_break(path: Path, done: int) -> bytes:
    """What the failed read would have given: the reader drops a block that it cannot fill."""
    import pyarrow

    found = bytearray()
    with path.open("rb") as file:
        stream = pyarrow.CompressedInputStream(pyarrow.PythonFile(file, "r"), ZSTD)
        try:
            while done:
                done -= len(stream.read(min(done, BLOCK)))
            while byte := stream.read(1):
                found += byte
        except OSError:
            pass
    return bytes(found)
