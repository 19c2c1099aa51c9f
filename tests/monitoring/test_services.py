"""Services of a node that should run: what is asked of whom, and what is wrong."""

from __future__ import annotations

import pytest

from monitoring.concerns.software import stopped_services
from monitoring.known.facts import Facts
from nodes.proxmox.readings.software import ServiceReading
from tests.monitoring.collected import facts_of, forget_time, progress_of, turn, with_token

NOON = 1767268800.0
DEAD = ("dead", "inactive", "enabled")


def told(one, *, is_cluster=True, has_ha=True):
    """Level and text of what is wrong with one service."""
    found = stopped_services([one], NOON, is_cluster=is_cluster, has_ha=has_ha)
    return [(each.level, each.text) for each in found]


@pytest.mark.parametrize(
    ("service", "expected"),
    [
        (ServiceReading("pvestatd", *DEAD), [("warning", "Service pvestatd does not run: the figures of the node, its guests and its storages are not renewed")]),
        (ServiceReading("pvestatd", "failed", "failed", "enabled"), [("warning", "Service pvestatd has failed: the figures of the node, its guests and its storages are not renewed")]),
        (ServiceReading("pvestatd", "dead"), [("warning", "Service pvestatd does not run: the figures of the node, its guests and its storages are not renewed")]),
        (ServiceReading("pvescheduler", *DEAD), [("warning", "Service pvescheduler does not run: no backup or replication job starts on the node")]),
        (ServiceReading("pve-cluster", "failed", "failed", "enabled"), [("critical", "Service pve-cluster has failed: the node cannot read or change its configuration (/etc/pve)")]),
        (ServiceReading("corosync", *DEAD), [("critical", "Service corosync does not run: the node takes no part in its cluster")]),
        (ServiceReading("pve-ha-lrm", *DEAD), [("warning", "Service pve-ha-lrm does not run: high availability cannot act on the node")]),
        (ServiceReading("postfix", "failed", "failed", "enabled"), [("warning", "Service postfix has failed")]),
        (ServiceReading("pvestatd", "running", "active", "enabled"), []),
        (ServiceReading("pvestatd", "start-pre", "activating", "enabled"), []),
        (ServiceReading("pvestatd", "stop-sigterm", "deactivating", "enabled"), []),
        (ServiceReading("pve-firewall", "dead", "inactive", "disabled"), []),
        (ServiceReading("postfix", *DEAD), []),
        (ServiceReading("syslog", "dead", "inactive", "not-found"), []),
        (ServiceReading("pve-ha-crm", "dead", "inactive", "masked"), []),
    ],
)  # fmt: skip
def test_a_service_that_proxmox_needs_is_to_run_and_none_is_to_fail(service, expected):
    assert told(service) == expected


def test_a_host_outside_any_cluster_has_no_corosync_and_one_without_high_availability_needs_no_managers():
    for name in ("corosync", "pve-ha-lrm", "pve-ha-crm"):
        assert told(ServiceReading(name, *DEAD), is_cluster=False, has_ha=False) == []


@pytest.fixture
def cluster(fake_cluster, watch):
    """Three hosts, and an account that may see everything."""
    return with_token(watch(fake_cluster), fake_cluster)


def problems(watched):
    """Node and text of every service that is told."""
    concerns = watched.shown("concerns")
    return [(one["resourceId"], one["text"]) for one in concerns if one["code"] == "service_down"]


@pytest.mark.django_db
@pytest.mark.slow
def test_a_scheduler_that_was_stopped_is_told_and_gone_when_it_runs_again(cluster, fake_cluster):
    turn(cluster, times=14)
    assert problems(cluster) == []
    assert facts_of(cluster).node("pve-02").services

    stopped = {"state": "dead", "active-state": "inactive"}
    fake_cluster.set_node("pve-02", services={"pvescheduler": stopped})
    forget_time(cluster, "services")
    turn(cluster, times=6)
    seen = problems(cluster)
    fake_cluster.set_node("pve-02", services={})
    turn(cluster, times=9)

    text = "Service pvescheduler does not run: no backup or replication job starts on the node"
    assert seen == [("lab-pve-02", text)]
    assert problems(cluster) == []


@pytest.mark.django_db
@pytest.mark.slow
def test_a_node_that_reports_no_more_is_asked_at_once_which_of_its_services_run(cluster, fake_cluster):
    turn(cluster, times=14)

    fake_cluster.set_node("pve-02", services={"pvestatd": {"state": "failed", "active-state": "failed"}})
    fake_cluster.freeze_node("pve-02")
    turn(cluster, times=40)

    assert problems(cluster) == [
        ("lab-pve-02", "Service pvestatd has failed: the figures of the node, its guests and its storages are not renewed")
    ]  # fmt: skip
    assert next(node["status"] for node in cluster.shown("nodes") if node["name"] == "pve-02") == "unknown"


@pytest.mark.django_db
@pytest.mark.slow
def test_an_account_without_the_right_asks_nothing(fake_cluster, watch):
    watched = with_token(watch(fake_cluster), fake_cluster, {"/": ["VM.Audit", "Datastore.Audit"]})

    turn(watched, times=14)

    assert not [
        name
        for name in progress_of(watched)
        if name.startswith("services") and progress_of(watched)[name].tried_epoch
    ]
    assert facts_of(watched).node("pve-02").services == Facts().node("pve-02").services
