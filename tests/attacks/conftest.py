"""Every attack starts whole processes: none of them is part of the fast half."""

from __future__ import annotations

from pathlib import Path

import pytest

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave the tests of this folder out of the fast half."""
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.slow)
