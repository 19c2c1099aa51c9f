"""The curves under the figures, for any load and any time."""

from __future__ import annotations

from itertools import pairwise
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from tests.fake_proxmox.curves import busy_seconds, cpu_ratio, disk_seconds, draw_load, memory_ratio, noise

SEEDS = st.integers(0, 2**48)
TIMES = st.floats(1.5e9, 2.5e9)


def _load(seed: int, *, cpu: float = 0.3, bursts: float = 0.1):  # type: ignore[no-untyped-def]
    return draw_load(Random(seed), cpu_ratio=cpu, memory_ratio=0.6, traffic=1_000_000, bursts=bursts)


@given(seed=SEEDS, at=TIMES, step=st.floats(0.5, 1e6))
def test_what_was_moved_never_shrinks(seed: int, at: float, step: float) -> None:
    load = _load(seed)

    assert busy_seconds(load, at + step) > busy_seconds(load, at)
    assert disk_seconds(load, at + step) > disk_seconds(load, at)


@given(seed=SEEDS, at=TIMES)
def test_ratios_stay_between_nothing_and_everything(seed: int, at: float) -> None:
    load = _load(seed, cpu=0.9)

    assert 0 < cpu_ratio(load, at) < 1
    assert 0 < memory_ratio(load, at) < 1


@given(seed=SEEDS, step=st.integers(0, 2**40))
def test_noise_is_between_minus_one_and_one_and_repeats(seed: int, step: int) -> None:
    value = noise(seed, step)

    assert -1 <= value <= 1
    assert value == noise(seed, step)


def test_noise_has_no_bias() -> None:
    values = [noise(7, step) for step in range(5_000)]

    assert abs(sum(values) / len(values)) < 0.03
    assert min(values) < -0.99
    assert max(values) > 0.99


def test_afternoon_is_busier_than_the_night() -> None:
    loads = [_load(seed, bursts=0.0) for seed in range(200)]
    midnight = 1_767_225_600

    def mean(hour: int) -> float:
        return sum(cpu_ratio(load, midnight + hour * 3_600) for load in loads) / len(loads)

    assert mean(15) > 1.8 * mean(3)


def test_cpu_flickers_from_round_to_round() -> None:
    load = _load(5, bursts=0.0)
    seen = [cpu_ratio(load, 1_767_225_600 + number * 10) for number in range(100)]
    steps = [after - before for before, after in pairwise(seen)]

    turns = sum((first > 0) != (second > 0) for first, second in pairwise(steps))

    assert turns > 40


def test_bursts_come_as_often_as_they_should() -> None:
    load = _load(3, cpu=0.01, bursts=0.25)
    peaks = [cpu_ratio(load, 1_767_225_600 + half_hour * 1_800 + 900) for half_hour in range(2_000)]

    share = sum(peak > 0.2 for peak in peaks) / len(peaks)

    assert 0.21 < share < 0.29
