"""What belongs together, and what only has the same name."""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.slow


def test_two_exports_under_one_storage_id_are_two_places(case):
    played = case("03")

    played.is_read()

    assert played.state("/vms/*/backupState") == ["good", "good"]
    assert played.state("/vms[name=web-a]/lastBackup") == ["2026-01-01T06:01:00Z"]
    assert played.state("/vms[name=web-b]/lastBackup") == ["2026-01-01T06:01:00Z"]
    played.is_right()


def test_a_number_that_is_used_again_inherits_no_backup(case):
    played = case("16")

    played.is_read()

    assert played.state("/vms[name=shop]/backupState") == ["never"]
    assert played.state("/vms[name=shop]/lastBackup") == ["0001-01-01T00:00:00Z"]
    assert played.details("vms", "shop", "/backups/due") == [None]
    assert played.state("/pbsBackups/*/guestGone") == [True, True, True, True]
    played.is_right()


def test_two_sites_of_one_plan_are_two_clusters(case):
    played = case("15")

    played.is_read()

    assert sorted(played.state("/vms/*/name")) == ["branch1-till", "branch2-till"]
    assert played.state("/connectionHealth/*") == [True, True]
    assert sorted(played.state("/nodes/*/instance")) == ["north2", "north2", "south2", "south2"]
    played.is_right()


def test_two_members_are_one_cluster_though_the_account_may_not_ask(case):
    played = case("26")

    played.is_read()

    assert sorted(played.state("/nodes/*/name")) == ["k1", "k2"]
    assert sorted(played.state("/vms/*/name")) == ["db", "web"]
    played.is_right()


def test_two_hosts_that_spell_one_id_have_two(case):
    played = case("12")

    played.is_read()

    assert sorted(played.state("/nodes/*/id")) == ["home-lab-pve", "home-lab-pve-2"]
    assert played.state("/vms[name=first]/id") == ["home-lab-pve-100"]
    assert played.state("/vms[name=second]/id") == ["home-lab-pve-2-100"]
    played.is_right()
