"""What all lanes together cost a large cluster, by the fake's own counters."""

from __future__ import annotations

from itertools import pairwise

import pytest

from monitoring.collecting import run
from tests.fake_proxmox import PveSpec
from tests.fake_proxmox.fixtures import virtual_estate
from tests.monitoring.collected import moment, progress_of, refusals, reset, with_token

pytestmark = [pytest.mark.django_db, pytest.mark.slow]

SPEC = PveSpec(name="lab", nodes=10, guests=500, agents=300, backup_storages=10, version="9.2")
#: The first hour goes by in larger steps; then 25 minutes are looked at, ten seconds after ten seconds.
FIRST_HOUR, STEP_SECONDS = 45, 80
TURNS = 150


@pytest.mark.timeout(300)
def test_a_large_cluster_is_asked_25_times_in_ten_seconds_at_most(watch):
    with virtual_estate(SPEC, seed=7) as estate:
        site = estate.site("lab")
        watched = with_token(watch(site), site)
        watched.server = estate
        for _ in range(FIRST_HOUR):
            watched.poll(after=STEP_SECONDS)
            run.collect(watched.instance.pk, moment(watched))
        reset(site.servers)

        sums, turns = [0], 0
        for _ in range(TURNS):
            watched.poll(after=10)
            turns += run.collect(watched.instance.pk, moment(watched))
            sums.append(sum(server.traffic.snapshot()["total"] for server in site.servers))

        peaks = [server.traffic.snapshot()["inFlightPeak"] for server in site.servers]
        statuses = refusals(site.servers)

    assert turns == TURNS
    assert max(after - before for before, after in pairwise(sums)) <= 25
    assert [status for status in statuses if status.startswith("4")] == []
    assert max(peak for one in peaks for peak in one.values()) <= 2
    assert late(watched) == []


def late(watched):
    """What waits for more than half a minute: the periods must fit into what a turn may ask."""
    at = moment(watched).timestamp()
    return [name for name, one in progress_of(watched).items() if one.next_epoch < at - 30]
