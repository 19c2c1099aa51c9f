"""http-api.md 4.2: GET /api/storage/ and GET /api/storage/<id>."""

from __future__ import annotations

from urllib.parse import quote

import pytest
import time_machine

from monitoring.figures.instances import Figures
from monitoring.figures.nodes import NodeFigures
from monitoring.figures.storages import live_storages
from monitoring.known.memory import MEMORY, PollMemory
from monitoring.store import current
from monitoring.wire.fragments import Fragment, FragmentKey, items_of
from monitoring.wire.ids import Label
from monitoring.wire.instances import shapes_of
from nodes.proxmox.readings.live import StorageReading
from tests.conftest import NOON
from tests.factories import make_instance

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("fresh_store")]


def publish(pk, name, *storages, nodes=("pve1", "pve2"), ids=None):
    figures = Figures(
        nodes=tuple(NodeFigures(node, "online") for node in nodes),
        storages=tuple(live_storages(storages, {}, at_epoch=0.0)),
    )
    shapes = shapes_of(figures, (), Label(name, storage_ids=ids or {}))
    current.store().save(MEMORY, PollMemory(figures=figures, storage_ids=ids or {}), of=pk)
    current.store().publish(
        Fragment(FragmentKey(pk, "resources"), 1, name, name, True, items_of(shapes, number=pk))
    )


def reading(name, node, *, shared=False):
    return StorageReading(name, node, "available", "nfs" if shared else "dir", ("backup",), shared, 30, 100)


@pytest.fixture
def estate():
    """Two instances with a shared storage each; the one of the second has been given another id."""
    publish(
        1,
        "lab",
        reading("local", "pve1"),
        reading("local", "pve2"),
        reading("nas", "pve1", shared=True),
        reading("only-two", "pve2", shared=True),
    )
    publish(
        2,
        "lab-2",
        reading("local", "pve1"),
        reading("nas", "pve1", shared=True),
        nodes=("pve1",),
        ids={"nas/": "shared-lab-2-nas"},
    )


def ids(response):
    return [one["id"] for one in response.json()["data"]]


@pytest.mark.parametrize("route", ["/api/storage", "/api/storage/"])
def test_all_storages_by_instance_and_name(route, estate, api):
    with time_machine.travel(NOON, tick=False):
        response = api.get(route)

    assert (response.status_code, response.headers["Content-Type"]) == (200, "application/json")
    assert response.json()["timestamp"] == 1767268800
    assert ids(response) == [
        "lab-pve1-local",
        "lab-pve2-local",
        "shared-nas",
        "shared-only-two",
        "lab-2-pve1-local",
        "shared-lab-2-nas",
    ]


def test_one_storage_by_its_id(estate, api):
    with time_machine.travel(NOON, tick=False):
        response = api.get("/api/storage/shared-nas")

    assert response.json() == {
        "data": {
            "id": "shared-nas",
            "name": "nas",
            "node": "shared",
            "instance": "lab",
            "type": "nfs",
            "status": "available",
            "total": 100,
            "used": 30,
            "free": 70,
            "usage": 30.0,
            "content": "backup",
            "shared": True,
            "enabled": True,
            "active": True,
            "nodes": ["pve1"],
        },
        "timestamp": 1767268800,
    }


NODES = {
    "by its id": ("lab-pve1", ["lab-pve1-local", "shared-nas"]),
    "by its id, another one": ("lab-pve2", ["lab-pve2-local", "shared-only-two"]),
    "of an instance with a dash": ("lab-2-pve1", ["lab-2-pve1-local", "shared-lab-2-nas"]),
    "by a name that one node has": ("pve2", ["lab-pve2-local", "shared-only-two"]),
    "by a name that two nodes have": (
        "pve1",
        ["lab-pve1-local", "shared-nas", "lab-2-pve1-local", "shared-lab-2-nas"],
    ),
}


@pytest.mark.parametrize(("identity", "expected"), NODES.values(), ids=NODES)
def test_the_storages_that_a_node_sees(identity, expected, estate, api):
    assert ids(api.get(f"/api/storage/{identity}")) == expected


def test_the_storages_of_a_configured_node_by_its_id(api):
    first, second = make_instance(name="lab", number=0), make_instance(name="lab-2", number=7)
    make_instance(kind="pbs", name="vault", number=0)
    publish(first.pk, "lab", reading("local", "pve1"), reading("nas", "pve1", shared=True))
    publish(second.pk, "lab-2", reading("local", "pve2"))

    assert ids(api.get("/api/storage/pve-0")) == ["lab-pve1-local", "shared-nas"]
    assert ids(api.get("/api/storage/pve-7")) == ["lab-2-pve2-local"]
    assert api.get("/api/storage/pbs-0").json()["data"] == []


def test_a_configured_node_that_was_never_read_has_no_storage_yet(api):
    make_instance(name="new", number=3)

    response = api.get("/api/storage/pve-3")

    assert (response.status_code, response.json()["data"]) == (200, [])


def test_a_node_that_is_called_like_an_id_of_the_configuration_comes_first(api):
    instance = make_instance(name="lab", number=0)
    publish(instance.pk, "lab", reading("a", "pve-0"), reading("b", "pve1"), nodes=("pve-0", "pve1"))

    assert ids(api.get("/api/storage/pve-0")) == ["lab-pve-0-a"]


@pytest.mark.parametrize(
    "identity", ["pve-1", "pve-00", "pve-", "pve-0x", "pmg-0", "pve-²", "pve-9999999999"]
)
def test_an_id_that_no_configured_node_has_is_404(identity, api):
    make_instance(name="lab", number=0)

    assert api.get(f"/api/storage/{quote(identity)}").status_code == 404


def test_an_id_is_percent_decoded(api):
    publish(3, "my lab", reading("data", "pve1"), nodes=("pve1",))

    assert api.get("/api/storage/my%20lab-pve1-data").json()["data"]["id"] == "my lab-pve1-data"


UNKNOWN = ["nothing", "lab", "shared-nas2", "line\nbreak", "²", "%", "'; DROP TABLE nodes; --", "x" * 3000]


@pytest.mark.parametrize("identity", UNKNOWN, ids=range(8))
def test_what_is_neither_a_storage_nor_a_node_is_404(identity, estate, api):
    response = api.get(f"/api/storage/{quote(identity)}")

    assert (response.status_code, response.json()["code"]) == (404, "storage_not_found")
    assert len(response.content) < 1000


def test_without_any_the_list_is_empty(api):
    assert api.get("/api/storage/").json()["data"] == []


@pytest.mark.parametrize("method", ["post", "put", "patch", "delete"])
@pytest.mark.parametrize("route", ["/api/storage/", "/api/storage/x"])
def test_other_methods_are_405(route, method, api):
    assert getattr(api, method)(route).status_code == 405


@pytest.mark.parametrize("route", ["/api/storage/", "/api/storage/shared-nas"])
def test_nobody_is_served_without_the_right_to_read(route, estate, remote, token_client):
    assert remote.get(route).status_code == 401
    assert token_client("settings:read").get(route).status_code == 403
    assert token_client("monitoring:read").get(route).status_code == 200
