"""What has changed between two looks: a table of pairs, and what is no change."""

from __future__ import annotations

from time import perf_counter

import pytest
from msgspec.structs import replace

from monitoring.concerns.shapes import INSTANCE, About
from monitoring.figures.guest_memory import GuestMemory
from monitoring.figures.guests import GuestFigures
from monitoring.figures.instances import Figures
from monitoring.figures.nodes import NodeFigures
from monitoring.figures.servers import DatastoreFigures, ServerFigures
from monitoring.figures.storages import StorageFigures
from monitoring.history.changes import changes_between, guest_changes, size
from nodes.proxmox.readings.live import PbsStatusReading

T = 1_767_268_800.0
GIB = 1 << 30
NODE = NodeFigures(
    "pve1",
    "online",
    seen_epoch=T - 10,
    uptime_seconds=90_000,
    kernel_version="6.8.12-1-pve",
    pve_version="pve-manager/9.0.3/abc",
)
GUEST = GuestFigures(
    100,
    "qemu",
    "pve1",
    "running",
    "web",
    T - 10,
    False,
    ("blue",),
    cpu_count=2,
    memory=GuestMemory(GIB, 4 * GIB),
)
STORAGE = StorageFigures("nas", "", "available", seen_epoch=T - 10, total_bytes=100 * GIB)


def figures(guest=GUEST, node=NODE, storage=STORAGE):
    return Figures(
        nodes=(node,) if node else (),
        guests=(guest,) if guest else (),
        storages=(storage,) if storage else (),
    )


def told(before, after):
    return [(one.code, one.text) for one in changes_between(before, after, at_epoch=T)]


def guest(**fields):
    return replace(GUEST, seen_epoch=T, **fields)


@pytest.mark.parametrize(
    ("after", "expected"),
    [
        (guest(), []),
        (guest(node="pve2"), [("moved", "from pve1 to pve2")]),
        (guest(node="pve2", ha_state="started"), [("moved", "from pve1 to pve2, by high availability")]),
        (guest(node="pve2", is_stale=True, status="unknown"), [("moved", "from pve1 to pve2")]),
        (guest(status="stopped"), [("stopped", "")]),
        (guest(status="paused"), [("paused", "")]),
        (guest(status="unknown"), []),
        (guest(status="stopped", is_stale=True), []),
        (guest(status="io-error"), []),
        (guest(name="shop"), [("name", "from web to shop")]),
        (guest(name=""), []),
        (guest(tags=()), [("tags", "from blue to none")]),
        (guest(tags=("blue", "red")), [("tags", "from blue to blue, red")]),
        (guest(cpu_count=4), [("cpus", "from 2 to 4 CPUs")]),
        (guest(cpu_count=None), []),
        (guest(memory=GuestMemory(GIB, 8 * GIB)), [("memory", "from 4.0 GiB to 8.0 GiB")]),
        (guest(memory=GuestMemory(2 * GIB, 4 * GIB)), []),
        (guest(memory=GuestMemory(None, None)), []),
        (guest(uptime_seconds=3), []),
    ],
)
def test_a_guest_that_is_otherwise_than_before(after, expected):
    assert told(figures(), figures(after)) == expected


@pytest.mark.parametrize(
    ("before", "expected"),
    [
        ({"status": "unknown", "is_stale": True}, []),
        ({"status": "stopped", "is_stale": True}, []),
        ({"status": "stopped"}, [("started", "")]),
        ({"status": "paused"}, [("resumed", "")]),
        ({"node": "pve0", "is_stale": True, "status": "unknown"}, [("moved", "from pve0 to pve1")]),
        ({"name": "old", "is_stale": True}, [("name", "from old to web")]),
        ({"tags": (), "is_stale": True}, []),
    ],
)
def test_a_guest_of_which_less_was_known_before(before, expected):
    assert told(figures(replace(GUEST, **before)), figures(guest())) == expected


def test_guests_that_come_and_go():
    assert told(figures(None), figures(guest())) == [("created", "web (100) on pve1")]
    assert told(figures(), figures(None)) == [("removed", "web (100) on pve1")]
    assert told(figures(), figures(guest(vmid=101))) == [
        ("created", "web (101) on pve1"),
        ("removed", "web (100) on pve1"),
    ]


def test_an_instance_that_was_not_seen_before_has_not_changed():
    assert told(Figures(), figures()) == []
    assert told(figures(), Figures()) == []


def test_more_than_two_hundred_of_a_kind_are_one_change_of_the_instance():
    many = tuple(replace(GUEST, vmid=100 + number) for number in range(201))
    stopped = tuple(replace(one, status="stopped") for one in many)

    (change,) = changes_between(
        replace(figures(), guests=many), replace(figures(), guests=stopped), at_epoch=T
    )

    assert change == (INSTANCE, "stopped", "201 objects: stopped", T - 10, T)


def node(**fields):
    return replace(NODE, seen_epoch=T, **fields)


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ({}, {"uptime_seconds": 90_010}, []),
        ({}, {"pve_version": "pve-manager/9.1.0/def"}, [("version", "from 9.0.3 to 9.1.0")]),
        ({"pve_version": ""}, {}, []),
        ({}, {"kernel_version": "6.14.8-2-pve"}, [("kernel", "from 6.8.12-1-pve to 6.14.8-2-pve")]),
        ({}, {"uptime_seconds": 5}, [("rebooted", "")]),
        ({"status": "offline", "uptime_seconds": None, "seen_epoch": T - 300}, {"uptime_seconds": 60}, [("rebooted", "")]),
        ({"status": "offline", "uptime_seconds": None, "seen_epoch": T - 300}, {}, []),
        ({}, {"status": "offline", "uptime_seconds": None}, []),
        ({}, {"is_stale": True, "uptime_seconds": 5}, []),
    ],
)  # fmt: skip
def test_a_node_that_is_otherwise_than_before(before, after, expected):
    assert told(figures(node=replace(NODE, **before)), figures(node=node(**after))) == expected


def test_a_node_is_told_to_have_booted_when_it_did():
    before = figures(node=replace(NODE, status="offline", uptime_seconds=None, seen_epoch=T - 300))

    (change,) = changes_between(before, figures(node=node(uptime_seconds=60)), at_epoch=T)

    assert change == (About("node", "pve1"), "rebooted", "", T - 60, T - 60)


@pytest.mark.parametrize("step", [-86_400.0, -3600.0, 3600.0, 86_400.0])
def test_a_step_of_the_clock_is_no_boot(step):
    after = figures(node=replace(NODE, seen_epoch=T + step, uptime_seconds=90_010))

    assert changes_between(figures(), after, at_epoch=T + step) == []


@pytest.mark.parametrize(
    ("total", "fields", "expected"),
    [
        (101 * GIB, {}, []),
        (102 * GIB, {}, [("size", "from 100.0 GiB to 102.0 GiB")]),
        (50 * GIB, {}, [("size", "from 100.0 GiB to 50.0 GiB")]),
        (50 * GIB, {"is_stale": True}, []),
        (None, {}, []),
        (0, {}, []),
    ],
)
def test_a_storage_of_another_size(total, fields, expected):
    after = replace(STORAGE, seen_epoch=T, total_bytes=total, **fields)

    assert told(figures(), figures(storage=after)) == expected


def test_a_backup_server_has_releases_boots_and_datastores():
    before = ServerFigures(
        "online",
        "healthy",
        T - 10,
        version="4.1",
        host=PbsStatusReading(uptime_seconds=900, kernel_version="6.8"),
        host_epoch=T - 10,
        datastores=(DatastoreFigures("main", "available", total_bytes=GIB),),
    )
    after = replace(
        before,
        seen_epoch=T,
        version="4.2",
        host=PbsStatusReading(uptime_seconds=4, kernel_version="6.14"),
        host_epoch=T,
        datastores=(DatastoreFigures("main", "available", total_bytes=2 * GIB),),
    )

    found = changes_between(Figures(server=before), Figures(server=after), at_epoch=T)

    assert [(one.about.kind, one.code) for one in found] == [
        ("instance", "version"),
        ("instance", "kernel"),
        ("instance", "rebooted"),
        ("datastore", "size"),
    ]


def test_sizes_are_told_in_the_unit_that_suits_them():
    assert [size(one) for one in (0, 1023, 1536, 3 << 20, 5 << 30, 7 << 40, 2 << 50)] == [
        "0 B",
        "1023 B",
        "1.5 KiB",
        "3.0 MiB",
        "5.0 GiB",
        "7.0 TiB",
        "2.0 PiB",
    ]


@pytest.mark.slow
def test_ten_thousand_guests_that_are_as_they_were_are_compared_in_milliseconds():
    before = tuple(replace(GUEST, vmid=number, name=f"guest-{number}") for number in range(10_000))
    after = tuple(
        replace(one, seen_epoch=T, memory=GuestMemory(2 * GIB, 4 * GIB), tags=("blue",)) for one in before
    )
    seconds = []
    for _ in range(5):
        begun = perf_counter()
        found = list(guest_changes(before, after, (NODE,), at_epoch=T))
        seconds.append(perf_counter() - begun)

    assert found == []
    assert min(seconds) < 0.015  # 2 ms on the reference machine
