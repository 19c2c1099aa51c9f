"""The datastores of a PBS: maintenance as it is configured, those without figures, and when the list is read again."""

from __future__ import annotations

import pytest

from monitoring.figures.servers import status_of
from monitoring.known.datastores import is_outdated, known_datastores
from monitoring.known.facts import Facts
from monitoring.known.memory import MEMORY
from monitoring.store import current
from nodes.proxmox import pbs
from nodes.proxmox.readings.live import DatastoreReading, DatastoreStateReading
from tests.monitoring.collected import asked, facts_of, forget_time, moment, paths, reset, turn, with_token

pytestmark = pytest.mark.slow

MAIN = DatastoreReading("main", 100, 30, 60)

STATUSES = {
    "in service": (MAIN, "available"),
    "full": (DatastoreReading("main", 100, 100, 0), "available"),
    "an error": (DatastoreReading("main", error="no such directory"), "unavailable"),
    "not mounted": (DatastoreReading("main", mount_status="notmounted"), "unavailable"),
    "read-only": (DatastoreReading("main", 100, 30, 60, maintenance="read-only"), "available"),
    "offline": (DatastoreReading("main", maintenance="offline"), "unavailable"),
    "unmount": (DatastoreReading("main", maintenance="unmount"), "unavailable"),
    "delete": (DatastoreReading("main", maintenance="delete"), "unavailable"),
    "s3-refresh": (DatastoreReading("main", maintenance="s3-refresh"), "unavailable"),
    "a kind of later versions": (DatastoreReading("main", 100, 30, 60, maintenance="slow"), "available"),
    "without figures": (DatastoreReading("main"), "unknown"),
}


@pytest.mark.parametrize(("reading", "expected"), STATUSES.values(), ids=STATUSES)
def test_whether_a_datastore_can_be_read(reading, expected):
    assert status_of(reading) == expected


def test_what_the_list_tells_counts_more_than_what_an_error_lets_guess():
    reading = DatastoreReading("main", error="offline maintenance mode: x", maintenance="offline")

    (known,) = known_datastores([reading], {"main": DatastoreStateReading("main", maintenance="unmount")})

    assert (known.maintenance, known.error) == ("unmount", "offline maintenance mode: x")


def test_without_the_list_the_guess_counts():
    reading = DatastoreReading("main", error="offline maintenance mode: x", maintenance="offline")

    assert known_datastores([reading], {}) == (reading,)


def test_datastores_that_only_the_list_has_come_last_by_name_and_have_no_figures():
    states = {name: DatastoreStateReading(name) for name in ("zeta", "main", "alpha")}

    known = known_datastores([MAIN], states)

    assert [(one.name, one.total_bytes) for one in known] == [("main", 100), ("alpha", None), ("zeta", None)]


def test_whether_it_is_mounted_is_taken_from_the_call_that_is_made_oftener():
    states = {
        "main": DatastoreStateReading("main", mount_status="mounted", backend="s3"),
        "usb": DatastoreStateReading("usb", mount_status="notmounted"),
    }
    reading = DatastoreReading("main", mount_status="notmounted")

    known = known_datastores([reading], states)

    assert [(one.mount_status, one.backend) for one in known] == [("notmounted", "s3"), ("notmounted", "")]


FULL_SOON = {"total_bytes": 100, "used_bytes": 95, "estimated_full_epoch": 2_000_000_000, "is_growing": True}
BACKENDS = {
    "an object store": ({"backend": "s3"}, "", None),
    "an object store as the list alone tells": ({}, "s3", None),
    "an object store that is read-only": ({"backend": "s3", "maintenance": "read-only"}, "s3", None),
    "an object store that has not filled up": ({"backend": "s3", "used_bytes": 1}, "", None),
    "a file system": ({"backend": "filesystem"}, "", 2_000_000_000),
    "a file system as the list alone tells": ({}, "filesystem", 2_000_000_000),
    "a PBS that tells no backend": ({}, "", 2_000_000_000),
    "a backend to come": ({"backend": "tape"}, "", 2_000_000_000),
}


@pytest.mark.parametrize(("told", "listed", "expected"), BACKENDS.values(), ids=BACKENDS)
def test_no_day_is_foretold_for_the_cache_of_an_object_store(told, listed, expected):
    reading = DatastoreReading("cloud", **(FULL_SOON | told))

    (store,) = known_datastores([reading], {"cloud": DatastoreStateReading("cloud", backend=listed)})

    assert store.estimated_full_epoch == expected


def test_no_day_is_foretold_for_an_object_store_before_the_list_is_read():
    (store,) = known_datastores([DatastoreReading("cloud", backend="s3", **FULL_SOON)], {})

    assert (store.estimated_full_epoch, store.is_growing) == (None, None)


def facts(*states, left_out=()):
    return Facts(datastore_states={one.name: one for one in states}, datastores_left_out=left_out)


OUTDATED = {
    "nothing has changed": ([MAIN], facts(DatastoreStateReading("main")), False),
    "a new one": ([MAIN], facts(), True),
    "one that is gone": ([], facts(DatastoreStateReading("main")), True),
    "one that was always left out": ([], facts(DatastoreStateReading("main"), left_out=("main",)), False),
    "one that is no longer left out": (
        [MAIN],
        facts(DatastoreStateReading("main"), left_out=("main",)),
        True,
    ),
    "back in service": ([MAIN], facts(DatastoreStateReading("main", maintenance="offline")), True),
    "read-only, and read": ([MAIN], facts(DatastoreStateReading("main", maintenance="read-only")), False),
    "in maintenance since": (
        [DatastoreReading("main", error="offline maintenance mode", maintenance="offline")],
        facts(DatastoreStateReading("main")),
        True,
    ),
    "in the maintenance that is known": (
        [DatastoreReading("main", error="offline maintenance mode", maintenance="offline")],
        facts(DatastoreStateReading("main", maintenance="offline")),
        False,
    ),
    "an error of another kind": (
        [DatastoreReading("main", error="no such directory")],
        facts(DatastoreStateReading("main")),
        False,
    ),
}


@pytest.mark.parametrize(("readings", "known", "expected"), OUTDATED.values(), ids=OUTDATED)
def test_the_list_is_outdated_when_the_use_of_the_datastores_contradicts_it(readings, known, expected):
    assert is_outdated(readings, known) is expected


# --- polled -------------------------------------------------------------------------------------------------------


@pytest.fixture
def vault(db, fake_pbs, watch):
    """A PBS of which everything is known."""
    watched = watch(fake_pbs, "pbs")
    turn(watched, times=4)
    return watched


def stores(watched):
    return {one["name"]: one for one in watched.shown("pbs")[0]["datastores"]}


def settled(watched, **changes):
    """Change the datastore `archive`; then the list is read anew and shown."""
    watched.server.site.set_datastore("archive", **changes)
    forget_time(watched, "datastores")
    turn(watched, times=4)
    return stores(watched)["archive"]


def test_a_datastore_tells_maintenance_message_and_comment(vault):
    shown = settled(vault, maintenance='type=read-only,message="moving house"', comment="old ones")

    assert (shown["status"], shown["maintenance"], shown["maintenanceMessage"], shown["comment"]) == (
        "available",
        "read-only",
        "moving house",
        "old ones",
    )
    assert shown["mountStatus"] == "nonremovable"
    assert shown["total"] > 0


def test_a_datastore_that_is_read_only_is_asked_as_before(vault, fake_pbs):
    settled(vault, maintenance="read-only")
    forget_time(vault, "groups", "namespaces")
    reset([fake_pbs])

    turn(vault)

    assert asked([fake_pbs], "/archive/groups") >= 1


@pytest.mark.parametrize("kind", ["offline", "unmount", "delete"])
def test_a_datastore_that_is_closed_is_not_asked_and_keeps_what_is_known(kind, vault, fake_pbs):
    before = facts_of(vault).backups["archive", ""]
    shown = settled(vault, maintenance=f"type={kind}")
    forget_time(vault, "groups", "namespaces", "snapshots")
    reset([fake_pbs])

    turn(vault, times=2)

    assert (shown["status"], shown["maintenance"]) == ("unavailable", kind)
    assert shown["error"].startswith("datastore 'archive' is unavailable")
    assert asked([fake_pbs], "/admin/datastore/archive") == 0
    assert asked([fake_pbs], "/main/groups") >= 1
    assert facts_of(vault).backups["archive", ""] == before


def test_a_closed_datastore_is_closed_also_where_its_use_tells_no_error(vault, fake_pbs):
    fake_pbs.site.set_datastore("archive", is_left_out=True, maintenance="offline")
    forget_time(vault, "datastores")

    turn(vault, times=4)

    shown = stores(vault)["archive"]
    assert (shown["status"], shown["maintenance"], "error" in shown) == ("unavailable", "offline", False)


def test_a_datastore_that_the_use_of_all_leaves_out_does_not_vanish(vault, fake_pbs):
    fake_pbs.site.set_datastore("archive", is_left_out=True)
    reset([fake_pbs])

    turn(vault, times=24)
    forget_time(vault, "groups")
    turn(vault)

    shown = stores(vault)
    assert list(shown) == ["main", "offsite", "archive"]
    assert (shown["archive"]["status"], shown["archive"]["total"], shown["archive"]["used"]) == (
        "unknown",
        0,
        0,
    )
    assert shown["archive"]["namespaces"][0]["path"] == ""
    assert asked([fake_pbs], "/archive/groups") >= 1
    assert paths(fake_pbs)["/admin/datastore"] <= 2


def test_maintenance_is_seen_within_a_minute_and_so_is_its_end(vault, fake_pbs):
    fake_pbs.site.set_datastore("archive", maintenance='type=offline,message="disks"')

    turn(vault, times=8)
    during = stores(vault)["archive"]
    fake_pbs.site.set_datastore("archive", maintenance="")
    turn(vault, times=10)
    after = stores(vault)["archive"]

    assert (during["maintenance"], during["maintenanceMessage"]) == ("offline", "disks")
    assert (after["status"], after.get("maintenance", ""), after["total"] > 0) == ("available", "", True)


def test_the_list_is_read_again_after_a_datastore_was_made_or_mounted(vault, fake_pbs):
    fake_pbs.site.set_datastore("offsite", mount_status="notmounted")
    turn(vault, times=7)
    reset([fake_pbs])

    upid = fake_pbs.site.start_task("mount-device", "offsite")
    fake_pbs.site.finish_task(upid)
    turn(vault, times=6)

    assert paths(fake_pbs)["/admin/datastore"] == 1


def test_a_list_that_is_too_old_counts_no_longer(vault, fake_pbs):
    settled(vault, maintenance="read-only")
    fake_pbs.faults.add("500", path="/admin/datastore")

    vault.poll(after=901)

    shown = stores(vault)["archive"]
    assert ("maintenance" in shown, shown["status"]) == (False, "available")


def test_nothing_is_kept_of_datastores_that_are_not_to_be_monitored(vault):
    type(vault.instance).objects.filter(pk=vault.instance.pk).update(monitor_datastores=False)

    turn(vault, times=2)

    assert (facts_of(vault).datastore_states, vault.shown("pbs")[0]["datastores"]) == ({}, [])


def test_pending_updates_of_a_backup_server_are_read_where_the_account_may_look(vault):
    assert [one.package for one in facts_of(vault).host.updates] == ["openssl", "proxmox-backup-server"]
    assert facts_of(vault).host.updates_epoch > 0


def test_pending_updates_are_not_asked_without_the_privilege(db, fake_pbs, watch):
    watched = with_token(watch(fake_pbs, "pbs"), fake_pbs.site, {"/datastore": ("Datastore.Audit",)})

    turn(watched, times=3)

    assert facts_of(watched).host.updates is None
    assert asked([fake_pbs], "/apt/update") == 0


def test_the_list_costs_one_call_in_five_minutes(vault, fake_pbs):
    turn(vault, times=30)
    reset([fake_pbs])

    turn(vault, times=60)

    assert paths(fake_pbs)["/admin/datastore"] == 2
    assert moment(vault).timestamp() - facts_of(vault).datastore_states_epoch < 320


def test_an_empty_list_of_datastores_is_asked_again_at_once_and_believed_at_the_third_time(
    vault, monkeypatch
):
    asked_at = []

    def nothing(client, **limits):
        asked_at.append(vault.seconds)
        return ()

    monkeypatch.setattr(pbs, "datastore_usage", nothing)
    start = vault.seconds
    known = []
    for after in (30, 10, 10, 10):
        vault.poll(after=after)
        known.append(len(current.store().load(MEMORY, of=vault.instance.pk).datastores))

    assert known == [3, 3, 0, 0]
    assert [seconds - start for seconds in asked_at] == [30, 40, 50]
