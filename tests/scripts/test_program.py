"""`ratecard` as a program of its own: exit codes, the two outputs, what it imports, readers that stop reading."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.collector.bodies import model
from tests.scripts import recordings
from tests.scripts.conftest import environment, program, run_program

HEAVY = ("pandas", "streamlit", "sqlalchemy", "sqlmodel", "httpx", "altair", "apscheduler", "genai_prices", "alembic")
FOR_OTHERS = ("pandas", "pyarrow", "streamlit", "altair", "apscheduler", "genai_prices", "alembic")


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a database with 400 models, which gives more output than a pipe holds."""
    home = tmp_path_factory.mktemp("filled")
    models = [model(f"acme/atlas-{number}", description="words " * 50) for number in range(400)]
    polls = recordings.write(home / "polls.jsonl", [recordings.line("2026-01-01T00:00:00Z", models)])
    assert run_program("replay", polls, cwd=home, RATECARD_HOME=str(home)).code == 0
    return home


def test_answers_go_to_standard_output_and_messages_to_standard_error(tmp_path: Path) -> None:
    polls = recordings.write(
        tmp_path / "polls.jsonl", [recordings.line("2026-01-01T00:00:00Z", [model("acme/atlas-1")]), "<html>"]
    )

    ran = run_program("replay", polls, cwd=tmp_path)

    assert ran.code == 2
    assert json.loads(ran.out) == {"loaded": 1, "skipped": 0, "rejected": 1, "changed": 2, "rejected_items": 0}
    assert ran.err == (
        "polls.jsonl line 2 is not usable: it is HTML, not JSON.\n"
        "1 polls loaded, 0 were stored before, 1 could not be read.\n"
    )


def test_the_exit_code_says_done_no_or_wrong_use(tmp_path: Path) -> None:
    assert run_program("init", cwd=tmp_path).code == 0
    assert run_program("status", cwd=tmp_path).code == 1

    wrong = run_program("price", "acme/none", cwd=tmp_path)
    assert (wrong.code, wrong.out) == (2, "")
    assert wrong.err == (
        "ratecard: There is no model acme/none: the database holds no prices yet. `ratecard poll` gets them.\n"
    )


def test_a_traceback_is_for_those_who_ask_for_it(tmp_path: Path) -> None:
    ran = run_program("models", cwd=tmp_path, RATECARD_DEBUG="1")

    assert ran.code == 1
    assert "Traceback" in ran.err


@pytest.mark.parametrize("arguments", [["--help"], ["price", "--help"]])
def test_help_imports_nothing_heavy(tmp_path: Path, arguments: list[str]) -> None:
    asked = subprocess.run(
        [sys.executable, "-X", "importtime", *program(*arguments)[1:]],
        cwd=tmp_path,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )

    imported = {name.split(".")[0] for name in re.findall(r"\| +(\S+)$", asked.stderr, flags=re.MULTILINE)}
    assert "typer" in imported
    assert imported.isdisjoint(HEAVY)
    assert "ratecard" in asked.stdout


SAYS_WHAT_IT_IMPORTED = """
import sys
from scripts.ratecard import main
try:
    main()
finally:
    print(*{name.split(".")[0] for name in sys.modules}, file=sys.stderr)
"""


@pytest.mark.parametrize(
    "arguments",
    [["price", "acme/atlas-1"], ["changes"], ["model", "acme/atlas-1"]],
    ids=lambda arguments: arguments[0],
)
def test_verbs_that_read_import_nothing_that_draws_or_polls(filled: Path, arguments: list[str]) -> None:
    asked = subprocess.run(
        [sys.executable, "-c", SAYS_WHAT_IT_IMPORTED, *arguments],
        cwd=filled,
        env=environment(RATECARD_HOME=str(filled)),
        capture_output=True,
        text=True,
        check=True,
    )

    imported = set(asked.stderr.split())
    assert "sqlalchemy" in imported
    assert imported.isdisjoint(FOR_OTHERS)


@pytest.mark.parametrize("format_", ["json", "csv", "table"])
def test_a_reader_that_stops_in_the_middle_is_no_error(filled: Path, format_: str) -> None:
    """`ratecard models | head -1`"""
    with subprocess.Popen(
        program("models", "--format", format_),
        cwd=filled,
        env=environment(RATECARD_HOME=str(filled)),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as models:
        assert models.stdout is not None
        assert models.stderr is not None
        assert models.stdout.readline()
        models.stdout.close()
        assert models.stderr.read() == b""
    assert models.returncode == 0


@pytest.mark.parametrize(("arguments", "code"), [(["status"], 1), (["--help"], 0)])
def test_a_reader_that_is_gone_before_changes_no_answer(filled: Path, arguments: list[str], code: int) -> None:
    """The output fits into a buffer, so that nobody notices before the end."""
    reading, writing = os.pipe()
    os.close(reading)

    ran = subprocess.run(
        program(*arguments),
        cwd=filled,
        env=environment(RATECARD_HOME=str(filled)),
        stdout=writing,
        stderr=subprocess.PIPE,
        check=False,
    )

    os.close(writing)
    assert (ran.returncode, ran.stderr) == (code, b"")
