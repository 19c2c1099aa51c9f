from __future__ import annotations

import gzip
import logging
import threading
import traceback
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import quote_plus

import pytest

from nodes.proxmox import client as client_module
from nodes.proxmox.client import Client, Credential, Target
from nodes.proxmox.errors import ProxmoxError, Unreachable
from tests.fake_proxmox import FakeServer
from tests.nodes.servers import PASSWORD, TOKEN, Link, always, answer, ask, scripted

DATA = b'{"data":{"version":"9.1"}}'


def test_calls_one_after_another_share_a_connection() -> None:
    with scripted(always(DATA)) as server, Client(server.target()) as client:
        for _ in range(5):
            client.get("/version")

    assert server.connections == 1
    assert len(server.requests) == 5


def test_the_request_carries_the_token_and_names_the_host() -> None:
    with scripted(always(DATA)) as server:
        ask(server.target(), "/cluster/resources", {"type": "vm", "a b": "c&d"})

    lines = server.requests[0].decode().split("\r\n")
    assert lines[0] == "GET /api2/json/cluster/resources?type=vm&a+b=c%26d HTTP/1.1"
    assert f"Host: 127.0.0.1:{server.port}" in lines
    assert "Authorization: PVEAPIToken=pulse@pve!monitor=6f1de9a2-token-secret" in lines
    assert "Accept-Encoding: gzip" in lines
    assert not [line for line in lines if line.lower().startswith("cookie")]


def test_a_backup_server_gets_the_token_in_its_own_form() -> None:
    with scripted(always(DATA)) as server:
        ask(server.target(kind="pbs"))

    assert b"Authorization: PBSAPIToken=pulse@pve!monitor:6f1de9a2-token-secret\r\n" in server.requests[0]


def test_a_cookie_that_the_host_sets_is_never_sent_back() -> None:
    with (
        scripted(always(DATA, "200 OK", "Set-Cookie: PVEAuthCookie=stale")) as server,
        Client(server.target()) as client,
    ):
        client.get("/version")
        client.get("/version")

    assert b"Cookie" not in server.requests[1]


def test_proxies_and_netrc_of_the_environment_are_not_used(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login someone password else\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    with scripted(always(DATA)) as server:
        ask(server.target())

    assert b"Basic" not in server.requests[0]


def test_a_kept_connection_that_the_host_has_closed_is_replaced_without_a_failure() -> None:
    has_closed = threading.Event()

    def script(link: Link) -> None:
        link.request()
        link.answer(DATA)
        link.sock.close()
        has_closed.set()

    with scripted(script, tls=False) as server, Client(server.target()) as client:
        client.get("/version")
        has_closed.wait(10)
        answered = client.get("/version")

    assert answered.data == {"version": "9.1"}
    assert client.meter.failed_calls == 0


@pytest.mark.parametrize("ending", ["close", "reset"])
@pytest.mark.parametrize("tls", [True, False], ids=["https", "http"])
def test_a_kept_connection_that_dies_under_the_request_is_tried_once_more(ending: str, tls: bool) -> None:
    def script(link: Link) -> None:
        is_first = link.server.connections == 1
        link.request()
        link.answer(DATA)
        if is_first:
            link.request()
            link.reset() if ending == "reset" else link.sock.close()
        else:
            link.request()

    with scripted(script, tls=tls) as server, Client(server.target()) as client:
        client.get("/version")
        answered = client.get("/nodes")

    assert answered.data == {"version": "9.1"}
    assert [request.split()[1] for request in server.requests] == [
        b"/api2/json/version",
        b"/api2/json/nodes",
        b"/api2/json/nodes",
    ]


def test_a_new_connection_that_dies_is_not_tried_again() -> None:
    def script(link: Link) -> None:
        link.request()
        link.reset()

    with scripted(script) as server, pytest.raises(Unreachable, match="without an answer"):
        ask(server.target())

    assert server.connections == 1


def test_an_answer_that_broke_in_the_middle_is_not_asked_for_again() -> None:
    def script(link: Link) -> None:
        while link.request():
            if len(link.server.requests) == 1:
                link.answer(DATA)
            else:
                link.send(answer(DATA)[:-5])
                link.reset()

    with scripted(script) as server, Client(server.target()) as client:
        client.get("/version")
        with pytest.raises(Unreachable, match="in the middle"):
            client.get("/version")

    assert len(server.requests) == 2


def test_a_connection_idle_for_longer_than_proxmox_keeps_it_is_not_used(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(client_module, "IDLE_SECONDS", -1.0)
    with scripted(always(DATA)) as server, Client(server.target()) as client:
        client.get("/version")
        client.get("/version")

    assert server.connections == 2


def test_the_idle_limit_is_below_the_five_seconds_of_proxmox() -> None:
    assert client_module.IDLE_SECONDS == 4.0


def test_bytes_after_the_end_of_an_answer_are_not_taken_for_the_next_one() -> None:
    def script(link: Link) -> None:
        while link.request():
            link.send(answer(DATA) + answer(b'{"data":"smuggled"}'))

    with scripted(script) as server, Client(server.target()) as client:
        client.get("/version")
        answered = client.get("/version")

    assert answered.data == {"version": "9.1"}


@pytest.mark.parametrize("tls", [True, False], ids=["https", "http"])
def test_an_answer_that_nobody_asked_for_is_not_taken_for_the_next_one(tls: bool) -> None:
    is_read, is_sent = threading.Event(), threading.Event()

    def script(link: Link) -> None:
        while link.request():
            link.answer(DATA)
            if is_read.wait(10) and not is_sent.is_set():
                link.answer(b'{"data":"smuggled"}')
                is_sent.set()

    with scripted(script, tls=tls) as server, Client(server.target()) as client:
        client.get("/version")
        is_read.set()
        is_sent.wait(10)
        answered = client.get("/version")

    assert answered.data == {"version": "9.1"}


def test_the_connection_of_a_failed_call_is_not_used_again() -> None:
    with scripted(always(b"", "500 Oops")) as server, Client(server.target()) as client:
        for _ in range(2):
            with pytest.raises(ProxmoxError):
                client.get("/version")

    assert server.connections == 2


def test_two_calls_are_under_way_at_most(fake_pve: FakeServer) -> None:
    fake_pve.latency_ms = 20
    credential = Credential(token_id=fake_pve.token_id, token_value=fake_pve.token_value)

    with Client(Target("pve", fake_pve.url, credential)) as client, ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(lambda _: client.get("/version"), range(12)))

    assert len(answers) == 12
    assert fake_pve.traffic.in_flight_peak["pve"] == 2
    assert fake_pve.traffic.connections == 2


def test_a_closed_client_leaves_no_connection_open() -> None:
    with scripted(always(DATA)) as server:
        client = Client(server.target())
        client.get("/version")
        client.close()
        client.get("/version")
        client.get("/version")

    assert server.connections == 3


@pytest.mark.parametrize("size", [0, 10, 100_000])
def test_compressed_answers_are_unfolded(size: int) -> None:
    body = gzip.compress(b'{"data":"' + b"x" * size + b'"}')
    with scripted(always(body, "200 OK", "Content-Encoding: gzip")) as server:
        answered = ask(server.target())

    assert answered.data == "x" * size


def test_chunked_answers_are_put_together() -> None:
    chunks = b'a\r\n{"data":{"\r\n10\r\nversion":"9.1"}}\r\n0\r\n\r\n'
    script = always(chunks, "200 OK", "Transfer-Encoding: chunked")
    with scripted(script) as server, Client(server.target()) as client:
        client.get("/version")
        answered = client.get("/version")

    assert answered.data == {"version": "9.1"}
    assert server.connections == 1


@pytest.mark.parametrize("coding", ["br", "deflate", "gzip, gzip"])
def test_a_coding_that_was_not_asked_for_is_refused(coding: str) -> None:
    with (
        scripted(always(DATA, "200 OK", f"Content-Encoding: {coding}")) as server,
        pytest.raises(ProxmoxError, match="not asked for"),
    ):
        ask(server.target())


def test_a_compressed_answer_that_is_cut_off_is_no_answer() -> None:
    body = gzip.compress(b'{"data":[1,2,3]}')[:-9]
    with (
        scripted(always(body, "200 OK", "Content-Encoding: gzip")) as server,
        pytest.raises(Unreachable, match="in the middle"),
    ):
        ask(server.target())


def test_rubbish_that_claims_to_be_compressed_is_refused() -> None:
    with (
        scripted(always(DATA, "200 OK", "Content-Encoding: gzip")) as server,
        pytest.raises(ProxmoxError, match="cannot be decompressed"),
    ):
        ask(server.target())


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b'{"data":"half \\ud800 pair"}', "half \ud800 pair"),
        (b'{"data":"caf\xe9"}', "caf\ufffd"),
        (b'{"data":"caf\xc3\xa9"}', "caf\xe9"),
    ],
)
def test_broken_characters_in_one_name_do_not_spoil_the_answer(body: bytes, expected: str) -> None:
    with scripted(always(body)) as server:
        assert ask(server.target()).data == expected


def test_the_number_of_all_rows_is_told_beside_a_cut_list() -> None:
    with scripted(always(b'{"data":[1],"total":70}')) as server:
        assert ask(server.target()).total == 70


def test_the_glitch_of_a_proxied_call_is_tried_once_more() -> None:
    def script(link: Link) -> None:
        while link.request():
            if len(link.server.requests) == 1:
                link.answer(b"", "599 Too many redirections")
            else:
                link.answer(DATA)

    with scripted(script) as server:
        answered = ask(server.target())

    assert answered.data == {"version": "9.1"}


def test_the_meter_counts_calls_failures_and_bytes(fake_pve: FakeServer) -> None:
    credential = Credential(token_id=fake_pve.token_id, token_value=fake_pve.token_value)
    with Client(Target("pve", fake_pve.url, credential)) as client:
        client.get("/version")
        client.get("/cluster/resources")
        with pytest.raises(ProxmoxError):
            client.get("/no/such/call")

        assert (client.meter.calls, client.meter.failed_calls) == (3, 1)
        assert client.meter.seconds > 0
        assert client.meter.bytes_received > 1000


def test_the_meter_loses_nothing_between_threads() -> None:
    meter = client_module.Meter()

    with ThreadPoolExecutor(8) as threads:
        list(
            threads.map(lambda _: [meter.record(seconds=0.5, is_failure=True) for _ in range(500)], range(8))
        )

    assert (meter.calls, meter.failed_calls, meter.seconds) == (4000, 4000, 2000.0)


@pytest.mark.parametrize("credential", [TOKEN, PASSWORD], ids=["token", "password"])
def test_no_text_of_an_object_shows_a_secret(credential: Credential) -> None:
    target = Target("pve", "https://192.0.2.1:8006", credential)
    with Client(target) as client:
        texts = f"{credential!r} {credential} {target!r} {client!r} {[credential]!r}"

    for secret in credential.secrets:
        assert secret not in texts


@pytest.mark.parametrize("credential", [TOKEN, PASSWORD], ids=["token", "password"])
@pytest.mark.parametrize("status", ["200 OK", "401 No", "500 Oops", "banana"])
def test_no_traceback_and_no_log_shows_a_secret(
    credential: Credential, status: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    with scripted(always(b"<html>", status)) as server, pytest.raises(ProxmoxError) as caught:
        ask(server.target(credential))

    told = "".join(traceback.format_exception(caught.value)) + caplog.text
    error: BaseException | None = caught.value
    while error is not None:
        told += f"{error!r} {error.args!r}"
        error = error.__context__
    for secret in credential.secrets:
        assert secret not in told
        assert quote_plus(secret) not in told


@pytest.mark.parametrize("value", ["abc\r\nX-Injected: 1", "abc\x00", "schlüssel", "日本"])
def test_a_token_that_cannot_stand_in_a_header_is_refused_without_being_told(value: str) -> None:
    credential = Credential(token_id="a@pam!b", token_value=value)
    with scripted(always(DATA)) as server, pytest.raises(ProxmoxError) as caught:
        ask(server.target(credential))

    assert value not in str(caught.value)
    assert server.requests == []
