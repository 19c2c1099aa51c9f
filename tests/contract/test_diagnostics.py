"""http-api.md 12 and 17: GET /api/diagnostics and its export."""

from __future__ import annotations

import pytest

from monitoring.models import RemoteWriteTarget
from nodes.models import Instance
from pulse import diagnostics
from tests.conftest import NOON
from tests.factories import make_instance
from tests.fake_proxmox import PbsSpec, PveSpec
from tests.fake_proxmox.fixtures import virtual_estate
from tests.monitoring.collected import turn
from tests.monitoring.conftest import Watched
from tests.monitoring.remote.targets import make_target

pytestmark = [pytest.mark.slow, pytest.mark.django_db, pytest.mark.usefixtures("fresh_store")]

ROUTE, EXPORT = "/api/diagnostics", "/api/diagnostics/export"


@pytest.fixture
def watched(fake_cluster):
    """A cluster of three, polled and collected some times."""
    one = Watched(fake_cluster)
    turn(one, times=6)
    return one


def test_without_instances_everything_is_there_and_empty(api):
    response = api.get(ROUTE)

    told = response.json()
    assert (response.status_code, response.headers["Content-Type"]) == (200, "application/json")
    assert (told["nodes"], told["pbs"], told["errors"]) == ([], [], [])
    assert told["runtime"] == "python"
    assert told["version"].startswith("v")
    assert told["uptime"] >= 0
    assert {"os", "arch", "goVersion", "numCPU", "numGoroutine", "memoryMB", "memory"} <= set(told["system"])
    assert told["system"]["memory"]["alloc"] > 1_000_000


def test_a_cluster_that_answers(watched, api):
    (told,) = api.get(ROUTE).json()["nodes"]

    assert (told["id"], told["name"], told["type"]) == ("lab", "lab", "pve")
    assert (told["host"], told["authMethod"], told["connected"]) == (
        watched.instance.host,
        "api_token",
        True,
    )
    assert told["details"]["node_count"] == 3
    assert told["clusterInfo"] == {"nodes": 4}
    assert told["lastPoll"] == "2026-01-01T12:00:10Z"
    assert "error" not in told


def test_lanes_and_what_they_cost_are_told(watched, api):
    (told,) = api.get(ROUTE).json()["nodes"]

    lanes = {lane["lane"]: lane for lane in told["lanes"]}
    assert lanes["live"]["read"] == 1
    assert (lanes["versions"]["subjects"], lanes["versions"]["read"]) == (3, 3)
    assert told["cost"]["minutes"] == 10
    assert {"callsPerMinute", "bytesPerMinute", "refused", "unanswered", "slowedAt", "lanes"} <= set(
        told["cost"]
    )


def test_what_the_account_lacks_is_told_with_the_lines_that_repair_it(watched, api):
    (told,) = api.get(ROUTE).json()["nodes"]

    lacking = {one["feature"]: one for one in told["permissions"]}
    assert "backups" in lacking
    assert any("pveum" in line for line in lacking["backups"]["repair"])
    assert all("--users" in line for line in lacking["backups"]["userRepair"])
    assert lacking["backups"]["caution"].startswith("Leave out the line of a user")
    assert lacking["backups"]["userNote"].endswith("both need it.")
    assert "Leave out" not in lacking["backups"]["note"]


def test_a_pbs_that_answers(fake_pbs, api):
    Watched(fake_pbs, "pbs")

    (told,) = api.get(ROUTE).json()["pbs"]

    assert (told["id"], told["connected"], told["details"]) == ("vault", True, {"version": "4.2"})


def test_a_host_that_does_not_answer_says_why_and_holds_up_no_other(watched, fake_pbs, api, monkeypatch):
    monkeypatch.setattr(diagnostics, "TRY_SECONDS", 1.0)
    Watched(fake_pbs, "pbs")
    fake_pbs.faults.add("hang")

    told = api.get(ROUTE).json()

    assert told["nodes"][0]["connected"] is True
    assert told["pbs"][0]["connected"] is False
    assert told["pbs"][0]["error"]
    assert "details" not in told["pbs"][0]


def test_a_paused_instance_is_not_asked(watched, fake_cluster, api):
    Instance.objects.update(is_paused=True)
    for server in fake_cluster.servers:
        server.traffic.reset()

    (told,) = api.get(ROUTE).json()["nodes"]

    assert (told["connected"], told["paused"]) == (False, True)
    assert told["error"] == "It is paused: Pulse asks it nothing"
    assert sum(server.traffic.snapshot()["total"] for server in fake_cluster.servers) == 0


METHODS = {
    "token": ({"token_value": "s3cr3t"}, "api_token"),
    "password": ({"password": "s3cr3t"}, "username_password"),
    "neither": ({"user": "monitor@pve"}, "none"),
}


@pytest.mark.parametrize(("fields", "method"), METHODS.values(), ids=METHODS)
def test_how_an_instance_logs_in(fields, method):
    assert diagnostics.auth_method(make_instance(**fields)) == method


def test_no_secret_is_told(api):
    with virtual_estate(PveSpec(name="lab"), PbsSpec(name="vault", datastores=1)) as estate:
        secrets = []
        for name, kind in (("lab", "pve"), ("vault", "pbs")):
            site = estate.site(name)
            one = Watched(site, kind, password="pa55word-of-nobody", name=name)
            secrets += [site.token_value, site.password, one.instance.sealed_token, one.instance.sealed_password]  # fmt: skip
            turn(one, after=0)
        estate.site("lab").revoke_token(estate.site("lab").token_id)

        for route in (ROUTE, EXPORT):
            body = api.get(route).content.decode()
            assert [
                secret for secret in (*secrets, "pa55word-of-nobody") if secret and str(secret) in body
            ] == []


def test_the_export_is_the_same_as_a_file(watched, api):
    response = api.get(EXPORT)

    assert response.headers["Content-Disposition"].startswith('attachment; filename="pulse-diagnostics-')
    assert set(response.json()) == set(api.get(ROUTE).json())


@pytest.mark.parametrize("method", ["post", "put", "patch", "delete"])
@pytest.mark.parametrize("route", [ROUTE, EXPORT])
def test_other_methods_are_405(route, method, api):
    assert getattr(api, method)(route).status_code == 405


@pytest.mark.parametrize("route", [ROUTE, EXPORT])
def test_nobody_is_served_without_the_right_to_read_settings(route, remote, token_client):
    assert remote.get(route).status_code == 401
    assert token_client("monitoring:read").get(route).status_code == 403
    assert token_client("settings:read").get(route).status_code == 200


def test_it_may_not_be_asked_all_the_time(api):
    statuses = [api.get(ROUTE).status_code for _ in range(13)]

    assert statuses == [200] * 12 + [429]


def test_one_instance_is_told_without_trying_it(fake_pve, client):
    Watched(fake_pve).poll()
    fake_pve.traffic.reset()

    answer = client.get("/api/diagnostics/pve-0", HTTP_HOST="localhost")

    assert answer.status_code == 200
    told = answer.json()
    assert (told["nodeId"], told["paused"], told["state"]) == ("pve-0", False, "ok")
    assert told["lanes"][0]["lane"] == "live"
    assert set(told) == {"nodeId", "paused", "state", "lanes", "cost", "permissions"}
    assert fake_pve.traffic.snapshot()["total"] == 0


@pytest.mark.parametrize("identity", ["pve-7", "pve", "pve-x", "xen-0", "pve-99999999999"])
def test_an_instance_that_is_not_there_is_not_found(client, identity):
    answer = client.get(f"/api/diagnostics/{identity}", HTTP_HOST="localhost")

    assert (answer.status_code, answer.json()["code"]) == (404, "node_not_found")


def test_an_engine_that_takes_no_samples_is_told(api, still_noon):
    make_target(name="victoria")
    RemoteWriteTarget.objects.update(failing_since=NOON, failure_message="the engine answers with 503")

    assert api.get("/api/diagnostics").json()["errors"] == [
        "samples are not written to victoria since 2026-01-01T12:00:00Z: the engine answers with 503"
    ]
