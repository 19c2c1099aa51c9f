"""Nodes that nobody can look at: what they had stays, marked, and the node tells why it is unknown."""

from __future__ import annotations

import pytest

from tests.monitoring.collected import with_token

pytestmark = [pytest.mark.slow, pytest.mark.django_db]

VICTIM = "pve-03"
#: Guests of the victim, as the estate draws them.
THEIRS = (102, 105, 108, 111)


def node_named(watched, name=VICTIM):
    """A node as a client sees it."""
    return next(node for node in watched.shown("nodes") if node["name"] == name)


def told_of(watched, code="node_unmeasured"):
    """The sentences about nodes that are not measured, by the resource they are about."""
    return {one["resourceId"]: one["text"] for one in watched.shown("concerns") if one["code"] == code}


def states_of(watched, vmids=THEIRS):
    """Status and mark of these guests; None for one that is not shown."""
    guests = watched.guests()
    return {
        vmid: (guests[vmid]["status"], guests[vmid].get("stale", False)) if vmid in guests else None
        for vmid in vmids
    }


@pytest.fixture
def watched(fake_cluster, watch):
    """A cluster of three that was read once."""
    watched = watch(fake_cluster)
    watched.poll()
    assert {vmid for vmid, guest in watched.guests().items() if guest["node"] == VICTIM} == set(THEIRS)
    return watched


def silence(watched, verb, *, seconds=3600):
    """Let the node be silent for so long, polled at the end of it and three minutes later."""
    getattr(watched.server, verb)(VICTIM)
    watched.poll(after=seconds, reconnects=True)
    watched.poll(after=180, reconnects=True)


@pytest.mark.parametrize("verb", ["freeze_node", "kill_node"])
def test_guests_and_storages_of_a_silent_node_stay_as_last_seen(verb, watched):
    before = {one["id"] for one in watched.shown("storage") if one["node"] == VICTIM}
    silence(watched, verb)

    assert states_of(watched) == dict.fromkeys(THEIRS, ("unknown", True))
    stale = {one["id"] for one in watched.shown("storage") if one["node"] == VICTIM and one.get("stale")}
    assert (stale, len(stale) > 0) == (before, True)


def test_a_node_whose_pvestatd_is_silent_tells_so(watched, document):
    silence(watched, "freeze_node")

    assert told_of(watched) == {
        "lab-pve-03": "Node pve-03 is online in its cluster, and does not report how it and its guests are: its status daemon "
        "(pvestatd) hangs or does not run, often because of a storage that does not answer"
    }
    node = node_named(watched)
    assert (node["status"], node["connectionHealth"]) == ("unknown", "unhealthy")
    assert document()["connectionHealth"] == {"lab": True}


def test_without_the_membership_nothing_is_claimed_of_it(fake_cluster, watch):
    watched = with_token(watch(fake_cluster), fake_cluster, {"/vms": ("VM.Audit",)})
    watched.poll()
    silence(watched, "freeze_node")

    (text,) = told_of(watched).values()
    assert "online in its cluster" not in text
    assert "(pvestatd) hangs or does not run" in text
    assert states_of(watched) == dict.fromkeys(THEIRS, ("unknown", True))


def test_the_only_host_whose_pvestatd_is_silent_tells_so(fake_pve, watch):
    watched = watch(fake_pve)
    watched.poll()
    before = set(watched.guests())

    fake_pve.site.freeze_node("pve")
    watched.poll(after=3600)
    watched.poll(after=180)

    assert list(told_of(watched)) == ["lab-pve"]
    assert set(watched.guests()) == before
    assert {guest["status"] for guest in watched.guests().values()} == {"unknown"}


def test_a_node_that_reports_again_is_as_before(watched):
    silence(watched, "freeze_node")

    watched.server.thaw_node(VICTIM)
    watched.poll(after=10, reconnects=True)

    assert told_of(watched) == {}
    assert ("unknown", True) not in states_of(watched).values()
    assert node_named(watched)["connectionHealth"] == "healthy"


@pytest.mark.parametrize("verb", ["freeze_node", "kill_node"])
def test_what_a_complete_list_has_no_more_is_gone_though_its_node_is_silent(verb, watched):
    silence(watched, verb)

    watched.server.remove_guest(THEIRS[0])
    watched.poll(after=10, reconnects=True)

    assert states_of(watched) == {THEIRS[0]: None} | dict.fromkeys(THEIRS[1:], ("unknown", True))


def test_a_guest_that_was_recovered_elsewhere_is_where_it_is(watched):
    silence(watched, "kill_node")

    watched.server.migrate_guest(THEIRS[0], "pve-01")
    watched.poll(after=10, reconnects=True)

    assert watched.guests()[THEIRS[0]]["node"] == "pve-01"
    assert not watched.guests()[THEIRS[0]].get("stale")


def test_a_guest_that_was_never_seen_to_run_is_listed(fake_cluster, watch):
    watched = watch(fake_cluster)
    fake_cluster.kill_node(VICTIM)

    watched.poll(after=600, reconnects=True)

    assert states_of(watched) == dict.fromkeys(THEIRS, ("unknown", True))
    assert watched.guests()[102]["lastSeen"] == "0001-01-01T00:00:00Z"


# --- no alarm where there was none ------------------------------------------------------------------------------------


@pytest.mark.parametrize("seconds", [10, 60, 290])
def test_a_pvestatd_that_is_started_again_in_time_is_no_news(seconds, watched):
    watched.server.freeze_node(VICTIM)

    watched.poll(after=seconds)

    assert told_of(watched) == {}
    assert node_named(watched)["status"] == "online"
    assert ("unknown", True) not in states_of(watched).values()


def test_a_node_that_is_unknown_for_a_moment_is_no_news(watched):
    watched.server.freeze_node(VICTIM)
    watched.poll(after=305)
    watched.poll(after=20)

    assert node_named(watched)["status"] == "unknown"
    assert told_of(watched) == {}


def test_a_node_that_is_switched_off_is_not_said_to_hang(watched):
    silence(watched, "kill_node")

    assert node_named(watched)["status"] == "offline"
    assert told_of(watched) == {}
