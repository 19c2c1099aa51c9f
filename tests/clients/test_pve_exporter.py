"""The real prometheus-pve-exporter beside `/pve`, asked in one moment about the same host: the same families, labels and values."""

from __future__ import annotations

import warnings
from urllib.parse import urlsplit

import pytest
import time_machine
from prometheus_client.parser import text_string_to_metric_families
from pve_exporter.collector import CollectorsOptions, collect_pve
from urllib3.exceptions import InsecureRequestWarning

from tests.fake_proxmox.building import PveSpec
from tests.fake_proxmox.fixtures import virtual_estate
from tests.monitoring.collected import moment, turn, with_token
from tests.monitoring.conftest import Watched

pytestmark = [pytest.mark.django_db, pytest.mark.slow, pytest.mark.usefixtures("fresh_store")]

EVERYTHING = CollectorsOptions(**dict.fromkeys(CollectorsOptions._fields, True))
CLUSTER = PveSpec(
    name="production", nodes=3, guests=30, replication_jobs=12, replication_trouble=True, qdevice=True
)


def exporter(site, *, cluster=True, node=True, server=None):
    """What the exporter tells of a host, asked at its first server unless told."""
    user, _, token = site.token_id.partition("!")
    account = {"user": user, "token_name": token, "token_value": site.token_value, "verify_ssl": False}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", InsecureRequestWarning)
        told = collect_pve(account, urlsplit((server or site).url).netloc, cluster, node, EVERYTHING)
    return families(told.decode())


def families(text):
    """The families of a text by name and type: what they mean, and their values by labels.

    The parser takes `_total` off the name of a counter.
    """
    found = {}
    for family in text_string_to_metric_families(text):
        key = (family.name, family.type)
        assert key not in found
        samples = {(sample.name, *sorted(sample.labels.items())): sample.value for sample in family.samples}
        assert len(samples) == len(family.samples)
        found[key] = (family.documentation, samples)
    return found


def differences(ours, theirs):
    """What only one of the two tells, by family."""
    found = {}
    for key in ours.keys() | theirs.keys():
        (one_help, one), (other_help, other) = ours.get(key, ("", {})), theirs.get(key, ("", {}))
        apart = one.items() ^ other.items()
        if (key in ours) != (key in theirs) or one_help != other_help or apart:
            found[key] = (key in ours, key in theirs, sorted(apart, key=str)[:6])
    return found


def names(told):
    return {name for name, _ in told}


def known(site):
    """An instance of which everything is known, polled at a moment in which the host tells its cluster before its nodes."""
    watched = with_token(Watched(site), site)
    turn(watched, times=40)
    watched.poll(after=12)
    return watched


@pytest.fixture
def ask(api):
    """Ask Pulse about a target at the moment of its last poll."""

    def get(watched, query="target=lab"):
        with time_machine.travel(moment(watched), tick=False):
            response = api.get(f"/pve?{query}")
        assert response.status_code == 200, response.content
        return families(response.content.decode())

    return get


@pytest.fixture
def production():
    """A cluster with everything that the exporter tells of."""
    with virtual_estate(CLUSTER) as estate:
        site = estate.site("production")
        site.set_ha_state(100, "started")
        site.set_ha_state(101, "error")
        site.change_guest(102, lock="backup")
        site.change_guest(103, tags="web;prod")
        site.change_guest(122, is_template=False)  # the configuration of a template is not read
        site.set_node("pve-01", subscription={"level": "p", "nextduedate": "2027-02-03"})
        yield site


def test_a_cluster_is_told_as_the_exporter_tells_it(production, ask):
    watched = known(production)

    theirs, ours = exporter(production), ask(watched)

    assert differences(ours, theirs) == {}
    assert len(theirs) == 38
    assert sum(len(samples) for _, samples in theirs.values()) > 1000


@pytest.mark.parametrize("version", ["7.4", "8.4", "9.2"])
def test_a_host_of_its_own_is_told_as_the_exporter_tells_it(version, ask):
    with virtual_estate(PveSpec(name="home", guests=14, version=version, is_home_lab=True)) as estate:
        site = estate.site("home")
        watched = known(site)

        theirs, ours = exporter(site), ask(watched)

    assert differences(ours, theirs) == {}
    assert "pve_cluster_info" not in names(ours)


def test_a_cluster_with_a_node_that_is_away_is_told_as_the_exporter_tells_it(production, ask):
    watched = known(production)
    production.kill_node("pve-03")
    turn(watched, after=400)
    turn(watched, times=4)

    theirs, ours = exporter(production), ask(watched)

    assert differences(ours, theirs) == {}
    assert ours["pve_up", "gauge"][1]["pve_up", ("id", "node/pve-03")] == 0


@pytest.mark.parametrize(
    ("query", "wanted"),
    [
        ("cluster=1&node=0", {"cluster": True, "node": False}),
        ("cluster=0&node=1", {"cluster": False, "node": True}),
        ("cluster=false&node=False", {"cluster": False, "node": False}),
        ("module=homelab", {}),
    ],
)
def test_the_parts_that_are_asked_for_are_told(query, wanted, production, ask):
    watched = known(production)

    assert differences(ask(watched, f"target=lab&{query}"), exporter(production, **wanted)) == {}


def test_a_member_that_is_named_tells_of_itself(production, ask):
    watched = known(production)
    second = production.server("pve-02")
    host = urlsplit(second.url)

    ours = ask(watched, f"target={host.hostname}&cluster=0")

    assert differences(ours, exporter(production, cluster=False, server=second)) == {}
    assert {labels[1] for labels in ours["pve_subscription_info", "gauge"][1]} == {("id", "node/pve-02")}


def test_names_that_attack_the_reader_stay_within_their_labels(ask):
    with virtual_estate(PveSpec(name="evil", nodes=3, guests=20, hostile=True)) as estate:
        site = estate.site("evil")
        watched = known(site)

        theirs, ours = exporter(site), ask(watched)

    assert names(ours) == names(theirs)
    assert by_number(ours) == by_number(theirs)
    assert len(ours["pve_guest_info", "gauge"][1]) == len(theirs["pve_guest_info", "gauge"][1])


def by_number(told):
    """What is told of things whose ids are of Proxmox's own making."""
    return {
        key: {labels: value for labels, value in samples.items() if not str(labels).count("/pool/")}
        for key, (_, samples) in told.items()
        if key[0] not in ("pve_guest_info", "pve_storage_info")
    }


def test_what_is_not_monitored_is_not_told(production, ask):
    watched = known(production)
    watched.instance.monitor_containers = watched.instance.monitor_storage = False
    watched.instance.save()

    told = ask(watched)

    ids = {dict(labels[1:])["id"] for labels in told["pve_up", "gauge"][1]}
    assert not [one for one in ids if one.startswith(("lxc/", "storage/"))]
    assert [one for one in ids if one.startswith("qemu/")]
    assert told["pve_storage_info", "gauge"][1] == {}
