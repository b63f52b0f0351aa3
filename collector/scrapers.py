"""The git history of a file that scraped a source: one recorded poll for each commit.

Also the public repositories that did so, which `ratecard backfill` clones.
"""

import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from collector.history import Recorded
from collector.sources.base import parse_json
from db.errors import InputError, SourceError, UsageError


@dataclass(frozen=True, slots=True)
class Scraper:
    """A public repository that scraped a source: its address, the file in it, whose it is."""

    source: str
    url: str
    path: str
    licence: str
    since: str


SCRAPERS: Final = (
    Scraper(
        source="openrouter",
        url="https://github.com/jvrck/openrouterlist.git",
        path="data/output.json",
        licence="MIT",
        since="2024-09",
    ),
)


_PLACES: Final = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY", "GIT_COMMON_DIR")


@dataclass(frozen=True, slots=True)
class Commit:
    """One version of the file."""

    id: str
    at: datetime


def commits(repository: Path, path: str) -> list[Commit]:
    """Every commit that touched `path`, oldest first. Raises UsageError where git knows neither."""
    text = _git(repository, "log", "--first-parent", "--format=%H %ct", "--", path)
    found = [
        Commit(commit, datetime.fromtimestamp(int(at), UTC))
        for commit, at in (row.split() for row in text.splitlines())
    ]
    if not found:
        raise UsageError(f"{repository} has no commit with the file {path}. Is --path spelled as in the repository?")
    return sorted(found, key=lambda commit: commit.at)


def from_git(repository: Path, path: str, versions: list[Commit]) -> Iterator[Recorded]:
    """The file at each commit, as a recorded poll seen at the commit's time."""
    command = ["git", "-C", str(repository), "cat-file", "--batch"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=_environment()) as git:  # noqa: S603
        if git.stdin is None or git.stdout is None:
            raise InputError(f"git in {repository} could not be talked to.")
        for commit in versions:
            git.stdin.write(f"{commit.id}:{path}\n".encode())
            git.stdin.flush()
            where = f"{path} at {commit.id[:12]}"
            header = git.stdout.readline().decode().split()
            if len(header) != 3 or header[1] != "blob":
                yield Recorded(where, None, None, None, error=f"{where}: the file was removed by this commit.")
                continue
            body = git.stdout.read(int(header[2]))
            git.stdout.read(1)
            try:
                document = parse_json(body, where)
            except InputError as problem:
                yield Recorded(where, None, None, None, error=str(problem))
                continue
            yield Recorded(where, commit.at, None, document)
        git.stdin.close()


def clone(scraper: Scraper, into: Path) -> Path:
    """Clone the repository, or bring the clone up to date. Raises SourceError, in one sentence, where it cannot."""
    name = scraper.url.rsplit("/", 1)[-1].removesuffix(".git")
    folder = into / name
    try:
        if (folder / "HEAD").exists():
            _git(folder, "fetch", "--quiet", "origin", "+refs/heads/*:refs/heads/*")
        else:
            into.mkdir(parents=True, exist_ok=True)
            # Under its name there is only ever a whole clone.
            unfinished = into / f"{name}.part"
            shutil.rmtree(unfinished, ignore_errors=True)
            _git(into, "clone", "--quiet", "--bare", scraper.url, unfinished.name)
            unfinished.rename(folder)
    except UsageError as error:
        raise SourceError(f"{scraper.url} could not be cloned: {error} Is there a network?") from error
    return folder


def _git(folder: Path, *arguments: str) -> str:
    """Run git in `folder`."""
    try:
        done = subprocess.run(  # noqa: S603
            ["git", "-C", str(folder), *arguments],  # noqa: S607
            capture_output=True,
            text=True,
            check=True,
            env=_environment(),
        )
    except FileNotFoundError as error:
        raise UsageError("git is not installed. Install it, then try again.") from error
    except subprocess.CalledProcessError as error:
        reason = (error.stderr or "git failed").strip().splitlines()[-1].removeprefix("fatal: ")
        raise UsageError(f"git said: {reason}.") from error
    return done.stdout


def _environment() -> dict[str, str]:
    """git never asks for a password, and works on the folder that it is told to, also inside a git hook."""
    ours = {name: value for name, value in os.environ.items() if name not in _PLACES}
    return ours | {"GIT_TERMINAL_PROMPT": "0", "GIT_ASKPASS": "true", "LC_ALL": "C"}
