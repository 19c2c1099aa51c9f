"""Whatever a host calls its guests, tags, nodes and storages: it is text on the page and nothing else."""

from __future__ import annotations

from urllib.parse import quote

import pytest
from playwright.sync_api import expect

from tests.browser.estates import Server, guest_row, guest_rows, wait_for_rows
from tests.fake_proxmox.process import FakeProcess

IMAGE = "<img src=x onerror=window.isBroken=1>"
TAG = "<img/src=x/onerror=alert(1)>"
SCRIPT = '"><script>window.isBroken=1</script>'
TURNED = "web\u202egnp.exe"
LONG = "n" * 200
EMOJI = "🦊 fuchs 👩‍👩‍👧"

#: Elements that only a text taken for markup could have made.
FOREIGN = (
    "img, iframe, object, embed, script:not([src]), [onerror], [onload], [onclick], a[href^='javascript:']"
)


@pytest.fixture(scope="module")
def renamed(tmp_path_factory):
    """A host with one payload per guest, in its name or its tags."""
    with FakeProcess("homelab") as hosts, Server(tmp_path_factory.mktemp("renamed")) as server:
        for vmid, name in ((105, IMAGE), (106, SCRIPT), (107, TURNED), (108, LONG), (109, EMOJI)):
            hosts.call("rename_guest", site="homelab", vmid=vmid, name=name)
        hosts.call("change_guest", site="homelab", vmid=110, tags=f"{TAG};{SCRIPT}", lock=TAG)
        server.watch(*hosts.instances)
        yield server


@pytest.fixture
def page(renamed, pages):
    page = pages.open(f"{renamed.url}?group=none")
    expect(guest_row(page, EMOJI)).to_be_visible()
    return page


def test_markup_in_a_name_is_shown_as_it_is_written(page):
    names = page.locator("[data-guests] .c-name bdi")

    expect(names.filter(has_text=IMAGE)).to_have_text(IMAGE)
    expect(names.filter(has_text=SCRIPT)).to_have_text(SCRIPT)
    assert page.locator(FOREIGN).count() == 0
    assert page.evaluate("window.isBroken") is None


def test_markup_in_tags_and_locks_is_shown_as_it_is_written(page):
    row = page.locator("[data-guests] tr", has=page.get_by_text("postgres", exact=True))

    expect(row.locator(".tag")).to_have_text([TAG, SCRIPT])
    expect(row.locator(".lock")).to_have_attribute("aria-label", f"locked: {TAG}")
    assert page.locator(FOREIGN).count() == 0


def test_a_character_that_turns_the_text_round_does_not(page):
    expect(guest_row(page, "webgnp.exe")).to_be_visible()


def test_a_name_of_200_characters_is_cut_and_can_be_read_whole(page):
    name = guest_row(page, LONG).locator("a.name")

    expect(name).to_have_attribute("title", LONG)
    assert page.evaluate("document.documentElement.scrollWidth") == 1440


def test_a_hostile_name_can_be_filtered_for(page):
    page.get_by_role("searchbox").fill("<img src")

    expect(guest_rows(page)).to_have_count(2)
    assert page.locator(FOREIGN).count() == 0


@pytest.mark.parametrize("tab", ["overview", "storage", "backup"])
def test_an_estate_of_payloads_leaves_every_page_whole(hostile, pages, tab):
    page = pages.open(f"{hostile.url}?tab={tab}&group=none")
    expect(page.locator(f"[data-panel={tab}]")).to_be_visible()
    if tab == "overview":
        wait_for_rows(page)

    assert page.locator(FOREIGN).count() == 0
    assert page.evaluate("document.documentElement.scrollWidth") == 1440


@pytest.mark.parametrize("part", ["all", "tasks", "snapshots", "jobs"])
def test_the_backups_of_an_estate_of_payloads_are_text(hostile, pages, part):
    page = pages.open(f"{hostile.url}?tab=backup&part={part}")
    expect(page.locator("[data-backup-list] tbody:not(.spacer) tr").first).to_be_visible(timeout=60_000)

    assert page.locator(FOREIGN).count() == 0
    assert page.evaluate("window.isBroken") is None
    assert page.evaluate("document.documentElement.scrollWidth") == 1440


def test_the_panels_of_an_estate_of_payloads_are_text(hostile, pages):
    state = hostile.ask("GET", "/api/state")
    ids = [state[name][0]["id"] for name in ("vms", "containers", "nodes", "storage", "pbs")]
    page = pages.open(hostile.url)
    wait_for_rows(page)

    for identity in ids:
        address = f"#resource/{quote(identity, safe='')}"
        for part in ("", "/all"):
            page.evaluate("(hash) => (location.hash = hash)", address + part)
            shown = page.locator(
                "[data-resource-body] > .explanation" if part else "[data-resource-body] > .part"
            )
            expect(shown.first).to_be_visible()
            assert page.locator(FOREIGN).count() == 0
            assert page.evaluate("window.isBroken") is None
            assert page.locator("[data-resource]").evaluate("(one) => one.scrollWidth <= one.clientWidth")


def test_the_page_of_containers_is_inert_too(hostile, pages):
    page = pages.open(f"{hostile.url}simple-stats")

    expect(page.locator("#simple-stats-rows tr").first).to_be_visible()

    assert page.locator(FOREIGN).count() == 0


def test_names_of_nodes_and_storages_are_inert(pages, demo):
    """No PVE allows such names; a page is not to depend on that."""
    page = pages.open()
    page.add_init_script("""
      const parse = JSON.parse;
      const payload = '<img src=x onerror=window.isBroken=1>"><script>window.isBroken=1</script>';
      const response = Response.prototype.json;
      Response.prototype.json = async function () {
        const message = await response.call(this);
        if (message?.type !== "state") return message;
        for (const node of message.state.nodes) node.name = node.instance = payload + node.name;
        for (const storage of message.state.storage) {
          for (const field of ["name", "node", "instance", "type", "content", "status"]) storage[field] = payload;
        }
        for (const server of message.state.pbs) {
          for (const store of server.datastores) store.name = store.error = payload + store.name;
          for (const field of ["name", "host", "version"]) server[field] = payload;
        }
        return message;
      };
    """)
    for tab in ("overview", "storage", "backup&part=servers"):
        page.goto(f"{demo.url}?tab={tab}")
        panel = page.locator(f"[data-panel={tab.partition('&')[0]}]")

        expect(panel.get_by_text("<img src=x onerror=window.isBroken=1>").first).to_be_visible()
        assert page.locator(FOREIGN).count() == 0
        assert page.evaluate("window.isBroken") is None
        assert page.evaluate("document.documentElement.scrollWidth") == 1440
