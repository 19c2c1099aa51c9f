"""One poll after the other against the fake Proxmox: what the state shows."""

from __future__ import annotations

from datetime import timedelta

import msgspec
import pytest

from monitoring import polling, store
from nodes.connecting import forget
from nodes.models import Instance
from tests.conftest import NOON
from tests.factories import make_instance

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def fresh_store():
    """A store of the test's own."""
    store.install(store.MemoryStore())
    yield
    for pk in Instance.objects.values_list("pk", flat=True):
        forget(pk)
    store.install(None)


def configured(server, kind="pve", **fields):
    """An instance that stands for the fake."""
    return make_instance(
        kind, host=server.url, token_id=server.token_id, token_value=server.token_value, **fields
    )


def resources(instance, collection):
    """What the fragment of the instance holds, decoded."""
    fragment = store.store().fragments()[instance.pk]
    return [msgspec.json.decode(item.body) for item in fragment.items[collection]]


def test_the_first_poll_shows_nodes_and_guests(fake_pve):
    instance = configured(fake_pve)

    assert polling.poll(instance.pk, NOON) is True

    nodes = resources(instance, "nodes")
    assert [node["status"] for node in nodes] == ["online"]
    assert nodes[0]["loadAverage"] != []
    guests = resources(instance, "vms") + resources(instance, "containers")
    assert len(guests) > 3
    assert {guest["networkIn"] for guest in guests} == {-1}


def test_the_second_poll_has_rates(fake_pve):
    instance = configured(fake_pve)
    polling.poll(instance.pk, NOON)
    fake_pve.clock.advance(10)

    polling.poll(instance.pk, NOON + timedelta(seconds=10))

    running = [guest for guest in resources(instance, "containers") if guest["status"] == "running"]
    assert running
    assert all(guest["networkIn"] >= 0 for guest in running)


def test_a_pbs_shows_its_datastores(fake_pbs):
    instance = configured(fake_pbs, "pbs")

    polling.poll(instance.pk, NOON)

    (pbs,) = resources(instance, "pbs")
    assert pbs["status"] == "online"
    assert pbs["datastores"][0]["total"] > 0
