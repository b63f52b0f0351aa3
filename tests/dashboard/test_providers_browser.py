"""The Providers page in a browser: what is drawn, and what a link keeps."""

from playwright.sync_api import Page, expect

from tests.dashboard.conftest import Site
from tests.dashboard.measured import MODEL

LINK = f"providers?model={MODEL}&asof=2026-02-20"


def test_a_link_with_every_control_shows_the_same_after_a_reload(measured_site: Site, page: Page) -> None:
    link = f"{LINK}&mix=10:1&cached=50&against=Speed&window=24+h&from=Lambda&to=Crusoe+bf16&target=Lambda"
    measured_site.open(page, link)

    for _ in range(2):
        expect(page.get_by_role("heading", name="are cheap for how fast they write")).to_be_visible()
        expect(page.get_by_text("$ per 1M tokens at 10:1, 50% cached (log scale)")).to_be_visible()
        expect(page.get_by_role("table", name="Switch")).to_contain_text("saves $0.05909 (−8.3%)")
        expect(page.get_by_role("heading", name="Lambda: time to first token was")).to_be_visible()
        expect(page.get_by_role("table", name="Endpoints")).to_contain_text("24 h")
        measured_site.drawn(page)
        page.reload()


def test_controls_go_to_the_url_and_the_charts_are_drawn(measured_site: Site, page: Page) -> None:
    measured_site.open(page, LINK)
    expect(page.get_by_label("Cerebras fp16: $2.625 per 1M")).to_have_count(1)
    expect(page.get_by_label("Chutes fp8, 19 Feb 2026 00:00 to 06:00 UTC")).to_have_count(1)
    measured_site.drawn(page)

    page.get_by_role("radio", name="Uptime").or_(page.get_by_role("button", name="Uptime", exact=True)).first.click()
    expect(page.get_by_role("heading", name="are cheap for how reliable they are")).to_be_visible()
    mix = page.get_by_role("textbox", name="Prompt : completion")
    mix.fill("1:1")
    mix.press("Enter")

    expect(page.get_by_text("$ per 1M tokens at 1:1 (log scale)")).to_be_visible()
    assert "against=Uptime" in page.url
    assert "mix=1:1" in page.url.replace("%3A", ":")
