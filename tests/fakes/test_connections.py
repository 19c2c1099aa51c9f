"""How the fake treats connections, bodies and errors on the wire."""

from __future__ import annotations

import hashlib
import time

import pytest

from tests.fake_proxmox import FakeServer, PveSite, PveSpec
from tests.fake_proxmox.fixtures import virtual_estate
from tests.fakes.raw import connect, exchange, get, request_bytes, tls, token_header

VERSION = "/api2/json/version"


def _is_closed_by_server(server: FakeServer, path: str, turns: int = 1) -> bool:
    """Whether the server ends the connection after some requests for a path."""
    with tls(server) as stream:
        for _ in range(turns):
            stream.sendall(request_bytes(server, path))
            answer = b""
            while b"\r\n\r\n" not in answer:
                answer += stream.recv(65_536)
            head, _, body = answer.partition(b"\r\n\r\n")
            length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
            while len(body) < length:
                body += stream.recv(65_536)
        stream.settimeout(0.2)
        try:
            return stream.recv(1) == b""
        except TimeoutError:
            return False


def test_pve_closes_an_idle_connection_after_five_seconds(fake_pve: FakeServer) -> None:
    assert fake_pve.idle_seconds == 5.0
    fake_pve.idle_seconds = 0.1
    connection = connect(fake_pve)
    exchange(connection, VERSION, token_header(fake_pve))

    began_at = time.monotonic()
    rest = connection.sock.recv(1)

    connection.close()
    assert rest == b""
    assert 0.05 < time.monotonic() - began_at < 3


def test_connection_stays_open_between_requests(fake_pve: FakeServer) -> None:
    connection = connect(fake_pve)

    replies = [exchange(connection, VERSION, token_header(fake_pve)).status for _ in range(3)]

    connection.close()
    assert replies == [200, 200, 200]
    assert fake_pve.traffic.snapshot()["connections"] == 1


def test_pve_closes_after_100_requests(fake_pve: FakeServer) -> None:
    assert not _is_closed_by_server(fake_pve, "/version", turns=99)
    assert _is_closed_by_server(fake_pve, "/version", turns=100)


def test_pve_closes_after_an_error(fake_pve: FakeServer) -> None:
    assert _is_closed_by_server(fake_pve, "/no/such")


def test_pbs_keeps_the_connection_after_an_error(fake_pbs: FakeServer) -> None:
    assert not _is_closed_by_server(fake_pbs, "/no/such")


def test_served_certificate_is_the_one_that_is_told(fake_pve: FakeServer) -> None:
    with tls(fake_pve) as stream:
        served = stream.getpeercert(binary_form=True)

    assert served is not None
    assert hashlib.sha256(served).hexdigest() == fake_pve.fingerprint


def test_renewed_certificate_is_announced_by_the_node_list(fake_pve: FakeServer) -> None:
    old = fake_pve.fingerprint

    fake_pve.renew_certificate()

    told = get(fake_pve, "/nodes").data[0]["ssl_fingerprint"]
    assert fake_pve.fingerprint != old
    assert told.replace(":", "").lower() == fake_pve.fingerprint
    assert told == told.upper()


def test_pbs_tells_its_fingerprint_in_its_status(fake_pbs: FakeServer) -> None:
    told = get(fake_pbs, "/nodes/localhost/status").data["info"]["fingerprint"]

    assert told.replace(":", "") == fake_pbs.fingerprint


def test_every_member_of_a_cluster_has_its_own_certificate(fake_cluster: PveSite) -> None:
    assert len({server.fingerprint for server in fake_cluster.servers}) == 3


def test_body_above_a_kibibyte_is_compressed_when_asked(fake_pve: FakeServer) -> None:
    plain = get(fake_pve, "/cluster/resources")
    packed = get(fake_pve, "/cluster/resources", token_header(fake_pve) | {"Accept-Encoding": "gzip"})

    assert "content-encoding" not in plain.headers
    assert packed.headers["content-encoding"] == "gzip"
    assert packed.text == plain.text
    assert len(packed.body) < len(plain.body) / 2


def test_small_body_is_never_compressed(fake_pve: FakeServer) -> None:
    reply = get(fake_pve, "/version", token_header(fake_pve) | {"Accept-Encoding": "gzip"})

    assert "content-encoding" not in reply.headers


def test_compression_can_be_off(fake_pve: FakeServer) -> None:
    fake_pve.uses_gzip = False

    reply = get(fake_pve, "/cluster/resources", token_header(fake_pve) | {"Accept-Encoding": "gzip"})

    assert "content-encoding" not in reply.headers


def test_latency_is_added_to_each_answer(fake_pve: FakeServer) -> None:
    fake_pve.latency_ms = 120

    began_at = time.monotonic()
    reply = get(fake_pve, "/version")

    assert reply.status == 200
    assert time.monotonic() - began_at >= 0.12


def test_stopped_server_refuses_and_started_one_answers_on_the_same_port(fake_pve: FakeServer) -> None:
    url = fake_pve.url

    fake_pve.stop()
    with pytest.raises(ConnectionRefusedError):
        get(fake_pve, "/version")
    fake_pve.start()

    assert get(fake_pve, "/version").status == 200
    assert fake_pve.url == url


def test_date_is_the_time_of_the_data(fake_pve: FakeServer) -> None:
    assert get(fake_pve, "/version").headers["date"] == "Thu, 01 Jan 2026 12:00:00 GMT"


@pytest.mark.parametrize(
    ("path", "status", "reason"),
    [
        ("/no/such", 501, "Method 'GET /no/such' not implemented"),
        (
            "/nodes/nope/status",
            500,
            "hostname lookup 'nope' failed - failed to get address info for: nope: Name or service not known",
        ),
        ("/version?verbose=1", 400, "Parameter verification failed."),
        ("/cluster/resources?type=guest", 400, "Parameter verification failed."),
    ],
)
def test_pve_error_stands_in_the_reason_phrase(
    fake_pve: FakeServer, path: str, status: int, reason: str
) -> None:
    reply = get(fake_pve, path)

    assert (reply.status, reply.reason, reply.data) == (status, reason, None)


@pytest.mark.parametrize(("version", "tells"), [("7.4", False), ("8.4", True), ("9.2", True)])
def test_error_text_is_in_the_body_from_8_4_on(version: str, tells: bool) -> None:
    with virtual_estate(PveSpec(version=version)) as estate:
        reply = get(estate.servers[0], "/no/such")

    assert ("Method 'GET /no/such' not implemented" in reply.text) is tells


def test_unknown_parameter_is_named(fake_pve: FakeServer) -> None:
    reply = get(fake_pve, "/version?verbose=1")

    assert '"errors":{"verbose":"property is not defined in schema' in reply.text


def test_pve_path_outside_of_the_api_is_404(fake_pve: FakeServer) -> None:
    connection = connect(fake_pve)
    reply = exchange(connection, "/favicon.txt", {})
    connection.close()

    assert (reply.status, reply.reason) == (404, "no such file '/favicon.txt'")


def test_pve_get_with_a_body_is_501(fake_pve: FakeServer) -> None:
    connection = connect(fake_pve)
    reply = exchange(connection, VERSION, token_header(fake_pve), form={"a": "b"})
    connection.close()

    assert (reply.status, reply.reason) == (501, "Unexpected content for method 'GET'")


def test_dead_node_is_595_through_another(fake_cluster: PveSite) -> None:
    fake_cluster.kill_node("pve-03")

    reply = get(fake_cluster.server("pve-01"), "/nodes/pve-03/status")

    assert (reply.status, reply.reason) == (595, "No route to host")


@pytest.mark.parametrize(
    ("path", "status", "text"),
    [
        ("/no/such", 404, "Path '/no/such' not found."),
        ("/nodes", 403, "permission check failed"),
        ("/nodes/other/status", 400, "no such node 'other'"),
    ],
)
def test_pbs_error_is_plain_text_that_calls_itself_json(
    fake_pbs: FakeServer, path: str, status: int, text: str
) -> None:
    reply = get(fake_pbs, path)

    assert (reply.status, reply.text, reply.headers["content-type"]) == (status, text, "application/json")


def test_mistake_of_the_fake_itself_is_told(fake_pve: FakeServer, caplog: pytest.LogCaptureFixture) -> None:
    fake_pve.site.model.version = None

    reply = get(fake_pve, "/version")

    assert reply.status == 500
    assert reply.reason.startswith("the fake failed: AttributeError")
    assert "the fake Proxmox failed on GET /api2/json/version" in caplog.text


def test_malformed_request_is_refused(fake_pve: FakeServer) -> None:
    with tls(fake_pve) as stream:
        stream.sendall(b"rubbish\r\n\r\n")
        answer = stream.recv(4_096)

    assert answer.startswith(b"HTTP/1.1 400 malformed request\r\n")


def test_too_big_a_form_is_refused_before_it_is_read(fake_pve: FakeServer) -> None:
    with tls(fake_pve) as stream:
        stream.sendall(b"POST /api2/json/access/ticket HTTP/1.1\r\nContent-Length: 600000\r\n\r\n")
        answer = stream.recv(4_096)

    assert answer.startswith(b"HTTP/1.1 400 body not accepted\r\n")
