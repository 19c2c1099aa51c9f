"""The operating system of a virtual machine: asked seldom, and only of an agent that answers."""

from __future__ import annotations

import pytest

from nodes.proxmox.readings.guests import GuestSystemReading
from tests.monitoring.collected import asked, facts_of, progress_of, turn, with_token

pytestmark = [pytest.mark.django_db, pytest.mark.slow]


@pytest.fixture
def host(fake_pve, watch):
    """One host with guests, and an account that may see everything."""
    return with_token(watch(fake_pve), fake_pve.site)


def machines(site):
    """The virtual machines that run and have an agent that answers, by vmid."""
    return [
        guest.vmid
        for guest in site.model.guests.values()
        if guest.kind == "qemu" and guest.agent == "ok" and guest.started_at is not None
    ]


def test_the_system_of_a_machine_is_known_and_asked_for_twice_a_day(host, fake_pve):
    vmid = machines(fake_pve.site)[0]

    turn(host, times=16)

    known = facts_of(host).guest(vmid)
    assert known.system.name
    assert known.system.machine == "x86_64"
    assert isinstance(known.system, GuestSystemReading)
    one = progress_of(host)[f"agent system {vmid}"]
    assert 3.5 * 3600 < one.next_epoch - one.done_epoch < 12 * 3600


@pytest.mark.parametrize("state", ["dead", "hung", "disabled"])
def test_an_agent_that_does_not_answer_is_not_asked_for_more(state, host, fake_pve):
    for vmid in machines(fake_pve.site):
        fake_pve.site.set_agent(vmid, state, delay_seconds=0)

    turn(host, times=16)

    assert asked([fake_pve], "get-osinfo") == 0
    assert asked([fake_pve], "get-fsinfo") > 0
