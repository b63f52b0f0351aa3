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
import stamina
import structlog

from scripts.ratecard import main
from tests.collector.bodies import model
from tests.scripts import recordings
from tests.scripts.recordings import EXACT, HERMES, TIERED, day
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
) -> Iterator[Verb]:
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

    yield run
    # A verb sets up the logs of its process, which this one was only for a while.
    structlog.reset_defaults()
    stamina.instrumentation.set_on_retry_hooks(None)


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


@pytest.fixture
def filled(ratecard: Verb, tmp_path: Path) -> Verb:
    """A database with a few polls of two sources in it."""
    tiered_price = {
        "prompt": EXACT,
        "completion": "0.0000005",
        "web_search": "0.01",
        "overrides": [
            {"min_prompt_tokens": 200_000, "prompt": "0.0000002"},
            {"utc_start": 1630, "utc_end": 30, "completion": "0"},
        ],
    }
    tiered = model(TIERED, pricing=tiered_price)
    auto = model("openrouter/auto", "-1", "-1")
    first = [model(HERMES, "0.0000003", "0.0000012"), tiered, auto, model("gone/model-1")]
    second = [model(HERMES, "0.000001", "0.0000012"), tiered, auto]
    polls = [recordings.line(day(1), first), *(recordings.line(day(number), second) for number in (2, 3, 4))]
    sellers = {
        "nebius": recordings.provider("Nebius", {"NousResearch/Hermes-4-405B": recordings.sold(1, 3)}),
        "chutes": recordings.provider("Chutes", {"NousResearch/Hermes-4-405B-FP8": recordings.sold(0.3, 1.2)}),
    }
    polls.append(recordings.line(day(2), sellers, "models_dev"))
    ran = ratecard("replay", recordings.write(tmp_path / "polls.jsonl", polls))
    assert ran.code == 0, ran.err
    return ratecard
