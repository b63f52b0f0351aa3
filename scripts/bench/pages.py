"""What benchmarks of pages share: a bare page as the floor, servers, and how long a redraw takes.

A redraw lasts from the click to the drawn outcome and a finished run, in a real Chromium.
"""

import os
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import httpx
from playwright.sync_api import Browser, Page

from dashboard import launch

BARE = """import streamlit as st
name = st.segmented_control("Show", ["One", "Two"], default="One", required=True, key="show", bind="query-params")
st.write(f"It shows {name}")
"""
_DRAWN = """wanted => document.querySelector('[data-testid=stApp]').dataset.testScriptState === 'notRunning'
  && [...document.querySelectorAll('svg text, p, h2, h3, .note')].some(each => each.textContent.includes(wanted))"""


def opened(browser: Browser) -> Page:
    """A page in a window of its own."""
    context = browser.new_context(
        reduced_motion="reduce", locale="en-US", timezone_id="UTC", viewport={"width": 1400, "height": 900}
    )
    return context.new_page()


def pick(page: Page, name: str) -> None:
    """Choose one of a few options side by side."""
    page.get_by_role("radio", name=name, exact=True).or_(page.get_by_role("button", name=name, exact=True)).click()


def wait(page: Page, wanted: str) -> None:
    """Until the text is drawn and the run has ended."""
    page.wait_for_function(_DRAWN, arg=wanted, polling="raf", timeout=60_000)


def seconds(page: Page, act: Callable[[], None], wanted: str) -> float:
    """From the act until its outcome is drawn."""
    started = time.perf_counter()
    act()
    wait(page, wanted)
    return time.perf_counter() - started


@contextmanager
def served(script: str, database_url: str) -> Iterator[str]:
    """A server of a script of Streamlit over a database; its URL."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("RATECARD_", "STREAMLIT_"))}
    command = [script if part == str(launch.APP) else part for part in launch.command(port)]
    environment = kept | launch.environment() | {"RATECARD_DATABASE_URL": database_url}
    with subprocess.Popen(  # noqa: S603
        command, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as server:
        try:
            url = f"http://127.0.0.1:{port}"
            _until_healthy(url)
            yield url
        finally:
            server.terminate()


def _until_healthy(url: str) -> None:
    for _ in range(600):
        try:
            if httpx.get(f"{url}/_stcore/health", timeout=2).is_success:
                return
        except httpx.TransportError:
            time.sleep(0.1)  # between two looks at a process that is starting
    raise RuntimeError(f"nothing answers at {url}")
