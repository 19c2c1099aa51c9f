"""What Proxmox says about a failure, and the error that it stands for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from nodes.proxmox import cluster, errors, guests, hardware
from nodes.proxmox.client import Client
from tests.nodes.servers import always, ask, scripted

pytestmark = pytest.mark.slow

TEXTS: list[tuple[str, type[errors.ProxmoxError], str]] = [
    ("No QEMU guest agent configured", errors.AgentNotConfigured, "agent_disabled"),
    ("QEMU guest agent is not running", errors.AgentNotRunning, "agent_not_running"),
    ("VM 100 qga command 'guest-get-fsinfo' failed - got timeout", errors.AgentTimedOut, "agent_timeout"),
    (
        "VM 100 qga command 'guest-get-fsinfo' failed - Command guest-get-fsinfo has been disabled",
        errors.AgentRefused,
        "agent_refused",
    ),
    (
        "VM 100 qga command 'guest-get-fsinfo' failed - The command guest-get-fsinfo has been disabled for this instance",
        errors.AgentRefused,
        "agent_refused",
    ),
    (
        "VM 100 qga command 'guest-get-fsinfo' failed - The command guest-get-fsinfo has not been found",
        errors.AgentUnsupported,
        "not_supported",
    ),
    (
        "VM 100 qga command 'guest-get-fsinfo' failed - this feature or command is not currently supported",
        errors.AgentUnsupported,
        "not_supported",
    ),
    ("VM 100 is not running", errors.GuestNotRunning, "stopped"),
    ("VM 100 not running", errors.GuestNotRunning, "stopped"),
    ("CT 101 is not running", errors.GuestNotRunning, "stopped"),
    (
        "Configuration file 'nodes/pve1/qemu-server/100.conf' does not exist",
        errors.GuestNotFound,
        "guest_not_found",
    ),
    ("Configuration file 'nodes/pve1/lxc/101.conf' does not exist", errors.GuestNotFound, "guest_not_found"),
    ("binary not installed: /usr/bin/ceph-mon", errors.NoCeph, "no_ceph"),
    ("pveceph configuration not initialized", errors.NoCeph, "no_ceph"),
    ("zfsutils-linux not installed", errors.NoZfs, "no_zfs"),
    ("command failed: QEMU guest agent is not running", errors.ServerError, "server_error"),
    ("VM 100 qga command 'guest-get-fsinfo' failed - out of memory", errors.ServerError, "server_error"),
    ("got timeout", errors.ServerError, "server_error"),
]


@pytest.mark.parametrize(("text", "expected", "code"), TEXTS)
@pytest.mark.parametrize("is_in_body", [True, False], ids=["from PVE 8.4", "before PVE 8.4"])
def test_failures_are_told_apart_by_what_proxmox_says(
    text: str, expected: type[errors.ProxmoxError], code: str, is_in_body: bool
) -> None:
    body = f'{{"data":null,"message":"{text}\\n"}}' if is_in_body else '{"data":null}'
    status = "500 Internal Server Error" if is_in_body else f"500 {text}"
    with scripted(always(body.encode(), status)) as server, pytest.raises(errors.ProxmoxError) as caught:
        ask(server.target())

    assert type(caught.value) is expected
    assert caught.value.code == code
    assert text in str(caught.value)


@pytest.mark.parametrize("status", ["400 VM 100 is not running", "502 VM 100 is not running"])
def test_only_a_failure_of_proxmox_itself_is_told_apart(status: str) -> None:
    with scripted(always(b"", status)) as server, pytest.raises(errors.ServerError) as caught:
        ask(server.target())

    assert type(caught.value) is errors.ServerError


@pytest.mark.parametrize(("text", "expected", "code"), TEXTS)
def test_no_failure_about_one_thing_says_that_the_host_is_unreachable(
    text: str, expected: type[errors.ProxmoxError], code: str
) -> None:
    assert issubclass(expected, errors.ServerError)
    assert expected.is_connection_level is False
    assert len(expected.remedy) > 20


CALLS: list[tuple[str, Callable[[Client], Any], type[errors.ProxmoxError]]] = [
    ("QEMU guest agent is not running", lambda client: guests.agent_filesystems(client, "pve1", 100), errors.AgentNotRunning),
    ("binary not installed: /usr/bin/ceph-mon", cluster.ceph_status, errors.NoCeph),
    ("pveceph configuration not initialized", lambda client: cluster.ceph_osds(client, "pve1"), errors.NoCeph),
    ("zfsutils-linux not installed", lambda client: hardware.zfs_pools(client, "pve1"), errors.NoZfs),
]  # fmt: skip


@pytest.mark.parametrize(("text", "call", "expected"), CALLS)
def test_calls_fail_with_the_reason(
    text: str, call: Callable[[Client], Any], expected: type[errors.ProxmoxError]
) -> None:
    with (
        scripted(always(b'{"data":null}', f"500 {text}")) as server,
        Client(server.target()) as client,
        pytest.raises(expected),
    ):
        call(client)


@pytest.mark.parametrize(
    ("description", "expected"),
    [
        ("this feature or command is not currently supported", errors.AgentUnsupported),
        ("Command guest-get-fsinfo has been disabled", errors.AgentRefused),
        ("", errors.AgentUnsupported),
    ],
)
def test_an_error_of_the_agent_inside_a_success_is_an_error(
    description: str, expected: type[errors.ProxmoxError]
) -> None:
    body = f'{{"data":{{"result":{{"error":{{"class":"X","desc":"{description}"}}}}}}}}'.encode()
    with scripted(always(body)) as server, Client(server.target()) as client:
        with pytest.raises(expected) as caught:
            guests.agent_filesystems(client, "pve1", 100)
        with pytest.raises(expected):
            guests.agent_addresses(client, "pve1", 100)

    assert description in str(caught.value)
