"""What lies in the datastores of a backup server, its jobs and its tasks."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import pytest
from jsonschema import Draft202012Validator

from tests.fake_proxmox import FakeEstate, FakeServer, PbsSpec, PveSpec
from tests.fake_proxmox.fixtures import virtual_estate
from tests.fakes.raw import get, granted, token_header
from tests.fakes.reference import reference, returned

MAIN = "/admin/datastore/main"
MIDNIGHT = 1_767_225_600
DAY = 86_400


def _snapshots(server: FakeServer, group: str, ns: str = "", store: str = "main") -> list[dict[str, Any]]:
    """The snapshots of a group, newest first."""
    kind, name = group.split("/")
    path = f"/admin/datastore/{store}/snapshots?ns={ns}&backup-type={kind}&backup-id={name}"
    return sorted(get(server, path).data, key=lambda row: -row["backup-time"])


def _group(server: FakeServer, name: str, ns: str = "") -> dict[str, Any]:
    rows = get(server, f"{MAIN}/groups?ns={ns}").data
    return next(row for row in rows if f"{row['backup-type']}/{row['backup-id']}" == name)


def _two_labs() -> FakeEstate:
    """A home lab and a cluster, whose guests have the same numbers, and the backup server of both."""
    return virtual_estate(
        PveSpec(name="home", guests=8, is_home_lab=True, backup_server="vault", backup_namespace="home"),
        PveSpec(name="work", nodes=2, guests=8, backup_server="vault", backup_namespace="sites/work"),
        PbsSpec(name="vault", groups=3, namespaces=0),
    )


def test_root_namespace_has_an_empty_name(fake_pbs: FakeServer) -> None:
    recorded = reference("recorded/pbs-exporter-node-inline/namespace.json")["data"]

    data = get(fake_pbs, MAIN + "/namespace").data

    assert data == [{"ns": ""}, {"ns": "tenant-01"}]
    assert recorded[0] == data[0]


def test_namespaces_of_pve_storages_are_there_with_those_above_them() -> None:
    with _two_labs() as estate:
        vault = estate.servers[-1]
        everything = [row["ns"] for row in get(vault, MAIN + "/namespace").data]
        shallow = [row["ns"] for row in get(vault, MAIN + "/namespace?max-depth=1").data]
        below = [row["ns"] for row in get(vault, MAIN + "/namespace?parent=sites").data]

    assert everything == ["", "home", "sites", "sites/work"]
    assert shallow == ["", "home", "sites"]
    assert below == ["sites", "sites/work"]


def test_groups_are_those_of_one_namespace_only(fake_pbs: FakeServer) -> None:
    root, tenant = (
        {f"{row['backup-type']}/{row['backup-id']}" for row in get(fake_pbs, f"{MAIN}/groups?ns={ns}").data}
        for ns in ("", "tenant-01")
    )

    assert root == {"host/laptop-anna", "vm/905", "vm/910"}
    assert tenant == {"ct/901", "host/nas", "vm/911"}


def test_guests_of_two_sites_with_the_same_number_lie_apart() -> None:
    with _two_labs() as estate:
        home, work = (
            get(estate.servers[-1], f"{MAIN}/groups?ns={namespace}").data
            for namespace in ("home", "sites/work")
        )

    numbers = [str(number) for number in range(100, 108)]
    assert sorted(row["backup-id"] for row in home) == sorted(row["backup-id"] for row in work) == numbers
    assert {row["owner"] for row in home} == {"home@pbs!pve"}
    assert {row["owner"] for row in work} == {"work@pbs!pve"}
    assert {row["comment"] for row in home}.isdisjoint({row["comment"] for row in work})


def test_backup_server_and_pve_storage_tell_the_same_backups() -> None:
    with _two_labs() as estate:
        home, vault = estate.site("home"), estate.servers[-1]
        estate.site("vault").set_verification("main", "ct", "105", "failed", namespace="home")
        header = granted(home, "Datastore.Audit", "Datastore.Allocate")
        volumes = get(home.first, "/nodes/home/storage/pbs-vault/content?content=backup", header).data
        snapshots = get(vault, MAIN + "/snapshots?ns=home").data

    there = {(row["vmid"], row["ctime"], row.get("verification", {}).get("state")) for row in volumes}
    here = {
        (int(row["backup-id"]), row["backup-time"], row.get("verification", {}).get("state"))
        for row in snapshots
    }
    assert there == here
    assert len(here) == 56
    assert [row[0] for row in here if row[2] == "failed"] == [105]


def test_migrated_guest_keeps_its_group() -> None:
    with _two_labs() as estate:
        vault = estate.servers[-1]
        before = get(vault, MAIN + "/snapshots?ns=sites/work").text
        estate.site("work").migrate_guest(100, "pve-02")
        after = get(vault, MAIN + "/snapshots?ns=sites/work").text

    assert before == after


def test_files_of_a_snapshot_are_objects_with_their_encryption(fake_pbs: FakeServer) -> None:
    encrypted, plain = _snapshots(fake_pbs, "host/laptop-anna")[0], _snapshots(fake_pbs, "vm/905")[0]

    assert [(file["filename"], file["crypt-mode"]) for file in encrypted["files"]] == [
        ("catalog.pcat1.didx", "encrypt"),
        ("root.pxar.didx", "encrypt"),
        ("index.json.blob", "sign-only"),
    ]
    assert encrypted["fingerprint"].startswith("64:d3:ff:3a:")
    assert {file["crypt-mode"] for file in plain["files"]} == {"none"}
    assert "fingerprint" not in plain


def test_files_of_a_group_are_names(fake_pbs: FakeServer) -> None:
    assert _group(fake_pbs, "host/laptop-anna")["files"] == [
        "catalog.pcat1.didx",
        "root.pxar.didx",
        "index.json.blob",
    ]


def test_snapshot_has_the_keys_of_a_recorded_one(fake_pbs: FakeServer) -> None:
    recorded = reference("recorded/pbs-exporter-node-inline/snapshotsRoot.json")["data"][-1]

    row = _snapshots(fake_pbs, "vm/905")[0]

    assert set(recorded) <= set(row)
    assert set(row) - set(recorded) == {"protected", "owner", "files", "size"}


def test_group_has_the_keys_of_an_example(fake_pbs: FakeServer) -> None:
    example = reference("recorded/pbs-exporter-rs/admin-datastore-backup-groups.json")[0]["json"]["data"][0]

    assert set(example) <= set(_group(fake_pbs, "vm/905"))


def test_snapshots_of_the_last_night_are_verified_in_the_morning(fake_pbs: FakeServer) -> None:
    newest = _snapshots(fake_pbs, "vm/905")[0]
    fake_pbs.clock.advance(10 * 3_600)
    unverified = _snapshots(fake_pbs, "vm/905")[0]

    assert newest["backup-time"] == 1_767_217_756
    assert newest["verification"]["state"] == "ok"
    assert unverified["backup-time"] == 1_767_217_756 + DAY
    assert "verification" not in unverified


def test_specification_can_have_a_bad_snapshot() -> None:
    with virtual_estate(PbsSpec(verification_failures=1)) as estate:
        data = get(estate.servers[0], MAIN + "/snapshots").data
        job = get(estate.servers[0], "/admin/verify?store=main").data[0]

    failed = [row for row in data if row.get("verification", {}).get("state") == "failed"]
    assert [(row["backup-id"], row["backup-time"] // DAY) for row in failed] == [
        ("laptop-anna", MIDNIGHT // DAY - 2)
    ]
    assert job["last-run-state"] == "verification failed - please check the log for details"


def test_unfinished_snapshot_has_no_size_and_does_not_count(fake_pbs: FakeServer) -> None:
    site = fake_pbs.site
    at = site.add_backup("main", "vm", "100", is_finished=False)

    row, group = _snapshots(fake_pbs, "vm/100")[0], _group(fake_pbs, "vm/100")

    assert row["backup-time"] == at == 1_767_268_740
    assert "size" not in row
    assert row["files"] == [{"filename": "qemu-server.conf.blob"}]
    assert (group["last-backup"], group["backup-count"], group["files"]) == (0, 0, [])


def test_snapshot_that_was_added_has_its_facts(fake_pbs: FakeServer) -> None:
    fake_pbs.site.add_backup(
        "main", "ct", "700", namespace="a/b", size=5, owner="x@pbs", comment="mine", is_protected=True
    )

    row = _snapshots(fake_pbs, "ct/700", "a/b")[0]

    assert (row["size"], row["owner"], row["comment"], row["protected"]) == (5, "x@pbs", "mine", True)
    assert [each["ns"] for each in get(fake_pbs, MAIN + "/namespace").data] == ["", "a", "a/b", "tenant-01"]


def test_snapshots_can_be_removed_one_by_one_or_all(fake_pbs: FakeServer) -> None:
    newest = _snapshots(fake_pbs, "vm/905")[0]["backup-time"]

    one = fake_pbs.site.remove_backup("main", "vm", "905", at=newest)
    left = len(_snapshots(fake_pbs, "vm/905"))
    rest = fake_pbs.site.remove_backup("main", "vm", "905")

    assert (one, left, rest) == (1, 6, 6)
    assert {row["backup-id"] for row in get(fake_pbs, MAIN + "/groups").data} == {"laptop-anna", "910"}


def test_verification_can_be_set(fake_pbs: FakeServer) -> None:
    at = fake_pbs.site.set_verification("main", "vm", "905", "failed")
    failed = _snapshots(fake_pbs, "vm/905")
    fake_pbs.site.set_verification("main", "vm", "905", "", at=at)
    never = _snapshots(fake_pbs, "vm/905")

    assert [row["verification"]["state"] for row in failed[:2]] == ["failed", "ok"]
    assert "verification" not in never[0]


def test_owner_with_the_right_to_back_up_sees_its_own_groups(fake_pbs: FakeServer) -> None:
    site = fake_pbs.site
    token = site.add_token("client", {"/datastore/main": ["Datastore.Backup"]})
    site.add_backup("main", "host", "mine", owner=token[0])

    data = get(fake_pbs, MAIN + "/groups", token_header(fake_pbs, *token)).data

    assert [row["backup-id"] for row in data] == ["mine"]


def test_right_on_one_namespace_opens_that_one(fake_pbs: FakeServer) -> None:
    header = granted(fake_pbs.site, "Datastore.Audit", path="/datastore/main/tenant-01")

    assert [row["ns"] for row in get(fake_pbs, MAIN + "/namespace", header).data] == ["tenant-01"]
    assert get(fake_pbs, MAIN + "/groups?ns=tenant-01", header).status == 200
    refusal = get(fake_pbs, MAIN + "/groups", header)
    assert (refusal.status, refusal.text) == (403, "permission check failed")


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("/admin/datastore/nope/groups", "no such datastore 'nope'"),
        (MAIN + "/snapshots?ns=nope", "namespace 'nope' not found in datastore 'main'"),
        (
            "/admin/datastore/archive/groups",
            "datastore 'archive' is unavailable: offline maintenance mode: new disks",
        ),
        ("/admin/datastore/offsite/snapshots", "datastore 'offsite' is not mounted"),
    ],
)
def test_what_cannot_be_read_is_a_400_with_plain_text(fake_pbs: FakeServer, path: str, text: str) -> None:
    fake_pbs.site.set_datastore("archive", maintenance='type=offline,message="new disks"')
    fake_pbs.site.set_datastore("offsite", mount_status="notmounted")

    reply = get(fake_pbs, path)

    assert (reply.status, reply.text) == (400, text)
    assert reply.headers["content-type"] == "application/json"


def test_verbose_status_counts_groups_of_all_namespaces(fake_pbs: FakeServer) -> None:
    plain, verbose = get(fake_pbs, MAIN + "/status").data, get(fake_pbs, MAIN + "/status?verbose=1").data

    assert set(plain) == {"total", "used", "avail"}
    assert verbose["counts"] == {
        "ct": {"groups": 1, "snapshots": 7},
        "host": {"groups": 2, "snapshots": 14},
        "vm": {"groups": 3, "snapshots": 21},
    }


@pytest.mark.parametrize(("version", "status"), [("3.1", 404), ("3.2", 200), ("3.4", 200), ("4.2", 200)])
def test_garbage_collection_of_all_stores_came_with_3_2(version: str, status: int) -> None:
    with virtual_estate(PbsSpec(version=version)) as estate:
        reply = get(estate.servers[0], "/admin/gc")
        one = get(estate.servers[0], MAIN + "/gc")

    assert reply.status == status
    assert one.status == 200
    if status == 404:
        assert reply.text == "Path '/admin/gc' not found."


def test_garbage_collection_tells_its_last_run(fake_pbs: FakeServer) -> None:
    row = get(fake_pbs, MAIN + "/gc").data

    assert (row["store"], row["schedule"], row["last-run-state"], row["duration"]) == (
        "main",
        "03:15",
        "OK",
        1_260,
    )
    assert row["last-run-endtime"] == MIDNIGHT + 11_700 + 1_260
    assert row["next-run"] == MIDNIGHT + DAY + 11_700
    assert row["index-data-bytes"] > row["disk-bytes"]
    assert [entry["store"] for entry in get(fake_pbs, "/admin/gc").data] == ["main", "archive", "offsite"]


def test_removed_datastore_takes_its_jobs_along(fake_pbs: FakeServer) -> None:
    fake_pbs.site.remove_datastore("archive")

    stores = [[row["store"] for row in get(fake_pbs, path).data] for path in ("/admin/gc", "/admin/verify")]

    assert stores == [["main", "offsite"], ["main", "offsite"]]


def test_job_that_runs_has_no_state_and_one_that_never_ran_tells_nothing(fake_pbs: FakeServer) -> None:
    fake_pbs.site.set_job("verify", "v-main", is_running=True)
    fake_pbs.site.set_job("verify", "v-archive", has_run=False)

    runs = [{key for key in row if key.startswith("last-run")} for row in get(fake_pbs, "/admin/verify").data]

    assert runs == [
        {"last-run-upid"},
        set(),
        {"last-run-upid", "last-run-state", "last-run-endtime"},
    ]


def test_job_can_fail_be_added_and_be_removed(fake_pbs: FakeServer) -> None:
    site = fake_pbs.site
    site.set_job("prune", "s-main", status="could not lock datastore")
    site.set_job("prune", "extra", store="archive", schedule="sat 04:00", options={"keep-last": 3})
    site.remove_job("prune", "s-offsite")

    rows = {row["id"]: row for row in get(fake_pbs, "/admin/prune").data}

    assert set(rows) == {"s-main", "s-archive", "extra"}
    assert rows["s-main"]["last-run-state"] == "could not lock datastore"
    assert (rows["extra"]["keep-last"], rows["extra"]["next-run"]) == (3, MIDNIGHT + 2 * DAY + 14_400)


@pytest.mark.parametrize(
    ("query", "jobs"),
    [
        ("", ["pull-offsite"]),
        ("?sync-direction=pull", ["pull-offsite"]),
        ("?sync-direction=push", ["push-main"]),
        ("?sync-direction=all", ["pull-offsite", "push-main"]),
        ("?sync-direction=all&store=main", ["push-main"]),
    ],
)
def test_sync_jobs_that_push_are_told_if_asked_for(fake_pbs: FakeServer, query: str, jobs: list[str]) -> None:
    header = granted(fake_pbs.site, "Datastore.Audit", "Remote.Audit")

    assert [row["id"] for row in get(fake_pbs, "/admin/sync" + query, header).data] == jobs


def test_auditor_without_a_right_on_remotes_sees_no_sync_job(fake_pbs: FakeServer) -> None:
    reply = get(fake_pbs, "/admin/sync?sync-direction=all")

    assert (reply.status, reply.data) == (200, [])


def test_direction_of_sync_is_an_unknown_parameter_before_3_3() -> None:
    with virtual_estate(PbsSpec(version="3.2")) as estate:
        reply = get(estate.servers[0], "/admin/sync?sync-direction=all")

    assert reply.status == 400
    assert reply.text.startswith("parameter verification failed - 'sync-direction':")


def test_task_names_have_one_field_more_and_an_escaped_id(fake_pbs: FakeServer) -> None:
    row = get(fake_pbs, "/nodes/localhost/tasks?typefilter=verificationjob&store=main").data[0]

    assert row["worker_id"] == "main:v-main"
    assert row["upid"].split(":")[6:] == ["verificationjob", "main\\x3av\\x2dmain", "root@pam", ""]
    assert row["upid"].count(":") == 9
    assert int(row["upid"].split(":")[5], 16) == row["starttime"]


def test_filter_by_type_takes_parts_of_words(fake_pbs: FakeServer) -> None:
    def kinds(query: str) -> set[str]:
        return {row["worker_type"] for row in get(fake_pbs, f"/nodes/localhost/tasks?limit=0&{query}").data}

    assert kinds("typefilter=verif") == {"verificationjob"}
    assert kinds("typefilter=job") == {"verificationjob", "prunejob", "syncjob"}
    assert kinds("typefilter=backup") == {"backup"}


def test_tasks_can_be_limited_and_counted(fake_pbs: FakeServer) -> None:
    first = get(fake_pbs, "/nodes/localhost/tasks")
    everything = get(fake_pbs, "/nodes/localhost/tasks?limit=0")

    assert len(first.data) == 50
    assert f'"total":{len(everything.data)}' in first.text
    assert len(everything.data) > 60


def test_running_and_failed_tasks_are_found(fake_pbs: FakeServer) -> None:
    site = fake_pbs.site
    upid = site.start_task("syncjob", "main:x", user="pulse@pbs!monitor")
    running = get(fake_pbs, "/nodes/localhost/tasks?running=1").data
    site.fail_task(upid, "connection refused", log=["first"])
    failed = get(fake_pbs, "/nodes/localhost/tasks?errors=1").data
    path = "/nodes/localhost/tasks/" + quote(upid, safe="")

    assert [(row["upid"], "status" in row) for row in running] == [(upid, False)]
    assert [(row["upid"], row["status"]) for row in failed] == [(upid, "connection refused")]
    status = get(fake_pbs, path + "/status").data
    assert (status["status"], status["exitstatus"]) == ("stopped", "connection refused")
    assert (status["user"], status["tokenid"]) == ("pulse@pbs", "monitor")
    assert [line["t"] for line in get(fake_pbs, path + "/log").data] == [
        "first",
        "TASK ERROR: connection refused",
    ]


def test_caller_without_rights_sees_its_own_tasks_only(fake_pbs: FakeServer) -> None:
    token = fake_pbs.site.add_token("client", {})
    own = fake_pbs.site.start_task("backup", "main:host/x", user=token[0])

    data = get(fake_pbs, "/nodes/localhost/tasks", token_header(fake_pbs, *token)).data

    assert [row["upid"] for row in data] == [own]


def test_backups_of_the_last_days_are_tasks(fake_pbs: FakeServer) -> None:
    data = get(fake_pbs, "/nodes/localhost/tasks?typefilter=backup&limit=0").data

    names = {row["worker_id"] for row in data}
    assert len(names) == 12
    assert {"main:host/laptop-anna", "main:tenant-01:vm/911"} <= names


def test_certificate_needs_more_than_an_auditor(fake_pbs: FakeServer) -> None:
    refusal = get(fake_pbs, "/nodes/localhost/certificates/info")
    row = get(fake_pbs, "/nodes/localhost/certificates/info", granted(fake_pbs.site, "Sys.Modify")).data[0]

    assert refusal.status == 403
    assert row["fingerprint"].replace(":", "") == fake_pbs.fingerprint
    assert row["notafter"] == MIDNIGHT + 700 * DAY


def test_there_is_no_subscription(fake_pbs: FakeServer) -> None:
    recorded = reference("recorded/pbs-exporter-node-inline/subscriptionNotFound.json")["data"]

    data = get(fake_pbs, "/nodes/localhost/subscription").data

    assert (data["status"], recorded["status"]) == ("notfound", "notfound")
    assert set(recorded) <= set(data)


def test_clock_of_the_host_can_be_wrong(fake_pbs: FakeServer) -> None:
    right = get(fake_pbs, "/nodes/localhost/time").data["time"]
    fake_pbs.faults.add("clock", seconds=600)

    assert get(fake_pbs, "/nodes/localhost/time").data["time"] == right + 600


def test_permissions_list_what_the_token_may(fake_pbs: FakeServer) -> None:
    header = granted(fake_pbs.site, "Datastore.Audit", path="/datastore/main")

    assert get(fake_pbs, "/access/permissions", header).data == {"/datastore/main": {"Datastore.Audit": True}}
    assert get(fake_pbs, "/access/permissions").data == {"/": {"Datastore.Audit": True, "Sys.Audit": True}}


def test_specification_says_how_many_groups_and_namespaces_there_are() -> None:
    spec = PbsSpec(datastores=2, groups=100, namespaces=8, backups_per_group=3)
    with virtual_estate(spec) as estate:
        vault = estate.servers[0]
        places = [
            (store, row["ns"])
            for store in ("main", "archive")
            for row in get(vault, f"/admin/datastore/{store}/namespace").data
        ]
        groups = [
            row["backup-count"]
            for store, ns in places
            for row in get(vault, f"/admin/datastore/{store}/groups?ns={ns}").data
        ]

    assert len(places) == 10
    assert groups == [3] * 100


DISKS = "/nodes/localhost/disks/"


def test_disks_of_a_backup_server_tell_status_and_wear_with_smart_alone(fake_pbs: FakeServer) -> None:
    fake_pbs.site.set_disk("vault", "/dev/sda", health="FAILED!", kind="ssd", wearout="3")

    told = {row["devpath"]: row for row in get(fake_pbs, DISKS + "list").data}
    skipped = get(fake_pbs, DISKS + "list?skipsmart=1").data

    assert sorted(told) == ["/dev/nvme0n1", "/dev/nvme1n1", "/dev/sda", "/dev/sdb", "/dev/sdc", "/dev/sdd"]
    assert [told["/dev/sda"][key] for key in ("name", "disk-type", "status", "wearout")] == ["sda", "ssd", "failed", 3.0]  # fmt: skip
    assert {(row["status"], "wearout" in row) for row in skipped} == {("unknown", False)}


def test_smart_of_a_backup_server_names_the_figures_of_nvme(fake_pbs: FakeServer) -> None:
    fake_pbs.site.set_disk("vault", "/dev/nvme0n1", celsius=44, wearout=90)
    schema = returned(reference("schema/pbs-4.json"), "/nodes/{node}/disks/smart", product="pbs")

    data = get(fake_pbs, DISKS + "smart?disk=nvme0n1").data

    assert list(Draft202012Validator(schema).iter_errors(data)) == []
    raw = {row["name"]: row["raw"] for row in data["attributes"]}
    assert (data["wearout"], raw["temperature"], raw["percentage_used"]) == (90.0, "44", "10")


@pytest.mark.parametrize("disk", ["/dev/sda", "sdz", "sda1", ""])
def test_disk_that_a_backup_server_does_not_have_is_a_400(disk: str, fake_pbs: FakeServer) -> None:
    assert get(fake_pbs, f"{DISKS}smart?disk={quote(disk, safe='')}").status == 400


def test_disks_of_a_backup_server_need_a_right_of_their_own(fake_pbs: FakeServer) -> None:
    other = granted(fake_pbs.site, "Sys.Audit", path="/system/status")
    own = granted(fake_pbs.site, "Sys.Audit", path="/system/disks")

    assert [get(fake_pbs, DISKS + call, other).status for call in ("list", "zfs", "smart?disk=sda")] == [403, 403, 403]  # fmt: skip
    assert [get(fake_pbs, DISKS + call, own).status for call in ("list", "zfs", "smart?disk=sda")] == [200, 200, 200]  # fmt: skip


def test_pool_of_a_backup_server_can_be_degraded(fake_pbs: FakeServer) -> None:
    fake_pbs.site.set_pool_health("vault", "backup", "DEGRADED")

    pools = {row["name"]: row["health"] for row in get(fake_pbs, DISKS + "zfs").data}

    assert pools == {"rpool": "ONLINE", "backup": "DEGRADED"}
