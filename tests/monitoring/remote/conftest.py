"""A receiver of remote write for whoever wants one."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.monitoring.remote.receiver import Receiver, receiving


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """A receiver that takes everything."""
    with receiving() as one:
        yield one
