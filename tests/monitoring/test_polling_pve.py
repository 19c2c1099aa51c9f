"""One poll after the other against the fake Proxmox: what the state shows (state.md 2 to 6)."""

from __future__ import annotations

import pytest

from monitoring.known.memory import PollMemory
from monitoring.polling import pve, pve_picture
from monitoring.wire.fragments import FragmentKey
from nodes import editing
from nodes.proxmox.readings.live import GuestReading, NodeReading, ResourcesReading
from tests.conftest import NOON

pytestmark = [pytest.mark.slow, pytest.mark.django_db]


def test_the_first_poll_shows_nodes_with_details_and_guests_without_rates(fake_pve, watch):
    watched = watch(fake_pve)

    assert watched.poll() is True

    (node,) = watched.shown("nodes")
    assert (node["status"], node["connectionHealth"], len(node["loadAverage"])) == ("online", "healthy", 3)
    assert {guest["networkIn"] for guest in watched.guests().values()} == {-1}


def test_the_second_poll_has_rates(fake_pve, watch):
    watched = watch(fake_pve)
    watched.poll()

    watched.poll(after=10)

    running = [guest for guest in watched.guests().values() if guest["status"] == "running"]
    assert running
    assert all(guest["networkIn"] >= 0 for guest in running)


def test_templates_are_not_shown(watch, fake_pve):
    readings = ResourcesReading(
        nodes=(NodeReading("pve1", "online"),),
        guests=(
            GuestReading(100, "qemu", "pve1", "running"),
            GuestReading(9000, "qemu", "pve1", "stopped", is_template=True),
        ),
    )

    picture = pve_picture.picture_of(
        watch(fake_pve).instance, readings, PollMemory(), at_epoch=0.0, interval=10.0
    )

    assert [guest.vmid for guest in picture.figures.guests] == [100]


def test_a_guest_that_is_removed_goes_at_once(fake_pve, watch):
    watched = watch(fake_pve)
    watched.poll()
    vmid = next(iter(watched.guests()))

    fake_pve.site.remove_guest(vmid)
    watched.poll(after=10)

    assert vmid not in watched.guests()


def test_a_migrated_guest_keeps_its_number_and_starts_its_rates_again(fake_cluster, watch):
    watched = watch(fake_cluster)
    watched.poll()
    watched.poll(after=10)
    vmid, guest = next((key, one) for key, one in watched.guests().items() if one["status"] == "running")
    target = next(node["name"] for node in watched.shown("nodes") if node["name"] != guest["node"])

    fake_cluster.migrate_guest(vmid, target)
    watched.poll(after=10)

    moved = watched.guests()[vmid]
    assert (moved["node"], moved["networkIn"], moved["id"]) == (target, -1, f"lab-{target}-{vmid}")


def test_an_offline_member_and_its_guests_stay_as_last_seen(fake_cluster, watch):
    watched = watch(fake_cluster)
    watched.poll()
    victim = watched.shown("nodes")[1]["name"]
    theirs = {vmid for vmid, guest in watched.guests().items() if guest["node"] == victim}

    fake_cluster.kill_node(victim)
    watched.poll(after=10)
    kept = {vmid for vmid, guest in watched.guests().items() if guest.get("stale")}
    for _ in range(7):
        watched.poll(after=10)

    node = next(node for node in watched.shown("nodes") if node["name"] == victim)
    assert theirs
    assert kept == theirs
    assert (node["status"], node["cpu"], node["uptime"], node["memory"]["used"]) == ("offline", 0, 0, 0)
    after = watched.guests()
    assert {vmid: (after[vmid]["status"], after[vmid]["stale"]) for vmid in theirs} == dict.fromkeys(
        theirs, ("unknown", True)
    )


def test_a_cluster_is_read_through_another_member_when_the_configured_one_dies(
    fake_cluster, watch, short_limits
):
    watched = watch(fake_cluster, fingerprint=fake_cluster.fingerprint)
    watched.poll()
    first = fake_cluster.servers[0]

    first.stop()
    watched.poll(after=10)

    assert watched.row().state == "ok"
    assert {endpoint.node_name for endpoint in watched.row().endpoints.all()} == {
        server.name for server in fake_cluster.servers
    }


def test_flags_keep_what_nobody_wants_out_of_the_state(fake_pve, watch):
    watched = watch(fake_pve, monitor_vms=False, monitor_storage=False)

    watched.poll()

    assert watched.shown("vms") == []
    assert watched.shown("storage") == []
    assert watched.shown("containers") != []


def test_an_empty_list_is_believed_at_the_third_time(fake_pve, watch):
    watched = watch(fake_pve)
    watched.poll()
    before = set(watched.guests())
    for vmid in before:
        fake_pve.site.remove_guest(vmid)

    seen = []
    for _ in range(3):
        watched.poll(after=10)
        seen.append((watched.row().state, set(watched.guests()) == before))

    assert seen[:2] == [("failing", True), ("failing", True)]
    assert watched.row().state == "ok"
    assert watched.guests() == {}


def test_a_poll_that_began_before_an_edit_publishes_nothing(fake_pve, watch, fresh_store, monkeypatch):
    watched = watch(fake_pve)
    watched.poll()
    version = fresh_store.fragments()[FragmentKey(watched.instance.pk, "resources")].version
    original = pve.look

    def look_and_edit(*args, **kwargs):
        resources = original(*args, **kwargs)
        editing.pause(watched.instance.pk)
        return resources

    monkeypatch.setattr(pve, "look", look_and_edit)
    watched.poll(after=10)

    fragment = fresh_store.fragments().get(FragmentKey(watched.instance.pk, "resources"))
    assert fragment is None or fragment.version == version


GONE = {"paused": editing.pause, "removed": lambda pk: editing.remove(pk, at=NOON)}


@pytest.mark.parametrize("how", GONE)
def test_what_goes_while_its_figures_are_published_does_not_come_back(
    how, fake_pve, watch, document, fresh_store, monkeypatch, django_capture_on_commit_callbacks
):
    watched = watch(fake_pve)
    watched.poll()
    publish = fresh_store.publish

    def publish_too_late(fragment):
        with django_capture_on_commit_callbacks(execute=True):
            GONE[how](watched.instance.pk)
        publish(fragment)

    monkeypatch.setattr(fresh_store, "publish", publish_too_late)
    watched.poll(after=10)

    assert document()["nodes"] == []
    assert document()["connectionHealth"] == {}


def test_a_deleted_instance_leaves_the_state_at_once(
    fake_pve, watch, document, django_capture_on_commit_callbacks
):
    watched = watch(fake_pve)
    watched.poll()

    with django_capture_on_commit_callbacks(execute=True):
        editing.remove(watched.instance.pk, at=NOON)

    assert document()["nodes"] == []
    assert document()["connectionHealth"] == {}
