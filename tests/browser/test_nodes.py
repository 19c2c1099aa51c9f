"""A person adds a host, is shown its certificate first, and is told in a sentence what goes wrong."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from tests.browser.estates import guest_row, guest_rows, wait_for_rows


@pytest.fixture
def host(home_hosts):
    return home_hosts.instances[0]


@pytest.fixture
def form(empty, pages):
    """The form to add a node, reached from the empty page."""
    page = pages.open(empty.url)
    page.locator("[data-empty]").get_by_role("button", name="Add a node").click()
    dialog = page.get_by_role("dialog", name="Add a node")
    expect(dialog.get_by_label("Address")).to_be_focused()
    return dialog


def fill(form, host, *, secret=None):
    form.get_by_label("Address").fill(host["url"])
    form.get_by_label("Name").fill("homelab")
    form.get_by_label("Token ID").fill(host["tokenId"])
    form.get_by_label("Secret").fill(secret or host["tokenValue"])


def colons(fingerprint):
    digits = fingerprint.replace(":", "").upper()
    return ":".join(digits[at : at + 2] for at in range(0, len(digits), 2))


def test_a_host_is_added_after_its_certificate_was_confirmed(host, home_hosts, form, pages):
    page = form.page
    fill(form, host)

    form.get_by_role("button", name="Test connection").click()
    expect(form.locator(".fingerprint")).to_have_text(colons(host["fingerprint"]))
    asked_before = sum(
        sum(one["requests"].values()) for one in home_hosts.request("GET", "/traffic").values()
    )
    expect(form.get_by_role("button", name="Save")).to_be_hidden()
    form.get_by_role("button", name="It is the right one").click()
    expect(form.locator("[data-result] .notice")).to_have_attribute("data-state", "ok")
    form.get_by_role("button", name="Save").click()

    expect(form).to_be_hidden()
    wait_for_rows(page)
    expect(guest_row(page, "home-assistant")).to_be_visible()
    expect(page.locator("[data-empty]")).to_be_hidden()
    assert asked_before == 0, "a request was sent before the certificate was confirmed"


def test_another_address_wants_another_confirmation(host, form):
    fill(form, host)
    form.get_by_role("button", name="Test connection").click()
    form.get_by_role("button", name="It is the right one").click()
    expect(form.get_by_role("button", name="Save")).to_be_visible()

    form.get_by_label("Address").fill("https://192.0.2.1:8006")

    expect(form.get_by_role("button", name="Save")).to_be_hidden()
    expect(form.locator("[data-certificate]")).to_be_hidden()


def test_a_wrong_secret_is_told_in_a_sentence(host, form, pages):
    pages.allow("status of 4..")
    fill(form, host, secret="00000000-0000-0000-0000-000000000000")
    form.get_by_role("button", name="Test connection").click()

    form.get_by_role("button", name="It is the right one").click()

    notice = form.locator("[data-result] .notice")
    expect(notice).to_have_attribute("data-state", "bad")
    expect(notice).to_contain_text(re.compile("token|login|refus", re.IGNORECASE))
    expect(form.get_by_label("Secret")).to_have_value("00000000-0000-0000-0000-000000000000")


def test_a_secret_leaves_the_page_with_the_dialog(lab, pages):
    page = pages.open(lab.url)
    page.get_by_role("button", name="Nodes").click()
    page.get_by_role("dialog", name="Nodes").get_by_role("button", name="Add a node").click()
    form = page.get_by_role("dialog", name="Add a node")
    form.get_by_label("Secret").fill("typed-and-regretted")

    page.keyboard.press("Escape")

    expect(page.locator("[data-node-form] input")).to_have_count(0)
    page.get_by_role("dialog", name="Nodes").get_by_role("button", name="Add a node").click()
    expect(form.get_by_label("Secret")).to_have_value("")


def test_a_host_that_does_not_listen_is_told_in_a_sentence(host, home_hosts, form, pages):
    pages.allow("status of [45]..")
    fill(form, host)
    home_hosts.request("POST", "/fault", {"kind": "down"})

    form.get_by_role("button", name="Test connection").click()

    expect(form.locator("[data-result] .notice")).to_have_attribute("data-state", "bad")
    expect(form.locator("[data-result]")).to_contain_text(re.compile(r"refuse|listen|reach", re.IGNORECASE))


def test_an_empty_form_marks_the_field(form, pages):
    pages.allow("status of 400")

    form.get_by_role("button", name="Test connection").click()

    address = form.get_by_label("Address")
    expect(address).to_have_attribute("aria-invalid", "true")
    expect(address).to_be_focused()


def test_a_host_that_stops_to_answer_is_told_and_its_figures_stay_marked(home_hosts, home, pages):
    page = pages.open(home.url)
    wait_for_rows(page)

    home_hosts.request("POST", "/fault", {"kind": "down"})

    problem = page.locator("[data-problems] li")
    expect(problem).to_contain_text("homelab does not answer")
    expect(problem).to_contain_text("14 guests shown as last known.")
    row = guest_row(page, "pihole")
    expect(row).to_have_attribute("data-state", "stale")
    expect(row.locator(".c-status")).to_have_text(re.compile("stale|old"))
    expect(row.locator(".c-cpu .number")).to_have_text(re.compile("%"))


def test_it_recovers_when_the_host_answers_again(home_hosts, home, pages):
    page = pages.open(home.url)
    wait_for_rows(page)
    home_hosts.request("POST", "/fault", {"kind": "down"})
    expect(page.locator("[data-problems]")).to_contain_text("does not answer")

    home_hosts.request("POST", "/fault/clear", {})

    expect(page.locator("[data-problems]")).not_to_contain_text("does not answer")
    expect(guest_row(page, "pihole").locator(".c-status")).to_have_text("running")


def test_a_paused_connection_is_said_to_be(home, pages):
    home.stop()
    home.run("instance", "pause", "homelab")
    home.start()

    page = pages.open(home.url)

    expect(page.locator("[data-cards] .card")).to_contain_text("Not polled: this connection is paused.")
    expect(guest_rows(page)).to_have_count(0)
    page.get_by_role("button", name="Nodes").click()
    expect(page.get_by_role("dialog", name="Nodes").get_by_role("listitem")).to_contain_text("paused")


def test_a_deleted_connection_takes_its_guests_away(home, pages):
    page = pages.open(home.url)
    wait_for_rows(page)
    page.get_by_role("button", name="Nodes").click()

    page.get_by_role("button", name="Delete homelab").click()
    question = page.get_by_role("alertdialog", name="Delete homelab?")
    expect(question.get_by_role("button", name="Keep it")).to_be_focused()
    question.get_by_role("button", name="Delete").click()

    expect(question).to_be_hidden()
    expect(page.get_by_role("dialog", name="Nodes").get_by_role("listitem")).to_have_count(0)
    expect(guest_rows(page).filter(visible=True)).to_have_count(0)


def test_what_pulse_may_see_is_told_with_the_lines_that_repair_it(workshop, pages):
    page = pages.open(workshop.url, permissions=["clipboard-read", "clipboard-write"])
    page.get_by_role("button", name="Nodes").click()
    page.get_by_role("button", name="What may Pulse see? workshop").click()
    dialog = page.get_by_role("dialog", name="What may Pulse see on workshop?")

    needed = dialog.get_by_role("region", name="What the account needs")
    expect(needed.get_by_role("row", name="Backups in storages")).to_contain_text("missing")
    expect(needed.get_by_role("row", name="Backups in storages")).to_contain_text(
        "/storage/local: Datastore.Allocate"
    )
    expect(needed.get_by_role("row", name="Figures of the nodes")).to_contain_text("allowed")
    lines = dialog.locator(".repair", has_text="To run on the host as root")
    lines.get_by_role("button", name="Copy").click()
    expect(page.locator(".toast")).to_contain_text("The lines are copied.")
    copied = page.evaluate("navigator.clipboard.readText()").split("\n")
    assert copied[0] == "pveum role add PulseBackups --privs Datastore.Audit,Datastore.Allocate"
    assert "pveum acl modify /storage/local --tokens 'pulse@pve!monitor' --roles PulseBackups" in copied
    assert not [line for line in copied if "PulseUpdates" in line or "--users" in line]
    users = dialog.locator(".repair", has_text="For the user of the token, only where it has not")
    expect(users).to_contain_text("Leave out the line of a user that has these rights already")
    expect(users).to_contain_text("a token has only what its user has as well: both need it.")
    expect(lines).not_to_contain_text("Leave out the line")
    reasons = needed.get_by_role("row", name="Backups in storages").locator("details")
    expect(reasons).to_contain_text("Proxmox has no privilege that only lists backups")
    expect(reasons).not_to_contain_text("Leave out the line")


def test_the_lanes_of_a_connection_say_what_they_cost(home, pages):
    page = pages.open(home.url)
    page.get_by_role("button", name="Nodes").click()
    page.get_by_role("button", name="What may Pulse see? homelab").click()
    dialog = page.get_by_role("dialog", name="What may Pulse see on homelab?")

    lane = dialog.get_by_role("region", name="Lanes and what they cost").get_by_role(
        "row", name=re.compile("^live")
    )

    expect(lane).to_contain_text("read", timeout=30_000)
    expect(lane).to_contain_text("1 of 1")
    expect(dialog.locator("[data-lanes]")).to_contain_text(re.compile(r"calls, .* of waiting each minute"))
