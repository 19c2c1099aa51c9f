"""All floods at once upon a product that polls: half a minute of what `benchmarks/floods.py` does for ten."""

from __future__ import annotations

import pytest

from tests.attacks.peers import TOKEN
from tests.attacks.siege import besiege
from tests.fake_proxmox.process import FakeProcess, connection
from tests.process.running import PulseProcess, until

INTERVAL_SECONDS = 5

pytestmark = [pytest.mark.xdist_group("attacks")]


@pytest.fixture
def pulse(tmp_path):
    """Pulse with a token and the instances of the demo."""
    variables = {"API_TOKEN": TOKEN, "PULSE_BIND": "127.0.0.1", "POLLING_INTERVAL": str(INTERVAL_SECONDS)}
    with FakeProcess("demo") as estate, PulseProcess(tmp_path / "data", **variables) as pulse:
        pulse.healthy()
        for told in estate.instances:
            assert pulse.request("POST", "/api/config/nodes", connection(told), token=TOKEN)[0] == 201
        until(lambda: pulse.state(token=TOKEN)["nodes"], seconds=30, what="nodes are shown")
        yield pulse


def test_all_floods_at_once_cost_little_memory_and_hold_up_no_poll(pulse):
    cost = besiege(pulse, seconds=30, calm_seconds=0, interval_seconds=INTERVAL_SECONDS)

    assert cost.growth < 100
    assert max(cost.ages) < 2
    assert cost.is_prompt
    assert "Traceback" not in pulse.log
