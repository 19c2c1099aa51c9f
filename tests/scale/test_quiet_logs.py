"""Servers that are away are told once by each part, not with each try."""

from __future__ import annotations

import threading

import pytest

from tests.process.running import until
from tests.scale.conftest import TOKEN, Scaled

pytestmark = [pytest.mark.scale, pytest.mark.timeout(180)]

#: So long a server is away: two dozen schedules, and four polls of each host.
AWAY_SECONDS = 12.0


def lines(scaled: Scaled, before: list[int]) -> dict[str, list[str]]:
    """Return the events that each part has logged since, by its verb."""
    return {
        f"{number} {part.command[-1]}": [
            line for line in part.log[begun:].splitlines() if line.startswith("20")
        ]
        for number, (part, begun) in enumerate(zip(scaled.parts, before, strict=True))
    }


@pytest.mark.parametrize("server", ["redis", "postgres"])
def test_a_server_that_is_away_for_a_while_fills_no_log(scaled: Scaled, webs, server):
    until(lambda: webs[0].state(token=TOKEN)["vms"], seconds=60, what="guests")
    before = [len(part.log) for part in scaled.parts]
    away = getattr(scaled, server)
    away.stop()
    try:
        for _ in range(10):
            webs[0].request("GET", "/api/config/nodes", token=TOKEN)
        threading.Event().wait(AWAY_SECONDS)
        told = lines(scaled, before)
    finally:
        away.start()

    assert {verb: len(found) for verb, found in told.items() if len(found) > 15} == {}, told
    until(lambda: webs[0].request("GET", "/api/ready")[0] == 200, seconds=45, what="everything works again")
