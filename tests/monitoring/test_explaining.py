"""Where each number comes from: formula, fields, call and time, as literals."""

from __future__ import annotations

from typing import get_args

import msgspec
import pytest

from monitoring.figures import guest_disk, guest_memory
from monitoring.figures.filesystems import DiskUse, Filesystem
from monitoring.figures.nodes import live_node
from monitoring.figures.rates import Rates, Sample
from monitoring.figures.storages import live_storages
from monitoring.known.facts import Facts, GuestFacts, NodeFacts
from monitoring.known.memory import PollMemory
from monitoring.polling.pve_picture import Beside, guest_now
from monitoring.wire import numbers, reasons
from nodes.proxmox.readings.backups import NodeStorageReading
from nodes.proxmox.readings.guests import (
    GuestConfigReading,
    GuestDetailReading,
    GuestDiskReading,
    PressureReading,
)
from nodes.proxmox.readings.hardware import NodeHistoryReading
from nodes.proxmox.readings.live import (
    GuestReading,
    NodeReading,
    NodeStatusReading,
    ResourcesReading,
    StorageReading,
)

AT = 1767268800.0
NOW, AGO = "2026-01-01T12:00:00Z", "2026-01-01T11:59:00Z"
RESOURCES = "GET /cluster/resources"


def by_name(numbers):
    return {one.name: msgspec.to_builtins(one) for one in numbers}


def machine(**fields):
    known = {
        "status": "running",
        "cpu_ratio": 0.25,
        "cpu_count": 4,
        "memory_used_bytes": 3000,
        "memory_total_bytes": 4000,
        "disk_used_bytes": 0,
        "disk_total_bytes": 100,
        "network_in_bytes": 777,
        "uptime_seconds": 3600,
    }
    return GuestReading(100, "qemu", "pve1", name="web", **(known | fields))


RATES = Rates(10, 20, 30, 40)


def guest_numbers(reading, facts=None, *, rates=RATES):
    facts = facts or Facts()
    sample = Sample(AT - 60, "pve1", 60, (0, 0, 0, 0), rates)
    guest = guest_now(reading, sample, None, Beside(facts), at_epoch=AT)
    memory = PollMemory(reading=ResourcesReading(guests=(reading,)), read_epoch=AT, samples={100: sample})
    return by_name(numbers.guest_numbers(guest, memory, facts, at_epoch=AT + 7))


GUEST = {
    "cpu": {
        "value": 0.25,
        "unit": "fraction of the guest's CPUs",
        "formula": "cpu, 0 while it does not run",
        "call": RESOURCES,
        "raw": {"cpu": 0.25, "maxcpu": 4, "status": "running"},
        "readAt": NOW,
        "ageSeconds": 7,
    },
    "memory": {
        "value": {"total": 4000, "used": 3000, "free": 1000, "usage": 75.0},
        "unit": "bytes",
        "formula": "mem of maxmem",
        "call": RESOURCES,
        "raw": {"mem": 3000, "maxmem": 4000},
        "source": "host",
        "trust": "medium",
        "note": "the balloon driver of the guest does not report, so this is what the host has given it",
    },
    "disk": {
        "value": None,
        "unit": "bytes",
        "formula": "the sum over the counted file systems; Proxmox itself tells 0 for every VM",
        "call": "GET /nodes/pve1/qemu/100/agent/get-fsinfo",
        "raw": {"filesystems": [], "maxdisk (boot disk only)": 100},
        "readAt": "0001-01-01T00:00:00Z",
        "ageSeconds": None,
        "note": "it has not been read yet",
    },
    "networkIn": {
        "value": 10,
        "unit": "bytes per second",
        "formula": "growth of netin since it last moved, by the time in which it did",
        "call": RESOURCES,
        "raw": {"netin": 777, "counters moved at": AGO},
        "note": "",
    },
    "networkOut": {"value": 20, "raw": {"netout": None, "counters moved at": AGO}},
    "diskRead": {"value": 30, "raw": {"diskread": None, "counters moved at": AGO}},
    "diskWrite": {"value": 40, "raw": {"diskwrite": None, "counters moved at": AGO}},
    "uptime": {"value": 3600, "unit": "seconds", "formula": "uptime", "raw": {"uptime": 3600}},
}


@pytest.mark.parametrize(("name", "expected"), GUEST.items(), ids=GUEST)
def test_a_number_of_a_guest(name, expected):
    told = guest_numbers(machine())[name]

    assert {key: told[key] for key in expected} == expected


def test_the_numbers_of_a_guest_are_these_and_no_others():
    assert list(guest_numbers(machine())) == list(GUEST)


def test_figures_of_a_guest_that_were_not_told_are_not_0():
    told = guest_numbers(machine(cpu_ratio=None, memory_total_bytes=None, uptime_seconds=None))

    assert [told[name]["value"] for name in ("cpu", "memory", "uptime")] == [None, None, None]
    assert [told[name]["note"] for name in ("cpu", "uptime")] == ["Proxmox did not tell it"] * 2
    assert told["memory"]["note"] != ""


def test_a_machine_that_is_stopped_uses_nothing():
    told = guest_numbers(machine(status="stopped", cpu_ratio=None, uptime_seconds=None))

    assert (told["cpu"]["value"], told["uptime"]["value"], told["cpu"]["note"]) == (0.0, 0, "")


def test_a_rate_that_is_not_known_yet_has_no_value_and_says_why():
    told = guest_numbers(machine(), rates=None)["networkIn"]

    assert told["value"] is None
    assert told["note"] == "no rate yet: it takes two readings, and a guest that has moved begins anew"


def test_memory_by_the_balloon_names_its_fields_and_both_calls():
    detail = GuestDetailReading(100, "qemu", 3500, 900, 3100)
    told = guest_numbers(machine(), Facts(guests={100: GuestFacts(detail=detail, detail_epoch=AT - 60)}))[
        "memory"
    ]

    assert told["raw"] == {
        "mem": 3000,
        "maxmem": 4000,
        "ballooninfo.actual": 3500,
        "ballooninfo.free_mem": 900,
        "memhost": 3100,
        "detail read": AGO,
    }
    assert told["call"] == "GET /cluster/resources; GET /nodes/pve1/qemu?full=1"
    assert told["formula"] == "mem of maxmem, or of ballooninfo.actual while that is less"


def test_disk_use_by_the_agent_lists_its_file_systems():
    use = DiskUse(30, 90, "", (Filesystem("/", "ext4", "/dev/sda1", 90, 30, counted=True),))
    facts = Facts(guests={100: GuestFacts(disk=use, disk_epoch=AT - 60)})
    told = guest_numbers(machine(), facts)["disk"]

    assert told["value"] == {"total": 90, "used": 30, "free": 60, "usage": pytest.approx(100 / 3)}
    assert (told["readAt"], told["ageSeconds"], told["source"], told["note"]) == (AGO, 67, "agent", "")
    assert [(one["mountPoint"], one["usedBytes"]) for one in told["raw"]["filesystems"]] == [("/", 30)]


def test_disk_use_of_a_container_is_told_by_its_host():
    reading = GuestReading(
        101, "lxc", "pve1", "running", disk_used_bytes=30, disk_total_bytes=90, memory_total_bytes=1
    )

    told = guest_numbers(reading)["disk"]

    assert told["value"] == {"total": 90, "used": 30, "free": 60, "usage": pytest.approx(100 / 3)}
    assert (told["call"], told["formula"]) == (
        RESOURCES,
        "disk of maxdisk: the root file system; mount points are not in it",
    )
    assert told["raw"] == {"disk": 30, "maxdisk": 90}
    assert told["source"] == "host"


def test_mount_points_of_a_container_are_told_with_their_size_and_without_their_use():
    reading = GuestReading(100, "lxc", "pve1", "running", disk_used_bytes=30, disk_total_bytes=90)
    config = GuestConfigReading(
        disks=(
            GuestDiskReading("rootfs", "tank:s-0", "tank", 90, "/"),
            GuestDiskReading("mp0", "tank:s-1", "tank", 800, "/srv"),
            GuestDiskReading("mp1", "/mnt/shared", "", None, "/shared"),
        )
    )

    told = guest_numbers(reading, Facts(guests={100: GuestFacts(config=config)}))["disk"]

    assert told["raw"] == {
        "disk": 30,
        "maxdisk": 90,
        "mount points": [
            {"key": "mp0", "mp": "/srv", "size": 800, "used": None},
            {"key": "mp1", "mp": "/shared", "size": None, "used": None},
        ],
    }
    assert told["call"] == "GET /cluster/resources; GET /nodes/pve1/lxc/100/config"
    assert told["value"]["used"] == 30


def test_a_guest_that_is_no_longer_listed_has_null_fields():
    guest = guest_now(machine(), None, None, Beside(), at_epoch=AT)

    told = by_name(numbers.guest_numbers(guest, PollMemory(), Facts(), at_epoch=AT))["cpu"]

    assert told["raw"] == {"cpu": None, "maxcpu": None, "status": "running"}
    assert (told["readAt"], told["ageSeconds"]) == ("0001-01-01T00:00:00Z", None)


@pytest.mark.parametrize("reason", [*get_args(guest_memory.Reason), *get_args(guest_disk.UnknownReason)])
def test_every_reason_is_put_into_words(reason):
    assert reason in reasons.REASONS


# --- nodes --------------------------------------------------------------------------------------------------------


def node_numbers(reading, detail, facts=None):
    node = live_node(reading, detail, status="online", seen_epoch=AT)
    memory = PollMemory(reading=ResourcesReading(nodes=(reading,)), read_epoch=AT)
    if detail is not None:
        memory.details, memory.details_epoch = {"pve1": detail}, {"pve1": AT - 60}
    return by_name(numbers.node_numbers(node, memory, facts or Facts(), at_epoch=AT + 7))


LISTED = NodeReading("pve1", "online", 0.5, 8, 60, 100, 5, 10, 99)
DETAIL = NodeStatusReading(
    (1.0, 0.5, 0.25),
    pve_version="pve-manager/9.1.1/0123abcd",
    memory_available_bytes=40,
    root_used_bytes=30,
    root_total_bytes=90,
    root_available_bytes=50,
)
NODE = {
    "cpu": {"value": 0.5, "raw": {"cpu": 0.5, "maxcpu": 8, "status": "online"}, "call": RESOURCES},
    "memory": {
        "value": {"total": 100, "used": 60, "free": 40, "usage": 60.0},
        "formula": "mem of maxmem; "
        "used is MemTotal - MemAvailable (from PVE 8.4 on), so the ZFS cache counts as used",
        "raw": {
            "mem": 60,
            "maxmem": 100,
            "memory.available": 40,
            "arcsize": 12,
            "arcsize read": AGO,
        },
        "call": "GET /cluster/resources; GET /nodes/pve1/status; GET /nodes/pve1/rrddata?timeframe=hour",
        "source": "available",
        "ageSeconds": 7,
    },
    "disk": {
        "value": {"total": 90, "used": 30, "free": 50, "usage": pytest.approx(100 / 3)},
        "raw": {
            "rootfs.used": 30,
            "rootfs.total": 90,
            "rootfs.avail": 50,
            "disk": 5,
            "maxdisk": 10,
        },
        "call": "GET /nodes/pve1/status; GET /cluster/resources",
        "readAt": AGO,
        "ageSeconds": 67,
    },
    "loadAverage": {
        "value": [1.0, 0.5, 0.25],
        "raw": {"loadavg": [1.0, 0.5, 0.25]},
        "call": "GET /nodes/pve1/status",
    },
    "uptime": {"value": 99, "raw": {"uptime": 99}, "call": RESOURCES},
    "pressure": {
        "raw": {
            "cpuSome": 1.5,
            "cpuFull": None,
            "ioSome": None,
            "ioFull": None,
            "memorySome": None,
            "memoryFull": None,
            "measured": "2026-01-01T11:59:00Z",
        },
        "call": "GET /nodes/pve1/rrddata?timeframe=hour",
        "readAt": AGO,
    },
}


@pytest.mark.parametrize(("name", "expected"), NODE.items(), ids=NODE)
def test_a_number_of_a_node(name, expected):
    history = NodeHistoryReading(
        pressure=PressureReading(cpu_some=1.5, measured_epoch=int(AT) - 60), arc_bytes=12
    )

    told = node_numbers(
        LISTED, DETAIL, Facts(nodes={"pve1": NodeFacts(history=history, history_epoch=AT - 60)})
    )

    assert list(told) == list(NODE)
    assert {key: told[name][key] for key in expected} == expected


def test_memory_of_a_node_that_the_list_does_not_tell_comes_from_its_status():
    detail = NodeStatusReading(memory_used_bytes=60, memory_total_bytes=100)

    told = node_numbers(NodeReading("pve1", "online"), detail)["memory"]

    assert told["value"] == {"total": 100, "used": 60, "free": 40, "usage": 60.0}
    assert told["raw"] == {"memory.used": 60, "memory.total": 100, "memory.available": None}
    assert (told["call"], told["readAt"]) == ("GET /nodes/pve1/status", AGO)
    assert told["formula"] == (
        "memory.used of memory.total, because the list tells none; "
        "what counts as used depends on the version, which is not known yet; the ZFS cache does in all"
    )


def test_a_processor_that_was_not_told_is_no_idle_one():
    told = node_numbers(NodeReading("pve1", "online"), None)["cpu"]

    assert (told["value"], told["note"], told["raw"]["cpu"]) == (None, "Proxmox did not tell it", None)


def test_an_older_node_takes_less_for_used():
    detail = NodeStatusReading(pve_version="pve-manager/8.3.5/0123abcd")

    told = node_numbers(LISTED, detail)["memory"]

    assert told["source"] == "free"
    assert told["formula"] == (
        "mem of maxmem; "
        "used is MemTotal - MemFree - Buffers - Cached (before PVE 8.4), so the ZFS cache counts as used"
    )


def test_a_node_that_tells_only_its_zfs_cache_has_no_pressure():
    known = NodeFacts(history=NodeHistoryReading(arc_bytes=0), history_epoch=AT)

    told = node_numbers(LISTED, None, Facts(nodes={"pve1": known}))

    assert "pressure" not in told
    assert told["memory"]["raw"] == {"mem": 60, "maxmem": 100, "arcsize": 0, "arcsize read": NOW}


def test_the_disk_of_a_node_whose_status_was_not_read_is_as_old_as_the_list():
    told = node_numbers(LISTED, None)["disk"]

    assert told["value"] == {"total": 10, "used": 5, "free": 5, "usage": 50.0}
    assert (told["readAt"], told["ageSeconds"]) == (NOW, 7)


# --- storages -----------------------------------------------------------------------------------------------------


def test_the_numbers_of_a_shared_storage_are_those_of_the_node_whose_figures_are_shown():
    away = StorageReading("nas", "pve1", "unknown", "nfs", ("backup",), True)
    there = StorageReading("nas", "pve2", "available", "nfs", ("backup",), True, 30, 100)
    probe = NodeStorageReading("nas", total_bytes=100, used_bytes=20, available_bytes=70)
    (shared,) = live_storages((away, there), {("nas", "pve2"): probe}, at_epoch=AT)
    memory = PollMemory(reading=ResourcesReading(storages=(away, there)), read_epoch=AT)
    facts = Facts(nodes={"pve2": NodeFacts(storages=(probe,), storages_epoch=AT - 60)})

    told = by_name(numbers.storage_numbers(shared, memory, facts, at_epoch=AT + 7))

    assert {name: one["value"] for name, one in told.items()} == {
        "used": 30,
        "total": 100,
        "usage": 30.0,
        "free": 60,
    }
    assert told["used"]["raw"] == {"disk": 30, "maxdisk": 100, "node": "pve2", "status": "available"}
    assert told["free"]["call"] == "GET /cluster/resources; GET /nodes/pve2/storage"
    assert told["free"]["raw"] == told["used"]["raw"] | {
        "total": 100,
        "used": 20,
        "avail": 70,
        "kept back read": AGO,
    }
    assert {one["readAt"] for one in told.values()} == {NOW}


def storage_numbers(reading, *, at=AT):
    (storage,) = live_storages((reading,), {}, at_epoch=AT)
    memory = PollMemory(reading=ResourcesReading(storages=(reading,)), read_epoch=at)
    return by_name(numbers.storage_numbers(storage, memory, Facts(), at_epoch=AT + 7))


WITHOUT_SIZE = {
    "inactive": StorageReading("nas", "pve1", "unknown", "nfs", ("backup",), True),
    "told as 0": StorageReading("san", "pve1", "available", "iscsi", (), True, 0, 0),
    "used and no size": StorageReading("odd", "pve1", "available", "dir", (), False, 30, None),
}


@pytest.mark.parametrize("reading", WITHOUT_SIZE.values(), ids=WITHOUT_SIZE)
def test_a_storage_without_a_size_has_no_numbers_and_says_why(reading):
    told = storage_numbers(reading)

    assert {(one["value"], one["note"]) for one in told.values()} == {(None, "Proxmox did not tell it")}


def test_a_storage_that_is_empty_has_its_numbers():
    told = storage_numbers(StorageReading("new", "pve1", "available", "dir", (), False, 0, 100))

    assert {name: (one["value"], one["note"]) for name, one in told.items()} == {
        "used": (0, ""),
        "total": (100, ""),
        "usage": (0.0, ""),
        "free": (100, ""),
    }
    assert told["free"]["formula"] == "maxdisk - disk"


def test_figures_of_a_node_that_were_not_told_are_not_0_bytes():
    told = node_numbers(NodeReading("pve1", "online"), None)

    assert {name: (told[name]["value"], told[name]["note"]) for name in ("memory", "disk", "uptime")} == {
        "memory": (None, "Proxmox did not tell it"),
        "disk": (None, "Proxmox did not tell it"),
        "uptime": (None, "Proxmox did not tell it"),
    }
