"""http-api.md section 5: the configuration routes of instances, their refusals beside their successes."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from django.core.cache import caches
from django.db import DatabaseError, OperationalError, connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import resolve

from nodes.models import Instance
from nodes.proxmox.errors import CertificateChanged, LoginFailed, NameNotFound, Refused
from nodes.proxmox.readings.live import NodeCertificateReading
from nodes.serializers import InstanceSerializer
from pulse.lib import feed
from pulse.lib.auth import Access, Limit, policy_of
from tests.conftest import NOON
from tests.factories import make_endpoint, make_guest, make_instance
from tests.probing import (
    FINGERPRINT,
    SECOND_FINGERPRINT,
    TOLD,
    answers,
    found,
    found_cluster,
    found_second_member,
)

pytestmark = [pytest.mark.slow, pytest.mark.django_db]

NODES = "/api/config/nodes"
CONNECTION = f"{NODES}/test-connection"
CONFIG = f"{NODES}/test-config"
CERTIFICATE = f"{NODES}/certificate"

PASSWORD = {"user": "monitor@pve", "password": "s3cret-pass"}
TOKEN = {"tokenName": "pulse@pam!pulse", "tokenValue": "11111111-2222-3333-4444-555555555555"}
PVE = {"type": "pve", "name": "My PVE Node", "host": "https://192.0.2.10:8006", **PASSWORD}
PBS = {"type": "pbs", "host": "192.0.2.20", **TOKEN}


@pytest.fixture(autouse=True)
def fresh_limits(host_probe):
    """No test is refused for the requests of another one, and none reaches the network."""
    caches["limits"].clear()


@pytest.fixture
def api() -> Client:
    """A caller on this machine, as on a fresh install."""
    return Client(HTTP_HOST="localhost")


@pytest.fixture
def messages(django_capture_on_commit_callbacks):
    """Return what the browsers are told by a call."""

    def during(call):
        sent: list[bytes] = []
        feed.install(sent.append)
        try:
            with django_capture_on_commit_callbacks(execute=True):
                call()
        finally:
            feed.install(None)
        return [json.loads(message) for message in sent]

    return during


def send(api, method, path, body=None):
    raw = b"" if body is None else json.dumps(body).encode()
    return api.generic(method, path, raw, content_type="application/x-www-form-urlencoded")


def post(api, path, body=None):
    return send(api, "POST", path, body)


def put(api, path, body=None):
    return send(api, "PUT", path, body)


def listed(api):
    return api.get(NODES).json()


def everything_stored():
    return list(Instance.objects.order_by("pk").values())


def assert_refused(response, status, code):
    body = response.json()
    assert (response.status_code, body["code"]) == (status, code)
    assert body["error"]
    assert "success" not in response.content.decode().lower()
    assert response["Content-Type"] == "application/json"


# --- 5.3 the list -----------------------------------------------------------------------------------------------------


def test_the_list_of_a_fresh_install_is_an_empty_array(api):
    response = api.get(NODES)

    assert (response.status_code, response.json()) == (200, [])


def test_a_token_instance_is_listed_with_exactly_the_documented_keys_and_ours(api):
    make_instance(name="lab", token_value="secret", verify_tls=True)

    assert listed(api) == [
        {
            "id": "pve-0",
            "type": "pve",
            "name": "lab",
            "host": "https://192.0.2.10:8006",
            "hasPassword": False,
            "tokenName": "pulse@pam!pulse",
            "hasToken": True,
            "verifySSL": True,
            "monitorVMs": True,
            "monitorContainers": True,
            "monitorStorage": True,
            "monitorBackups": True,
            "status": "disconnected",
            "monitorSmart": False,
            "paused": False,
            "tlsUnchecked": False,
        }
    ]


def test_a_password_instance_of_pbs_is_listed_with_its_own_flags_only(api):
    make_instance("pbs", name="vault", password="secret", monitor_prune_jobs=False)

    (vault,) = listed(api)

    assert vault["user"] == "admin@pbs"
    assert (vault["hasPassword"], vault["hasToken"]) == (True, False)
    assert {key: value for key, value in vault.items() if key.startswith("monitor")} == {
        "monitorDatastores": True,
        "monitorSyncJobs": True,
        "monitorVerifyJobs": True,
        "monitorPruneJobs": False,
        "monitorGarbageJobs": False,
        "monitorSmart": False,
    }
    assert "tokenName" not in vault


def test_a_cluster_is_listed_with_its_members_in_pascal_case(api):
    cluster = make_instance(is_cluster=True, cluster_name="lab-cluster")
    make_endpoint(cluster, "pve1")
    make_endpoint(cluster, "pve2", address="", is_online=False, last_seen_at=None)

    (listed_cluster,) = listed(api)

    assert (listed_cluster["isCluster"], listed_cluster["clusterName"]) == (True, "lab-cluster")
    assert listed_cluster["clusterEndpoints"] == [
        {
            "NodeID": "node/pve1",
            "NodeName": "pve1",
            "Host": "pve1",
            "IP": "192.0.2.10",
            "Online": True,
            "LastSeen": "2026-01-01T12:00:00Z",
        },
        {
            "NodeID": "node/pve2",
            "NodeName": "pve2",
            "Host": "pve2",
            "IP": "",
            "Online": False,
            "LastSeen": "0001-01-01T00:00:00Z",
        },
    ]


def test_all_pve_come_before_all_pbs_each_in_the_order_of_creation(api):
    make_instance("pbs")
    make_instance("pve")
    make_instance("pbs")
    make_instance("pve")

    assert [node["id"] for node in listed(api)] == ["pve-0", "pve-1", "pbs-0", "pbs-1"]


@pytest.mark.parametrize(
    ("state", "status"),
    [("never", "disconnected"), ("ok", "connected"), ("failing", "disconnected"), ("login-failed", "error")],
)
def test_the_status_says_how_the_last_poll_ended(api, state, status):
    make_instance(state=state)

    assert listed(api)[0]["status"] == status


def test_a_failing_instance_says_why_and_since_when(api):
    make_instance(
        state="failing",
        failure_code="timeout",
        failure_message="It does not answer",
        failing_since=NOON,
        last_success_at=NOON - timedelta(minutes=1),
    )

    (node,) = listed(api)

    assert (node["statusCode"], node["statusMessage"]) == ("timeout", "It does not answer")
    assert node["failingSince"] == "2026-01-01T12:00:00Z"
    assert node["lastSeen"] == "2026-01-01T11:59:00Z"


def test_the_words_of_a_failing_host_do_not_bring_back_what_they_quote(api):
    make_instance(
        state="login-failed",
        failure_message="refused: PVEAPIToken=a@pam!t=canary, Cookie PVEAuthCookie=canary, PVE:a@pam:6955B0C0::canary",
    )

    (node,) = listed(api)

    assert node["statusMessage"] == (
        "refused: PVEAPIToken=a@pam!t=[hidden], Cookie PVEAuthCookie=[hidden], [hidden]"
    )


@pytest.mark.parametrize("instances", [1, 20])
def test_the_list_costs_two_queries_however_many_there_are(api, instances):
    for _ in range(instances):
        make_endpoint(make_instance(is_cluster=True))
    api.get(NODES)

    with CaptureQueriesContext(connection) as queries:
        api.get(NODES)

    assert len([query for query in queries if '"nodes_' in query["sql"]]) == 2


def test_an_answer_with_configuration_is_not_cached(api):
    assert api.get(NODES)["Cache-Control"] == "no-store"


# --- 5.4 adding -------------------------------------------------------------------------------------------------------


def test_the_example_of_the_document_adds_a_node_that_monitors_everything(api):
    response = post(api, NODES, PVE)

    assert response.status_code == 201
    assert response.json()["status"] == "success"
    assert response.json()["id"] == "pve-0"
    (node,) = listed(api)
    assert (node["name"], node["host"], node["user"]) == (
        "My PVE Node",
        "https://192.0.2.10:8006",
        "monitor@pve",
    )
    assert (node["hasPassword"], node["hasToken"], node["verifySSL"]) == (True, False, False)
    flags = ("monitorVMs", "monitorContainers", "monitorStorage", "monitorBackups")
    assert [node[flag] for flag in flags] == [True, True, True, True]


def test_a_new_node_is_due_at_once(api):
    post(api, NODES, PVE)

    assert Instance.objects.get().next_poll_at is None


def test_browsers_are_told_that_a_node_was_added(api, messages):
    (message,) = messages(lambda: post(api, NODES, PVE))

    assert message["type"] == "nodes_changed"
    assert message["timestamp"]


def test_explicit_flags_are_obeyed(api):
    post(api, NODES, PVE | {"monitorVMs": False, "monitorBackups": False})

    (node,) = listed(api)
    assert (node["monitorVMs"], node["monitorContainers"], node["monitorBackups"]) == (False, True, False)


@pytest.mark.parametrize("kind", ["pve", "pbs"])
def test_smart_is_read_only_where_somebody_wants_it(kind, api):
    post(api, NODES, PVE | {"type": kind})
    assert listed(api)[0]["monitorSmart"] is False

    put(api, f"{NODES}/{kind}-0", {"monitorSmart": True})
    put(api, f"{NODES}/{kind}-0", {"name": "renamed"})
    assert (listed(api)[0]["monitorSmart"], Instance.objects.get().reads_smart) == (True, True)

    put(api, f"{NODES}/{kind}-0", {"monitorSmart": False})
    assert listed(api)[0]["monitorSmart"] is False


def test_smart_can_be_wanted_from_the_beginning(api):
    post(api, NODES, PVE | {"monitorSmart": True})

    assert listed(api)[0]["monitorSmart"] is True


def test_a_mail_gateway_has_no_smart(api):
    post(api, NODES, PVE | {"type": "pmg", "monitorSmart": True})

    assert "monitorSmart" not in listed(api)[0]
    assert Instance.objects.get().reads_smart is False


def test_own_keys_stand_behind_those_of_the_contract(api):
    make_endpoint(make_instance(is_cluster=True, cluster_name="lab-cluster"))

    contract = [
        "id", "type", "name", "host", "hasPassword", "tokenName", "hasToken", "verifySSL", "monitorVMs",
        "monitorContainers", "monitorStorage", "monitorBackups", "status", "isCluster", "clusterName", "clusterEndpoints",
    ]  # fmt: skip
    assert list(listed(api)[0]) == [*contract, "monitorSmart", "paused", "tlsUnchecked"]


def test_null_counts_as_absent(api):
    post(api, NODES, PVE | {"name": None, "monitorVMs": None, "fingerprint": None})

    (node,) = listed(api)
    assert (node["name"], node["monitorVMs"]) == ("192.0.2.10", True)


def test_unknown_keys_and_those_of_the_list_are_ignored(api):
    extra = {
        "id": "pve-7",
        "status": "connected",
        "hasPassword": 3,
        "is_paused": True,
        "uid": "x",
        "version": 9,
    }

    response = post(api, NODES, PVE | extra)

    instance = Instance.objects.get()
    assert response.status_code == 201
    assert (instance.wire_id, instance.is_paused, instance.version, instance.state) == (
        "pve-0",
        False,
        1,
        "never",
    )


OUR_NAMES = [
    field.attname
    for field in Instance._meta.concrete_fields
    if field.attname not in InstanceSerializer().fields
]


@pytest.mark.parametrize("column", OUR_NAMES)
def test_no_column_is_written_by_its_own_name(api, column):
    make_instance(name="lab", token_value="kept")
    before = everything_stored()

    response = put(api, f"{NODES}/pve-0", {column: "injected"})

    (after,) = everything_stored()
    assert response.status_code == 200
    assert {name for name in after if after[name] != before[0][name]} <= {
        "version",
        "changed_at",
        "next_poll_at",
    }


@pytest.mark.parametrize(
    ("kind", "host", "stored"),
    [
        ("pve", "192.0.2.10", "https://192.0.2.10:8006"),
        ("pve", " https://pve1.lab/ ", "https://pve1.lab:8006"),
        ("pve", "http://pve1.lab", "http://pve1.lab"),
        ("pve", "https://pve1.lab:443/ui#v1", "https://pve1.lab:443"),
        ("pve", "[2001:db8::1]", "https://[2001:db8::1]:8006"),
        ("pbs", "pbs.lab", "https://pbs.lab:8007"),
        ("pbs", "https://pbs.lab:9000", "https://pbs.lab:9000"),
    ],
)
def test_the_host_is_normalised(api, kind, host, stored):
    post(api, NODES, {"type": kind, "host": host, **TOKEN})

    assert listed(api)[0]["host"] == stored


def test_a_pve_node_without_a_name_is_called_by_its_host(api, host_probe):
    answers(host_probe, found(server_name="pve1"))

    post(api, NODES, {"type": "pve", "host": "https://pve1.lab:8006", **TOKEN})

    assert listed(api)[0]["name"] == "pve1.lab"


def test_a_pbs_without_a_name_is_called_as_the_server_calls_itself(api, host_probe):
    answers(host_probe, found("pbs", server_name="backup1"))

    post(api, NODES, PBS)

    assert listed(api)[0]["name"] == "backup1"
    assert host_probe.call_args.kwargs == {"timeout_seconds": 5.0}


@pytest.mark.parametrize(
    ("told", "name"),
    [
        ("localhost", "192.0.2.20"),
        ("LOCALHOST", "192.0.2.20"),
        ("localhost.localdomain", "192.0.2.20"),
        ("127.0.1.1", "192.0.2.20"),
        ("::1", "192.0.2.20"),
        ("", "192.0.2.20"),
        ("localhost-vault", "localhost-vault"),
        ("vault.localhost", "vault.localhost"),
        ("10.0.0.7", "10.0.0.7"),
    ],
)
def test_a_pbs_is_not_called_by_the_name_that_every_host_has_for_itself(api, host_probe, told, name):
    answers(host_probe, found("pbs", server_name=told))

    post(api, NODES, PBS)

    assert listed(api)[0]["name"] == name


def test_a_pbs_that_does_not_answer_is_called_by_its_host(api):
    post(api, NODES, PBS)

    assert listed(api)[0]["name"] == "192.0.2.20"


def test_equal_names_get_a_number_behind_them(api):
    for number in range(3):
        post(api, NODES, PVE | {"host": f"192.0.2.{10 + number}", "name": "lab"})

    assert [node["name"] for node in listed(api)] == ["lab", "lab-2", "lab-3"]


def test_the_same_name_may_be_used_by_a_pve_and_a_pbs(api):
    post(api, NODES, PVE | {"name": "home"})
    post(api, NODES, PBS | {"name": "home"})

    assert [node["name"] for node in listed(api)] == ["home", "home"]


def test_ids_begin_at_zero_for_each_type_and_are_never_used_again(api):
    post(api, NODES, PVE)
    post(api, NODES, PVE | {"host": "192.0.2.11"})
    api.delete(f"{NODES}/pve-1")
    api.delete(f"{NODES}/pve-0")
    post(api, NODES, PVE | {"host": "192.0.2.12"})
    post(api, NODES, PBS)

    assert [node["id"] for node in listed(api)] == ["pve-2", "pbs-0"]


def test_a_host_with_several_members_becomes_a_cluster(api, host_probe):
    answers(host_probe, found_cluster("lab-cluster", members=2))

    post(api, NODES, PVE)

    (node,) = listed(api)
    assert (node["isCluster"], node["clusterName"]) == (True, "lab-cluster")
    assert [(row["NodeName"], row["IP"], row["Online"]) for row in node["clusterEndpoints"]] == [
        ("pve1", "192.0.2.10", True),
        ("pve2", "192.0.2.11", True),
    ]


def test_a_cluster_without_a_name_is_an_unknown_cluster(api, host_probe):
    answers(host_probe, found_cluster("", members=2))

    post(api, NODES, PVE)

    assert listed(api)[0]["clusterName"] == "Unknown Cluster"


def test_a_cluster_of_one_is_a_single_host(api, host_probe):
    answers(host_probe, found_cluster("lab-cluster", members=1))

    post(api, NODES, PVE)

    (node,) = listed(api)
    assert "isCluster" not in node
    assert "clusterEndpoints" not in node


def test_the_same_host_again_updates_the_node(api, messages):
    post(api, NODES, PVE)

    response = post(api, NODES, {"type": "pve", "host": "192.0.2.10", "monitorVMs": False, **TOKEN})

    assert (response.status_code, response.json()["status"], response.json()["id"]) == (
        200,
        "success",
        "pve-0",
    )
    (node,) = listed(api)
    assert (node["name"], node["monitorVMs"]) == ("My PVE Node", False)
    assert (node["hasToken"], node["hasPassword"]) == (True, False)


def test_the_same_host_as_another_type_is_another_node(api):
    post(api, NODES, PVE | {"host": "https://192.0.2.10:8007"})
    response = post(api, NODES, PBS | {"host": "https://192.0.2.10:8007"})

    assert response.status_code == 201


def test_a_member_that_shows_its_certificate_is_part_of_its_cluster(api, host_probe):
    make_instance(name="lab", host="https://pve1.lab:8006", **TOLD)
    answers(host_probe, found_second_member())

    response = post(api, NODES, PVE | {"host": "192.0.2.11"})

    body = response.json()
    assert (response.status_code, body["status"]) == (200, "success")
    assert (body["merged"], body["cluster"], body["id"]) == (True, "lab-cluster", "pve-0")
    assert "lab" in body["message"]
    assert len(listed(api)) == 1


@pytest.mark.parametrize("host", ["192.0.2.11", "https://pve2:8006/"], ids=["by-address", "by-name"])
def test_a_silent_host_is_a_node_of_its_own_whoever_lists_it_as_a_member(api, host):
    cluster = make_instance(name="lab", is_cluster=True, cluster_name="lab-cluster")
    make_endpoint(cluster, "pve1")
    make_endpoint(cluster, "pve2", address="192.0.2.11")

    response = post(api, NODES, PVE | {"host": host})

    assert (response.status_code, response.json()["id"]) == (201, "pve-1")


def test_the_members_of_a_cluster_are_not_taken_from_who_is_added(api, host_probe, messages):
    cluster = make_instance(name="lab", host="https://pve1.lab:8006", **TOLD)
    make_endpoint(cluster, "pve1")
    make_endpoint(cluster, "pve2", address="192.0.2.11")
    answers(host_probe, found_second_member(members=3, first=66))

    (message,) = messages(lambda: post(api, NODES, PVE | {"host": "https://pve3.lab:8006"}))

    (node,) = listed(api)
    assert [row["IP"] for row in node["clusterEndpoints"]] == ["192.0.2.10", "192.0.2.11"]
    assert message["type"] == "nodes_changed"
    assert Instance.objects.get().version == 2


def test_a_cluster_that_does_not_answer_any_more_stands_for_no_host(api, host_probe):
    make_instance(
        host="https://pve1.lab:8006", state="failing", failing_since=NOON - timedelta(days=1), **TOLD
    )
    answers(host_probe, found_second_member())

    assert post(api, NODES, PVE | {"host": "192.0.2.11"}).status_code == 201


COPIES = {
    "another certificate": {"fingerprint": "66" * 32},
    "no certificate": {"fingerprint": ""},
    "a certificate that it lists for another node of its own": {
        "fingerprint": "66" * 32,
        "nodes": (
            NodeCertificateReading("pve1", FINGERPRINT),
            NodeCertificateReading("pve2", SECOND_FINGERPRINT),
            NodeCertificateReading("pve6", "66" * 32),
        ),
    },
    "a certificate of the cluster, and lists another for the one that answers": {
        "nodes": (
            NodeCertificateReading("pve1", "66" * 32),
            NodeCertificateReading("pve2", SECOND_FINGERPRINT),
        ),
    },
}


@pytest.mark.parametrize("told", COPIES.values(), ids=COPIES)
def test_a_host_that_tells_the_names_of_a_cluster_and_shows_something_else_is_added(api, host_probe, told):
    make_instance(host="https://pve1.lab:8006", **TOLD)
    answers(host_probe, found_second_member(**told))

    response = post(api, NODES, PVE | {"host": "192.0.2.66"})

    assert (response.status_code, response.json()["id"]) == (201, "pve-1")


def test_a_cluster_keeps_its_own_credential_when_a_member_is_merged(api, host_probe):
    cluster = make_instance(token_value="first", host="https://pve1.lab:8006", **TOLD)
    answers(host_probe, found_second_member())

    post(api, NODES, PVE | {"host": "192.0.2.11"})

    sealed_before = cluster.sealed_token
    cluster.refresh_from_db()
    assert (cluster.sealed_token, cluster.sealed_password) == (sealed_before, "")


@pytest.mark.parametrize(
    ("name", "first"), [("other-cluster", 10), ("lab-cluster", 50)], ids=["other-name", "no-common-member"]
)
def test_another_cluster_is_a_node_of_its_own(api, host_probe, name, first):
    cluster = make_instance(is_cluster=True, cluster_name="lab-cluster")
    make_endpoint(cluster, "pve1")
    answers(host_probe, found_cluster(name, first=first))

    response = post(api, NODES, PVE | {"host": "https://elsewhere.lab:8006"})

    assert response.status_code == 201
    assert len(listed(api)) == 2


def test_a_known_members_address_on_another_port_is_another_host(api):
    cluster = make_instance(is_cluster=True, cluster_name="lab-cluster")
    make_endpoint(cluster, "pve2", address="192.0.2.11")

    response = post(api, NODES, PVE | {"host": "https://192.0.2.11:18006"})

    assert response.status_code == 201


BAD_BODIES = [
    pytest.param(b"", "invalid_json", id="empty"),
    pytest.param(b"{", "invalid_json", id="not-json"),
    pytest.param(b'{"type": "pve"} x', "invalid_json", id="text-after-the-object"),
    pytest.param(b"[]", "invalid_json", id="array"),
    pytest.param(b"5", "invalid_json", id="number"),
    pytest.param(b'"pve"', "invalid_json", id="text"),
    pytest.param(b"\xff\xfe", "invalid_json", id="not-utf-8"),
    pytest.param(b'{"host": "\\ud800"}', "invalid_json", id="half-a-surrogate"),
    pytest.param(b'{"host":' + b"[" * 70 + b"]" * 70 + b"}", "invalid_json", id="deep"),
]


@pytest.mark.parametrize(("raw", "code"), BAD_BODIES)
@pytest.mark.parametrize("path", [NODES, CONNECTION, CONFIG, CERTIFICATE])
def test_a_body_that_is_not_an_object_is_refused(api, path, raw, code):
    response = api.generic("POST", path, raw)

    assert_refused(response, 400, code)
    assert everything_stored() == []


@pytest.mark.parametrize(
    "field", ["type", "name", "host", "user", "password", "tokenName", "tokenValue", "fingerprint"]
)
@pytest.mark.parametrize("value", [5, 1.5, True, [], {}], ids=["int", "float", "bool", "array", "object"])
def test_a_text_field_of_another_json_type_is_refused(api, field, value):
    response = post(api, NODES, PVE | {field: value})

    assert_refused(response, 400, "invalid_json")
    assert field in response.json()["details"]
    assert everything_stored() == []


@pytest.mark.parametrize("field", ["verifySSL", "monitorVMs", "monitorGarbageJobs"])
@pytest.mark.parametrize("value", ["true", "false", 0, 1, [], {}], ids=str)
def test_a_truth_field_of_another_json_type_is_refused(api, field, value):
    response = post(api, NODES, PVE | {field: value})

    assert_refused(response, 400, "invalid_json")
    assert everything_stored() == []


BAD_VALUES = [
    pytest.param({"host": ""}, "host", id="host-empty"),
    pytest.param({"host": "   "}, "host", id="host-blank"),
    pytest.param({"host": None}, "host", id="host-null"),
    pytest.param({"host": "ftp://192.0.2.10"}, "host", id="scheme"),
    pytest.param({"host": "https://user:pass@192.0.2.10"}, "host", id="userinfo"),
    pytest.param({"host": "https://192.0.2.10:99999"}, "host", id="port-too-high"),
    pytest.param({"host": "https://a b"}, "host", id="blank-in-host"),
    pytest.param({"host": "169.254.169.254"}, "host", id="metadata-address"),
    pytest.param({"type": ""}, "type", id="type-empty"),
    pytest.param({"type": "PVE"}, "type", id="type-in-capitals"),
    pytest.param({"type": "xen"}, "type", id="type-unknown"),
    pytest.param({"type": None}, "type", id="type-null"),
    pytest.param({"fingerprint": "abc"}, "fingerprint", id="fingerprint-short"),
    pytest.param({"fingerprint": "g" * 64}, "fingerprint", id="fingerprint-not-hex"),
    pytest.param({"password": ""}, "credentials", id="password-empty"),
    pytest.param({"user": ""}, "credentials", id="user-empty"),
    pytest.param({"password": "********"}, "credentials", id="password-is-a-placeholder"),
    pytest.param(
        {"user": "", "password": "", "tokenName": "a@pam!b"}, "credentials", id="token-without-value"
    ),
    pytest.param(
        {"user": "", "tokenName": "bare", "tokenValue": "x"}, "tokenName", id="bare-token-without-user"
    ),
    pytest.param({"tokenName": "a@pam!", "tokenValue": "x"}, "tokenName", id="token-without-name"),
    pytest.param({"tokenName": "a b@pam!t", "tokenValue": "x"}, "tokenName", id="token-with-blank"),
    pytest.param({"tokenName": "a@pam!t", "tokenValue": "x\r\ny"}, "tokenValue", id="line-break-in-token"),
    pytest.param({"user": "a:b@pam"}, "user", id="colon-in-user"),
    pytest.param({"name": "x" * 129}, "name", id="name-too-long"),
    pytest.param({"name": "a\x1bb"}, "name", id="control-character-in-name"),
    pytest.param({"password": "x" * 1025}, "password", id="password-too-long"),
]


@pytest.mark.parametrize(("change", "field"), BAD_VALUES)
@pytest.mark.parametrize("path", [NODES, CONNECTION])
def test_a_bad_value_is_refused_with_the_name_of_its_field(api, path, change, field):
    response = post(api, path, PVE | change)

    assert_refused(response, 400, "validation_error")
    assert list(response.json()["details"]) == [field]
    assert everything_stored() == []


def test_the_host_is_missed_before_the_type_and_the_type_before_the_credentials(api):
    first = post(api, NODES, {}).json()["details"]
    second = post(api, NODES, {"host": "192.0.2.10"}).json()["details"]
    third = post(api, NODES, {"host": "192.0.2.10", "type": "pve"}).json()["details"]

    assert [list(details) for details in (first, second, third)] == [["host"], ["type"], ["credentials"]]


# --- 5.5 changing -----------------------------------------------------------------------------------------------------


def test_a_change_answers_with_status_and_tells_the_browsers(api, messages):
    make_instance()
    responses = []

    (message,) = messages(lambda: responses.append(put(api, f"{NODES}/pve-0", {"name": "renamed"})))

    assert (responses[0].status_code, responses[0].json()["status"]) == (200, "success")
    assert listed(api)[0]["name"] == "renamed"
    assert message["type"] == "nodes_changed"


def test_a_change_raises_the_version_and_is_polled_at_once(api):
    make_instance(next_poll_at=NOON)

    put(api, f"{NODES}/pve-0", {"monitorVMs": False})

    instance = Instance.objects.get()
    assert (instance.version, instance.next_poll_at) == (2, None)


def test_the_id_decides_about_the_type(api):
    make_instance()

    response = put(api, f"{NODES}/pve-0", {"type": "pbs", "host": "192.0.2.99", "tokenValue": "again"})

    assert response.status_code == 200
    assert (listed(api)[0]["type"], listed(api)[0]["host"]) == ("pve", "https://192.0.2.99:8006")


def test_a_body_as_the_edit_form_sends_it_keeps_the_secrets(api):
    instance = make_instance(token_value="kept")

    put(
        api,
        f"{NODES}/pve-0",
        {"type": "pve", "name": "", "host": "https://192.0.2.10:8006", "fingerprint": "", "verifySSL": False}
        | {"tokenName": "pulse@pam!pulse", "monitorVMs": False, "monitorContainers": True}
        | {"monitorStorage": True, "monitorBackups": True},
    )

    sealed_before = instance.sealed_token
    instance.refresh_from_db()
    assert (instance.sealed_token, instance.name, instance.monitor_vms) == (sealed_before, "lab", False)


LISTED = {
    "token": {"token_value": "kept"},
    "password": {"password": "kept"},
    "learned pin": {"token_value": "kept", "fingerprint": FINGERPRINT, "is_fingerprint_learned": True},
    "confirmed pin": {"password": "kept", "fingerprint": FINGERPRINT},
    "authorities": {"token_value": "kept", "verify_tls": True},
    "flags": {
        "token_value": "kept",
        "monitor_vms": False,
        "monitor_sync_jobs": False,
        "monitor_garbage_jobs": True,
    },
    "failing": {
        "token_value": "kept",
        "state": "failing",
        "failure_message": "silent",
        "failing_since": NOON,
    },
    "paused": {"token_value": "kept", "is_paused": True},
    "no TLS": {"token_value": "kept", "host": "http://192.0.2.30:80"},
}


@pytest.mark.parametrize("kind", ["pve", "pbs"])
@pytest.mark.parametrize("fields", LISTED.values(), ids=LISTED)
def test_a_node_that_is_sent_back_as_it_was_listed_stays_as_it_was(api, host_probe, fields, kind):
    make_endpoint(make_instance(kind, is_cluster=kind == "pve", **fields))
    bookkeeping = ("version", "changed_at", "next_poll_at")
    before = [
        {key: value for key, value in row.items() if key not in bookkeeping} for row in everything_stored()
    ]

    response = put(api, f"{NODES}/{kind}-0", listed(api)[0])

    after = [
        {key: value for key, value in row.items() if key not in bookkeeping} for row in everything_stored()
    ]
    assert response.status_code == 200
    assert after == before
    assert host_probe.call_count == 0


@pytest.mark.parametrize(
    "body", [{}, {"name": "", "host": ""}, {"name": "  ", "host": " "}, {"name": None}], ids=str
)
def test_what_is_absent_or_empty_is_unchanged(api, body):
    make_instance(name="lab", token_value="kept", verify_tls=True, fingerprint=FINGERPRINT, monitor_vms=False)
    before = listed(api)

    assert put(api, f"{NODES}/pve-0", body).status_code == 200
    assert listed(api) == before


def test_an_edit_does_not_write_what_polling_observes(api):
    make_instance(state="ok", last_success_at=NOON, failure_message="")

    put(api, f"{NODES}/pve-0", {"name": "x", "status": "error", "state": "failing", "last_success_at": None})

    instance = Instance.objects.get()
    assert (instance.state, instance.last_success_at) == ("ok", NOON)


def test_the_host_of_another_node_is_refused(api):
    make_instance()
    make_instance()
    before = everything_stored()

    response = put(api, f"{NODES}/pve-1", {"host": "https://192.0.2.10:8006"})

    assert_refused(response, 400, "validation_error")
    assert everything_stored() == before


def test_another_host_that_is_silent_loses_the_members_of_the_old_one(api):
    cluster = make_instance(is_cluster=True, cluster_name="lab-cluster")
    make_endpoint(cluster)

    put(api, f"{NODES}/pve-0", {"host": "https://elsewhere.lab:8006", "tokenValue": "again"})

    assert "clusterEndpoints" not in listed(api)[0]


def test_another_host_that_is_silent_has_none_of_the_members_that_listed_it(api):
    cluster = make_instance(is_cluster=True, cluster_name="lab-cluster")
    make_endpoint(cluster)
    make_endpoint(cluster, "pve2", address="192.0.2.11")

    put(api, f"{NODES}/pve-0", {"host": "192.0.2.11", **TOKEN})

    assert "clusterEndpoints" not in listed(api)[0]


def test_a_change_of_name_asks_the_host_nothing(api, host_probe):
    make_instance()

    put(api, f"{NODES}/pve-0", {"name": "renamed", "monitorVMs": False})

    assert host_probe.call_count == 0


@pytest.mark.parametrize(("raw", "code"), BAD_BODIES)
def test_a_change_with_a_body_that_is_not_an_object_is_refused(api, raw, code):
    make_instance()
    before = everything_stored()

    response = api.generic("PUT", f"{NODES}/pve-0", raw)

    assert_refused(response, 400, code)
    assert everything_stored() == before


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"name": 5}, "invalid_json"),
        ({"verifySSL": "false"}, "invalid_json"),
        ({"monitorVMs": 0}, "invalid_json"),
        ({"host": "ftp://x"}, "validation_error"),
        ({"fingerprint": "12"}, "validation_error"),
        ({"tokenName": "bare"}, "validation_error"),
        ({"user": "someone@pam"}, "validation_error"),
        ({"name": "x", "password": "only"}, "validation_error"),
    ],
    ids=str,
)
def test_a_change_with_a_bad_field_changes_nothing(api, body, code):
    make_instance(token_value="kept")
    before = everything_stored()

    response = put(api, f"{NODES}/pve-0", body)

    assert_refused(response, 400, code)
    assert everything_stored() == before


# --- 5.6 removing -----------------------------------------------------------------------------------------------------


def test_a_removed_node_is_gone_with_everything_read_of_it(api):
    make_guest(make_instance())
    make_guest(make_instance())

    response = api.delete(f"{NODES}/pve-0")

    assert (response.status_code, response.json()) == (200, {"status": "success"})
    assert [node["id"] for node in listed(api)] == ["pve-1"]
    assert list(Instance.objects.values_list("guest__vmid", flat=True)) == [101]


@pytest.mark.parametrize(
    ("kind", "host", "address", "port"),
    [
        ("pve", "https://192.0.2.30:8006", "192.0.2.30", 8006),
        ("pbs", "https://pbs.lab:9000", "pbs.lab", 9000),
    ],
)
def test_browsers_are_told_of_the_removal_and_offered_the_host_again(
    api, messages, kind, host, address, port
):
    make_instance(kind, host=host)

    deleted, discovered = messages(lambda: api.delete(f"{NODES}/{kind}-0"))

    assert (deleted["type"], deleted["data"]) == ("node_deleted", {"nodeType": kind})
    assert discovered["type"] == "discovery_update"
    assert [message["timestamp"][-1] for message in (deleted, discovered)] == ["Z", "Z"]
    assert isinstance(discovered["data"].pop("timestamp"), int)
    assert discovered["data"] == {
        "servers": [{"ip": address, "port": port, "type": kind, "version": "Unknown", "hostname": address}],
        "errors": [],
        "immediate": True,
    }


@pytest.mark.parametrize("method", ["PUT", "DELETE"])
@pytest.mark.parametrize(
    "node_id",
    ["", "pve", "pve-", "pve-x", "pve-0-1", "-0", "xen-0", "PVE-0", "pve--0", "pve-\u0663", "pve-0%20", "0"],
)
def test_a_malformed_id_is_refused(api, method, node_id):
    make_instance()
    before = everything_stored()

    response = send(api, method, f"{NODES}/{node_id}", {"name": "x"})

    assert_refused(response, 400, "invalid_id")
    assert everything_stored() == before


@pytest.mark.parametrize("method", ["PUT", "DELETE"])
@pytest.mark.parametrize("node_id", ["pve-1", "pbs-0", "pve-" + "9" * 30])
def test_an_unknown_id_is_not_found(api, method, node_id):
    make_instance()
    before = everything_stored()

    response = send(api, method, f"{NODES}/{node_id}", {"name": "x"})

    assert_refused(response, 404, "node_not_found")
    assert everything_stored() == before


@pytest.mark.parametrize(
    ("method", "path"), [("POST", NODES), ("PUT", f"{NODES}/pve-0"), ("DELETE", f"{NODES}/pve-0")]
)
def test_a_save_that_fails_says_so_and_changes_nothing(api, monkeypatch, caplog, method, path):
    make_instance()
    before = everything_stored()

    def broken(*args, **options):
        raise DatabaseError("database disk image is malformed")

    monkeypatch.setattr(feed, "broadcast", broken)  # the last step of each verb, inside its transaction

    response = send(api, method, path, PVE | {"host": "192.0.2.77"})

    assert_refused(response, 500, "internal_error")
    assert "saved" in response.json()["error"]
    assert everything_stored() == before
    assert "malformed" in caplog.text


@pytest.mark.parametrize(
    ("method", "path"), [("POST", NODES), ("PUT", f"{NODES}/pve-0"), ("DELETE", f"{NODES}/pve-0")]
)
def test_a_database_that_takes_nothing_now_is_unavailable_and_changes_nothing(api, monkeypatch, method, path):
    make_instance()
    before = everything_stored()
    api.raise_request_exception = False

    def full(*args, **options):
        raise OperationalError("database or disk is full")

    monkeypatch.setattr(feed, "broadcast", full)

    response = send(api, method, path, PVE | {"host": "192.0.2.77"})

    assert_refused(response, 503, "unavailable")
    assert response.headers["Retry-After"] == "5"
    assert everything_stored() == before


def test_a_secret_that_cannot_be_sealed_is_not_stored(api, settings, tmp_path):
    make_instance(token_value="kept")
    before = everything_stored()
    settings.PULSE_DATA_DIR = tmp_path  # where no key file is, although something is sealed

    response = post(api, NODES, PVE | {"host": "192.0.2.77"})

    assert_refused(response, 500, "internal_error")
    assert "credential" in response.json()["error"]
    assert everything_stored() == before


# --- 5.7 to 5.9 tests -------------------------------------------------------------------------------------------------


def test_a_good_pve_connection_tells_its_nodes(api, host_probe):
    answers(host_probe, found())

    response = post(api, CONNECTION, PVE)

    body = response.json()
    assert response.status_code == 200
    assert (body["status"], body["isCluster"], body["nodeCount"]) == ("success", False, 1)
    assert "1 node" in body["message"]
    assert "clusterNodeCount" not in body
    assert everything_stored() == []


def test_a_good_cluster_connection_tells_its_members(api, host_probe):
    answers(host_probe, found_cluster(members=3))

    body = post(api, CONNECTION, PVE).json()

    assert (body["isCluster"], body["nodeCount"], body["clusterNodeCount"]) == (True, 3, 3)


def test_a_good_pbs_connection_tells_its_datastores(api, host_probe):
    answers(host_probe, found("pbs", datastore_count=4))

    body = post(api, CONNECTION, PBS).json()

    assert (body["status"], body["datastoreCount"]) == ("success", 4)
    assert "nodeCount" not in body


def test_the_test_uses_what_was_entered(api, host_probe):
    answers(host_probe, found())

    post(api, CONNECTION, PVE | {"host": "pve1.lab", "fingerprint": FINGERPRINT, "verifySSL": True})

    (target,) = host_probe.call_args.args
    assert (target.url, target.fingerprint, target.verify_tls) == ("https://pve1.lab:8006", FINGERPRINT, True)
    assert (target.credential.user, target.credential.password) == ("monitor@pve", "s3cret-pass")
    assert host_probe.call_args.kwargs == {"timeout_seconds": 10.0}


FAILURES = [
    Refused("192.0.2.10:8006 refused the connection"),
    NameNotFound("The name pve1.lab is not known"),
    LoginFailed("192.0.2.10:8006 answered 401 Unauthorized"),
    CertificateChanged("192.0.2.10:8006 shows another certificate", expected="a", presented="b"),
]


@pytest.mark.parametrize("failure", FAILURES, ids=lambda failure: failure.code)
def test_a_failed_connection_test_says_why(api, host_probe, failure):
    host_probe.side_effect = failure

    response = post(api, CONNECTION, PVE)

    assert_refused(response, 400, "connection_failed")
    assert failure.cause.split()[0] in response.json()["error"]
    assert "Unauthorized" not in response.json()["error"]
    assert everything_stored() == []


def test_a_host_cannot_make_an_error_look_like_a_success(api, host_probe):
    host_probe.side_effect = NameNotFound("The name success.lab is not known")

    assert_refused(post(api, CONNECTION, PVE), 400, "connection_failed")


def test_a_good_configuration_tells_how_long_it_took(api, host_probe):
    answers(host_probe, found("pbs", latency_ms=41))

    body = post(api, CONFIG, PBS).json()

    assert (body["status"], body["latency"]) == ("success", 41)
    assert body["message"]


@pytest.mark.parametrize("failure", FAILURES, ids=lambda failure: failure.code)
def test_a_failed_configuration_test_is_told_with_status_200(api, host_probe, failure):
    host_probe.side_effect = failure

    response = post(api, CONFIG, PVE)

    assert (response.status_code, response.json()["status"]) == (200, "error")
    assert response.json()["message"]


@pytest.mark.parametrize(
    "change", [{"host": ""}, {"password": ""}, {"host": "ftp://x"}, {"fingerprint": "1"}], ids=str
)
def test_an_incomplete_configuration_is_told_with_status_200(api, change):
    response = post(api, CONFIG, PVE | change)

    assert (response.status_code, response.json()["status"]) == (200, "error")


@pytest.mark.parametrize("kind", ["", "xen", None])
def test_a_configuration_of_a_bad_type_is_refused(api, kind):
    assert_refused(post(api, CONFIG, PVE | {"type": kind}), 400, "validation_error")


def test_a_stored_node_is_tested_with_its_stored_credential(api, host_probe):
    make_instance(token_value="stored-secret", fingerprint=FINGERPRINT)
    answers(host_probe, found())

    response = api.post(f"{NODES}/pve-0/test")

    (target,) = host_probe.call_args.args
    assert (response.status_code, response.json()["status"], response.json()["latency"]) == (
        200,
        "success",
        12,
    )
    assert (target.credential.token_value, target.fingerprint) == ("stored-secret", FINGERPRINT)


def test_a_stored_node_that_fails_is_told_with_status_200(api):
    make_instance()

    response = api.post(f"{NODES}/pve-0/test")

    assert (response.status_code, response.json()["status"]) == (200, "error")
    assert "refused" in response.json()["message"]


def test_an_unknown_node_is_told_with_status_200(api):
    response = api.post(f"{NODES}/pve-5/test")

    assert (response.status_code, response.json()) == (200, {"status": "error", "message": "node not found"})


def test_a_node_whose_secret_cannot_be_opened_says_so_and_the_others_go_on(api, host_probe):
    broken = make_instance()
    make_instance()
    Instance.objects.filter(pk=broken.pk).update(sealed_token="v1.deadbeef.AAAA")
    answers(host_probe, found())

    broken_answer = api.post(f"{NODES}/pve-0/test").json()
    good_answer = api.post(f"{NODES}/pve-1/test").json()

    assert broken_answer["status"] == "error"
    assert "again" in broken_answer["message"]
    assert good_answer["status"] == "success"


def test_the_test_of_a_malformed_id_is_refused(api):
    assert_refused(api.post(f"{NODES}/pve-x/test"), 400, "invalid_id")


@pytest.mark.parametrize(
    "path",
    [f"{NODES}//test", f"{NODES}/pve-0/other", f"{NODES}/pve-0/test/", f"{NODES}/pve-0/", f"{NODES}/a/b/c"],
)
@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE"])
def test_an_unknown_path_is_not_found_and_not_redirected(api, method, path):
    make_instance()

    response = send(api, method, path, {"x": 1})

    assert_refused(response, 404, "not_found")
    assert Instance.objects.count() == 1


# --- the certificate --------------------------------------------------------------------------------------------------


def test_the_certificate_of_a_host_is_shown_before_any_credential_is_sent(api, shown_certificate):
    response = post(api, CERTIFICATE, {"type": "pve", "host": "192.0.2.10"})

    body = response.json()
    assert response.status_code == 200
    assert body["fingerprint"] == ":".join(["AB"] * 32)
    assert (body["trusted"], body["notAfter"]) == (False, "0001-01-01T00:00:00Z")
    assert {"subject", "issuer"} <= set(body)
    (call,) = shown_certificate.call_args_list
    assert call.args == ("https://192.0.2.10:8006",)
    assert call.kwargs["timeout_seconds"] == 10.0


def test_a_host_without_a_certificate_says_why(api, shown_certificate):
    shown_certificate.side_effect = Refused("192.0.2.10:8006 refused the connection")

    assert_refused(post(api, CERTIFICATE, {"type": "pve", "host": "192.0.2.10"}), 400, "connection_failed")


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({}, "validation_error"),
        ({"host": "192.0.2.10"}, "validation_error"),
        ({"type": "xen", "host": "192.0.2.10"}, "validation_error"),
        ({"type": "pve", "host": "ftp://x"}, "validation_error"),
        ({"type": "pve", "host": 5}, "invalid_json"),
    ],
    ids=str,
)
def test_the_certificate_of_nothing_is_refused(api, shown_certificate, body, code):
    assert_refused(post(api, CERTIFICATE, body), 400, code)
    assert shown_certificate.call_count == 0


# --- methods, access, limits ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        (NODES, {"GET", "HEAD", "POST"}),
        (f"{NODES}/pve-0", {"PUT", "DELETE"}),
        (f"{NODES}/pve-0/test", {"POST"}),
        (CONNECTION, {"POST"}),
        (CONFIG, {"POST"}),
        (CERTIFICATE, {"POST"}),
    ],
)
def test_every_other_method_is_refused(api, path, allowed):
    make_instance()

    for method in {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"} - allowed:
        response = api.generic(method, path, b"{}")
        assert response.status_code == 405
        assert set(response["Allow"].split(", ")) - {"OPTIONS"} == allowed
    assert Instance.objects.count() == 1


CALLS = [
    ("GET", NODES, Access.SETTINGS_READ),
    ("POST", NODES, Access.SETTINGS_WRITE),
    ("PUT", f"{NODES}/pve-0", Access.SETTINGS_WRITE),
    ("DELETE", f"{NODES}/pve-0", Access.SETTINGS_WRITE),
    ("POST", f"{NODES}/pve-0/test", Access.SETTINGS_WRITE),
    ("POST", CONNECTION, Access.SETTINGS_WRITE),
    ("POST", CONFIG, Access.SETTINGS_WRITE),
    ("POST", CERTIFICATE, Access.SETTINGS_WRITE),
]


@pytest.mark.parametrize(("method", "path", "access"), CALLS, ids=str)
def test_nobody_from_outside_comes_in_without_a_credential(method, path, access):
    make_instance()
    before = everything_stored()
    stranger = Client(HTTP_HOST="localhost", REMOTE_ADDR="192.0.2.77")

    response = stranger.generic(method, path, json.dumps(PVE).encode())

    assert_refused(response, 401, "unauthorized")
    assert everything_stored() == before


@pytest.mark.parametrize(("method", "path", "access"), CALLS, ids=str)
def test_each_route_declares_what_it_demands(method, path, access):
    declared = policy_of(resolve(path).func)

    assert declared is not None
    assert declared.methods[method] is access


@pytest.mark.parametrize("path", [CONNECTION, CONFIG, CERTIFICATE, f"{NODES}/pve-0/test"])
def test_tests_share_one_limit(path):
    declared = policy_of(resolve(path).func)

    assert declared is not None
    assert declared.limit == Limit("connection-test", 10, 60)


def test_the_eleventh_test_in_a_minute_is_refused(api, still_noon):
    for _ in range(10):
        assert api.post(f"{NODES}/pve-9/test").status_code == 200

    response = post(api, CONNECTION, PVE)
    other = Client(HTTP_HOST="localhost", REMOTE_ADDR="127.0.0.2")

    assert_refused(response, 429, "rate_limited")
    assert 0 < int(response["Retry-After"]) <= 61
    assert other.post(f"{NODES}/pve-9/test").status_code == 200


def test_adding_and_changing_share_a_limit_and_reading_and_removing_have_none(api, still_noon):
    make_instance()
    for number in range(15):
        assert post(api, NODES, PVE | {"host": f"192.0.2.{100 + number}"}).status_code == 201
        assert put(api, f"{NODES}/pve-0", {"name": f"name-{number}"}).status_code == 200
    before = everything_stored()

    added = post(api, NODES, PVE | {"host": "192.0.2.200"})
    changed = put(api, f"{NODES}/pve-0", {"name": "renamed"})

    assert_refused(added, 429, "rate_limited")
    assert_refused(changed, 429, "rate_limited")
    assert 0 < int(added["Retry-After"]) <= 61
    assert everything_stored() == before
    assert api.get(NODES).status_code == 200
    assert send(api, "DELETE", f"{NODES}/pve-1").status_code == 200


# --- secrets ----------------------------------------------------------------------------------------------------------


def test_no_secret_comes_back_in_any_answer_or_log(api, host_probe, caplog):
    caplog.set_level("DEBUG")
    canaries = {"password": "canary-Passw0rd", "tokenValue": "canary-t0ken-value"}
    seen = []

    for number, secret in enumerate(({"user": "a@pam"}, {"tokenName": "a@pam!t"})):
        body = {"type": "pve", "host": f"192.0.2.{40 + number}", **secret, **canaries}
        seen += [post(api, NODES, body), post(api, CONNECTION, body), post(api, CONFIG, body)]
        seen += [put(api, f"{NODES}/pve-{number}", canaries), api.post(f"{NODES}/pve-{number}/test")]
        seen += [
            post(api, NODES, body | {"fingerprint": "x"}),
            put(api, f"{NODES}/pve-{number}", canaries | {"name": 1}),
        ]
    seen.append(api.get(NODES))

    told = "".join(response.content.decode() for response in seen) + caplog.text
    assert "canary" not in told
    assert "canary" not in repr(everything_stored())
