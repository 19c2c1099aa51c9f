"""SMART is asked only where it is wanted, rarely, and a disk that hangs holds up nothing; how the disks are shown then."""

from __future__ import annotations

from urllib.parse import parse_qs

import pytest

from monitoring.collecting import disks
from monitoring.known.disks import shown_disks
from monitoring.known.facts import NodeFacts, SmartFacts
from monitoring.known.lanes import NEVER, Lane
from nodes.models import Instance
from nodes.proxmox.readings.hardware import DiskReading, SmartReading
from tests.monitoring.collected import (
    asked,
    facts_of,
    forget_time,
    moment,
    progress_of,
    refusals,
    reset,
    turn,
    with_token,
)

pytestmark = [pytest.mark.django_db, pytest.mark.slow]


@pytest.fixture
def host(fake_pve, watch):
    """One host of two NVMe and two hard disks, whose SMART is wanted."""
    return with_token(watch(fake_pve, reads_smart=True), fake_pve.site)


def smart_asked(server):
    """The disks that were asked by themselves since the last reset, in order."""
    log = [one for one in server.traffic.log if one.path.endswith("/disks/smart")]
    return [parse_qs(one.query)["disk"][0] for one in log]


def lists_asked(server):
    """How often the list was asked since the last reset: without SMART, and with it."""
    log = [one for one in server.traffic.log if one.path.endswith("/disks/list")]
    plain = sum("skipsmart=1" in one.query for one in log)
    return plain, len(log) - plain


def switch(watched, *, is_on):
    """Decide otherwise, as an edit does."""
    version = Instance.objects.get(pk=watched.instance.pk).version + 1
    Instance.objects.filter(pk=watched.instance.pk).update(reads_smart=is_on, version=version)


def disk_of(watched, device, node="pve"):
    """One disk as the details of its node show it."""
    return next(one for one in shown_disks(facts_of(watched).node(node)) if one.device == device)


# --- when it is asked -----------------------------------------------------------------------------------------------


def test_smart_is_not_asked_unless_it_is_wanted(fake_pve, watch):
    watched = with_token(watch(fake_pve), fake_pve.site)

    turn(watched, times=8)

    assert (smart_asked(fake_pve), lists_asked(fake_pve)) == ([], (1, 0))
    assert [name for name in progress_of(watched) if name.startswith("smart")] == []


def test_where_it_is_wanted_the_list_and_each_disk_are_asked_once(host, fake_pve):
    turn(host, times=8)

    assert sorted(smart_asked(fake_pve)) == ["/dev/nvme0n1", "/dev/nvme1n1", "/dev/sda", "/dev/sdb"]
    assert lists_asked(fake_pve) == (1, 1)
    read = facts_of(host).node("pve").smart["/dev/sda"]
    assert read.own == SmartReading("PASSED", temperature_celsius=38, power_on_hours=21904)
    assert read.listed == SmartReading("PASSED")
    assert refusals([fake_pve]) == {"500": 1}  # it has no Ceph, and says so like that


def test_it_is_asked_again_every_twelve_hours(host, fake_pve):
    turn(host, times=8)
    turn(host, after=13 * 3600)
    turn(host, times=8)
    reset([fake_pve])

    turn(host, after=11 * 3600)
    turn(host, times=8)
    assert (smart_asked(fake_pve), lists_asked(fake_pve)) == ([], (1, 0))

    turn(host, after=2 * 3600)
    turn(host, times=8)
    assert sorted(smart_asked(fake_pve)) == ["/dev/nvme0n1", "/dev/nvme1n1", "/dev/sda", "/dev/sdb"]
    assert lists_asked(fake_pve) == (2, 1)


def test_the_first_turn_goes_to_everything_else(host, fake_pve):
    turn(host)

    assert (smart_asked(fake_pve), lists_asked(fake_pve)) == ([], (1, 0))


def test_without_the_right_to_look_at_the_host_it_is_not_asked(fake_pve, watch):
    rights = {"/nodes": ("Sys.Audit",), "/vms": ("VM.Audit",)}
    watched = with_token(watch(fake_pve, reads_smart=True), fake_pve.site, rights)

    turn(watched, times=8)

    assert asked([fake_pve], "/disks/") == 0


SILENT = {
    "a stick": {"kind": "usb", "health": "UNKNOWN"},
    "a virtual disk": {"kind": "unknown", "health": "UNKNOWN"},
    "a disk behind a controller": {"kind": "ssd", "health": "UNKNOWN"},
    "switched off": {"kind": "hdd", "health": "SMART Disabled"},
}


@pytest.mark.parametrize("facts", SILENT.values(), ids=SILENT)
def test_a_disk_that_can_tell_nothing_is_not_asked(facts, host, fake_pve):
    fake_pve.site.set_disk("pve", "/dev/sda", **facts)

    turn(host, times=8)

    assert sorted(smart_asked(fake_pve)) == ["/dev/nvme0n1", "/dev/nvme1n1", "/dev/sdb"]


def test_a_stick_whose_health_is_told_is_asked(host, fake_pve):
    fake_pve.site.set_disk("pve", "/dev/sda", kind="usb", health="PASSED")

    turn(host, times=8)

    assert "/dev/sda" in smart_asked(fake_pve)


def test_where_the_list_with_smart_fails_the_kind_of_a_disk_decides(fake_pve, watch):
    fake_pve.site.set_disk("pve", "/dev/sda", kind="usb", health="PASSED")
    watched = with_token(watch(fake_pve), fake_pve.site)
    turn(watched, times=8)
    fake_pve.faults.add("500", path="/nodes/pve/disks/list")

    switch(watched, is_on=True)
    turn(watched, times=4)

    assert sorted(smart_asked(fake_pve)) == ["/dev/nvme0n1", "/dev/nvme1n1", "/dev/sdb"]
    assert disk_of(watched, "/dev/sdb").health == "PASSED"


# --- disks that hang, and other names -------------------------------------------------------------------------------


def test_a_disk_that_hangs_holds_up_nothing_and_is_left_alone_for_hours(host, fake_pve, monkeypatch):
    monkeypatch.setattr(disks, "SMART_CALL_SECONDS", 0.3)
    fake_pve.faults.add("hang", path="/nodes/pve/disks/smart", count=1)

    turn(host, times=8)

    facts = facts_of(host)
    failing = {name: one for name, one in progress_of(host).items() if one.code}
    assert len(failing) == 1
    (name, hanging), = failing.items()  # fmt: skip
    assert (name.startswith("smart pve "), hanging.code) == (True, "timeout")
    assert 3 * 3600 - 80 <= hanging.next_epoch - moment(host).timestamp() <= 3 * 3600
    assert facts.resting_nodes == {}
    assert len([one for one in facts.node("pve").smart.values() if one.own is not None]) == 3
    assert [name for name, one in progress_of(host).items() if not one.done_epoch and not one.code] == []
    assert host.row().state == "ok"


def test_the_plain_list_leaves_what_smart_told(host, fake_pve):
    fake_pve.site.set_disk("pve", "/dev/nvme0n1", wearout=12, celsius=61)
    turn(host, times=8)

    forget_time(host, "disks")
    turn(host, times=2)

    shown = disk_of(host, "/dev/nvme0n1")
    assert (shown.health, shown.life_left_percent) == ("PASSED", 12)
    assert (shown.temperature_celsius, shown.power_on_hours) == (61, 9913)


def test_another_disk_under_the_same_name_inherits_nothing(host, fake_pve):
    turn(host, times=8)
    fake_pve.site.set_disk("pve", "/dev/sda", serial="NEW", celsius=25)
    fake_pve.faults.add("500", path="/nodes/pve/disks/smart")
    forget_time(host, "disks")

    turn(host, times=8)

    assert disk_of(host, "/dev/sda").temperature_celsius is None
    assert disk_of(host, "/dev/sdb").temperature_celsius == 38


def test_another_disk_under_the_same_name_is_asked_at_once_and_no_other(host, fake_pve):
    turn(host, times=8)
    fake_pve.site.set_disk("pve", "/dev/sda", serial="NEW", celsius=25)
    forget_time(host, "disks")
    reset([fake_pve])

    turn(host, times=8)

    assert (smart_asked(fake_pve), lists_asked(fake_pve)) == (["/dev/sda"], (1, 1))
    assert disk_of(host, "/dev/sda").temperature_celsius == 25


def test_a_disk_that_was_taken_out_is_neither_asked_nor_shown(host, fake_pve):
    turn(host, times=8)
    fake_pve.site.node("pve").disks.pop()
    forget_time(host, "disks")
    facts_of(host).note(Lane.SMART, ("pve", "sdb"), NEVER)
    reset([fake_pve])

    turn(host, times=2)

    assert smart_asked(fake_pve) == []
    assert [one.device for one in shown_disks(facts_of(host).node("pve"))] == [
        "/dev/nvme0n1",
        "/dev/nvme1n1",
        "/dev/sda",
    ]
    assert {one.code for one in progress_of(host).values()} == {""}


def test_disks_are_listed_again_after_a_start_of_their_host(fake_pve, watch):
    watched = with_token(watch(fake_pve), fake_pve.site)
    turn(watched, times=8)
    reset([fake_pve])

    fake_pve.site.kill_node("pve")
    fake_pve.site.revive_node("pve")
    turn(watched, times=12)

    assert lists_asked(fake_pve) == (1, 0)


# --- off and on -----------------------------------------------------------------------------------------------------


def test_what_was_read_is_forgotten_when_it_is_turned_off_and_asked_at_once_when_on_again(host, fake_pve):
    turn(host, times=8)

    switch(host, is_on=False)
    turn(host)
    assert facts_of(host).node("pve").smart == {}
    assert [name for name in progress_of(host) if name.startswith("smart")] == []
    assert facts_of(host).node("pve").disks

    reset([fake_pve])
    switch(host, is_on=True)
    turn(host, times=4)
    assert len(smart_asked(fake_pve)) == 4


# --- a backup server ------------------------------------------------------------------------------------------------


def test_disks_and_pools_of_a_backup_server_are_read_without_smart(fake_pbs, watch):
    fake_pbs.site.set_pool_health("vault", "backup", "DEGRADED")
    watched = watch(fake_pbs, "pbs")

    turn(watched, times=4)

    known = facts_of(watched).host
    assert [disk.device for disk in known.disks] == [
        "/dev/nvme0n1", "/dev/nvme1n1", "/dev/sda", "/dev/sdb", "/dev/sdc", "/dev/sdd",
    ]  # fmt: skip
    assert {pool.name: pool.health for pool in known.zfs_pools} == {"rpool": "ONLINE", "backup": "DEGRADED"}
    assert (lists_asked(fake_pbs), smart_asked(fake_pbs), known.smart) == ((1, 0), [], {})


def test_smart_of_a_backup_server_is_asked_by_the_names_that_it_takes(fake_pbs, watch):
    fake_pbs.site.set_disk("vault", "/dev/nvme0n1", celsius=44, wearout=90)
    watched = watch(fake_pbs, "pbs", reads_smart=True)

    turn(watched, times=4)

    assert sorted(smart_asked(fake_pbs)) == ["nvme0n1", "nvme1n1", "sda", "sdb", "sdc", "sdd"]
    assert facts_of(watched).host.smart["/dev/nvme0n1"].own == SmartReading("passed", 44, 90, 9913)
    assert facts_of(watched).host.smart["/dev/sda"].own == SmartReading("passed", 36, None, 21904)
    assert refusals([fake_pbs]) == {}

    switch(watched, is_on=False)
    turn(watched)
    assert facts_of(watched).host.smart == {}


def test_disks_of_a_backup_server_that_the_account_may_not_see_are_not_asked(fake_pbs, watch):
    rights = {"/datastore": ("Datastore.Audit",), "/system/status": ("Sys.Audit",)}
    watched = with_token(watch(fake_pbs, "pbs", reads_smart=True), fake_pbs.site, rights)

    turn(watched, times=4)

    assert asked([fake_pbs], "/disks/") == 0


def test_disks_read_anew_do_not_let_the_backups_be_judged_again(fake_pbs, watch):
    watched = watch(fake_pbs, "pbs")
    turn(watched, times=6)
    version = facts_of(watched).version

    fake_pbs.site.set_disk("vault", "/dev/sda", used="")
    forget_time(watched, "disks")
    turn(watched)

    assert (facts_of(watched).version, facts_of(watched).host.disks[2].used_for) == (version, "unused")


# --- how it is shown ------------------------------------------------------------------------------------------------


def shown(*told, serial="S1"):
    """The one disk of a host, `/dev/sda` with the serial S1."""
    disk = DiskReading("/dev/sda", serial="S1", kind="hdd")
    (only,) = shown_disks(
        NodeFacts(disks=(disk,), smart={"/dev/sda": SmartFacts(serial, *told)} if told else {})
    )
    return {
        name: getattr(only, name)
        for name in (
            "health",
            "life_left_percent",
            "temperature_celsius",
            "power_on_hours",
            "smart_read_epoch",
        )
    }


UNTOLD = {
    "health": None,
    "life_left_percent": None,
    "temperature_celsius": None,
    "power_on_hours": None,
    "smart_read_epoch": None,
}


def test_of_a_disk_that_was_not_asked_nothing_is_told():
    assert shown() == UNTOLD


def test_what_another_disk_of_that_name_told_is_not_shown():
    assert shown(SmartReading("FAILED!"), 100.0, serial="S0") == UNTOLD


@pytest.mark.parametrize(
    ("listed_epoch", "own_epoch", "health", "left"),
    [(200.0, 100.0, "FAILED!", 4), (100.0, 200.0, "PASSED", 5)],
    ids=["the list is newer", "the disk is newer"],
)
def test_of_two_answers_the_newer_one_counts(listed_epoch, own_epoch, health, left):
    listed = SmartReading("FAILED!", life_left_percent=4)
    own = SmartReading("PASSED", temperature_celsius=30, life_left_percent=5, power_on_hours=7)

    assert shown(listed, listed_epoch, own, own_epoch) == {
        "health": health,
        "life_left_percent": left,
        "temperature_celsius": 30,
        "power_on_hours": 7,
        "smart_read_epoch": 200,
    }


def test_a_figure_that_the_newer_answer_lacks_is_that_of_the_older_one():
    listed, own = SmartReading("PASSED", life_left_percent=0), SmartReading("", temperature_celsius=0)

    found = shown(listed, 100.0, own, 200.0)

    assert (found["health"], found["life_left_percent"], found["temperature_celsius"]) == ("PASSED", 0, 0)
