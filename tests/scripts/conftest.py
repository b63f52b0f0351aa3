"""The command line, inside this process for speed and as a program of its own where that matters."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from scripts.ratecard import main
from tests.support.repository import ROOT
from tests.support.upstream import Upstream, running_upstream


@dataclass(frozen=True, slots=True)
class Ran:
    """What a verb came to."""

    code: int
    out: str
    err: str

    def json(self) -> Any:
        """Standard output as JSON, with numbers as they are written."""
        return json.loads(self.out, parse_float=str)


Verb = Callable[..., Ran]


@pytest.fixture
def ratecard(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, isolated_environment: Path
) -> Verb:
    """Run a verb inside this process; its working folder is empty."""
    folder = tmp_path / "working-folder"
    folder.mkdir()
    monkeypatch.chdir(folder)

    def run(*arguments: str | Path) -> Ran:
        monkeypatch.setattr(sys, "argv", ["ratecard", *map(str, arguments)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        out, err = capsys.readouterr()
        code = ended.value.code
        assert isinstance(code, int)
        return Ran(code, out, err)

    return run


def program(*arguments: str | Path) -> list[str]:
    """The command line of `ratecard` as a program of its own."""
    return [sys.executable, "-m", "scripts.ratecard", *map(str, arguments)]


def environment(**settings: str) -> dict[str, str]:
    """The test's own environment for a program, and more settings."""
    return os.environ | {"PYTHONPATH": str(ROOT)} | settings


def run_program(*arguments: str | Path, cwd: Path, **settings: str) -> Ran:
    """Run `ratecard` as a program, to its end."""
    done = subprocess.run(
        program(*arguments), cwd=cwd, env=environment(**settings), capture_output=True, text=True, check=False
    )
    return Ran(done.returncode, done.stdout, done.stderr)


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    """A local server that plays OpenRouter and models.dev."""
    with running_upstream() as server:
        yield server
