"""clients.md 3, `/pve`: who is answered, about which target, and what is said when nothing is known.

That the figures are those of the real exporter is in tests/clients/test_pve_exporter.py.
"""

from __future__ import annotations

import gzip

import pytest
import time_machine

from monitoring.exporting.pve_targets import targets_of
from tests.conftest import NOON
from tests.contract.test_door import assert_error
from tests.factories import make_endpoint, make_instance
from tests.monitoring.collected import moment, turn
from tests.monitoring.conftest import Watched

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("fresh_store")]

ROUTE = "/pve?target=lab"


@pytest.fixture
def lab(fake_pve):
    """A host `lab` that was polled."""
    watched = Watched(fake_pve)
    watched.poll(after=10)
    return watched


def at(watched, seconds=0):
    return time_machine.travel(moment(watched).timestamp() + seconds, tick=False)


def test_the_answer_is_the_text_format_of_prometheus(lab, api):
    with at(lab):
        response = api.get(ROUTE)

    assert response.status_code == 200
    assert response.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert response.headers["Cache-Control"] == "no-store"
    assert b'\npve_up{id="qemu/100"} 1\n' in response.content


def test_the_answer_is_compressed_for_who_takes_that(lab, api):
    with at(lab):
        plain = api.get(ROUTE)
        packed = api.get(ROUTE, HTTP_ACCEPT_ENCODING="gzip")

    assert packed.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(packed.content) == plain.content
    assert "Accept-Encoding" in plain.headers["Vary"]
    assert packed.headers["Vary"] == plain.headers["Vary"]


def test_no_question_to_the_host_waits_in_the_request(lab, api):
    lab.server.traffic.reset()

    with at(lab):
        assert api.get(ROUTE).status_code == 200

    assert lab.server.traffic.snapshot()["requests"] == {}


@pytest.mark.parametrize("scope", ["metrics:read", "monitoring:read"])
def test_a_token_with_the_scope_is_served(scope, lab, token_client):
    with at(lab):
        assert token_client(scope).get(ROUTE).status_code == 200


def test_nobody_else_is_served(lab, remote, token_client):
    assert_error(token_client("settings:read", "alerts:write").get(ROUTE), 403, "forbidden")
    assert_error(remote.get(ROUTE), 401, "unauthorized")
    assert_error(remote.get(ROUTE, HTTP_ACCEPT="text/html"), 401, "unauthorized")


def test_a_token_for_metrics_opens_nothing_else(token_client):
    client = token_client("metrics:read")

    for route in ("/api/state", "/api/charts", "/api/config/nodes", "/ws"):
        assert_error(client.get(route), 403, "forbidden")


@pytest.mark.parametrize("method", ["post", "put", "delete"])
def test_another_method_is_refused(method, api):
    response = getattr(api, method)(ROUTE)

    assert_error(response, 405, "method_not_allowed")
    assert response.headers["Allow"] == "GET, HEAD, OPTIONS"


@pytest.mark.parametrize("path", ["/pve/", "/pve/lab", "/pve/x/y", "/metrics/x", "/metrics/"])
def test_what_lies_below_is_no_page(path, api, remote):
    assert_error(api.get(path), 404, "not_found")
    assert_error(remote.get(path, HTTP_ACCEPT="text/html"), 404, "not_found")


def test_a_target_that_nobody_knows_is_told_in_json(lab, api):
    assert_error(api.get("/pve?target=elsewhere"), 404, "target_not_found")
    assert_error(api.get("/pve"), 400, "validation_error")
    assert_error(api.get("/pve?target="), 400, "validation_error")


def test_a_backup_server_is_no_target(api):
    make_instance("pbs", name="vault")

    assert_error(api.get("/pve?target=vault"), 404, "target_not_found")
    assert_error(api.get("/pve?target=pbs-0"), 404, "target_not_found")


def found(target):
    return [(one.instance.wire_id, one.node) for one in targets_of(target)]


def test_a_target_is_found_by_id_name_and_host(db):
    make_instance(name="lab", host="https://pve1.lab:8006")
    second = make_instance(name="pve-0", host="https://192.0.2.11:8006")
    make_endpoint(second, "pve-01", address="192.0.2.11")
    make_endpoint(second, "pve-02", address="192.0.2.12")

    assert found("pve-0") == [("pve-0", "")]  # an id comes before a name
    assert found("lab") == [("pve-0", "")]
    for host in ("pve1.lab", "PVE1.lab:8006", "https://pve1.lab:8006/"):
        assert found(host) == [("pve-0", "")]
    assert found("192.0.2.11") == [("pve-1", "pve-01")]
    assert found("192.0.2.12:8006") == [("pve-1", "pve-02")]
    assert found("192.0.2.13") == found("[") == found("//") == found("@:") == []


def test_a_host_of_two_instances_is_not_guessed_at(api):
    make_instance(name="one", host="https://pve1.lab:8006")
    make_instance(name="two", host="https://pve1.lab:8443")

    response = api.get("/pve?target=pve1.lab")

    assert_error(response, 404, "target_not_found")
    assert response.json()["error"] == "the target names several instances; take an id: pve-0, pve-1"
    assert found("pve1.lab:8443") == [("pve-1", "")]


def test_a_host_that_was_never_reached_is_down(api):
    make_instance()

    with time_machine.travel(NOON, tick=False):
        assert_error(api.get(ROUTE), 503, "instance_down")


def test_a_host_that_falls_silent_is_down_after_35_seconds(lab, api):
    lab.server.stop()
    lab.poll(after=30)
    with at(lab):
        assert api.get(ROUTE).status_code == 200

    lab.poll(after=10)

    with at(lab):
        assert_error(api.get(ROUTE), 503, "instance_down")


def test_figures_that_nobody_renews_count_no_more(lab, api):
    """Whatever keeps Pulse from polling."""
    with at(lab, 35):
        assert api.get(ROUTE).status_code == 200
    with at(lab, 36):
        assert_error(api.get(ROUTE), 503, "instance_down")


@pytest.mark.parametrize("hours", [1, 24])
def test_figures_of_another_clock_count_no_more(hours, lab, api):
    with at(lab, -3600 * hours):
        assert_error(api.get(ROUTE), 503, "instance_down")
    with at(lab, 3600 * hours):
        assert_error(api.get(ROUTE), 503, "instance_down")


def test_what_is_not_known_yet_is_left_out(lab, api):
    with at(lab):
        before = api.get(ROUTE).content
    turn(lab, times=4)
    with at(lab):
        after = api.get(ROUTE).content

    for name in (b"pve_not_backed_up_total", b"pve_subscription_info", b"pve_version_info"):
        assert name in after
    assert b"pve_not_backed_up_total" not in before
    assert b"pve_subscription_info" not in before
