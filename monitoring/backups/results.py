"""How a task of Proxmox ended; pure.

Source: api-facts.md 8, status text of a finished task; the classes are Proxmox's own.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Literal

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


#: A job over several guests ends as one task: only its log tells them apart.
STARTED = re.compile(r"INFO: Starting Backup of VM ([0-9]{1,9}) \(", re.ASCII)
FINISHED = re.compile(r"INFO: Finished Backup of VM ([0-9]{1,9}) \(", re.ASCII)
FAILED = re.compile(r"ERROR: Backup of VM ([0-9]{1,9}) failed - (.*)", re.ASCII)


def guest_results(lines: Iterable[str]) -> dict[int, str]:
    """Return how each guest of a backup task fared, by vmid: OK, its error, or "unexpected status" when the log ends in it.

    Source: GET /nodes/{node}/tasks/{upid}/log of a vzdump task.
    """
    found: dict[int, str] = {}
    for line in lines:
        if match := STARTED.match(line):
            found[int(match[1])] = "unexpected status"
        elif match := FINISHED.match(line):
            found[int(match[1])] = "OK"
        elif match := FAILED.match(line):
            found[int(match[1])] = match[2].strip() or "failed"
    return found
