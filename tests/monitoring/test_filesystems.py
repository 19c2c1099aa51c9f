"""Used and total of a virtual machine's disks, from the file systems its agent lists (api-facts.md 3.3, 4.1)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitoring.figures.filesystems import DiskUse, summarise
from nodes.proxmox.readings.guests import FilesystemReading

ROOT = FilesystemReading("/", "ext4", "/dev/sda1", 100, 40)


def mounted(mount_point, kind="ext4", device="/dev/sdb1", total=50, used=10, disks=()):
    return FilesystemReading(mount_point, kind, device, total, used, disks)


#: What is mounted beside "/" (40 of 100): used, total, and what the list says of it (None: not listed).
BESIDE_ROOT = {
    "a second disk": (mounted("/srv"), 50, 150, ""),
    "the boot partition is a real one": (mounted("/boot", device="/dev/sda2"), 50, 150, ""),
    "a Windows volume": (mounted("D:\\", "NTFS", "\\\\?\\Volume{2}\\"), 50, 150, ""),
    "ntfs by way of fuse is local": (mounted("/mnt/w", "fuseblk"), 50, 150, ""),
    "a bind mount": (mounted("/var/lib/x", device="/dev/sda1", total=100, used=40), 40, 100, "same_device"),
    "a bind mount, read a moment later": (
        mounted("/var/lib/x", device="/dev/sda1", total=100, used=41), 40, 100, "same_device"),
    "a disk of equal size": (mounted("/srv", total=100, used=40), 80, 200, ""),
    "a snap": (mounted("/snap/core/1", "squashfs", "/dev/loop3"), 40, 100, None),
    "an image file of another kind": (mounted("/mnt/image", "ext4", "/dev/loop4"), 40, 100, "loop"),
    "a partition in an image file": (mounted("/mnt/image", "ext4", "/dev/loop4p1"), 40, 100, "loop"),
    "a disc": (mounted("/media/cdrom", "iso9660", "/dev/sr0"), 40, 100, None),
    "a disc in Windows": (mounted("E:\\", "CDFS", "\\\\?\\Volume{3}\\"), 40, 100, None),
    "a Windows installation disc": (mounted("E:\\", "UDF", "\\\\?\\Volume{3}\\"), 40, 100, None),
    "memory": (mounted("/run", "tmpfs", "tmpfs"), 40, 100, None),
    "a container's view": (mounted("/var/lib/docker/overlay2/a", "overlay", "overlay"), 40, 100, None),
    "the kernel's view": (mounted("/proc", "proc", "proc"), 40, 100, None),
    "NFS": (mounted("/mnt/nas", "nfs4", "nas:/export"), 40, 100, "network"),
    "a Windows share": (mounted("/mnt/share", "cifs", "//nas/share"), 40, 100, "network"),
    "SSH": (mounted("/mnt/ssh", "fuse.sshfs", "host:/"), 40, 100, "network"),
    "a directory of the host": (mounted("/mnt/host", "9p", "share"), 40, 100, "network"),
    "CephFS": (mounted("/mnt/ceph", "ceph", "10.0.0.1:/"), 40, 100, "network"),
    "a union of mounted disks": (mounted("/mnt/all", "fuse.mergerfs", "a:b"), 40, 100, "fuse"),
    "objects in a cloud": (mounted("/mnt/s3", "fuse.s3fs", "s3fs"), 40, 100, "network"),
    "the EFI partition": (mounted("/boot/efi", "vfat", "/dev/sda15"), 40, 100, "system"),
    "the EFI partition, spelled otherwise": (mounted("/boot/EFI/", "vfat", "/dev/sda15"), 40, 100, "system"),
    "another kind in its place": (mounted("/efi"), 50, 150, ""),
    "a disk with an odd name": (mounted("/srv", device="/dev/disk/by-id/a@b"), 50, 150, ""),
    "a FAT disk is no EFI partition": (mounted("/mnt/stick", "vfat", "/dev/sdc1"), 50, 150, ""),
    "Windows, without a letter": (mounted("System Reserved", "NTFS", "\\\\?\\Volume{1}\\"), 40, 100, "system"),
    "a read-only image": (mounted("/usr", "erofs", "/dev/vdb"), 40, 100, "read_only"),
    "a snapshot of ZFS": (mounted("/.zfs/snapshot/a", "zfs", "tank/home@a"), 40, 100, "read_only"),
    "a size that was not told": (mounted("/srv", total=None, used=None), 40, 100, "no_size"),
    "a size of nothing": (mounted("/srv", total=0, used=0), 40, 100, "no_size"),
    "use that was not told": (mounted("/srv", used=None), 40, 100, "no_size"),
    "more used than there is": (mounted("/srv", total=50, used=70), 90, 150, ""),
}  # fmt: skip


@pytest.mark.parametrize(("other", "used", "total", "reason"), BESIDE_ROOT.values(), ids=BESIDE_ROOT)
def test_what_counts_beside_the_root_file_system(other, used, total, reason):
    found = summarise([other, ROOT])

    assert (found.used_bytes, found.total_bytes) == (used, total)
    assert [one.reason for one in found.filesystems if one.mount_point != "/"] == (
        [] if reason is None else [reason]
    )


def test_only_what_is_in_the_sum_is_called_counted():
    found = summarise([ROOT, mounted("/mnt/nas", "nfs", "nas:/"), mounted("/srv")])

    assert {one.mount_point: one.counted for one in found.filesystems} == {
        "/": True,
        "/mnt/nas": False,
        "/srv": True,
    }


def test_of_a_device_mounted_twice_the_shortest_path_counts_whatever_the_order():
    deep = mounted("/var/lib/kubelet/pods/1", device="/dev/sdb1")
    short = mounted("/data", device="/dev/sdb1")

    assert [summarise(order).used_bytes for order in ([deep, short], [short, deep])] == [10, 10]
    assert [one.mount_point for one in summarise([deep, short]).filesystems if one.counted] == ["/data"]


def test_subvolumes_of_btrfs_are_one_file_system():
    found = summarise(
        [
            mounted("/", "btrfs", "/dev/sda2", 200, 80),
            mounted("/home", "btrfs", "/dev/sda2", 200, 80),
            mounted("/srv", "btrfs", "/dev/sdb", 200, 80),  # the same one, named by its second disk
            mounted("/backup", "btrfs", "/dev/sdc", 300, 10),
        ]
    )

    assert (found.used_bytes, found.total_bytes) == (90, 500)


def test_datasets_of_a_zfs_pool_share_its_free_space():
    found = summarise(
        [
            mounted("/", "zfs", "zroot/ROOT/default", total=620, used=20),
            mounted("/home", "zfs", "zroot/home", total=900, used=300),
            mounted("/limited", "zfs", "zroot/limited", total=50, used=10),  # a quota
            mounted("/tank", "zfs", "tank", total=1000, used=1),
        ]
    )

    assert (found.used_bytes, found.total_bytes) == (331, 1930)


def test_each_zfs_pool_has_its_own_free_space():
    found = summarise(
        [mounted("/", "zfs", "a/root", total=100, used=20), mounted("/b", "zfs", "b/data", 50, 10)]
    )

    assert (found.used_bytes, found.total_bytes) == (30, 150)


def test_without_a_device_equal_sizes_on_the_same_disk_are_one_file_system():
    found = summarise(
        [
            mounted("/", device="", total=100, used=40, disks=("disk-1",)),
            mounted("/bind", device="", total=100, used=40, disks=("disk-1",)),
            mounted("/other", device="", total=100, used=40, disks=("disk-2",)),
        ]
    )

    assert (found.used_bytes, found.total_bytes) == (80, 200)


CONFIGURED = {
    "it fits": (100, False),
    "the guest has more than its configuration": (99, True),
    "the configuration was not read": (None, False),
    "a configuration without sizes": (0, False),
}


@pytest.mark.parametrize(("configured", "expected"), CONFIGURED.values(), ids=CONFIGURED)
def test_a_guest_larger_than_its_disks_is_marked_and_not_clamped(configured, expected):
    found = summarise([ROOT], configured_bytes=configured)

    assert (found.exceeds_configured, found.total_bytes) == (expected, 100)


@pytest.mark.parametrize(
    "listed", [[], [mounted("/", total=None, used=None)], [mounted("/nas", "nfs", "n:/")]]
)
def test_nothing_to_count_is_unknown_and_not_zero(listed):
    found = summarise(listed)

    assert (found.used_bytes, found.total_bytes, found.usage_percent) == (None, None, None)
    assert found.reason == "not_supported"


def test_the_percentage_is_of_what_is_counted():
    assert summarise([ROOT, mounted("/mnt/nas", "nfs", "nas:/", 10_000, 9_999)]).usage_percent == 40.0


SHARES = {
    "known": (DiskUse(25, 100), 25.0),
    "nothing used": (DiskUse(0, 100), 0.0),
    "use not known": (DiskUse(None, 100), None),
    "total not known": (DiskUse(25, None), None),
    "a total of nothing": (DiskUse(0, 0), None),
}


@pytest.mark.parametrize(("use", "expected"), SHARES.values(), ids=SHARES)
def test_a_share_needs_both_parts(use, expected):
    assert use.usage_percent == expected


SIZE = st.none() | st.integers(0, 2**63 - 1)


@given(
    st.lists(
        st.builds(
            FilesystemReading,
            mount_point=st.text(max_size=8),
            kind=st.sampled_from(["ext4", "btrfs", "zfs", "nfs", "vfat", "", "fuse.x", "OVERLAY"]),
            device=st.sampled_from(["", "/dev/a", "tank/a", "tank", "/dev/loop0", "a@b"]),
            total_bytes=SIZE,
            used_bytes=SIZE,
        ),
        max_size=6,
    )
)
def test_no_list_makes_more_used_than_there_is(listed):
    found = summarise(listed)

    if found.reason:
        assert found.used_bytes is None
    else:
        assert 0 <= found.used_bytes <= found.total_bytes
