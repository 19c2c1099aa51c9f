"""What every test may use: a fixed instant."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

pytest_plugins = ["tests.accounts.fixtures", "tests.fake_proxmox.fixtures", "tests.probing"]

#: The instant at which tests happen, unless they choose another.
NOON = datetime(2026, 1, 1, 12, 0, tzinfo=UTC)


@pytest.fixture
def noon() -> datetime:
    """The fixed instant of the tests."""
    return NOON
