"""Targets for tests."""

from __future__ import annotations

from typing import Any

from monitoring.exporting.remote import targets
from monitoring.exporting.remote.drafts import Draft
from monitoring.models import RemoteWriteTarget
from tests.conftest import NOON

URL = "https://metrics.lab:8428/api/v1/write"


def make_target(**fields: Any) -> RemoteWriteTarget:
    """Return a target that was added at noon, without a login unless one is given."""
    return targets.add(Draft(**{"name": "victoria", "url": URL, **fields}), at=NOON)
