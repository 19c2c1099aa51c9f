"""More than any host has: what is kept of it, the same in every poll, and what is refused."""

from __future__ import annotations

import random

import pytest

from nodes.proxmox import pve
from nodes.proxmox.errors import BadAnswer
from nodes.proxmox.limits import ROWS
from nodes.proxmox.rows import read_rows


def guest(vmid, node="pve1"):
    return {"type": "qemu", "vmid": vmid, "node": node, "status": "running"}


def node(name):
    return {"type": "node", "node": name, "status": "online"}


def storage(number):
    return {"type": "storage", "storage": f"s{number:05}", "node": "pve1", "status": "available"}


def test_of_too_many_guests_those_with_the_lowest_numbers_are_kept_whatever_the_order():
    rows = [node("pve1"), *(guest(vmid) for vmid in range(100, 20_200))]
    random.Random(1).shuffle(rows)

    reading = pve.read_cluster_resources(rows)

    numbers = [one.vmid for one in reading.guests]
    assert (len(numbers), min(numbers), max(numbers)) == (20_000, 100, 20_099)
    assert reading.left_out == {"guests": 100}
    assert reading.skipped == 0


def test_twenty_thousand_guests_are_kept_as_they_are_told():
    reading = pve.read_cluster_resources([node("pve1"), *(guest(vmid) for vmid in range(20_099, 99, -1))])

    assert (len(reading.guests), reading.guests[0].vmid, reading.left_out) == (20_000, 20_099, {})


def test_of_too_many_nodes_the_first_by_name_are_kept_with_what_is_on_them():
    names = [f"n{number:03}" for number in range(300)]
    rows = [*map(node, reversed(names)), guest(100, "n000"), guest(101, "n299"), guest(102, "n255")]

    reading = pve.read_cluster_resources(rows)

    assert sorted(one.name for one in reading.nodes) == names[:256]
    assert [one.vmid for one in reading.guests] == [100, 102]
    assert reading.left_out == {"nodes": 44, "guests": 1}


def test_nodes_that_only_guests_name_count_too():
    rows = [node("pve1"), *(guest(vmid, f"m{vmid:05}") for vmid in range(100, 600))]

    reading = pve.read_cluster_resources(rows)

    assert len({one.node for one in reading.guests}) == 255
    assert reading.left_out == {"nodes": 245, "guests": 245}


def test_of_too_many_storages_and_pools_the_first_by_name_are_kept():
    pools = [{"type": "pool", "pool": f"p{number:05}"} for number in range(2_001)]
    rows = [node("pve1"), *map(storage, range(5_003)), *pools]

    reading = pve.read_cluster_resources(rows)

    assert (len(reading.storages), reading.storages[-1].name) == (5_000, "s04999")
    assert (len(reading.pools), reading.pools[-1].id) == (2_000, "p01999")
    assert reading.left_out == {"storages": 3, "pools": 1}


def test_of_a_cluster_no_more_members_are_kept_than_nodes():
    rows = [{"type": "node", "name": f"n{number:04}", "ip": "192.0.2.1"} for number in range(2_000)]

    assert len(pve.read_cluster_status(rows).members) == 256


@pytest.mark.parametrize("what", ROWS)
def test_a_list_that_is_longer_than_the_table_allows_is_no_answer(what):
    limit = ROWS[what]

    assert len(read_rows([{}] * limit, what, lambda row: 1)) == limit
    with pytest.raises(BadAnswer, match="has more than"):
        read_rows([{}] * (limit + 1), what, lambda row: 1)


def test_no_list_of_the_table_is_longer_than_a_hundred_thousand():
    assert max(ROWS.values()) == 100_000
    assert (ROWS["a guest's snapshots"], ROWS["the disks"], ROWS["the tasks"]) == (1_000, 2_000, 2_000)
