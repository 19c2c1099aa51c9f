"""GET /api/resources/<id> and .../explain: our own routes about one resource."""

from __future__ import annotations

from urllib.parse import quote

import pytest
import time_machine

from monitoring import collecting, store
from nodes import connecting
from tests.factories import make_instance
from tests.monitoring.collected import facts_of, judge, moment, turn, with_token
from tests.monitoring.conftest import Watched

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def fresh_store():
    """A store of the test's own, and no connection left over."""
    store.install(store.MemoryStore())
    yield store.store()
    for pk in list(connecting._kept):
        connecting.forget(pk)
    store.install(None)


@pytest.fixture
def lab(fake_cluster):
    """A cluster `lab` of which everything is known."""
    watched = with_token(Watched(fake_cluster), fake_cluster)
    turn(watched, times=8)
    judge(watched)
    watched.poll(after=10)
    return watched


@pytest.fixture
def ask(api):
    """Ask for a resource, at the instant of its last poll."""

    def get(watched, identity, suffix=""):
        with time_machine.travel(moment(watched), tick=False):
            return api.get(f"/api/resources/{quote(identity)}{suffix}")

    return get


def machine(lab):
    return next(one for one in lab.shown("vms") if one["status"] == "running")


def test_a_guest_as_the_state_has_it_with_all_that_was_collected(lab, ask):
    guest = machine(lab)

    response = ask(lab, guest["id"])

    told = response.json()
    details = told["details"]
    assert (response.status_code, response.headers["Content-Type"]) == (200, "application/json")
    assert response.headers["Cache-Control"] == "no-store"
    assert (told["id"], told["collection"], told["resource"]) == (guest["id"], "vms", guest)
    assert details["configuration"]["agent_is_enabled"] is True
    assert details["configurationRead"].startswith("2026-01-01T12:0")
    assert len(details["filesystems"]["filesystems"]) > 0
    assert details["agentCode"] == ""
    assert details["backups"]["state"] in ("covered", "uncovered")


@pytest.mark.parametrize("collection", ["nodes", "containers", "storage"])
def test_every_kind_of_resource_has_details(collection, lab, ask):
    shown = lab.shown(collection)[0]

    told = ask(lab, shown["id"]).json()

    assert (told["collection"], told["resource"]) == (collection, shown)
    assert told["details"]


def test_a_node_tells_its_version_disks_and_time_zone(lab, ask):
    told = ask(lab, lab.shown("nodes")[0]["id"]).json()["details"]

    assert (told["timeZone"], told["versionsDiffer"], told["quorum"]) == ("Europe/Vienna", False, True)
    assert set(told["clusterVersions"]) == {"pve-01", "pve-02", "pve-03"}
    assert told["disks"]
    assert told["certificates"]


def test_a_pbs_tells_whose_its_groups_are_and_why(fake_pbs, ask):
    watched = Watched(fake_pbs, "pbs")
    turn(watched, times=4)
    judge(watched)
    watched.poll(after=10)

    told = ask(watched, "pbs-vault").json()

    assert set(told["details"]["places"]) == set(facts_of(watched).places)
    whose = next(iter(told["details"]["attributions"].values()))
    assert set(whose) == {"state", "instance", "vmid", "evidence", "candidates", "guest_is_known"}


# --- explained ----------------------------------------------------------------------------------------------------

NUMBERS = {
    "vms": ["cpu", "memory", "disk", "networkIn", "networkOut", "diskRead", "diskWrite", "uptime"],
    "nodes": ["cpu", "memory", "disk", "loadAverage", "uptime", "pressure"],
    "storage": ["used", "total", "usage", "free"],
}


@pytest.mark.parametrize(("collection", "names"), NUMBERS.items())
def test_every_number_is_explained_with_formula_fields_call_and_time(collection, names, lab, ask):
    shown = lab.shown(collection)[0] if collection != "vms" else machine(lab)

    told = ask(lab, shown["id"], "/explain").json()

    assert (told["id"], told["collection"]) == (shown["id"], collection)
    assert [one["name"] for one in told["numbers"]] == names
    assert all(one["formula"] and one["unit"] and "GET /" in one["call"] for one in told["numbers"])
    assert all(one["readAt"].startswith("2026-01-01T12:0") for one in told["numbers"])


def test_what_is_explained_is_what_is_shown(lab, ask):
    guest = machine(lab)

    told = {one["name"]: one for one in ask(lab, guest["id"], "/explain").json()["numbers"]}

    assert told["cpu"]["value"] == guest["cpu"] == told["cpu"]["raw"]["cpu"]
    assert told["memory"]["value"] == guest["memory"]
    assert told["disk"]["value"] == guest["disk"]
    assert told["disk"]["source"] == "agent"
    assert told["cpu"]["ageSeconds"] == 0
    assert told["networkIn"]["value"] == guest["networkIn"] >= 0


# --- ids ----------------------------------------------------------------------------------------------------------


def test_the_id_of_before_a_migration_still_leads_to_the_guest(lab, fake_cluster, ask):
    guest = machine(lab)
    target = next(node["name"] for node in lab.shown("nodes") if node["name"] != guest["node"])

    fake_cluster.migrate_guest(guest["vmid"], target)
    lab.poll(after=10)

    for suffix in ("", "/explain"):
        assert ask(lab, guest["id"], suffix).json()["id"] == f"lab-{target}-{guest['vmid']}"


def test_a_number_behind_a_node_that_never_was_leads_nowhere(lab, ask):
    assert ask(lab, f"lab-elsewhere-{machine(lab)['vmid']}").status_code == 404


def test_the_number_of_another_instance_leads_nowhere(lab, ask):
    make_instance(name="other")

    assert ask(lab, f"other-pve-01-{machine(lab)['vmid']}").status_code == 404


UNKNOWN = ["nothing", "lab-pve-01-999", "lab-pve-01-²", f"lab-pve-01-{'9' * 5000}", "-1", "a/b", "%00"]


@pytest.mark.parametrize("suffix", ["", "/explain"])
@pytest.mark.parametrize("identity", UNKNOWN, ids=range(7))
def test_an_unknown_id_is_404(identity, suffix, lab, ask):
    response = ask(lab, identity, suffix)

    assert (response.status_code, response.json()["code"]) == (404, "resource_not_found")
    assert len(response.content) < 1000


# --- refusals -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["post", "put", "patch", "delete"])
@pytest.mark.parametrize("suffix", ["", "/explain"])
def test_other_methods_are_405(suffix, method, api):
    assert getattr(api, method)(f"/api/resources/x{suffix}").status_code == 405


@pytest.mark.parametrize("suffix", ["", "/explain"])
def test_nobody_is_served_without_the_right_to_read(suffix, lab, remote, token_client):
    route = f"/api/resources/{machine(lab)['id']}{suffix}"

    assert remote.get(route).status_code == 401
    assert token_client("settings:read").get(route).status_code == 403
    assert token_client("monitoring:read").get(route).status_code == 200


def test_no_secret_is_told(lab, fake_cluster, ask):
    for collection in ("nodes", "vms", "storage"):
        shown = lab.shown(collection)[0]
        for suffix in ("", "/explain"):
            assert fake_cluster.token_value.encode() not in ask(lab, shown["id"], suffix).content


def test_nothing_was_collected_yet(fake_cluster, ask):
    watched = with_token(Watched(fake_cluster), fake_cluster)
    watched.poll()

    told = ask(watched, machine(watched)["id"]).json()

    assert (told["details"]["configuration"], told["details"]["backups"]) == (None, None)
    assert told["details"]["configurationRead"] == "0001-01-01T00:00:00Z"
    assert collecting.known_facts(watched.instance) is None
