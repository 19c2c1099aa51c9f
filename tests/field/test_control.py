"""Two healthy nodes and their backup server: nothing is wrong. When this fails, the other cases say nothing."""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.slow


def test_nothing_is_wrong_with_two_healthy_nodes(case):
    healthy = case("00")

    healthy.is_read()

    assert sorted(healthy.state("/vms|containers/*/backupState")) == ["good", "good", "good", "good"]
    assert healthy.state("/vms[name=web]/lastBackup") == ["2026-01-01T06:01:00Z"]
    assert healthy.state("/pbs[name=vault]/backupJobs/*/status") == ["ok"]
    assert healthy.state("/concerns/*/text") == []
    healthy.is_right()
