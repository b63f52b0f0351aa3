"""The Spend page in a browser: links, drawing, and an upload from end to end."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from dashboard import theme
from tests.dashboard import market, spending
from tests.dashboard.conftest import Site, serve
from tests.dashboard.market import HERMES

LOG = f"""time,model,provider,prompt,completion
2026-01-07T10:00:00Z,{HERMES},openrouter,1000000,0
2026-01-08T10:00:00Z,nobody/knows,,5,5
nonsense,{HERMES},openrouter,1,1
"""


@pytest.fixture(scope="module")
def spent_site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A server that shows usage, a sample included."""
    folder = tmp_path_factory.mktemp("spent_site")
    url = f"sqlite:///{folder / 'ratecard.db'}"
    spending.build(url, sample=True).dispose()
    yield from serve(url, folder / "log")


@pytest.fixture
def market_site(tmp_path: Path) -> Iterator[Site]:
    """A server with prices and no usage yet."""
    url = f"sqlite:///{tmp_path / 'ratecard.db'}"
    market.build(url).dispose()
    yield from serve(url, tmp_path / "log")


def test_a_link_with_every_filter_shows_the_same_after_a_reload(spent_site: Site, page: Page) -> None:
    link = (
        f"spend?period=Custom&from=2026-01-21&to=2026-02-09&by=Day&model={HERMES}&provider=openrouter&project=web"
        "&known=2026-03-12&show=Groups"
    )
    spent_site.open(page, link)

    for _ in range(2):
        expect(page.get_by_role("heading", name="$80.00 in 20 days")).to_be_visible()
        expect(page.get_by_text(f"12 Mar 2026 · only {HERMES}, openrouter, web")).to_be_visible()
        expect(page.get_by_role("table", name="By day")).to_contain_text("9 Feb 2026")
        expect(page.get_by_label(f"all: $4.00, {'9 Feb 2026'}")).to_have_count(1)
        spent_site.drawn(page)
        page.reload()


def test_filters_go_to_the_url_and_a_group_leads_on(spent_site: Site, page: Page) -> None:
    spent_site.open(page, "spend?period=All")
    expect(page.get_by_role("heading", name=f"$173.33 in 40 days; {HERMES} is 69.2% of it")).to_be_visible()
    expect(page.get_by_label("5 of 10 requests").or_(page.get_by_text("without a price")).first).to_be_visible()
    page.get_by_role("radio", name="7 days").or_(page.get_by_role("button", name="7 days", exact=True)).first.click()
    expect(page.get_by_role("heading", name="in 7 days;")).to_be_visible()
    assert "period=7+days" in page.url.replace("%20", "+")

    page.get_by_role("table", name="By model").get_by_role("link", name="author/small").click()

    expect(page.get_by_role("table", name="By provider")).to_contain_text("openrouter")
    expect(page.get_by_text("only author/small")).to_be_visible()


def test_hostile_names_are_inert_and_a_sample_is_marked_in_both_themes(spent_site: Site, page: Page) -> None:
    for palette in (theme.LIGHT, theme.DARK):
        page.emulate_media(color_scheme=palette.name)  # type: ignore[arg-type]
        spent_site.open(page, "spend?period=All&by=Project")
        expect(page.get_by_role("table", name="By project")).to_contain_text(spending.HOSTILE)
        expect(page.get_by_text("Sample data. 40 of 267 requests here are synthetic.")).to_be_visible()
        expect(page.locator(f"svg [fill='{palette.series[0]}']").first).to_be_attached()
        assert page.locator(".rc img").count() == 0
    assert page.title() != "owned"


def test_a_log_is_uploaded_and_shown(market_site: Site, page: Page) -> None:
    market_site.open(page, "spend")
    expect(page.get_by_text("No usage yet.")).to_be_visible()
    page.locator("input[type=file]").set_input_files(
        {"name": "<b>my log</b>.csv", "mimeType": "text/csv", "buffer": LOG.encode()}
    )
    page.get_by_text("What the log does not say by itself").click()
    page.get_by_role("textbox", name="Columns (--map)").fill(
        "time=time,model=model,provider=provider,prompt=prompt,completion=completion"
    )
    page.get_by_role("button", name="Import").click()

    expect(page.get_by_text("3 rows, 2 imported, 0 duplicates, 1 rejected")).to_be_visible(timeout=60_000)
    expect(page.get_by_text("<b>my log</b>.csv").first).to_be_visible()
    page.get_by_role("link", name="Show all usage").click()
    expect(page.get_by_role("heading", name=f"$1.00 in 2 days; {HERMES} is 100% of it")).to_be_visible()
