"""How long the Providers page takes to redraw over a month of probes, against a bare Streamlit page in the same run.

A redraw lasts from the click to the drawn outcome and a finished run, in a real Chromium.
"""

import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from statistics import median

from playwright.sync_api import Browser, Page
from sqlalchemy import func, select

from dashboard import launch
from db.engine import reading
from db.probes.read import HOUR, PROBE
from scripts.bench import probe_data
from scripts.bench.pages import BARE, opened, pick, seconds, served, wait
from tests.support.browser import running_chromium
from tests.support.programs import find_chromium

ROUNDS = 12


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
            served(str(launch.APP), url) as page_url,
            served(str(bare), url) as bare_url,
            running_chromium(program) as browser,
        ):
            _redraws(browser, page_url, bare_url)


def _redraws(browser: Browser, page_url: str, bare_url: str) -> None:
    floor, page = opened(browser), opened(browser)
    floor.goto(bare_url)
    wait(floor, "It shows One")
    started = time.perf_counter()
    page.goto(f"{page_url}/providers?model={probe_data.model_name(7)}")
    wait(page, "Median time to first token")
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
        times["bare"].append(seconds(floor, partial(pick, floor, show), f"It shows {show}"))
        times["switch of the chart"].append(seconds(page, partial(pick, page, axis), speed))
        times["another mix"].append(seconds(page, partial(_type, page, mix), f"tokens at {mix} "))
        whole = seconds(page, partial(pick, page, window), f"measured, {window}")
        times["another window (all of it)"].append(whole)
    base = median(times.pop("bare"))
    print(f"Bare page, rerun to redraw: {base * 1e3:.0f} ms (median of {ROUNDS})")
    for name, each in times.items():
        figure = median(each)
        print(f"Providers page, {name}: {figure * 1e3:.0f} ms = {figure / base:.1f}x a bare page's rerun (at most 6x)")


def _type(page: Page, mix: str) -> None:
    field = page.get_by_role("textbox", name="Prompt : completion")
    field.fill(mix)
    field.press("Enter")


if __name__ == "__main__":
    main()
