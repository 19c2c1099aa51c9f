"""Figures as smooth functions of (load, time): pure, cheap and the same in every process."""

from __future__ import annotations

from dataclasses import dataclass
from math import cos, pi, sin
from random import Random

DAY_SECONDS = 86_400.0
_MASK = (1 << 64) - 1


@dataclass(frozen=True, slots=True)
class Load:
    """How busy one guest is: mean values and the shape of its day."""

    seed: int
    cpu_ratio: float
    memory_ratio: float
    network_in_rate: float  # bytes per second, all four on average
    network_out_rate: float
    disk_read_rate: float
    disk_write_rate: float
    day_phase: float  # radians
    wave_seconds: float  # a slow swell of some minutes
    wave_phase: float
    burst_chance: float  # of each half hour


def draw_load(
    random: Random, *, cpu_ratio: float, memory_ratio: float, traffic: float, bursts: float
) -> Load:
    """Return a load near the given means; `traffic` is bytes per second of all network and disk together."""
    scale = traffic * random.uniform(0.4, 1.9)
    return Load(
        seed=random.getrandbits(48),
        cpu_ratio=cpu_ratio * random.uniform(0.6, 1.5),
        memory_ratio=min(0.96, memory_ratio * random.uniform(0.75, 1.2)),
        network_in_rate=scale * random.uniform(0.15, 0.45),
        network_out_rate=scale * random.uniform(0.15, 0.6),
        disk_read_rate=scale * random.uniform(0.03, 0.3),
        disk_write_rate=scale * random.uniform(0.1, 0.4),
        # Most places are busiest in the afternoon (UTC): sin has its peak at phase + 6 h.
        day_phase=-2 * pi * random.gauss(9.0, 1.5) / 24,
        wave_seconds=random.uniform(380, 2_400),
        wave_phase=random.uniform(0, 2 * pi),
        burst_chance=bursts,
    )


def noise(seed: int, step: int) -> float:
    """Return a number from -1 to 1 that looks random and depends on nothing but its arguments."""
    x = (seed * 0x9E3779B97F4A7C15 + step * 0xBF58476D1CE4E5B9) & _MASK
    x = ((x ^ (x >> 31)) * 0x94D049BB133111EB) & _MASK
    x ^= x >> 29
    return (x >> 11) / 4_503_599_627_370_496.0 - 1.0


def cpu_ratio(load: Load, at: float) -> float:
    """Return the CPU use at an instant, 0 to 1: rhythm of the day, swell, jitter and now and then a burst."""
    value = load.cpu_ratio * (
        1.0
        + 0.45 * sin(at * (2 * pi / DAY_SECONDS) + load.day_phase)
        + 0.22 * sin(at * (2 * pi / load.wave_seconds) + load.wave_phase)
        + 0.16 * noise(load.seed, int(at * 0.1))
    )
    half_hour = int(at / 1_800)
    draw = noise(load.seed + 1, half_hour) * 0.5 + 0.5
    if draw < load.burst_chance:
        # A bump without edges; its height is drawn with the same number.
        value += (0.25 + 0.6 * draw / load.burst_chance) * sin(pi * (at / 1_800 - half_hour)) ** 2
    return 0.0004 if value < 0.0004 else 0.995 if value > 0.995 else value


def memory_ratio(load: Load, at: float) -> float:
    """Return the memory use at an instant, 0 to 1: nearly flat, breathing with the load."""
    value = load.memory_ratio * (
        1.0
        + 0.05 * sin(at * (2 * pi / DAY_SECONDS) + load.day_phase)
        + 0.012 * sin(at * (2 * pi / load.wave_seconds) + load.wave_phase)
        + 0.004 * noise(load.seed + 2, int(at * 0.1))
    )
    return 0.99 if value > 0.99 else value


def busy_seconds(load: Load, at: float) -> float:
    """Return the integral of the network's activity: its growth over a span, times the mean rate, is bytes.

    The activity swings between 0.05 and 1.95 and is 1 on average, so the integral never falls.
    """
    day, wave = 2 * pi / DAY_SECONDS, 2 * pi / load.wave_seconds
    return at - 0.5 / day * cos(at * day + load.day_phase) - 0.45 / wave * cos(at * wave + load.wave_phase)


def disk_seconds(load: Load, at: float) -> float:
    """Return the integral of the disk's activity, as `busy_seconds` does for the network."""
    day, wave = 2 * pi / DAY_SECONDS, 2 * pi / (load.wave_seconds * 0.37)
    return at - 0.35 / day * cos(at * day - load.day_phase) - 0.6 / wave * cos(at * wave + load.wave_phase)
