"""A file system that two storages of a node lie on is summed once."""

from __future__ import annotations

import pytest

from monitoring.figures.same_filesystems import marked_same
from monitoring.figures.storages import StorageFigures

TB = 10**12


def one(name, used, total=TB, *, node="pve1", plugin="dir", status="available", same_as=""):
    return StorageFigures(name, node, status, plugin, used_bytes=used, total_bytes=total, same_as=same_as)


LOCAL = one("local", TB // 2)
#: Storages of a poll, those of the poll before, and which is the same as which.
STORAGES = {
    "a directory beside local": ([LOCAL, one("backup", TB // 2)], [], {"backup": "local"}),
    "whatever the order": ([one("backup", TB // 2), LOCAL], [], {"backup": "local"}),
    "three on one": ([one("a", TB // 2), LOCAL, one("b", TB // 2)], [], {"a": "local", "b": "local"}),
    "two without local": ([one("b", TB // 2), one("a", TB // 2)], [], {"b": "a"}),
    "a share mounted twice": (
        [one("x", TB // 2, node="", plugin="nfs"), one("y", TB // 2, node="", plugin="nfs")], [], {"y": "x"}),
    "written to between two probes": (
        [LOCAL, one("backup", TB // 2 + 10**9)], [LOCAL, one("backup", TB // 2, same_as="local")], {"backup": "local"}),
    "another size": ([LOCAL, one("backup", TB // 2, TB + 1)], [], {}),
    "another use": ([LOCAL, one("backup", TB // 2 + 1)], [], {}),
    "another node": ([LOCAL, one("local", TB // 2, node="pve2")], [], {}),
    "new disks that are all but empty": ([one("a", 7 * 10**9), one("b", 7 * 10**9)], [], {}),
    "disks that are empty": ([one("a", 0), one("b", 0)], [], {}),
    "no sizes": ([one("a", None, None), one("b", None, None)], [], {}),
    "no longer alike": ([LOCAL, one("backup", TB // 4)], [LOCAL, one("backup", TB // 2, same_as="local")], {}),
    "pools, which have sizes of their own": (
        [one("a", TB // 2, plugin="lvmthin"), one("b", TB // 2, plugin="lvmthin")], [], {}),
    "one that is not there": ([LOCAL, one("backup", TB // 2, status="inactive")], [], {}),
    "a directory and its pool": ([LOCAL, one("local-zfs", TB // 2, plugin="zfspool")], [], {}),
}  # fmt: skip


@pytest.mark.parametrize(("storages", "before", "expected"), STORAGES.values(), ids=STORAGES)
def test_which_storages_are_on_one_file_system(storages, before, expected):
    marked = marked_same(storages, before)

    assert [storage.name for storage in marked] == [storage.name for storage in storages]
    assert {storage.name: storage.same_as for storage in marked if storage.same_as} == expected
