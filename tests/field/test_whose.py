"""What belongs together, and what only has the same name."""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.slow


def test_two_exports_under_one_storage_id_are_two_places(case):
    played = case("03")

    played.is_read()

    assert played.state("/vms/*/backupState") == ["good", "good"]
    assert played.state("/vms[name=web-a]/lastBackup") == ["2026-01-01T06:01:00Z"]
    assert played.state("/vms[name=web-b]/lastBackup") == ["2026-01-01T06:01:00Z"]
    played.is_right()
