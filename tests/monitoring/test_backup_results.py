"""How a task ended, from its status text (api-facts.md 8)."""

from __future__ import annotations

import pytest

from monitoring.backups.results import guest_results, outcome

CASES = {
    "good": ("OK", "ok"),
    "good with a line end": ("OK\n", "ok"),
    "two warnings": ("WARNINGS: 2", "warning"),
    "many warnings": ("WARNINGS: 120", "warning"),
    "a log that was cut off is not an error": ("unexpected status", "unknown"),
    "a state that PBS does not know": ("unknown", "unknown"),
    "nothing was told": ("", "unknown"),
    "a node's list of running tasks": ("RUNNING", "running"),
    "one guest of ten failed": ("job errors", "failed"),
    "an error that begins like success": ("OK was not reached", "failed"),
    "small letters are a message, not the word": ("ok", "failed"),
    "warnings without a number": ("WARNINGS: many", "failed"),
    "a number in other digits": ("WARNINGS: ٣", "failed"),
    "another number": ("exit code: 2", "failed"),
    "interrupted": ("interrupted by signal", "failed"),
    "no space left": ("command 'zstd' failed: exit code 1", "failed"),
}


@pytest.mark.parametrize(("status", "expected"), CASES.values(), ids=CASES)
def test_outcome_of_a_status_text(status, expected):
    assert outcome(status) == expected


@pytest.mark.parametrize("status", ["", "OK", "job errors"])
def test_a_task_that_runs_has_no_result_whatever_its_text(status):
    assert outcome(status, is_running=True) == "running"


def test_the_log_of_a_job_tells_its_guests_apart():
    log = [
        "INFO: starting new backup job: vzdump --all 1",
        "INFO: Starting Backup of VM 100 (qemu)",
        "INFO: archive file size: 1.05GB",
        "INFO: Finished Backup of VM 100 (00:02:11)",
        "INFO: Starting Backup of VM 101 (lxc)",
        "ERROR: Backup of VM 101 failed - command 'rsync' failed: exit code 23",
        "INFO: Starting Backup of VM 102 (qemu)",
    ]

    assert guest_results(log) == {
        100: "OK",
        101: "command 'rsync' failed: exit code 23",
        102: "unexpected status",
    }


LINES = {
    "a failure without a start": ("ERROR: Backup of VM 7 failed - no such VM", {7: "no such VM"}),
    "a failure without words": ("ERROR: Backup of VM 7 failed - ", {7: "failed"}),
    "a name that quotes a line of a log": ("INFO: VM Name: INFO: Finished Backup of VM 7 (", {}),
    "a number no guest has": ("INFO: Finished Backup of VM 12345678901 (00:00:01)", {}),
}


@pytest.mark.parametrize(("line", "expected"), LINES.values(), ids=LINES)
def test_only_lines_of_the_log_itself_count(line, expected):
    assert guest_results([line]) == expected
