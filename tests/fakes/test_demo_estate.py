"""What the estate of `make demo` has to show: protection and its gaps, agents, and the troubles of real places."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.fake_proxmox import FakeEstate, ManualClock, PbsSite, PbsSpec, PveSite, PveSpec, demo_estate
from tests.fake_proxmox.control import Control
from tests.fake_proxmox.site_pmg import MAIL_VERBS, PmgSite
from tests.fake_proxmox.sites import VERBS
from tests.fakes.raw import get, granted

MIDNIGHT = 1_767_225_600
DAY = 86_400
RIGHTS = (
    "Sys.Audit",
    "Datastore.Audit",
    "Datastore.Allocate",
    "VM.Audit",
    "VM.Monitor",
    "VM.GuestAgent.Audit",
)


@pytest.fixture(scope="module")
def demo() -> Iterator[FakeEstate]:
    """The demo at noon; its tests leave it as they found it."""
    with demo_estate(clock=ManualClock(), agent_delay_seconds=0, unauthorized_delay_seconds=0) as estate:
        yield estate


@pytest.fixture(scope="module")
def home(demo: FakeEstate) -> tuple[PveSite, dict[str, str]]:
    """The home lab, and the header of a token that may see all of it."""
    site = demo.site("homelab")
    return site, granted(site, *RIGHTS)


@pytest.fixture(scope="module")
def work(demo: FakeEstate) -> tuple[PveSite, dict[str, str]]:
    """The cluster, and the header of a token that may see all of it."""
    site = demo.site("production")
    return site, granted(site, *RIGHTS)


def _get(place: tuple[PveSite, dict[str, str]], path: str) -> Any:
    reply = get(place[0].first, path, place[1])
    assert reply.status == 200, reply.reason
    return reply.data


Place = tuple[PveSite, dict[str, str]]


def test_both_sites_put_their_backups_into_namespaces_of_one_server(
    demo: FakeEstate, home: Place, work: Place
) -> None:
    vault = demo.site("vault").first
    spaces = [row["ns"] for row in get(vault, "/admin/datastore/main/namespace").data]
    groups = {
        name: {row["backup-id"] for row in get(vault, f"/admin/datastore/main/groups?ns={name}").data}
        for name in ("homelab", "production")
    }

    assert spaces == ["", "homelab", "production", "tenant-01"]
    assert len(groups["homelab"]) == 14
    assert groups["homelab"] <= groups["production"]
    for place in (home, work):
        storage = next(row for row in _get(place, "/storage") if row["type"] == "pbs")
        assert f"https://{storage['server']}:{storage['port']}" == vault.url


def test_two_guests_of_the_cluster_were_never_backed_up(demo: FakeEstate, work: Place) -> None:
    uncovered = [row["vmid"] for row in _get(work, "/cluster/backup-info/not-backed-up")]
    groups = get(demo.site("vault").first, "/admin/datastore/main/groups?ns=production").data

    assert uncovered == [150, 151]
    assert not {"150", "151"} & {row["backup-id"] for row in groups}


def test_last_run_failed_on_one_node_warned_on_another_and_one_night_is_missing(work: Place) -> None:
    runs = {
        node: {
            row["starttime"]: row["status"]
            for row in _get(work, f"/nodes/{node}/tasks?typefilter=vzdump&limit=40")
            if row["starttime"] % DAY == 9_000
        }
        for node in ("pve-01", "pve-02", "pve-03")
    }

    last = MIDNIGHT + 9_000
    assert [runs[node][last] for node in runs] == ["job errors", "WARNINGS: 1", "OK"]
    assert [runs["pve-01"].get(last - number * DAY) for number in range(6)] == [
        "job errors", "job errors", "job errors", "OK", None, "OK",
    ]  # fmt: skip


def test_one_snapshot_is_bad_and_one_group_is_encrypted(demo: FakeEstate) -> None:
    vault = demo.site("vault").first
    snapshots = [
        row
        for space in ("", "homelab", "production")
        for row in get(vault, f"/admin/datastore/main/snapshots?ns={space}").data
    ]

    assert sum(row.get("verification", {}).get("state") == "failed" for row in snapshots) == 1
    assert {row["backup-id"] for row in snapshots if "fingerprint" in row} == {"laptop-anna"}


def test_sync_that_pushes_has_failed(demo: FakeEstate) -> None:
    site: PbsSite = demo.site("vault")
    header = granted(site, "Datastore.Audit", "Remote.Audit")

    jobs = {
        row["id"]: row["last-run-state"]
        for row in get(site.first, "/admin/sync?sync-direction=all", header).data
    }

    assert jobs == {"pull-offsite": "OK", "push-main": "connection error: timed out"}


def test_snapshots_of_guests_with_memory_without_and_broken(home: Place) -> None:
    found = {
        vmid: {
            row["name"]: row
            for row in _get(home, f"/nodes/pve/qemu/{vmid}/snapshot")
            if row["name"] != "current"
        }
        for vmid in (100, 101, 102, 103)
    }

    assert [found[vmid]["before-upgrade"]["vmstate"] for vmid in found] == [0, 1, 0, 1]
    assert found[103]["nightly"]["snapstate"] == "delete"


def test_agents_of_the_home_lab_show_every_kind_of_file_system_that_must_not_count(home: Place) -> None:
    kinds = {
        entry["type"]
        for vmid in (100, 101, 102, 104)
        for entry in _get(home, f"/nodes/pve/qemu/{vmid}/agent/get-fsinfo")["result"]
    }

    assert {"zfs", "overlay", "iso9660", "tmpfs", "erofs", "ufs"} <= kinds


def test_agents_of_the_cluster_are_ill_in_every_way(work: Place) -> None:
    site, header = work
    reasons = set()
    for guest in site.model.guests.values():
        if guest.kind == "qemu" and guest.started_at is not None and guest.node != "pve-04":
            reply = get(site.first, f"/nodes/{guest.node}/qemu/{guest.vmid}/agent/get-fsinfo", header)
            is_told = reply.status == 200 and "error" in reply.data["result"]
            reasons.add("error" if is_told else reply.reason.partition(" failed - ")[2][:11] or reply.reason)

    assert reasons == {
        "OK",
        "error",
        "Command gue",
        "got timeout",
        "QEMU guest agent is not running",
        "No QEMU guest agent configured",
    }


def test_pool_is_degraded_disk_is_worn_and_certificate_ends_soon(home: Place, work: Place) -> None:
    pools = {(row["name"], row["health"]) for row in _get(work, "/nodes/pve-02/disks/zfs")}
    wear = {row["devpath"]: row["wearout"] for row in _get(work, "/nodes/pve-02/disks/list")}
    ends_at = _get(home, "/nodes/pve/certificates/info")[1]["notafter"]

    assert pools == {("rpool", "DEGRADED")}
    assert wear["/dev/nvme1n1"] == 6
    assert ends_at == MIDNIGHT + 9 * DAY


def test_one_replication_fails_and_ceph_complains(work: Place) -> None:
    states = {
        row["id"]: row["fail_count"]
        for node in ("pve-01", "pve-02", "pve-03")
        for row in _get(work, f"/nodes/{node}/replication")
    }
    ceph = _get(work, "/cluster/ceph/status")

    assert sorted(states.values()) == [0, 0, 0, 7]
    assert (ceph["health"]["status"], ceph["osdmap"]["num_osds"], ceph["osdmap"]["num_up_osds"]) == (
        "HEALTH_WARN",
        16,
        11,
    )


def test_cluster_has_a_qdevice(work: Place) -> None:
    assert _get(work, "/cluster/config/qdevice")["State"] == "Connected"


def test_services_of_the_cluster_are_under_high_availability(work: Place) -> None:
    kinds = [row["type"] for row in _get(work, "/cluster/ha/status/current")]

    assert kinds.count("service") > 3
    assert kinds.count("lrm") == 4


def test_one_node_of_the_cluster_runs_an_older_release(work: Place) -> None:
    assert [_get(work, f"/nodes/pve-0{number}/version")["release"] for number in (1, 2, 3)] == [
        "8.4",
        "8.1",
        "8.4",
    ]


def test_dead_node_has_no_backup_since_it_died(demo: FakeEstate, work: Place) -> None:
    guests = [guest.vmid for guest in work[0].model.guests.values() if guest.node == "pve-04"]
    groups = get(demo.site("vault").first, "/admin/datastore/main/groups?ns=production").data

    newest = {int(row["backup-id"]): row["last-backup"] for row in groups}
    assert len(guests) == 5
    assert all(newest[vmid] < MIDNIGHT - 5 * 3_600 for vmid in guests)


def test_every_verb_of_the_control_channel_exists() -> None:
    sites = (PveSite, PbsSite, PmgSite)

    assert [verb for verb in VERBS | set(MAIL_VERBS) if not any(hasattr(site, verb) for site in sites)] == []


@pytest.mark.parametrize(
    ("site", "verb", "arguments"),
    [
        ("homelab", "set_agent", {"vmid": 100, "state": "ok"}),
        ("homelab", "set_filesystems", {"vmid": 100, "filesystems": None}),
        ("homelab", "set_notes", {"vmid": 105, "notes": ""}),
        (
            "homelab",
            "set_job",
            {"job_id": "backup-2f0d84b6-vault", "failing": {}, "missed_days": [], "exclude": []},
        ),
        ("production", "set_ceph", {"nodes": [], "is_idle": False}),
        ("production", "set_replication", {"vmid": 100, "comment": ""}),
        ("production", "set_disk", {"node": "pve-01", "path": "/dev/nvme0n1", "celsius": 34}),
        ("production", "set_pool_health", {"node": "pve-02", "pool": "rpool", "health": "DEGRADED"}),
        ("production", "set_node", {"node": "pve-01", "pending_updates": 3}),
        ("production", "set_storage", {"name": "pbs-vault", "nodes": [], "inactive_on": []}),
        ("vault", "add_namespace", {"datastore": "main", "namespace": "tenant-01"}),
        ("vault", "set_job", {"kind": "verify", "job_id": "v-archive", "status": "OK"}),
    ],
)
def test_verb_can_be_called_with_json(
    demo: FakeEstate, site: str, verb: str, arguments: dict[str, Any]
) -> None:
    control = Control(demo, 0)

    assert control._carry_out("POST /verb", {"verb": verb, "site": site, **arguments}) == {"result": None}


def test_verb_with_an_answer_gives_it_to_the_caller(demo: FakeEstate) -> None:
    control = Control(demo, 0)

    begun = control._carry_out(
        "POST /verb", {"verb": "start_task", "site": "vault", "type": "verify", "id": "main"}
    )
    control._carry_out("POST /verb", {"verb": "finish_task", "site": "vault", "upid": begun["result"]})

    assert begun["result"].startswith("UPID:vault:")
    assert get(demo.site("vault").first, "/nodes/localhost/tasks?running=1").data == []


def test_rights_of_a_token_can_be_changed_while_it_is_used(demo: FakeEstate) -> None:
    site = demo.site("homelab")
    token = site.add_token("changing", {"/": ["VM.Audit"]})
    header = {"Authorization": f"PVEAPIToken={token[0]}={token[1]}"}
    before = get(site.first, "/cluster/backup", header).status

    site.set_privileges(token[0], {"/": ["Sys.Audit"]})

    assert (before, get(site.first, "/cluster/backup", header).status) == (403, 200)
    assert get(site.first, "/access/permissions?path=/", header).data == {"/": {"Sys.Audit": 1}}
    site.revoke_token(token[0])


@pytest.mark.parametrize(
    ("asked", "status"), [("pulse@pve!monitor", 200), ("root@pam", 403), ("pulse@pve", 403)]
)
def test_permissions_of_others_need_a_right_on_access(demo: FakeEstate, asked: str, status: int) -> None:
    site = demo.site("homelab")
    token = site.add_token("asking", {"/vms": ["VM.Audit"]})
    header = {"Authorization": f"PVEAPIToken={token[0]}={token[1]}"}
    user = {"Authorization": f"PVEAPIToken={site.token_id}={site.token_value}"}

    own = user if status == 200 else header

    assert get(site.first, f"/access/permissions?userid={asked}", own).status == status
    site.revoke_token(token[0])


def test_large_specification_is_made_lazily() -> None:
    specs = (
        PveSpec(name="big", nodes=16, guests=10_000, backup_server="vault", backup_storages=4),
        PbsSpec(name="vault", groups=2_000, namespaces=30),
    )

    estate = FakeEstate(*specs, clock=ManualClock())

    site: PveSite = estate.site("big")
    assert len(site.model.guests) == 10_000
    assert site.backups._archives == {}
    assert estate.site("vault").contents._snapshots == {}
    assert all(node.disks is None for node in site.model.nodes.values())
