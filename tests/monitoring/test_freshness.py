"""What is known counts for three of the periods in which it is asked for; when it cannot be read any more, that is told."""

from __future__ import annotations

import pytest

from monitoring.concerns.unread import OF_INSTANCE, OF_NODE, flaws, unread
from monitoring.known.facts import CredentialFacts, Facts, GuestFacts, NodeFacts, SmartFacts
from monitoring.known.freshness import (
    GUEST_LANES,
    INSTANCE_LANES,
    NODE_LANES,
    current,
    current_guest,
)
from monitoring.known.lanes import Lane, Progress
from nodes.proxmox.readings.backup_server import ServerJobReading
from nodes.proxmox.readings.cluster import (
    CephFlagReading,
    CephOsdReading,
    CephReading,
    HaReading,
    HaServiceReading,
    QdeviceReading,
    ReplicationReading,
    VoteReading,
)
from nodes.proxmox.readings.guests import GuestDetailReading
from nodes.proxmox.readings.hardware import (
    CertificateReading,
    DiskReading,
    SubscriptionReading,
    ThinPoolReading,
    ZfsPoolReading,
)
from nodes.proxmox.readings.software import RepositoriesReading, ServiceReading
from tests.monitoring.collected import turn, with_token

AT = 1767268800.0
#: What is kept with an instant and is no statement about now: what happened, and definitions by which things are known.
LASTING = {
    Facts: {"tasks", "storages", "jobs", "uncovered", "saved", "visited", "rest_until", "slowed",
            "volumes", "backup_tasks", "server_jobs"},
    NodeFacts: set(),
    GuestFacts: set(),
}  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "lanes"), [(Facts, INSTANCE_LANES), (NodeFacts, NODE_LANES), (GuestFacts, GUEST_LANES)]
)
def test_everything_that_is_read_counts_for_a_while_or_is_said_to_last(kind, lanes):
    read = {name.removesuffix("_epoch") for name in kind.__struct_fields__ if name.endswith("_epoch")}

    assert read - LASTING[kind] == set(lanes)


INSTANCE = [
    ("ceph", CephReading("HEALTH_OK"), 90),
    ("credential", CredentialFacts(is_token=True), 64800),
    ("ceph_osds", (CephOsdReading(0),), 900),
    ("ceph_flags", (CephFlagReading("noout", is_set=True),), 1800),
    ("ha", HaReading(services=(HaServiceReading("vm:100"),)), 90),
    ("ha", HaReading(fencing="disarmed"), 900),
    ("votes", (VoteReading("pve1"),), 900),
    ("qdevice", QdeviceReading("Net"), 900),
    ("replication_jobs", (ReplicationReading("100-0"),), 900),
]


@pytest.mark.parametrize(("fact", "value", "seconds"), INSTANCE)
def test_a_fact_about_an_instance_counts_for_three_periods(fact, value, seconds):
    facts = Facts(**{fact: value, f"{fact}_epoch": AT})

    assert getattr(current(facts, at_epoch=AT + seconds), fact) == value
    assert getattr(current(facts, at_epoch=AT + seconds + 1), fact) in (None, ())
    assert getattr(facts, fact) == value


NODE = [
    ("version", "9.1.4", 10800),
    ("repositories", RepositoriesReading(), 129600),
    ("services", (ServiceReading("pvestatd", "running"),), 1800),
    ("zfs_pools", (ZfsPoolReading("tank", "ONLINE"),), 900),
    ("thin_pools", (ThinPoolReading("data"),), 5400),
    ("disks", (DiskReading("/dev/sda"),), 10800),
    ("certificates", (CertificateReading("pve-ssl.pem"),), 64800),
    ("subscription", SubscriptionReading("active"), 64800),
    ("replications", (ReplicationReading("100-0"),), 180),
]


@pytest.mark.parametrize(("fact", "value", "seconds"), NODE)
def test_a_fact_about_a_node_counts_for_three_periods(fact, value, seconds):
    facts = Facts(nodes={"pve1": NodeFacts(**{fact: value, f"{fact}_epoch": AT})})

    assert getattr(current(facts, at_epoch=AT + seconds).node("pve1"), fact) == value
    assert getattr(current(facts, at_epoch=AT + seconds + 1).node("pve1"), fact) in ("", None, ())


def test_pools_of_a_backup_server_are_asked_every_hour_and_count_for_three():
    pools = (ZfsPoolReading("tank", "DEGRADED"),)
    facts = Facts(host=NodeFacts(zfs_pools=pools, zfs_pools_epoch=AT))

    assert current(facts, at_epoch=AT + 10800).host.zfs_pools == pools
    assert current(facts, at_epoch=AT + 10801).host.zfs_pools == ()


def test_what_a_disk_told_last_of_itself_counts_for_a_day_and_a_half():
    facts = Facts(
        nodes={"pve1": NodeFacts(smart={"/dev/sda": SmartFacts("S1", listed_epoch=AT - 9000, own_epoch=AT)})}
    )

    assert "/dev/sda" in current(facts, at_epoch=AT + 129600).node("pve1").smart
    assert current(facts, at_epoch=AT + 129601).node("pve1").smart == {}


def test_jobs_of_a_backup_server_count_by_their_kind():
    jobs = {kind: (ServerJobReading("j", kind, "main"),) for kind in ("sync", "verify")}
    facts = Facts(server_jobs=jobs, server_jobs_epoch={"sync": AT, "verify": AT - 100})

    assert list(current(facts, at_epoch=AT + 850).server_jobs) == ["sync"]


def test_what_is_known_of_a_guest_counts_each_for_itself():
    known = GuestFacts(detail=GuestDetailReading(100, "qemu"), detail_epoch=AT, snapshots_epoch=AT)

    assert current_guest(known, at_epoch=AT + 360) is known
    assert current_guest(known, at_epoch=AT + 361).detail is None
    assert current_guest(known, at_epoch=AT + 361).snapshots_epoch == AT


# --- what cannot be read any more -------------------------------------------------------------------------------------


def lost(*, code="server_error", failures=5, done=AT):
    """A lane that was read and fails."""
    return Progress(AT + 3600, done, AT + 7200, failures, code, "pve1 could not answer (500): got no answer.")


def told(progress, words=OF_INSTANCE, subject="", *, facts=None, after=3600):
    """The sentences about lanes with this progress, so many seconds after they were read."""
    known = facts or Facts()
    known.progress = progress
    of = f" of node {subject}" if subject else ""
    return [one.text for one in unread(words, known, {}, subject=subject, of=of, at_epoch=AT + after)]


def test_what_is_lost_is_told_in_one_sentence():
    progress = {Lane.HA: {"": lost()}, Lane.VOTES: {"": lost()}, Lane.DISKS: {"pve1": lost()}}

    assert told(progress) == [
        "Out of date, and not to be read any more: high availability and the votes (pve1 could not answer (500): got no answer)"
    ]


def test_what_is_lost_of_a_node_is_told_with_it():
    progress = {
        Lane.ZFS_POOLS: {"pve1": lost(), "pve2": lost()},
        Lane.NODE_STORAGES: {"pve1": lost()},
        Lane.CERTIFICATES: {"pve1": lost()},
    }
    pools = Facts(nodes={"pve1": NodeFacts(zfs_pools=(ZfsPoolReading("tank", "ONLINE"),))})

    assert told(progress, OF_NODE, "pve1", facts=pools) == [
        (
            "Out of date, and not to be read any more: the storages and the ZFS pools of node pve1 "
            "(pve1 could not answer (500): got no answer)"
        )
    ]


QUIET = {
    "answers": Progress(AT, AT, AT + 300),
    "fails within three periods": (lost(done=AT + 3000)),
    "failed once": lost(failures=1),
    "may not be seen any more": lost(code="permission_denied"),
    "is not there in this release": lost(code="not_found"),
    "was never read": lost(done=0.0),
}


@pytest.mark.parametrize("progress", QUIET.values(), ids=QUIET.keys())
def test_no_news(progress):
    assert told({Lane.VOTES: {"": progress}}) == []


def test_what_pulse_itself_fails_at_is_told_at_once():
    broken = Progress(
        AT,
        AT - 30,
        AT + 60,
        1,
        "internal_error",
        "Pulse could not work with the answer (KeyError). See the log.",
    )
    facts = Facts(progress={Lane.CERTIFICATES: {"pve1": broken}})

    assert [one.text for one in flaws(facts, {})] == [
        "Pulse itself fails with certificates: Pulse could not work with the answer (KeyError). See the log"
    ]
    assert list(flaws(Facts(progress={Lane.CERTIFICATES: {"pve1": lost()}}), {})) == []


# --- an hour of one failing call -------------------------------------------------------------------------------------


HOUR = {
    "high availability": ("/cluster/ha/status/current", "", "high availability"),
    "membership": ("/cluster/status", "", "the membership of the cluster"),
    "node status": ("/nodes/pve-02/status", "lab-pve-02", "the status of node pve-02"),
    "storages": ("/nodes/pve-02/storage", "lab-pve-02", "the storages of node pve-02"),
    "backup jobs": ("/cluster/backup", "", "the backup jobs"),
    "votes": ("/cluster/config/nodes", "", "the votes"),
}


@pytest.mark.slow
@pytest.mark.django_db
@pytest.mark.parametrize(("path", "resource", "what"), HOUR.values(), ids=HOUR.keys())
def test_a_call_that_fails_for_an_hour_is_told(path, resource, what, fake_cluster, watch):
    watched = with_token(watch(fake_cluster), fake_cluster)
    turn(watched, times=12)
    for server in fake_cluster.servers:
        server.faults.add("status", path=path, status=500, reason="got no answer", body="")

    turn(watched, after=60, times=60)

    texts = {
        one["resourceId"]: one["text"] for one in watched.shown("concerns") if one["code"] == "out_of_date"
    }
    assert list(texts) == [resource]
    assert texts[resource].startswith(f"Out of date, and not to be read any more: {what} (")
    assert watched.row().state == "ok"
