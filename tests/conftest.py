"""What every test may use: a fixed instant, a store of its own."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
import time_machine
from django.apps import AppConfig
from whitenoise.middleware import WhiteNoiseMiddleware

if TYPE_CHECKING:
    from monitoring.store.protocol import StateStore

pytest_plugins = [
    "tests.accounts.fixtures",
    "tests.authorities",
    "tests.fake_proxmox.fixtures",
    "tests.probing",
]

#: The instant at which tests happen, unless they choose another.
NOON = datetime(2026, 1, 1, 12, 0, tzinfo=UTC)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the tests that may take longest: whatever comes last, the other workers wait for."""
    items.sort(key=patience_seconds, reverse=True)


def patience_seconds(item: pytest.Item) -> float:
    """Return for how long a test may take by its own mark."""
    mark = item.get_closest_marker("timeout")
    return float(mark.args[0]) if mark is not None else 0.0


@pytest.fixture
def noon() -> datetime:
    """The fixed instant of the tests."""
    return NOON


@pytest.fixture(autouse=True, scope="session")
def static_files_are_read_once() -> Iterator[None]:
    """Every test client makes the middleware anew; only the first looks for all static files, which takes 30 ms."""
    read = WhiteNoiseMiddleware.add_files_from_finders
    found: dict[str, object] = {}

    def read_once(middleware: WhiteNoiseMiddleware) -> None:
        if not found:
            read(middleware)
            found.update(middleware.files)
        middleware.files.update(found)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(WhiteNoiseMiddleware, "add_files_from_finders", read_once)
        yield


@pytest.fixture(autouse=True, scope="session")
def loopback_is_allowed() -> Iterator[None]:
    """The decision is stored in every database that the tests make or empty: their simulated hosts are on this machine."""
    from django.db.models.signals import post_migrate

    def decide(sender: AppConfig, using: str, **_: object) -> None:
        if sender.label == "nodes":
            rules = sender.get_model("AddressRule").objects.using(using)
            rules.update_or_create(defaults={"allows_loopback": True})

    post_migrate.connect(decide)
    yield
    post_migrate.disconnect(decide)


@pytest.fixture
def loopback_is_refused(db: None) -> None:
    """Nobody has decided anything about addresses, as on a fresh install."""
    from nodes.models import AddressRule

    AddressRule.objects.all().delete()


@pytest.fixture(autouse=True)
def everything_can_be_saved() -> Iterator[None]:
    """What one test does to a database keeps no other from writing."""
    yield
    from pulse.lib import saving  # late: it needs the settings

    if saving.trouble() is not None:
        saving.change(None)


@pytest.fixture
def still_noon() -> Iterator[None]:
    """Time stands still: no window of a rate limit ends in the middle of a test."""
    with time_machine.travel(NOON, tick=False):
        yield


@pytest.fixture
def fresh_store() -> Iterator[StateStore]:
    """A store of the test's own, and no connection or row left over."""
    from monitoring.history import keeping
    from monitoring.polling.turns import PLAN
    from monitoring.store import current  # late: it needs the settings
    from monitoring.store.memory import MemoryStore
    from nodes import connecting

    current.install(MemoryStore())
    PLAN.forget()
    # Keys of instances are given anew in each test.
    keeping.forget_all()
    yield current.store()
    for pk in list(connecting._kept):
        connecting.forget(pk)
    current.install(None)
