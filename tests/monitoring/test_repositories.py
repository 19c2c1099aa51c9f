"""Package repositories of a node: what Proxmox itself finds wrong with them."""

from __future__ import annotations

import pytest

from monitoring.concerns.software import repositories
from nodes.proxmox.readings.software import (
    RepositoriesReading,
    RepositoryProblemReading,
    StandardRepositoryReading,
)
from tests.monitoring.collected import facts_of, turn, with_token

NOON = 1767268800.0
OLD = RepositoryProblemReading("/etc/apt/sources.list", "old suite 'bookworm' configured!")
SID = RepositoryProblemReading("/etc/apt/sources.list", "suite 'sid' should not be used in production!")
BROKEN = RepositoryProblemReading("/etc/apt/sources.list.d/a.list", "malformed entry in line 3")
LONG = RepositoryProblemReading("/a", "x" * 300)


@pytest.mark.parametrize(
    ("problems", "expected"),
    [
        ((OLD,), ["Package repositories in /etc/apt/sources.list: old suite 'bookworm' configured"]),
        ((BROKEN,), ["Package repositories in /etc/apt/sources.list.d/a.list: malformed entry in line 3"]),
        ((OLD, SID), ["Package repositories in /etc/apt/sources.list: old suite 'bookworm' configured! and suite 'sid' should not be used in production"]),
        ((OLD, BROKEN), ["Package repositories in /etc/apt/sources.list: old suite 'bookworm' configured",
                         "Package repositories in /etc/apt/sources.list.d/a.list: malformed entry in line 3"]),
        ((LONG,), [f"Package repositories in /a: {'x' * 159}…"]),
        ((), []),
    ],
)  # fmt: skip
def test_each_file_with_something_wrong_is_told_once(problems, expected):
    found = list(repositories(RepositoriesReading(problems), NOON))

    assert [one.text for one in found] == expected
    assert {one.level for one in found} <= {"warning"}


def test_which_repositories_somebody_has_chosen_is_no_concern():
    chosen = (StandardRepositoryReading("Enterprise"), StandardRepositoryReading("Test", is_enabled=True))

    assert list(repositories(RepositoriesReading((), chosen), NOON)) == []
    assert list(repositories(None, 0.0)) == []


def test_of_very_many_files_some_are_told():
    many = tuple(RepositoryProblemReading(f"/{number}", "old suite") for number in range(100))

    assert len(list(repositories(RepositoriesReading(many), NOON))) == 10


@pytest.mark.django_db
def test_an_old_suite_of_a_node_is_told(fake_pve, watch):
    fake_pve.site.set_node("pve", repository_problems=[(OLD.path, OLD.message)])
    watched = with_token(watch(fake_pve), fake_pve.site)

    turn(watched, times=6)

    assert facts_of(watched).node("pve").repositories.standard[1].is_enabled is True
    assert [one["text"] for one in watched.shown("concerns") if one["code"] == "repository"] == [
        "Package repositories in /etc/apt/sources.list: old suite 'bookworm' configured"
    ]
