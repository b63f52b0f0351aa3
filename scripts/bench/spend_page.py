"""How long the Spend page takes to redraw over a million roll-up cells, against a bare page in the same run."""

import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median

from playwright.sync_api import Browser, Page
from sqlalchemy import func, select

from dashboard import launch
from db.engine import reading
from db.usage.read import HOUR
from scripts.bench import spend_data
from scripts.bench.pages import BARE, opened, pick, seconds, served, wait
from tests.support.browser import running_chromium
from tests.support.programs import find_chromium

ROUNDS = 12


def main() -> None:
    """Print the ratios."""
    program = find_chromium()
    if program is None:
        sys.exit("scripts/bench/spend: no Chromium or Chrome is installed, so no page can be timed.")
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{Path(folder) / 'quarter.db'}"
        started = time.perf_counter()
        engine = spend_data.build(url)
        with reading(engine) as connection:
            cells = connection.execute(select(func.count()).select_from(HOUR)).scalar_one()
        engine.dispose()
        size = sum(file.stat().st_size for file in Path(folder).iterdir()) / 1e6
        print(f"{cells:,} roll-up cells in {time.perf_counter() - started:.0f} s, {size:.0f} MB")
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
    page.goto(f"{page_url}/spend")
    wait(page, "By model")
    print(f"Spend page, first load (reads every cell): {(time.perf_counter() - started) * 1e3:.0f} ms")
    times: dict[str, list[float]] = {name: [] for name in ("bare", "period", "group", "model", "details")}
    for number in range(ROUNDS):
        is_even = number % 2 == 0
        show, days, group = ("Two", "7 days", "Provider") if is_even else ("One", "90 days", "Model")
        times["bare"].append(seconds(floor, partial(pick, floor, show), f"It shows {show}"))
        times["period"].append(seconds(page, partial(pick, page, days), f"in {days}"))
        times["details"].append(seconds(page, partial(pick, page, "Movers"), "Top movers"))
        pick(page, "Groups")
        wait(page, "By ")
        times["group"].append(seconds(page, _choosing(page, "Group by", group), f"By {group.lower()}"))
        model = spend_data.model_name(number)
        times["model"].append(seconds(page, _choosing(page, "Model", model), f"only {model}"))
    base = median(times.pop("bare"))
    print(f"Bare page, rerun to redraw: {base * 1e3:.0f} ms (median of {ROUNDS})")
    for name, each in times.items():
        figure = median(each)
        print(
            f"Spend page, another {name}: {figure * 1e3:.0f} ms = {figure / base:.1f}x a bare page's rerun (at most 6x)"
        )


def _choosing(page: Page, label: str, option: str) -> Callable[[], None]:
    """Type a choice into a select box, so that the last key is all that is left to do."""
    box = page.get_by_role("combobox", name=label, exact=False)
    box.click()
    box.fill(option)
    page.get_by_role("option", name=option, exact=True).wait_for()
    return partial(box.press, "Enter")


if __name__ == "__main__":
    main()
