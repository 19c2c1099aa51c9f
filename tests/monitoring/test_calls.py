"""How many calls Pulse makes: those of the live polls and of the slow lanes, each counted once."""

from __future__ import annotations

import pytest

from monitoring.collecting.calls import Calls
from monitoring.known.memory import PollMemory
from monitoring.polling import restoring
from monitoring.store import current
from monitoring.store.memory import MemoryStore
from nodes.connecting import connection_for
from nodes.proxmox import pve
from nodes.proxmox.errors import ServerError
from tests.monitoring.collected import facts_of, moment, refusals, turn, with_token

pytestmark = [pytest.mark.slow, pytest.mark.django_db]


@pytest.fixture
def host(fake_pve, watch):
    """One host, and an account that may see everything."""
    return with_token(watch(fake_pve), fake_pve.site)


def counted(document):
    """What the state tells: all calls, and those that failed."""
    performance = document()["performance"]
    return performance["totalApiCalls"], performance["failedApiCalls"]


def test_the_state_counts_the_calls_of_the_slow_lanes_as_well(host, fake_pve, document):
    turn(host, times=4)
    host.poll(after=5)

    facts = facts_of(host)
    assert facts.calls > 50
    assert sum(minute.calls for minutes in facts.costs.values() for minute in minutes) == facts.calls
    # That it has no Ceph, a host says by an error.
    assert counted(document) == (fake_pve.traffic.snapshot()["total"], 1)


def test_calls_that_the_host_refused_count_as_failed(host, fake_pve, document, monkeypatch):
    monkeypatch.setattr("monitoring.collecting.visit.Visit.may", lambda *_: True)
    with_token(host, fake_pve.site, {"/": ("Sys.Audit", "VM.Audit")})
    turn(host, times=4)
    host.poll(after=5)

    refused = sum(refusals([fake_pve]).values())
    assert refused > 0
    assert counted(document) == (fake_pve.traffic.snapshot()["total"], refused)


def test_a_poll_that_fails_tells_the_calls_of_the_slow_lanes_all_the_same(
    host, fake_pve, document, short_limits
):
    turn(host, times=4)
    host.poll(after=5)
    before, refused = counted(document)
    fake_pve.stop()

    host.poll(after=5)

    assert (counted(document), refused) == ((before + 1, 2), 1)


def test_after_a_restart_all_is_counted_from_the_start(host, document):
    turn(host, times=2)
    current.install(MemoryStore())
    restoring.restore_inventory(moment(host))
    restoring.restore_collected(moment(host))

    host.poll(after=5)

    # The figures, the membership and the details of the node.
    assert counted(document) == (3, 0)


def test_what_others_ask_over_the_same_connection_is_not_counted(host):
    connection = connection_for(host.instance)
    own, other = (Calls(connection, PollMemory(), at_epoch=0.0, deadline_seconds=5.0) for _ in range(2))

    other.ask(pve.cluster_resources)
    own.ask_here(pve.version, longest_seconds=5.0)
    with pytest.raises(ServerError):
        own.ask_here(
            lambda client, **limits: pve.node_version(client, "nowhere", **limits), longest_seconds=5.0
        )

    assert (own.made, own.failed) == (2, 1)
    assert (other.made, other.failed) == (1, 0)
