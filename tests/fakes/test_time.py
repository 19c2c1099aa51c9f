"""Figures are a function of (seed, time); counters and uptimes behave."""

from __future__ import annotations

import itertools
import time

import pytest

from tests.fake_proxmox import FakeEstate, FakeServer, ManualClock, PveSite, PveSpec, RealClock
from tests.fake_proxmox.fixtures import virtual_estate
from tests.fakes.raw import get, guest, rows

COUNTERS = ("netin", "netout", "diskread", "diskwrite")
#: 12:00:00, so a round begins; the next one is 10 s later.
NOON = 1_767_268_800.0


def _everything(seed: int, *, advance: float = 0.0) -> str:
    with virtual_estate(PveSpec(nodes=2, guests=40), seed=seed) as estate:
        estate.clock.advance(advance)
        return get(estate.servers[0], "/cluster/resources").text


def test_same_seed_and_time_give_the_same_answer() -> None:
    assert _everything(7) == _everything(7)


def test_another_seed_gives_another_place() -> None:
    assert _everything(7) != _everything(8)


def test_figures_stand_still_within_a_round(fake_pve: FakeServer) -> None:
    first = get(fake_pve, "/cluster/resources").text
    fake_pve.clock.advance(9.9)
    second = get(fake_pve, "/cluster/resources").text
    fake_pve.clock.advance(0.2)
    third = get(fake_pve, "/cluster/resources").text

    assert first == second
    assert second != third


def test_round_length_can_be_chosen() -> None:
    with FakeEstate(PveSpec(), clock=ManualClock(), refresh_seconds=2) as estate:
        first = get(estate.servers[0], "/cluster/resources").text
        estate.clock.advance(1.9)
        second = get(estate.servers[0], "/cluster/resources").text
        estate.clock.advance(0.2)
        third = get(estate.servers[0], "/cluster/resources").text

    assert first == second
    assert second != third


def test_uptime_grows_with_time(fake_pve: FakeServer) -> None:
    before = guest(fake_pve, 100)["uptime"]
    fake_pve.clock.advance(3_600)

    assert guest(fake_pve, 100)["uptime"] == before + 3_600


@pytest.mark.parametrize("counter", COUNTERS)
def test_counters_never_fall(fake_pve: FakeServer, counter: str) -> None:
    seen = []
    for _ in range(30):
        seen.append(guest(fake_pve, 101)[counter])
        fake_pve.clock.advance(1_790)

    assert all(after > before for before, after in itertools.pairwise(seen))


def test_rate_of_a_counter_varies_around_a_mean(fake_pve: FakeServer) -> None:
    rates = []
    for _ in range(48):
        before = guest(fake_pve, 101)["netin"]
        fake_pve.clock.advance(10)
        rates.append((guest(fake_pve, 101)["netin"] - before) / 10)
        fake_pve.clock.advance(1_790)

    mean = sum(rates) / len(rates)
    assert min(rates) < 0.7 * mean
    assert 1.3 * mean < max(rates) < 2.1 * mean


def test_cpu_moves_smoothly_and_keeps_in_bounds(fake_pve: FakeServer) -> None:
    seen = []
    for _ in range(200):
        seen.append(guest(fake_pve, 102)["cpu"])
        fake_pve.clock.advance(10)

    steps = [abs(after - before) for before, after in itertools.pairwise(seen)]
    assert all(0 < cpu < 1 for cpu in seen)
    assert len(set(seen)) == 200
    assert max(steps) < 0.1


def test_rate_that_was_set_is_exact(fake_pve: FakeServer) -> None:
    fake_pve.site.set_rate(101, netin=1_000, diskwrite=250)
    before = guest(fake_pve, 101)
    fake_pve.clock.advance(60)
    after = guest(fake_pve, 101)

    assert after["netin"] - before["netin"] == 60_000
    assert after["diskwrite"] - before["diskwrite"] == 15_000


def test_metric_that_was_set_shows_at_once_and_stays(fake_pve: FakeServer) -> None:
    fake_pve.site.set_metric(101, cpu=0.97, mem=5)
    first = guest(fake_pve, 101)
    fake_pve.clock.advance(100)
    second = guest(fake_pve, 101)
    fake_pve.site.clear_metric(101)
    third = guest(fake_pve, 101)

    assert (first["cpu"], first["mem"]) == (second["cpu"], second["mem"]) == (0.97, 5)
    assert third["cpu"] != 0.97


def test_reset_counters_start_at_zero_while_uptime_goes_on(fake_pve: FakeServer) -> None:
    uptime = guest(fake_pve, 101)["uptime"]

    fake_pve.site.reset_counters(101)

    row = guest(fake_pve, 101)
    assert [row[key] for key in COUNTERS] == [0, 0, 0, 0]
    assert row["uptime"] == uptime


def test_stopped_and_started_guest_begins_at_zero(fake_pve: FakeServer) -> None:
    fake_pve.site.stop_guest(101)
    stopped = guest(fake_pve, 101)
    fake_pve.clock.advance(60)
    fake_pve.site.start_guest(101)
    fake_pve.clock.advance(20)
    started = guest(fake_pve, 101)

    assert (stopped["status"], stopped["uptime"], stopped["netin"]) == ("stopped", 0, 0)
    assert (started["status"], started["uptime"]) == ("running", 20)
    assert 0 < started["netin"] < 1_000_000_000


def test_paused_guest_keeps_memory_and_does_nothing(fake_pve: FakeServer) -> None:
    fake_pve.site.pause_guest(101)

    row = guest(fake_pve, 101)

    assert (row["status"], row["cpu"]) == ("paused", 0)
    assert row["mem"] > 0


def test_migrated_guest_starts_its_counters_and_uptime_anew(fake_cluster: PveSite) -> None:
    guests = rows(fake_cluster.first, "guest")
    before = next(row for row in guests if row["status"] == "running" and row["node"] == "pve-01")

    fake_cluster.migrate_guest(before["vmid"], "pve-02")

    after = guest(fake_cluster.first, before["vmid"])
    assert after["node"] == "pve-02"
    assert (after["uptime"], after["netin"]) == (0, 0)
    assert before["uptime"] > 0


def test_real_clock_can_be_moved() -> None:
    clock = RealClock()
    clock.advance(3_600)

    assert clock.now() - time.time() == pytest.approx(3_600, abs=1)


def test_manual_clock_stands_still() -> None:
    clock = ManualClock()

    assert clock.now() == clock.now() == NOON
