"""Each fault does what it says, seen by a client with no opinions."""

from __future__ import annotations

import hashlib
import http.client
import json
import socket
import time
import zlib
from contextlib import suppress

import pytest

from tests.fake_proxmox import FakeServer, PveSite, PveSpec
from tests.fake_proxmox.faults import KINDS, gzip_bomb
from tests.fake_proxmox.fixtures import virtual_estate
from tests.fakes.raw import get, guest, request_bytes, rows, tls, wait_until

RESOURCES = "/cluster/resources"
#: Long enough for an answer, short enough to wait for none.
PATIENCE_SECONDS = 0.3


def _all_bytes(server: FakeServer, path: str) -> bytes:
    """Everything the server sends until it ends the connection."""
    with tls(server) as stream:
        stream.sendall(request_bytes(server, path))
        received = b""
        while chunk := stream.recv(65_536):
            received += chunk
    return received


def test_down_refuses_until_it_is_cleared(fake_pve: FakeServer) -> None:
    fault = fake_pve.faults.add("down")
    with pytest.raises(ConnectionRefusedError):
        get(fake_pve, "/version")

    fake_pve.faults.clear(fault)

    assert get(fake_pve, "/version").status == 200


@pytest.mark.parametrize("kind", ["silent", "tls-stall"])
def test_connection_is_accepted_and_tls_never_answered(fake_pve: FakeServer, kind: str) -> None:
    fake_pve.faults.add(kind)

    with pytest.raises(TimeoutError):
        tls(fake_pve, timeout=PATIENCE_SECONDS)

    assert fake_pve.traffic.snapshot()["connections"] == 1
    assert fake_pve.traffic.snapshot()["handshakes"] == 0


def test_stalled_handshake_begins_and_goes_no_further(fake_pve: FakeServer) -> None:
    fake_pve.faults.add("tls-stall")

    with socket.create_connection((fake_pve.host, fake_pve.port), timeout=PATIENCE_SECONDS) as plain:
        plain.sendall(b"client hello")
        beginning = plain.recv(100)
        with pytest.raises(TimeoutError):
            plain.recv(100)

    assert beginning == b"\x16\x03\x03\x00\x7a\x02"


def test_silent_server_says_not_a_byte(fake_pve: FakeServer) -> None:
    fake_pve.faults.add("silent")

    with socket.create_connection((fake_pve.host, fake_pve.port), timeout=PATIENCE_SECONDS) as plain:
        plain.sendall(b"client hello")
        with pytest.raises(TimeoutError):
            plain.recv(100)


def test_count_limits_a_connection_fault(fake_pve: FakeServer) -> None:
    fake_pve.faults.add("silent", count=1)
    with pytest.raises(TimeoutError):
        tls(fake_pve, timeout=PATIENCE_SECONDS)

    assert get(fake_pve, "/version").status == 200


def test_other_certificate_is_served_but_not_announced(fake_pve: FakeServer) -> None:
    fake_pve.faults.add("certificate", count=1)

    with tls(fake_pve) as stream:
        served = stream.getpeercert(binary_form=True)

    assert served is not None
    assert hashlib.sha256(served).hexdigest() != fake_pve.fingerprint
    assert get(fake_pve, "/nodes").data[0]["ssl_fingerprint"].replace(":", "").lower() == fake_pve.fingerprint


def test_hang_takes_the_request_and_never_answers(fake_pve: FakeServer) -> None:
    fake_pve.faults.add("hang", count=1)

    with pytest.raises(TimeoutError):
        get(fake_pve, "/version", timeout=PATIENCE_SECONDS)

    assert fake_pve.traffic.snapshot()["requests"] == {"/version": 1}


def test_call_that_hung_is_over_when_its_client_leaves(fake_pve: FakeServer) -> None:
    fake_pve.faults.add("hang", count=1)
    with pytest.raises(TimeoutError):
        get(fake_pve, "/version", timeout=PATIENCE_SECONDS)

    wait_until(lambda: not fake_pve.traffic.calls_in_flight)
    fake_pve.traffic.reset()
    get(fake_pve, "/version")

    assert fake_pve.traffic.snapshot()["inFlightPeak"] == {"pve": 1}


def test_drip_sends_so_many_bytes_per_second(fake_pve: FakeServer) -> None:
    fake_pve.faults.add("drip", bytes_per_second=50)

    began_at = time.monotonic()
    with tls(fake_pve) as stream:
        stream.sendall(request_bytes(fake_pve, "/version"))
        received = b""
        while len(received) < 20:
            received += stream.recv(1)

    assert 0.2 < time.monotonic() - began_at < 3
    assert received.startswith(b"HTTP/1.1 200 OK\r\n")


def test_reset_cuts_the_connection_in_the_middle_of_the_body(fake_pve: FakeServer) -> None:
    fake_pve.faults.add("reset", after_bytes=500)
    stream = tls(fake_pve)
    stream.sendall(request_bytes(fake_pve, RESOURCES))
    received = 0

    # Below TLS, because Python 3.11 reports a reset inside of it as an end.
    with socket.socket(fileno=stream.detach()) as plain, pytest.raises(ConnectionResetError):  # noqa: PT012
        plain.settimeout(5)
        while chunk := plain.recv(65_536):
            received += len(chunk)

    assert 500 < received < 1_500


def test_truncated_body_ends_cleanly_and_too_early(fake_pve: FakeServer) -> None:
    fake_pve.faults.add("truncate", after_bytes=500)

    with pytest.raises(http.client.IncompleteRead) as failure:
        get(fake_pve, RESOURCES)

    assert len(failure.value.partial) == 500


def test_content_length_may_be_too_small(fake_pve: FakeServer) -> None:
    whole = get(fake_pve, "/version").text
    fake_pve.faults.add("wrong-length", delta=-10)

    assert get(fake_pve, "/version").text == whole[:-10]


def test_content_length_may_be_too_big(fake_pve: FakeServer) -> None:
    fake_pve.faults.add("wrong-length", delta=10)

    with pytest.raises(http.client.IncompleteRead):
        get(fake_pve, "/version")


@pytest.mark.parametrize(
    ("kind", "status", "reason"),
    [
        ("401", 401, "permission denied - invalid PVE ticket"),
        ("403", 403, "Permission check failed (/version, Sys.Audit)"),
        ("500", 500, "got timeout"),
        ("595", 595, "No route to host"),
    ],
)
def test_status_fault_has_the_usual_words(fake_pve: FakeServer, kind: str, status: int, reason: str) -> None:
    fake_pve.faults.add(kind)

    reply = get(fake_pve, "/version")

    assert (reply.status, reply.reason) == (status, reason)


def test_any_status_can_be_sent(fake_pve: FakeServer) -> None:
    fake_pve.faults.add("status", status=503, reason="Closed today", body="come back")

    reply = get(fake_pve, "/version")

    assert (reply.status, reply.reason, reply.text) == (503, "Closed today", "come back")


def test_html_comes_with_status_200(fake_pve: FakeServer) -> None:
    fake_pve.faults.add("html")

    reply = get(fake_pve, "/version")

    assert (reply.status, reply.headers["content-type"]) == (200, "text/html;charset=UTF-8")
    assert reply.text.startswith("<!DOCTYPE html>")


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("empty-body", ""),
        ("null", '{"data":null}'),
        ("empty-list", '{"data":[]}'),
        ("not-json", '{"data":[{"id":"node/pve","type":'),
    ],
)
def test_body_is_replaced(fake_pve: FakeServer, kind: str, body: str) -> None:
    fake_pve.faults.add(kind)

    reply = get(fake_pve, RESOURCES)

    assert (reply.status, reply.text) == (200, body)


def test_redirect_names_another_place(fake_pve: FakeServer) -> None:
    fake_pve.faults.add("redirect", location="https://127.0.0.1:1/elsewhere")

    reply = get(fake_pve, "/version")

    assert (reply.status, reply.headers["location"]) == (302, "https://127.0.0.1:1/elsewhere")


def test_gzip_bomb_is_small_on_the_wire(fake_pve: FakeServer) -> None:
    fake_pve.faults.add("gzip-bomb")

    reply = get(fake_pve, RESOURCES, timeout=30)

    assert reply.headers["content-encoding"] == "gzip"
    assert len(reply.body) < 1_000_000
    assert int.from_bytes(reply.body[-4:], "little") == 512 * 2**20 + len('{"data":""}')


def test_gzip_bomb_unpacks_to_valid_json() -> None:
    unpacked = zlib.decompress(gzip_bomb(3), 31)

    assert json.loads(unpacked) == {"data": "A" * 3 * 2**20}


def test_big_answer_has_forty_megabytes(fake_pve: FakeServer) -> None:
    fake_pve.faults.add("big")

    reply = get(fake_pve, RESOURCES, timeout=30)

    assert 40_000_000 < len(reply.body) < 41_000_000
    assert reply.body.endswith(b'"}]}')


def test_big_answer_is_valid_json(fake_pve: FakeServer) -> None:
    fake_pve.faults.add("big", megabytes=1)

    assert len(get(fake_pve, RESOURCES).data) == 1_017


def test_endless_answer_goes_on(fake_pve: FakeServer) -> None:
    fake_pve.faults.add("endless", bytes_per_second=20_000_000)
    received = b""

    with tls(fake_pve) as stream:
        stream.sendall(request_bytes(fake_pve, RESOURCES))
        while len(received) < 300_000:
            received += stream.recv(65_536)

    assert b"Transfer-Encoding: chunked" in received
    assert b"Content-Length" not in received


@pytest.mark.parametrize(("kind", "word"), [("nan", '"cpu":NaN'), ("infinity", '"mem":Infinity')])
def test_figures_are_no_numbers(fake_pve: FakeServer, kind: str, word: str) -> None:
    fake_pve.faults.add(kind)

    reply = get(fake_pve, RESOURCES)

    assert word in reply.text.replace(": ", ":")
    assert '"vmid": 101' in reply.text


def test_figures_are_huge(fake_pve: FakeServer) -> None:
    fake_pve.faults.add("huge")

    assert guest(fake_pve, 101)["maxmem"] == 10**400


def test_lists_are_nested_a_hundred_thousand_deep(fake_pve: FakeServer) -> None:
    fake_pve.faults.add("deep")

    reply = get(fake_pve, RESOURCES)

    assert reply.text.count("[") == reply.text.count("]") == 100_000


def test_every_free_text_becomes_a_payload(fake_pve: FakeServer) -> None:
    fake_pve.faults.add("hostile-names")

    names = [row["name"] for row in rows(fake_pve, "guest")]

    assert any("<img src=x" in name for name in names)
    assert "truenas" not in names


def test_clock_is_wrong_in_header_and_data(fake_pbs: FakeServer) -> None:
    start = get(fake_pbs, "/status/datastore-usage").data[0]["history-start"]
    fake_pbs.faults.add("clock", seconds=3_600)

    reply = get(fake_pbs, "/status/datastore-usage")

    assert reply.headers["date"] == "Thu, 01 Jan 2026 13:00:00 GMT"
    assert reply.data[0]["history-start"] == start + 3_600


def test_counters_start_again(fake_pve: FakeServer) -> None:
    fake_pve.faults.add("counter-reset")

    assert {row["netin"] for row in rows(fake_pve, "guest")} == {0}


def test_path_limits_a_fault(fake_pve: FakeServer) -> None:
    fake_pve.faults.add("500", path="/nodes/*/status")

    assert get(fake_pve, "/nodes/pve/status").status == 500
    assert get(fake_pve, "/nodes").status == 200


def test_count_limits_a_fault(fake_pve: FakeServer) -> None:
    fake_pve.faults.add("500", count=2)

    assert [get(fake_pve, "/version").status for _ in range(3)] == [500, 500, 200]


def test_cleared_fault_is_over(fake_pve: FakeServer) -> None:
    first = fake_pve.faults.add("500", path="/version")
    fake_pve.faults.add("403", path="/nodes")

    fake_pve.faults.clear(first)

    assert get(fake_pve, "/version").status == 200
    assert get(fake_pve, "/nodes").status == 403


def test_all_faults_can_be_cleared(fake_pve: FakeServer) -> None:
    fake_pve.faults.add("500")
    fake_pve.faults.add("drip")

    fake_pve.faults.clear()

    assert fake_pve.faults.active() == []
    assert get(fake_pve, "/version").status == 200


def test_fault_of_one_member_leaves_the_others(fake_cluster: PveSite) -> None:
    first, second, _ = fake_cluster.servers
    first.faults.add("500")

    assert (get(first, "/version").status, get(second, "/version").status) == (500, 200)


def test_unknown_fault_is_an_error_that_names_the_known_ones(fake_pve: FakeServer) -> None:
    with pytest.raises(ValueError, match="no fault 'slow'; there are 401, 403, 500"):
        fake_pve.faults.add("slow")


def test_delivery_and_content_faults_combine(fake_pve: FakeServer) -> None:
    fake_pve.faults.add("empty-list")
    fake_pve.faults.add("wrong-length", delta=-1)

    assert get(fake_pve, RESOURCES).text == '{"data":[]'


def test_stop_ends_connections_that_hang() -> None:
    estate = virtual_estate(PveSpec())
    estate.start()
    server = estate.servers[0]
    server.faults.add("silent")
    held = socket.create_connection((server.host, server.port), timeout=5)
    wait_until(lambda: server.traffic.snapshot()["connections"] == 1)

    estate.stop()

    assert held.recv(1) == b""
    held.close()


def test_readme_lists_every_fault(request: pytest.FixtureRequest) -> None:
    readme = (request.config.rootpath / "tests/fake_proxmox/README.md").read_text()

    assert [kind for kind in sorted(KINDS) if f"`{kind}`" not in readme] == []


def test_client_without_tls_is_counted_as_a_failed_handshake(fake_pve: FakeServer) -> None:
    with socket.create_connection((fake_pve.host, fake_pve.port), timeout=5) as plain:
        plain.sendall(b"GET / HTTP/1.1\r\n\r\n")
        with suppress(ConnectionResetError):
            while plain.recv(4_096):
                pass

    wait_until(lambda: fake_pve.traffic.snapshot()["failedHandshakes"] == 1)
    assert fake_pve.traffic.snapshot()["handshakes"] == 0
