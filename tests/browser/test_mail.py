"""A mail gateway is added with a user and a password, and its nodes, queues and mails stand on the overview."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from tests.fake_proxmox.process import FakeProcess


@pytest.fixture
def gateway():
    with FakeProcess("mail", "--refresh-seconds", "2") as hosts:
        yield hosts


def test_a_gateway_is_added_without_a_token_and_shows_its_nodes(gateway, empty, pages):
    host = gateway.instances[0]
    page = pages.open(empty.url)
    page.locator("[data-empty]").get_by_role("button", name="Add a node").click()
    form = page.get_by_role("dialog", name="Add a node")

    form.get_by_role("radio", name="Mail Gateway").check()
    expect(form.get_by_label("Token ID")).to_be_hidden()
    expect(form.get_by_role("radio", name="API token")).to_be_hidden()
    form.get_by_label("Address").fill(host["url"])
    form.get_by_label("Name").fill("mail")
    form.get_by_label("User").fill(host["user"])
    form.locator("input[name=password]").fill(host["password"])
    form.get_by_role("button", name="Test connection").click()
    form.get_by_role("button", name="It is the right one").click()
    form.get_by_role("button", name="Save").click()

    card = page.locator("[data-gateways] .card")
    expect(card.locator(".card-name")).to_have_text("mail")
    expect(card.locator(".mail-nodes .name")).to_have_text(["mail-01", "mail-02"])
    expect(card.locator(".queues").first).to_have_text(re.compile(r"Queues: .*deferred \d+"), timeout=40_000)
    expect(card).to_contain_text(re.compile(r"Since midnight: \d+ in, \d+ out"), timeout=40_000)


def test_a_node_that_is_cut_off_is_told_in_words(gateway, empty, pages):
    gateway.call("cut_off_node", site="mail", node="mail-02")
    empty.watch(*gateway.instances)

    page = pages.open(empty.url)

    expect(page.locator(".mail-nodes li")).to_have_count(2)
    node = page.locator(".mail-nodes li", has_text="mail-02")
    expect(node).to_contain_text("offline", timeout=60_000)
    expect(node.locator(".status")).to_have_attribute("data-status", "offline")
