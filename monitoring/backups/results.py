"""How a task of Proxmox ended, and how the last run of a job went; pure.

Source: api-facts.md 8, status text of a finished task; the classes are Proxmox's own.
"""

from __future__ import annotations

from typing import Literal

from nodes.proxmox.readings.backup_server import ServerJobReading
from nodes.proxmox.readings.backups import TaskReading

Outcome = Literal["ok", "warning", "failed", "running", "unknown"]

#: The log was cut off, as in a crash, or nobody knows: neither says that the work failed.
UNKNOWN_TEXTS = frozenset({"", "unexpected status", "unknown"})


def outcome(status: str, *, is_running: bool = False) -> Outcome:
    """Return the class of a status text such as `OK`, `WARNINGS: 2` or an error message.

    Case decides: an error message may well begin with "ok".
    """
    if is_running:
        return "running"
    told = status.strip()
    if told == "OK":
        return "ok"
    if told in UNKNOWN_TEXTS:
        return "unknown"
    if told == "RUNNING":  # a node's own list says so of tasks that have not ended
        return "running"
    name, _, count = told.partition(": ")
    if name == "WARNINGS" and count.isascii() and count.isdigit():
        return "warning"
    return "failed"


def task_outcome(task: TaskReading) -> Outcome:
    """Return how a task of a list ended; one that tells neither an end nor a text runs."""
    return outcome(task.status, is_running=task.ended_epoch is None and not task.status)


def job_outcome(job: ServerJobReading) -> Outcome:
    """Return how the last run of a job of a PBS ended; unknown when it has never run."""
    return outcome(job.last_run_state, is_running=bool(job.last_run_upid) and not job.last_run_state)


def job_error(job: ServerJobReading) -> str:
    """Return the text of a last run that failed, empty for any other."""
    return job.last_run_state if job_outcome(job) == "failed" else ""
