"""The panel of a resource: everything that is known of it, and where each of its numbers comes from."""

from __future__ import annotations

import json
import re

from playwright.sync_api import expect

from tests.browser.estates import guest_row, wait_for_rows

IMAGE = "<img src=x onerror=window.isBroken=1>"

#: The first of a collection as if the server told something else of it.
TOLD = """
  const response = Response.prototype.json;
  Response.prototype.json = async function () {
    const message = await response.call(this);
    if (message?.type !== "state") return message;
    Object.assign(message.state.COLLECTION[0], FIELDS);
    return message;
  };
"""


def told(page, collection, fields):
    page.add_init_script(TOLD.replace("COLLECTION", collection).replace("FIELDS", json.dumps(fields)))


def panel(page):
    return page.locator("[data-resource]")


def test_the_name_of_a_guest_opens_all_that_is_known_of_it(lab, pages):
    page = pages.open(lab.url)
    wait_for_rows(page)
    link = page.get_by_role("link", name="home-assistant")

    link.focus()
    page.keyboard.press("Enter")

    dialog = page.get_by_role("dialog", name="home-assistant")
    expect(dialog).to_contain_text("Virtual machine 100 · running")
    expect(page).to_have_url(f"{lab.url}#resource/homelab-pve-100")
    expect(dialog.get_by_role("heading", name="Notes")).to_be_visible(timeout=40_000)
    expect(dialog).to_contain_text("Zigbee stick on USB 1-3")
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    expect(page).to_have_url(lab.url)
    expect(link).to_be_focused()


def test_one_click_on_a_figure_tells_where_it_comes_from(lab, pages):
    page = pages.open(lab.url)
    wait_for_rows(page)

    guest_row(page, "pihole").locator("td.c-memory").click()

    row = panel(page).locator("[data-asked][data-number]")
    expect(row).to_have_attribute("data-number", "memory")
    expect(row).to_contain_text("mem of maxmem")
    expect(row).to_contain_text("maxmem 536\u202f870\u202f912")
    expect(row).to_contain_text("GET /cluster/resources")
    expect(row).to_contain_text(re.compile(r"\d\u202f(s|min) ago"))
    expect(row).to_contain_text("Source: cgroup")
    expect(row).to_be_focused()


def test_back_closes_the_panel_and_forward_opens_it_again(lab, pages):
    page = pages.open(f"{lab.url}?q=pihole")
    wait_for_rows(page)
    page.get_by_role("link", name="pihole").click()
    expect(panel(page)).to_be_visible()

    page.go_back()
    expect(panel(page)).to_be_hidden()
    expect(page).to_have_url(f"{lab.url}?q=pihole")
    page.go_forward()

    expect(page.get_by_role("dialog", name="pihole")).to_be_visible()


def test_a_close_that_is_told_late_leaves_the_panel_that_was_opened_since(lab, pages):
    page = pages.open(f"{lab.url}#resource/homelab-pve-105")
    expect(page.get_by_role("dialog", name="pihole")).to_be_visible()

    panel(page).evaluate("(dialog) => dialog.dispatchEvent(new Event('close'))")

    expect(page.get_by_role("dialog", name="pihole")).to_be_visible()
    expect(page).to_have_url(f"{lab.url}#resource/homelab-pve-105")


def test_a_node_whose_processor_may_not_be_seen_is_not_shown_as_idle(lab, pages):
    page = pages.open()
    told(page, "nodes", {"cpu": 0, "cpuReason": "no_permission"})
    page.goto(f"{lab.url}#resource/homelab-pve")

    figure = panel(page).locator("[data-resource-figures] li").first
    expect(figure).to_have_text("CPU—")
    expect(figure.locator("a")).to_have_attribute("title", "The account may not see it.")
    expect(page.locator(".card").first.locator(".meter").first.locator(".number")).to_have_text("—")


def test_notes_are_text_with_their_line_breaks(home_hosts, home, pages):
    home_hosts.call("set_notes", site="homelab", vmid=105, notes=f"first line\nsecond {IMAGE}")
    page = pages.open(f"{home.url}#resource/homelab-pve-105")

    notes = panel(page).locator(".written").first

    expect(notes).to_have_text(f"first line second {IMAGE}", timeout=40_000)
    assert notes.evaluate("(one) => one.textContent") == f"first line\nsecond {IMAGE}"
    assert notes.evaluate("(one) => getComputedStyle(one).whiteSpace") == "pre-wrap"
    assert panel(page).locator("img").count() == 0
    assert page.evaluate("window.isBroken") is None


def test_a_task_is_shown_as_the_server_says_that_it_ended(home_hosts, home, pages):
    upid = home_hosts.call("start_task", site="homelab", node="pve", type="qmreboot", id="105")
    # Begins like the words for warnings, and is an error all the same.
    home_hosts.call("finish_task", site="homelab", upid=upid, status="WARNINGS: many")
    page = pages.open(f"{home.url}#resource/homelab-pve-105")

    task = panel(page).get_by_role("region", name="Tasks").get_by_role("row", name="qmreboot")

    expect(task.locator(".status")).to_have_text("failed", timeout=40_000)
    expect(task).to_contain_text("WARNINGS: many")


def test_a_node_tells_of_versions_that_differ_and_of_certificates(demo, pages):
    page = pages.open(f"{demo.url}#resource/production-pve-01")

    expect(panel(page)).to_contain_text("The nodes of this cluster run different versions", timeout=60_000)
    certificates = panel(page).get_by_role("region", name="Certificates")
    certificate = certificates.get_by_role("row", name=re.compile("pve-ssl.pem"))
    expect(certificate).to_contain_text("days left", timeout=60_000)
    disks = panel(page).get_by_role("region", name="Disks")
    expect(disks.get_by_role("row", name="/dev/nvme0n1")).to_contain_text("ZFS", timeout=60_000)
    # Nobody has told how it is, which is not told as unknown disk by disk.
    expect(disks.get_by_role("columnheader", name="Health")).to_have_count(0)
    expect(panel(page)).to_contain_text("SMART is not read here: turn it on in the settings of this node.")
    expect(panel(page).get_by_role("heading", name="Ceph")).to_be_visible(timeout=60_000)


def test_a_cluster_tells_its_votes_its_qdevice_and_how_its_replication_goes(demo, pages):
    page = pages.open(f"{demo.url}#resource/production-pve-02")

    cluster = panel(page).locator("section", has=page.get_by_role("heading", name="Cluster", exact=True))
    expect(cluster).to_contain_text("4 of 5, 3 needed", timeout=60_000)
    expect(cluster).to_contain_text("Net at 192.0.2.53:5403")
    expect(cluster).to_contain_text("connected, seen from pve-01")
    votes = panel(page).get_by_role("region", name="Votes of the nodes")
    expect(votes.get_by_role("row", name=re.compile("pve-04"))).to_contain_text("offline")
    job = panel(page).get_by_role("region", name="Replication").get_by_role("row", name=re.compile("101-0"))
    expect(job).to_contain_text("7 failed", timeout=60_000)
    expect(job).to_contain_text("failed: exit code 1")


def test_the_cache_of_zfs_is_a_lighter_part_of_the_memory_and_has_words(lab, pages):
    page = pages.open(lab.url)
    memory = page.locator("[data-cards] .card .meter").nth(1)

    part = memory.locator(".fill[data-part]")
    expect(part).to_have_count(1, timeout=40_000)
    expect(memory).to_have_attribute("title", re.compile("^of which ZFS cache 6\\.3\u202fGiB$"))
    assert "linear-gradient" in part.evaluate("(one) => getComputedStyle(one).backgroundImage")
    page.locator("[data-cards]").get_by_role("link", name="pve", exact=True).click()
    expect(panel(page)).to_contain_text("6.3\u202fGiB of the used memory")


def test_a_container_tells_its_root_and_its_mount_points(lab, pages):
    page = pages.open(f"{lab.url}#resource/homelab-pve-108")
    files = panel(page).get_by_role("region", name="File systems")

    cells = files.get_by_role("row", name=re.compile("srv.data")).get_by_role("cell")
    expect(cells.nth(3)).to_have_text(re.compile("subvol-108-disk-1"), timeout=40_000)
    # a last column tells when one of them is full, once that can be foretold
    assert cells.all_inner_texts()[:3] == ["—", "64\u202fGiB", "—"]
    root = files.get_by_role("row").nth(1)
    expect(root.get_by_role("cell").nth(1)).to_have_text("24\u202fGiB")
    expect(root.get_by_role("cell").nth(2)).to_have_text(re.compile("%"))
    expect(panel(page)).to_contain_text("How full mount points are, Proxmox does not tell.")


def test_a_backup_server_tells_of_its_jobs_and_whose_the_backups_are(demo, pages):
    page = pages.open(f"{demo.url}#resource/pbs-vault")

    job = panel(page).get_by_role("region", name="Jobs").get_by_role("row", name=re.compile("v-main"))
    expect(job).to_contain_text("failed", timeout=60_000)
    expect(job).to_contain_text("verification failed")
    disk = panel(page).get_by_role("region", name="Disks").get_by_role("row", name="/dev/sda")
    expect(disk).to_contain_text("TOSHIBA", timeout=60_000)
    pool = panel(page).get_by_role("region", name="Pools").get_by_role("row", name=re.compile("backup"))
    expect(pool).to_contain_text("ONLINE")
    whose = panel(page).get_by_role("region", name="Whose the backups are")
    expect(whose).to_contain_text("namespace: only homelab stores there, as pbs-vault", timeout=60_000)


def test_something_that_is_gone_is_said_to_be(lab, pages):
    pages.allow("404")
    page = pages.open(f"{lab.url}#resource/nobody")

    expect(panel(page).get_by_role("status")).to_have_text(
        "Pulse knows nothing of this name any more: it was removed, or has moved."
    )


def test_the_figures_of_the_panel_follow_the_feed(home_hosts, home, pages):
    page = pages.open(f"{home.url}#resource/homelab-pve-105")
    cpu = panel(page).get_by_role("link", name=re.compile("^CPU"))
    expect(cpu).to_be_visible()

    home_hosts.call("set_metric", site="homelab", vmid=105, cpu=0.97)

    expect(cpu).to_contain_text("97\u202f%")


def test_memory_that_is_not_to_be_trusted_says_so_to_pointer_and_keyboard(lab, pages):
    page = pages.open()
    told(page, "vms", {"memoryTrust": "low", "memoryReason": "near_maximum", "memorySource": "host"})
    page.goto(lab.url)
    doubt = guest_row(page, "home-assistant").locator(".c-memory .doubt")

    expect(doubt).to_have_text("≈")
    doubt.focus()

    words = doubt.evaluate("(one) => getComputedStyle(one, '::after').content")
    assert "caches of the guest count as used" in words
    expect(guest_row(page, "home-assistant").locator(".c-memory .number")).to_have_attribute(
        "title", re.compile("caches of the guest count as used")
    )
    expect(guest_row(page, "truenas").locator(".doubt")).to_have_count(0)


def test_the_panel_fits_a_phone(demo, pages):
    page = pages.open(f"{demo.url}#resource/production-pve-01", width=360, height=740)
    expect(panel(page).get_by_role("heading", name="Ceph")).to_be_visible(timeout=60_000)

    assert panel(page).evaluate("(one) => [one.scrollWidth, one.getBoundingClientRect().width]") == [360, 360]
    panel(page).get_by_role("link", name="Where do these numbers come from?").click()
    expect(panel(page).get_by_role("table")).to_be_visible()
    assert panel(page).evaluate("(one) => one.scrollWidth") == 360
