"""Votes, QDevice, replication and the history of nodes: what is asked of whom, and what is known then."""

from __future__ import annotations

import pytest

from nodes.proxmox.readings.cluster import QdeviceReading, VoteReading
from tests.fake_proxmox import PveSpec
from tests.fake_proxmox.fixtures import virtual_estate
from tests.monitoring.collected import (
    asked,
    facts_of,
    forget_time,
    moment,
    paths,
    progress_of,
    reset,
    turn,
    with_token,
)

pytestmark = [pytest.mark.django_db, pytest.mark.slow]


@pytest.fixture
def cluster(fake_cluster, watch):
    """Three hosts, and an account that may see everything."""
    return with_token(watch(fake_cluster), fake_cluster)


def replicate(site, vmid=101):
    """Replicate a guest of pve-02 to pve-03; returns where it is."""
    site.set_replication(vmid, target="pve-03")
    return site.guest(vmid).node


# --- votes --------------------------------------------------------------------------------------------------------


def test_votes_and_qdevice_of_a_cluster_are_known(cluster, fake_cluster):
    fake_cluster.set_qdevice(algorithm="LMS")

    turn(cluster, times=8)

    facts = facts_of(cluster)
    assert facts.votes == (
        VoteReading("pve-01", 1, 1),
        VoteReading("pve-02", 2, 1),
        VoteReading("pve-03", 3, 1),
    )
    assert facts.qdevice == QdeviceReading(
        "Net", "192.0.2.53:5403", "Connected", "LMS", "Node with lowest node ID", facts.qdevice.last_poll
    )


def test_they_are_asked_every_five_minutes(cluster):
    turn(cluster, times=40)

    known = [progress_of(cluster)[name] for name in ("votes", "qdevice", "replication jobs")]
    assert [one.next_epoch - one.done_epoch for one in known] == [pytest.approx(300, rel=0.05)] * 3


def test_a_qdevice_that_is_removed_is_gone(cluster, fake_cluster):
    fake_cluster.set_qdevice()
    turn(cluster, times=8)
    assert facts_of(cluster).qdevice is not None

    fake_cluster.remove_qdevice()
    forget_time(cluster, "quorum")
    turn(cluster, times=2)

    assert facts_of(cluster).qdevice is None


def test_a_host_of_its_own_is_not_asked_for_votes(fake_pve, watch):
    watched = with_token(watch(fake_pve), fake_pve.site)

    turn(watched, times=8)

    assert asked([fake_pve], "/cluster/config") == 0
    assert not {"votes", "qdevice"} & progress_of(watched).keys()


@pytest.mark.parametrize(("status", "code"), [(501, "not_found"), (403, "permission_denied")])
def test_a_release_that_refuses_the_qdevice_leaves_the_votes_alone(status, code, cluster, fake_cluster):
    for server in fake_cluster.servers:
        server.faults.add("status", path="/cluster/config/qdevice", status=status, reason="no", body="")

    turn(cluster, times=8)

    facts = facts_of(cluster)
    assert {name: one.code for name, one in progress_of(cluster).items() if one.code} == {"qdevice": code}
    assert len(facts.votes) == 3


# --- replication --------------------------------------------------------------------------------------------------


def test_only_the_node_of_a_replicated_guest_is_asked(cluster, fake_cluster):
    home = replicate(fake_cluster)

    turn(cluster, times=30)

    known = facts_of(cluster)
    assert [job.id for job in known.replication_jobs] == ["101-0"]
    assert [job.id for job in known.nodes[home].replications] == ["101-0"]
    assert [path for path in paths_of(fake_cluster) if path.endswith("/replication")] == [
        "/cluster/replication",
        f"/nodes/{home}/replication",
    ]


def test_the_node_is_asked_to_which_a_replicated_guest_has_moved(cluster, fake_cluster):
    home = replicate(fake_cluster)
    turn(cluster, times=10)

    fake_cluster.migrate_guest(101, "pve-03")
    reset(fake_cluster.servers)
    turn(cluster, times=12)

    assert asked(fake_cluster.servers, f"/nodes/{home}/replication") == 0
    assert asked(fake_cluster.servers, "/nodes/pve-03/replication") >= 1
    assert [job.id for job in facts_of(cluster).nodes["pve-03"].replications] == ["101-0"]


def test_a_cluster_that_replicates_nothing_asks_no_node(cluster, fake_cluster):
    turn(cluster, times=12)

    assert facts_of(cluster).replication_jobs == ()
    assert [path for path in paths_of(fake_cluster) if path.endswith("/replication")] == [
        "/cluster/replication"
    ]


def paths_of(site):
    """The paths that any host of a site was asked, each once."""
    return sorted({path for server in site.servers for path in paths(server)})


# --- what an account may not see ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("privileges", "turns", "reason"),
    [
        ({"/vms": ("VM.Audit",)}, 0, "not_told"),
        ({"/vms": ("VM.Audit",)}, 2, "no_permission"),
        ({"/": ("VM.Audit", "Sys.Audit")}, 2, None),
    ],
    ids=["before the rights are known", "without the right", "with it"],
)
def test_a_node_whose_figures_may_not_be_seen_is_not_shown_as_idle(
    privileges, turns, reason, fake_pve, watch
):
    watched = with_token(watch(fake_pve), fake_pve.site, privileges)
    turn(watched, times=turns)
    watched.poll(after=10)

    assert node_of(watched).get("cpuReason") == reason


# --- the cache of ZFS ---------------------------------------------------------------------------------------------


def node_of(watched, name=None):
    """A node as a client sees it, the only one unless named."""
    return next(node for node in watched.shown("nodes") if name in (None, node["name"]))


def test_a_node_tells_how_much_of_its_memory_is_cache(fake_pve, watch):
    watched = with_token(watch(fake_pve), fake_pve.site)
    turn(watched, times=8)
    watched.poll(after=10)

    node = node_of(watched)

    assert node["memorySource"] == "available"
    assert node["arcBytes"] == node["memory"]["total"] // 10


@pytest.mark.parametrize(("age", "is_shown"), [(360.0, True), (361.0, False)])
def test_a_cache_is_unknown_once_nobody_has_told_it_for_three_periods(age, is_shown, fake_pve, watch):
    watched = with_token(watch(fake_pve), fake_pve.site)
    turn(watched, times=8)
    facts_of(watched).set_node("pve", history_epoch=moment(watched).timestamp() + 10 - age)

    watched.poll(after=10)

    assert ("arcBytes" in node_of(watched)) is is_shown


def test_a_cache_is_no_figure_of_a_node_that_is_away(cluster, fake_cluster):
    turn(cluster, times=8)
    cluster.poll(after=10)
    assert "arcBytes" in node_of(cluster, "pve-03")

    fake_cluster.kill_node("pve-03")
    cluster.poll(after=10)

    away = node_of(cluster, "pve-03")
    assert (away["status"], "arcBytes" in away, away["memorySource"]) == ("offline", False, "available")


def test_an_older_release_tells_no_cache_and_takes_less_for_used(watch):
    with virtual_estate(PveSpec(name="pve", version="8.1")) as estate:
        site = estate.site("pve")
        watched = with_token(watch(site), site)
        watched.server = estate
        turn(watched, times=8)
        watched.poll(after=10)

        assert node_of(watched)["memorySource"] == "free"
        assert "arcBytes" not in node_of(watched)
        assert "pressure" not in node_of(watched)
