"""How large the history becomes is told by a formula of what there is."""

from __future__ import annotations

import pytest

from monitoring.history.size import Estate, blocks_of, expected_bytes

#: Fifty guests on three nodes, of which a few are off.
SMALL = Estate(machines=30, containers=14, stopped_guests=6, nodes=3, storages=9)
MIB = 1 << 20


def test_ninety_days_of_fifty_guests_take_about_fifty_mebibytes():
    assert expected_bytes(SMALL, days=90) / MIB == pytest.approx(52, abs=1)


def test_what_is_older_than_its_tier_stays_takes_nothing():
    tiers = [expected_bytes(SMALL, days=days) for days in (7, 30, 90, 730, 3_650, 4_000)]

    assert tiers == sorted(tiers)
    assert tiers[-1] == tiers[-2]


def test_of_many_guests_the_finest_tier_stays_for_a_day():
    many = Estate(machines=2_001, containers=0, stopped_guests=0, nodes=32, storages=60)
    fewer = many._replace(machines=2_000)

    assert expected_bytes(many, days=7) < 0.7 * expected_bytes(fewer, days=7)


def test_what_pve_9_tells_more_takes_half_as_much_again():
    assert expected_bytes(SMALL._replace(is_recent=True), days=90) / expected_bytes(SMALL, days=90) == (
        pytest.approx(1.5, abs=0.05)
    )


def test_a_kind_of_which_there_is_nothing_has_no_block():
    assert (blocks_of(0, 0), blocks_of(32, 0), blocks_of(64, 32)) == (0, 2, 5)
