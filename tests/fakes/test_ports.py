"""A port that a test was given stays its own: nobody else gets it, also while nothing listens there."""

from __future__ import annotations

import socket

import pytest

from tests.fake_proxmox.server import FakeServer
from tests.fake_proxmox.sites import PveSite
from tests.fault_proxy import FaultProxy
from tests.ports import own_port


def is_taken(host: str, port: int) -> bool:
    """Whether somebody who knows nothing of us would be refused the port."""
    with socket.socket() as stranger:
        try:
            stranger.bind((host, port))
        except OSError:
            return True
    return False


def test_a_port_of_ones_own_is_nobody_elses() -> None:
    port = own_port()

    assert is_taken("127.0.0.1", port)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), timeout=5)


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0"])
def test_a_server_can_be_started_there_again_and_again(host: str) -> None:
    port = own_port()

    for _ in range(3):
        with (
            socket.create_server((host, port)),
            socket.create_connection(("127.0.0.1", port), timeout=5) as client,
        ):
            assert client.getpeername() == ("127.0.0.1", port)


def test_a_dead_node_keeps_its_port_until_it_leaves_the_cluster(fake_cluster: PveSite) -> None:
    server = fake_cluster.server("pve-02")

    fake_cluster.kill_node("pve-02")
    while_dead = is_taken(server.host, server.port)
    fake_cluster.remove_node("pve-02")

    assert (while_dead, is_taken(server.host, server.port)) == (True, False)


def test_a_proxy_that_is_down_keeps_its_port(fake_pve: FakeServer) -> None:
    with FaultProxy(fake_pve.host, fake_pve.port) as proxy:
        proxy.down()

        assert is_taken(proxy.host, proxy.port)
