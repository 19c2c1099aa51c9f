"""What is wrong is told on the first screen, on the cards and first in the panels, calmly and as text."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from tests.browser.estates import wait_for_rows
from tests.browser.test_reach import THEMES, assert_accessible

#: Pools of ZFS and the like are read by lanes, not by every poll.
LANE_MS = 60_000
IMAGE = "<img src=x onerror=window.isBroken=1>"
FOREIGN = "img, iframe, script:not([src]), [onerror], [onload]"


def problems(page):
    """The strip above everything else."""
    return page.locator("[data-problems]")


def shown_at_once(page):
    """The lines of it that nobody has to open."""
    return page.locator("[data-first-problems] li")


def others(page):
    """The lines that are folded away."""
    return page.locator("[data-other-problems] li")


def open_others(page):
    """All lines are drawn; those of the lanes have been read."""
    page.locator("[data-other-problems] summary").click(timeout=LANE_MS)
    expect(problems(page)).to_contain_text(
        "ZFS pool rpool is degraded: nvme1n1p3 is faulted (too many errors).", timeout=LANE_MS
    )
    expect(problems(page)).to_contain_text("Ceph: 1 osds down (OSD_DOWN).", timeout=LANE_MS)


def test_three_problems_are_told_at_once_the_critical_first_and_all_are_counted(demo, pages):
    page = pages.open(demo.url)
    expect(shown_at_once(page)).to_have_count(3, timeout=LANE_MS)

    expect(shown_at_once(page).first).to_contain_text("Critical: Node pve-04 is offline")
    expect(shown_at_once(page).nth(1)).to_contain_text("Warning: ")
    expect(others(page)).to_have_count(0)
    open_others(page)

    folded = others(page).count()
    expect(page.locator("[data-other-count]")).to_have_text(f"and {folded} more")
    expect(page.locator("[data-problem-count]")).to_have_text(str(3 + folded))
    expect(page.locator("[data-problem-count]")).to_have_attribute("aria-label", f"{3 + folded} problems")
    expect(page).to_have_title(f"({3 + folded}) Pulse")


def test_a_problem_leads_to_the_panel_which_tells_of_it_first(demo, pages):
    page = pages.open(demo.url)
    open_others(page)

    line = problems(page).locator(
        "li", has_text="ZFS pool rpool is degraded: nvme1n1p3 is faulted (too many errors)."
    )
    line.get_by_role("link", name="pve-02").click()

    panel = page.get_by_role("dialog", name="pve-02")
    section = panel.locator(".part").first
    expect(section.get_by_role("heading")).to_have_text("Problems")
    expect(section).to_contain_text("ZFS pool rpool is degraded: nvme1n1p3 is faulted (too many errors).")
    expect(section.locator("li", has_text="ZFS pool rpool")).to_contain_text(
        re.compile(r"read \d+\u202f(s|min) ago")
    )
    expect(section).to_contain_text("Ceph: 1 osds down (OSD_DOWN).")


def test_what_concerns_a_whole_cluster_leads_to_one_of_its_nodes(demo, pages):
    page = pages.open(demo.url)
    open_others(page)

    line = problems(page).locator("li", has_text="The nodes of this cluster run different versions")
    line.get_by_role("link", name="production").click()

    panel = page.get_by_role("dialog", name="pve-01")
    expect(panel.locator(".part").first).to_contain_text("run different versions: 8.1 on pve-02; 8.4 on")


def test_a_card_tells_of_its_own_problems_in_one_line(demo, pages):
    page = pages.open(demo.url)
    card = page.locator("[data-cards] .card", has=page.get_by_text("pve-02", exact=True))

    line = card.locator(".card-problems a")

    expect(line).to_contain_text("ZFS pool rpool is degraded", timeout=LANE_MS)
    expect(line).to_have_attribute("href", "#resource/production-pve-02")
    expect(line).to_have_attribute("title", re.compile("ZFS pool rpool is degraded"))
    assert line.locator(".line-text").evaluate("(one) => one.scrollWidth > one.clientWidth")
    well = page.locator("[data-cards] .card", has=page.get_by_text("pve-03", exact=True))
    expect(well.locator(".card-problems")).to_be_hidden()


def test_a_backup_server_tells_of_its_problems_on_its_card(demo, pages):
    page = pages.open(f"{demo.url}?tab=backup&part=servers")

    line = page.locator(".server .card-problems")

    expect(line).to_contain_text("Verification v-main of datastore main failed", timeout=LANE_MS)


def test_a_problem_comes_and_goes_by_itself(home_hosts, home, pages):
    page = pages.open(home.url)
    wait_for_rows(page)

    home_hosts.call("change_guest", site="homelab", vmid=101, status="io-error")
    line = problems(page).locator("li", has_text="truenas")
    expect(line).to_contain_text("Guest 101 stands still after an error of its disk (io-error).")
    expect(line).to_have_attribute("data-level", "critical")
    home_hosts.call("change_guest", site="homelab", vmid=101, status="running")

    expect(line).to_have_count(0)


def test_a_storage_that_is_lost_is_marked_in_its_row(home_hosts, home, pages):
    page = pages.open(f"{home.url}?tab=storage")
    row = page.locator("[data-storages] tr", has_text="nas-backup")
    expect(row.locator(".concern-mark")).to_be_hidden()

    home_hosts.call("set_storage", site="homelab", name="nas-backup", inactive_on=["pve"])

    mark = row.locator(".concern-mark")
    expect(mark).to_be_visible()
    expect(mark).to_have_attribute("title", "Storage nas-backup is not available on pve")
    expect(mark).to_have_attribute("data-level", "warning")


#: Whatever is wrong is wrong with something that is called by a payload.
PAYLOADS = """
  const payload = '<img src=x onerror=window.isBroken=1>"><script>window.isBroken=1</script>';
  const response = Response.prototype.json;
  const named = (concern) => Object.assign(concern, { text: `ZFS pool ${payload} is degraded`, subject: payload });
  Response.prototype.json = async function () {
    const message = await response.call(this);
    message?.details?.concerns?.forEach(named);
    if (message?.type !== "state") return message;
    message.state.concerns.forEach(named);
    const ids = ["nodes", "storage", "pbs"].map((name) => message.state[name][0].id);
    for (const [number, resourceId] of ids.entries()) {
      message.state.concerns.push(named({ id: `x${number}`, instance: payload, resourceId, level: payload, code: "x", readAt: payload }));
    }
    return message;
  };
"""


@pytest.mark.parametrize("tab", ["overview", "storage", "backup&part=servers"])
def test_a_payload_in_a_concern_is_text(demo, pages, tab):
    page = pages.open()
    page.add_init_script(PAYLOADS)
    page.goto(f"{demo.url}?tab={tab}")

    page.locator("[data-other-problems] summary").click()

    expect(problems(page).get_by_text(IMAGE).first).to_be_visible()
    marks = page.locator(".card-problems:visible, .concern-mark:visible").filter(has_text=IMAGE)
    expect(marks.first).to_be_visible()
    assert page.locator(FOREIGN).count() == 0
    assert page.evaluate("window.isBroken") is None
    assert page.evaluate("document.documentElement.scrollWidth") == 1440


def test_a_payload_in_a_concern_is_text_in_the_panel(demo, pages):
    page = pages.open()
    page.add_init_script(PAYLOADS)
    page.goto(f"{demo.url}#resource/production-pve-02")

    expect(page.locator("[data-resource] .concerns")).to_contain_text(IMAGE, timeout=LANE_MS)

    assert page.locator(FOREIGN).count() == 0
    assert page.evaluate("window.isBroken") is None


@THEMES
@pytest.mark.parametrize("width", [1440, 360])
def test_the_opened_problems_have_no_violation_and_fit(demo, pages, theme, width):
    page = pages.open(demo.url, theme=theme, width=width)
    open_others(page)
    page.mouse.move(0, 0)  # what the pointer is on has another colour

    assert_accessible(page)
    assert page.evaluate("document.documentElement.scrollWidth") == width


@THEMES
def test_the_problems_of_a_panel_have_no_violation(demo, pages, theme):
    page = pages.open(f"{demo.url}#resource/production-pve-02", theme=theme)
    expect(page.locator("[data-resource] .concerns")).to_contain_text("rpool", timeout=LANE_MS)

    assert_accessible(page)
