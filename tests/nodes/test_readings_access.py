from __future__ import annotations

import pytest

from nodes.proxmox import access
from nodes.proxmox.errors import BadAnswer


def test_privileges_of_pve_are_held_with_either_flag_and_go_on_with_one() -> None:
    reading = access.read_permissions({"/": {"Sys.Audit": 1, "VM.Audit": 0}})

    assert reading.held == {"/": frozenset({"Sys.Audit", "VM.Audit"})}
    assert reading.inherited == {"/": frozenset({"Sys.Audit"})}


def test_privileges_of_pbs_are_read_from_true_and_false() -> None:
    reading = access.read_permissions({"/datastore/main": {"Datastore.Audit": True, "Datastore.Read": False}})

    assert reading.has("/datastore/main", "Datastore.Read") is True
    assert reading.has("/datastore/main/ns", "Datastore.Audit") is True
    assert reading.has("/datastore/main/ns", "Datastore.Read") is False


def test_the_nearest_path_above_decides() -> None:
    reading = access.read_permissions({"/": {"VM.Audit": 1}, "/vms": {"VM.PowerMgmt": 1}})

    assert reading.has("/vms/100", "VM.Audit") is False
    assert reading.has("/nodes/pve1", "VM.Audit") is True


def test_an_account_that_may_do_nothing_is_a_reading() -> None:
    reading = access.read_permissions({})

    assert reading.has("/", "Sys.Audit") is False


@pytest.mark.parametrize("data", [None, [], "x", {"vms": {"VM.Audit": 1}}, {5: {}}])
def test_permissions_that_cannot_be_read_are_a_bad_answer(data: object) -> None:
    with pytest.raises(BadAnswer):
        access.read_permissions(data)


def test_permissions_of_too_many_paths_are_a_bad_answer() -> None:
    with pytest.raises(BadAnswer):
        access.read_permissions({f"/vms/{number}": {"VM.Audit": 1} for number in range(20_001)})


def test_a_path_with_too_many_privileges_is_cut() -> None:
    reading = access.read_permissions({"/": {f"Privilege.{number}": 1 for number in range(500)}})

    assert len(reading.held["/"]) == 256
