"""Which storages of a node lie on one file system, so that it is summed once; pure. Source: api-facts.md 3.3.

Nobody tells it: `local` and a directory beside it are two storages with the figures of one disk. Equal sizes and equal use, to the byte,
are no accident; of disks that are all but empty they may be. Once known, they stay so while their use keeps together: a node probes
one after the other, and something is written in between.
"""

from __future__ import annotations

from collections.abc import Iterable

from msgspec.structs import replace

from monitoring.figures.storages import Key, StorageFigures

#: The kinds that tell of the whole file system below them.
ON_FILESYSTEMS = frozenset({"dir", "btrfs", "nfs", "cifs", "cephfs", "glusterfs"})
#: Equal disks that were just formatted have equal use.
LOWEST_RATIO = 0.02
#: How far the use of two storages on one file system may be apart, as a share of its size.
DRIFT_RATIO = 0.01


def marked_same(
    storages: Iterable[StorageFigures], before: Iterable[StorageFigures] = ()
) -> list[StorageFigures]:
    """Return the storages, each with the first one on the same file system, if that is another (`same_as`)."""
    known = {one.key: one.same_as for one in before if one.same_as}
    firsts: dict[tuple[str, int | None], list[StorageFigures]] = {}
    same_as: dict[Key, str] = {}
    listed = list(storages)
    for one in sorted(listed, key=lambda one: (one.name != "local", one.name)):
        if one.plugin not in ON_FILESYSTEMS or one.status != "available" or not one.total_bytes:
            continue
        others = firsts.setdefault((one.node, one.total_bytes), [])
        first = next((other for other in others if are_same(one, other, known)), None)
        if first is None:
            others.append(one)
        else:
            same_as[one.key] = first.name
    return [
        one if one.same_as == same_as.get(one.key, "") else replace(one, same_as=same_as.get(one.key, ""))
        for one in listed
    ]


def are_same(one: StorageFigures, first: StorageFigures, known: dict[Key, str]) -> bool:
    """Return whether two storages of one node and size are on one file system."""
    if one.used_bytes is None or first.used_bytes is None or not one.total_bytes:
        return False
    apart = abs(one.used_bytes - first.used_bytes)
    if known.get(one.key) == first.name:
        return apart <= one.total_bytes * DRIFT_RATIO
    return apart == 0 and one.used_bytes >= one.total_bytes * LOWEST_RATIO
