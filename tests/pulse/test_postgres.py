"""Bounds on how long PostgreSQL may keep anybody waiting; how they hold is in tests/scale/test_postgres_faults.py."""

from __future__ import annotations

from pulse.lib.postgres import REQUESTS, TASKS, BoundedConnection, connection_options, wait_as_tasks


def test_a_request_waits_for_a_statement_a_lock_and_a_connection_for_seconds_only():
    options = connection_options(REQUESTS)

    assert options["options"] == (
        "-c statement_timeout=5000 -c lock_timeout=2000 -c idle_in_transaction_session_timeout=15000"
    )
    assert (
        options["pool"]["timeout"] == options["pool"]["reconnect_timeout"] == options["connect_timeout"] == 2
    )
    assert options["tcp_user_timeout"] == 5000
    assert BoundedConnection.silence_seconds == 2.5


def test_a_task_may_take_longer_but_waits_no_longer_for_a_lock(monkeypatch):
    monkeypatch.setattr(BoundedConnection, "silence_seconds", 2.5)
    database = {"OPTIONS": connection_options(REQUESTS)}

    wait_as_tasks(database)

    assert database["OPTIONS"]["options"] == (
        "-c statement_timeout=30000 -c lock_timeout=2000 -c idle_in_transaction_session_timeout=15000"
    )
    assert BoundedConnection.silence_seconds == TASKS.silence_seconds == 35
