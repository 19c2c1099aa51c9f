"""A thousand changes of who is in which cluster: nobody's id changes, and nobody is there twice."""

from __future__ import annotations

from datetime import timedelta
from random import Random

import pytest

from monitoring.known.memory import PollMemory
from monitoring.polling.pve import PvePoll
from nodes import inventory
from nodes.models import Guest, Instance, Node, Storage
from nodes.proxmox.readings.live import GuestReading, NodeReading, ResourcesReading, StorageReading
from tests.conftest import NOON
from tests.factories import make_instance

pytestmark = [pytest.mark.slow, pytest.mark.django_db]

CHANGES = 1_000
#: Names that spell each other's ids once they are put together.
INSTANCES = ("home", "home-lab", "home-lab-pve")
NODES = ("pve", "lab", "lab-pve", "pve-2", "lab-pve-2", "2", "pve-100", "lab-pve-pve", "a", "b", "c", "d")
STORAGES = ("local", "pve-local", "nas")


class Estate:
    """Clusters as they are, and what Pulse remembers of each."""

    def __init__(self, seed):
        self.chance, self.at = Random(seed), NOON
        self.members = {make_instance(name=name).pk: [NODES[index]] for index, name in enumerate(INSTANCES)}
        self.memories = {pk: PollMemory() for pk in self.members}
        #: The id that each node was given first, and the row of each guest.
        self.ids, self.rows = {}, {}

    def change(self):
        """One node comes, goes, is renamed or moves to another cluster; now and then Pulse begins anew, or days go by."""
        pk, other = self.chance.sample(list(self.members), 2)
        here, there = self.members[pk], self.members[other]
        free = [name for name in NODES if name not in here]
        match self.chance.randrange(6):
            case 0 if free:
                here.append(self.chance.choice(free))
            case 1 if len(here) > 1:
                here.remove(self.chance.choice(here))
            case 2 if free:
                here[self.chance.randrange(len(here))] = self.chance.choice(free)
            case 3 if len(here) > 1:
                name = here.pop(self.chance.randrange(len(here)))
                there += [name] if name not in there else []
            case 4:
                self.memories[pk] = PollMemory(
                    node_ids=inventory.known_node_ids(Instance.objects.get(pk=pk)),
                    storage_ids=inventory.known_storage_ids(Instance.objects.get(pk=pk)),
                )
            case _:
                self.at += timedelta(hours=self.chance.randrange(9))
        self.at += timedelta(seconds=10)
        for each in {pk, other}:
            self.read(each)

    def read(self, pk):
        """Let the cluster be listed, as a poll has it."""
        names = self.members[pk]
        guests = tuple(
            GuestReading(vmid, "qemu", names[vmid % len(names)], "running", name=f"guest-{vmid}")
            for vmid in range(100, 106)
        )
        storages = tuple(
            StorageReading(name, node, "available", is_shared=name == "nas")
            for node in names
            for name in STORAGES
        )
        poll = PvePoll(Instance.objects.get(pk=pk), self.memories[pk], self.at)
        poll.reading = ResourcesReading(
            tuple(NodeReading(name, "online") for name in names), guests, storages
        )
        poll.claim_ids()
        poll.record_inventory()

    def taken(self):
        """Every id of a node, a storage or a guest that is shown now."""
        found = []
        for pk, names in self.members.items():
            memory = self.memories[pk]
            found += [memory.node_ids[name] for name in names if name in memory.node_ids]
            found += [
                f"{memory.node_ids[names[vmid % len(names)]]}-{vmid}"
                for vmid in range(100, 106)
                if memory.node_ids
            ]
            found += [
                memory.storage_ids[key]
                for key in memory.storage_ids
                if key.endswith("/") or key.split("/")[1] in names
            ]
        return found


@pytest.mark.parametrize("seed", [1, 2])
def test_ids_are_stable_and_nothing_is_there_twice(seed):
    estate = Estate(seed)
    for pk in estate.members:
        estate.read(pk)

    for number in range(CHANGES // 2):
        estate.change()

        for pk, names in estate.members.items():
            for name in names:
                identity = estate.memories[pk].node_ids[name]
                assert estate.ids.setdefault((pk, name), identity) == identity, number
        for row in Guest.objects.all():
            assert estate.rows.setdefault((row.instance_id, row.vmid), row.pk) == row.pk, number
        taken = estate.taken()
        assert len(taken) == len(set(taken)), number

    assert timedelta(days=14) < estate.at - NOON < timedelta(days=30)
    assert len(estate.ids) > 20
    for model in (Node, Storage, Guest):
        keys = [(row.instance_id, row.key) for row in model.objects.all()]
        assert len(keys) == len(set(keys))
