"""The Projection page in a browser: a budget is set, the fan shows where it is crossed, a scenario's link keeps it."""

import re
from contextlib import suppress

from playwright.sync_api import Page, expect

from tests.dashboard.conftest import Site
from tests.dashboard.market import HOSTILE
from tests.dashboard.planned import ASOF, MOVE

LINK = f"projection?asof={ASOF}"
NAME = HOSTILE.splitlines()[0]


def choose(page: Page, label: str, text: str) -> None:
    """Write a text into a select box, and take the choice that it finds or adds.

    Again where the list closes meanwhile: a run of the page that ends late draws the box anew.
    """
    box = page.get_by_role("combobox", name=label, exact=True)
    options = page.get_by_role("option")
    for _ in range(5):
        box.click()
        box.fill(text)
        with suppress(AssertionError):
            expect(options.first).to_contain_text(text, timeout=2_000)
            break
        page.keyboard.press("Escape")
    expect(options.first).to_contain_text(text)
    box.press("Enter")
    expect(options).to_have_count(0)


def test_a_budget_is_set_and_the_fan_shows_when_it_is_crossed(planned_site: Site, page: Page) -> None:
    planned_site.open(page, LINK)
    expect(page.get_by_role("heading", name="February 2026 is on course for $")).to_be_visible()
    expect(page.get_by_role("button", name="Set budget")).to_be_visible()
    planned_site.drawn(page)

    choose(page, "Name", NAME)
    limit = page.get_by_role("textbox", name="Limit, US$")
    limit.fill("much")
    page.get_by_role("button", name="Set budget").click()
    expect(page.get_by_role("alert").get_by_text("The limit is no amount in USD")).to_be_visible()
    limit.fill("200")
    limit.press("Enter")
    page.get_by_role("button", name="Set budget").click()

    expect(page.get_by_role("heading", name="On course to pass the budget of February 2026 on 2")).to_be_visible()
    planned_site.drawn(page)
    chart = page.get_by_test_id("stVegaLiteChart").first
    expect(chart.get_by_text("Budget $200.00")).to_be_visible()
    expect(chart.get_by_text(re.compile(r"Median crosses 2\d Feb"))).to_be_visible()
    expect(chart.get_by_text(re.compile(r"Median \$2\d\d\.\d\d"))).to_be_visible()
    expect(page.get_by_role("table", name="Budgets").get_by_role("link", name=NAME)).to_be_visible()
    assert page.title() != "owned"

    page.reload()
    expect(page.get_by_role("heading", name="On course to pass the budget of February 2026 on 2")).to_be_visible()


def test_a_scenario_is_built_and_its_link_shows_it_again(planned_site: Site, page: Page) -> None:
    planned_site.open(page, f"{LINK}&part=Scenarios")
    expect(page.get_by_role("table", name="Suggestions").or_(page.get_by_text("No other endpoint"))).to_be_visible()
    expect(page.get_by_text("Nothing to compare yet.")).to_be_visible()
    planned_site.drawn(page)

    choose(page, "Move usage of", "author/b@openrouter")
    expect(
        page.get_by_placeholder("Of author/b, or any other").or_(page.get_by_text("Of author/b, or any other"))
    ).to_be_visible()
    planned_site.drawn(page)
    choose(page, "to", "author/a@openrouter")
    expect(page.get_by_role("button", name="Add move")).to_be_enabled()
    share = page.get_by_role("spinbutton", name="Share, %")
    share.fill("50")
    share.press("Enter")
    page.get_by_role("button", name="Add move").click()

    scenarios = page.get_by_role("table", name="Scenarios")
    expect(scenarios).to_contain_text(MOVE)
    planned_site.drawn(page)
    saved = scenarios.inner_text()
    assert "moves=" in page.url
    page.reload()
    expect(scenarios).to_contain_text(MOVE)
    planned_site.drawn(page)
    assert scenarios.inner_text() == saved


def test_the_bridge_is_drawn_and_its_periods_are_in_the_link(planned_site: Site, page: Page) -> None:
    planned_site.open(page, f"{LINK}&part=Bridge&a=2026-01&b=2026-02")

    expect(page.get_by_role("heading", name="February 2026 so far: $")).to_be_visible()
    expect(page.get_by_label(re.compile(r"^Volume: −\$"))).to_have_count(1)
    expect(page.get_by_role("table", name="Bridge", exact=True)).to_contain_text("Difference")
    choose(page, "To", "2026-01-10..2026-01-20")
    expect(page.get_by_role("heading", name="10 Jan 2026 to 19 Jan 2026: $")).to_be_visible()
    assert "b=2026-01-10..2026-01-20" in page.url
