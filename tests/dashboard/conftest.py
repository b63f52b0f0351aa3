"""A small market in a database, a server that shows it, and pages run without a browser."""

import os
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import streamlit as st
from playwright.sync_api import Page, expect
from streamlit.testing.v1 import AppTest

from dashboard import launch
from tests.dashboard import measured, planned
from tests.dashboard.market import build

SCRIPT = "from dashboard import theme\nfrom dashboard.views import {page}\n{page}.page()\n"


@pytest.fixture(scope="session")
def market_url(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The URL of a database that holds the market. Nobody writes to it."""
    url = f"sqlite:///{tmp_path_factory.mktemp('market') / 'ratecard.db'}"
    build(url).dispose()
    return url


@pytest.fixture
def market(market_url: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """This process reads the market."""
    monkeypatch.setenv("RATECARD_DATABASE_URL", market_url)
    return market_url


@pytest.fixture(autouse=True)
def nothing_kept() -> None:
    """What one test read is not kept for the next."""
    st.cache_resource.clear()


Run = Callable[..., AppTest]


@pytest.fixture
def run() -> Run:
    """Run one page without a browser, with the given parameters in its URL."""

    def run_page(page: str, **parameters: str | list[str]) -> AppTest:
        test = AppTest.from_string(SCRIPT.format(page=page), default_timeout=20)
        for name, value in parameters.items():
            test.query_params[name] = value
        return test.run()

    return run_page


Build = Callable[..., str]


@pytest.fixture(name="planned")
def planned_database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Build:
    """Make the database of plans that this process reads; it takes what `planned.build` takes."""

    def make(**given: Any) -> str:
        url = f"sqlite:///{tmp_path / 'planned.db'}"
        planned.build(url, **given).dispose()
        monkeypatch.setenv("RATECARD_DATABASE_URL", url)
        return url

    return make


@dataclass(frozen=True, slots=True)
class Site:
    """A served dashboard."""

    url: str

    def open(self, page: Page, path: str) -> None:
        """Open a page and wait until it is drawn."""
        page.goto(f"{self.url}/{path}")
        self.drawn(page)

    def drawn(self, page: Page) -> None:
        """Wait until the page does not change any more. Look for the outcome first: this alone may be too early."""
        expect(page.locator("[data-testid=stApp][data-test-script-state=notRunning]")).to_be_visible(timeout=20_000)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def serve(database_url: str, log: Path) -> Iterator[Site]:
    """A server over a database; the settings say that its files lie beside the log."""
    port = _free_port()
    # The settings of whoever runs the tests stay out; coverage of the server is not asked for.
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("RATECARD_", "STREAMLIT_"))}
    environment = (
        kept | launch.environment() | {"RATECARD_DATABASE_URL": database_url, "RATECARD_HOME": str(log.parent)}
    )
    with (
        log.open("w") as out,
        subprocess.Popen(
            launch.command(port),
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            start_new_session=True,
        ) as server,
    ):
        try:
            site = Site(f"http://127.0.0.1:{port}")
            _until_healthy(site, server, log)
            yield site
        finally:
            server.terminate()


def _until_healthy(site: Site, server: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + 60
    while time.monotonic() < end:
        if server.poll() is not None:
            raise RuntimeError(f"the dashboard ended: {log.read_text()}")
        try:
            if httpx.get(f"{site.url}/_stcore/health", timeout=2).is_success:
                return
        except httpx.TransportError:
            time.sleep(0.05)  # between two looks at a process that is starting
    raise RuntimeError(f"the dashboard did not start: {log.read_text()}")


@pytest.fixture(scope="session")
def site(market_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A server that shows the market."""
    yield from serve(market_url, tmp_path_factory.mktemp("site") / "log")


@pytest.fixture(scope="session")
def empty_site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A server whose database is not there."""
    folder = tmp_path_factory.mktemp("empty")
    yield from serve(f"sqlite:///{folder / 'ratecard.db'}", folder / "log")


@pytest.fixture(scope="session")
def measured_site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A server that shows a market that was probed."""
    folder = tmp_path_factory.mktemp("measured_site")
    url = f"sqlite:///{folder / 'ratecard.db'}"
    measured.build(url).dispose()
    yield from serve(url, folder / "log")


@pytest.fixture
def planned_site(tmp_path: Path) -> Iterator[Site]:
    """A server that shows weeks of usage, without a budget; the test may write to it."""
    url = f"sqlite:///{tmp_path / 'ratecard.db'}"
    planned.build(url).dispose()
    yield from serve(url, tmp_path / "log")
