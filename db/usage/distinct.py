"""Which of the incoming requests are new: each is counted once, however often and in whatever files it comes."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from db.usage.requests import DEFAULTS, KINDS, Held, Profile, profile


@dataclass(frozen=True, slots=True)
class Settled:
    """What came of telling new requests from known ones.

    `imported`: file number -> new requests. `differing`: duplicates by key whose figures are not the stored ones.
    """

    imported: Mapping[int, int]
    differing: int
    held: Held | None


def settle(connection: Any, incoming: Mapping[int, Sequence[Path]], held: Sequence[Held], into: Path) -> Settled:
    """Write those of the incoming requests that are new as Parquet files into the folder `into`.

    `incoming`: file number -> Parquet files of INCOMING (columns may be missing); `held`: earlier imports;
    `connection`: DuckDB. By key, the highest rank counts, then the first, and nothing that is held already. Without
    a key, equal requests of one file are different ones, and the same again in another file or import.
    """
    into.mkdir(parents=True, exist_ok=True)
    about = {number: profile(files) for number, files in incoming.items()}
    about = {number: each for number, each in about.items() if each.rows}
    if not about:
        return Settled({}, 0, None)
    files = [file for number in about for file in incoming[number]]
    whole = profile(files)
    keyed = "key" in whole.needed
    near = [each for each in held if _overlap(whole, each)]
    columns = _kept(whole)
    differing = 0
    if keyed or near or _cross(about.values()):
        same_days = [file for each in near for file in each.files]
        unkeyed = _unkeyed(files, same_days, columns, several=len(about) > 1)
        connection.execute(f"COPY ({unkeyed}) TO '{_quoted(into / '0.parquet')}'")
        if keyed:
            all_held = [file for each in held for file in each.files if "key" in pq.read_schema(file).names]
            differing = connection.execute(_differing(files, all_held)).fetchone()[0] if all_held else 0
            connection.execute(f"COPY ({_keyed(files, all_held, columns)}) TO '{_quoted(into / '1.parquet')}'")
    else:
        _take(connection, files, columns, into)
    return _settled(connection, into, differing)


def _settled(connection: Any, into: Path, differing: int) -> Settled:
    """What was written; a file without rows is taken away again."""
    for file in into.glob("*.parquet"):
        if not pq.read_metadata(file).num_rows:
            file.unlink()
    files = tuple(sorted(into.glob("*.parquet")))
    if not files:
        return Settled({}, differing, None)
    counted = connection.execute(f"SELECT file, count(*) FROM {_parquet(files)} GROUP BY file").fetchall()
    written = profile(files)
    assert written.first_at is not None  # noqa: S101  # a row always has a time
    assert written.last_at is not None  # noqa: S101
    return Settled(dict(counted), differing, Held(files, written.first_at, written.last_at))


def _kept(about: Profile) -> list[str]:
    """The columns that any row needs, and the model's; what a bucket stands for goes with its end."""
    needed = {*about.needed, "file", "model"}
    if needed & {"requests", "until"}:
        needed |= {"requests", "until"}
    return [name for name in ("file", "key", *KINDS) if name in needed]


def _take(connection: Any, files: Sequence[Path], columns: Sequence[str], into: Path) -> None:
    """All requests are new: the files as they are, or rewritten where they have other columns."""
    if all(set(pq.read_schema(file).names) == set(columns) for file in files):
        for number, file in enumerate(files):
            file.rename(into / f"{number}.parquet")
        return
    present = _present(files)
    listed = ", ".join(f"{_value(name, present)} AS {_name(name)}" for name in columns)
    connection.execute(f"COPY (SELECT {listed} FROM {_parquet(files)}) TO '{_quoted(into / '0.parquet')}'")


def _overlap(about: Profile, held: Held) -> bool:
    return bool(about.first_at and about.last_at and about.first_at <= held.last_at and held.first_at <= about.last_at)


def _cross(about: Iterable[Profile]) -> bool:
    """Whether any two files share a time."""
    spans = sorted((each.first_at, each.last_at) for each in about if each.first_at and each.last_at)
    latest: datetime | None = None
    for first_at, last_at in spans:
        if latest is not None and first_at <= latest:
            return True
        latest = last_at if latest is None else max(latest, last_at)
    return False


def _unkeyed(files: Sequence[Path], held: Sequence[Path], columns: Sequence[str], *, several: bool) -> str:
    """Of n equal rows in a file, those beyond the greatest number so far: stored, or in a file before it."""
    same = [name for name in KINDS if name in {*columns, *_present(held)}]
    listed = ", ".join(map(_name, same))
    parts = [_rows(files, same, "file")]
    if held:
        first, last = (f"(SELECT {which}(time) FROM {_parquet(files)})" for which in ("min", "max"))
        parts.append(f"{_rows(held, same, '-1')} AND time BETWEEN {first} AND {last}")
    rows = " UNION ALL ".join(parts)
    out = ", ".join("NULL::VARCHAR AS key" if name == "key" else _name(name) for name in columns)
    if not several:
        # The same without a window, which would sort all rows.
        surplus = "count(*) FILTER (WHERE file >= 0) - count(*) FILTER (WHERE file < 0) AS more"
        grouped = f"SELECT {listed}, max(file) AS file, {surplus} FROM ({rows}) GROUP BY {listed}"
        return f"SELECT {out} FROM ({grouped}), range(more) WHERE more > 0"
    counted = f"SELECT {listed}, file, count(*) AS n FROM ({rows}) GROUP BY ALL"
    before = f"max(n) OVER (PARTITION BY {listed} ORDER BY file ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)"
    more = f"SELECT *, n - coalesce({before}, 0) AS more FROM ({counted})"
    return f"SELECT {out} FROM ({more}), range(more) WHERE file >= 0 AND more > 0"


def _rows(files: Sequence[Path], names: Sequence[str], file: str) -> str:
    present = _present(files)
    listed = ", ".join(f"{_value(name, present)} AS {_name(name)}" for name in names)
    keyless = "key IS NULL" if "key" in present else "TRUE"
    return f"SELECT {listed}, {file} AS file FROM {_parquet(files)} WHERE {keyless}"


def _best(files: Sequence[Path]) -> str:
    """Of each key the record that counts."""
    present = _present(files)
    order = [name for name in ("rank DESC", "file", "line") if name.split()[0] in present]
    ordered = ", ".join([*order, "file_row_number"])
    return (
        f"SELECT * FROM {_parquet(files, 'file_row_number = true')} WHERE key IS NOT NULL "
        f"QUALIFY row_number() OVER (PARTITION BY key ORDER BY {ordered}) = 1"
    )


def _keyed(files: Sequence[Path], held: Sequence[Path], columns: Sequence[str]) -> str:
    present = _present(files)
    listed = ", ".join(f"{_value(name, present)} AS {_name(name)}" for name in columns)
    known = f" ANTI JOIN {_parquet(held)} AS held USING (key)" if held else ""
    return f"SELECT {listed} FROM ({_best(files)}){known}"


def _differing(files: Sequence[Path], held: Sequence[Path]) -> str:
    """How many incoming requests have a stored key and other figures."""
    mine, theirs = _present(files), _present(held)
    names = [name for name in KINDS if name in mine | theirs]
    other = " OR ".join(
        f"{_value(name, mine, 'best.')} IS DISTINCT FROM {_value(name, theirs, 'held.')}" for name in names
    )
    return f"SELECT count(*) FROM ({_best(files)}) AS best JOIN {_parquet(held)} AS held USING (key) WHERE {other}"


def _value(name: str, present: frozenset[str], table: str = "") -> str:
    """A column as SQL, with its default where a file lacks it."""
    if name not in present:
        return DEFAULTS.get(name, "NULL")
    default = DEFAULTS.get(name, "NULL")
    column = table + _name(name)
    return column if default.startswith("NULL") else f"coalesce({column}, {default})"


def _present(files: Iterable[Path]) -> frozenset[str]:
    return frozenset(name for file in files for name in pq.read_schema(file).names)


def _parquet(files: Sequence[Path], *options: str) -> str:
    listed = ", ".join(f"'{_quoted(file)}'" for file in files)
    return f"read_parquet({', '.join([f'[{listed}]', 'union_by_name = true', *options])})"


def _name(column: str) -> str:
    """Quoted: `user` alone would be who runs the query."""
    return f'"{column}"'


def _quoted(path: Path) -> str:
    return str(path).replace("'", "''")
