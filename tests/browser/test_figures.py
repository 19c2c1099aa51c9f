"""The dashboard shows what the hosts say, moves by itself, and leaves nothing out but what a person filters away."""

from __future__ import annotations

import re

from playwright.sync_api import expect

from tests.browser.estates import guest_row, wait_for_rows


def column(page, name):
    """Return the texts of one column as they are drawn."""
    cells = page.locator(f"[data-guests] tbody:not(.spacer) tr:not(.group) .c-{name}")
    return [text.split("\n")[0].strip() for text in cells.all_inner_texts()]


def test_guests_stand_under_their_nodes(demo, pages):
    page = pages.open(demo.url)

    wait_for_rows(page)

    group = page.locator("[data-guests] .group").first
    expect(group.locator(".group-name")).to_have_text("pve")
    expect(group).to_contain_text("of 14 running")
    expect(guest_row(page, "home-assistant").locator(".c-vmid")).to_have_text("100")


def test_figures_change_without_a_reload(home_hosts, home, pages):
    page = pages.open(home.url)
    wait_for_rows(page)
    page.evaluate("window.isTheSamePage = true")

    home_hosts.call("set_metric", site="homelab", vmid=105, cpu=0.97)

    cpu = guest_row(page, "pihole").locator(".c-cpu .number")
    expect(cpu).to_have_text("97\u202f%")
    expect(cpu).to_have_attribute("data-level", "bad")
    assert page.evaluate("window.isTheSamePage") is True


def test_a_guest_that_is_stopped_loses_its_figures(home_hosts, home, pages):
    page = pages.open(home.url)
    row = guest_row(page, "pihole")
    expect(row.locator(".c-status")).to_have_text("running")

    home_hosts.call("stop_guest", site="homelab", vmid=105)

    expect(row.locator(".c-status")).to_have_text("stopped")
    expect(row.locator(".c-cpu .number")).to_have_text("—")
    expect(row.locator(".c-memory .number")).to_have_text("—")
    expect(row.locator(".c-netin")).to_have_text("—")
    expect(row.locator(".c-uptime")).to_have_text("—")


def test_a_new_guest_appears_and_a_removed_one_goes(home_hosts, home, pages):
    page = pages.open(home.url)
    wait_for_rows(page)

    home_hosts.call("add_guest", site="homelab", vmid=4711, name="newcomer")
    expect(guest_row(page, "newcomer").locator(".c-vmid")).to_have_text("4711")
    home_hosts.call("remove_guest", site="homelab", vmid=4711)

    expect(guest_row(page, "newcomer")).to_have_count(0)


def test_the_disk_of_a_vm_without_an_agent_is_unknown_with_its_reason(home_hosts, home, pages):
    home_hosts.call("set_agent", site="homelab", vmid=101, state="none")
    page = pages.open(home.url)

    figure = guest_row(page, "truenas").locator(".c-disk .figure")

    expect(figure.locator(".number")).to_have_text("—")
    expect(figure.locator(".number")).to_have_attribute("title", re.compile("^Unknown: "), timeout=40_000)
    expect(figure.locator(".bar")).to_be_hidden()


def test_words_of_the_filter_must_all_fit_and_commas_separate_alternatives(lab, pages):
    page = pages.open(lab.url)
    wait_for_rows(page)

    page.get_by_role("searchbox").fill("network opn, jellyfin, 109")

    expect(page.locator("[data-count]")).to_have_text("3 of 14")
    assert column(page, "name") == ["opnsense", "jellyfin", "nextcloud"]


def test_a_filter_that_fits_nothing_says_so(lab, pages):
    page = pages.open(lab.url)
    wait_for_rows(page)

    page.get_by_role("searchbox").fill("no such thing")

    expect(page.locator("[data-no-rows]")).to_have_text(
        "None of the 14 guests has “no such thing” in its name, ID, node, pool, tags, addresses or status."
    )
    page.get_by_role("button", name="Clear filters").click()
    wait_for_rows(page)


def test_running_and_stopped_and_kinds_are_told_apart(lab, pages):
    page = pages.open(lab.url)
    wait_for_rows(page)

    page.get_by_role("radio", name="Stopped").check()
    expect(page.locator("[data-count]")).to_have_text("1 of 14")
    stopped = column(page, "name")
    page.get_by_role("radio", name="LXC").check()
    expect(page.locator("[data-no-rows]")).to_have_text(
        "None of the 14 guests is left with only containers and only stopped ones."
    )
    page.get_by_role("radio", name="Running").check()
    wait_for_rows(page)

    assert stopped == ["windows-11"]
    assert set(column(page, "status")) == {"running"}
    assert set(column(page, "type")) == {"LXC"}


def test_names_are_sorted_as_people_count(demo, pages):
    page = pages.open(f"{demo.url}?group=none&q=app-")
    wait_for_rows(page)

    page.get_by_role("button", name="Name", exact=True).click()
    expect(page.locator("th[data-sortable=name]")).to_have_attribute("aria-sort", "ascending")
    rising = column(page, "name")
    page.get_by_role("button", name="Name", exact=True).click()
    expect(page.locator("th[data-sortable=name]")).to_have_attribute("aria-sort", "descending")

    assert rising[:3] == ["app-01", "app-02", "app-03"]
    assert column(page, "name") == rising[::-1]


def test_unknown_figures_come_last_in_both_directions(demo, pages):
    page = pages.open(f"{demo.url}?group=none&q=homelab&sort=-memory")
    wait_for_rows(page)
    falling = column(page, "memory")

    page.get_by_role("button", name="Memory", exact=True).click()
    expect(page.locator("th[data-sortable=memory]")).to_have_attribute("aria-sort", "ascending")

    assert falling[-1] == "—"
    assert column(page, "memory")[-1] == "—"
    assert falling[0] != "—"


def test_a_collapsed_group_stays_collapsed_after_a_reload(demo, pages):
    page = pages.open(demo.url)
    wait_for_rows(page)

    page.locator("[data-guests] .group button").first.click()
    expect(guest_row(page, "home-assistant")).to_have_count(0)
    page.reload()
    wait_for_rows(page)

    expect(page.locator("[data-guests] .group button").first).to_have_attribute("aria-expanded", "false")
    expect(guest_row(page, "home-assistant")).to_have_count(0)


def test_back_takes_a_choice_back(demo, pages):
    page = pages.open(demo.url)
    wait_for_rows(page)

    page.get_by_label("Group").select_option("status")
    expect(page).to_have_url(f"{demo.url}?group=status")
    page.go_back()

    expect(page.get_by_label("Group")).to_have_value("node")
    expect(page.locator("[data-guests] .group-name").first).to_have_text("pve")


def test_a_node_that_dies_is_said_to_be_offline_and_its_guests_are_unknown(cluster_hosts, empty, pages):
    empty.watch(*cluster_hosts.instances)
    page = pages.open(f"{empty.url}?q=pve-04")
    wait_for_rows(page)

    cluster_hosts.call("kill_node", site="production", node="pve-04")

    card = page.locator("[data-cards] .card", has_text="pve-04")
    expect(card.locator(".status")).to_have_text("offline")
    expect(card.locator(".meters")).to_be_hidden()
    expect(page.locator("[data-problems]")).to_contain_text("Node pve-04 is offline")
    assert set(column(page, "status")) == {"unknown"}
    assert set(column(page, "cpu")) == {"—"}


def test_storages_show_sizes_as_proxmox_does(demo, pages):
    page = pages.open(demo.url)
    page.get_by_role("link", name="Storage").click()

    row = page.locator("[data-storages] tr", has_text="local-zfs")

    expect(row.locator(".c-status")).to_have_text("available")
    expect(row.locator(".c-type")).to_have_text("zfspool")
    expect(row.locator(".c-total")).to_have_text("1.8\u202fTiB")
    assert row.locator(".c-total").evaluate("(cell) => getComputedStyle(cell).textAlign") == "right"


def test_a_shared_storage_is_listed_once(demo, pages):
    page = pages.open(f"{demo.url}?tab=storage")

    rows = page.locator("[data-storages] tr", has_text="ceph-vm")

    expect(rows).to_have_count(1)
    expect(rows.locator(".c-node")).to_have_text("shared by 3 nodes")


def test_backup_servers_show_their_datastores(demo, pages):
    page = pages.open(f"{demo.url}?tab=backup&part=servers")

    server = page.locator(".server", has_text="vault")

    expect(server.locator(".status")).to_have_text("online")
    expect(server.locator("tbody th bdi:first-child")).to_have_text(["main", "archive", "offsite"])


def test_figures_stand_right_aligned_in_digits_of_one_width(demo, pages):
    page = pages.open(demo.url)

    cell = guest_row(page, "pihole").locator(".c-netin")

    expect(cell).to_be_visible()
    style = cell.evaluate(
        "(cell) => [getComputedStyle(cell).textAlign, getComputedStyle(cell).fontVariantNumeric]"
    )
    assert style == ["right", "tabular-nums"]
