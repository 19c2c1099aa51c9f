"""kill -9 in the middle of adding, editing and removing instances: nothing is lost, nothing is half there."""

from __future__ import annotations

import random

import pytest

from tests.process.kill_loop import Expected, kill_once

KILLS = 10
SEED = 20260101

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("processes"), pytest.mark.timeout(300)]


def test_no_credential_is_lost_and_nothing_is_half_there_after_ten_kills(tmp_path):
    expected, chance = Expected(), random.Random(SEED)

    rounds = [kill_once(tmp_path / "data", expected, chance) for _ in range(KILLS)]

    assert sum(round.answered for round in rounds) >= KILLS
    # The first start makes the tables; every later one finds what a kill has left. 3 s on a machine of its own.
    assert sorted(round.start_seconds for round in rounds[1:])[KILLS // 2] < 6
