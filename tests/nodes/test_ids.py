"""No id of the contract is taken twice, whatever names spell together, and nobody's id changes because of others."""

from __future__ import annotations

import pytest

from nodes import editing, inventory
from nodes.ids import FreeIds
from nodes.proxmox.readings.live import StorageReading
from tests.conftest import NOON
from tests.factories import make_instance

pytestmark = pytest.mark.django_db

#: Ids of nodes, other ids, the ids wanted for a new node, and the one that it gets.
NODE_IDS = {
    "nothing is taken": ([], [], "home-lab-pve", "home-lab-pve"),
    "another node is called so": (["home-lab-pve"], [], "home-lab-pve", "home-lab-pve-2"),
    "two are called so": (["home-lab-pve", "home-lab-pve-2"], [], "home-lab-pve", "home-lab-pve-3"),
    "a storage is called so": ([], ["home-lab-pve"], "home-lab-pve", "home-lab-pve-2"),
    "a server is called so": ([], ["pbs-vault"], "pbs-vault", "pbs-vault-2"),
    "a guest may be called so": (["home-pve"], [], "home-pve-100", "home-pve-100-2"),
    "no guest has so low a number": (["home-pve"], [], "home-pve-1", "home-pve-1"),
    "a storage is called as a guest of it might be": ([], ["a-b-500"], "a-b", "a-b-2"),
    "a node is called as a guest of it might be": (["a-b-500"], [], "a-b", "a-b-2"),
    "others only begin alike": (["home-lab-pve1", "home-lab"], ["home-lab-pve-x"], "home-lab-pve", "home-lab-pve"),
}  # fmt: skip


@pytest.mark.parametrize(("nodes", "others", "wanted", "expected"), NODE_IDS.values(), ids=NODE_IDS)
def test_a_node_gets_an_id_that_nobody_has(nodes, others, wanted, expected):
    free = FreeIds(nodes, others)

    assert free.claim_node(f"{wanted}{suffix}" for suffix in ("", "-2", "-3")) == expected


def claim(instance, *nodes, known=()):
    return inventory.claim_node_ids(instance, nodes, known=dict(known), at=NOON)


def test_who_is_seen_first_keeps_the_plain_id_and_the_second_its_own_when_the_first_goes():
    home, lab = make_instance(name="home"), make_instance(name="home-lab")

    assert claim(home, "lab-pve") == {"lab-pve": "home-lab-pve"}
    assert claim(lab, "pve") == {"pve": "home-lab-pve-2"}
    home.delete()
    assert inventory.known_node_ids(lab) == {"pve": "home-lab-pve-2"}
    assert claim(lab, "pve", "pve9", known=inventory.known_node_ids(lab)) == {
        "pve": "home-lab-pve-2",
        "pve9": "home-lab-pve9",
    }


def test_a_second_id_is_not_the_plain_one_of_another_node():
    home, lab = make_instance(name="home"), make_instance(name="home-lab")
    claim(home, "lab-pve")

    assert claim(lab, "pve", "pve-2") == {"pve": "home-lab-pve-3", "pve-2": "home-lab-pve-2"}


def test_nodes_of_other_names_keep_the_ids_of_the_contract():
    lab = make_instance(name="lab")

    assert claim(lab, "pve1", "pve2", "pve-1") == {
        "pve1": "lab-pve1",
        "pve2": "lab-pve2",
        "pve-1": "lab-pve-1",
    }


def test_a_renamed_instance_gets_ids_of_its_new_name():
    lab = make_instance(name="lab")
    claim(lab, "pve")
    lab.name = "office"
    lab.save()

    assert inventory.known_node_ids(lab) == {}
    assert claim(lab, "pve") == {"pve": "office-pve"}


def test_a_storage_keeps_out_of_the_ids_of_nodes_and_guests():
    a, b = make_instance(name="a"), make_instance(name="a-b")
    claim(b, "c")

    claimed = inventory.claim_storage_ids(
        a, [StorageReading("c", "b", "available"), StorageReading("c-500", "b", "available")],
        known={}, written={}, at=NOON,
    )  # fmt: skip

    assert claimed == {"c/b": "a-b-c-2", "c-500/b": "a-b-c-500-2"}


@pytest.mark.parametrize(
    ("kind", "wanted", "name"),
    [
        ("pbs", "vault", "vault-2"),
        ("pbs", "other", "other"),
        ("pmg", "vault", "vault"),
        ("pve", "pbs", "pbs-2"),
    ],
)
def test_no_whole_instance_is_called_as_a_node_already_is(kind, wanted, name):
    claim(make_instance(name="pbs"), "vault", "failed")

    assert editing.free_name(kind, wanted) == name
