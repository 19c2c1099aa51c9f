"""Connections that say nothing: they take every place that there is, and nobody else notices."""

from __future__ import annotations

import json
import os
import resource
import socket
import time
from contextlib import ExitStack
from pathlib import Path

import pytest
from websockets.sync.client import connect

from tests.attacks.peers import TOKEN, answer_to, dial, many, open_feed, request, statuses
from tests.attacks.watching import open_files, watched
from tests.fake_proxmox.process import FakeProcess, connection
from tests.process.running import PulseProcess, until

#: So few that a test can take them all; connections are given half of them.
FILES = 384
CONNECTIONS = 192
START = (
    "import resource, runpy; resource.setrlimit(resource.RLIMIT_NOFILE, (384, 384)); "
    "runpy.run_module('pulse', run_name='__main__', alter_sys=True)"
)

pytestmark = [pytest.mark.xdist_group("attacks")]


@pytest.fixture(scope="module")
def estate():
    with FakeProcess("cluster") as estate:
        yield estate


@pytest.fixture
def pulse(tmp_path, estate):
    """Pulse with few descriptors and one instance, which it polls."""
    variables = {"API_TOKEN": TOKEN, "PULSE_BIND": "127.0.0.1", "POLLING_INTERVAL": "3"}
    with PulseProcess(tmp_path / "data", command=("-c", START, "run"), **variables) as pulse:
        pulse.healthy()
        add(pulse, estate, "production")
        yield pulse


@pytest.fixture
def silent(pulse):
    """Opens so many connections that say nothing, whether or not they last."""
    with ExitStack() as opened:

        def open_all(count: int) -> list[socket.socket]:
            return [opened.enter_context(dial(pulse.port)) for _ in range(count)]

        yield open_all


def add(pulse: PulseProcess, estate: FakeProcess, name: str) -> None:
    """Add the simulated instance."""
    told = estate.instances[0]
    body = connection(told) | {"name": name}
    status, answer = pulse.request("POST", "/api/config/nodes", body, token=TOKEN)
    assert status == 201, answer


def is_fresh(pulse: PulseProcess) -> bool:
    """Whether every node was read in the last two intervals."""
    nodes = pulse.state(token=TOKEN)["nodes"]
    seen = [
        time.mktime(time.strptime(node["lastSeen"][:19], "%Y-%m-%dT%H:%M:%S")) - time.timezone
        for node in nodes
    ]
    return bool(seen) and min(seen) > time.time() - 6


def test_silent_connections_keep_no_descriptor_from_anybody(pulse, silent):
    until(
        lambda: is_fresh(pulse) and "production: answers" in pulse.log, seconds=20, what="the nodes are read"
    )
    before = pulse.log

    with watched(pulse) as watch:
        for _ in range(8):
            silent(150)
            assert open_files(pulse) < FILES - 64
        # Of a few answers the slowest would be the median.
        until(
            lambda: is_fresh(pulse) and len(watch.waits_seconds) >= 20,
            seconds=20,
            what="the nodes are still read, and enough were answered",
        )

    assert watch.is_served
    assert watch.growth_mib < 30
    assert pulse.log == before


def test_who_asks_now_is_served_before_who_has_been_silent_for_long(pulse, silent):
    first, *_ = silent(CONNECTIONS)

    answer = answer_to(pulse.port, request("/api/version", "Connection: close"))

    assert statuses(answer) == [200]
    assert first.recv(1) == b""


def test_an_open_websocket_keeps_its_place(pulse, silent):
    with connect(f"ws://127.0.0.1:{pulse.port}/ws", additional_headers={"X-API-Token": TOKEN}) as feed:
        silent(CONNECTIONS * 2)

        feed.send(json.dumps({"type": "requestData"}))
        kinds = {json.loads(feed.recv(5))["type"] for _ in range(3)}

    assert "initialState" in kinds


def test_sockets_leave_an_eighth_of_the_connections_to_requests(pulse):
    feeds = many(1000, lambda: open_feed(pulse.port))

    answer = answer_to(pulse.port, request("/api/version", "Connection: close"))

    for feed in feeds:
        feed.close()
    assert len(feeds) == 168
    assert statuses(answer) == [200]


def test_when_the_system_has_no_descriptor_left_one_line_says_so_and_it_goes_on_afterwards(pulse, silent):
    """Whatever takes the descriptors: here the limit comes down below what is open."""
    resource.prlimit(pulse.process.pid, resource.RLIMIT_NOFILE, (open_files(pulse), FILES))
    before, cpu = pulse.log, cpu_seconds(pulse)
    silent(100)
    until(lambda: pulse.log != before, seconds=5, what="it is said")
    waited = answer_to(pulse.port, request("/api/version"), seconds=3)
    told = pulse.log[len(before) :].splitlines()
    spent = cpu_seconds(pulse) - cpu
    resource.prlimit(pulse.process.pid, resource.RLIMIT_NOFILE, (FILES, FILES))

    assert waited == b""
    assert [line.partition(": ")[2] for line in told if "accepting" in line] == [
        "connections have to wait: they cannot be accepted (Too many open files)"
    ]
    assert spent < 2
    until(pulse.answers, seconds=5, what="it is served again")


def cpu_seconds(pulse: PulseProcess) -> float:
    """The processor time that the process has used."""
    fields = Path(f"/proc/{pulse.process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
