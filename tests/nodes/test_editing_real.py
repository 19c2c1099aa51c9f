"""Adding and testing instances against the fake Proxmox: nothing between the request and the host is replaced."""

from __future__ import annotations

import json

import pytest
from django.core.cache import caches
from django.test import Client

from nodes.models import Instance
from tests.fake_proxmox import PveSpec, certificates
from tests.fake_proxmox.fixtures import virtual_estate

pytestmark = pytest.mark.django_db

NODES = "/api/config/nodes"


@pytest.fixture
def api() -> Client:
    """A caller on this machine."""
    caches["limits"].clear()
    return Client(HTTP_HOST="localhost")


def body_for(server, **more):
    """The body that adds this host with its token."""
    return {
        "type": server.kind,
        "host": server.url,
        "tokenName": server.token_id,
        "tokenValue": server.token_value,
        **more,
    }


def post(api, path, body):
    return api.post(path, json.dumps(body), content_type="application/json")


def test_a_pve_host_is_added_pinned_and_tested(api, fake_pve):
    added = post(api, NODES, body_for(fake_pve))
    tested = api.post(f"{NODES}/pve-0/test").json()

    assert added.status_code == 201
    assert Instance.objects.get().fingerprint == fake_pve.fingerprint
    assert tested["status"] == "success"
    assert "isCluster" not in api.get(NODES).json()[0]


def test_a_pbs_that_may_not_tell_its_name_is_called_by_its_host(api, fake_pbs):
    post(api, NODES, body_for(fake_pbs))  # only root may ask a PBS for its node name

    assert api.get(NODES).json()[0]["name"] == "127.0.0.1"


def test_a_login_with_a_password_works_too(api, fake_pve):
    body = {"type": "pve", "host": fake_pve.url, "user": fake_pve.user, "password": fake_pve.password}

    response = post(api, f"{NODES}/test-connection", body)

    assert (response.status_code, response.json()["nodeCount"]) == (200, 1)


def test_a_cluster_is_added_with_a_certificate_of_each_member(api, fake_cluster):
    first = fake_cluster.servers[0]

    post(api, NODES, body_for(first, fingerprint=first.fingerprint))

    (node,) = api.get(NODES).json()
    assert [row["NodeName"] for row in node["clusterEndpoints"]] == ["pve-01", "pve-02", "pve-03"]
    assert dict(Instance.objects.get().endpoints.values_list("node_name", "fingerprint")) == {
        server.name: server.fingerprint for server in fake_cluster.servers
    }


def test_a_second_member_of_a_cluster_is_merged(api, fake_cluster):
    first, second, _ = fake_cluster.servers
    post(api, NODES, body_for(first))

    response = post(api, NODES, body_for(second))

    assert (response.status_code, response.json()["merged"]) == (200, True)
    assert len(api.get(NODES).json()) == 1


def test_a_second_member_that_is_down_proves_nothing_and_is_added(api, fake_cluster):
    first, second, _ = fake_cluster.servers
    post(api, NODES, body_for(first))
    second.stop()

    response = post(api, NODES, body_for(second))

    assert (response.status_code, "merged" in response.json()) == (201, False)


def test_a_host_that_is_down_is_added_all_the_same(api, fake_pve):
    fake_pve.stop()

    assert post(api, NODES, body_for(fake_pve)).status_code == 201


def test_a_wrong_secret_is_told_without_being_repeated(api, fake_pve):
    response = post(api, f"{NODES}/test-connection", body_for(fake_pve) | {"tokenValue": "canary-wrong"})

    assert (response.status_code, response.json()["code"]) == (400, "connection_failed")
    assert "canary" not in response.content.decode()
    assert "success" not in response.content.decode().lower()


def test_another_certificate_than_the_pinned_one_sees_no_credential(api, fake_pve):
    post(api, NODES, body_for(fake_pve))
    asked_before = sum(fake_pve.traffic.snapshot()["requests"].values())
    fake_pve.renew_certificate()

    tested = api.post(f"{NODES}/pve-0/test").json()

    assert tested["status"] == "error"
    assert "certificate" in tested["message"]
    assert sum(fake_pve.traffic.snapshot()["requests"].values()) == asked_before


def test_the_new_certificate_can_be_looked_at_and_accepted(api, fake_pve):
    post(api, NODES, body_for(fake_pve))
    fake_pve.renew_certificate()

    shown = post(api, f"{NODES}/certificate", {"type": "pve", "host": fake_pve.url}).json()
    accepted = {"fingerprint": shown["fingerprint"], "tokenValue": fake_pve.token_value}
    api.put(f"{NODES}/pve-0", json.dumps(accepted))

    assert shown["fingerprint"].replace(":", "").lower() == fake_pve.fingerprint
    assert shown["trusted"] is False
    assert api.post(f"{NODES}/pve-0/test").json()["status"] == "success"


@pytest.mark.parametrize("fault", ["html", "not-json", "null", "500", "redirect", "reset"])
def test_a_host_that_answers_nonsense_is_told_as_a_failure(api, fake_pve, fault):
    fake_pve.faults.add(fault)

    response = post(api, f"{NODES}/test-connection", body_for(fake_pve))

    assert (response.status_code, response.json()["code"]) == (400, "connection_failed")


def test_names_from_a_hostile_host_stay_text(api, fake_pbs):
    fake_pbs.faults.add("hostile-names")

    assert post(api, NODES, body_for(fake_pbs)).status_code == 201
    assert api.get(NODES).json()[0]["name"]


def test_a_host_that_is_added_by_name_and_by_address_is_one(api, fake_pve):
    post(api, NODES, body_for(fake_pve, name="lab"))
    by_name = body_for(fake_pve, name="second") | {"host": fake_pve.url.replace("127.0.0.1", "localhost")}

    again = post(api, NODES, by_name)

    assert (again.status_code, again.json()["id"], again.json()["merged"]) == (200, "pve-0", True)
    assert again.json()["message"] == "This host is monitored as lab already"
    assert [(one.name, one.host) for one in Instance.objects.all()] == [("lab", fake_pve.url)]


def test_two_hosts_whose_nodes_have_one_name_are_two(api, fake_pve, monkeypatch):
    post(api, NODES, body_for(fake_pve, name="lab"))
    monkeypatch.setattr(certificates, "_cache", {})

    with virtual_estate(PveSpec(name="pve", guests=3), seed=2) as elsewhere:
        other = post(api, NODES, body_for(elsewhere.servers[0], name="office"))

    assert (other.status_code, Instance.objects.count()) == (201, 2)
