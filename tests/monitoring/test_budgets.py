"""What the live lane costs the hosts, by the fake's own counters."""

from __future__ import annotations

import pytest

from tests.fake_proxmox import FakeEstate, ManualClock, PbsSpec, PveSpec

pytestmark = [pytest.mark.django_db, pytest.mark.slow]

CASES = {
    "3 nodes, 50 guests": (PveSpec(name="lab", nodes=3, guests=50), "pve", 3.0),
    "16 nodes, 1,000 guests": (PveSpec(name="lab", nodes=16, guests=1000), "pve", 8.0),
    "a host of its own": (PveSpec(name="lab", nodes=1, guests=10), "pve", 2.0),
    "a backup server": (PbsSpec(name="vault"), "pbs", 2.0),
}
POLLS = 18


@pytest.mark.parametrize(("spec", "kind", "budget"), CASES.values(), ids=CASES)
def test_requests_in_steady_state(spec, kind, budget, watch):
    with FakeEstate(spec, seed=7, clock=ManualClock(), unauthorized_delay_seconds=0) as estate:
        site = estate.site(spec.name)
        watched = watch(site, kind)
        watched.server = estate
        for _ in range(6):
            watched.poll(after=10)
        for server in site.servers:
            server.traffic.reset()

        for _ in range(POLLS):
            watched.poll(after=10)

        traffic = [server.traffic.snapshot() for server in site.servers]

    assert watched.row().state == "ok"
    assert sum(one["total"] for one in traffic) / POLLS <= budget
    assert {status for one in traffic for status in one["statuses"]} == {"200"}
    assert max(peak for one in traffic for peak in one["inFlightPeak"].values()) <= 2
