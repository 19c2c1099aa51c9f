"""A person lets the health of disks be read, and sees it in the panel of the node."""

from __future__ import annotations

import re

from playwright.sync_api import expect


def panel(page):
    return page.locator("[data-resource]")


def form_of(page, name):
    """The form that changes a connection, reached from the list of connections."""
    page.get_by_role("button", name="Nodes").click()
    page.get_by_role("button", name=f"Edit {name}").click()
    form = page.get_by_role("dialog", name=f"Change {name}")
    expect(form.get_by_label("Address")).to_be_focused()
    return form


def disk(page, device):
    """The row of a disk in the panel."""
    return panel(page).get_by_role("region", name="Disks").get_by_role("row", name=f"/dev/{device}")


def test_the_health_of_disks_is_read_and_shown_once_somebody_has_ticked_the_box(home_hosts, home, pages):
    home_hosts.call("set_disk", site="homelab", node="pve", path="/dev/sda", health="FAILED!")
    home_hosts.call("set_disk", site="homelab", node="pve", path="/dev/nvme0n1", wearout=6, celsius=61)
    page = pages.open(home.url)
    form = form_of(page, "homelab")
    box = form.get_by_label("Read the health of disks (SMART)")
    expect(box).not_to_be_checked()
    expect(form).to_contain_text("Sleeping disks may be woken.")

    box.check()
    form.get_by_role("button", name="Save").click()
    expect(form).to_be_hidden()

    page.goto(f"{home.url}#resource/homelab-pve")
    expect(disk(page, "sda")).to_contain_text("FAILED!", timeout=60_000)
    expect(disk(page, "sda").locator("[data-tone=bad]")).to_have_text("FAILED!")
    expect(disk(page, "nvme0n1").locator("[data-tone=warn]")).to_have_text("6\u202f%", timeout=60_000)
    expect(disk(page, "nvme0n1")).to_contain_text("61\u202f°C", timeout=60_000)
    expect(panel(page)).to_contain_text(re.compile(r"SMART was read \d+\u202f(s|min) ago"))
    expect(panel(page)).not_to_contain_text("SMART is not read here")

    page.goto(home.url)
    expect(form_of(page, "homelab").get_by_label("Read the health of disks (SMART)")).to_be_checked()


def test_a_mail_gateway_is_not_asked_about_disks(home, pages):
    page = pages.open(home.url)
    page.get_by_role("button", name="Nodes").click()
    page.get_by_role("button", name="Add a node").click()
    form = page.get_by_role("dialog", name="Add a node")
    box = form.get_by_label("Read the health of disks (SMART)")
    expect(box).to_be_visible()

    form.get_by_role("radio", name="Backup Server").check()
    expect(box).to_be_visible()
    form.get_by_role("radio", name="Mail Gateway").check()
    expect(box).to_be_hidden()


def test_the_disks_with_their_health_fit_a_phone(home, pages):
    (connection,) = home.ask("GET", "/api/config/nodes")
    home.ask("PUT", f"/api/config/nodes/{connection['id']}", {"monitorSmart": True})

    page = pages.open(f"{home.url}#resource/homelab-pve", width=360, height=740)

    expect(disk(page, "sda")).to_contain_text("PASSED", timeout=60_000)
    assert panel(page).evaluate("(one) => [one.scrollWidth, one.getBoundingClientRect().width]") == [360, 360]
