from __future__ import annotations

import socket
from datetime import UTC, datetime
from typing import Any

import pytest

from nodes.probe import certificate_of, probe
from nodes.proxmox.client import Credential, Target
from nodes.proxmox.errors import (
    BadAnswer,
    CertificateChanged,
    LoginFailed,
    NameNotFound,
    PermissionDenied,
    ProxmoxError,
    Refused,
    TimedOut,
    TlsFailed,
)
from tests.fake_proxmox import FakeServer, PveSite
from tests.nodes.servers import LOCAL, TOKEN, Link, always, local, own_certificate, scripted

pytestmark = pytest.mark.slow


def target_of(server: Any, **changes: Any) -> Target:
    credential = Credential(token_id=server.token_id, token_value=server.token_value)
    fields = {
        "kind": server.kind,
        "url": server.url,
        "credential": credential,
        "fingerprint": server.fingerprint,
    }
    return local(**{**fields, **changes})


def test_a_single_host_is_found_with_its_name_and_version(fake_pve: FakeServer) -> None:
    found = probe(target_of(fake_pve))

    assert (found.kind, found.node_count, found.is_cluster, found.server_name) == ("pve", 1, False, "pve")
    assert found.version.startswith("9.2")
    assert found.fingerprint == fake_pve.fingerprint
    assert found.latency_ms >= 0


def test_a_cluster_is_found_with_its_members(fake_cluster: PveSite) -> None:
    found = probe(target_of(fake_cluster))

    assert (found.node_count, found.is_cluster, found.server_name) == (3, True, "pve-01")
    assert found.cluster is not None
    assert found.cluster.name == "production"
    assert [member.name for member in found.cluster.members] == ["pve-01", "pve-02", "pve-03"]


def test_a_cluster_that_may_not_be_asked_for_is_known_by_its_nodes(fake_cluster: PveSite) -> None:
    fake_cluster.servers[0].faults.add("403", path="/cluster/status")

    found = probe(target_of(fake_cluster))

    assert (found.node_count, found.is_cluster, found.cluster) == (3, True, None)


def test_a_backup_server_is_found_with_its_datastores(fake_pbs: FakeServer) -> None:
    found = probe(target_of(fake_pbs))

    assert (found.kind, found.datastore_count, found.is_cluster, found.node_count) == ("pbs", 3, False, 1)
    assert found.version.startswith("4.2")


def test_the_certificate_shown_is_learned_without_a_pin(fake_pve: FakeServer) -> None:
    assert probe(target_of(fake_pve, fingerprint="")).fingerprint == fake_pve.fingerprint


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        ("down", Refused),
        ("silent", TimedOut),
        ("certificate", CertificateChanged),
        ("401", LoginFailed),
        ("403", PermissionDenied),
        ("html", BadAnswer),
        ("null", BadAnswer),
        ("redirect", BadAnswer),
    ],
)
@pytest.mark.parametrize("name", ["fake_pve", "fake_pbs"])
def test_the_step_that_fails_is_told_in_words(
    name: str, fault: str, expected: type[ProxmoxError], request: pytest.FixtureRequest
) -> None:
    server: FakeServer = request.getfixturevalue(name)
    target = target_of(server)
    server.faults.add(fault)

    with pytest.raises(expected) as caught:
        probe(target, timeout_seconds=0.5)

    assert caught.value.remedy
    assert server.token_value not in str(caught.value)


def test_a_name_that_is_not_known_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(host: str, *_: object, **__: object) -> list[object]:
        raise socket.gaierror(socket.EAI_NONAME, "no")

    monkeypatch.setattr("socket.getaddrinfo", unknown)

    with pytest.raises(NameNotFound, match=r"pve9\.lab"):
        probe(local("pve", "https://pve9.lab:8006", TOKEN))


def test_all_steps_together_end_in_time() -> None:
    def script(link: Link) -> None:
        while link.request():
            if link.server.has_ended.wait(0.2):
                return
            link.answer(b'{"data":[{"node":"pve","version":"9"}]}')

    with scripted(script) as server, pytest.raises(TimedOut):
        probe(server.target(), timeout_seconds=0.3)

    assert len(server.requests) == 2


def test_a_failure_after_the_first_step_is_not_taken_for_a_single_host() -> None:
    def script(link: Link) -> None:
        while request := link.request():
            if b"/cluster/status" in request:
                link.reset()
                return
            link.answer(b'{"data":[{"node":"pve"}]}' if b"/nodes" in request else b'{"data":{"version":"9"}}')

    with scripted(script) as server, pytest.raises(ProxmoxError):
        probe(server.target())


def test_a_certificate_is_described_without_a_byte_of_a_request() -> None:
    with scripted(always(b"{}")) as server:
        shown = certificate_of(server.url, policy=LOCAL, timeout_seconds=5)

    assert shown.fingerprint == own_certificate().fingerprint
    assert "scripted.home.lan" in shown.subject
    assert "Proxmox Virtual Environment" in shown.issuer
    assert shown.names == ("localhost", "scripted.home.lan", "127.0.0.1")
    assert shown.not_after is not None
    assert shown.not_after > datetime(2026, 1, 1, tzinfo=UTC)
    assert shown.is_trusted is False
    assert server.received_bytes == 0


def test_the_certificate_of_a_fake_host_is_seen_without_a_request(fake_pve: FakeServer) -> None:
    shown = certificate_of(fake_pve.url, policy=LOCAL)

    assert shown.fingerprint == fake_pve.fingerprint
    assert fake_pve.traffic.requests == {}


def test_an_address_without_tls_has_no_certificate() -> None:
    with pytest.raises(TlsFailed, match="shows no certificate"):
        certificate_of("http://192.0.2.1", policy=LOCAL)


def test_a_port_that_speaks_no_tls_has_no_certificate() -> None:
    def script(link: Link) -> None:
        link.sock.recv(5)
        link.send(b"SSH-2.0-OpenSSH_9.2\r\n")

    with scripted(script, tls=False) as server, pytest.raises(TlsFailed, match="speaks HTTPS"):
        certificate_of(server.url.replace("http:", "https:"), policy=LOCAL, timeout_seconds=5)


def test_a_host_that_does_not_answer_has_no_certificate_to_show(fake_pve: FakeServer) -> None:
    fake_pve.faults.add("down")

    with pytest.raises(Refused):
        certificate_of(fake_pve.url, policy=LOCAL)
