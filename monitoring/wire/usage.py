"""The four figures of memory and disk; pure."""

from __future__ import annotations

from monitoring.wire.shapes import Usage

NOTHING = Usage()


def usage(used: int | None, total: int | None, free: int | None = None) -> Usage:
    """Return the four figures; 0 where a part is not known, and never more used than there is."""
    if (
        free is None and total and used is not None and 0 <= used <= total
    ):  # nearly always, and told of each guest twice
        return Usage(total, used, total - used, used / total * 100)
    total = max(total or 0, 0)
    used = min(max(used or 0, 0), total) if total else max(used or 0, 0)
    if free is None:
        free = max(total - used, 0)
    return Usage(total, used, free, percent(used, total))


def percent(used: int, total: int) -> float:
    """Return used of total in percent, 0 when the total is 0."""
    return used / total * 100 if total > 0 else 0.0
