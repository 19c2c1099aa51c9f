"""Where each number comes from: formula, fields, call and time, as literals."""

from __future__ import annotations

from typing import get_args

import msgspec
import pytest

from monitoring import explaining, filesystems, guest_memory
from monitoring.facts import Facts, GuestFacts, NodeFacts
from monitoring.filesystems import DiskUse, Filesystem
from monitoring.memory import PollMemory
from monitoring.rates import Rates, Sample
from monitoring.resources import (
    GuestExtras,
    Usage,
    datastore_view,
    guest_view,
    node_view,
    pbs_view,
    storage_view,
)
from nodes.proxmox.readings import (
    DatastoreReading,
    GuestDetailReading,
    GuestReading,
    NodeReading,
    NodeStatusReading,
    NodeStorageReading,
    PbsStatusReading,
    PressureReading,
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


def guest_numbers(reading, facts=None, *, extras=None, rates=None, sample=None):
    view = guest_view(
        reading, rates or Rates(10, 20, 30, 40), instance="lab", seen=NOW, extras=extras or GuestExtras()
    )
    memory = PollMemory(reading=ResourcesReading(guests=(reading,)), read_at=AT)
    if sample is not None:
        memory.samples = {100: sample}
    return by_name(explaining.guest_numbers(view, memory, facts or Facts(), at=AT + 7))


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
        "raw": {"netin": 777},
        "note": "",
    },
    "networkOut": {"value": 20, "raw": {"netout": None}},
    "diskRead": {"value": 30, "raw": {"diskread": None}},
    "diskWrite": {"value": 40, "raw": {"diskwrite": None}},
    "uptime": {"value": 3600, "unit": "seconds", "formula": "uptime", "raw": {"uptime": 3600}},
}


@pytest.mark.parametrize(("name", "expected"), GUEST.items(), ids=GUEST)
def test_a_number_of_a_guest(name, expected):
    told = guest_numbers(machine())[name]

    assert {key: told[key] for key in expected} == expected


def test_the_numbers_of_a_guest_are_these_and_no_others():
    assert list(guest_numbers(machine())) == list(GUEST)


def test_a_rate_that_is_not_known_yet_has_no_value_and_says_why():
    told = guest_numbers(machine(), rates=Rates())["networkIn"]

    assert told["value"] is None
    assert told["note"] == "no rate yet: it takes two readings, and a guest that has moved begins anew"


def test_memory_by_the_balloon_names_its_fields_and_both_calls():
    detail = GuestDetailReading(100, "qemu", 3500, 3400, 900, 3100)
    told = guest_numbers(machine(), Facts(guests={100: GuestFacts(detail=detail, detail_at=AT - 60)}))[
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
    facts = Facts(guests={100: GuestFacts(disk=use, disk_at=AT - 60)})
    told = guest_numbers(machine(), facts, extras=GuestExtras(Usage(90, 30, 60, 33.3), ""))["disk"]

    assert told["value"] == {"total": 90, "used": 30, "free": 60, "usage": 33.3}
    assert (told["readAt"], told["ageSeconds"], told["source"], told["note"]) == (AGO, 67, "agent", "")
    assert [(one["mount_point"], one["used_bytes"]) for one in told["raw"]["filesystems"]] == [("/", 30)]


def test_disk_use_of_a_container_is_told_by_its_host():
    reading = GuestReading(
        101, "lxc", "pve1", "running", disk_used_bytes=30, disk_total_bytes=90, memory_total_bytes=1
    )

    told = guest_numbers(reading)["disk"]

    assert told["value"] == {"total": 90, "used": 30, "free": 60, "usage": pytest.approx(100 / 3)}
    assert (told["call"], told["formula"]) == (RESOURCES, "disk of maxdisk: the root file system")
    assert told["raw"] == {"disk": 30, "maxdisk": 90}
    assert told["source"] == "host"


def test_a_guest_that_is_no_longer_listed_has_null_fields():
    view = guest_view(machine(), Rates(), instance="lab", seen=NOW)

    told = by_name(explaining.guest_numbers(view, PollMemory(), Facts(), at=AT))["cpu"]

    assert told["raw"] == {"cpu": None, "maxcpu": None, "status": "running"}
    assert (told["readAt"], told["ageSeconds"]) == ("0001-01-01T00:00:00Z", None)


@pytest.mark.parametrize("reason", [*get_args(guest_memory.Reason), *get_args(filesystems.UnknownReason)])
def test_every_reason_is_put_into_words(reason):
    assert reason in explaining.REASONS


# --- nodes --------------------------------------------------------------------------------------------------------


def node_numbers(reading, detail, facts=None):
    view = node_view(reading, detail, instance="lab", seen=NOW, health="healthy")
    memory = PollMemory(reading=ResourcesReading(nodes=(reading,)), read_at=AT)
    if detail is not None:
        memory.details, memory.details_at = {"pve1": detail}, {"pve1": AT - 60}
    return by_name(explaining.node_numbers(view, memory, facts or Facts(), at=AT + 7))


LISTED = NodeReading("pve1", "online", 0.5, 8, 60, 100, 5, 10, 99)
DETAIL = NodeStatusReading((1.0, 0.5, 0.25), root_used_bytes=30, root_total_bytes=90, root_available_bytes=50)
NODE = {
    "cpu": {"value": 0.5, "raw": {"cpu": 0.5, "maxcpu": 8, "status": "online"}, "call": RESOURCES},
    "memory": {
        "value": {"total": 100, "used": 60, "free": 40, "usage": 60.0},
        "raw": {"mem": 60, "maxmem": 100},
        "call": RESOURCES,
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
            "cpu_some": 1.5,
            "cpu_full": None,
            "io_some": None,
            "io_full": None,
            "memory_some": None,
            "memory_full": None,
            "measured_at": None,
        },
        "call": "GET /nodes/pve1/rrddata?timeframe=hour",
        "readAt": AGO,
    },
}


@pytest.mark.parametrize(("name", "expected"), NODE.items(), ids=NODE)
def test_a_number_of_a_node(name, expected):
    pressed = NodeFacts(pressure=PressureReading(cpu_some=1.5), pressure_at=AT - 60)

    told = node_numbers(LISTED, DETAIL, Facts(nodes={"pve1": pressed}))

    assert list(told) == list(NODE)
    assert {key: told[name][key] for key in expected} == expected


def test_memory_of_a_node_that_the_list_does_not_tell_comes_from_its_status():
    detail = NodeStatusReading(memory_used_bytes=60, memory_total_bytes=100)

    told = node_numbers(NodeReading("pve1", "online"), detail)["memory"]

    assert told["value"] == {"total": 100, "used": 60, "free": 40, "usage": 60.0}
    assert told["raw"] == {"memory.used": 60, "memory.total": 100}
    assert (told["call"], told["readAt"]) == ("GET /nodes/pve1/status", AGO)


def test_the_disk_of_a_node_whose_status_was_not_read_is_as_old_as_the_list():
    told = node_numbers(LISTED, None)["disk"]

    assert told["value"] == {"total": 10, "used": 5, "free": 5, "usage": 50.0}
    assert (told["readAt"], told["ageSeconds"]) == (NOW, 7)


# --- storages and PBS ---------------------------------------------------------------------------------------------


def test_the_numbers_of_a_shared_storage_are_those_of_the_node_whose_figures_are_shown():
    away = StorageReading("nas", "pve1", "unknown", "nfs", ("backup",), True)
    there = StorageReading("nas", "pve2", "available", "nfs", ("backup",), True, 30, 100)
    probe = NodeStorageReading("nas", total_bytes=100, available_bytes=60)
    view = storage_view(there, probe, instance="lab", node="shared", identity="shared-nas")
    memory = PollMemory(reading=ResourcesReading(storages=(away, there)), read_at=AT)
    facts = Facts(nodes={"pve2": NodeFacts(storages=(probe,), storages_at=AT - 60)})

    told = by_name(explaining.storage_numbers(view, memory, facts, at=AT + 7))

    assert {name: one["value"] for name, one in told.items()} == {
        "used": 30,
        "total": 100,
        "usage": 30.0,
        "free": 60,
    }
    assert told["used"]["raw"] == {"disk": 30, "maxdisk": 100, "node": "pve2", "status": "available"}
    assert (told["free"]["call"], told["free"]["raw"]) == ("GET /nodes/pve2/storage", {"avail": 60})
    assert told["free"]["readAt"] == AGO


def pbs_numbers(*, read_at=AT):
    status = PbsStatusReading(0.5, 30, 120)
    store = DatastoreReading("main", 100, 30, 60)
    view = pbs_view(name="vault", host="h", version="4.2", status=status, datastores=[datastore_view(store)], seen=NOW)  # fmt: skip
    memory = PollMemory(pbs_status=status, pbs_status_at=read_at, datastores=(store,), datastores_at=AT - 60)
    return by_name(explaining.pbs_numbers(view, memory, Facts(), at=AT + 7))


PBS = {
    "cpu": {"value": 0.5, "raw": {"cpu": 0.5}, "call": "GET /nodes/localhost/status", "note": ""},
    "memory": {
        "value": 25.0,
        "unit": "percent",
        "formula": "memory.used of memory.total",
        "raw": {"memory.used": 30, "memory.total": 120},
    },
    "datastores.main.usage": {
        "value": pytest.approx(100 / 3),
        "formula": "used of used + avail, as PBS itself has it",
        "raw": {"used": 30, "avail": 60, "total": 100},
        "call": "GET /status/datastore-usage",
        "readAt": AGO,
    },
}


@pytest.mark.parametrize(("name", "expected"), PBS.items(), ids=PBS)
def test_a_number_of_a_pbs(name, expected):
    told = pbs_numbers()

    assert list(told) == list(PBS)
    assert {key: told[name][key] for key in expected} == expected


def test_figures_of_a_pbs_that_could_not_be_renewed_say_so():
    told = pbs_numbers(read_at=AT - 120)

    assert (told["cpu"]["note"], told["cpu"]["ageSeconds"]) == ("it could not be renewed", 127)


def test_a_counter_tells_when_it_last_moved():
    told = guest_numbers(machine(), sample=Sample(AT - 60, "pve1", 60, (0, 0, 0, 0)))["networkIn"]

    assert told["raw"] == {"netin": 777, "counters moved at": AGO}
