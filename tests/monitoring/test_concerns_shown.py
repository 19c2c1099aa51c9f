"""Concerns on their way: from what the lanes have read to the state, and out of it when they are over."""

from __future__ import annotations

import msgspec
import pytest
from django.db.models import F

from monitoring.collecting import run
from monitoring.polling import polls
from monitoring.store import current
from monitoring.wire.fragments import FragmentKey
from nodes.models import Guest, Instance, Node
from tests.conftest import NOON
from tests.factories import make_instance
from tests.fake_proxmox import PbsSpec, PmgSpec, PveSpec
from tests.fake_proxmox.fixtures import virtual_estate
from tests.monitoring.collected import forget_time, judge, moment, turn, with_token
from tests.monitoring.conftest import Watched

pytestmark = [pytest.mark.django_db, pytest.mark.slow]


@pytest.fixture
def lab(fake_cluster, watch):
    """A cluster `lab` of three nodes of which everything is known, and with which all is well."""
    watched = with_token(watch(fake_cluster), fake_cluster)
    turn(watched, times=8)
    return watched


def concerns(watched):
    """Resource and text of each."""
    return [(one["resourceId"], one["text"]) for one in watched.shown("concerns")]


def degrade(lab, node="pve-02"):
    """A pool of the node has lost a disk, and Pulse has seen it."""
    lab.server.set_pool_health(node, "rpool", "DEGRADED")
    forget_time(lab, "disks")
    turn(lab)
    lab.poll(after=10)


def test_a_cluster_with_which_all_is_well_has_no_concern(lab, document):
    assert document()["concerns"] == []


def test_a_degraded_pool_is_told_until_it_is_whole_again(lab, document):
    degrade(lab)
    (found,) = document()["concerns"]
    lab.server.set_pool_health("pve-02", "rpool", "ONLINE")
    forget_time(lab, "disks")
    turn(lab)
    lab.poll(after=10)

    assert found == {
        "id": f"node:{Node.objects.get(name='pve-02').pk}|zfs_degraded|rpool",
        "instance": "lab",
        "resourceId": "lab-pve-02",
        "level": "warning",
        "code": "zfs_degraded",
        "subject": "rpool",
        "text": "ZFS pool rpool is degraded: nvme1n1p3 is faulted (too many errors)",
        "readAt": "2026-01-01T12:01:30Z",
    }
    assert document()["concerns"] == []


def test_a_concern_is_the_same_when_its_instance_is_renamed(lab):
    degrade(lab)
    (before,) = lab.shown("concerns")

    Instance.objects.filter(pk=lab.instance.pk).update(name="home", version=F("version") + 1)
    lab.poll(after=10)

    (after,) = lab.shown("concerns")
    assert (before["resourceId"], after["resourceId"]) == ("lab-pve-02", "home-pve-02")
    assert after["id"] == before["id"]


def test_a_concern_goes_with_its_guest_to_another_node(lab):
    vmid, guest = next((key, one) for key, one in lab.guests().items() if one["type"] == "qemu")
    lab.server.change_guest(vmid, status="io-error")
    lab.poll(after=10)
    (before,) = lab.shown("concerns")

    lab.server.migrate_guest(vmid, "pve-03" if guest["node"] != "pve-03" else "pve-01")
    lab.server.change_guest(vmid, status="io-error")
    lab.poll(after=10)

    (after,) = lab.shown("concerns")
    assert after["resourceId"] != before["resourceId"]
    assert after["id"] == before["id"] == f"guest:{Guest.objects.get(vmid=vmid).pk}|guest_halted|{vmid}"


def test_what_is_wrong_from_the_first_poll_on_is_told_by_it(fake_cluster, watch):
    vmid = 101
    fake_cluster.change_guest(vmid, status="io-error")
    watched = watch(fake_cluster)

    watched.poll()

    assert [one["subject"] for one in watched.shown("concerns")] == ["101"]


def test_polls_between_two_readings_change_nothing_of_a_concern(lab):
    degrade(lab)
    before = lab.shown("concerns")

    lab.poll(after=10)
    lab.poll(after=10)

    assert lab.shown("concerns") == before


def test_what_was_wrong_with_a_node_gives_way_to_its_being_offline(lab):
    degrade(lab)

    lab.server.kill_node("pve-02")
    lab.poll(after=10)

    assert not [identity for identity, _ in concerns(lab) if identity == "lab-pve-02"]


def test_concerns_of_a_cluster_that_does_not_answer_are_dropped(lab, short_limits):
    degrade(lab)
    assert concerns(lab) == [
        ("lab-pve-02", "ZFS pool rpool is degraded: nvme1n1p3 is faulted (too many errors)")
    ]

    for server in lab.server.servers:
        server.stop()
    lab.poll(after=10)

    assert concerns(lab) == []


def test_a_machine_that_qemu_has_halted_is_told_at_the_next_poll(lab):
    vmid, guest = next((key, one) for key, one in lab.guests().items() if one["type"] == "qemu")

    lab.server.change_guest(vmid, status="io-error")
    lab.poll(after=10)

    text = f"Guest {vmid} stands still after an error of its disk (io-error)"
    assert concerns(lab) == [(guest["id"], text)]


def test_a_storage_that_a_node_has_lost_is_told_of_the_storage(lab):
    shared = next(one for one in lab.shown("storage") if one["shared"])

    lab.server.set_storage(shared["name"], inactive_on=["pve-03"])
    lab.poll(after=10)

    assert concerns(lab) == [(shared["id"], f"Storage {shared['name']} is not available on pve-03")]


@pytest.fixture
def vault(fake_pbs, watch):
    """A backup server `vault` of which everything is known."""
    watched = watch(fake_pbs, "pbs")
    turn(watched, times=4)
    return watched


def test_a_job_of_a_backup_server_is_told_while_its_last_run_has_failed(vault):
    vault.poll(after=10)
    before = concerns(vault)
    vault.server.site.set_job("verify", "v-main", status="no space left")
    forget_time(vault, "jobs")
    turn(vault)
    vault.poll(after=10)

    assert before == []
    assert concerns(vault) == [("pbs-vault", "Verification v-main of datastore main failed: no space left")]


def test_jobs_that_are_not_to_be_monitored_are_no_concern(vault):
    vault.server.site.set_job("verify", "v-main", status="no space left")
    forget_time(vault, "jobs")
    turn(vault)
    vault.instance.monitor_verify_jobs = False
    vault.instance.save()

    vault.poll(after=10)

    assert concerns(vault) == []


def test_a_mail_gateway_tells_of_a_node_that_cannot_be_reached():
    with virtual_estate(PmgSpec(name="mail", nodes=2)) as estate:
        site = estate.site("mail")
        second = list(site.model.nodes)[1]
        site.cut_off_node(second, "500 no route")
        instance = make_instance("pmg", name="mail", host=site.url, user=site.user, password=site.password)

        polls.poll(instance.pk, NOON)

        (item,) = current.store().fragments()[FragmentKey(instance.pk, "resources")].items["concerns"]
    found = msgspec.json.decode(item.body)
    text = f"Node {second} cannot be reached: 500 no route"
    assert (found["resourceId"], found["level"], found["text"]) == ("pmg-mail", "warning", text)


@pytest.fixture
def trial():
    """A cluster and a backup server with everything wrong that the fake can be made to have; both are polled and judged."""
    cluster = PveSpec(
        name="lab", nodes=3, guests=12, backup_server="vault", certificate_days=9, ceph_trouble=True,
        replication_jobs=2, replication_trouble=True, older_nodes=1,
    )  # fmt: skip
    with virtual_estate(cluster, PbsSpec(name="vault", verification_failures=1)) as estate:
        site, server = estate.site("lab"), estate.site("vault")
        watched = with_token(Watched(site), site)
        other = Watched(server, "pbs", name="vault")
        for _ in range(8):
            turn(watched)
            other.seconds = watched.seconds
            polls.poll(other.instance.pk, moment(other))
            run.collect(other.instance.pk, moment(other))
        judge(watched)
        watched.poll(after=10)
        yield watched


def test_all_rules_have_their_facts(trial):
    assert sorted(one["code"] for one in trial.shown("concerns")) == [
        "ceph",
        "ceph",
        "certificate_expires",
        "replication_failing",
        "verification_failed",
        "versions_differ",
    ]
