"""`pulse demo`: a living dashboard within seconds, which leaves nothing behind."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.process.running import PulseProcess, until

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("processes")]


def whole_state(demo: PulseProcess) -> dict | None:
    """Return the state once all three simulated instances have answered this process, with their guests."""
    status, state = demo.request("GET", "/api/state")
    if status != 200 or sum(state["connectionHealth"].values()) < 3:
        return None
    # One that was killed before it had written down whom it saw begins with none of them.
    if len(state["vms"]) + len(state["containers"]) <= 50:
        return None
    return None if any(node.get("stale") for node in (*state["nodes"], *state["pbs"])) else state


def children(pid: int) -> list[int]:
    """Return the processes that this process has started and that live."""
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def lives(pid: int) -> bool:
    """Return whether the process is there and not just waiting to be buried."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.fixture
def demo(tmp_path):
    with PulseProcess(tmp_path / "data", "demo") as process:
        process.healthy()
        yield process


def test_a_complete_state_is_there_within_seconds(demo):
    state = until(lambda: whole_state(demo), seconds=30, what="the whole state")

    assert {node["instance"] for node in state["nodes"]} == {"homelab", "production"}
    assert [server["name"] for server in state["pbs"]] == ["vault"]
    assert len(state["vms"]) + len(state["containers"]) > 50


def test_its_certificates_are_pinned(demo):
    _, instances = demo.request("GET", "/api/config/nodes")

    assert [len(instance["fingerprint"]) for instance in instances] == [95, 95, 95]


def test_the_simulated_hosts_end_with_it(demo):
    (estate,) = children(demo.process.pid)

    code, _ = demo.end()

    assert code == 0
    until(lambda: not lives(estate), seconds=5, what="the simulated hosts are gone")


def test_the_simulated_hosts_end_with_it_also_when_it_is_killed(demo):
    (estate,) = children(demo.process.pid)

    demo.kill()

    until(lambda: not lives(estate), seconds=5, what="the simulated hosts are gone")


def test_a_second_start_finds_the_hosts_at_their_new_addresses(tmp_path, demo):
    until(lambda: whole_state(demo), seconds=30, what="the whole state")
    demo.kill()

    with PulseProcess(tmp_path / "data", "demo") as second:
        second.healthy()
        until(lambda: whole_state(second), seconds=30, what="the whole state")

        assert len(second.request("GET", "/api/config/nodes")[1]) == 3


def test_with_a_token_it_demands_it(tmp_path):
    token = "a-token-of-more-than-twenty-characters"
    with PulseProcess(tmp_path / "data", "demo", API_TOKEN=token, PULSE_BIND="127.0.0.1") as demo:
        demo.healthy()

        assert demo.request("GET", "/api/state")[0] == 401
        assert demo.request("GET", "/api/state", token=token)[0] == 200
