"""What runs on a node, in the words of systemd."""

from __future__ import annotations

import pytest

from nodes.proxmox import software
from nodes.proxmox.errors import BadAnswer
from nodes.proxmox.readings.software import (
    RepositoriesReading,
    RepositoryProblemReading,
    ServiceReading,
    StandardRepositoryReading,
)


def test_services_are_read_by_name_and_without_their_descriptions() -> None:
    rows = [
        {"service": "pvestatd", "name": "pvestatd", "desc": "PVE Status Daemon", "state": "dead",
         "active-state": "inactive", "unit-state": "enabled"},
        {"service": "corosync", "state": "running"},
        {"name": "nothing"},
    ]  # fmt: skip

    assert software.read_services(rows) == (
        ServiceReading("corosync", "running", "", ""),
        ServiceReading("pvestatd", "dead", "inactive", "enabled"),
    )


@pytest.mark.parametrize(
    ("state", "active", "unit", "is_down", "has_failed"),
    [
        ("running", "active", "enabled", False, False),
        ("exited", "active", "enabled", False, False),
        ("dead", "inactive", "enabled", True, False),
        ("dead", "", "", True, False),
        ("failed", "failed", "enabled", True, True),
        ("failed", "", "", True, True),
        ("failed", "failed", "static", True, True),
        ("dead", "inactive", "disabled", False, False),
        ("dead", "inactive", "masked", False, False),
        ("dead", "inactive", "not-found", False, False),
        ("failed", "failed", "disabled", False, False),
        ("auto-restart", "activating", "enabled", False, False),
        ("start-pre", "activating", "enabled", False, False),
        ("stop-sigterm", "deactivating", "enabled", False, False),
        ("unknown", "unknown", "unknown", False, False),
        ("", "", "", False, False),
    ],
)
def test_a_service_is_down_only_by_a_word_that_says_so_and_only_if_somebody_wants_it(
    state: str, active: str, unit: str, is_down: bool, has_failed: bool
) -> None:
    one = ServiceReading("pvestatd", state, active, unit)

    assert (one.is_down, one.has_failed) == (is_down, has_failed)


def test_more_services_than_any_host_has_are_no_answer() -> None:
    with pytest.raises(BadAnswer, match="more than 200 entries"):
        software.read_services([{"service": f"s{number}"} for number in range(201)])


def test_of_repositories_errors_and_warnings_are_read_and_which_standard_ones_are_enabled() -> None:
    data = {
        "errors": [{"path": "/etc/apt/sources.list.d/a.list", "error": "invalid line 3"}, {"path": "/x"}],
        "infos": [
            {"path": "/etc/apt/sources.list", "kind": "origin", "message": "Debian", "index": "0"},
            {"path": "/etc/apt/sources.list", "kind": "warning", "message": "old suite 'bookworm' configured!", "index": "0"},
            {"path": "/etc/apt/sources.list", "kind": "warning", "message": "old suite 'bookworm' configured!", "index": "1"},
        ],
        "standard-repos": [{"handle": "enterprise", "name": "Enterprise", "status": 0}, {"name": "No-Subscription", "status": 1}, {"name": "Test"}, {}],
    }  # fmt: skip

    assert software.read_repositories(data) == RepositoriesReading(
        (
            RepositoryProblemReading("/etc/apt/sources.list.d/a.list", "invalid line 3"),
            RepositoryProblemReading("/etc/apt/sources.list", "old suite 'bookworm' configured!"),
        ),
        (
            StandardRepositoryReading("Enterprise", is_enabled=False),
            StandardRepositoryReading("No-Subscription", is_enabled=True),
            StandardRepositoryReading("Test"),
        ),
    )


@pytest.mark.parametrize("data", [None, [], {}, "x"])
def test_repositories_that_are_none_are_a_bad_answer(data: object) -> None:
    with pytest.raises(BadAnswer):
        software.read_repositories(data)
