"""`replay --git` and `backfill`: every commit of a scraped file is a poll."""

import json
import os
import subprocess
from datetime import datetime
from pathlib import Path

import pytest

from collector import scrapers
from collector.scrapers import Scraper
from tests.collector.bodies import model
from tests.scripts.conftest import Ran, Verb

FILE = "data/output.json"


def git(folder: Path, *arguments: str | Path, at: str = "2026-01-01T00:00:00Z") -> str:
    """git with a fixed author and time, and without anyone's settings."""
    quiet = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    who = {f"GIT_{role}_{name}": f"scraper@{name}" for role in ("AUTHOR", "COMMITTER") for name in ("NAME", "EMAIL")}
    when = {"GIT_AUTHOR_DATE": "2020-01-01T00:00:00Z", "GIT_COMMITTER_DATE": at}
    nobody = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}
    command = ["git", "-c", "init.defaultBranch=main", "-C", str(folder), *map(str, arguments)]
    done = subprocess.run(command, env=quiet | who | when | nobody, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def commit(repository: Path, text: str | None, at: str) -> str:
    """Commit that text as the scraped file (None: remove it); the commit's id."""
    file = repository / FILE
    file.parent.mkdir(exist_ok=True)
    if text is None:
        file.unlink()
    else:
        file.write_text(text, encoding="utf-8")
    git(repository, "add", "--all", at=at)
    git(repository, "commit", "--message", "Scrape", at=at)
    return git(repository, "rev-parse", "HEAD")


def scraped(prompt: str) -> str:
    return json.dumps({"data": [model("acme/atlas-1", prompt)]})


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository that scraped OpenRouter: three prices, and a day on which it got an error page."""
    folder = tmp_path / "scraper"
    folder.mkdir()
    git(folder, "init", "--quiet")
    (folder / "README").touch()
    git(folder, "add", "README")
    git(folder, "commit", "--message", "Begin", at="2025-12-31T00:00:00Z")
    commit(folder, scraped("0.000001"), "2026-01-01T06:30:00+06:00")
    commit(folder, scraped("0.000002"), "2026-01-02T00:30:00Z")
    commit(folder, "<html>Bad gateway</html>", "2026-01-03T00:30:00Z")
    commit(folder, scraped("0.000003"), "2026-01-04T00:30:00Z")
    return folder


def replay(ratecard: Verb, repository: Path, path: str = FILE) -> Ran:
    return ratecard("replay", "--source", "openrouter", "--git", repository, "--path", path)


def prices(ratecard: Verb) -> list[tuple[str, str, str | None]]:
    rows = ratecard("history", "acme/atlas-1", "--meter", "prompt").json()
    return [(row["usd"], row["valid_from"], row["valid_to"]) for row in rows]


THREE_PRICES = [
    ("0.000001", "2026-01-01T00:30:00Z", "2026-01-02T00:30:00Z"),
    ("0.000002", "2026-01-02T00:30:00Z", "2026-01-04T00:30:00Z"),
    ("0.000003", "2026-01-04T00:30:00Z", None),
]


def test_every_commit_is_a_poll_at_its_time(ratecard: Verb, repository: Path) -> None:
    bad = git(repository, "rev-parse", "--short=12", "HEAD~1")

    ran = replay(ratecard, repository)

    assert (ran.code, ran.json()["loaded"], ran.json()["rejected"]) == (2, 3, 1)
    assert ran.err.splitlines() == [
        f"{FILE} at {bad} is not usable: it is HTML, not JSON.",
        "3 polls loaded, 0 were stored before, 1 could not be read.",
    ]
    assert prices(ratecard) == THREE_PRICES


def test_again_is_a_no_op_and_a_new_commit_is_one_poll(ratecard: Verb, repository: Path) -> None:
    replay(ratecard, repository)

    again = replay(ratecard, repository)
    assert (again.json()["loaded"], again.json()["skipped"], again.json()["changed"]) == (0, 3, 0)

    commit(repository, scraped("0.000004"), "2026-01-05T00:30:00Z")
    more = replay(ratecard, repository)
    assert (more.json()["loaded"], more.json()["skipped"]) == (1, 3)
    assert prices(ratecard)[-1] == ("0.000004", "2026-01-05T00:30:00Z", None)


def test_a_commit_that_removed_the_file_is_told_about(ratecard: Verb, repository: Path) -> None:
    removed = commit(repository, None, "2026-01-05T00:30:00Z")

    ran = replay(ratecard, repository)

    assert f"{FILE} at {removed[:12]}: the file was removed by this commit." in ran.err
    assert ran.json()["loaded"] == 3


def test_a_repository_inside_a_git_hook(ratecard: Verb, repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A hook of another repository sets these, and git would follow them instead of the folder that it is given."""
    monkeypatch.setenv("GIT_DIR", str(repository.parent / "elsewhere"))
    monkeypatch.setenv("GIT_INDEX_FILE", "elsewhere")

    assert replay(ratecard, repository).json()["loaded"] == 3


def test_a_repository_without_the_file(ratecard: Verb, repository: Path) -> None:
    ran = replay(ratecard, repository, "data/none.json")

    assert (ran.code, ran.out) == (2, "")
    assert ran.err == (
        f"ratecard: {repository} has no commit with the file data/none.json. Is --path spelled as in the repository?\n"
    )


def test_a_folder_that_is_no_repository(ratecard: Verb, tmp_path: Path) -> None:
    ran = replay(ratecard, tmp_path)

    assert (ran.code, ran.out) == (2, "")
    assert ran.err.startswith("ratecard: git said: not a git repository")
    assert len(ran.err.splitlines()) == 1


def scraper_at(url: str) -> tuple[Scraper, ...]:
    return (Scraper(source="openrouter", url=url, path=FILE, licence="MIT", since="2026-01"),)


def test_a_backfill_shows_what_it_would_clone(ratecard: Verb, isolated_environment: Path) -> None:
    ran = ratecard("backfill", "--list")

    assert (ran.code, ran.out) == (0, "")
    assert "https://github.com/jvrck/openrouterlist.git  data/output.json  (openrouter, since 2024-09, MIT)" in ran.err
    assert not isolated_environment.exists()


@pytest.mark.parametrize("url", ["http://127.0.0.1:1/scraper.git", "file:///nowhere/scraper.git"])
def test_a_backfill_without_a_network(
    ratecard: Verb, monkeypatch: pytest.MonkeyPatch, url: str, isolated_environment: Path
) -> None:
    monkeypatch.setattr(scrapers, "SCRAPERS", scraper_at(url))

    ran = ratecard("backfill", "--yes")

    assert (ran.code, ran.out) == (1, "")
    *shown, told = ran.err.splitlines()
    assert len(shown) == 2
    assert told.startswith(f"ratecard: {url} could not be cloned: git said: ")
    assert told.endswith(" Is there a network?")
    assert list(isolated_environment.glob("scrapers/*")) == []


def test_a_backfill_clones_and_replays_and_again_fetches_what_is_new(
    ratecard: Verb, monkeypatch: pytest.MonkeyPatch, repository: Path, isolated_environment: Path, tmp_path: Path
) -> None:
    public = tmp_path / "public.git"
    git(tmp_path, "clone", "--quiet", "--bare", repository, public)
    monkeypatch.setattr(scrapers, "SCRAPERS", scraper_at(public.as_uri()))

    first, again = ratecard("backfill", "--yes"), ratecard("backfill", "--yes")

    assert (first.json()["loaded"], again.json()["loaded"], again.json()["skipped"]) == (3, 0, 3)
    assert prices(ratecard) == THREE_PRICES
    assert [path.name for path in (isolated_environment / "scrapers").iterdir()] == ["public"]

    commit(repository, scraped("0.000004"), "2026-01-05T00:30:00Z")
    git(repository, "push", "--quiet", public, "main")
    assert ratecard("backfill", "--yes").json()["loaded"] == 1


def test_a_clone_that_was_killed_is_begun_anew(
    ratecard: Verb, monkeypatch: pytest.MonkeyPatch, repository: Path, isolated_environment: Path
) -> None:
    monkeypatch.setattr(scrapers, "SCRAPERS", scraper_at(repository.as_uri()))
    folder = isolated_environment / "scrapers"
    (folder / "scraper.part").mkdir(parents=True)
    git(folder / "scraper.part", "init", "--quiet", "--bare")

    assert ratecard("backfill", "--yes").json()["loaded"] == 3
    assert [path.name for path in folder.iterdir()] == ["scraper"]


def test_polls_come_at_the_time_of_their_commit_and_not_of_their_author(repository: Path) -> None:
    at = [found.at for found in scrapers.commits(repository, FILE)]

    assert at == [datetime.fromisoformat(f"2026-01-0{day}T00:30:00Z") for day in (1, 2, 3, 4)]
