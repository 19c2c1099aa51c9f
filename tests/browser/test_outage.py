"""The line breaks, the tab is hidden: the page says how old its figures are, and comes back by itself."""

from __future__ import annotations

import re

from playwright.sync_api import expect

from tests.browser.estates import guest_row, guest_rows, wait_for_rows

HIDE = """
  (isHidden) => {
    Object.defineProperty(document, "hidden", { configurable: true, get: () => isHidden });
    document.dispatchEvent(new Event("visibilitychange"));
  }
"""

COUNT_CHANGES = """
  () => {
    window.changes = 0;
    new MutationObserver((records) => (window.changes += records.length))
      .observe(document.body, { subtree: true, childList: true, characterData: true, attributes: true });
  }
"""


def test_without_a_server_the_figures_stay_and_their_age_is_told(home, pages):
    pages.allow("WebSocket connection|ERR_CONNECTION_REFUSED|ERR_CONNECTION_RESET")
    page = pages.open(home.url)
    wait_for_rows(page)
    live = page.locator("[data-live]")
    expect(live).to_have_attribute("data-state", "live")

    home.stop()

    expect(live).to_have_attribute("data-state", "reconnecting")
    expect(live).to_contain_text("Reconnecting")
    expect(page.locator("[data-live-age]")).to_have_text(re.compile(r"^data \d+\u202fs old$"))
    expect(page.locator("[data-last-known]")).to_be_visible()
    expect(guest_row(page, "pihole").locator(".c-cpu .number")).to_have_text(re.compile("%"))
    expect(page.locator("[data-waiting]")).to_be_hidden()


def test_without_any_connection_the_sums_are_said_to_be_the_last_known(home_hosts, home, pages):
    page = pages.open(home.url)
    wait_for_rows(page)
    mark = page.locator("[data-last-known]")
    expect(mark).to_be_hidden()
    before = page.locator("[data-summary]").bounding_box()["height"]

    home_hosts.request("POST", "/fault", {"kind": "down"})

    expect(mark).to_be_visible()
    expect(mark).to_have_text(re.compile(r"^\s*Last known figures, of \d\d:\d\d$"))
    # It stands at the edge: nothing has moved for it.
    assert page.locator("[data-summary]").bounding_box()["height"] == before


def test_with_the_server_the_page_recovers_by_itself(home_hosts, home, pages):
    pages.allow("WebSocket connection|ERR_CONNECTION_REFUSED|ERR_CONNECTION_RESET")
    page = pages.open(home.url)
    wait_for_rows(page)
    page.evaluate("window.isTheSamePage = true")
    home.stop()
    expect(page.locator("[data-live]")).to_have_attribute("data-state", "reconnecting")

    home_hosts.call("set_metric", site="homelab", vmid=105, cpu=0.97)
    home.start()

    expect(page.locator("[data-live]")).to_have_attribute("data-state", "live")
    expect(guest_row(page, "pihole").locator(".c-cpu .number")).to_have_text("97\u202f%")
    assert page.evaluate("window.isTheSamePage") is True


def test_a_phone_tells_the_age_too(home, pages):
    pages.allow("WebSocket connection|ERR_CONNECTION_REFUSED|ERR_CONNECTION_RESET")
    page = pages.open(home.url, width=360, height=740)
    wait_for_rows(page)

    home.stop()

    expect(page.locator("[data-live]")).to_have_attribute("data-state", "reconnecting")
    expect(page.locator("[data-live-age]")).to_be_visible()
    expect(page.locator("[data-live-age]")).to_have_text(re.compile(r"old$"))
    assert page.evaluate("document.documentElement.scrollWidth") == 360


def test_a_hidden_tab_does_not_draw_and_a_returning_one_is_up_to_date(home_hosts, home, pages):
    hidden, seen = pages.open(home.url), pages.open(home.url)
    wait_for_rows(hidden)
    wait_for_rows(seen)
    hidden.evaluate(HIDE, True)
    hidden.evaluate(COUNT_CHANGES)

    home_hosts.call("set_metric", site="homelab", vmid=105, cpu=0.97)
    expect(guest_row(seen, "pihole").locator(".c-cpu .number")).to_have_text("97\u202f%")
    home_hosts.call("set_metric", site="homelab", vmid=105, cpu=0.03)
    expect(guest_row(seen, "pihole").locator(".c-cpu .number")).to_have_text("3.0\u202f%")

    assert hidden.evaluate("window.changes") == 0
    hidden.evaluate(HIDE, False)
    expect(guest_row(hidden, "pihole").locator(".c-cpu .number")).to_have_text("3.0\u202f%")
    assert hidden.evaluate("window.changes") > 0


def test_an_empty_pulse_leads_to_the_first_node(empty, pages):
    page = pages.open(empty.url)

    expect(page.get_by_role("heading", name="No node yet")).to_be_visible()
    expect(page.locator("[data-empty]").get_by_role("button", name="Add a node")).to_be_visible()
    expect(page.locator("[data-problems]")).to_be_hidden()
    expect(guest_rows(page)).to_have_count(0)


def test_rows_do_not_move_under_the_pointer(home_hosts, home, pages):
    page = pages.open(f"{home.url}?group=none&sort=-cpu")
    wait_for_rows(page)
    # What is told above the table has come: a page that fits the window cannot be scrolled by as much.
    expect(page.locator("[data-problems]")).to_contain_text("Certificate", timeout=60_000)
    row = guest_row(page, "pihole")
    row.hover()
    before = row.bounding_box()

    home_hosts.call("set_metric", site="homelab", vmid=105, cpu=0.97)
    expect(row.locator(".c-cpu .number")).to_have_text("97\u202f%")

    assert row.bounding_box() == before
    page.get_by_role("button", name="Re-sort").click()
    expect(guest_rows(page).first.locator(".name")).to_have_text("pihole")


def test_the_words_that_the_order_is_held_do_not_end_it_where_the_pointer_is(home_hosts, home, pages):
    page = pages.open(f"{home.url}?group=none&sort=-cpu")
    wait_for_rows(page)
    expect(page.locator("[data-problems]")).to_contain_text("Certificate", timeout=60_000)
    page.mouse.move(720, 860)
    before = page.locator("[data-guests] tbody .name").all_inner_texts()

    home_hosts.call("set_metric", site="homelab", vmid=105, cpu=0.97)
    chip = page.get_by_role("button", name="Re-sort")
    expect(chip).to_be_visible()
    home_hosts.call("set_metric", site="homelab", vmid=106, cpu=0.98)
    expect(guest_row(page, "nginx-proxy-manager").locator(".c-cpu .number")).to_have_text("98\u202f%")

    assert chip.evaluate("(one) => one.matches(':hover')")
    assert page.locator("[data-guests] tbody .name").all_inner_texts() == before
