"""Backup servers and mail gateways: their machine, their datastores in maintenance, and their figures in words."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from tests.fake_proxmox.process import FakeProcess


@pytest.fixture
def vault(empty):
    """A backup server of which `archive` is in maintenance and `offsite` is not told by the use of all."""
    with FakeProcess("demo", "--refresh-seconds", "2") as hosts:
        upkeep = 'type=offline,message="new <b>disks</b>"'
        hosts.call("set_datastore", site="vault", name="archive", maintenance=upkeep, comment="old years")
        hosts.call("set_datastore", site="vault", name="offsite", is_left_out=True)
        empty.watch(hosts.instance("vault"))
        yield empty


def panel(page):
    return page.locator("[data-resource]")


def test_a_datastore_in_maintenance_says_so_with_its_message(vault, pages):
    page = pages.open(f"{vault.url}?tab=backup&part=servers")

    row = page.locator("[data-servers] tbody tr", has=page.get_by_text("archive", exact=True))
    expect(row.locator(".store-problem")).to_contain_text(
        "maintenance: offline (new <b>disks</b>)", timeout=40_000
    )
    expect(row.locator(".store-comment")).to_have_text("old years")
    expect(row.locator(".c-usage")).to_contain_text("—")
    left_out = page.locator("[data-servers] tbody tr", has=page.get_by_text("offsite", exact=True))
    expect(left_out.locator(".store-problem")).to_have_text("figures not told")
    main = page.locator("[data-servers] tbody tr", has=page.get_by_text("main", exact=True))
    expect(main.locator(".store-problem")).to_be_hidden()


def test_the_panel_of_a_backup_server_tells_of_its_machine_and_its_datastores(vault, pages):
    page = pages.open(f"{vault.url}#resource/pbs-vault")

    server = panel(page).locator("section", has=page.get_by_role("heading", name="Server", exact=True))
    expect(server).to_contain_text("PBS 4.2", timeout=40_000)
    expect(server).to_contain_text("Intel(R) Xeon(R) E-2334 CPU @ 3.40GHz, 8 CPUs")
    expect(server).to_contain_text(re.compile(r"Root disk\s*11\u202f% of 225\u202fGiB"))
    expect(server).to_contain_text("0\u202fB of 8.0\u202fGiB")
    expect(server).to_contain_text("2 pending: openssl, proxmox-backup-server", timeout=40_000)
    stores = panel(page).get_by_role("region", name="Datastores")
    archive = stores.get_by_role("row", name=re.compile("archive"))
    expect(archive).to_contain_text("maintenance: offline (new <b>disks</b>)", timeout=40_000)
    expect(archive).to_contain_text("old years")
    expect(panel(page)).to_contain_text(
        re.compile(r"Maintenance and comments were read \d+\u202f(s|min) ago")
    )
    garbage = panel(page).get_by_role("region", name="Garbage collection")
    expect(garbage.get_by_role("row", name=re.compile("main"))).to_contain_text(
        re.compile(r"\d+\u202f(min|h)( \d+\u202fmin)? ago.*times.*none")
    )

    stores.get_by_role("row", name=re.compile("main")).get_by_role("link", name=re.compile("times")).click()

    asked = panel(page).locator("[data-asked][data-number]")
    expect(asked).to_contain_text("index-data-bytes of disk-bytes of the last garbage collection")


def test_the_panel_of_a_mail_gateway_tells_its_figures_with_their_units(empty, pages):
    with FakeProcess("mail", "--refresh-seconds", "2") as hosts:
        hosts.call("set_queue", site="mail", queue="deferred", counts=[3, 2])
        empty.watch(*hosts.instances)
        page = pages.open(f"{empty.url}#resource/pmg-mail")

        expect(panel(page)).to_contain_text("PMG 9.1.0", timeout=40_000)
        expect(panel(page)).to_contain_text(re.compile(r"Mails in\s*[\d\u202f]+ mails"))
        expect(panel(page)).to_contain_text(re.compile(r"Average time to process\s*1\.4\u202fs"))
        queues = panel(page).get_by_role("region", name="Queues")
        deferred = queues.get_by_role("row", name=re.compile("mail-01 deferred"))
        expect(deferred).to_contain_text("up to 5\u202fmin: 3", timeout=40_000)

        deferred.get_by_role("link").click()

        expect(panel(page).locator("[data-asked][data-number]")).to_contain_text("total of the row TOTAL")
