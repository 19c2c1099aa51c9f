"""How large the history becomes, by what there is of it; pure. Each figure was measured: `python -m benchmarks.history terms`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from monitoring.choices import Tier
from monitoring.history.blocks import OBJECTS
from monitoring.history.tiers import days_of

#: What the database adds to the bytes of a block: its row, its place in the index, the rest of its last page.
OVERHEAD = 1.12


class Estate(NamedTuple):
    """How much there is: guests that run and that do not, ...; `is_recent`: PVE 9 also tells pressures and the cost of machines."""

    machines: int
    containers: int
    stopped_guests: int
    nodes: int
    storages: int
    is_recent: bool = False


class Daily(NamedTuple):
    """Bytes of a day in one tier: of each object, and of each block beside what is in it."""

    machine: int
    container: int
    stopped_guest: int
    node: int
    storage: int
    block: int


DAILY: Mapping[Tier, Daily] = {
    Tier.TEN_SECONDS: Daily(23_070, 22_620, 550, 29_300, 430, 10_800),
    Tier.MINUTE: Daily(15_860, 15_930, 1_420, 15_820, 940, 3_600),
    Tier.FIVE_MINUTES: Daily(3_440, 3_500, 60, 3_010, 64, 950),
    Tier.HOUR: Daily(390, 410, 61, 430, 56, 160),
    Tier.SIX_HOURS: Daily(45, 45, 10, 50, 10, 25),
}
DAILY_RECENT: Mapping[Tier, Daily] = {
    Tier.TEN_SECONDS: Daily(33_420, 29_200, 600, 36_200, 430, 11_200),
    Tier.MINUTE: Daily(22_860, 21_350, 1_500, 21_120, 940, 4_000),
    Tier.FIVE_MINUTES: Daily(6_360, 6_050, 64, 5_580, 64, 970),
    Tier.HOUR: Daily(640, 645, 65, 660, 56, 180),
    Tier.SIX_HOURS: Daily(65, 65, 10, 65, 10, 25),
}


def expected_bytes(estate: Estate, *, days: float) -> int:
    """Return how much disk the history of an estate takes after so many days, without a budget."""
    guests = estate.machines + estate.containers + estate.stopped_guests
    counts = (*estate[:5], blocks_of(guests, estate.nodes, estate.storages))
    every = DAILY_RECENT if estate.is_recent else DAILY
    return int(
        OVERHEAD
        * sum(
            min(days, days_of(tier, guests=guests))
            * sum(count * size for count, size in zip(counts, daily, strict=True))
            for tier, daily in every.items()
        )
    )


def blocks_of(*counts: int) -> float:
    """Return how many blocks the objects of these kinds are in, on average: keys seldom begin with a block."""
    return sum(count / OBJECTS + 1 for count in counts if count)
