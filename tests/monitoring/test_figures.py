"""What is true of a resource now: None where it is not known, 0 only where it is 0."""

from __future__ import annotations

import msgspec
import pytest

from monitoring.figures.guest_disk import GuestDisk
from monitoring.figures.guest_memory import GuestMemory
from monitoring.figures.guests import GuestFigures
from monitoring.figures.instances import Figures
from monitoring.figures.nodes import NodeFigures, RootDisk, live_node, remembered_node
from monitoring.figures.rates import Rates, Sample
from monitoring.figures.storages import disabled_storages, live_storages
from monitoring.known.facts import Facts, GuestFacts
from monitoring.polling import silent
from monitoring.polling.pve_picture import Beside, guest_now
from monitoring.wire.guests import guest_shape
from monitoring.wire.ids import Label
from monitoring.wire.instances import shapes_of
from nodes.proxmox.readings.backups import NodeStorageReading, StorageConfigReading
from nodes.proxmox.readings.guests import GuestDetailReading, PressureReading
from nodes.proxmox.readings.hardware import NodeHistoryReading
from nodes.proxmox.readings.live import GuestReading, NodeReading, NodeStatusReading, StorageReading

AT = 1767268800.0
LAB = Label("lab", "https://192.0.2.10:8006")


# --- guests -------------------------------------------------------------------------------------------------------

GUESTS = {
    "running, nothing told": (GuestReading(100, "qemu", "pve1", "running"), (None, None, None)),
    "running": (
        GuestReading(100, "lxc", "pve1", "running", "web", 0.5, memory_used_bytes=7, uptime_seconds=60),
        (0.5, 7, 60),
    ),
    "idle": (
        GuestReading(100, "lxc", "pve1", "running", "web", 0.0, memory_used_bytes=7, uptime_seconds=1),
        (0.0, 7, 1),
    ),
    "stopped": (GuestReading(100, "qemu", "pve1", "stopped", "web", 0.5), (0.0, 0, 0)),
    "nobody knows": (GuestReading(100, "qemu", "pve1", "unknown", "web", 0.5), (None, None, None)),
}


@pytest.mark.parametrize(("reading", "expected"), GUESTS.values(), ids=GUESTS)
def test_what_a_guest_uses_is_unknown_unless_it_was_told_or_the_guest_does_not_run(reading, expected):
    guest = guest_now(reading, None, None, Beside(), at_epoch=AT)

    assert (guest.cpu_ratio, guest.memory.used_bytes, guest.uptime_seconds) == expected


def test_a_guest_has_all_that_is_known_of_it_each_with_its_instant():
    pressure = PressureReading(io_some=12.5)
    detail = GuestDetailReading(101, "lxc", swap_used_bytes=10, swap_total_bytes=512, pressure=pressure)
    reading = GuestReading(
        101, "lxc", "pve1", "running", "db", 0.25, 4, disk_used_bytes=30, disk_total_bytes=90, tags=("prod",),
        lock="backup", pool="office", ha_state="started",
    )  # fmt: skip
    sample = Sample(AT - 10, "pve1", 60, (1, 2, 3, 4), Rates(10, None, 30, 0))
    beside = Beside(Facts(guests={101: GuestFacts(detail=detail, detail_epoch=AT - 90)}))

    guest = guest_now(reading, sample, None, beside, at_epoch=AT)

    assert (guest.seen_epoch, guest.rates_epoch, guest.detail_epoch) == (AT, AT - 10, AT - 90)
    assert (guest.tags, guest.lock, guest.pool, guest.ha_state) == (("prod",), "backup", "office", "started")
    assert guest.disk == GuestDisk(30, 90, "host", "")
    assert (guest.swap_used_bytes, guest.swap_total_bytes, guest.pressure) == (10, 512, pressure)
    assert guest.rates == Rates(10, None, 30, 0)


def test_what_was_told_of_a_guest_long_ago_is_not_true_now():
    detail = GuestDetailReading(101, "lxc", swap_used_bytes=10)
    beside = Beside(Facts(guests={101: GuestFacts(detail=detail, detail_epoch=AT - 301)}))

    guest = guest_now(GuestReading(101, "lxc", "pve1", "running"), None, None, beside, at_epoch=AT)

    assert (guest.swap_used_bytes, guest.detail_epoch) == (None, None)


def test_a_guest_without_a_name_for_a_moment_keeps_the_one_it_had():
    named = guest_now(
        GuestReading(100, "qemu", "pve1", "running", "web", tags=("prod",)), None, None, Beside(), at_epoch=AT
    )

    guest = guest_now(GuestReading(100, "qemu", "pve1", "unknown"), None, named, Beside(), at_epoch=AT + 10)

    assert (guest.name, guest.tags, guest.status) == ("web", ("prod",), "unknown")


def test_each_figure_of_a_guest_has_its_place_on_the_wire():
    guest = GuestFigures(
        101, "lxc", "pve1", "running", "db", AT, True, ("prod",), "office", "backup", "started", 0.25, 4, 60,
        GuestMemory(10, 40, "cgroup", "high", "stopped"), GuestDisk(30, 90, "host", "not_told"),
        Rates(1, 2, 3, 5), addresses=("192.0.2.1",), backup_state="overdue", backup_reason="no_permission",
        last_backup_epoch=1767225600,
    )  # fmt: skip

    assert msgspec.to_builtins(guest_shape(guest, LAB)) == {
        "id": "lab-pve1-101", "vmid": 101, "name": "db", "node": "pve1", "instance": "lab", "status": "running",
        "type": "lxc", "cpu": 0.25, "cpus": 4, "memory": {"total": 40, "used": 10, "free": 30, "usage": 25.0},
        "disk": {"total": 90, "used": 30, "free": 60, "usage": pytest.approx(100 / 3)}, "networkIn": 1, "networkOut": 2,
        "diskRead": 3, "diskWrite": 5, "uptime": 60, "template": False, "lastBackup": "2026-01-01T00:00:00Z",
        "lastSeen": "2026-01-01T12:00:00Z", "tags": ("prod",), "lock": "backup", "pool": "office",
        "haState": "started", "memorySource": "cgroup", "memoryTrust": "high", "memoryReason": "stopped",
        "diskSource": "host", "diskReason": "not_told", "ipAddresses": ("192.0.2.1",), "backupState": "overdue",
        "backupReason": "no_permission", "stale": True,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("rates", "expected"),
    [(None, (-1, -1, -1, -1)), (Rates(), (0, 0, 0, 0)), (Rates(5, None, 0, 7), (5, 0, 0, 7))],
    ids=["none yet", "the guest was started anew", "one was not told"],
)
def test_rates_on_the_wire(rates, expected):
    sample = Sample(AT, "pve1", 60, (1, 2, 3, 4), rates)
    shape = guest_shape(
        guest_now(GuestReading(100, "qemu", "pve1", "running"), sample, None, Beside(), at_epoch=AT), LAB
    )

    assert (shape.networkIn, shape.networkOut, shape.diskRead, shape.diskWrite) == expected


# --- nodes --------------------------------------------------------------------------------------------------------

STATUS = NodeStatusReading(
    (1.0, 0.5, 0.25), "6.17", "pve-manager/9.1.1/0123abcd", "EPYC", 2, 16, 32, "2400", 60, 100,
    swap_used_bytes=1, swap_total_bytes=8, root_used_bytes=30, root_total_bytes=90, root_available_bytes=50,
    io_wait_ratio=0.02,
)  # fmt: skip


def test_a_node_has_all_that_is_known_of_it_each_with_its_instant():
    history = NodeHistoryReading(PressureReading(cpu_some=1.5), 12)

    node = live_node(
        NodeReading("pve1", "online", 0.5, 32, 60, 100, uptime_seconds=99, ha_state="online"),
        STATUS,
        status="online",
        seen_epoch=AT,
        status_epoch=AT - 40,
        history=history,
        history_epoch=AT - 100,
    )

    assert (node.seen_epoch, node.status_epoch, node.history_epoch) == (AT, AT - 40, AT - 100)
    assert (node.cpu_ratio, node.cpu_count, node.uptime_seconds, node.ha_state) == (0.5, 32, 99, "online")
    assert (node.memory_used_bytes, node.memory_total_bytes, node.memory_source) == (60, 100, "available")
    assert node.root == RootDisk(30, 90, 50, "status")
    assert (node.io_wait_ratio, node.swap_used_bytes, node.swap_total_bytes) == (0.02, 1, 8)
    assert (node.arc_bytes, node.pressure) == (12, PressureReading(cpu_some=1.5))


def test_a_node_that_is_away_has_its_facts_and_no_figures():
    node = live_node(
        NodeReading("pve1", "online", 0.5, 32, 60, 100, uptime_seconds=99),
        STATUS,
        status="offline",
        seen_epoch=None,
    )

    assert (node.cpu_ratio, node.memory_used_bytes, node.uptime_seconds, node.load_average) == (
        None,
        None,
        None,
        (),
    )
    assert (node.cpu_model, node.cpu_count, node.kernel_version) == ("EPYC", 32, "6.17")


ROOTS = {
    "its own status": (STATUS, NodeReading("pve1", "online", disk_total_bytes=9), "status"),
    "the list": (None, NodeReading("pve1", "online", disk_used_bytes=1, disk_total_bytes=9), "list"),
    "a storage": (None, NodeReading("pve1", "online"), "storage"),
}


@pytest.mark.parametrize(("detail", "reading", "source"), ROOTS.values(), ids=ROOTS)
def test_who_tells_the_root_file_system_of_a_node(detail, reading, source):
    local = StorageReading("local", "pve1", "available", used_bytes=2, total_bytes=10)

    assert live_node(reading, detail, status="online", seen_epoch=AT, root=local).root.source == source


def test_a_node_that_is_only_remembered_is_unhealthy_and_after_a_while_offline():
    node = NodeFigures("pve1", "online", cpu_ratio=0.5, memory_used_bytes=7, uptime_seconds=5)

    late, down = (remembered_node(node, health="unhealthy", is_down=is_down) for is_down in (False, True))

    assert (late.status, late.health, late.is_stale, late.cpu_ratio) == ("online", "unhealthy", True, 0.5)
    assert (down.status, down.health, down.cpu_ratio, down.uptime_seconds) == ("offline", "error", None, None)
    assert down.memory_used_bytes == 7


# --- storages -----------------------------------------------------------------------------------------------------


def test_a_shared_storage_is_one_with_the_figures_of_the_first_node_that_tells_them():
    away = StorageReading("nas", "pve1", "unknown", "nfs", ("backup",), True)
    there = StorageReading("nas", "pve2", "available", "nfs", ("backup",), True, 30, 100)
    own = StorageReading("local", "pve1", "available", "dir", (), False, 5, 10)

    local, nas = live_storages([away, there, own], {}, at_epoch=AT)

    assert (local.key, local.is_shared, local.nodes) == (("local", "pve1"), False, ())
    assert (nas.key, nas.is_shared, nas.nodes, nas.told_by) == (("nas", ""), True, ("pve1", "pve2"), "pve2")
    assert (nas.used_bytes, nas.total_bytes, nas.free_bytes) == (30, 100, None)


@pytest.mark.parametrize(
    ("probe", "free"),
    [
        (None, None),
        (NodeStorageReading("local", total_bytes=100, used_bytes=30, available_bytes=60), 60),
        (NodeStorageReading("local", total_bytes=100, used_bytes=10, available_bytes=80), 60),
        (NodeStorageReading("local", total_bytes=100, used_bytes=85, available_bytes=5), 60),
        (NodeStorageReading("local", total_bytes=100, used_bytes=10, available_bytes=90), 70),
        (NodeStorageReading("local", total_bytes=100, used_bytes=0, available_bytes=10), 0),
        (NodeStorageReading("local", total_bytes=99, used_bytes=30, available_bytes=60), None),
        (NodeStorageReading("local", total_bytes=100, available_bytes=60), None),
    ],
    ids=[
        "nothing was asked",
        "some is reserved",
        "some is reserved, and it was emptier then",
        "some is reserved, and it was fuller then",
        "never more than is not used",
        "more is used than is not reserved",
        "of another size",
        "without what was used then",
    ],
)
def test_what_is_free_is_told_by_the_node(probe, free):
    reading = StorageReading("local", "pve1", "available", used_bytes=30, total_bytes=100)

    (storage,) = live_storages([reading], {("local", "pve1"): probe} if probe else {}, at_epoch=AT)

    assert storage.free_bytes == free


def test_a_storage_that_is_switched_off_is_there_on_the_nodes_that_it_is_for():
    configured = [
        StorageConfigReading("off", "dir", is_disabled=True, nodes=("pve2", "gone")),
        StorageConfigReading("on", "dir"),
    ]

    (found,) = disabled_storages(configured, [], ("pve1", "pve2"))

    assert (found.name, found.node, found.status) == ("off", "pve2", "disabled")


# --- an instance --------------------------------------------------------------------------------------------------


def test_another_name_is_only_another_wire():
    guest = guest_now(GuestReading(100, "qemu", "pve1", "running"), None, None, Beside(), at_epoch=AT)
    nas = StorageReading("nas", "pve1", "available", is_shared=True)
    figures = Figures(
        nodes=(NodeFigures("pve1", "online"),),
        guests=(guest,),
        storages=tuple(live_storages([nas], {}, at_epoch=AT)),
    )

    told = shapes_of(figures, (), Label("office", storage_ids={"nas/": "shared-lab-nas"}))

    assert [one.id for one in (*told.nodes, *told.vms, *told.storage)] == [
        "office-pve1",
        "office-pve1-100",
        "shared-lab-nas",
    ]
    assert {one.instance for one in (*told.nodes, *told.vms, *told.storage)} == {"office"}


def test_what_stands_for_a_host_that_lets_nobody_in_is_no_node_of_it():
    figures = Figures(refused=NodeFigures("", "offline", "error", AT))

    (shape,) = shapes_of(figures, (), LAB).nodes
    later = silent.marked(figures, is_down=False)

    assert (shape.id, shape.name, shape.status, shape.connectionHealth) == (
        "lab-failed",
        "lab",
        "offline",
        "error",
    )
    assert figures.nodes == ()
    assert (later.refused.health, later.refused.is_stale) == ("unhealthy", True)
