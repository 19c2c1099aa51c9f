"""What a task, a log and a change tell, as something to keep; no database."""

from __future__ import annotations

import pytest

from monitoring.concerns.shapes import INSTANCE, About
from monitoring.history.changes import Change
from monitoring.history.happened import by_log, by_sight, by_task, key_of
from monitoring.history.task_kinds import CHANGES, COVERED_BY, KINDS, kind_of
from nodes.proxmox.readings.backups import TaskReading, VzdumpGuestReading

T = 1_767_268_800


def task(kind="vzdump", subject="100", **fields):
    fields = {"user": "root@pam", "started_epoch": T, "ended_epoch": T + 60, "status": "OK"} | fields
    return TaskReading("UPID:x", "pve1", kind, subject, **fields)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, ("by root@pam", "ok")),
        ({"user": ""}, ("", "ok")),
        ({"status": "WARNINGS: 2"}, ("WARNINGS: 2, by root@pam", "warning")),
        ({"status": "no space left"}, ("no space left, by root@pam", "failed")),
        ({"status": "unexpected status"}, ("by root@pam", "")),
        ({"status": "", "ended_epoch": None}, ("by root@pam", "running")),
    ],
)
def test_a_task_tells_how_it_ended_and_who_began_it(fields, expected):
    one = by_task(task(**fields), ahead_seconds=None)

    assert (one.text, one.outcome) == expected


def test_a_task_is_told_by_our_clock():
    one = by_task(task(), ahead_seconds=120.0)

    assert (one.start_epoch, one.end_epoch) == (T - 120, T - 60)


def test_consoles_and_what_does_not_say_when_it_began_are_not_kept():
    assert by_task(task("vncproxy"), ahead_seconds=None) is None
    assert by_task(task("reader", "main:vm/100"), ahead_seconds=None, stores={"main"}) is None
    assert by_task(task(started_epoch=None), ahead_seconds=None) is None


@pytest.mark.parametrize(
    ("kind", "subject", "about", "text"),
    [
        ("qmstart", "100", About("guest", vmid=100), ""),
        ("vzdump", "", About("node", "pve1"), ""),
        ("imgcopy", "100@local-lvm", About("node", "pve1"), "100@local-lvm"),
        ("qmstart", "²", About("node", "pve1"), "²"),
        ("srvreload", "networking", About("node", "pve1"), "networking"),
    ],
)
def test_a_task_of_a_pve_is_of_a_guest_or_of_its_node(kind, subject, about, text):
    one = by_task(task(kind, subject, user=""), ahead_seconds=None)

    assert (one.about, one.text) == (about, text)


@pytest.mark.parametrize(
    ("kind", "subject", "about", "text"),
    [
        ("backup", "main:vm/100", About("datastore", "main"), "vm/100"),
        ("backup", "main:site/a:vm/100", About("datastore", "main"), "site/a:vm/100"),
        ("garbage_collection", "main", About("datastore", "main"), ""),
        ("syncjob", "remote:main:offsite:ns:s-1", About("datastore", "offsite"), "remote:main:offsite:ns:s-1"),
        ("backup", "gone:vm/100", INSTANCE, "gone:vm/100"),
        ("aptupdate", "", INSTANCE, ""),
    ],
)  # fmt: skip
def test_a_task_of_a_backup_server_is_of_a_datastore_or_of_the_server(kind, subject, about, text):
    one = by_task(task(kind, subject, user=""), ahead_seconds=None, stores={"main", "offsite"})

    assert (one.about, one.text) == (about, text)


def test_words_of_a_host_are_one_bounded_line_without_secrets():
    words = f"line\nPVEAPIToken=root@pam!x=0b3f5d5e-1111-2222-3333-444455556666 {'x' * 900}"

    one = by_task(task(status=words, user=""), ahead_seconds=None)

    assert len(one.text) <= 300
    assert "0b3f5d5e-1111" not in one.text
    assert "\n" not in one.text


def test_a_key_is_never_too_long_and_never_another_ones():
    long = ["UPID:" + "x" * 500 + end for end in "ab"]

    assert key_of("UPID:pve1", "100") == "UPID:pve1 100"
    assert [len(key_of(one)) for one in long] == [200, 200]
    assert key_of(long[0]) != key_of(long[1])


def test_a_log_tells_when_each_backup_began_while_all_before_it_tell_how_long_they_took():
    guests = (
        VzdumpGuestReading(100, "qemu", True, seconds=20),
        VzdumpGuestReading(101, "lxc", False, "no space left"),
        VzdumpGuestReading(102, "qemu", True, seconds=5),
        VzdumpGuestReading(103, "qemu"),
    )

    told = list(by_log(task(subject="", user=""), guests, ahead_seconds=None))

    assert [(one.about.vmid, one.outcome, one.text, one.start_epoch - T, one.end_epoch - T) for one in told] == [
        (100, "ok", "", 0, 20),
        (101, "failed", "no space left", 20, 60),
        (102, "ok", "", 0, 60),
        (103, "", "", 0, 60),
    ]  # fmt: skip
    assert [one.key for one in told][:2] == ["UPID:x 100", "UPID:x 101"]


def test_a_log_that_tells_more_than_the_run_took_is_kept_within_the_run():
    guests = tuple(VzdumpGuestReading(vmid, "qemu", True, seconds=50) for vmid in (100, 101, 102))

    told = list(by_log(task(subject=""), guests, ahead_seconds=None))

    assert [(one.start_epoch - T, one.end_epoch - T) for one in told] == [(0, 50), (50, 60), (0, 60)]


def test_a_change_is_of_an_instant_or_of_the_span_in_which_nobody_looked():
    soon = by_sight(Change(About("guest", vmid=100), "moved", "from a to b", T - 10, T))
    late = by_sight(Change(About("guest", vmid=100), "moved", "from a to b", T - 3600, T))

    assert (soon.start_epoch, soon.end_epoch) == (T, None)
    assert (late.start_epoch, late.end_epoch) == (T - 3600, T)
    assert soon.key == f"seen:moved:{T} guest 100/"


def test_each_kind_of_task_and_of_change_has_one_kind_of_event():
    assert kind_of("qmigrate") == "migration"
    assert kind_of("moved") == "migration"
    assert kind_of("prunejob") == "task"
    assert kind_of("size") == "configuration"
    assert KINDS.keys().isdisjoint(CHANGES)
    assert set(COVERED_BY) <= set(CHANGES) | set(KINDS)
