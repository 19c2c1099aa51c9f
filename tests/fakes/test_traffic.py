"""The counters that tests and benchmarks trust."""

from __future__ import annotations

import threading

import pytest

from tests.fake_proxmox import FakeServer, PveSite
from tests.fake_proxmox.traffic import Load
from tests.fakes.raw import connect, exchange, get, post, tls, token_header


def test_requests_are_counted_by_path_without_query(fake_pve: FakeServer) -> None:
    get(fake_pve, "/cluster/resources?type=vm")
    get(fake_pve, "/cluster/resources")
    get(fake_pve, "/version")

    seen = fake_pve.traffic.snapshot()

    assert seen["requests"] == {"/cluster/resources": 2, "/version": 1}
    assert seen["total"] == 3


def test_answers_are_counted_by_status(fake_pve: FakeServer) -> None:
    get(fake_pve, "/version")
    get(fake_pve, "/version")
    get(fake_pve, "/no/such")

    assert fake_pve.traffic.snapshot()["statuses"] == {"200": 2, "501": 1}


def test_connections_and_handshakes_are_counted(fake_pve: FakeServer) -> None:
    connection = connect(fake_pve)
    for _ in range(3):
        exchange(connection, "/api2/json/version", token_header(fake_pve))
    connection.close()
    get(fake_pve, "/version")

    seen = fake_pve.traffic.snapshot()

    assert (seen["connections"], seen["handshakes"], seen["failedHandshakes"]) == (2, 2, 0)


def test_bytes_are_counted_both_ways(fake_pve: FakeServer) -> None:
    reply = get(fake_pve, "/cluster/resources")

    seen = fake_pve.traffic.snapshot()

    assert len(reply.body) < seen["bytesSent"] < len(reply.body) + 500
    assert 150 < seen["bytesReceived"] < 400


def test_handshake_alone_shows_no_credential(fake_pve: FakeServer) -> None:
    tls(fake_pve).close()

    assert fake_pve.traffic.snapshot()["credentialsSeen"] is False


@pytest.mark.parametrize("way", ["token", "login"])
def test_credential_is_noticed(fake_pve: FakeServer, way: str) -> None:
    if way == "token":
        get(fake_pve, "/version")
    else:
        post(fake_pve, "/access/ticket", {"username": "a@pve", "password": "b"})

    assert fake_pve.traffic.snapshot()["credentialsSeen"] is True
    assert [entry.credential for entry in fake_pve.traffic.log] == [way]


def test_log_has_no_secret(fake_pve: FakeServer) -> None:
    get(fake_pve, "/version?x=1")

    entry = fake_pve.traffic.log[0]

    assert (entry.method, entry.path, entry.query, entry.status) == ("GET", "/version", "x=1", 400)
    assert fake_pve.token_value not in repr(entry)


def test_peak_of_calls_in_flight_is_counted_for_the_node_that_does_the_work(fake_cluster: PveSite) -> None:
    asked = fake_cluster.server("pve-01")
    asked.latency_ms = 150
    paths = ["/nodes/pve-02/status"] * 3 + ["/cluster/status"]
    threads = [threading.Thread(target=get, args=(asked, path)) for path in paths]

    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert asked.traffic.snapshot()["inFlightPeak"] == {"pve-02": 3, "pve-01": 1}


def test_load_of_a_node_is_counted_through_all_members_together(fake_cluster: PveSite) -> None:
    members = [fake_cluster.server(name) for name in ("pve-01", "pve-02")]
    threads = []
    for member in members:
        member.latency_ms = 150
        threads.append(threading.Thread(target=get, args=(member, "/nodes/pve-02/status")))

    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert fake_cluster.load.peaks() == {"pve-02": 2}


def test_load_that_is_reset_begins_with_what_is_in_flight() -> None:
    load = Load()
    for node in ("a", "a", "b"):
        load.began(node)
    load.ended("a")
    load.ended("b")

    load.reset()

    assert load.peaks() == {"a": 1}


def test_calls_one_after_the_other_have_a_peak_of_one(fake_pve: FakeServer) -> None:
    for _ in range(3):
        get(fake_pve, "/version")

    assert fake_pve.traffic.snapshot()["inFlightPeak"] == {"pve": 1}


def test_reset_starts_at_zero(fake_pve: FakeServer) -> None:
    get(fake_pve, "/version")

    fake_pve.traffic.reset()

    seen = fake_pve.traffic.snapshot()
    assert (seen["total"], seen["connections"], seen["bytesSent"], seen["credentialsSeen"]) == (
        0,
        0,
        0,
        False,
    )
