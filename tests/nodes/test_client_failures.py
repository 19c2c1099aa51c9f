"""Each way in which a host can fail, and the error it becomes: its class, its cause and its remedy in words."""

from __future__ import annotations

import json
import socket
import time
from dataclasses import replace
from typing import Any

import pytest

from nodes.proxmox import errors, pve
from nodes.proxmox.client import Client, Credential, Target
from pulse.lib.outbound import errors as outbound
from tests.fake_proxmox import FakeServer
from tests.nodes.servers import TOKEN, Link, always, answer, ask, local, scripted

pytestmark = pytest.mark.slow

#: Gives up soon; most of these tests wait for it.
SOON = {"timeout_seconds": 0.5, "deadline_seconds": 0.6}


def target_of(server: FakeServer, **changes: Any) -> Target:
    """How to call a fake: with its own token, pinned."""
    credential = Credential(token_id=server.token_id, token_value=server.token_value)
    target = local(server.kind, server.url, credential, fingerprint=server.fingerprint)
    return replace(target, **changes)


#: fault, its options, the error, whether another member may be asked, words of the cause, words of the remedy
FAULTS: tuple[tuple[str, dict[str, Any], type[errors.ProxmoxError], bool, str, str], ...] = (
    ("down", {}, errors.Refused, True, "refused the connection", "Check the port"),
    ("silent", {}, errors.TimedOut, True, "TLS handshake within", "no firewall drops"),
    ("tls-stall", {}, errors.TimedOut, True, "TLS handshake within", "no firewall drops"),
    ("certificate", {}, errors.CertificateChanged, True, "another certificate", "confirm the new fingerprint"),
    ("hang", {}, errors.TimedOut, True, "no complete answer within", "not overloaded"),
    ("drip", {}, errors.TimedOut, True, "no complete answer within", "not overloaded"),
    ("reset", {}, errors.Unreachable, True, "in the middle of an answer", "Check the network"),
    ("truncate", {}, errors.Unreachable, True, "in the middle of an answer", "Check the network"),
    ("wrong-length", {"delta": 10}, errors.Unreachable, True, "in the middle of an answer", "Check the network"),
    ("401", {}, errors.LoginFailed, False, "refused the login: permission denied", "Check user, realm"),
    ("403", {}, errors.PermissionDenied, False, "Permission check failed", "privilege Sys.Audit on /cluster/res"),
    ("500", {"reason": "got timeout"}, errors.ServerError, False, "(500): got timeout", "task log"),
    ("595", {"reason": "No route to host"}, errors.NodeBusy, False, "No route to host", "Check that the node is up"),
    ("status", {"status": 596, "reason": "Broken pipe"}, errors.NodeBusy, False, "Broken pipe", "node is up"),
    ("status", {"status": 599, "reason": "Too many"}, errors.NodeBusy, False, "Too many", "node is up"),
    ("status", {"status": 400, "reason": "Bad"}, errors.ServerError, False, "(400): Bad", "task log"),
    ("status", {"status": 404, "reason": "Not Found"}, errors.NotFound, False, "does not know this call", "address"),
    ("status", {"status": 501, "reason": "Nope"}, errors.NotFound, False, "does not know this call", "address"),
    ("status", {"status": 502, "reason": "Bad Gateway"}, errors.ServerError, False, "Bad Gateway", "If a proxy stands"),
    ("status", {"status": 503, "reason": "Busy"}, errors.ServerError, False, "is not ready: Busy", "task log"),
    ("status", {"status": 204, "reason": "Nothing"}, errors.BadAnswer, False, "unexpected status 204", "proxy"),
    ("html", {}, errors.BadAnswer, False, "a web page instead of data", "not to a proxy"),
    ("empty-body", {}, errors.BadAnswer, False, "an empty page instead of data", "not to a proxy"),
    ("not-json", {}, errors.BadAnswer, False, "broken off or damaged", "not to a proxy"),
    ("null", {}, errors.BadAnswer, False, "is not a list", "system log"),
    ("redirect", {}, errors.BadAnswer, False, "redirect", "not to a proxy"),
    ("nan", {}, errors.BadAnswer, False, "damaged", "system log"),
    ("infinity", {}, errors.BadAnswer, False, "damaged", "system log"),
    ("deep", {}, errors.BadAnswer, False, "damaged", "not to a proxy"),
    ("deep", {"depth": 70}, errors.BadAnswer, False, "nested more than 64 levels", "not to a proxy"),
    ("big", {}, errors.TooLarge, False, "more than 32 MiB", "Nothing of it was used"),
    ("gzip-bomb", {}, errors.TooLarge, False, "more than 32 MiB", "Nothing of it was used"),
)  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "options", "expected", "is_connection_level", "cause", "remedy"),
    FAULTS,
    ids=[f"{fault[0]}{fault[1].get('status', '')}{fault[1].get('depth', '')}" for fault in FAULTS],
)
def test_each_fault_becomes_an_error_with_cause_and_remedy(
    fake_pve: FakeServer,
    kind: str,
    options: dict[str, Any],
    expected: type[errors.ProxmoxError],
    is_connection_level: bool,
    cause: str,
    remedy: str,
) -> None:
    target = target_of(fake_pve)
    limits = {} if kind in ("big", "gzip-bomb") else SOON
    fake_pve.faults.add(kind, **options)

    with Client(target, **limits) as client, pytest.raises(errors.ProxmoxError) as caught:
        pve.cluster_resources(client)

    assert type(caught.value) in (expected, *expected.__subclasses__())
    assert cause in caught.value.cause
    assert remedy in str(caught.value)
    assert caught.value.is_connection_level is is_connection_level


@pytest.mark.parametrize(
    "kind", ["html", "reset", "truncate", "hang", "500", "gzip-bomb", "not-json", "certificate"]
)
def test_a_client_reads_again_once_the_fault_is_over(fake_pve: FakeServer, kind: str) -> None:
    fake_pve.faults.add(kind, count=1)
    with Client(target_of(fake_pve), timeout_seconds=1.0) as client:
        with pytest.raises(errors.ProxmoxError):
            pve.cluster_resources(client)

        reading = pve.cluster_resources(client)

    assert len(reading.nodes) == 1


@pytest.mark.parametrize("kind", ["huge", "hostile-names"])
def test_content_that_lies_still_makes_a_reading(fake_pve: FakeServer, kind: str) -> None:
    fake_pve.faults.add(kind)

    with Client(target_of(fake_pve)) as client:
        reading = pve.cluster_resources(client)

    assert reading.guests


def test_endless_chunks_end_at_the_deadline_or_at_the_limit(fake_pve: FakeServer) -> None:
    fake_pve.faults.add("endless")
    started = time.monotonic()

    with pytest.raises((errors.TimedOut, errors.TooLarge)):
        ask(target_of(fake_pve), "/cluster/resources", **SOON)

    assert time.monotonic() - started < 3.0


def test_an_empty_list_is_a_reading_and_no_failure(fake_pve: FakeServer) -> None:
    fake_pve.faults.add("empty-list")

    assert ask(target_of(fake_pve), "/cluster/resources").data == []


def test_a_refused_privilege_is_named_with_its_path(fake_pve: FakeServer) -> None:
    fake_pve.faults.add("403", reason="Permission check failed (/nodes/pve, Sys.Audit|Sys.Modify)")

    with pytest.raises(errors.PermissionDenied) as caught:
        ask(target_of(fake_pve), "/nodes/pve/status")

    assert (caught.value.path, caught.value.privilege) == ("/nodes/pve", "Sys.Audit|Sys.Modify")


def test_a_wrong_token_is_a_failed_login(fake_pve: FakeServer) -> None:
    target = local("pve", fake_pve.url, Credential(token_id=fake_pve.token_id, token_value="wrong"))

    with pytest.raises(errors.LoginFailed):
        ask(target)


@pytest.mark.parametrize(
    "credential", [Credential(), Credential(user="a@pam"), Credential(token_id="a@pam!b")]
)
def test_without_a_credential_nothing_is_sent(fake_pve: FakeServer, credential: Credential) -> None:
    with pytest.raises(errors.LoginFailed, match="No credential is configured"):
        ask(local("pve", fake_pve.url, credential))

    assert fake_pve.traffic.connections == 0


def test_a_call_that_this_version_lacks_is_not_found(fake_pve: FakeServer) -> None:
    with pytest.raises(errors.NotFound, match="not implemented"):
        ask(target_of(fake_pve), "/no/such/call")


def test_an_unknown_parameter_is_named(fake_pve: FakeServer) -> None:
    with pytest.raises(
        errors.ServerError, match=r"Parameter verification failed.*novelty: property is not defined"
    ):
        ask(target_of(fake_pve), "/cluster/resources", {"novelty": 1})


def test_the_plain_text_that_a_backup_server_labels_as_json_is_told() -> None:
    script = always(b"no such datastore 'usb'\n", "400 Bad Request")
    with (
        scripted(script) as server,
        pytest.raises(errors.ServerError, match=r"\(400\): no such datastore 'usb'\."),
    ):
        ask(server.target(kind="pbs"))


def test_a_call_that_a_backup_server_lacks_is_not_found(fake_pbs: FakeServer) -> None:
    with pytest.raises(errors.NotFound, match="does not know this call"):
        ask(target_of(fake_pbs), "/no/such/call")


def test_a_wrong_token_of_a_backup_server_is_a_failed_login(fake_pbs: FakeServer) -> None:
    target = local("pbs", fake_pbs.url, Credential(token_id=fake_pbs.token_id, token_value="wrong"))

    with pytest.raises(errors.LoginFailed):
        ask(target)


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("Retry-After: 120", 120.0),
        ("Retry-After: 99999999", 3600.0),
        ("Retry-After: soon", None),
        ("X-A: 1", None),
    ],
)
def test_the_wait_that_a_busy_host_asks_for_is_passed_on(header: str, expected: float | None) -> None:
    with (
        scripted(always(b"", "429 Too Many Requests", header)) as server,
        pytest.raises(errors.ServerError) as caught,
    ):
        ask(server.target())

    assert caught.value.retry_after_seconds == expected


def test_the_message_in_the_body_goes_before_the_reason_phrase() -> None:
    body = b'{"data":null,"message":"VM 101 is not running\\n"}'
    with (
        scripted(always(body, "500 Internal Server Error")) as server,
        pytest.raises(errors.ServerError, match="VM 101 is not running") as caught,
    ):
        ask(server.target())

    assert "Internal Server Error" not in str(caught.value)


@pytest.mark.parametrize(
    ("status", "content_type", "body"),
    [
        ("500 Internal Server Error", "text/html", b"<html>canary</html>"),
        ("500 Internal Server Error", "application/json", b'{"message":"canary"}'),
        ("400 Bad Request", "text/plain", b"canary"),
        ("404 Not Found", "application/json", b"canary"),
        ("200 OK", "text/html", b"<html>canary</html>"),
        ("200 OK", "application/json", b'{"canary":1}'),
        ("200 OK", "application/json", b'["canary"]'),
        ("302 Found", "text/plain", b"canary"),
    ],
)
@pytest.mark.parametrize("kind", ["pve", "pbs"])
def test_what_a_foreign_server_says_is_never_quoted(
    status: str, content_type: str, body: bytes, kind: str
) -> None:
    def script(link: Link) -> None:
        link.request()
        head = f"HTTP/1.1 {status}\r\nContent-Type: {content_type}\r\nContent-Length: {len(body)}\r\n\r\n"
        link.send(head.encode() + body)

    with scripted(script) as server, pytest.raises(errors.ProxmoxError) as caught:
        ask(server.target(kind=kind))

    assert "canary" not in str(caught.value)


def test_hostile_reason_phrases_are_cleaned_and_bounded() -> None:
    phrase = "500 \x1b[31mred\x00 " + "x" * 5000
    with scripted(always(b"", phrase)) as server, pytest.raises(errors.ProxmoxError) as caught:
        ask(server.target())

    assert "\x1b" not in str(caught.value)
    assert len(caught.value.cause) < 400


def test_a_secret_that_a_server_echoes_is_blotted_out() -> None:
    def script(link: Link) -> None:
        request = link.request()
        sent = next(line for line in request.split(b"\r\n") if line.startswith(b"Authorization"))
        link.answer(json.dumps({"data": None, "message": sent.decode()}).encode(), "500 " + sent.decode())

    with scripted(script) as server, pytest.raises(errors.ServerError, match=r"\[hidden\]") as caught:
        ask(server.target())

    assert TOKEN.token_value not in str(caught.value)


@pytest.mark.parametrize(
    "greeting",
    [
        b"SSH-2.0-OpenSSH_9.2p1 Debian\r\n",
        b"220 mail.example ESMTP\r\n",
        b"\x00\x01\x02\x03\r\n\r\n",
        b"HTTP/9.9 banana\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5,7\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 200 + b"\r\n",
        b"HTTP/1.1 200 " + b"x" * 100_000,
    ],
    ids=["ssh", "smtp", "binary", "version", "two lengths", "many headers", "long line"],
)
def test_another_protocol_is_a_bad_answer(greeting: bytes) -> None:
    def script(link: Link) -> None:
        link.request()
        link.send(greeting)

    with scripted(script) as server, pytest.raises(errors.BadAnswer):
        ask(server.target(), timeout_seconds=2.0)


def test_plain_http_at_an_https_address_is_a_tls_failure_that_names_the_port() -> None:
    def script(link: Link) -> None:
        link.sock.recv(5)
        link.send(answer(b"", "400 Bad Request"))

    with scripted(script, tls=False) as server:
        target = local("pve", server.url.replace("http:", "https:"), TOKEN)
        with pytest.raises(errors.TlsFailed, match="Check that the port speaks HTTPS"):
            ask(target, timeout_seconds=2.0)


def test_a_handshake_that_is_cut_off_is_a_tls_failure() -> None:
    def script(link: Link) -> None:
        link.sock.recv(1)
        link.reset()

    with scripted(script, tls=False) as server:
        target = local("pve", server.url.replace("http:", "https:"), TOKEN)
        with pytest.raises(errors.TlsFailed):
            ask(target, timeout_seconds=2.0)


def test_a_port_that_takes_no_connections_any_more_times_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pulse.lib.outbound.connecting.CONNECT_SECONDS", 0.3)
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listener:
        port = listener.getsockname()[1]
        waiting = [socket.socket() for _ in range(4)]
        for sock in waiting:
            sock.setblocking(False)
            sock.connect_ex(("127.0.0.1", port))
        with pytest.raises(errors.TimedOut):
            ask(local("pve", f"https://127.0.0.1:{port}", TOKEN), timeout_seconds=0.5)
        for sock in waiting:
            sock.close()


def test_an_answer_cut_off_anywhere_gives_no_half_reading() -> None:
    whole = answer(b'{"data":[' + b",".join(b'{"type":"node","node":"n%d"}' % n for n in range(20)) + b"]}")
    cuts = range(0, len(whole) - 1, max(1, len(whole) // 50))

    failures = [failure_of(whole[:cut]) for cut in cuts]

    assert set(failures) <= {errors.Unreachable, errors.BadAnswer}
    assert len(failures) >= 50


def failure_of(sent: bytes) -> type[errors.ProxmoxError]:
    """Return what becomes of an answer of which only this much arrives."""

    def script(link: Link) -> None:
        link.request()
        link.send(sent)

    with scripted(script, tls=False) as server, pytest.raises(errors.ProxmoxError) as caught:
        ask(server.target(), "/cluster/resources")
    return type(caught.value)


def test_an_unknown_name_fails_the_call_with_its_own_class(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: object, **__: object) -> list[object]:
        raise socket.gaierror(socket.EAI_NONAME, "no")

    monkeypatch.setattr("socket.getaddrinfo", unknown)

    with pytest.raises(errors.NameNotFound, match="Check the spelling") as caught:
        ask(local("pve", "https://pve1.lab:8006", TOKEN))

    assert (caught.value.code, caught.value.is_connection_level) == ("name_not_found", True)


def kinds_of(error: type[Exception]) -> set[type[Exception]]:
    """Return all kinds of an error."""
    return {error}.union(*(kinds_of(kind) for kind in error.__subclasses__())) - {outbound.OutboundError}


@pytest.mark.parametrize("kind", sorted(kinds_of(outbound.OutboundError), key=str))
def test_whatever_fails_on_the_way_has_a_class_and_a_remedy(kind: type[outbound.OutboundError]) -> None:
    extra = {"expected": "a", "presented": "b"} if kind is outbound.CertificateChanged else {}

    with pytest.raises(errors.ProxmoxError) as caught, errors.outbound_errors_told():
        raise kind("pve1.lab:8006 did something", **extra)

    assert caught.value.cause == "pve1.lab:8006 did something"
    assert caught.value.remedy
    assert caught.value.code != errors.ProxmoxError.code
