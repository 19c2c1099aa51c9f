"""How a task ended, from its status text (api-facts.md 8)."""

from __future__ import annotations

import pytest

from monitoring.backups.results import outcome, task_outcome
from nodes.proxmox.readings.backups import TaskReading

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


TASKS = {
    "runs": (None, "", "running"),
    "ended well": (100, "OK", "ok"),
    "ended, and nobody knows how": (100, "", "unknown"),
    "has a result and no end": (None, "job errors", "failed"),
}


@pytest.mark.parametrize(("ended_epoch", "status", "expected"), TASKS.values(), ids=TASKS)
def test_outcome_of_a_task_in_a_list(ended_epoch, status, expected):
    task = TaskReading("UPID:x", "pve", "vzdump", ended_epoch=ended_epoch, status=status)

    assert task_outcome(task) == expected
