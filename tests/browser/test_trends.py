"""The last hour in the rows of the guests: one question for all of them, and only what is in sight is drawn."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from tests.browser.estates import guest_row, wait_for_rows
from tests.browser.histories import MadeUpCharts
from tests.browser.test_reach import assert_accessible

HAS_LINE = """
  (canvas) => canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data.some((value) => value > 0)
"""


def guests_of(server):
    state = server.ask("GET", "/api/state")
    return [one["id"] for one in (*state["vms"], *state["containers"])]


def switch(page):
    return page.get_by_role("checkbox", name="Last hour")


def trends(page):
    return page.locator("[data-guests] canvas")


def opened(pages, server, **options):
    """A page with its rows and what answers in the place of the API."""
    page = pages.open(**options)
    made_up = MadeUpCharts(page, guests_of(server))
    page.goto(server.url)
    wait_for_rows(page)
    return page, made_up


def test_rows_show_the_last_hour_when_somebody_wants_it_and_remember_it(lab, pages):
    page, made_up = opened(pages, lab)
    expect(trends(page)).to_have_count(0)
    assert made_up.asked == []

    switch(page).check()

    line = guest_row(page, "home-assistant").locator("canvas")
    expect(line).to_have_attribute(
        "aria-label", re.compile("^CPU of the last hour: [0-9.]+\u202f% to [0-9.]+\u202f%$")
    )
    assert line.evaluate(HAS_LINE)
    page.reload()
    expect(trends(page)).to_have_count(14)
    assert made_up.asked[0] == {"range": "1h", "format": "columns", "metric": "cpu", "points": "30"}
    switch(page).uncheck()
    expect(trends(page)).to_have_count(0)


def test_a_guest_of_which_nothing_is_known_has_no_line_and_says_so(lab, pages):
    page, _ = opened(pages, lab)
    switch(page).check()
    expect(trends(page).first).to_have_attribute("aria-label", re.compile("%"))

    unknown = page.get_by_role("img", name="CPU of the last hour: not known")

    assert unknown.count() == 2
    assert not unknown.first.evaluate(HAS_LINE)


def test_all_guests_are_asked_for_at_once_and_at_most_once_a_minute(lab, pages):
    page = pages.open()
    made_up = MadeUpCharts(page, guests_of(lab))
    page.clock.install()
    page.goto(lab.url)
    wait_for_rows(page)
    switch(page).check()
    page.clock.run_for(2000)
    expect(trends(page).first).to_have_attribute("aria-label", re.compile("%"))

    page.clock.run_for(50_000)
    early = len(made_up.asked)
    with page.expect_request("**/api/charts?*"):
        page.clock.run_for(12_000)

    assert early == 1
    # Its feed takes the jump for silence; a page that is closed while it connects looks like a stranger.
    expect(page.locator("[data-live]")).to_have_attribute("data-state", re.compile("^(live|stale)$"))


def test_the_line_takes_the_place_of_the_bar_on_a_phone(lab, pages):
    page, _ = opened(pages, lab, width=360, height=740)
    switch(page).check()

    cell = guest_row(page, "home-assistant").locator("td.c-cpu")
    expect(cell.locator("canvas")).to_be_visible()
    expect(cell.locator(".bar")).to_be_hidden()
    expect(guest_row(page, "home-assistant").locator("td.c-memory .bar")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") == 360


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_rows_with_the_last_hour_have_no_violation(lab, pages, theme):
    page, _ = opened(pages, lab, theme=theme)
    switch(page).check()
    expect(trends(page).first).to_have_attribute("aria-label", re.compile("%"))

    assert_accessible(page)


SCROLLED = """
  async () => {
    const longest = [];
    new PerformanceObserver((list) => longest.push(...list.getEntries().map((one) => one.duration))).observe({ type: "longtask" });
    const frame = () => new Promise((resolve) => requestAnimationFrame(resolve));
    let before = performance.now();
    const times = [];
    for (let step = 0; step < 40; step += 1) {
      scrollBy(0, 600);
      await frame();
      times.push(performance.now() - before);
      before = performance.now();
    }
    times.sort((a, b) => a - b);
    return { median: times[20], largest: times[39], long: longest };
  }
"""


@pytest.mark.speed
def test_three_thousand_guests_are_scrolled_through_without_a_stumble(large, pages):
    page, made_up = opened(pages, large, width=1440, height=900)
    page.get_by_label("Group").select_option("none")
    without = min(page.evaluate(SCROLLED)["median"] for _ in range(2))
    page.evaluate("scrollTo(0, 0)")
    switch(page).check()
    expect(trends(page).first).to_have_attribute("aria-label", re.compile("%"))

    measured = min((page.evaluate(SCROLLED) for _ in range(3)), key=lambda one: one["median"])

    print("frames", measured, "without", without)
    assert trends(page).count() < 80
    assert len(made_up.asked) == 1
    # A browser that is slow for other reasons is slow without them too.
    assert measured["median"] < 1.5 * without + 10
