"""What only a browser shows: drawing, links, the URL, themes. No page may ask anything of another machine."""

from playwright.sync_api import Page, expect

from dashboard import theme
from tests.dashboard.conftest import Site
from tests.dashboard.market import HERMES

CARD = f"model?model={HERMES}"
RISEN = "Input price of Hermes 4 405B at OpenRouter: up 3.3× since Dec 2025"
BEFORE = "Input price of Hermes 4 405B at OpenRouter: unchanged at $0.30 since Dec 2025"


def test_the_catalogue_leads_to_a_card_with_its_steps(site: Site, page: Page) -> None:
    site.open(page, "models")
    page.get_by_role("link", name="Nous: Hermes 4 405B").click()

    expect(page.get_by_role("heading", name=RISEN)).to_be_visible()
    site.drawn(page)
    dots = page.locator("svg [aria-label*='per 1M tokens, from']")
    expect(dots.and_(page.get_by_label("OpenRouter: $1 per 1M tokens, from 5 Jan 2026 12:00 UTC"))).to_have_count(1)
    expect(dots.and_(page.get_by_label("OpenRouter: $0.3 per 1M tokens, from 1 Dec 2025 12:00 UTC"))).to_have_count(1)
    expect(page.get_by_role("table", name="Available endpoints")).to_contain_text("850 ms")


def test_the_as_of_date_goes_to_the_url_and_a_reload_shows_the_same(site: Site, page: Page) -> None:
    site.open(page, CARD)
    expect(page.get_by_role("heading", name=RISEN)).to_be_visible()

    page.get_by_role("spinbutton", name="year, As of (UTC)").click()
    page.keyboard.type("20260104")
    page.keyboard.press("Escape")

    expect(page.get_by_role("heading", name=BEFORE)).to_be_visible()
    assert "asof=2026-01-04" in page.url
    page.reload()
    expect(page.get_by_role("heading", name=BEFORE)).to_be_visible()
    expect(page.get_by_text("At the end of 4 Jan 2026 (UTC)")).to_be_visible()


def test_a_filter_is_in_the_url_and_a_page_remembers_the_as_of_date(site: Site, page: Page) -> None:
    site.open(page, f"{CARD}&asof=2026-01-04")
    page.get_by_role("radio", name="Output").or_(page.get_by_role("button", name="Output", exact=True)).first.click()

    expect(page.get_by_role("heading", name="Output price of Hermes 4 405B")).to_be_visible()
    assert "of=Output" in page.url
    page.get_by_role("link", name="Models").first.click()
    expect(page.get_by_text("6 of 6 models")).to_be_visible()
    assert "asof=2026-01-04" in page.url


def test_a_hostile_description_is_inert(site: Site, page: Page) -> None:
    site.open(page, CARD)

    said = page.locator(".rc.prose")
    expect(said).to_contain_text("<script>document.title='owned'</script>")
    expect(said.locator("a, img, script")).to_have_count(0)
    assert page.title() != "owned"
    site.open(page, "models")
    expect(page.get_by_text("<script>document.title='owned'</script> & co")).to_be_visible()
    assert page.title() != "owned"


def test_light_and_dark(site: Site, page: Page) -> None:
    for palette in (theme.LIGHT, theme.DARK):
        page.emulate_media(color_scheme=palette.name)  # type: ignore[arg-type]
        site.open(page, CARD)
        expect(page.get_by_role("heading", name=RISEN)).to_be_visible()
        background = page.get_by_test_id("stApp").evaluate("element => getComputedStyle(element).backgroundColor")
        ink = page.locator(".rc-title").evaluate("element => getComputedStyle(element).color")
        red, green, blue = (int(palette.background[i : i + 2], 16) for i in (1, 3, 5))
        assert background == f"rgb({red}, {green}, {blue})"
        expect(page.locator(f"svg [stroke='{palette.series[0]}']").first).to_be_attached()
        assert ink == "rgb({}, {}, {})".format(*(int(palette.ink[i : i + 2], 16) for i in (1, 3, 5)))


def test_price_history_from_a_link_and_its_download(site: Site, page: Page) -> None:
    site.open(page, f"prices?models={HERMES}&models=acme/mini&scale=Linear&asof=2026-02-20")

    expect(page.get_by_role("table", name="Changes")).to_contain_text("+233%")
    expect(page.get_by_text("$ per 1M input tokens", exact=True)).to_be_visible()
    with page.expect_download() as downloading:
        page.get_by_role("button", name="CSV").click()
    content = downloading.value.path().read_text()
    assert "0.00000030000000000000000001" in content
    assert content.startswith("model,provider,endpoint,source,meter,unit,usd,")


def test_overview_and_collector_draw(site: Site, page: Page) -> None:
    site.open(page, "?asof=2026-01-10")
    expect(page.get_by_role("heading", name="2 price rises in 30 days")).to_be_visible()
    expect(
        page.get_by_label("2 rises, 4 Jan 2026 to 5 Jan 2026").or_(
            page.get_by_label("2 rises, 5 Jan 2026 to 6 Jan 2026")
        )
    ).to_have_count(1)
    site.open(page, "collector")
    expect(page.get_by_role("table", name="Polls")).to_contain_text("it said 503 <b>")


def test_no_database_is_a_sentence_and_no_traceback(empty_site: Site, page: Page) -> None:
    empty_site.open(page, "models")

    expect(page.get_by_text("There is no database at")).to_be_visible()
    expect(page.get_by_text("Traceback")).to_have_count(0)
