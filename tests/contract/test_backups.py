"""http-api.md 4.4: GET /api/backups and its parts."""

from __future__ import annotations

import pytest

from monitoring.collecting import lists
from monitoring.known.facts import Facts, GuestFacts, NamespaceBackups
from monitoring.known.memory import PollMemory
from nodes.proxmox.readings.backup_server import BackupSnapshotReading
from nodes.proxmox.readings.backups import BackupVolumeReading, TaskReading
from nodes.proxmox.readings.guests import GuestSnapshotReading
from nodes.proxmox.readings.live import GuestReading, ResourcesReading
from tests.conftest import NOON
from tests.factories import make_instance
from tests.monitoring.feeding import Publisher

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("fresh_store")]

T1, T2 = 1767225600, 1767229200
ROUTES = (
    "/api/backups",
    "/api/backups/",
    "/api/backups/unified",
    "/api/backups/pve",
    "/api/backups/pbs",
    "/api/backups/sources",
)


@pytest.fixture
def estate(db):
    """A PVE with tasks, backups and a snapshot, and a PBS with backups."""
    host, vault = make_instance(), make_instance("pbs")
    tasks = tuple(
        TaskReading(
            f"UPID:pve1:{number}:vzdump",
            "pve1",
            "vzdump",
            "100",
            started_epoch=at,
            ended_epoch=at + 9,
            status="OK",
        )
        for number, at in ((1, T1), (2, T2))
    )
    volumes = tuple(BackupVolumeReading(f"nas:backup/{at}", 100, "qemu", at, 5, "vma.zst") for at in (T1, T2))
    facts = Facts(
        tasks=tasks,
        volumes={("nas", ""): volumes},
        guests={100: GuestFacts(snapshots=(GuestSnapshotReading("s", T1),))},
    )
    reading = ResourcesReading(guests=(GuestReading(100, "qemu", "pve1", "running"),))
    lists.publish(host, facts, PollMemory(reading=reading), at_epoch=NOON.timestamp())
    snapshots = tuple(BackupSnapshotReading("vm", "100", at, 7) for at in (T1, T2))
    place = NamespaceBackups(snapshots={"vm/100": snapshots})
    lists.publish(vault, Facts(backups={("main", ""): place}), PollMemory(), at_epoch=NOON.timestamp())
    Publisher().publish(vault.pk, [0.5], kind="pbs")


@pytest.mark.parametrize("route", ["/api/backups", "/api/backups/", "/api/backups/unified"])
def test_the_whole_is_the_same_under_three_names_each_list_with_the_newest_first(route, estate, api):
    response = api.get(route)

    told = response.json()
    assert (response.status_code, response.headers["Content-Type"]) == (200, "application/json")
    assert list(told) == ["backupTasks", "storageBackups", "guestSnapshots", "pbsBackups", "sources"]
    assert [one["startTime"] for one in told["backupTasks"]] == [
        "2026-01-01T01:00:00Z",
        "2026-01-01T00:00:00Z",
    ]
    assert [one["ctime"] for one in told["storageBackups"]] == [T2, T1]
    assert [one["id"] for one in told["guestSnapshots"]] == ["lab-pve1-100-s"]
    assert [one["backupTime"] for one in told["pbsBackups"]] == [
        "2026-01-01T01:00:00Z",
        "2026-01-01T00:00:00Z",
    ]


def test_backups_of_pve_are_those_in_its_storages(estate, api):
    told = api.get("/api/backups/pve").json()

    assert list(told) == ["backups"]
    assert [one["volid"] for one in told["backups"]] == [f"nas:backup/{T2}", f"nas:backup/{T1}"]


def test_backups_of_pbs_are_its_instances_and_the_backups_beside_them(estate, api):
    told = api.get("/api/backups/pbs").json()

    assert list(told) == ["instances", "backups"]
    assert [one["status"] for one in told["instances"]] == ["offline"]
    assert [one["id"] for one in told["backups"]] == [
        "pbs-vault-main--vm-100-1767229200",
        "pbs-vault-main--vm-100-1767225600",
    ]


EMPTY = {
    "/api/backups": {
        "backupTasks": [],
        "storageBackups": [],
        "guestSnapshots": [],
        "pbsBackups": [],
        "sources": [],
    },
    "/api/backups/pve": {"backups": []},
    "/api/backups/pbs": {"instances": [], "backups": []},
    "/api/backups/sources": {"sources": []},
}


@pytest.mark.parametrize(("route", "body"), EMPTY.items())
def test_lists_are_empty_and_never_null(route, body, api):
    assert api.get(route).json() == body


@pytest.mark.parametrize("method", ["post", "put", "patch", "delete"])
@pytest.mark.parametrize("route", ROUTES)
def test_other_methods_are_405(route, method, api):
    response = getattr(api, method)(route)

    assert response.status_code == 405
    assert response.headers["Allow"] == "GET, HEAD, OPTIONS"


@pytest.mark.parametrize("route", ROUTES)
def test_nobody_is_served_without_the_right_to_read(route, remote, token_client):
    assert remote.get(route).status_code == 401
    assert token_client("settings:read").get(route).status_code == 403
    assert token_client("monitoring:read").get(route).status_code == 200


def test_an_unknown_part_is_404(api):
    assert api.get("/api/backups/elsewhere").status_code == 404
