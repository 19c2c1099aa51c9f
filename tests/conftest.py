"""What every test may use: a fixed instant, a store of its own."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from monitoring.store.current import StateStore

pytest_plugins = [
    "tests.accounts.fixtures",
    "tests.authorities",
    "tests.fake_proxmox.fixtures",
    "tests.probing",
]

#: The instant at which tests happen, unless they choose another.
NOON = datetime(2026, 1, 1, 12, 0, tzinfo=UTC)


@pytest.fixture
def noon() -> datetime:
    """The fixed instant of the tests."""
    return NOON


@pytest.fixture
def fresh_store() -> Iterator[StateStore]:
    """A store of the test's own, and no connection left over."""
    from monitoring.store import current  # late: it needs the settings
    from nodes import connecting

    current.install(current.MemoryStore())
    yield current.store()
    for pk in list(connecting._kept):
        connecting.forget(pk)
    current.install(None)
