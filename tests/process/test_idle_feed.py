"""A socket on which nothing has come for long still hears what comes then.

Source: reliability.md B44.
"""

from __future__ import annotations

import pytest

from tests.fake_proxmox.process import FakeProcess, connection
from tests.process.idling import seconds_to_hear_a_change
from tests.process.running import PulseProcess, until

TOKEN = "a-token-of-more-than-twenty-characters"

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("processes"), pytest.mark.timeout(180)]


def test_an_idle_socket_hears_a_change_within_a_second(tmp_path):
    variables = {"API_TOKEN": TOKEN, "PULSE_BIND": "127.0.0.1", "POLLING_INTERVAL": "3600"}
    with FakeProcess("homelab") as estate, PulseProcess(tmp_path / "data", **variables) as pulse:
        pulse.healthy()
        (told,) = estate.instances
        body = connection(told) | {"name": "lab"}
        assert pulse.request("POST", "/api/config/nodes", body, token=TOKEN)[0] == 201
        until(lambda: pulse.state(token=TOKEN)["vms"], seconds=30, what="guests")

        assert seconds_to_hear_a_change(pulse, at=pulse, token=TOKEN) < 1
