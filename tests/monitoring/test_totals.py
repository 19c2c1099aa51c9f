"""All lists of one kind together are bounded too: a thousand snapshots of each of twenty thousand guests are not kept."""

from __future__ import annotations

import pytest

from monitoring.collecting.pbs import keep_namespace
from monitoring.collecting.visit import Visit
from monitoring.known.facts import Facts, NamespaceBackups
from monitoring.known.memory import PollMemory
from nodes.models import Instance
from nodes.proxmox import limits
from nodes.proxmox.errors import BadAnswer

THOUSAND = (1,) * 1_000


@pytest.fixture
def visit():
    return Visit(Instance(), None, Facts(), PollMemory(), epoch=1.0)


def kept_until_refused(keep):
    """How many lists of a thousand are kept before one is refused."""
    for number in range(2_000):
        try:
            keep(number)
        except BadAnswer:
            return number
    return None


def test_snapshots_of_all_guests_are_a_hundred_thousand_at_most(visit):
    assert kept_until_refused(lambda number: visit.keep_guest(100 + number, snapshots=THOUSAND)) == 100
    assert sum(len(guest.snapshots) for guest in visit.facts.guests.values()) == 100_000


def test_a_guest_whose_snapshots_are_read_again_counts_once(visit):
    for _ in range(150):
        visit.keep_guest(100, snapshots=THOUSAND)

    assert len(visit.facts.guest(100).snapshots) == 1_000


def test_updates_of_all_nodes_are_fifty_thousand_at_most(visit):
    assert kept_until_refused(lambda number: visit.keep_node(f"n{number}", updates=THOUSAND)) == 50


def test_backups_in_all_storages_are_half_a_million_at_most(visit):
    def keep(number):
        visit.keep_entry("volumes", (f"s{number}", ""), THOUSAND)

    assert kept_until_refused(keep) == 500


def test_backups_in_all_places_of_a_server_are_half_a_million_at_most(visit):
    place = NamespaceBackups(groups=THOUSAND, snapshots={"vm/100": THOUSAND})

    assert kept_until_refused(lambda number: keep_namespace(visit, ("main", f"n{number}"), place)) == 250


def test_what_is_refused_says_why(visit):
    with pytest.raises(BadAnswer, match="All lists of this kind together have more than 100,000 entries"):
        visit.keep_guest(100, snapshots=(1,) * 100_001)


def test_short_lists_of_all_guests_there_may_be_are_kept(visit):
    for vmid in range(100, 400):
        visit.keep_guest(vmid, snapshots=(1,) * 8)

    assert len(visit.facts.guests) == 300
    assert limits.TOTAL == 50_000
