from __future__ import annotations

import logging
import traceback
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import quote_plus

import pytest

from nodes.proxmox import client as client_module
from nodes.proxmox.client import Client, Credential
from nodes.proxmox.errors import ProxmoxError
from tests.fake_proxmox import FakeServer
from tests.nodes.servers import PASSWORD, TOKEN, Link, always, ask, local, scripted

pytestmark = pytest.mark.slow

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


def test_two_calls_are_under_way_at_most(fake_pve: FakeServer) -> None:
    fake_pve.latency_ms = 20
    credential = Credential(token_id=fake_pve.token_id, token_value=fake_pve.token_value)

    with Client(local("pve", fake_pve.url, credential)) as client, ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(lambda _: client.get("/version"), range(12)))

    assert len(answers) == 12
    assert fake_pve.traffic.in_flight_peak["pve"] == 2
    assert fake_pve.traffic.connections == 2


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
    with Client(local("pve", fake_pve.url, credential)) as client:
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
            threads.map(
                lambda _: [meter.record(seconds=0.5, bytes_received=2, is_failure=True) for _ in range(500)],
                range(8),
            )
        )

    assert (meter.calls, meter.failed_calls, meter.seconds) == (4000, 4000, 2000.0)
    assert meter.bytes_received == 8000


@pytest.mark.parametrize("credential", [TOKEN, PASSWORD], ids=["token", "password"])
def test_no_text_of_an_object_shows_a_secret(credential: Credential) -> None:
    target = local("pve", "https://192.0.2.1:8006", credential)
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


def test_a_closed_client_leaves_no_connection_open() -> None:
    with scripted(always(DATA)) as server:
        client = Client(server.target())
        client.get("/version")
        client.close()
        client.get("/version")
        client.get("/version")

    assert server.connections == 3
