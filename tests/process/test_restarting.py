"""A restart while nothing answers: the first state that is told has everything that was known, marked as old."""

from __future__ import annotations

import sqlite3

import pytest

from tests.fake_proxmox.process import FakeProcess, connection
from tests.process.running import PulseProcess, until

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("processes"), pytest.mark.timeout(120)]


def is_saved(data_dir):
    """Whether the database holds facts of an instance."""
    with sqlite3.connect(data_dir / "pulse.sqlite3") as database:
        return bool(database.execute("select count(*) from monitoring_collectedfacts").fetchone()[0])


def test_the_first_state_after_a_restart_has_backups_and_snapshots_of_a_host_that_is_gone(tmp_path):
    data_dir = tmp_path / "data"
    with FakeProcess("homelab") as hosts, PulseProcess(data_dir, POLLING_INTERVAL="3") as pulse:
        pulse.healthy()
        told = hosts.instances[0]
        assert pulse.request("POST", "/api/config/nodes", connection(told))[0] == 201
        until(lambda: is_saved(data_dir), seconds=60, what="facts are in the database")

    with PulseProcess(data_dir, POLLING_INTERVAL="3") as pulse:
        pulse.healthy()
        state = pulse.state()

    assert {one["status"] for one in state["nodes"]} == {"unknown"}
    assert len(state["vms"] + state["containers"]) == 14
    assert {one["stale"] for one in state["vms"]} == {True}
    assert all(one["backupState"] for one in state["vms"])
    assert len(state["pveBackups"]["backupTasks"]) > 0
