"""What is said of backups from the first poll on: nothing is missing before every place was read."""

from __future__ import annotations

import pytest

from tests.fake_proxmox import estates
from tests.fake_proxmox.fixtures import virtual_estate
from tests.monitoring.collected import judge, turn, with_token

pytestmark = [pytest.mark.django_db, pytest.mark.slow]


def states(watched):
    """How the backups of the guests are, each once, with the reason."""
    return {(one.get("backupState", ""), one.get("backupReason", "")) for one in watched.guests().values()}


def test_the_home_lab_of_the_demo_is_judged_by_all_of_its_backups(watch):
    home, _, vault = estates.demo()
    with virtual_estate(home, vault) as estate:
        server = watch(estate.site("vault").servers[0], "pbs")
        lab = watch(estate.site("homelab").servers[0])
        first = []
        for _ in range(12):
            for watched in (server, lab):
                turn(watched)
            judge(lab)
            lab.poll(after=0)
            first.append(states(lab))

        assert first[-1] == {("good", "")}
        assert {state for told in first for state, _ in told} <= {"", "unknown", "good"}


def test_an_account_that_may_not_list_backups_is_told_so_and_no_guest_is_called_without(watch):
    with virtual_estate(*estates.limited()) as estate:
        workshop = watch(estate.site("workshop").servers[0])
        for _ in range(6):
            turn(workshop)
            judge(workshop)
        workshop.poll(after=0)

        assert states(workshop) == {("unknown", "no_permission")}


def test_every_backup_job_of_a_pve_is_listed_wherever_it_writes_to(fake_pve, watch, document):
    lab = with_token(watch(fake_pve), fake_pve.site)
    for _ in range(6):
        turn(lab)
        judge(lab)
    turn(lab)

    told = document()["pveBackups"]["backupJobs"]

    assert {(one["id"], one["store"], one["status"], one.get("disabled", False)) for one in told} == {
        ("lab-backup-7a31c9e0-nightly", "nas-backup", "ok", False),
        ("lab-backup-e4f1aa02-old", "local", "unknown", True),
    }
    assert [one for one in told if one.get("missedAt")] == []
