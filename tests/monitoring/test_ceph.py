"""Ceph is asked where it is, whichever member was added; and once it does not answer, nothing is said of how it is."""

from __future__ import annotations

import pytest

from tests.monitoring.collected import (
    MONITOR,
    asked,
    facts_of,
    paths,
    progress_of,
    reset,
    turn,
    with_token,
)

pytestmark = [pytest.mark.django_db, pytest.mark.slow]

FULL = {"OSD_FULL": "1 full osd(s)"}
HANGS = "rados_connect failed - Connection timed out"


@pytest.fixture
def cluster(fake_cluster, watch):
    """Three hosts, and an account that may see everything."""
    return with_token(watch(fake_cluster), fake_cluster)


def told(watched, code):
    """The sentences with this code."""
    return [one["text"] for one in watched.shown("concerns") if one["code"] == code]


def refuse(site, reason, *, nodes=("pve-01", "pve-02", "pve-03")):
    """Let every call about the Ceph of these nodes end in 500, wherever it is asked."""
    for server in site.servers:
        for node in nodes:
            server.faults.add("status", path=f"/nodes/{node}/ceph/*", status=500, reason=reason, body="")
        if server.name in nodes:
            server.faults.add("status", path="/cluster/ceph/*", status=500, reason=reason, body="")


@pytest.mark.parametrize(
    ("nodes", "privileges"),
    [
        (["pve-02", "pve-03"], MONITOR),
        (["pve-03"], MONITOR),
        (["pve-01"], MONITOR),
        (["pve-02"], ("Datastore.Audit", "VM.Audit")),
    ],
    ids=["on the others", "on the last", "on the asked one", "without Sys.Audit"],
)
def test_an_error_of_ceph_is_seen_wherever_it_is(nodes, privileges, cluster, fake_cluster):
    with_token(cluster, fake_cluster, {"/": privileges})
    fake_cluster.set_ceph(nodes=nodes, health="HEALTH_ERR", checks=FULL)

    turn(cluster, times=12)
    cluster.poll(after=10)

    assert told(cluster, "ceph") == ["Ceph: 1 full osd(s) (OSD_FULL)"]
    facts = facts_of(cluster)
    assert (facts.ceph.health, len(facts.ceph_osds), len(facts.ceph_pools) > 0) == ("HEALTH_ERR", 12, True)


def test_no_storage_of_ceph_need_be_visible(cluster, fake_cluster):
    for name in [one["name"] for one in (cluster.poll(), cluster.shown("storage"))[1]]:
        if name.startswith("ceph"):
            fake_cluster.remove_storage(name)
    fake_cluster.set_ceph(nodes=["pve-02"], health="HEALTH_ERR", checks=FULL)

    turn(cluster, times=12)
    cluster.poll(after=10)

    assert [one for one in cluster.shown("storage") if one["type"] in ("rbd", "cephfs")] == []
    assert told(cluster, "ceph") == ["Ceph: 1 full osd(s) (OSD_FULL)"]


def test_one_node_is_asked_often_and_the_others_now_and_then(cluster, fake_cluster):
    turn(cluster, times=12)
    reset(fake_cluster.servers)

    turn(cluster, times=30)

    status = {
        path: count
        for server in fake_cluster.servers
        for path, count in paths(server).items()
        if "ceph/status" in path
    }
    assert status == {"/cluster/ceph/status": 10}


def test_another_node_is_asked_when_the_one_that_was_cannot_tell(cluster, fake_cluster):
    turn(cluster, times=12)
    fake_cluster.set_ceph(health="HEALTH_ERR", checks=FULL)
    refuse(fake_cluster, HANGS, nodes=("pve-01",))

    turn(cluster, times=8)
    cluster.poll(after=10)

    assert told(cluster, "ceph") == ["Ceph: 1 full osd(s) (OSD_FULL)"]
    assert told(cluster, "ceph_silent") == []


def test_a_ceph_that_ceases_to_answer_is_told_and_its_old_health_is_no_verdict(cluster, fake_cluster):
    fake_cluster.set_ceph(health="HEALTH_WARN", checks={"OSD_DOWN": "1 osds down"})
    turn(cluster, times=12)
    refuse(fake_cluster, HANGS)

    turn(cluster, times=18)

    assert told(cluster, "ceph") == []
    (text,) = told(cluster, "ceph_silent")
    assert (text.startswith("Ceph does not answer, so nobody knows how it is: "), HANGS in text) == (
        True,
        True,
    )


def test_a_ceph_that_has_never_answered_is_told(cluster, fake_cluster):
    refuse(fake_cluster, HANGS)

    turn(cluster, times=18)

    assert len(told(cluster, "ceph_silent")) == 1


def test_a_ceph_that_answers_again_is_noticed_within_minutes(cluster, fake_cluster):
    turn(cluster, times=12)
    refuse(fake_cluster, HANGS)
    turn(cluster, times=120)
    for server in fake_cluster.servers:
        server.faults.clear()

    turn(cluster, times=33)

    assert told(cluster, "ceph_silent") == []
    assert facts_of(cluster).ceph.health == "HEALTH_OK"


# --- no alarm where there was none ------------------------------------------------------------------------------------


def test_a_cluster_without_ceph_has_no_concern_and_is_asked_now_and_then(cluster, fake_cluster):
    fake_cluster.set_ceph(is_installed=False)
    turn(cluster, times=12)
    reset(fake_cluster.servers)

    turn(cluster, times=90)

    assert asked(fake_cluster.servers, "/ceph/") <= 3
    assert {one.code for name, one in progress_of(cluster).items() if name.startswith("ceph")} == {""}
    assert [one for one in cluster.shown("concerns") if one["code"].startswith("ceph")] == []


def test_a_ceph_that_is_removed_is_forgotten(cluster, fake_cluster):
    turn(cluster, times=12)
    assert facts_of(cluster).ceph is not None

    fake_cluster.set_ceph(is_installed=False)
    turn(cluster, after=60, times=90)

    facts = facts_of(cluster)
    assert (facts.ceph, facts.ceph_osds, facts.ceph_pools) == (None, (), ())
    assert told(cluster, "ceph_silent") == []


def test_one_failure_of_ceph_is_no_news(cluster, fake_cluster):
    turn(cluster, times=12)
    refuse(fake_cluster, HANGS)
    turn(cluster, times=3)
    for server in fake_cluster.servers:
        server.faults.clear()

    assert told(cluster, "ceph_silent") == []
    turn(cluster, times=12)
    assert told(cluster, "ceph_silent") == []


def test_who_may_not_see_ceph_is_not_told_that_it_is_silent(cluster, fake_cluster):
    with_token(cluster, fake_cluster, {"/vms": ("VM.Audit",)})

    turn(cluster, times=12)

    assert asked(fake_cluster.servers, "/ceph/") == 0
    assert [one for one in cluster.shown("concerns") if one["code"].startswith("ceph")] == []


def test_the_osd_that_is_nearly_full_and_a_flag_that_is_left_set_are_named(cluster, fake_cluster):
    checks = {"OSD_NEARFULL": "1 nearfull osd(s)", "OSDMAP_FLAGS": "noout flag(s) set"}
    lines = {"OSD_NEARFULL": ["osd.3 is near full"]}
    fake_cluster.set_ceph(health="HEALTH_WARN", checks=checks, details=lines, flags=["noout"])

    turn(cluster, times=12)
    cluster.poll(after=10)

    assert told(cluster, "ceph") == ["Ceph: 1 nearfull osd(s) (OSD_NEARFULL): osd.3 is near full"]
    assert told(cluster, "ceph_flag") == [
        "Ceph: the flag noout is set: what is on an OSD that fails is not copied to others"
    ]


def test_a_flag_that_is_taken_away_is_no_concern_a_minute_later(cluster, fake_cluster):
    fake_cluster.set_ceph(health="HEALTH_WARN", checks={"OSDMAP_FLAGS": "noout flag(s) set"}, flags=["noout"])
    turn(cluster, times=12)
    assert len(told(cluster, "ceph_flag")) == 1

    fake_cluster.set_ceph(health="HEALTH_OK", checks={}, flags=[])
    turn(cluster, times=13)
    cluster.poll(after=10)

    assert told(cluster, "ceph_flag") == []


def test_a_flag_that_is_set_later_is_told_a_minute_later(cluster, fake_cluster):
    turn(cluster, times=12)
    cluster.poll(after=10)
    assert told(cluster, "ceph_flag") == []

    fake_cluster.set_ceph(
        health="HEALTH_WARN", checks={"OSDMAP_FLAGS": "nodown flag(s) set"}, flags=["nodown"]
    )
    turn(cluster, times=6)
    cluster.poll(after=10)

    assert [text[:27] for text in told(cluster, "ceph_flag")] == ["Ceph: the flag nodown is se"]


def test_flags_are_not_asked_where_the_asked_node_has_no_ceph(cluster, fake_cluster):
    fake_cluster.set_ceph(nodes=["pve-02", "pve-03"])

    turn(cluster, times=12)

    assert asked(fake_cluster.servers, "/cluster/ceph/flags") == 0
