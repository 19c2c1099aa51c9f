"""Counters to rates, case by case (state.md 3.1 of the contract, api-facts.md 3.4)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitoring.figures.rates import Rates, Sample, advance
from nodes.proxmox.readings.live import GuestReading


def reading(netin, *, uptime=1000, node="pve1", other=0):
    return GuestReading(
        100, "qemu", node, "running", network_in_bytes=netin, network_out_bytes=other, disk_read_bytes=other,
        disk_write_bytes=other, uptime_seconds=uptime,
    )  # fmt: skip


BEFORE = Sample(100.0, "pve1", 1000, (5000, 0, 0, 0), Rates(7, 0, 0, 0))

CASES = {
    "a steady counter": (reading(6000, uptime=1010), 110.0, True, 100),
    "figures that have not moved keep the last rate": (reading(5000), 105.0, False, 7),
    "two steps of Proxmox in one poll": (reading(7000, uptime=1020), 110.0, True, 100),
    "a second of rounding is not a step": (reading(6000, uptime=1011), 110.0, True, 100),
    "a counter that went down": (reading(10, uptime=1010), 110.0, True, None),
    "a guest that was restarted": (reading(10, uptime=5), 110.0, True, None),
    "a clock that went back": (reading(6000, uptime=1010), 90.0, True, None),
    "an idle guest": (reading(5000, uptime=1010), 110.0, True, 0),
    "an absurd counter is bounded": (reading(10**18, uptime=1010), 110.0, True, 10**12),
}


@pytest.mark.parametrize(("now", "at", "is_fresh", "expected"), CASES.values(), ids=CASES)
def test_rate(now, at, is_fresh, expected):
    after = advance(BEFORE, now, at_epoch=at, is_fresh=is_fresh, interval=10.0)

    assert after.rates.network_in_bytes_per_second == expected


ANEW = {
    "the first sample": (None, reading(5000), 100.0),
    "a guest that has migrated": (BEFORE, reading(6000, uptime=5, node="pve2"), 110.0),
    "a gap of more than three intervals": (BEFORE, reading(9000, uptime=1100), 200.0),
}


@pytest.mark.parametrize(("before", "now", "at"), ANEW.values(), ids=ANEW)
def test_there_are_no_rates_yet(before, now, at):
    assert advance(before, now, at_epoch=at, is_fresh=True, interval=10.0).rates is None


def test_a_counter_that_qemu_did_not_tell_makes_no_spike_afterwards():
    untold = advance(BEFORE, reading(0, uptime=1010), at_epoch=110.0, is_fresh=True, interval=10.0)
    back = advance(untold, reading(7000, uptime=1020), at_epoch=120.0, is_fresh=True, interval=10.0)
    steady = advance(back, reading(8000, uptime=1030), at_epoch=130.0, is_fresh=True, interval=10.0)

    assert [one.rates.network_in_bytes_per_second for one in (untold, back, steady)] == [None, None, 100]


def test_a_stopped_guest_has_zero_rates_from_its_second_sample():
    stopped = GuestReading(100, "qemu", "pve1", "stopped", network_in_bytes=0, network_out_bytes=0,
                           disk_read_bytes=0, disk_write_bytes=0, uptime_seconds=0)  # fmt: skip
    first = advance(None, stopped, at_epoch=100.0, is_fresh=True, interval=10.0)

    second = advance(first, stopped, at_epoch=110.0, is_fresh=True, interval=10.0)

    assert second.rates == Rates(0, 0, 0, 0)


COUNTER = st.none() | st.integers(0, 2**63 - 1)


@given(
    st.lists(
        st.tuples(
            COUNTER, st.integers(0, 10**6), st.floats(-100, 10**6), st.booleans(), st.sampled_from("ab")
        ),
        min_size=1,
        max_size=8,
    )
)
def test_no_rate_is_ever_absurd(steps):
    sample = None

    for counter, uptime, at, is_fresh, node in steps:
        sample = advance(
            sample, reading(counter, uptime=uptime, node=node), at_epoch=at, is_fresh=is_fresh, interval=10.0
        )

        rate = sample.rates.network_in_bytes_per_second if sample.rates is not None else None
        assert rate is None or 0 <= rate <= 10**12
