"""At most two calls in flight to a node, whatever lane: and a poll never waits for the slow lanes."""

from __future__ import annotations

import threading

import pytest

from monitoring.collecting import pbs, pve, run
from monitoring.collecting.calls import Calls
from monitoring.collecting.pve import backups
from monitoring.collecting.visit import Visit
from monitoring.known.memory import MEMORY
from monitoring.store.current import store
from nodes import connecting
from tests.monitoring.collected import asked, facts_of, moment, progress_of, reset, turn, with_token
from tests.process.running import until

pytestmark = [pytest.mark.django_db, pytest.mark.slow, pytest.mark.usefixtures("short_limits")]

#: Of the node that the others are asked through when the first does not answer.
CONTENT = "/nodes/pve-02/storage/*/content"
#: Longer than any of these tests: what hangs, hangs until its server is stopped.
LONG_SECONDS = 60.0
POLLS = 4


class Beside:
    """Questions of the lanes of these groups, of all of them unless told, in a thread of its own and without the database."""

    def __init__(self, watched, module, *wanted, most=None):
        facts = facts_of(watched)
        memory = store().load(MEMORY, of=watched.instance.pk)
        connection = connecting.connection_for(watched.row())
        at = moment(watched).timestamp()
        calls = Calls(connection, memory, at_epoch=at, deadline_seconds=LONG_SECONDS)
        self.visit = Visit(watched.row(), calls, facts, memory, at)
        possible = [question for question in module.questions(self.visit) if question.is_possible]
        self.questions = [question for question in possible if not wanted or question.lane.group in wanted][
            :most
        ]
        assert self.questions
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        for question in self.questions:
            run.ask(self.visit, question)

    @property
    def is_on(self):
        return self.thread.is_alive()

    def end(self, servers):
        for server in servers:
            server.stop()
        self.thread.join(10)
        assert not self.is_on


def begun(servers, part):
    """Return when one of the servers carries out a call whose path holds a text."""
    until(lambda: asked(servers, part) > 0, seconds=10, what=f"somebody asks for {part}")


def peak(site):
    return max(site.load.peaks().values())


@pytest.fixture
def cluster(fake_cluster, watch):
    watched = with_token(watch(fake_cluster, fingerprint=fake_cluster.fingerprint), fake_cluster)
    turn(watched, times=8)
    return watched


@pytest.fixture
def hanging(cluster, fake_cluster, monkeypatch):
    """A listing that hangs, on its way."""
    monkeypatch.setattr(backups, "LISTING_SECONDS", LONG_SECONDS)
    for server in fake_cluster.servers:
        server.faults.add("hang", path=CONTENT)
    reset(fake_cluster.servers)
    fake_cluster.load.reset()
    listing = Beside(cluster, pve, "backups")
    begun(fake_cluster.servers, "/pve-02/storage")
    yield listing
    listing.end(fake_cluster.servers)


def test_a_listing_that_hangs_costs_no_poll_and_no_third_call(cluster, fake_cluster, hanging):
    states = []
    for _ in range(POLLS):
        cluster.poll(after=10)
        states.append(cluster.row().state)

    assert hanging.is_on
    assert states == ["ok"] * POLLS
    assert peak(fake_cluster) <= 2
    requests = fake_cluster.servers[0].traffic.snapshot()["requests"]
    assert (requests["/cluster/resources"], requests["/cluster/status"]) == (POLLS, POLLS)


def test_with_one_slot_left_the_figures_come_before_the_membership(cluster, fake_cluster, hanging):
    for server in fake_cluster.servers:
        server.faults.add("hang", path="/cluster/status")

    cluster.poll(after=10)

    assert hanging.is_on
    assert cluster.row().state == "ok"
    told = [one.path for one in fake_cluster.servers[0].traffic.log if one.path.startswith("/cluster/")]
    assert told == ["/cluster/resources", "/cluster/status"]


def test_a_poll_through_another_member_counts_what_still_runs_through_the_first(
    cluster, fake_cluster, hanging
):
    fake_cluster.servers[0].faults.add("hang", path="/cluster/*")
    fake_cluster.servers[1].latency_ms = 100  # so that calls made side by side are seen as such

    for _ in range(POLLS):
        cluster.poll(after=10)

    assert hanging.is_on
    assert cluster.row().state == "ok"
    assert fake_cluster.servers[1].traffic.snapshot()["requests"]["/cluster/resources"] == POLLS
    assert peak(fake_cluster) <= 2


def test_while_all_lanes_are_busy_no_node_has_more_than_two_calls(cluster, fake_cluster):
    for server in fake_cluster.servers:
        server.latency_ms = 10
    fake_cluster.load.reset()

    slow, states = Beside(cluster, pve), []
    while slow.is_on:
        cluster.poll(after=10)
        states.append(cluster.row().state)

    assert set(states) == {"ok"}
    assert sorted(fake_cluster.load.peaks()) == ["pve-01", "pve-02", "pve-03"]
    assert peak(fake_cluster) == 2
    assert "timeout" not in {one.code for one in progress_of(cluster).values()}


def test_a_listing_of_a_backup_server_that_hangs_costs_no_poll(fake_pbs, watch, monkeypatch):
    watched = watch(fake_pbs, "pbs")
    turn(watched, times=8)
    monkeypatch.setattr(pbs, "LISTING_SECONDS", LONG_SECONDS)
    fake_pbs.faults.add("hang", path="/admin/datastore/*/snapshots")
    reset([fake_pbs])
    fake_pbs.site.load.reset()
    listing = Beside(watched, pbs, "snapshots")
    begun([fake_pbs], "/snapshots")

    states = []
    for _ in range(POLLS):
        watched.poll(after=10)
        states.append(watched.row().state)

    assert listing.is_on
    assert states == ["ok"] * POLLS
    assert fake_pbs.site.load.peaks() == {"vault": 2}
    listing.end([fake_pbs])


def test_a_listing_may_be_silent_for_longer_than_a_poll_waits(cluster, fake_cluster, monkeypatch):
    for server in fake_cluster.servers:
        server.latency_ms = 1600  # a poll gives up after one second, and a call after one and a half

    listing = Beside(cluster, pve, "backups", most=1)
    listing.thread.join(20)

    name = listing.questions[0].name
    assert progress_of(cluster)[name].code == ""
    assert progress_of(cluster)[name].done_epoch == moment(cluster).timestamp()
