"""Whatever a host tells of what it has, the database takes what was read of it; and a million guests are no answer."""

from __future__ import annotations

import io
import random
import time

import pytest
from requests import Response

from nodes import inventory
from nodes.models import Datastore, Guest, Node, Storage
from nodes.proxmox import answers, pbs, pve
from nodes.proxmox.errors import BadAnswer, TooLarge
from pulse.lib.outbound.places import place_of
from tests.conftest import NOON
from tests.factories import make_instance
from tests.memory import memory_is_bounded
from tests.nodes.recorded import recorded
from tests.nodes.test_readings_any_input import JUNK, mutated

pytestmark = [pytest.mark.slow, pytest.mark.django_db]

PLACE = place_of("https://192.0.2.1:8006")
MIB = 1 << 20


ROWS = (
    {"type": "node", "node": "pve1", "status": "online", "maxcpu": 4, "maxmem": 2**34, "level": "c"},
    {
        "type": "qemu",
        "node": "pve1",
        "vmid": 100,
        "name": "web",
        "tags": "a;b",
        "status": "running",
        "lock": "backup",
    },
    {
        "type": "storage",
        "node": "pve1",
        "storage": "nas",
        "plugintype": "nfs",
        "content": "images",
        "shared": 1,
    },
)


def store(instance, reading):
    """Keep what was read as a poll does."""
    inventory.claim_node_ids(instance, [node.name for node in reading.nodes], known={}, at=NOON)
    inventory.claim_storage_ids(instance, reading.storages, known={}, written={}, at=NOON)
    inventory.apply(instance, reading, {}, absent=(), written={}, at=NOON)


@pytest.mark.parametrize("junk", JUNK, ids=range(len(JUNK)))
def test_every_odd_value_in_every_field_of_a_list_is_stored(junk):
    instance = make_instance()

    for row in ROWS:
        for key in row:
            reading = pve.read_cluster_resources([*ROWS, {**row, "node": "pve2", "vmid": 101, key: junk}])
            store(instance, reading)

    assert Guest.objects.filter(vmid=100, name="web", tags="a;b", gone_at=None).exists()
    assert Node.objects.filter(name="pve1", memory_total_bytes=2**34).exists()


def test_a_hundred_mutations_of_recorded_lists_are_stored_and_read_back():
    chance = random.Random("stored")
    original = recorded("proxmox-go-sdk-pve9/cluster-resources.json", index=0)
    instance, read = make_instance(), 0

    for _ in range(100):
        try:
            reading = pve.read_cluster_resources(mutated(original, chance))
        except BadAnswer:
            continue
        read += 1
        store(instance, reading)
        stored = Guest.objects.filter(instance=instance, gone_at=None).values_list("vmid", flat=True)
        told = {guest.vmid for guest in reading.guests if not guest.is_template}
        assert told <= set(stored)
        assert {node.name for node in reading.nodes} <= set(Node.objects.values_list("name", flat=True))

    assert read > 80
    assert Storage.objects.exists()


def test_two_hundred_mutations_of_recorded_datastores_are_stored():
    chance = random.Random("datastores")
    original = recorded("pbs-exporter-rs/status-datastore-usage.json", index=0)
    instance, read = make_instance("pbs"), 0

    for _ in range(200):
        try:
            reading = pbs.read_datastore_usage(mutated(original, chance), at_epoch=NOON.timestamp())
        except BadAnswer:
            continue
        read += 1
        inventory.apply_datastores(instance, reading, written={}, at=NOON)
        assert {one.name for one in reading} <= set(Datastore.objects.values_list("name", flat=True))

    assert read > 80


def test_a_million_guests_are_refused_before_they_are_read():
    row = b'{"vmid":100},'
    reply = Response()
    reply.status_code, reply.raw = 200, io.BytesIO(b'{"data":[' + row * 1_000_000 + row[:-1] + b"]}")

    begun = time.process_time()
    with memory_is_bounded(60 * MIB), pytest.raises(TooLarge):
        answers.decode(reply, PLACE)

    assert time.process_time() - begun < 5


def test_a_guest_that_is_told_a_hundred_thousand_times_is_one():
    rows = [{"type": "node", "node": "pve1"}]
    rows += [{"type": "qemu", "vmid": 100, "node": "pve1", "status": "running"}] * 100_000

    reading = pve.read_cluster_resources(rows)

    assert [(one.vmid, one.status) for one in reading.guests] == [(100, "running")]
    assert reading.left_out == {}
