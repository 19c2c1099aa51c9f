"""http-api.md 4.5: GET /api/snapshots."""

from __future__ import annotations

import pytest

from monitoring.collecting import lists
from monitoring.known.facts import Facts, GuestFacts
from monitoring.known.memory import PollMemory
from nodes.proxmox.readings.guests import GuestSnapshotReading
from nodes.proxmox.readings.live import GuestReading, ResourcesReading
from tests.conftest import NOON
from tests.factories import make_instance

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("fresh_store")]

ROUTE = "/api/snapshots"
T1, T2 = 1767225600, 1767229200


def test_snapshots_of_all_guests_the_newest_first(api):
    snapshots = (
        GuestSnapshotReading("first", T1, "before kernel update"),
        GuestSnapshotReading("second", T2, parent="first", has_memory=True),
    )
    reading = ResourcesReading(guests=(GuestReading(100, "qemu", "pve1", "running"),))
    facts = Facts(guests={100: GuestFacts(snapshots=snapshots)})
    lists.publish(make_instance(), facts, PollMemory(reading=reading), at_epoch=NOON.timestamp())

    response = api.get(ROUTE)

    assert (response.status_code, response.headers["Content-Type"]) == (200, "application/json")
    assert response.json() == {
        "snapshots": [
            {
                "id": "lab-pve1-100-second",
                "name": "second",
                "node": "pve1",
                "type": "qemu",
                "vmid": 100,
                "time": "2026-01-01T01:00:00Z",
                "vmstate": True,
                "instance": "lab",
                "parent": "first",
            },
            {
                "id": "lab-pve1-100-first",
                "name": "first",
                "node": "pve1",
                "type": "qemu",
                "vmid": 100,
                "time": "2026-01-01T00:00:00Z",
                "vmstate": False,
                "instance": "lab",
                "description": "before kernel update",
            },
        ]
    }


def test_without_any_the_list_is_empty(api):
    assert api.get(ROUTE).json() == {"snapshots": []}


@pytest.mark.parametrize("method", ["post", "put", "patch", "delete"])
def test_other_methods_are_405(method, api):
    assert getattr(api, method)(ROUTE).status_code == 405


def test_nobody_is_served_without_the_right_to_read(remote, token_client):
    assert remote.get(ROUTE).status_code == 401
    assert token_client("settings:read").get(ROUTE).status_code == 403
    assert token_client("monitoring:read").get(ROUTE).status_code == 200
