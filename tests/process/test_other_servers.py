"""The application under servers that are not the product's own."""

from __future__ import annotations

import pytest
from websockets.sync.client import connect

from tests.process.running import PulseProcess

SERVERS = {
    "daphne": ("-m", "daphne", "-b", "127.0.0.1", "-p", "{port}", "pulse.asgi:application"),
    "runserver": ("manage.py", "runserver", "--noreload", "127.0.0.1:{port}"),
    "uvicorn": ("-m", "uvicorn", "--port", "{port}", "pulse.asgi:application"),
}

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("processes")]


@pytest.fixture(scope="module")
def migrated(tmp_path_factory):
    """A data directory whose tables exist."""
    data_dir = tmp_path_factory.mktemp("servers") / "data"
    with PulseProcess(data_dir, "migrate") as migration:
        assert migration.wait_for_exit() == 0, migration.log
    return data_dir


@pytest.mark.parametrize("name", SERVERS)
def test_pages_and_websockets_are_served(migrated, name):
    with PulseProcess(migrated, name, command=SERVERS[name]) as server:
        server.healthy()

        status, state = server.request("GET", "/api/state")
        with connect(f"ws://127.0.0.1:{server.port}/ws", max_size=None) as socket:
            greeting = socket.recv(timeout=10)

    assert status == 200
    assert state["vms"] == []
    assert '"type":"welcome"' in greeting
