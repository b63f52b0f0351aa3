"""The ground that other tests stand on: the repository's own rules, and the real things fixtures start."""

import asyncio
import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
import sqlalchemy
from playwright.sync_api import Page

from tests.support.network import OutsideWorldError, beyond_loopback, is_loopback
from tests.support.repository import ROOT, repository_files

SHELL_SCRIPTS = [
    *(ROOT / "scripts" / name for name in ("setup", "run", "test", "check", "lock")),
    ROOT / ".ci/run",
]
LARGEST_FILE_BYTES = 600_000


def test_modules_import_only_what_the_design_allows() -> None:
    lint_imports = Path(sys.executable).parent / "lint-imports"

    checked = subprocess.run([lint_imports, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False)

    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_the_lock_names_no_index_and_hashes_every_requirement() -> None:
    lock = (ROOT / "requirements.lock").read_text()
    requirements = re.split(r"\n(?=[a-zA-Z0-9])", "\n" + re.sub(r"^ *#.*\n", "", lock, flags=re.MULTILINE))[1:]

    assert len(requirements) > 50
    assert [text for text in requirements if "==" not in text or "--hash=sha256:" not in text] == []
    assert re.findall(r"\S*://\S*|^-.*", lock, flags=re.MULTILINE) == []


@pytest.mark.parametrize("script", SHELL_SCRIPTS, ids=lambda script: script.relative_to(ROOT).as_posix())
def test_shell_scripts_are_executable_and_parse(script: Path) -> None:
    assert os.access(script, os.X_OK)
    assert subprocess.run(["bash", "-n", script], check=False).returncode == 0


def test_no_file_of_the_repository_is_large() -> None:
    large = [file.relative_to(ROOT) for file in repository_files() if file.stat().st_size > LARGEST_FILE_BYTES]

    assert large == []


def test_no_file_of_the_repository_names_a_place_on_somebodys_machine() -> None:
    # As text, each of these is no path itself.
    somebodys = [r"(?<![\w.~$}-])/(?:work|root|Users)/", re.escape(f"{ROOT}/")]
    if len(Path.home().parts) > 1:
        somebodys.append(re.escape(f"{Path.home()}/"))
    pattern = re.compile("|".join(somebodys))

    texts = {file: file.read_bytes().decode(errors="replace") for file in repository_files()}

    assert {
        str(file.relative_to(ROOT)): found for file, text in texts.items() if (found := pattern.findall(text))
    } == {}


def test_postgres_answers(postgres_database: str) -> None:
    engine = sqlalchemy.create_engine(postgres_database)
    with engine.connect() as connection:
        version = connection.exec_driver_sql("SELECT version()").scalar_one()
    engine.dispose()

    assert version.startswith("PostgreSQL")


@pytest.mark.parametrize("turn", ["first", "second"])
def test_every_test_gets_an_empty_database(database_url: str, turn: str) -> None:
    engine = sqlalchemy.create_engine(database_url)
    with engine.begin() as connection:
        assert sqlalchemy.inspect(connection).get_table_names() == []
        connection.exec_driver_sql("CREATE TABLE price (usd TEXT)")
    engine.dispose()


def test_chromium_draws_a_page(page: Page) -> None:
    page.goto("data:text/html,<title>Rates</title><h1>$0.25</h1>")

    assert page.title() == "Rates"
    assert page.get_by_role("heading").inner_text() == "$0.25"
    assert page.evaluate("matchMedia('(prefers-reduced-motion: reduce)').matches")


def test_what_a_page_asks_of_another_machine_is_refused_and_noted(page: Page, requested: list[str]) -> None:
    page.goto("data:text/html,<p>offline")
    # An address that is reserved for documentation, so nobody is there.
    outcome = page.evaluate("fetch('http://192.0.2.1/').then(() => 'reached', () => 'refused')")

    assert outcome == "refused"
    assert beyond_loopback(requested) == ["http://192.0.2.1/"]
    requested.clear()


def test_a_test_cannot_reach_another_machine(attempts_to_leave: list[str]) -> None:
    with pytest.raises(OutsideWorldError, match=r"192\.0\.2\.1 port 80"), socket.socket() as outgoing:
        outgoing.connect(("192.0.2.1", 80))
    with pytest.raises(OutsideWorldError, match=r"look up prices\.invalid"):
        httpx.get("https://prices.invalid/")

    assert attempts_to_leave == ["connect to 192.0.2.1 port 80", "look up prices.invalid"]
    attempts_to_leave.clear()


def test_a_test_can_reach_its_own_servers() -> None:
    async def echo() -> bytes:
        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(await reader.read(4))
            writer.close()

        async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
            reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
            writer.write(b"ping")
            answered = await reader.read()
            writer.close()
            return answered

    assert asyncio.run(echo()) == b"ping"


@pytest.mark.parametrize(
    ("host", "is_local"),
    [("127.0.0.1", True), ("127.8.9.1", True), ("::1", True), ("localhost", True), ("10.0.0.1", False),
     ("0.0.0.0", False), ("localhost.example", False), ("127.0.0.1.example", False)],
)  # fmt: skip
def test_only_this_machine_is_loopback(host: str, is_local: bool) -> None:
    assert is_loopback(host) is is_local


def test_no_setting_or_key_of_the_user_is_seen(isolated_environment: Path) -> None:
    assert [name for name in os.environ if name.startswith("RATECARD_")] == ["RATECARD_HOME"]
    assert [name for name in os.environ if name.endswith("_API_KEY")] == []
    assert not isolated_environment.exists()


def test_recorded_data_describes_itself(recorded: Path) -> None:
    assert (recorded / "MANIFEST.md").is_file()
