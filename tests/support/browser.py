"""The system's Chromium, driven by playwright, with nothing of its own to say to the network."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    # Every other host is unknown to this browser, so a page that asks for one fails the same everywhere.
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost",
)


@contextmanager
def running_chromium(program: Path) -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=FLAGS)
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def opened_page(browser: Browser, requested: list[str]) -> Iterator[Page]:
    """A page with a clean profile; every URL that it asks for, web sockets too, is added to `requested`."""
    context = browser.new_context(reduced_motion="reduce", locale="en-US", timezone_id="UTC")
    try:
        context.on("request", lambda request: requested.append(request.url))
        page = context.new_page()
        page.on("websocket", lambda websocket: requested.append(websocket.url))
        yield page
    finally:
        context.close()
