"""What is wrong by Proxmox's own word, or by a rule that leaves no doubt: each rule by its table."""

from __future__ import annotations

import msgspec
import pytest
from msgspec import structs

from monitoring.backups.coverage import Coverage
from monitoring.concerns import backups, clusters, guests, nodes, servers, storages
from monitoring.concerns.applying import pbs_concerns, pve_concerns
from monitoring.concerns.shapes import INSTANCE, SERVER, About
from monitoring.concerns.zfs import zfs
from monitoring.figures.guests import GuestFigures
from monitoring.figures.instances import Figures
from monitoring.figures.nodes import NodeFigures
from monitoring.known.facts import Facts, NodeFacts, SmartFacts
from monitoring.known.replication import Replication
from monitoring.wire.concerns import concern_shapes
from monitoring.wire.ids import Label
from nodes.identity import ObjectKey, ObjectKind
from nodes.proxmox.readings.backup_server import ServerJobReading
from nodes.proxmox.readings.backups import BackupJobReading
from nodes.proxmox.readings.cluster import (
    CephCheckReading,
    CephFlagReading,
    CephReading,
    HaNodeReading,
    HaReading,
    HaServiceReading,
    QdeviceReading,
    ReplicationReading,
)
from nodes.proxmox.readings.hardware import (
    CertificateReading,
    DiskReading,
    SmartReading,
    SubscriptionReading,
    ThinPoolReading,
    ZfsPoolReading,
)
from nodes.proxmox.readings.live import ClusterReading, DatastoreReading, StorageReading
from nodes.proxmox.readings.mail import MailNodeReading

NOON = 1767268800.0
DAY = 86_400


def told(concerns):
    """Level and text of each."""
    return [(one.level, one.text) for one in concerns]


# --- nodes --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("health", "expected"),
    [
        ("ONLINE", []),
        ("", []),
        ("DEGRADED", [("zfs_degraded", "warning", "ZFS pool tank is degraded")]),
        ("FAULTED", [("zfs_failed", "critical", "ZFS pool tank is faulted")]),
        ("UNAVAIL", [("zfs_failed", "critical", "ZFS pool tank is unavail")]),
        ("SUSPENDED", [("zfs_failed", "critical", "ZFS pool tank is suspended")]),
    ],
)
def test_a_pool_of_zfs_is_to_be_online(health, expected):
    found = list(zfs([ZfsPoolReading("tank", health)], {}, NOON))

    assert [(one.code, one.level, one.text) for one in found] == expected
    assert {one.read_epoch for one in found} <= {NOON}


@pytest.mark.parametrize(
    ("used", "metadata_used", "expected"),
    [
        (949, 899, []),
        (None, None, []),
        (950, 0, [("warning", "Thin pool pve/data is 95 % full")]),
        (990, 0, [("critical", "Thin pool pve/data is 99 % full")]),
        (0, 900, [("warning", "The metadata of thin pool pve/data is 90 % full")]),
        (0, 979, [("warning", "The metadata of thin pool pve/data is 97 % full")]),
        (0, 980, [("critical", "The metadata of thin pool pve/data is 98 % full")]),
    ],
)
def test_a_thin_pool_is_not_to_be_nearly_full_and_its_metadata_even_less(used, metadata_used, expected):
    pool = ThinPoolReading("data", "pve", 1000, used, 1000, metadata_used)

    assert told(nodes.thin([pool], NOON)) == expected


def test_a_thin_pool_that_does_not_tell_its_size_is_not_full():
    assert told(nodes.thin([ThinPoolReading("data", "pve", None, 5, 0, 5)], NOON)) == []


@pytest.mark.parametrize(
    ("health", "life", "expected"),
    [
        ("PASSED", 100, []),
        ("OK", None, []),
        ("UNKNOWN", None, []),
        ("SMART Disabled", None, []),
        ("", 11, []),
        ("FAILED!", None, [("critical", "Disk /dev/sda fails its own test: SMART says FAILED!")]),
        ("PASSED", 10, [("warning", "Disk /dev/sda is worn: 10 % of its life left")]),
        ("PASSED", 3, [("critical", "Disk /dev/sda is worn: 3 % of its life left")]),
        ("PASSED", 0, [("critical", "Disk /dev/sda is worn: 0 % of its life left")]),
    ],
)
def test_a_disk_is_to_pass_its_own_test_and_not_to_be_worn(health, life, expected):
    smart = {"/dev/sda": SmartFacts("S1", SmartReading(health, life_left_percent=life), NOON)}

    assert told(nodes.disks([DiskReading("/dev/sda", serial="S1")], smart)) == expected


def test_what_smart_told_of_a_disk_that_was_replaced_says_nothing_of_the_new_one():
    smart = {"/dev/sda": SmartFacts("S1", SmartReading("FAILED!"), NOON)}

    assert told(nodes.disks([DiskReading("/dev/sda", serial="S2")], smart)) == []


def test_the_concern_about_a_disk_is_as_old_as_what_smart_told():
    smart = {"/dev/sda": SmartFacts("S1", SmartReading("FAILED!"), NOON - 7200)}

    (found,) = nodes.disks([DiskReading("/dev/sda", serial="S1")], smart)

    assert found.read_epoch == NOON - 7200


PROXY, OWN, ROOT = "pveproxy-ssl.pem", "pve-ssl.pem", "pve-root-ca.pem"


@pytest.mark.parametrize(
    ("days", "expected"),
    [
        ({PROXY: 14, OWN: 14, ROOT: 14}, []),
        ({PROXY: 13.5}, [("warning", "Certificate pveproxy-ssl.pem expires in 13 days")]),
        ({PROXY: 1.5}, [("warning", "Certificate pveproxy-ssl.pem expires in 1 day")]),
        ({PROXY: 0.5}, [("warning", "Certificate pveproxy-ssl.pem expires in less than a day")]),
        ({PROXY: 0}, [("critical", "Certificate pveproxy-ssl.pem has expired")]),
        ({OWN: 5}, [("warning", "Certificate pve-ssl.pem expires in 5 days")]),
        # Another one is shown to callers.
        ({PROXY: 90, OWN: 5}, []),
        ({PROXY: 90, OWN: -1}, [("critical", "Certificate pve-ssl.pem has expired")]),
        ({OWN: 90, ROOT: 5}, []),
        ({OWN: 90, ROOT: -5}, [("critical", "Certificate pve-root-ca.pem has expired")]),
        ({OWN: None}, []),
    ],
)
def test_the_served_certificate_is_to_last_for_two_weeks_and_no_other_to_have_expired(days, expected):
    known = [
        CertificateReading(name, expires_epoch=None if left is None else int(NOON + left * DAY))
        for name, left in days.items()
    ]

    assert told(nodes.certificates(known, NOON - 60, at_epoch=NOON)) == expected


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ("active", []),
        ("notfound", []),
        ("new", []),
        ("expired", [("warning", "The subscription is expired")]),
        ("invalid", [("warning", "The subscription is invalid")]),
        ("suspended", [("warning", "The subscription is suspended")]),
    ],
)
def test_a_subscription_is_to_be_in_force_where_there_is_one(status, expected):
    assert told(nodes.subscription(SubscriptionReading(status), NOON)) == expected


def test_a_node_that_does_not_tell_its_subscription_is_no_concern():
    assert told(nodes.subscription(None, NOON)) == []


# --- clusters -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("is_quorate", "expected"),
    [
        (True, []),
        (None, []),
        (
            False,
            [
                (
                    "critical",
                    "Cluster prod has no quorum: nothing in it can be changed and no guest be started",
                )
            ],
        ),
    ],
)
def test_a_cluster_is_to_have_a_majority(is_quorate, expected):
    assert told(clusters.quorum("lab", ClusterReading(name="prod", is_quorate=is_quorate))) == expected


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        ("Connected", []),
        ("", []),
        (
            "Disconnected",
            [("warning", "QDevice 192.0.2.9:5403 is not connected (Disconnected): its vote is missing")],
        ),
    ],
)
def test_a_qdevice_is_to_be_connected(state, expected):
    device = QdeviceReading(host="192.0.2.9:5403", state=state)

    assert told(clusters.qdevice(device, NOON)) == expected


@pytest.mark.parametrize(
    ("versions", "expected"),
    [
        ({"a": "8.4.1", "b": "8.4.3"}, []),
        ({"a": "8.4.1", "b": ""}, []),
        (
            {"a": "8.4.1", "b": "8.3-5", "c": "8.4-1"},
            ["The nodes of this cluster run different versions: 8.3 on b; 8.4 on a and c"],
        ),
        (
            {"a": "9.0.1", "b": "9.0.1", "c": "9.0.1", "d": "9.0.1", "e": "9.0.1", "f": "9.1.1"},
            ["The nodes of this cluster run different versions: 9.0 on a, b, c and 2 more; 9.1 on f"],
        ),
    ],
)
def test_the_nodes_of_a_cluster_are_to_run_one_release(versions, expected):
    assert [one.text for one in clusters.different_versions("lab", versions, NOON)] == expected


@pytest.mark.parametrize(
    ("state", "wanted", "expected"),
    [
        ("started", "started", []),
        ("migrate", "started", []),
        ("stopped", "stopped", []),
        ("stopped", "started", [("warning", "HA service vm:100 is stopped, and should be started")]),
        ("error", "started", [("critical", "HA service vm:100 is in state error")]),
        ("fence", "started", [("critical", "HA service vm:100 is in state fence")]),
        ("recovery", "started", [("critical", "HA service vm:100 is in state recovery")]),
    ],
)
def test_a_service_is_to_be_in_the_state_that_is_asked_for(state, wanted, expected):
    ha = HaReading(services=(HaServiceReading("vm:100", "pve1", state, wanted),))

    found = list(clusters.services(ha, NOON))

    assert told(one for _, one in found) == expected
    assert {service for service, _ in found} <= {"vm:100"}


SERVICE = HaServiceReading("vm:100", "pve1", "started", "started")


@pytest.mark.parametrize(
    ("master", "managers", "expected"),
    [
        (1000, {"pve1": 1000, "pve2": 940}, []),
        (1000, {"pve1": 1000, "pve2": 939}, ["The HA manager of pve2 does not report any more"]),
        (1000, {"pve1": 1000, "pve2": None}, []),
        (
            900,
            {"pve1": 1000, "pve2": 1000},
            ["The HA master on pve1 does not report any more: no guest is started elsewhere"],
        ),
        # However far the clock of Pulse is from theirs.
        (5, {"pve1": 5, "pve2": 5}, []),
    ],
)
def test_the_managers_of_high_availability_are_to_report(master, managers, expected):
    lrms = tuple(HaNodeReading(name, seen_epoch=seen) for name, seen in managers.items())
    ha = HaReading(master_node="pve1", master_seen_epoch=master, nodes=lrms, services=(SERVICE,))

    assert [one.text for _, one in clusters.silent_managers(ha, NOON)] == expected


def test_managers_that_manage_nothing_may_be_silent():
    ha = HaReading(nodes=(HaNodeReading("pve1", seen_epoch=5), HaNodeReading("pve2", seen_epoch=900)))

    assert list(clusters.silent_managers(ha, NOON)) == []


@pytest.mark.parametrize(("fencing", "count"), [("armed", 0), ("standby", 0), ("", 0), ("disarmed", 1)])
def test_high_availability_is_not_to_be_disarmed(fencing, count):
    found = told(clusters.disarmed("lab", HaReading(fencing=fencing), NOON))

    words = "High availability is disarmed: guests of a node that fails are not started elsewhere"
    assert found == [("warning", words)] * count


def test_ceph_tells_each_of_its_checks_by_its_own_severity():
    ceph = CephReading(
        "HEALTH_ERR",
        (
            CephCheckReading("OSD_DOWN", "HEALTH_WARN", "1 osds down"),
            CephCheckReading("PG_DAMAGED", "HEALTH_ERR", "1 pgs inconsistent"),
            CephCheckReading("POOL_NO_REDUNDANCY", "HEALTH_WARN", "one pool", is_muted=True),
        ),
    )

    found = list(clusters.ceph(ceph, NOON))

    assert told(found) == [
        ("warning", "Ceph: 1 osds down (OSD_DOWN)"),
        ("critical", "Ceph: 1 pgs inconsistent (PG_DAMAGED)"),
    ]
    assert [one.subject for one in found] == ["OSD_DOWN", "PG_DAMAGED"]


@pytest.mark.parametrize(
    ("lines", "count", "end"),
    [
        (("osd.3 is near full",), 1, ": osd.3 is near full"),
        (("osd.3 is near full", "osd.7 is near full"), 2, ": osd.3 is near full and osd.7 is near full"),
        (("a", "b", "c"), 3, ": a, b and c"),
        (("a", "b", "c", "d"), 4, ": a, b, c and 1 more"),
        (("a", "b", "c", "d"), 4000, ": a, b, c and 3997 more"),
        (("x" * 200,), 1, f": {'x' * 159}…"),
        ((), 0, ""),
    ],
    ids=["one", "two", "three", "four", "thousands", "long", "none"],
)
def test_ceph_names_what_a_check_is_about(lines, count, end):
    check = CephCheckReading(
        "OSD_NEARFULL", "HEALTH_WARN", "2 nearfull osd(s)", details=lines, detail_count=count
    )

    assert told(clusters.ceph(CephReading("HEALTH_WARN", (check,)), NOON)) == [
        ("warning", f"Ceph: 2 nearfull osd(s) (OSD_NEARFULL){end}")
    ]


FLAGS_SET = CephCheckReading("OSDMAP_FLAGS", "HEALTH_WARN", "noout flag(s) set")
NOOUT = ("warning", "Ceph: the flag noout is set: what is on an OSD that fails is not copied to others")


@pytest.mark.parametrize(
    ("flags", "ceph", "expected"),
    [
        (["noout"], CephReading("HEALTH_WARN", (FLAGS_SET,)), [NOOUT]),
        (["noout"], CephReading("HEALTH_OK"), [NOOUT]),
        (["noout"], None, [NOOUT]),
        (["nodeep-scrub"], None, [("warning", "Ceph: the flag nodeep-scrub is set: data are not checked in depth")]),
        (["pause"], None, [("critical", "Ceph: the flag pause is set: nothing can be read or written")]),
        (["nosomething"], None, [("warning", "Ceph: the flag nosomething is set")]),
        ([], CephReading("HEALTH_WARN", (FLAGS_SET,)), [("warning", "Ceph: noout flag(s) set (OSDMAP_FLAGS)")]),
        (["noout"], CephReading("HEALTH_OK", (msgspec.structs.replace(FLAGS_SET, is_muted=True),)), []),
        ([], CephReading("HEALTH_OK"), []),
    ],
)  # fmt: skip
def test_a_flag_that_was_left_set_in_ceph_is_told_once_unless_somebody_has_muted_it(flags, ceph, expected):
    known = (CephFlagReading("noin"), *(CephFlagReading(name, is_set=True) for name in flags))
    facts = Facts(ceph=ceph, ceph_epoch=NOON, ceph_flags=known, ceph_flags_epoch=NOON)

    assert told(clusters.cluster_concerns("lab", None, facts, ["pve1"])) == expected


@pytest.mark.parametrize(
    ("health", "expected"),
    [
        ("HEALTH_OK", []),
        ("HEALTH_WARN", [("warning", "Ceph is in state HEALTH_WARN")]),
        ("HEALTH_ERR", [("critical", "Ceph is in state HEALTH_ERR")]),
    ],
)
def test_ceph_that_gives_no_reason_is_told_by_its_state(health, expected):
    assert told(clusters.ceph(CephReading(health), NOON)) == expected


@pytest.mark.parametrize(
    ("failures", "error", "is_disabled", "expected"),
    [
        (0, "", False, []),
        (3, "no tunnel", True, []),
        (1, "no tunnel", False, ["Replication 100-0 to pve2 has failed once: no tunnel"]),
        (3, "", False, ["Replication 100-0 to pve2 has failed 3 times in a row"]),
        (2, "x" * 300, False, [f"Replication 100-0 to pve2 has failed 2 times in a row: {'x' * 159}…"]),
    ],
)
def test_a_replication_is_not_to_fail(failures, error, is_disabled, expected):
    job = ReplicationReading(
        "100-0", 100, "pve1", "pve2", failure_count=failures, error=error, is_disabled=is_disabled
    )

    found = list(clusters.failing_replications([Replication(job, "failing", NOON)]))

    assert [(node, one.text) for node, one in found] == [("pve1", text) for text in expected]


def test_a_replication_that_has_ceased_to_run_is_told_once():
    job = ReplicationReading("100-0", 100, "pve1", "pve2", "*/15")
    told = [Replication(job, state, NOON) for state in ("ok", "late", "waiting", "unknown", "running")]

    assert [(node, one.code, one.text) for node, one in clusters.failing_replications(told)] == [
        ("pve1", "replication_late", "Replication 100-0 to pve2 was due and has not run since")
    ]


# --- storages and guests ------------------------------------------------------------------------------------------


def unavailable(*readings, online=("pve1", "pve2", "pve3")):
    found = storages.unavailable(readings, online=set(online))
    return [(one.about, one.text) for one in found]


def storage(node, status, *, name="nas", is_shared=True):
    return StorageReading(name, node, status, is_shared=is_shared)


def test_a_storage_is_told_where_it_is_missing():
    assert unavailable(storage("pve1", "available"), storage("pve2", "unknown")) == [
        (About("storage", "nas"), "Storage nas is not available on pve2")
    ]
    assert unavailable(storage("pve1", "unknown"), storage("pve2", "unknown")) == [
        (About("storage", "nas"), "Storage nas is not available on any node")
    ]
    assert unavailable(storage("pve1", "unknown", name="usb", is_shared=False)) == [
        (About("storage", "usb", "pve1"), "Storage usb is not available on pve1")
    ]


def test_a_storage_that_is_switched_off_or_of_a_node_that_is_away_is_no_concern():
    assert unavailable(storage("pve1", "available"), storage("pve2", "disabled")) == []
    assert unavailable(storage("pve1", "available"), storage("pve2", "unknown"), online=["pve1"]) == []


def guest(vmid, status, *, node="pve1"):
    return GuestFigures(vmid, "qemu", node, status)


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ("running", []),
        ("stopped", []),
        ("paused", []),
        ("io-error", [("critical", "Guest 100 stands still after an error of its disk (io-error)")]),
        (
            "internal-error",
            [("critical", "Guest 100 stands still after an error inside QEMU (internal-error)")],
        ),
        (
            "guest-panicked",
            [("critical", "Guest 100 stands still after its kernel panicked (guest-panicked)")],
        ),
        ("watchdog", [("critical", "Guest 100 stands still because its watchdog ran out (watchdog)")]),
        ("suspended", []),
        ("shutdown", []),
        ("debug", []),
        ("prelaunch", []),
        ("inmigrate", []),
        ("postmigrate", []),
        ("finish-migrate", []),
        ("restore-vm", []),
        ("save-vm", []),
        ("colo", []),
        ("unknown", []),
    ],
)
def test_a_machine_that_qemu_has_halted_is_a_concern(status, expected):
    assert told(guests.halted([guest(100, status)])) == expected


def test_backups_that_failed_their_verification_are_one_concern_for_each_guest():
    coverage = {
        100: Coverage(100, "covered", "good"),
        101: Coverage(101, "covered", "good", failed_verification_count=1),
        102: Coverage(102, "covered", "bad", failed_verification_count=4),
    }

    found = list(backups.failed_verifications(coverage, NOON))

    assert [(one.about.vmid, one.level, one.text) for one in found] == [
        (101, "warning", "1 backup of guest 101 failed verification"),
        (102, "warning", "4 backups of guest 102 failed verification"),
    ]


# --- backup servers and mail gateways -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, []),
        ({"mount_status": "mounted", "bad_chunk_count": 0}, []),
        ({"error": "disk gone"}, [("critical", "Datastore main cannot be used: disk gone")]),
        ({"mount_status": "notmounted"}, [("warning", "Datastore main is not mounted")]),
        (
            {"error": "offline maintenance mode", "maintenance": "offline"},
            [("warning", "Datastore main is in maintenance: offline")],
        ),
        (
            {"bad_chunk_count": 1},
            [("critical", "Datastore main has 1 bad chunk: backups that need it cannot be restored")],
        ),
        (
            {"bad_chunk_count": 7},
            [("critical", "Datastore main has 7 bad chunks: backups that need them cannot be restored")],
        ),
        (
            {"estimated_full_epoch": int(NOON + 3.5 * DAY)},
            [("warning", "Datastore main will be full in 3 days if it grows on as in the last month")],
        ),
        ({"estimated_full_epoch": int(NOON + 14 * DAY)}, []),
        ({"estimated_full_epoch": int(NOON - DAY)}, []),
    ],
)
def test_a_datastore_is_to_be_usable_whole_and_not_full_soon(fields, expected):
    assert told(servers.datastore(DatastoreReading("main", **fields), NOON, at_epoch=NOON)) == expected


@pytest.mark.parametrize(
    ("state", "is_disabled", "expected"),
    [
        ("OK", False, []),
        ("WARNINGS: 2", False, []),
        ("", False, []),
        ("no space left", True, []),
        ("no space left", False, ["Verification v-1 of datastore main failed: no space left"]),
    ],
)
def test_the_last_run_of_a_job_is_not_to_have_failed(state, is_disabled, expected):
    job = ServerJobReading("v-1", "verify", "main", last_run_state=state, is_disabled=is_disabled)

    assert [one.text for one in servers.failed_job(job, NOON)] == expected


def test_a_garbage_collection_is_named_by_its_datastore():
    job = ServerJobReading("main", "garbage", "main", last_run_state="boom")

    assert [one.text for one in servers.failed_job(job, NOON)] == [
        "Garbage collection of datastore main failed: boom"
    ]


def test_a_job_is_to_run_when_it_is_due():
    job = ServerJobReading("s-1", "sync", "main")

    (found,) = servers.missed_job(job, {"sync s-1": 1767200000}, NOON)

    assert (found.level, found.text) == ("warning", "Sync s-1 of datastore main was due and did not run")
    assert list(servers.missed_job(job, {"verify s-1": 1767200000}, NOON)) == []
    disabled = structs.replace(job, is_disabled=True)
    assert list(servers.missed_job(disabled, {"sync s-1": 1767200000}, NOON)) == []


@pytest.mark.parametrize(
    ("node", "expected"),
    [
        (MailNodeReading("mx1", role="master", is_in_sync=True), []),
        (MailNodeReading("mx1", role="", is_in_sync=False), []),
        (MailNodeReading("mx2", role="node", is_in_sync=False), ["Node mx2 is not in sync with its cluster"]),
        (MailNodeReading("mx2", role="node", error="no route"), ["Node mx2 cannot be reached: no route"]),
    ],
)
def test_the_nodes_of_a_mail_gateway_are_to_be_there_and_alike(node, expected):
    assert [one.text for one in servers.gateway_concerns([node], read_epoch=NOON)] == expected


# --- together -----------------------------------------------------------------------------------------------------

DEGRADED = NodeFacts(zfs_pools=(ZfsPoolReading("tank", "DEGRADED"),))


#: The key of the node `pve1`.
PVE1 = {About("node", "pve1"): ObjectKey(ObjectKind.NODE, 7)}


def shown(*, statuses, facts, guests=(), coverage=None, cluster=None):
    """The concerns of a PVE `lab` whose nodes have these statuses."""
    members = tuple(NodeFigures(name, status) for name, status in statuses.items())
    return pve_concerns(
        Figures(nodes=members, guests=tuple(guests)),
        instance="lab",
        storages=(),
        cluster=cluster,
        contradicted={},
        facts=facts,
        coverage=coverage or {},
        polled={},
        judged_epoch=NOON,
        absent_since={},
        at_epoch=NOON,
    )


def test_a_concern_names_its_resource_and_when_the_fact_was_read():
    facts = Facts(nodes={"pve1": msgspec.structs.replace(DEGRADED, zfs_pools_epoch=NOON - 300)})

    (found,) = concern_shapes(shown(statuses={"pve1": "online"}, facts=facts), Label("lab"), {}, PVE1)

    assert (found.id, found.instance, found.resourceId, found.code, found.subject, found.readAt) == (
        "node:7|zfs_degraded|tank", "lab", "lab-pve1", "zfs_degraded", "tank", "2026-01-01T11:55:00Z",
    )  # fmt: skip


def test_what_every_poll_reads_anew_has_no_age_of_its_own():
    found = shown(statuses={}, facts=Facts(), guests=[guest(100, "io-error")])

    keys = {About("guest", vmid=100): ObjectKey(ObjectKind.GUEST, 9)}

    (told,) = concern_shapes(found, Label("lab"), {100: "pve1"}, keys)
    assert (told.resourceId, told.readAt) == ("lab-pve1-100", "")


SICK = NodeFacts(
    version="9.2.1",
    zfs_pools=(ZfsPoolReading("tank", "FAULTED"),),
    thin_pools=(ThinPoolReading("data", "pve", 100, 99, 100, 99),),
    disks=(DiskReading("/dev/sda"),),
    smart={"/dev/sda": SmartFacts(listed=SmartReading("FAILED!", life_left_percent=1), listed_epoch=NOON)},
    certificates=(CertificateReading("pve-ssl.pem", expires_epoch=1),),
    subscription=SubscriptionReading("expired"),
)


def test_every_rule_about_nodes_and_clusters_is_asked():
    facts = Facts(
        nodes={"pve1": SICK, "pve2": NodeFacts(version="8.4.1")},
        ha=HaReading(
            master_node="pve1", master_seen_epoch=5, nodes=(HaNodeReading("pve1", seen_epoch=900), HaNodeReading("pve2", seen_epoch=5)),
            services=(SERVICE,), fencing="disarmed",
        ),
        ceph=CephReading("HEALTH_ERR"),
        qdevice=QdeviceReading(state="Disconnected"),
        replication_jobs=(ReplicationReading("100-0", 100, "pve1", "pve2", failure_count=1),),
    )  # fmt: skip
    facts.nodes["pve1"] = structs.replace(SICK, replications=facts.replication_jobs)

    found = shown(
        statuses={"pve1": "online", "pve2": "online"}, facts=facts, cluster=ClusterReading(is_quorate=False)
    )

    assert {one.code: one.about.name for one in found} == {
        "quorum_lost": "", "qdevice": "", "versions_differ": "", "ha_disarmed": "", "ceph": "",
        "zfs_failed": "pve1", "thin_metadata_full": "pve1", "thin_data_full": "pve1",
        "disk_failing": "pve1", "disk_worn": "pve1", "certificate_expired": "pve1",
        "subscription": "pve1", "replication_failing": "pve1", "ha_master": "pve1", "ha_manager": "pve2",
    }  # fmt: skip


def test_every_rule_about_backup_servers_is_asked():
    jobs = {
        "verify": [ServerJobReading("v-1", "verify", "main", last_run_state="boom")],
        "sync": [ServerJobReading("s-1", "sync", "main")],
    }
    found = pbs_concerns(
        datastores=[
            DatastoreReading("main", error="gone", bad_chunk_count=1, estimated_full_epoch=int(NOON + DAY))
        ],
        datastores_epoch=NOON - 30,
        wanted=("verify", "sync"),
        missed={"sync s-1": 1},
        facts=Facts(host=SICK, server_jobs=jobs, server_jobs_epoch={"verify": NOON - 60}),
        polled={},
        at_epoch=NOON,
    )

    assert {one.code: one.read_epoch for one in found} == {
        "datastore_unavailable": NOON - 30, "bad_chunks": NOON - 30, "datastore_filling": NOON - 30,
        "job_failed": NOON - 60, "job_missed": 0, "zfs_failed": 0, "thin_metadata_full": 0, "thin_data_full": 0,
        "certificate_expired": 0, "disk_failing": NOON, "disk_worn": NOON,
    }  # fmt: skip
    assert {one.about for one in found} == {SERVER}


def test_facts_of_a_node_that_is_away_are_no_news():
    facts = Facts(nodes={"pve1": DEGRADED, "pve2": DEGRADED})

    found = shown(statuses={"pve1": "offline", "pve2": "online"}, facts=facts)

    assert [one.about for one in found] == [About("node", "pve2")]


def test_a_service_is_told_of_its_guest_or_of_the_cluster_while_the_guest_is_not_shown():
    ha = HaReading(
        services=(
            HaServiceReading("vm:100", "pve1", "error", "started"),
            HaServiceReading("ct:999", "pve2", "fence", "started"),
        )
    )

    found = shown(statuses={"pve1": "online"}, facts=Facts(ha=ha), guests=[guest(100, "stopped")])

    assert [(one.about, one.subject) for one in found] == [
        (About("guest", vmid=100), "vm:100"),
        (INSTANCE, "ct:999"),
    ]


def test_a_guest_that_is_not_shown_has_no_failed_verification():
    coverage = {vmid: Coverage(vmid, "covered", "bad", failed_verification_count=1) for vmid in (100, 101)}

    found = shown(statuses={}, facts=Facts(), guests=[guest(101, "running")], coverage=coverage)

    assert [one.about for one in found] == [About("guest", vmid=101)]


def test_what_a_host_tells_twice_is_one_concern():
    twice = NodeFacts(zfs_pools=(ZfsPoolReading("tank", "DEGRADED"), ZfsPoolReading("tank", "DEGRADED")))

    found = shown(statuses={"pve1": "online"}, facts=Facts(nodes={"pve1": twice}))

    assert len(concern_shapes(found, Label("lab"), {}, PVE1)) == 1


def test_what_the_inventory_does_not_know_yet_is_told_by_a_later_poll():
    found = shown(statuses={"pve1": "online"}, facts=Facts(nodes={"pve1": DEGRADED}))

    assert [one.about for one in found] == [About("node", "pve1")]
    assert concern_shapes(found, Label("lab"), {}, {}) == ()


def test_a_lab_where_all_is_well_has_no_concern():
    fine = NodeFacts(
        version="9.2.1",
        zfs_pools=(ZfsPoolReading("tank", "ONLINE"),),
        subscription=SubscriptionReading("notfound"),
        certificates=(CertificateReading("pve-ssl.pem", expires_epoch=int(NOON + 300 * DAY)),),
    )

    assert shown(statuses={"pve1": "online"}, facts=Facts(nodes={"pve1": fine})) == ()


# --- backups ------------------------------------------------------------------------------------------------------


def test_backups_of_the_future_are_one_concern_for_each_guest():
    coverage = {
        100: Coverage(100, "covered", "good"),
        101: Coverage(101, "covered", "overdue", ahead_count=1, ahead_epoch=1),
        102: Coverage(102, "covered", "good", ahead_count=3, ahead_epoch=1),
    }

    assert [(one.about.vmid, one.text) for one in backups.dated_ahead(coverage, NOON)] == [
        (101, "1 backup of guest 101 is dated in the future: it counts for nothing until then"),
        (102, "3 backups of guest 102 are dated in the future: they count for nothing until then"),
    ]


def test_a_backup_job_of_a_pve_that_did_not_run_is_told_wherever_it_writes_to():
    facts = Facts(
        jobs=(
            BackupJobReading("nightly", storage="nas"),
            BackupJobReading("weekly", storage="pbs"),
            BackupJobReading("off", storage="nas", is_enabled=False),
        ),
        tasks_epoch=5.0,
    )

    found = list(backups.missed_backups(facts, {"backup nightly": 3, "backup off": 3}))

    assert [(one.code, one.subject, one.text, one.read_epoch) for one in found] == [
        ("job_missed", "backup nightly", "Backup job nightly was due and did not run", 5.0)
    ]
