"""How long the Providers page takes to redraw over a month of probes, against a bare Streamlit page in the same run.

A redraw lasts from the click to the drawn outcome and a finished run, in a real Chromium.
"""

import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from statistics import median

import httpx
from playwright.sync_api import Browser, Page
from sqlalchemy import func, select

from dashboard import launch
from db.engine import reading
from db.probes.read import HOUR, PROBE
from scripts.bench import probe_data
from tests.support.browser import running_chromium
from tests.support.programs import find_chromium

ROUNDS = 12
BARE = """import streamlit as st
name = st.segmented_control("Show", ["One", "Two"], default="One", required=True, key="show", bind="query-params")
st.write(f"It shows {name}")
"""
_DRAWN = """wanted => document.querySelector('[data-testid=stApp]').dataset.testScriptState === 'notRunning'
  && [...document.querySelectorAll('svg text, p, .note')].some(each => each.textContent.includes(wanted))"""


def main() -> None:
    """Print the ratios."""
    program = find_chromium()
    if program is None:
        sys.exit("scripts/bench/probe: no Chromium or Chrome is installed, so no page can be timed.")
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{Path(folder) / 'month.db'}"
        started = time.perf_counter()
        engine = probe_data.build(url)
        with reading(engine) as connection:
            hours, raw = (connection.execute(select(func.count()).select_from(t)).scalar_one() for t in (HOUR, PROBE))
        engine.dispose()
        size = sum(file.stat().st_size for file in Path(folder).iterdir()) / 1e6
        print(f"{hours:,} hourly roll-ups and {raw} raw probes in {time.perf_counter() - started:.0f} s, {size:.0f} MB")
        bare = Path(folder) / "bare.py"
        bare.write_text(BARE)
        with (
            _served(str(launch.APP), url) as page_url,
            _served(str(bare), url) as bare_url,
            running_chromium(program) as browser,
        ):
            _redraws(browser, page_url, bare_url)


def _redraws(browser: Browser, page_url: str, bare_url: str) -> None:
    floor, page = _opened(browser), _opened(browser)
    floor.goto(bare_url)
    _wait(floor, "It shows One")
    started = time.perf_counter()
    page.goto(f"{page_url}/providers?model={probe_data.model_name(7)}")
    _wait(page, "Median time to first token")
    print(f"Providers page, first load: {(time.perf_counter() - started) * 1e3:.0f} ms")
    times: dict[str, list[float]] = {
        "bare": [],
        "switch of the chart": [],
        "another mix": [],
        "another window (all of it)": [],
    }
    for number in range(ROUNDS):
        is_even = number % 2 == 0
        show, axis, speed = (
            ("Two", "Speed", "Median output speed") if is_even else ("One", "First token", "Median time")
        )
        mix, window = f"{number + 4}:1", "24 h" if is_even else "72 h"
        times["bare"].append(_seconds(floor, partial(_pick, floor, show), f"It shows {show}"))
        times["switch of the chart"].append(_seconds(page, partial(_pick, page, axis), speed))
        times["another mix"].append(_seconds(page, partial(_type, page, mix), f"tokens at {mix} "))
        whole = _seconds(page, partial(_pick, page, window), f"measured, {window}")
        times["another window (all of it)"].append(whole)
    base = median(times.pop("bare"))
    print(f"Bare page, rerun to redraw: {base * 1e3:.0f} ms (median of {ROUNDS})")
    for name, each in times.items():
        figure = median(each)
        print(f"Providers page, {name}: {figure * 1e3:.0f} ms = {figure / base:.1f}x a bare page's rerun (at most 6x)")


def _opened(browser: Browser) -> Page:
    context = browser.new_context(
        reduced_motion="reduce", locale="en-US", timezone_id="UTC", viewport={"width": 1400, "height": 900}
    )
    return context.new_page()


def _pick(page: Page, name: str) -> None:
    page.get_by_role("radio", name=name, exact=True).or_(page.get_by_role("button", name=name, exact=True)).click()


def _type(page: Page, mix: str) -> None:
    field = page.get_by_role("textbox", name="Prompt : completion")
    field.fill(mix)
    field.press("Enter")


def _wait(page: Page, wanted: str) -> None:
    page.wait_for_function(_DRAWN, arg=wanted, polling="raf", timeout=60_000)


def _seconds(page: Page, act: Callable[[], None], wanted: str) -> float:
    started = time.perf_counter()
    act()
    _wait(page, wanted)
    return time.perf_counter() - started


@contextmanager
def _served(script: str, database_url: str) -> Iterator[str]:
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


if __name__ == "__main__":
    main()
