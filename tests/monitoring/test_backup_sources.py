"""Where the lists of backups come from: every place with its age, and in a code why it was not read."""

from __future__ import annotations

from dataclasses import replace

import msgspec
import pytest

from monitoring.backups import sources
from monitoring.backups.storages import sources_of, storages_on_servers
from monitoring.collecting import evidence
from monitoring.collecting.evidence import collected
from monitoring.known.facts import Facts, GuestFacts, NamespaceBackups
from monitoring.known.lanes import Lane, Progress
from monitoring.known.memory import PollMemory
from monitoring.wire.backup_sources import source_shape
from nodes.proxmox.readings.access import PermissionsReading
from nodes.proxmox.readings.backup_server import BackupGroupReading, BackupSnapshotReading, NamespaceReading
from nodes.proxmox.readings.backups import BackupVolumeReading, StorageConfigReading, TaskReading
from nodes.proxmox.readings.guests import GuestSnapshotReading
from nodes.proxmox.readings.live import (
    DatastoreReading,
    GuestReading,
    NodeReading,
    ResourcesReading,
    StorageReading,
)
from tests.conftest import NOON
from tests.factories import make_instance
from tests.fake_proxmox import PbsSpec, PveSpec
from tests.fake_proxmox.fixtures import virtual_estate
from tests.monitoring.collected import moment, turn, with_token
from tests.monitoring.conftest import Watched

pytestmark = [pytest.mark.slow, pytest.mark.django_db]

AT = NOON.timestamp()
LONG_AGO = AT - 4 * 3600


def rights(*privileges, path="/"):
    """An account with these privileges there and below."""
    held = {path: frozenset(privileges)}
    return PermissionsReading(held, held)


ALL = rights("Sys.Audit", "Datastore.Allocate", "Datastore.Audit", "VM.Audit")
AUDITOR = rights("Sys.Audit", "Datastore.Audit", "VM.Audit")
NAS = StorageConfigReading("nas", "nfs", ("backup",), is_shared=True, server="10.0.0.9", path="/mnt/nas")
LOCAL = StorageConfigReading("local", "dir", ("backup", "iso"))
VAULT = StorageConfigReading(
    "pbs", "pbs", ("backup",), is_shared=True, server="192.0.2.100", datastore="main"
)
VOLUME = BackupVolumeReading("nas:backup/vzdump-qemu-100-a.vma.zst", 100, "qemu", int(AT), 5)
READING = ResourcesReading(
    nodes=(NodeReading("pve1", "online"),),
    guests=(GuestReading(100, "qemu", "pve1", "running"),),
    storages=(StorageReading("nas", "pve1", "available", "nfs", ("backup",), is_shared=True),),
)


def host(*, reading=READING, memory=None, instance=None, **facts):
    """A PVE with a node, a guest and a shared storage, of which all was read a minute ago."""
    known = {
        "permissions": ALL,
        "storages": (NAS,),
        "storages_epoch": AT,
        "volumes": {("nas", ""): (VOLUME,)},
        "volumes_epoch": {("nas", ""): AT - 60},
        "guests": {100: GuestFacts(snapshots=(GuestSnapshotReading("a"),), snapshots_epoch=AT - 60)},
        "backup_tasks_epoch": {"pve1": AT - 60},
    }
    instance = instance or make_instance()
    return collected(
        instance,
        Facts(**(known | facts)),
        PollMemory(reading=reading, **(memory or {})),
        reading.guests if reading is not None else (),
    )


def vault(*, memory=None, **facts):
    """A PBS with one datastore, of which all was read a minute ago."""
    group = BackupGroupReading("vm", "100")
    place = NamespaceBackups(
        (group,), AT - 60, {"vm/100": (BackupSnapshotReading("vm", "100", int(AT), 7),)}, AT - 900
    )
    known = {
        "permissions": rights("Datastore.Audit"),
        "namespaces": {"main": (NamespaceReading(""),)},
        "backups": {("main", ""): place},
    }
    told = {"datastores": (DatastoreReading("main", 10, 5, 5),), "datastores_epoch": AT}
    return collected(make_instance("pbs"), Facts(**(known | facts)), PollMemory(**(told | (memory or {}))))


def told(known, kind, *servers, at=NOON):
    """The entries of one kind, as they go out."""
    if known.name == "vault":
        found = sources.of_server(known, at=at)
    else:
        found = sources.of_host(known, servers, storages_on_servers([known], servers), at=at)
    return [msgspec.to_builtins(source_shape(one)) for one in found if one.kind == kind]


def failed(code, message="what the host said", done_epoch=0.0):
    """The progress of a question that has failed."""
    return Progress(AT, done_epoch, AT + 60, 1, code, message)


# --- storages -----------------------------------------------------------------------------------------------------


def test_a_storage_that_was_read_has_its_age_and_how_many_backups_are_from_there():
    assert told(host(), "storage") == [
        {
            "instance": "lab",
            "kind": "storage",
            "name": "nas",
            "count": 1,
            "readAt": "2026-01-01T11:59:00Z",
            "reason": "",
            "message": "",
        }
    ]


NEVER = {"volumes": {}, "volumes_epoch": {}}
STORAGE_REASONS = {
    "an auditor is told that there is none": ({"permissions": AUDITOR, **NEVER}, "no_permission", ""),
    "some backups may be seen": (
        {
            "permissions": rights(
                "Datastore.AllocateSpace", "Datastore.Audit", "VM.Backup", path="/storage/nas"
            )
        },
        "no_permission",
        "",
    ),
    "its turn has not come": (NEVER, "not_read_yet", ""),
    "read hours ago": ({"volumes_epoch": {("nas", ""): LONG_AGO}}, "not_read_lately", ""),
    "the first try failed": (
        {**NEVER, "progress": {Lane.BACKUP_VOLUMES: {("nas", ""): failed("timeout")}}},
        "timeout",
        "what the host said",
    ),
    "refused, whatever the rights say": (
        {
            **NEVER,
            "permissions": None,
            "progress": {Lane.BACKUP_VOLUMES: {("nas", ""): failed("permission_denied")}},
        },
        "no_permission",
        "what the host said",
    ),
    "read hours ago, and the tries since failed": (
        {
            "volumes_epoch": {("nas", ""): LONG_AGO},
            "progress": {Lane.BACKUP_VOLUMES: {("nas", ""): failed("server_error")}},
        },
        "server_error",
        "what the host said",
    ),
    "read lately, and the last try failed": (
        {"progress": {Lane.BACKUP_VOLUMES: {("nas", ""): failed("timeout")}}},
        "",
        "",
    ),
}


@pytest.mark.parametrize(("facts", "reason", "message"), STORAGE_REASONS.values(), ids=STORAGE_REASONS)
def test_why_a_storage_was_not_read(facts, reason, message):
    (found,) = told(host(**facts), "storage")

    assert (found["name"], found["reason"], found["message"]) == ("nas", reason, message)


def test_a_place_that_was_never_read_has_no_age():
    (found,) = told(host(**NEVER), "storage")

    assert (found["count"], found["readAt"]) == (0, "0001-01-01T00:00:00Z")


@pytest.mark.parametrize(
    ("facts", "reason"),
    [
        ({"storages": (), "storages_epoch": 0.0}, "not_read_yet"),
        ({"storages": ()}, "no_permission"),
        (
            {
                "storages": (),
                "storages_epoch": 0.0,
                "progress": {Lane.STORAGE_DEFINITIONS: {"": failed("tls")}},
            },
            "tls",
        ),
    ],
    ids=["not asked yet", "none may be seen", "asking failed"],
)
def test_while_no_storage_is_known_one_entry_says_why(facts, reason):
    (found,) = told(host(**facts), "storage")

    assert (found["name"], found["reason"]) == ("", reason)


def test_a_storage_that_each_node_has_for_itself_is_one_place_on_each():
    nodes = (NodeReading("pve1", "online"), NodeReading("pve2", "offline"))
    storages = tuple(
        StorageReading("local", node.name, "available", "dir", ("backup", "iso")) for node in nodes
    )
    known = host(
        reading=ResourcesReading(nodes, storages=storages),
        storages=(LOCAL,),
        volumes={("local", "pve1"): (VOLUME,)},
        volumes_epoch={("local", "pve1"): AT},
    )

    found = told(known, "storage")

    assert [(one["node"], one["count"], one["reason"]) for one in found] == [
        ("pve1", 1, ""),
        ("pve2", 0, "not_read_yet"),
    ]
    # What one node has not told is missing in the whole: no guest is said to be without a backup.
    assert sources_of(known, [], storages_on_servers([known], []), at=NOON) == (
        set(),
        {"local": "not_read_yet"},
    )


def test_storages_without_backups_and_those_switched_off_are_no_places():
    iso = StorageConfigReading("iso", "dir", ("iso",))
    off = StorageConfigReading("off", "dir", ("backup",), is_disabled=True)

    assert told(host(storages=(iso, off)), "storage") == []


def test_where_backups_are_not_to_be_monitored_there_are_snapshots_alone():
    known = replace(host(), monitors_backups=False)

    found = sources.of_host(known, [], storages_on_servers([known], []), at=NOON)

    assert [one.kind for one in found] == ["snapshots"]


def test_after_a_restart_the_nodes_are_those_that_were_read_before():
    known = host(
        reading=None,
        storages=(LOCAL,),
        volumes={},
        volumes_epoch={("local", "pve2"): AT, ("local", "pve1"): AT},
    )

    assert [one["node"] for one in told(known, "storage")] == ["pve1", "pve2"]


# --- storages behind a PBS ----------------------------------------------------------------------------------------


def test_a_storage_behind_a_pbs_that_is_watched_says_where_it_is_read():
    (found,) = told(host(storages=(VAULT,)), "storage", vault())

    assert found == {
        "instance": "lab",
        "kind": "storage",
        "name": "pbs",
        "count": 0,
        "readAt": "2026-01-01T11:59:00Z",
        "reason": "",
        "message": "",
        "readFrom": "vault",
    }


def test_what_was_not_read_there_is_told_here_as_well():
    server = vault(permissions=rights("Sys.Audit"))

    (found,) = told(host(storages=(VAULT,)), "storage", server)

    assert (found["readFrom"], found["reason"]) == ("vault", "no_permission")


def test_a_pbs_of_which_no_datastore_is_monitored_tells_nothing():
    server = replace(vault(), monitors_datastores=False)

    (found,) = told(host(storages=(VAULT,)), "storage", server)

    assert (found.get("readFrom"), found["reason"]) == (None, "server_not_monitored")
    assert told(server, "datastore") == []


@pytest.mark.parametrize(
    ("facts", "count", "reason"),
    [
        ({"permissions": AUDITOR, **NEVER}, 0, "server_not_monitored"),
        ({"volumes": {("pbs", ""): (VOLUME,)}, "volumes_epoch": {("pbs", ""): AT}}, 1, ""),
    ],
    ids=["may not be read through PVE", "read through PVE"],
)
def test_a_storage_behind_a_pbs_that_nobody_watches(facts, count, reason):
    (found,) = told(host(storages=(VAULT,), **facts), "storage")

    assert (found["count"], found["reason"], found.get("readFrom")) == (count, reason, None)


# --- datastores ---------------------------------------------------------------------------------------------------


def test_a_namespace_that_was_read_has_its_age_and_how_many_backups_are_in_it():
    assert told(vault(), "datastore") == [
        {
            "instance": "vault",
            "kind": "datastore",
            "name": "main",
            "count": 1,
            "readAt": "2026-01-01T11:59:00Z",
            "reason": "",
            "message": "",
        }
    ]


def test_every_namespace_is_a_place_of_its_own():
    server = vault(namespaces={"main": (NamespaceReading(""), NamespaceReading("dev/a"))})

    found = told(server, "datastore")

    assert [(one.get("namespace"), one["reason"]) for one in found] == [(None, ""), ("dev/a", "not_read_yet")]


UNREAD = {"backups": {}}
DATASTORE_REASONS = {
    "no right there": ({"permissions": rights("Sys.Audit")}, {}, "no_permission", ""),
    "own backups only": ({"permissions": rights("Datastore.Backup")}, {}, "no_permission", ""),
    "its turn has not come": (UNREAD, {}, "not_read_yet", ""),
    "groups known, snapshots not": (
        {"backups": {("main", ""): NamespaceBackups(groups_epoch=AT)}},
        {},
        "not_read_yet",
        "",
    ),
    "read hours ago": (
        {"backups": {("main", ""): NamespaceBackups((), LONG_AGO, {}, LONG_AGO)}},
        {},
        "not_read_lately",
        "",
    ),
    "the listing failed": (
        {**UNREAD, "progress": {Lane.SNAPSHOTS: {("main", ""): failed("too_large")}}},
        {},
        "too_large",
        "what the host said",
    ),
    "namespaces not known": ({**UNREAD, "namespaces": {}}, {}, "not_read_yet", ""),
    "namespaces could not be read": (
        {**UNREAD, "namespaces": {}, "progress": {Lane.NAMESPACES: {"main": failed("server_error")}}},
        {},
        "server_error",
        "what the host said",
    ),
    "nothing of the datastore may be seen": (
        {**UNREAD, "namespaces": {}, "permissions": rights("Sys.Audit")},
        {},
        "no_permission",
        "",
    ),
    "one namespace of it may be seen": (
        {**UNREAD, "namespaces": {}, "permissions": rights("Datastore.Audit", path="/datastore/main/dev")},
        {},
        "not_read_yet",
        "",
    ),
    "not mounted": (
        UNREAD,
        {"datastores": (DatastoreReading("main", mount_status="notmounted"),)},
        "not_read_yet",
        "not mounted",
    ),
    "broken": (
        UNREAD,
        {"datastores": (DatastoreReading("main", error="unable to open chunk store"),)},
        "not_read_yet",
        "unable to open chunk store",
    ),
}


@pytest.mark.parametrize(
    ("facts", "memory", "reason", "message"), DATASTORE_REASONS.values(), ids=DATASTORE_REASONS
)
def test_why_a_datastore_was_not_read(facts, memory, reason, message):
    (found,) = told(vault(memory=memory, **facts), "datastore")

    assert (found["name"], found["reason"], found["message"]) == ("main", reason, message)


@pytest.mark.parametrize(("datastores_epoch", "reason"), [(0.0, "not_read_yet"), (AT, "no_permission")])
def test_while_no_datastore_is_known_one_entry_says_why(datastores_epoch, reason):
    server = vault(memory={"datastores": (), "datastores_epoch": datastores_epoch}, namespaces={}, **UNREAD)

    (found,) = told(server, "datastore")

    assert (found["name"], found["reason"]) == ("", reason)


# --- tasks --------------------------------------------------------------------------------------------------------

TASK = TaskReading(
    "UPID:pve1:1:vzdump", "pve1", "vzdump", "100", started_epoch=int(AT), ended_epoch=int(AT), status="OK"
)
TASK_REASONS = {
    "read": ({}, {}, "", "2026-01-01T11:59:00Z"),
    "the list of the cluster is younger": (
        {"tasks_epoch": AT - 5},
        {},
        "",
        "2026-01-01T11:59:55Z",
    ),
    "but not where the node is away": (
        {"tasks_epoch": AT - 5},
        {"absent_since": {"pve1": AT - 30}},
        "",
        "2026-01-01T11:59:00Z",
    ),
    "its own tasks only": ({"permissions": rights("VM.Audit")}, {}, "no_permission", "2026-01-01T11:59:00Z"),
    "its turn has not come": ({"backup_tasks_epoch": {}}, {}, "not_read_yet", "0001-01-01T00:00:00Z"),
    "read hours ago": (
        {"backup_tasks_epoch": {"pve1": LONG_AGO}},
        {},
        "not_read_lately",
        "2026-01-01T08:00:00Z",
    ),
    "failed": (
        {"backup_tasks_epoch": {}, "progress": {Lane.BACKUP_TASKS: {"pve1": failed("node_busy")}}},
        {},
        "node_busy",
        "0001-01-01T00:00:00Z",
    ),
}


@pytest.mark.parametrize(("facts", "memory", "reason", "read_epoch"), TASK_REASONS.values(), ids=TASK_REASONS)
def test_how_far_the_tasks_of_a_node_were_read(facts, memory, reason, read_epoch):
    (found,) = told(host(memory=memory, backup_tasks={"pve1": (TASK,)}, **facts), "tasks")

    assert (found["node"], found["count"], found["reason"], found["readAt"]) == (
        "pve1",
        1,
        reason,
        read_epoch,
    )


def test_while_no_node_is_known_no_task_was_read():
    (found,) = told(host(reading=None), "tasks")

    assert (found["name"], found["reason"]) == ("", "not_read_yet")


# --- snapshots ----------------------------------------------------------------------------------------------------

TWO = ResourcesReading(
    nodes=(NodeReading("pve1", "online"),),
    guests=tuple(GuestReading(vmid, "qemu", "pve1", "running") for vmid in (100, 101)),
)
FRESH, OLD = GuestFacts(snapshots_epoch=AT - 60), GuestFacts(snapshots_epoch=LONG_AGO)
SNAPSHOT_REASONS = {
    "all read": ({100: FRESH, 101: FRESH}, {}, "", "", "2026-01-01T11:59:00Z"),
    "none read": ({}, {}, "not_read_yet", "", "0001-01-01T00:00:00Z"),
    "one not read": ({100: FRESH}, {}, "not_read_yet", "1 of 2 guests.", "2026-01-01T11:59:00Z"),
    "one read hours ago": (
        {100: FRESH, 101: OLD},
        {},
        "not_read_lately",
        "1 of 2 guests.",
        "2026-01-01T08:00:00Z",
    ),
    "one could not be read": (
        {100: FRESH},
        {Lane.GUEST_SNAPSHOTS: {101: failed("timeout")}},
        "timeout",
        "1 of 2 guests. what the host said",
        "2026-01-01T11:59:00Z",
    ),
}


@pytest.mark.parametrize(
    ("guests", "progress", "reason", "message", "read_epoch"), SNAPSHOT_REASONS.values(), ids=SNAPSHOT_REASONS
)
def test_how_far_the_snapshots_of_a_node_were_read(guests, progress, reason, message, read_epoch):
    (found,) = told(host(reading=TWO, guests=guests, progress=progress), "snapshots")

    assert (found["node"], found["reason"], found["message"], found["readAt"]) == (
        "pve1",
        reason,
        message,
        read_epoch,
    )


def test_without_a_guest_in_sight_one_entry_says_that_none_may_be_seen():
    known = host(reading=ResourcesReading(nodes=READING.nodes), permissions=rights("Sys.Audit"))

    (found,) = told(known, "snapshots")

    assert (found["name"], found["reason"]) == ("", "no_permission")


def test_a_host_without_guests_has_no_snapshots_to_read():
    assert told(host(reading=ResourcesReading(nodes=READING.nodes)), "snapshots") == []


# --- the host itself ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["storage", "tasks", "snapshots"])
def test_what_only_a_node_that_is_away_could_tell_is_not_waited_for(kind):
    reading = msgspec.structs.replace(
        READING, storages=(StorageReading("local", "pve1", "unknown", "dir", ("backup", "iso")),)
    )
    known = host(
        reading=reading,
        storages=(LOCAL,),
        guests={},
        backup_tasks_epoch={},
        memory={"absent_since": {"pve1": AT}},
    )

    (found,) = told(known, kind)

    assert (found["node"], found["reason"]) == ("pve1", "node_offline")


def test_of_a_host_that_does_not_answer_the_reason_is_that():
    instance = make_instance(failure_code="unreachable", failure_message="No route to lab.")
    known = host(instance=instance, memory={"failures": 3}, **NEVER)

    (found,) = told(known, "storage")

    assert (found["reason"], found["message"]) == ("unreachable", "No route to lab.")


def test_what_was_read_lately_is_still_told_of_a_host_that_does_not_answer():
    instance = make_instance(failure_code="unreachable", failure_message="No route to lab.")

    (found,) = told(host(instance=instance, memory={"failures": 3}), "storage")

    assert (found["reason"], found["message"], found["count"]) == ("", "", 1)


def test_where_the_login_is_refused_for_good_nothing_is_listed():
    instance = make_instance(failure_code="login_failed", failure_message="The token was refused.")
    known = host(instance=instance, memory={"failures": 5, "login_is_refused": True})

    found = [*told(known, "storage"), *told(known, "tasks"), *told(known, "snapshots")]

    assert {(one["reason"], one["count"]) for one in found} == {("login_failed", 0)}


# --- over all instances -------------------------------------------------------------------------------------------


def test_of_an_instance_that_was_never_read_it_is_known_that_nothing_is(api):
    make_instance()
    make_instance("pbs")

    found = evidence.sources(NOON)

    assert [(one.instance, one.kind, one.reason) for one in found] == [
        ("lab", "snapshots", "not_read_yet"),
        ("lab", "storage", "not_read_yet"),
        ("lab", "tasks", "not_read_yet"),
        ("vault", "datastore", "not_read_yet"),
    ]


def test_paused_instances_and_mail_gateways_have_no_places():
    make_instance(is_paused=True)
    make_instance("pmg", user="a@pmg", password="x")

    assert evidence.sources(NOON) == []


def test_the_counts_add_up_to_the_lists(watch, document):
    specs = (PveSpec(name="lab", guests=30, backup_server="vault"), PbsSpec(name="vault", datastores=2))
    with virtual_estate(*specs) as estate:
        host, vault = (
            with_token(watch(estate.site("lab")), estate.site("lab")),
            watch(estate.site("vault"), "pbs"),
        )
        host.server = estate
        for _ in range(6):
            turn(host)
            vault.seconds = host.seconds
            turn(vault, after=0)

        found = evidence.sources(moment(host))

    state = document()
    counts = {
        kind: sum(one.count for one in found if one.kind == kind)
        for kind in ("storage", "datastore", "tasks", "snapshots")
    }
    assert {one.reason for one in found} == {""}
    assert counts == {
        "storage": len(state["pveBackups"]["storageBackups"]),
        "datastore": len(state["pbsBackups"]),
        "tasks": len(state["pveBackups"]["backupTasks"]),
        "snapshots": len(state["pveBackups"]["guestSnapshots"]),
    }
    assert min(counts.values()) > 0
    assert [one.read_from for one in found if one.name == "pbs-vault"] == ["vault"]


def test_an_account_without_rights_is_told_so_for_every_place(fake_cluster):
    watched = with_token(Watched(fake_cluster), fake_cluster, {"/": ("VM.Audit",)})
    turn(watched, times=4)

    found = evidence.sources(moment(watched))

    assert {(one.kind, one.reason) for one in found} == {
        ("storage", "no_permission"),
        ("tasks", "no_permission"),
        ("snapshots", ""),
    }


def test_the_routes_tell_them(api, fake_pve):
    watched = with_token(Watched(fake_pve), fake_pve.site)
    turn(watched, times=2)

    alone = api.get("/api/backups/sources").json()

    assert {one["kind"] for one in alone["sources"]} == {"storage", "tasks", "snapshots"}
    assert api.get("/api/backups").json()["sources"] == alone["sources"]
    assert api.get("/api/backups/unified").json()["sources"] == alone["sources"]
