"""The fake as a process of its own, and the channel that controls it."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from tests.fake_proxmox import FakeEstate, FakeProcess, ManualClock, PbsSpec, PveSpec
from tests.fake_proxmox.process import ROOT
from tests.fakes.raw import get, guest
from tests.ports import own_port


def _server(line: dict[str, Any], member: int = 0) -> Any:
    """What the raw client needs to know of a server that runs elsewhere."""
    host, port = line["members"][member]["url"].removeprefix("https://").split(":")
    return SimpleNamespace(
        kind=line["kind"], host=host, port=int(port), token_id=line["tokenId"], token_value=line["tokenValue"]
    )


@pytest.fixture(scope="module")
def demo() -> Iterator[FakeProcess]:
    """The demo, running; its tests leave it as they found it."""
    with FakeProcess("demo") as fake:
        yield fake


@pytest.mark.slow
def test_demo_has_a_home_lab_a_cluster_and_a_backup_server(demo: FakeProcess) -> None:
    assert [(line["kind"], line["name"], len(line["members"])) for line in demo.instances] == [
        ("pve", "homelab", 1),
        ("pve", "production", 4),
        ("pbs", "vault", 1),
    ]
    assert [line["index"] for line in demo.instances] == [1, 2, 3]


@pytest.mark.slow
def test_line_of_an_instance_has_everything_to_connect(demo: FakeProcess) -> None:
    for line in demo.instances:
        assert get(_server(line), "/version").status == 200
        assert len(line["fingerprint"]) == 64


@pytest.mark.slow
def test_demo_has_a_dead_node(demo: FakeProcess) -> None:
    line = demo.instance("production")

    assert [member["isDead"] for member in line["members"]] == [False, False, False, True]
    with pytest.raises(ConnectionRefusedError):
        get(_server(line, 3), "/version")


@pytest.mark.slow
def test_verb_changes_a_guest_from_outside(demo: FakeProcess) -> None:
    demo.call("set_metric", site="homelab", vmid=101, cpu=0.97)

    assert guest(_server(demo.instance("homelab")), 101)["cpu"] == 0.97
    demo.call("clear_metric", site="homelab", vmid=101)


@pytest.mark.slow
def test_fault_is_set_and_cleared_from_outside(demo: FakeProcess) -> None:
    line = demo.instance("vault")
    demo.request("POST", "/fault", {"server": line["url"], "kind": "500", "path": "/version"})
    during = get(_server(line), "/version").status
    demo.request("POST", "/fault/clear", {"server": line["url"]})

    assert during == 400  # a PBS says 400 for every failure
    assert get(_server(line), "/version").status == 200


@pytest.mark.slow
def test_node_is_killed_and_revived_from_outside(demo: FakeProcess) -> None:
    server = _server(demo.instance("production"), 1)
    demo.call("kill_node", site="production", node="pve-02")
    with pytest.raises(ConnectionRefusedError):
        get(server, "/version")
    demo.call("revive_node", site="production", node="pve-02")

    assert get(server, "/version").status == 200


@pytest.mark.slow
def test_sigterm_ends_the_process_with_code_0() -> None:
    fake = FakeProcess("homelab")

    assert fake.stop() == 0
    with pytest.raises(ConnectionRefusedError):
        get(_server(fake.instances[0]), "/version")


@pytest.mark.slow
def test_interrupt_ends_the_process_with_code_0() -> None:
    fake = FakeProcess("homelab")
    fake.process.send_signal(signal.SIGINT)

    assert fake.process.wait(10) == 0
    fake.stop()


@pytest.mark.slow
def test_ports_can_be_chosen() -> None:
    port, control = own_port(), own_port()

    with FakeProcess("homelab", "--base-port", str(port), "--control-port", str(control)) as fake:
        assert fake.instances[0]["url"] == f"https://127.0.0.1:{port}"
        assert fake.instances[0]["control"] == f"http://127.0.0.1:{control}"


@pytest.mark.slow
def test_taken_port_is_told_without_a_traceback() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        command = [sys.executable, "-m", "tests.fake_proxmox", "--base-port", str(taken.getsockname()[1])]
        ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=20)

    assert ended.returncode == 1
    assert ended.stdout == ""
    assert ended.stderr.startswith("cannot listen: [Errno 98]")
    assert len(ended.stderr.splitlines()) == 1


@pytest.mark.slow
def test_hostile_option_fills_the_estate_with_payloads() -> None:
    with FakeProcess("homelab", "--hostile") as fake:
        name = guest(_server(fake.instances[0]), 100)["name"]

    assert name == "<script>window.pwned=1</script>"


@pytest.fixture
def controlled() -> Iterator[Any]:
    """A caller of the control channel of an estate in this process."""
    with FakeEstate(
        PveSpec(name="pve"), PbsSpec(), clock=ManualClock(), unauthorized_delay_seconds=0, control_port=0
    ) as estate:
        caller = FakeProcess.__new__(FakeProcess)
        caller.instances = estate.describe()
        yield SimpleNamespace(estate=estate, request=caller.request, call=caller.call)


def test_traffic_is_read_and_reset(controlled: Any) -> None:
    server = controlled.estate.servers[0]
    get(server, "/version")

    before = controlled.request("GET", "/traffic")[server.url]["requests"]
    controlled.request("POST", "/traffic/reset")
    after = controlled.request("GET", "/traffic")[server.url]["requests"]

    assert (before, after) == ({"/version": 1}, {})


def test_how_much_each_node_had_to_do_at_once_is_told(controlled: Any) -> None:
    get(controlled.estate.servers[0], "/version")

    assert controlled.request("GET", "/load") == {"pve": {"pve": 1}, "vault": {}}


def test_servers_are_listed(controlled: Any) -> None:
    listed = controlled.request("GET", "/servers")

    assert [line["name"] for line in listed] == ["pve", "vault"]


def test_latency_is_set_for_one_or_all(controlled: Any) -> None:
    controlled.request("POST", "/latency", {"ms": 5})
    controlled.request("POST", "/latency", {"server": "vault", "ms": 9})

    assert [server.latency_ms for server in controlled.estate.servers] == [5, 9]


def test_clock_is_moved(controlled: Any) -> None:
    before = controlled.estate.clock.now()

    controlled.request("POST", "/clock", {"advance": 3_600})

    assert controlled.estate.clock.now() == before + 3_600


def test_token_is_made_from_outside(controlled: Any) -> None:
    token_id, value = controlled.call("add_token", site="pve", name="x", privileges={"/": ["VM.Audit"]})

    assert token_id == "pulse@pve!x"
    assert len(value) == 36


@pytest.mark.parametrize(
    ("path", "document", "error"),
    [
        ("/verb", {"verb": "describe", "site": "pve"}, "no such verb: describe"),
        ("/verb", {"verb": "stop_guest", "site": "pve", "vmid": 1}, "KeyError: 1"),
        ("/fault", {"kind": "500", "server": "nobody"}, "no such server: nobody"),
        ("/nothing", {}, "no such call: POST /nothing"),
    ],
)
def test_wrong_call_is_told(controlled: Any, path: str, document: dict[str, Any], error: str) -> None:
    with pytest.raises(ValueError, match=error):
        controlled.request("POST", path, document)
