"""Why the use of a guest's disks is not known (api-facts.md 3.3, 4.1)."""

from __future__ import annotations

import pytest

from monitoring.figures.guest_disk import why_unknown

WHY = {
    "a stopped guest": ({"is_running": False}, "stopped"),
    "stopped wins over a missing agent": ({"is_running": False, "agent_is_enabled": False}, "stopped"),
    "no agent in the configuration": ({"agent_is_enabled": False}, "agent_disabled"),
    "switched off since the last try": (
        {"agent_is_enabled": False, "code": "agent_timeout"},
        "agent_disabled",
    ),
    "never tried": ({}, "not_read_yet"),
    "the configuration is not read yet": ({"agent_is_enabled": None}, "not_read_yet"),
    "Proxmox says that there is none": ({"code": "agent_disabled"}, "agent_disabled"),
    "installed and stopped": ({"code": "agent_not_running"}, "agent_not_running"),
    "stopped meanwhile": ({"code": "stopped"}, "stopped"),
    "a hanging mount": ({"code": "agent_timeout"}, "agent_timeout"),
    "a hanging mount, longer than the call": ({"code": "timeout"}, "agent_timeout"),
    "an agent told to keep silent": ({"code": "agent_refused"}, "agent_refused"),
    "an agent too old": ({"code": "not_supported"}, "not_supported"),
    "no right": ({"code": "permission_denied"}, "no_permission"),
    "a host that is away": ({"code": "unreachable"}, "not_read_yet"),
}


@pytest.mark.parametrize(("told", "expected"), WHY.values(), ids=WHY)
def test_why_nothing_is_known(told, expected):
    assert why_unknown(**{"is_running": True, "agent_is_enabled": True, **told}) == expected
