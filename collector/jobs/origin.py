"""Which logs are to be imported, and how they are to be read."""

import glob as patterns
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

from collector.jobs.intake import Defaults
from collector.logs.generic import Mapping
from db.errors import UsageError

_LOGS: Final = (".csv", ".tsv", ".json", ".jsonl", ".ndjson", ".parquet", ".log", ".txt")
_PACKED: Final = (".gz", ".zst")


@dataclass(frozen=True, slots=True)
class Wanted:
    """How logs are to be read; what is None is found out or refused.

    `mapping`: of every file; `usual`: of those that are not recognised. `timezone`: of times without one. `shift_to`:
    where each file's first instant is moved to. `sample`: they are synthetic.
    """

    log_format: str | None = None
    mapping: Mapping | None = None
    usual: Mapping | None = None
    timezone: ZoneInfo | None = None
    defaults: Defaults = field(default_factory=Defaults)
    shift_to: datetime | None = None
    sample: bool = False


def expanded(names: Sequence[Path]) -> list[Path]:
    """Files, those of folders, and those that a pattern names; each once. Raises UsageError for a name of none."""
    found = {file.resolve(): file for name in names for file in _files(name)}
    return list(found.values())


def _files(name: Path) -> Iterator[Path]:
    if name.is_dir():
        inside = sorted(file for file in name.rglob("*") if file.is_file() and _is_log(file.relative_to(name)))
        if not inside:
            raise UsageError(f"The folder {name} holds no log: no file of {', '.join(_LOGS)}.")
        yield from inside
    elif name.exists():
        yield name
    elif patterns.has_magic(str(name)) and (matching := _matching(name)):
        for each in matching:
            yield from _files(each)
    else:
        raise UsageError(f"There is no file {name}.")


def _matching(pattern: Path) -> list[Path]:
    return sorted(map(Path, patterns.glob(str(pattern.expanduser()), recursive=True)))  # noqa: PTH207  # it may be absolute


def _is_log(file: Path) -> bool:
    stem = file.with_suffix("") if file.suffix.lower() in _PACKED else file
    return stem.suffix.lower() in _LOGS and not any(part.startswith(".") for part in file.parts)
