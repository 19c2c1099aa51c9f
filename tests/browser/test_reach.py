"""Everybody can use the page: by keyboard, on a phone, with a reader, in both themes."""

from __future__ import annotations

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from tests.browser.estates import guest_row, judged, list_rows, wait_for_rows

THEMES = pytest.mark.parametrize("theme", ["dark", "light"])


def assert_accessible(page):
    """The whole rule book finds nothing."""
    results = Axe().run(page)
    assert results.violations_count == 0, results.generate_report()
    # The rules have looked at something.
    assert len(results.response["passes"]) > 10


@THEMES
@pytest.mark.parametrize("tab", ["overview", "storage", "backup"])
def test_the_dashboard_has_no_violation(demo, pages, theme, tab):
    page = pages.open(f"{demo.url}?tab={tab}", theme=theme)
    expect(page.locator(f"[data-panel={tab}]")).to_be_visible()
    expect(page.locator("[data-live]")).to_have_attribute("data-state", "live")

    assert_accessible(page)


@pytest.mark.parametrize(
    ("part", "theme"),
    [("risk", "dark"), ("all", "light"), ("all", "dark"), ("snapshots", "light"), ("servers", "dark")],
)
def test_the_parts_of_the_backups_have_no_violation(demo, pages, theme, part):
    judged(demo)
    page = pages.open(f"{demo.url}?tab=backup&part={part}", theme=theme)
    shown = page.locator(".server") if part == "servers" else list_rows(page)
    expect(shown.first).to_be_visible()

    assert_accessible(page)


@THEMES
def test_the_panel_of_a_guest_has_no_violation(demo, pages, theme):
    page = pages.open(f"{demo.url}#resource/homelab-pve-100", theme=theme)
    expect(page.locator("[data-resource] .part").first).to_be_visible()

    assert_accessible(page)
    page.get_by_role("link", name="Where do these numbers come from?").click()
    expect(page.locator(".explanation")).to_be_visible()
    assert_accessible(page)


@pytest.mark.parametrize(
    ("name", "theme"), [("production-pve-01", "dark"), ("pbs-vault", "light")], ids=["node", "server"]
)
def test_the_panels_of_hosts_have_no_violation(demo, pages, theme, name):
    page = pages.open(f"{demo.url}#resource/{name}", theme=theme)
    expect(page.locator("[data-resource] .part").first).to_be_visible()

    assert_accessible(page)


@THEMES
def test_what_pulse_may_see_has_no_violation(demo, pages, theme):
    page = pages.open(demo.url, theme=theme)
    page.get_by_role("button", name="Nodes").click()
    page.get_by_role("button", name="What may Pulse see? homelab").click()
    expect(page.locator("[data-lanes] table")).to_be_visible(timeout=30_000)
    expect(page.locator("[data-permissions] table").first).to_be_visible()

    assert_accessible(page)


@THEMES
def test_the_dashboard_of_a_phone_has_no_violation(demo, pages, theme):
    page = pages.open(demo.url, theme=theme, width=360, height=740)
    expect(page.locator("[data-live]")).to_have_attribute("data-state", "live")
    page.locator("[data-toolbar]").evaluate("(bar) => bar.scrollIntoView()")
    wait_for_rows(page)

    assert_accessible(page)


@THEMES
def test_the_empty_page_and_the_form_have_no_violation(empty, pages, theme):
    page = pages.open(empty.url, theme=theme)
    expect(page.get_by_role("heading", name="No node yet")).to_be_visible()

    assert_accessible(page)
    page.locator("[data-empty]").get_by_role("button", name="Add a node").click()
    expect(page.get_by_role("dialog", name="Add a node")).to_be_visible()
    assert_accessible(page)


@THEMES
@pytest.mark.parametrize("path", ["login", "setup", "simple-stats"])
def test_the_other_pages_have_no_violation(demo, pages, theme, path):
    page = pages.open(f"{demo.url}{path}", theme=theme)
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    if path == "simple-stats":
        expect(page.locator("#simple-stats-rows tr").first).to_be_visible()

    assert_accessible(page)


@THEMES
def test_the_list_of_nodes_has_no_violation(demo, pages, theme):
    page = pages.open(demo.url, theme=theme)
    page.get_by_role("button", name="Nodes").click()
    expect(page.get_by_role("dialog", name="Nodes").get_by_role("listitem")).to_have_count(3)

    assert_accessible(page)


FOCUSABLE = """
  () => [...document.querySelectorAll("a[href], button, input, select")].filter((element) => {
    if (element.disabled || !element.checkVisibility() || element.closest("dialog")) return false;
    // One radio button of a group is a stop, the arrows reach the others.
    return element.type !== "radio" || element.checked;
  }).length
"""


def test_the_tab_key_reaches_everything_that_can_be_pressed(lab, pages):
    page = pages.open(lab.url)
    wait_for_rows(page)
    wanted = page.evaluate(FOCUSABLE)

    reached = set()
    for _ in range(wanted + 5):
        page.keyboard.press("Tab")
        place = page.evaluate("""
          () => {
            const element = document.activeElement;
            if (!element.matches("a[href], button, input, select")) return null;
            return [...document.querySelectorAll("*")].indexOf(element);
          }
        """)
        reached.add(place)

    assert wanted > 25
    assert len(reached - {None}) == wanted


def test_the_focus_is_always_seen(lab, pages):
    page = pages.open(lab.url)
    wait_for_rows(page)

    for _ in range(12):
        page.keyboard.press("Tab")
        width = page.evaluate("""
          () => {
            const element = document.activeElement;
            // A radio button lies over the word that is drawn for it.
            const drawn = element.matches(".choice input") ? element.nextElementSibling : element;
            return parseFloat(getComputedStyle(drawn).outlineWidth);
          }
        """)
        assert width >= 2


def test_slash_goes_to_the_filter_and_escape_empties_it(lab, pages):
    page = pages.open(lab.url)
    wait_for_rows(page)

    page.keyboard.press("/")
    page.keyboard.type("pihole")
    expect(page.locator("[data-count]")).to_have_text("1 of 14")
    expect(page).to_have_url(f"{lab.url}?q=pihole")
    page.keyboard.press("Escape")

    expect(page.locator("[data-count]")).to_have_text("14")
    expect(page.get_by_role("searchbox")).to_have_value("")


def test_columns_are_sorted_and_groups_closed_by_keyboard(lab, pages):
    page = pages.open(lab.url)
    wait_for_rows(page)

    page.get_by_role("button", name="CPU", exact=True).focus()
    page.keyboard.press("Enter")
    expect(page.locator("th[data-sortable=cpu]")).to_have_attribute("aria-sort", "descending")
    page.locator("[data-guests] .group button").focus()
    page.keyboard.press("Space")

    expect(page.locator("[data-guests] .group button")).to_have_attribute("aria-expanded", "false")
    expect(page.locator("[data-guests] .group button")).to_be_focused()


def test_a_dialog_closes_with_escape_and_gives_the_focus_back(lab, pages):
    page = pages.open(lab.url)
    button = page.get_by_role("button", name="Nodes")

    button.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog", name="Nodes")).to_be_visible()
    page.keyboard.press("Escape")

    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(button).to_be_focused()


def test_the_focus_stays_in_its_row_when_figures_come(home_hosts, home, pages):
    page = pages.open(home.url)
    wait_for_rows(page)
    button = page.locator("[data-guests] .group button")
    button.focus()

    home_hosts.call("set_metric", site="homelab", vmid=105, cpu=0.97)
    expect(guest_row(page, "pihole").locator(".c-cpu .number")).to_have_text("97\u202f%")

    expect(button).to_be_focused()


@pytest.mark.parametrize(
    "path",
    [
        "",
        "?tab=storage",
        "?tab=backup",
        "?tab=backup&part=all",
        "?tab=backup&part=servers",
        "login",
        "setup",
        "simple-stats",
    ],
)
def test_a_page_of_360_pixels_does_not_scroll_sideways(hostile, pages, path):
    page = pages.open(f"{hostile.url}{path}", width=360, height=740)
    expect(page.get_by_role("heading", level=1)).to_be_attached()
    if path.startswith("?") or not path:
        expect(page.locator("[data-live]")).to_have_attribute("data-state", "live")

    assert page.evaluate("document.documentElement.scrollWidth") == 360


def test_the_form_fits_a_phone(empty, pages):
    page = pages.open(empty.url, width=360, height=740)
    page.locator("[data-empty]").get_by_role("button", name="Add a node").click()

    dialog = page.get_by_role("dialog", name="Add a node")

    expect(dialog).to_be_visible()
    assert dialog.evaluate("(one) => [one.scrollWidth, one.getBoundingClientRect().width]") == [360, 360]


def test_what_is_pressed_on_a_phone_is_large_enough(demo, pages):
    page = pages.open(demo.url, width=360, height=740, has_touch=True)
    expect(page.locator("[data-live]")).to_have_attribute("data-state", "live")
    page.locator("[data-toolbar]").evaluate("(bar) => bar.scrollIntoView()")
    wait_for_rows(page)

    small = page.evaluate("""
      () => [...document.querySelectorAll("button, select, input, .tabs a")]
        .filter((element) => element.checkVisibility() && !element.closest("dialog"))
        .map((element) => [element.outerHTML.slice(0, 80), element.getBoundingClientRect()])
        .filter(([, box]) => box.height < 36 || box.width < 24)
        .map(([html, box]) => `${html} ${box.width} x ${box.height}`)
    """)

    assert small == []


def test_the_theme_that_was_chosen_is_in_the_first_byte_of_the_next_page(demo, pages):
    page = pages.open(demo.url, theme="dark")

    page.get_by_role("button", name="Theme: as the system").click()
    expect(page.locator("html")).to_have_attribute("data-theme", "light")

    assert '<html lang="en" data-theme="light">' in page.request.get(demo.url).text()
