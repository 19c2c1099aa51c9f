"""Memory of guests: who says so, and how far it can be trusted (state.md 3.2, api-facts.md 3.2)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitoring.figures.guest_memory import GuestMemory, guest_memory
from nodes.proxmox.readings.guests import GuestDetailReading
from nodes.proxmox.readings.live import GuestReading


def vm(used=600, *, total=1000, uptime=3600, status="running", kind="qemu"):
    return GuestReading(100, kind, "pve1", status, memory_used_bytes=used, memory_total_bytes=total,
                        uptime_seconds=uptime)  # fmt: skip


def detail(free=400, *, balloon=None, host=None):
    return GuestDetailReading(
        100, "qemu", balloon_actual_bytes=balloon, guest_free_bytes=free, host_memory_bytes=host
    )


#: Reading, detail, its age: used, total, source, trust, reason.
CASES = {
    "the driver reports": (vm(), detail(), 10, (600, 1000, "balloon", "high", "")),
    "full by the guest's own view": (vm(980), detail(20), 10, (980, 1000, "balloon", "high", "")),
    "this very second": (vm(), detail(), 0, (600, 1000, "balloon", "high", "")),
    "free, but of nobody knows how much": (vm(None, total=None), detail(), 10, (None, None, "none", "low", "not_told")),
    "five minutes are recent": (vm(), detail(), 300, (600, 1000, "balloon", "high", "")),
    "longer is not": (vm(), detail(), 301, (600, 1000, "host", "medium", "no_balloon")),
    "an age from the future is no age": (vm(), detail(), -1, (600, 1000, "host", "medium", "no_balloon")),
    "a detail whose age is not known": (vm(), detail(), None, (600, 1000, "host", "medium", "no_balloon")),
    "a detail of an earlier run": (vm(uptime=200), detail(), 201, (600, 1000, "host", "medium", "no_balloon")),
    "a detail of this run": (vm(uptime=200), detail(), 199, (600, 1000, "balloon", "high", "")),
    "a detail of the very start of this run": (vm(uptime=200), detail(), 200, (600, 1000, "balloon", "high", "")),
    "a figure below zero": (vm(-5), None, None, (0, 1000, "host", "medium", "no_balloon")),
    "a balloon above its maximum": (vm(), detail(balloon=1200), 10, (600, 1000, "balloon", "high", "")),
    "a balloon without a maximum": (vm(total=None), detail(balloon=800), 10, (600, None, "balloon", "high", "")),
    "a total of 0 is not told": (vm(total=0), None, None, (600, None, "host", "medium", "no_balloon")),
    "the list says nothing, the guest does": (vm(None), detail(300), 10, (700, 1000, "balloon", "high", "")),
    "the list says 0, the guest more": (vm(0), detail(300), 10, (700, 1000, "balloon", "high", "")),
    "more free than there is": (vm(0), detail(5000), 10, (0, 1000, "balloon", "high", "")),
    "no driver": (vm(), detail(None), 10, (600, 1000, "host", "medium", "no_balloon")),
    "a driver that says 0 free says nothing": (vm(), detail(0), 10, (600, 1000, "host", "medium", "no_balloon")),
    "no detail at all": (vm(), None, None, (600, 1000, "host", "medium", "no_balloon")),
    "the host's view just below": (vm(899), None, None, (899, 1000, "host", "medium", "no_balloon")),
    "the host's view near the maximum": (vm(900), None, None, (900, 1000, "host", "low", "near_maximum")),
    "the host's view above the maximum": (vm(1200), None, None, (1000, 1000, "host", "low", "near_maximum")),
    "booting, seen by the host": (vm(uptime=119), None, None, (600, 1000, "host", "low", "just_booted")),
    "booting, seen by the guest": (vm(uptime=119), detail(), 1, (600, 1000, "balloon", "low", "just_booted")),
    "booted": (vm(uptime=120), None, None, (600, 1000, "host", "medium", "no_balloon")),
    "nobody knows since when it runs": (vm(uptime=None), detail(), 1, (600, 1000, "host", "low", "not_told")),
    "an inflated balloon is the total": (vm(), detail(balloon=800), 10, (600, 800, "balloon", "high", "")),
    "more than the balloon holds": (vm(900), detail(balloon=800), 10, (800, 800, "balloon", "high", "")),
    "a balloon at its maximum": (vm(), detail(balloon=1000), 10, (600, 1000, "balloon", "high", "")),
    "a balloon of 0": (vm(), detail(balloon=0), 10, (600, 1000, "balloon", "high", "")),
    "an old balloon": (vm(), detail(balloon=800), 400, (600, 1000, "host", "medium", "no_balloon")),
    "the host tells apart what the list does not": (
        vm(None), detail(None, host=500), 10, (500, 1000, "host", "medium", "no_balloon")),
    "the host tells 0, which is nothing": (
        vm(None), detail(None, host=0), 10, (None, 1000, "none", "low", "not_told")),
    "nobody tells": (vm(None), detail(None), 10, (None, 1000, "none", "low", "not_told")),
    "0 of a running guest is not measured": (vm(0), None, None, (None, 1000, "none", "low", "not_told")),
    "no total": (vm(total=None), None, None, (600, None, "host", "medium", "no_balloon")),
    "stopped": (vm(status="stopped"), None, None, (0, 1000, "none", "high", "stopped")),
    "stopped since the detail": (vm(status="stopped"), detail(), 10, (0, 1000, "none", "high", "stopped")),
    "a guest of a dead node": (vm(status="unknown"), None, None, (None, 1000, "none", "low", "not_told")),
    "a container": (vm(kind="lxc"), None, None, (600, 1000, "cgroup", "high", "")),
    "a full container": (vm(1000, kind="lxc"), None, None, (1000, 1000, "cgroup", "high", "")),
    "a container that has just started": (vm(kind="lxc", uptime=1), None, None, (600, 1000, "cgroup", "high", "")),
    "a container that was not measured": (
        vm(None, kind="lxc"), None, None, (None, 1000, "none", "low", "not_told")),
    "a stopped container": (vm(kind="lxc", status="stopped"), None, None, (0, 1000, "none", "high", "stopped")),
}  # fmt: skip


@pytest.mark.parametrize(("reading", "newest", "age", "expected"), CASES.values(), ids=CASES)
def test_memory_of_a_guest(reading, newest, age, expected):
    assert guest_memory(reading, newest, detail_age_seconds=age) == GuestMemory(*expected)


SIZE = st.none() | st.integers(0, 2**63 - 1)


@given(SIZE, SIZE, SIZE, SIZE, SIZE, st.none() | st.integers(0, 10**6), st.sampled_from(["qemu", "lxc"]))
def test_no_guest_ever_uses_more_than_it_has(used, total, free, balloon, host, uptime, kind):
    found = guest_memory(
        vm(used, total=total, uptime=uptime, kind=kind),
        detail(free, balloon=balloon, host=host),
        detail_age_seconds=5,
    )

    assert found.used_bytes is None or 0 <= found.used_bytes <= (found.total_bytes or 2**63)
    assert (found.used_bytes is None) == (found.source == "none")
