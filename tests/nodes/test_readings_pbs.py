from __future__ import annotations

import pytest

from nodes.proxmox import pbs
from nodes.proxmox.errors import BadAnswer
from nodes.proxmox.readings.live import DatastoreReading, DatastoreStateReading


def test_a_store_that_is_not_mounted_has_no_sizes() -> None:
    readings = pbs.read_datastore_usage([{"store": "usb", "mount-status": "notmounted"}])

    assert readings == (DatastoreReading(name="usb", mount_status="notmounted"),)


def test_a_store_with_an_error_tells_it_on_one_line() -> None:
    (reading,) = pbs.read_datastore_usage([{"store": "nfs", "error": "stat failed:\n ESTALE"}])

    assert reading.error == "stat failed:  ESTALE"
    assert reading.total_bytes is None


def test_a_size_of_minus_one_is_unknown() -> None:
    (reading,) = pbs.read_datastore_usage([{"store": "s3", "total": -1, "used": 5, "avail": -1}])

    assert (reading.total_bytes, reading.used_bytes, reading.available_bytes) == (None, 5, None)


def test_a_row_without_a_store_is_left_out() -> None:
    readings = pbs.read_datastore_usage([{"total": 5}, None, {"store": "main"}])

    assert [reading.name for reading in readings] == ["main"]


@pytest.mark.parametrize("data", [None, {}, "x", [1, 2], [{"store": ""}]])
def test_a_list_of_stores_that_cannot_be_read_is_a_bad_answer(data: object) -> None:
    with pytest.raises(BadAnswer):
        pbs.read_datastore_usage(data)


def full_epoch(
    estimate: object, *, at: float | None = None, **fields: object
) -> tuple[int | None, bool | None]:
    """Return when a datastore is full and whether it grows."""
    (reading,) = pbs.read_datastore_usage(
        [{"store": "main", "estimated-full-date": estimate, **fields}], at_epoch=at
    )
    return reading.estimated_full_epoch, reading.is_growing


MONTH = {"history-start": 1767225600, "history-delta": 1800, "history": [0.1, None, 0.3]}


@pytest.mark.parametrize(
    ("estimate", "expected"),
    [
        (1767231001, (1767231001, True)),
        (1767231000, (None, False)),
        (0, (None, False)),
        (-1, (None, False)),
        ("x", (None, None)),
        (None, (None, None)),
    ],
)
def test_an_estimate_in_the_past_means_that_a_store_does_not_grow(
    estimate: object, expected: tuple[int | None, bool | None]
) -> None:
    assert full_epoch(estimate, **MONTH) == expected


def test_without_a_history_the_given_instant_is_the_present() -> None:
    assert full_epoch(1767225600, at=1767225599.5) == (1767225600, True)
    assert full_epoch(1767225600, at=1767225600.5) == (None, False)
    assert full_epoch(1767225600) == (1767225600, True)


def test_the_history_of_a_store_keeps_its_gaps() -> None:
    (reading,) = pbs.read_datastore_usage([{"store": "main", **MONTH}])

    assert (reading.history, reading.history_start_epoch, reading.history_step_seconds) == (
        (0.1, None, 0.3),
        1767225600,
        1800,
    )


def test_a_history_longer_than_a_month_is_cut() -> None:
    (reading,) = pbs.read_datastore_usage([{"store": "main", "history": [0.5] * 5000}])

    assert len(reading.history) == 2000


def test_the_last_garbage_collection_tells_the_deduplication() -> None:
    garbage = {
        "disk-bytes": 100,
        "index-data-bytes": 250,
        "pending-bytes": 3,
        "removed-bytes": 4,
        "still-bad": 5,
        "upid": "UPID:pbs:00000C8B:0000D780:00000001:5FBE5E7F:garbage_collection:a:root@pam:",
    }

    first, second = pbs.read_datastore_usage(
        [
            {"store": "a", "gc-status": garbage, "backend-type": "s3"},
            {"store": "b", "gc-status": {"disk-bytes": 0, "upid": None}},
        ]
    )

    assert first == DatastoreReading(
        "a",
        backend="s3",
        disk_bytes=100,
        index_bytes=250,
        pending_bytes=3,
        removed_bytes=4,
        bad_chunk_count=5,
        collected_epoch=0x5FBE5E7F,
    )
    assert (first.deduplication, second.deduplication, second.collected_epoch) == (2.5, None, None)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        ("offline maintenance mode: new disks", "offline"),
        ("datastore 'main' is in read-only maintenance mode", "read-only"),
        ("stat failed: ESTALE", ""),
        (None, ""),
    ],
)
def test_an_error_may_tell_of_maintenance(error: object, expected: str) -> None:
    (reading,) = pbs.read_datastore_usage([{"store": "main", "error": error}])

    assert reading.maintenance == expected


@pytest.mark.parametrize(
    ("maintenance", "expected"),
    [
        ("type=read-only,message=new disks", ("read-only", "new disks")),
        ('message="new disks",type=offline', ("offline", "new disks")),
        ("offline", ("offline", "")),
        (None, ("", "")),
    ],
)
def test_maintenance_is_told_in_two_spellings(maintenance: object, expected: tuple[str, str]) -> None:
    (reading,) = pbs.read_datastore_states([{"store": "main", "maintenance": maintenance}])

    assert (reading.maintenance, reading.maintenance_message) == expected


def test_the_state_of_a_datastore_is_read() -> None:
    rows = [
        {"store": "usb", "comment": "shelf 2", "mount-status": "notmounted", "backend-type": "filesystem"},
        {"comment": "x"},
    ]

    assert pbs.read_datastore_states(rows) == (
        DatastoreStateReading("usb", "shelf 2", mount_status="notmounted", backend="filesystem"),
    )


def test_the_status_of_a_server_tells_processor_disk_and_how_it_was_started() -> None:
    reading = pbs.read_node_status(
        {"cpuinfo": {"model": "Xeon", "cpus": 8}, "boot-info": {"mode": "efi", "secureboot": False}, "wait": 0.25,
         "current-kernel": {"sysname": "Linux", "release": "6.14.8-2-pve", "version": "#1"},
         "root": {"used": 1, "total": 3, "avail": 2}, "swap": {"used": 4, "total": 5}}
    )  # fmt: skip

    assert (reading.cpu_model, reading.cpu_count, reading.boot_mode, reading.is_secure_boot) == (
        "Xeon",
        8,
        "efi",
        False,
    )
    assert (reading.root_used_bytes, reading.root_total_bytes, reading.root_available_bytes) == (1, 3, 2)
    assert (reading.swap_used_bytes, reading.swap_total_bytes, reading.io_wait_ratio) == (4, 5, 0.25)
    assert reading.kernel_version == "Linux 6.14.8-2-pve #1"


def test_a_server_without_datastores_is_a_reading() -> None:
    assert pbs.read_datastores([]) == ()


def test_the_names_of_the_datastores_are_read() -> None:
    assert pbs.read_datastores([{"store": "main", "comment": "x"}, {"store": "usb"}]) == ("main", "usb")


def test_the_fingerprint_of_the_server_is_brought_into_its_one_spelling() -> None:
    reading = pbs.read_node_status({"cpu": 0.1, "info": {"fingerprint": "AB:" * 31 + "CD"}})

    assert reading.fingerprint == "ab" * 31 + "cd"


def test_a_fingerprint_that_is_none_reads_as_none() -> None:
    assert pbs.read_node_status({"cpu": 0.1, "info": {"fingerprint": "zz"}}).fingerprint == ""


@pytest.mark.parametrize("data", [None, [], {}, 7])
def test_a_status_that_is_no_object_is_a_bad_answer(data: object) -> None:
    with pytest.raises(BadAnswer):
        pbs.read_node_status(data)


def test_the_servers_own_name_is_read() -> None:
    assert pbs.read_node_name([{"node": "vault", "status": "online"}]) == "vault"


def test_a_server_that_tells_no_name_has_none() -> None:
    assert pbs.read_node_name([]) == ""
