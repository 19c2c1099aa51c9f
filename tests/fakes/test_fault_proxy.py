"""The proxy that makes a network bad."""

from __future__ import annotations

import socket
import socketserver
import threading
import time
from collections.abc import Iterator

import pytest

from tests.fault_proxy import FaultProxy, Toxics
from tests.process.running import until

PATIENCE_SECONDS = 0.3


class _Echo(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        while data := self.request.recv(65_536):
            self.request.sendall(data)


class _EchoServer(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True

    def handle_error(self, request: object, client_address: object) -> None:
        """Cut connections are what these tests are about."""


@pytest.fixture
def proxy() -> Iterator[FaultProxy]:
    """A proxy in front of a server that sends everything back."""
    with _EchoServer(("127.0.0.1", 0), _Echo) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        with FaultProxy("127.0.0.1", server.server_address[1]) as proxy:
            yield proxy
        server.shutdown()
        thread.join()


@pytest.fixture
def client(proxy: FaultProxy) -> Iterator[socket.socket]:
    """A connection through the proxy."""
    with socket.create_connection((proxy.host, proxy.port), timeout=5) as client:
        yield client


def test_bytes_pass_and_are_counted(proxy: FaultProxy, client: socket.socket) -> None:
    client.sendall(b"hello")

    assert client.recv(100) == b"hello"
    assert (proxy.bytes_to_server, proxy.bytes_to_client, proxy.connections) == (5, 5, 1)


def test_down_refuses_and_cuts_and_up_accepts_again(proxy: FaultProxy, client: socket.socket) -> None:
    client.sendall(b"a")
    client.recv(1)

    proxy.down()

    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((proxy.host, proxy.port), timeout=5)
    assert client.recv(1) == b""
    proxy.up()
    with socket.create_connection((proxy.host, proxy.port), timeout=5) as second:
        second.sendall(b"b")
        assert second.recv(1) == b"b"


def test_black_hole_swallows_and_the_server_hears_nothing(proxy: FaultProxy) -> None:
    proxy.toxics = Toxics(is_black_hole=True)

    with socket.create_connection((proxy.host, proxy.port), timeout=PATIENCE_SECONDS) as client:
        client.sendall(b"hello")
        with pytest.raises(TimeoutError):
            client.recv(1)

    assert proxy.bytes_to_server == 0


def test_latency_is_added_each_way(proxy: FaultProxy, client: socket.socket) -> None:
    proxy.toxics = Toxics(latency_ms=60)

    began_at = time.monotonic()
    client.sendall(b"x")
    client.recv(1)

    assert time.monotonic() - began_at >= 0.12


def test_bandwidth_is_limited(proxy: FaultProxy, client: socket.socket) -> None:
    proxy.toxics = Toxics(bytes_per_second=200_000)

    began_at = time.monotonic()
    client.sendall(b"x" * 60_000)
    left = 60_000
    while left:
        left -= len(client.recv(65_536))

    assert 0.15 < time.monotonic() - began_at < 4


def test_reset_comes_after_so_many_bytes(proxy: FaultProxy, client: socket.socket) -> None:
    proxy.toxics = Toxics(reset_after_bytes=10)
    received = b""

    client.sendall(b"x" * 100)
    with pytest.raises(ConnectionResetError):  # noqa: PT012
        while True:
            received += client.recv(100)

    assert received == b"x" * 10


def test_frozen_connection_goes_on_when_thawed(proxy: FaultProxy, client: socket.socket) -> None:
    client.sendall(b"a")
    client.recv(1)
    proxy.toxics = Toxics(is_frozen=True)
    client.settimeout(PATIENCE_SECONDS)

    client.sendall(b"x")
    with pytest.raises(TimeoutError):
        client.recv(1)
    proxy.toxics = Toxics()
    client.settimeout(5)

    assert client.recv(1) == b"x"


def test_frozen_network_keeps_a_new_connection_from_the_server(proxy: FaultProxy) -> None:
    proxy.toxics = Toxics(is_frozen=True)

    with socket.create_connection((proxy.host, proxy.port), timeout=PATIENCE_SECONDS) as client:
        client.sendall(b"x")
        with pytest.raises(TimeoutError):
            client.recv(1)

    assert proxy.bytes_to_server == 0


def test_counters_start_again(proxy: FaultProxy, client: socket.socket) -> None:
    client.sendall(b"hello")
    client.recv(5)

    proxy.reset_counters()

    assert (proxy.bytes_to_server, proxy.bytes_to_client, proxy.connections) == (0, 0, 0)


def test_after_so_many_bytes_nothing_more_comes_until_it_is_lifted(
    proxy: FaultProxy, client: socket.socket
) -> None:
    proxy.toxics = Toxics(freeze_after_bytes=4)
    client.settimeout(PATIENCE_SECONDS)

    client.sendall(b"abc")
    first = client.recv(3)
    client.sendall(b"de")
    with pytest.raises(TimeoutError):
        client.recv(1)
    proxy.toxics = Toxics()
    client.settimeout(5)

    assert (first, client.recv(2)) == (b"abc", b"de")


def test_of_the_connections_that_clients_hold_at_once_the_most_are_counted(proxy: FaultProxy) -> None:
    proxy.toxics = Toxics(is_frozen=True)
    address = (proxy.host, proxy.port)

    with socket.create_connection(address), socket.create_connection(address):
        until_accepted(proxy, 2)
    for number in range(3, 6):  # one after the other; the proxy still holds all of them
        with socket.create_connection(address) as client:
            client.sendall(b"x")
            until_accepted(proxy, number)

    assert (proxy.connections, proxy.open_peak) == (5, 2)


def until_accepted(proxy: FaultProxy, count: int) -> None:
    """Wait until the proxy has accepted so many connections."""
    until(lambda: proxy.connections >= count, seconds=5, what="it is accepted")
