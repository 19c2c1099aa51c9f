"""What is known of each configured replication job, and which node is asked of it."""

from __future__ import annotations

import pytest

from monitoring.known.facts import Facts, NodeFacts
from monitoring.known.replication import replicating_nodes, replications
from nodes.proxmox.readings.cluster import ReplicationReading

AT = 1767268800.0
LAST = 1767268000
CONFIGURED = ReplicationReading("100-0", 100, "pve1", "pve2", "*/15")


def run(**fields):
    """What the node of the guest tells of the job."""
    told = {"last_sync_epoch": LAST, **fields}
    return ReplicationReading("100-0", 100, "pve1", "pve2", "*/15", **told)


def told(*jobs, configured=CONFIGURED, node="pve1", ago=60.0, guest_on="pve1"):
    """Return what is known of the only configured job when a node told these, so many seconds ago."""
    facts = Facts(
        replication_jobs=(configured,),
        nodes={node: NodeFacts(replications=jobs, replications_epoch=AT - ago)},
    )
    (found,) = replications(facts, {100: guest_on} if guest_on else {}, at_epoch=AT)
    return found


STATES = {
    "ok": run(),
    "waiting": run(last_sync_epoch=None),
    "running": run(is_running=True),
    "failing": run(failure_count=2, error="no route to host"),
    "disabled": run(is_disabled=True, failure_count=2),
}


@pytest.mark.parametrize(("state", "job"), STATES.items(), ids=STATES)
def test_a_job_is_as_the_node_of_its_guest_tells(state, job):
    found = told(job)

    assert (found.state, found.job, found.told_epoch) == (state, job, AT - 60.0)


HOUR, YEAR = 3600, 365 * 86400
#: What is told a minute ago, and how far the clock of the node is ahead: the state.
NEXT_RUNS = {
    "in a minute": ({"next_sync_epoch": int(AT) + 60}, None, "ok"),
    "half an hour ago": ({"next_sync_epoch": int(AT) - 1800}, None, "ok"),
    "not told": ({"next_sync_epoch": None}, None, "ok"),
    "more than an hour ago": ({"next_sync_epoch": int(AT) - HOUR - 61}, None, "late"),
    "two years ago": ({"next_sync_epoch": int(AT) - 2 * YEAR}, None, "late"),
    "two years ago, never run": ({"next_sync_epoch": int(AT) - 2 * YEAR, "last_sync_epoch": None}, None, "late"),
    "two years ago, and it runs": ({"next_sync_epoch": int(AT) - 2 * YEAR, "is_running": True}, None, "running"),
    "two years ago, and it fails": ({"next_sync_epoch": int(AT) - 2 * YEAR, "failure_count": 3}, None, "failing"),
    "two years ago, and it is off": ({"next_sync_epoch": int(AT) - 2 * YEAR, "is_disabled": True}, None, "disabled"),
    "two hours ago, by a clock that is as far behind": ({"next_sync_epoch": int(AT) - 2 * HOUR}, -2.0 * HOUR, "ok"),
    "in an hour, by a clock that is three ahead": ({"next_sync_epoch": int(AT) + HOUR}, 3.0 * HOUR, "late"),
}  # fmt: skip


@pytest.mark.parametrize(("fields", "ahead", "state"), NEXT_RUNS.values(), ids=NEXT_RUNS)
def test_a_job_whose_next_run_should_have_been_long_ago_is_late(fields, ahead, state):
    node = NodeFacts(replications=(run(**fields),), replications_epoch=AT - 60.0, clock_ahead_seconds=ahead)

    (found,) = replications(
        Facts(replication_jobs=(CONFIGURED,), nodes={"pve1": node}), {100: "pve1"}, at_epoch=AT
    )

    assert found.state == state


def test_a_job_that_fails_while_it_runs_is_failing():
    assert told(run(is_running=True, failure_count=1)).state == "failing"


@pytest.mark.parametrize(("ago", "state"), [(180.0, "ok"), (181.0, "unknown")])
def test_what_was_told_long_ago_says_nothing_of_now(ago, state):
    assert told(run(), ago=ago).state == state


def test_what_was_told_last_is_kept_beside_it():
    found = told(run(failure_count=3, error="no route to host"), ago=3600.0)

    assert (found.state, found.job.last_sync_epoch, found.job.error) == ("unknown", LAST, "no route to host")


def test_a_job_that_nobody_told_of_is_shown_as_it_is_configured():
    found = told()

    assert (found.state, found.told_epoch) == ("unknown", 0.0)
    assert (found.job.id, found.job.target, found.job.schedule, found.job.last_sync_epoch) == (
        "100-0", "pve2", "*/15", None,
    )  # fmt: skip


@pytest.mark.parametrize("jobs", [(), (run(),)], ids=["never told", "told long ago"])
def test_a_disabled_job_is_disabled_also_when_its_node_cannot_be_asked(jobs):
    configured = ReplicationReading("100-0", 100, "pve1", "pve2", "*/15", is_disabled=True)

    assert told(*jobs, configured=configured, ago=3600.0).state == "disabled"


def test_the_source_is_where_the_guest_is_now():
    found = told(run(), guest_on="pve3")

    assert found.job.source == "pve3"
    # pve1 told it before the guest left.
    assert found.state == "unknown"


def test_of_two_nodes_that_told_the_newer_one_counts():
    facts = Facts(
        replication_jobs=(CONFIGURED,),
        nodes={
            "pve1": NodeFacts(replications=(run(error="old"),), replications_epoch=AT - 200),
            "pve2": NodeFacts(replications=(run(),), replications_epoch=AT - 30),
            "pve3": NodeFacts(replications=(run(error="older"),), replications_epoch=AT - 250),
        },
    )

    (found,) = replications(facts, {100: "pve2"}, at_epoch=AT)

    assert (found.state, found.job.error, found.told_epoch) == ("ok", "", AT - 30)


def test_the_nodes_of_the_guests_are_asked_and_without_a_guest_the_node_of_the_last_run():
    jobs = (
        ReplicationReading("100-0", 100, "pve1", "pve2"),
        ReplicationReading("101-0", 101, "pve1", "pve2"),
        ReplicationReading("102-0", 102, "", "pve2"),
    )

    assert replicating_nodes(jobs, {100: "pve3"}) == {"pve3", "pve1"}
