"""Which disk of a ZFS pool is bad, what it has lost, and how often that is asked."""

from __future__ import annotations

import pytest

from monitoring.concerns.zfs import zfs
from monitoring.known.facts import Facts, NodeFacts, PoolFacts
from monitoring.known.freshness import current
from nodes.proxmox.readings.hardware import ZfsDeviceReading, ZfsPoolDetailReading, ZfsPoolReading
from tests.monitoring.collected import facts_of, forget_time, moment, progress_of, turn, with_token

NOON = 1767268800.0
GOOD = ZfsDeviceReading("sda", "ONLINE", 0, 0, 0)
CLEAN = "No known data errors"


def told(health, *devices, errors=CLEAN, status=""):
    """Level and text of what is wrong with a pool of these devices."""
    detail = ZfsPoolDetailReading(health, status, errors=errors, devices=devices)
    found = zfs([ZfsPoolReading("tank", health)], {"tank": PoolFacts(detail, NOON)}, NOON)
    return [(one.level, one.text) for one in found]


FAULTED = ZfsDeviceReading("sdb", "FAULTED", 14, 187, 0, "too many errors")
GONE = ZfsDeviceReading("8231", "UNAVAIL", 0, 0, 0, "was /dev/sdc1")


@pytest.mark.parametrize(
    ("health", "devices", "errors", "expected"),
    [
        ("DEGRADED", [GOOD, FAULTED], CLEAN, [("warning", "ZFS pool tank is degraded: sdb is faulted (too many errors)")]),
        ("DEGRADED", [GOOD, GONE], CLEAN, [("warning", "ZFS pool tank is degraded: 8231 is unavailable (was /dev/sdc1)")]),
        ("DEGRADED", [FAULTED, GONE], CLEAN, [("warning", "ZFS pool tank is degraded: sdb is faulted (too many errors) and 8231 is unavailable (was /dev/sdc1)")]),
        ("DEGRADED", [ZfsDeviceReading("sdd", "OFFLINE")], CLEAN, [("warning", "ZFS pool tank is degraded: sdd is offline")]),
        ("DEGRADED", [], CLEAN, [("warning", "ZFS pool tank is degraded")]),
        ("SUSPENDED", [ZfsDeviceReading("sdd", "REMOVED")], CLEAN, [("critical", "ZFS pool tank is suspended: sdd is removed")]),
        ("ONLINE", [GOOD, ZfsDeviceReading("sdb", "ONLINE", 0, 0, 1)], CLEAN, [("warning", "Disks of ZFS pool tank have errors: sdb has 1 checksum error")]),
        ("ONLINE", [ZfsDeviceReading("sda", "ONLINE", 3, 0, 2)], CLEAN, [("warning", "Disks of ZFS pool tank have errors: sda has 3 read and 2 checksum errors")]),
        ("ONLINE", [GOOD], "2 data errors, use '-v' for a list", [("critical", "ZFS pool tank has lost data: 2 data errors, use '-v' for a list")]),
        ("ONLINE", [GOOD], "Permanent errors have been detected in the following files:", [("critical", "ZFS pool tank has lost data: Permanent errors have been detected in the following files")]),
        ("ONLINE", [GOOD], CLEAN, []),
        ("ONLINE", [GOOD], "", []),
        ("ONLINE", [GOOD], "List of errors unavailable: permission denied", []),
        ("ONLINE", [GOOD], "0 data errors", []),
        ("ONLINE", [GOOD, ZfsDeviceReading("sdc", "AVAIL"), ZfsDeviceReading("sdd", "INUSE")], CLEAN, []),
        ("ONLINE", [ZfsDeviceReading("sda", "ONLINE"), ZfsDeviceReading("sdb")], CLEAN, []),
        ("", [], CLEAN, []),
    ],
)  # fmt: skip
def test_a_pool_names_the_disks_that_are_bad_and_what_is_lost(health, devices, errors, expected):
    assert told(health, *devices, errors=errors) == expected


def test_a_hint_to_upgrade_a_pool_is_no_concern():
    assert (
        told("ONLINE", GOOD, status="Some supported and requested features are not enabled on the pool.")
        == []
    )


def test_more_than_three_disks_are_counted():
    gone = [ZfsDeviceReading(f"sd{letter}", "UNAVAIL") for letter in "abcde"]

    assert told("UNAVAIL", *gone) == [
        ("critical", "ZFS pool tank is unavail: sda is unavailable, sdb is unavailable, sdc is unavailable and 2 more")
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("device", "seconds"),
    [(GOOD, 64800), (ZfsDeviceReading("sda", "ONLINE", 1), 2700), (FAULTED, 2700)],
    ids=["well", "errors", "faulted"],
)
def test_what_a_pool_told_counts_for_three_periods_which_are_long_while_it_is_well(device, seconds):
    known = {"tank": PoolFacts(ZfsPoolDetailReading("ONLINE", devices=(device,)), NOON)}
    facts = Facts(nodes={"pve1": NodeFacts(zfs_details=known)})

    assert current(facts, at_epoch=NOON + seconds).node("pve1").zfs_details == known
    assert current(facts, at_epoch=NOON + seconds + 1).node("pve1").zfs_details == {}


def sentences(watched):
    """The sentences about pools."""
    return [one["text"] for one in watched.shown("concerns") if one["code"].startswith("zfs")]


@pytest.mark.django_db
@pytest.mark.slow
def test_the_bad_disk_of_a_node_is_named_and_its_pool_is_looked_at_more_often_then(fake_pve, watch):
    watched = with_token(watch(fake_pve), fake_pve.site)
    turn(watched, times=8)
    node = facts_of(watched).nodes
    (name,) = node
    assert node[name].zfs_details["tank"].detail.scan.startswith("scrub repaired 0B")
    assert progress_of(watched)[f"zfs pool {name} tank"].next_epoch > moment(watched).timestamp() + 3600

    fake_pve.site.set_pool_health(name, "tank", "DEGRADED")
    forget_time(watched, "disks")
    turn(watched, times=10)

    assert sentences(watched) == ["ZFS pool tank is degraded: sdb is faulted (too many errors)"]
    assert progress_of(watched)[f"zfs pool {name} tank"].next_epoch < moment(watched).timestamp() + 1000


@pytest.mark.django_db
@pytest.mark.slow
def test_a_disk_with_errors_in_a_pool_of_a_backup_server_is_named(fake_pbs, watch):
    fake_pbs.site.model.pool_changes["backup"] = {"devices": {"sdc": {"cksum": 7}}}
    watched = watch(fake_pbs, "pbs")

    turn(watched, times=8)

    assert sentences(watched) == ["Disks of ZFS pool backup have errors: sdc has 7 checksum errors"]
