"""How a task of Proxmox ended; pure.

Source: api-facts.md 8, status text of a finished task; the classes are Proxmox's own.
"""

from __future__ import annotations

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
