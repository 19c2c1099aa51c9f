"""A socket on which nothing has come for long hears what another web process tells through Redis.

Source: reliability.md B44.
"""

from __future__ import annotations

import pytest

from tests.process.idling import seconds_to_hear_a_change
from tests.scale.conftest import TOKEN, Scaled

pytestmark = [pytest.mark.scale, pytest.mark.timeout(180)]


def test_an_idle_socket_hears_a_change_at_another_process_within_a_second(scaled: Scaled):
    first, second = scaled.start("web"), scaled.start("web")  # nothing is polled
    first.healthy()
    second.healthy()
    scaled.add(first, "production")

    assert seconds_to_hear_a_change(second, at=first, token=TOKEN) < 1
