"""Storages, what lies in them, and the jobs that put it there."""

from __future__ import annotations

from typing import Any

import pytest

from tests.fake_proxmox import FakeServer, PbsSpec, PveSite, PveSpec
from tests.fake_proxmox.fixtures import virtual_estate
from tests.fakes.raw import get, granted
from tests.fakes.reference import reference

NIGHTLY = "backup-7a31c9e0-nightly"
CONTENT = "/nodes/pve/storage/nas-backup/content?content=backup"
#: 2026-01-01 00:00:00 UTC; tests happen at noon of that day.
MIDNIGHT = 1_767_225_600
DAY = 86_400


def _backups(server: FakeServer, vmid: int, path: str = CONTENT) -> list[dict[str, Any]]:
    """The backups of a guest, newest first, as one sees them who may."""
    data = get(
        server, f"{path}&vmid={vmid}", granted(server.site, "Datastore.Audit", "Datastore.Allocate")
    ).data
    return sorted(data, key=lambda row: -row["ctime"])


def test_auditor_sees_an_empty_list_of_backups_with_status_200(fake_pve: FakeServer) -> None:
    reply = get(fake_pve, CONTENT)

    assert (reply.status, reply.data) == (200, [])


@pytest.mark.parametrize(
    ("privileges", "status", "count"),
    [
        (("Datastore.Audit", "Datastore.Allocate"), 200, 98),
        (("Datastore.AllocateSpace", "VM.Backup"), 200, 98),
        (("Datastore.AllocateSpace",), 200, 0),
        (("Datastore.Audit", "VM.Backup"), 200, 0),
        (("VM.Audit",), 403, None),
    ],
)
def test_backups_are_shown_to_those_who_may_use_them(
    fake_pve: FakeServer, privileges: tuple[str, ...], status: int, count: int | None
) -> None:
    reply = get(fake_pve, CONTENT, granted(fake_pve.site, *privileges))

    assert reply.status == status
    assert (len(reply.data) if reply.data is not None else None) == count


def test_right_on_one_guest_shows_the_backups_of_that_guest(fake_pve: FakeServer) -> None:
    token = fake_pve.site.add_token(
        "one", {"/storage/nas-backup": ["Datastore.AllocateSpace"], "/vms/105": ["VM.Backup"]}
    )
    header = {"Authorization": f"PVEAPIToken={token[0]}={token[1]}"}

    assert {row["vmid"] for row in get(fake_pve, CONTENT, header).data} == {105}


def test_refusal_of_a_storage_names_both_privileges(fake_pve: FakeServer) -> None:
    reply = get(fake_pve, CONTENT, granted(fake_pve.site))

    assert (
        reply.reason
        == "Permission check failed (/storage/nas-backup, Datastore.Audit|Datastore.AllocateSpace)"
    )


def test_backup_of_a_machine_has_the_keys_of_a_recorded_one(fake_pve: FakeServer) -> None:
    exchanges = reference("recorded/fog-proxmox-pve6/nodes-pve-storage-content.json")
    recorded = next(row for each in exchanges for row in each["json"]["data"] if row["content"] == "backup")

    row = _backups(fake_pve, 105)[0]

    assert set(row) - set(recorded) == {"notes", "subtype"}
    assert set(recorded) <= set(row)
    assert row["volid"].startswith("nas-backup:backup/vzdump-lxc-105-2026_01_01-0")
    assert (row["format"], row["notes"], row["subtype"]) == ("tar.zst", "pihole", "lxc")


def test_seven_backups_are_kept_one_a_night(fake_pve: FakeServer) -> None:
    times = [row["ctime"] for row in _backups(fake_pve, 100)]

    assert len(times) == 7
    assert [times[0] - time for time in times] == [number * DAY for number in range(7)]
    assert MIDNIGHT + 9_000 < times[0] < MIDNIGHT + 9_000 + 5_500


def test_next_night_brings_a_backup_and_takes_the_oldest(fake_pve: FakeServer) -> None:
    before = [row["volid"] for row in _backups(fake_pve, 100)]
    fake_pve.clock.advance(DAY)
    after = [row["volid"] for row in _backups(fake_pve, 100)]

    assert len(after) == 7
    assert after[1:] == before[:6]


def test_storage_of_a_node_shows_only_the_backups_made_there(fake_cluster: PveSite) -> None:
    header = granted(fake_cluster, "Datastore.Allocate", "Datastore.Audit")
    fake_cluster.set_job("local", storage="local", schedule="01:00", created_at=0)

    for node, vmids in (("pve-01", {100, 103, 106, 109}), ("pve-02", {101, 104, 107, 110})):
        data = get(fake_cluster.first, f"/nodes/{node}/storage/local/content?content=backup", header).data
        assert {row["vmid"] for row in data} == vmids


def test_shared_storage_shows_the_same_on_every_node(fake_cluster: PveSite) -> None:
    header = granted(fake_cluster, "Datastore.Allocate", "Datastore.Audit")

    answers = {
        get(fake_cluster.first, f"/nodes/pve-0{number}/storage/pbs-vault/content?content=backup", header).text
        for number in (1, 2, 3)
    }

    assert len(answers) == 1


def test_backup_that_was_added_is_there_with_its_facts(fake_pve: FakeServer) -> None:
    at = fake_pve.site.add_backup(103, "local", size=4_711, notes="by hand\nsecond line", is_protected=True)

    row = _backups(fake_pve, 103, "/nodes/pve/storage/local/content?content=backup")[0]

    assert at == 1_767_268_740
    assert (row["ctime"], row["size"], row["notes"], row["protected"]) == (at, 4_711, "by hand", 1)
    assert row["volid"] == "local:backup/vzdump-qemu-103-2026_01_01-11_59_00.vma.zst"


def test_backup_that_was_removed_is_gone(fake_pve: FakeServer) -> None:
    before = [row["ctime"] for row in _backups(fake_pve, 100)]

    gone = fake_pve.site.remove_backup(100, "nas-backup")

    assert gone == 1
    assert [row["ctime"] for row in _backups(fake_pve, 100)] == before[1:]


def test_backup_can_be_protected_later(fake_pve: FakeServer) -> None:
    newest = _backups(fake_pve, 100)[0]
    fake_pve.site.change_backup(100, "nas-backup", newest["ctime"], is_protected=True)

    assert [row.get("protected") for row in _backups(fake_pve, 100)[:2]] == [1, None]
    assert "protected" not in newest


def test_backups_of_a_removed_guest_stay(fake_pve: FakeServer) -> None:
    before = _backups(fake_pve, 105)
    fake_pve.site.remove_guest(105)
    fake_pve.clock.advance(3 * DAY)

    assert [row["volid"] for row in _backups(fake_pve, 105)] == [row["volid"] for row in before]


def test_number_that_is_used_again_has_the_backups_of_both_guests(fake_pve: FakeServer) -> None:
    fake_pve.site.remove_guest(105)
    fake_pve.site.add_guest(105, "successor", "lxc")
    fake_pve.clock.advance(DAY)

    own = [row["notes"] for row in _backups(fake_pve, 105)]
    header = granted(fake_pve.site, "Datastore.Audit", "Datastore.Allocate")
    everything = [row for row in get(fake_pve, CONTENT, header).data if row["vmid"] == 105]

    assert own == ["successor", *["pihole"] * 7]
    assert len(everything) == 8


def test_new_guest_has_no_backup_before_its_first_night(fake_pve: FakeServer) -> None:
    fake_pve.site.add_guest(200, "new")
    before = len(_backups(fake_pve, 200))
    fake_pve.clock.advance(DAY)

    assert (before, len(_backups(fake_pve, 200))) == (0, 1)


def test_node_that_is_off_makes_no_backups(fake_cluster: PveSite) -> None:
    path = "/nodes/pve-01/storage/pbs-vault/content?content=backup"
    before = [row["ctime"] for row in _backups(fake_cluster.first, 104, path)]
    fake_cluster.kill_node("pve-02")
    fake_cluster.clock.advance(2 * DAY)
    off = [row["ctime"] for row in _backups(fake_cluster.first, 104, path)]
    fake_cluster.revive_node("pve-02")
    fake_cluster.clock.advance(DAY)
    after = [row["ctime"] for row in _backups(fake_cluster.first, 104, path)]

    assert off == before
    assert after[0] - after[1] == 3 * DAY


def test_volume_of_a_backup_server_tells_encryption_verification_and_what_is_unfinished(
    fake_cluster: PveSite,
) -> None:
    fake_cluster.add_backup(
        101, "pbs-vault", at=MIDNIGHT, verification="failed", fingerprint="64:d3", is_protected=True
    )
    fake_cluster.add_backup(101, "pbs-vault", at=MIDNIGHT + 40_000, is_finished=False)

    found = _backups(fake_cluster.first, 101, "/nodes/pve-01/storage/pbs-vault/content?content=backup")

    named = {row["volid"]: row for row in found}
    known = named["pbs-vault:backup/ct/101/2026-01-01T00:00:00Z"]
    assert (known["format"], known["encrypted"], known["protected"]) == ("pbs-ct", "64:d3", 1)
    assert known["verification"]["state"] == "failed"
    assert found[0]["size"] == 1


def test_images_need_the_right_to_change_disks(fake_pve: FakeServer) -> None:
    path = "/nodes/pve/storage/local-zfs/content?content=images&vmid=100"

    assert get(fake_pve, path).data == []
    data = get(fake_pve, path, granted(fake_pve.site, "Datastore.Audit", "VM.Config.Disk")).data
    assert [(row["volid"], row["size"]) for row in data] == [("local-zfs:vm-100-disk-0", 32 * 2**30)]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"is_disabled": True}, "storage 'nas-backup' is disabled"),
        ({"inactive_on": ["pve"]}, "storage 'nas-backup' is not online"),
        ({"nodes": ["other"]}, "storage 'nas-backup' is not available on node 'pve'"),
    ],
)
def test_storage_that_cannot_be_read_is_a_500(
    fake_pve: FakeServer, change: dict[str, Any], reason: str
) -> None:
    fake_pve.site.set_storage("nas-backup", **change)

    reply = get(fake_pve, CONTENT)

    assert (reply.status, reply.reason) == (500, reason)


def test_storage_that_does_not_exist_is_a_500(fake_pve: FakeServer) -> None:
    reply = get(fake_pve, "/nodes/pve/storage/nope/content")

    assert (reply.status, reply.reason) == (500, "storage 'nope' does not exist")


def test_storages_of_a_node_have_the_keys_of_recorded_ones(fake_pve: FakeServer) -> None:
    recorded = reference("recorded/fog-proxmox-pve6/node-storage.json")[0]["json"]["data"][0]

    data = get(fake_pve, "/nodes/pve/storage").data

    assert {frozenset(row) for row in data} == {frozenset(recorded)}
    assert [row["storage"] for row in data] == ["local", "local-zfs", "nas-backup"]
    assert data[0]["used"] + data[0]["avail"] < data[0]["total"]


def test_disabled_and_inactive_storages_differ(fake_pve: FakeServer) -> None:
    fake_pve.site.set_storage("local-zfs", is_disabled=True)
    fake_pve.site.set_storage("nas-backup", inactive_on=["pve"])

    everything = get(fake_pve, "/nodes/pve/storage").data
    enabled = get(fake_pve, "/nodes/pve/storage?enabled=1").data

    assert [(row["storage"], row["enabled"], row["active"]) for row in everything] == [
        ("local", 1, 1),
        ("local-zfs", 0, 0),
        ("nas-backup", 1, 0),
    ]
    assert (everything[2]["total"], "used_fraction" in everything[2]) == (0, False)
    assert [row["storage"] for row in enabled] == ["local", "nas-backup"]
    listed = {row["storage"] for row in get(fake_pve, "/cluster/resources?type=storage").data}
    assert listed == {"local", "nas-backup"}


def test_content_parameter_leaves_the_storages_that_hold_it(fake_pve: FakeServer) -> None:
    data = get(fake_pve, "/nodes/pve/storage?content=backup").data

    assert [row["storage"] for row in data] == ["local", "nas-backup"]


@pytest.mark.parametrize("path", ["/storage", "/nodes/pve/storage"])
def test_storages_that_may_not_be_seen_are_left_out(fake_pve: FakeServer, path: str) -> None:
    one = granted(fake_pve.site, "Datastore.AllocateSpace", path="/storage/local")

    assert [row["storage"] for row in get(fake_pve, path, one).data] == ["local"]
    assert get(fake_pve, path, granted(fake_pve.site)).data == []


def test_configuration_has_the_keys_of_recorded_storages(fake_cluster: PveSite) -> None:
    recorded = reference("recorded/proxmox-go-sdk-pve9/storage.json")[0]["json"]["data"]

    own = {row["storage"]: set(row) for row in get(fake_cluster.first, "/storage").data}

    for row in recorded:
        assert own[row["storage"]] == set(row)


def test_storage_of_a_backup_server_names_where_it_listens() -> None:
    spec = PveSpec(name="lab", backup_server="vault", backup_namespace="lab")
    with virtual_estate(spec, PbsSpec(name="vault")) as estate:
        vault = estate.servers[1]
        row = next(row for row in get(estate.servers[0], "/storage").data if row["type"] == "pbs")

    assert (row["server"], row["port"]) == ("127.0.0.1", vault.port)
    assert (row["datastore"], row["namespace"], row["username"]) == ("main", "lab", "lab@pbs!pve")
    assert row["fingerprint"].replace(":", "") == vault.fingerprint


def test_jobs_tell_when_they_run_next_and_nothing_of_the_last_run(fake_cluster: PveSite) -> None:
    jobs = {row["id"]: row for row in get(fake_cluster.first, "/cluster/backup").data}

    nightly, old = jobs[NIGHTLY], jobs["backup-e4f1aa02-old"]
    assert (nightly["storage"], nightly["schedule"], nightly["all"]) == ("pbs-vault", "02:30", 1)
    assert nightly["next-run"] == MIDNIGHT + DAY + 9_000
    assert "enabled" not in nightly
    assert (old["enabled"], "next-run" in old) == (0, False)
    assert jobs["backup-51cc07de-databases"]["pool"] == "databases"


def test_job_of_one_day_of_the_week_runs_on_that_day(fake_pve: FakeServer) -> None:
    fake_pve.site.set_job("weekly", storage="local", schedule="sun 04:00", vmids=[105], created_at=0)

    job = next(row for row in get(fake_pve, "/cluster/backup").data if row["id"] == "weekly")
    times = [
        row["ctime"] for row in _backups(fake_pve, 105, "/nodes/pve/storage/local/content?content=backup")
    ]

    # 2026-01-01 is a Thursday.
    assert job["next-run"] == MIDNIGHT + 3 * DAY + 14_400
    assert job["vmid"] == "105"
    assert MIDNIGHT - 4 * DAY + 14_400 < times[0] < MIDNIGHT - 4 * DAY + 20_000
    assert times[0] - times[1] == 7 * DAY


def test_new_job_leaves_nothing_behind_before_it_was_made(fake_pve: FakeServer) -> None:
    fake_pve.site.set_job("new", storage="local", schedule="01:00")
    before = _backups(fake_pve, 105, "/nodes/pve/storage/local/content?content=backup")
    fake_pve.clock.advance(DAY)

    assert before == []
    assert len(_backups(fake_pve, 105, "/nodes/pve/storage/local/content?content=backup")) == 1


def test_jobs_are_for_those_who_may_see_the_whole(fake_pve: FakeServer) -> None:
    reply = get(fake_pve, "/cluster/backup", granted(fake_pve.site, "VM.Audit"))

    assert (reply.status, reply.reason) == (403, "Permission check failed (/, Sys.Audit)")


def test_guest_that_fails_has_no_newer_backup(fake_pve: FakeServer) -> None:
    fake_pve.site.set_job(NIGHTLY, failing={"105": ["no space left on device", MIDNIGHT - 2 * DAY]})

    failed, fine = (_backups(fake_pve, vmid)[0]["ctime"] for vmid in (105, 106))

    assert failed < MIDNIGHT - 2 * DAY
    assert fine > MIDNIGHT


def test_missed_run_is_a_gap(fake_pve: FakeServer) -> None:
    fake_pve.site.set_job(NIGHTLY, missed_days=[MIDNIGHT // DAY - 1])

    times = [row["ctime"] for row in _backups(fake_pve, 105)]

    assert times[0] - times[1] == 2 * DAY
    assert times[1] - times[2] == DAY


def test_guest_that_no_job_covers_is_told(fake_pve: FakeServer) -> None:
    before = get(fake_pve, "/cluster/backup-info/not-backed-up").data
    fake_pve.site.set_job(NIGHTLY, exclude=[103, 105])
    after = get(fake_pve, "/cluster/backup-info/not-backed-up").data

    assert before == []
    assert after == [
        {"vmid": 103, "name": "windows-11", "type": "qemu"},
        {"vmid": 105, "name": "pihole", "type": "lxc"},
    ]


def test_disabled_job_covers_nobody(fake_pve: FakeServer) -> None:
    fake_pve.site.set_job(NIGHTLY, is_enabled=False)

    assert len(get(fake_pve, "/cluster/backup-info/not-backed-up").data) == 14


def test_volumes_of_a_job_say_what_is_left_out(fake_pve: FakeServer) -> None:
    children = get(fake_pve, f"/cluster/backup/{NIGHTLY}/included_volumes").data["children"]

    named = {child["id"]: child for child in children}
    assert len(named) == 14
    assert named[105]["children"] == [
        {"id": "rootfs", "name": "local-zfs:subvol-105-disk-0", "included": 1, "reason": "rootfs"}
    ]
    assert named[100]["children"][0]["reason"] == "enabled"


def test_job_that_does_not_exist_is_a_400(fake_pve: FakeServer) -> None:
    reply = get(fake_pve, "/cluster/backup/nope/included_volumes")

    assert reply.status == 400
    assert "No such job 'nope'" in reply.text


def test_specification_says_how_much_there_is() -> None:
    spec = PveSpec(name="lab", guests=20, backups_per_guest=3, backup_storages=4)
    with virtual_estate(spec) as estate:
        first, header = estate.servers[0], granted(estate.sites[0], "Datastore.Allocate", "Datastore.Audit")
        counts = [
            len(get(first, f"/nodes/lab/storage/backup-0{number}/content?content=backup", header).data)
            for number in (1, 2, 3, 4)
        ]

    assert counts == [15, 15, 15, 15]


def test_fact_of_a_backup_that_does_not_exist_is_an_error(fake_pve: FakeServer) -> None:
    with pytest.raises(ValueError, match="no such facts: colour"):
        fake_pve.site.add_backup(100, "local", colour="red")
    with pytest.raises(ValueError, match="no such facts: colour"):
        fake_pve.site.set_job(NIGHTLY, colour="red")
