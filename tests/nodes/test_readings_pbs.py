from __future__ import annotations

import pytest

from nodes.proxmox import pbs
from nodes.proxmox.errors import BadAnswer
from nodes.proxmox.readings import DatastoreReading


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
