"""How full the disks of a virtual machine are, from the file systems that its guest agent lists; pure.

Proxmox itself does not know: `disk` of a VM is always 0. The agent lists everything that is mounted, so what would be
counted twice, and what is not on the guest's disks, is kept apart.
Source: api-facts.md 3.3 and 4.1, GET /nodes/{node}/qemu/{vmid}/agent/get-fsinfo.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Literal

import msgspec

from nodes.proxmox.readings.guests import FilesystemReading

#: Why a listed file system is not in the sum.
SkipReason = Literal["", "network", "fuse", "system", "read_only", "same_device", "loop", "no_size"]

#: Media, memory and views of the kernel: never a disk of the guest, so not even listed.
HIDDEN_KINDS = frozenset({
    "squashfs", "iso9660", "udf", "cdfs", "tmpfs", "ramfs", "devtmpfs", "rootfs", "overlay",
    "overlayfs", "aufs", "unionfs", "proc", "sysfs", "cgroup", "cgroup2", "autofs", "debugfs",
    "tracefs", "securityfs", "pstore", "bpf", "mqueue", "hugetlbfs", "configfs", "fusectl",
    "devpts", "binfmt_misc", "efivarfs", "nsfs", "rpc_pipefs", "selinuxfs", "fdescfs", "devfs",
    "linprocfs", "linsysfs", "procfs", "nullfs", "fuse.lxcfs", "fuse.snapfuse", "fuse.squashfuse",
    "fuse.gvfsd-fuse", "fuse.portal",
})  # fmt: skip
#: On another machine, or on the host; by way of FUSE the same words come after `fuse.`.
NETWORK_KINDS = frozenset({
    "nfs", "nfs3", "nfs4", "cifs", "smb", "smbfs", "smb2", "smb3", "ncpfs", "ncp", "afs", "ceph",
    "lustre", "glusterfs", "beegfs", "gpfs", "9p", "virtiofs", "vboxsf", "prl_fs", "vmhgfs-fuse",
    "davfs", "davfs2", "curlftpfs", "sshfs", "rclone", "s3fs", "goofys", "juicefs",
})  # fmt: skip
READ_ONLY_KINDS = frozenset({"erofs", "cramfs", "romfs"})
FAT_KINDS = frozenset({"vfat", "fat", "fat16", "fat32", "msdos", "msdosfs"})
#: Where the boot loader's partition is mounted; Windows shows it without a letter, see SYSTEM_MOUNT.
EFI_MOUNTS = frozenset({"/boot/efi", "/efi", "/boot/firmware", "/esp"})
#: What the agent calls every Windows volume without a drive letter: boot loader, recovery.
SYSTEM_MOUNT = "system reserved"
LOOP_DEVICE = re.compile(r"(?:/dev/)?loop[0-9]+(?:p[0-9]+)?")
#: FreeBSD names the ZFS dataset, newer agents on Linux as well.
ZFS_KIND = "zfs"


class Filesystem(msgspec.Struct, frozen=True, gc=False):
    """One mounted file system as it is shown; `reason` says why it is not counted."""

    mount_point: str
    kind: str
    device: str
    total_bytes: int | None
    used_bytes: int | None
    counted: bool
    reason: SkipReason = ""


class DiskUse(msgspec.Struct, frozen=True):
    """The sum over the counted file systems, None with a `reason` when it is not known.

    `exceeds_configured` marks a guest with more file systems than its configured disks can hold: it has disks that
    Proxmox does not know, such as a passed-through one or iSCSI. The figures stay as the guest told them.
    """

    used_bytes: int | None = None
    total_bytes: int | None = None
    reason: Literal["", "not_supported"] = ""
    filesystems: tuple[Filesystem, ...] = ()
    exceeds_configured: bool = False

    @property
    def usage_percent(self) -> float | None:
        """Used of total in percent; None when it is not known."""
        if self.used_bytes is None or not self.total_bytes:
            return None
        return self.used_bytes / self.total_bytes * 100


def summarise(filesystems: Iterable[FilesystemReading], *, configured_bytes: int | None = None) -> DiskUse:
    """Return the sum and the list, in the order of the mount points.

    `configured_bytes` is the size of the guest's disks in its configuration, None when it was not read.
    """
    shown: list[Filesystem] = []
    seen: set[tuple[object, ...]] = set()
    used = total = 0
    pools: dict[str, tuple[int, int]] = {}
    # The shortest path first: of a device that is mounted several times, "/" is the one that counts.
    for reading in sorted(filesystems, key=lambda reading: (len(reading.mount_point), reading.mount_point)):
        kind = reading.kind.lower()
        if kind in HIDDEN_KINDS:
            continue
        reason = skip_reason(reading, kind)
        if not reason:
            keys = identities(reading, kind)
            reason = "same_device" if seen.intersection(keys) else ""
            seen.update(keys)
        shown.append(
            Filesystem(
                reading.mount_point,
                reading.kind,
                reading.device,
                reading.total_bytes,
                reading.used_bytes,
                not reason,
                reason,
            )
        )
        if reason or reading.total_bytes is None or reading.used_bytes is None:
            continue
        own_used = min(reading.used_bytes, reading.total_bytes)
        if kind == ZFS_KIND:
            pool = reading.device.partition("/")[0]
            pool_used, pool_free = pools.get(pool, (0, 0))
            pools[pool] = (pool_used + own_used, max(pool_free, reading.total_bytes - own_used))
        else:
            used += own_used
            total += reading.total_bytes
    # Each dataset shows the free space of the whole pool as its own.
    for pool_used, pool_free in pools.values():
        used += pool_used
        total += pool_used + pool_free
    shown.sort(key=lambda filesystem: filesystem.mount_point)
    if not any(filesystem.counted for filesystem in shown):
        return DiskUse(reason="not_supported", filesystems=tuple(shown))
    return DiskUse(
        used_bytes=used,
        total_bytes=total,
        filesystems=tuple(shown),
        exceeds_configured=configured_bytes is not None and 0 < configured_bytes < total,
    )


def skip_reason(reading: FilesystemReading, kind: str) -> SkipReason:
    """Return why a file system is not counted, apart from being mounted twice; "" when it is."""
    if kind.removeprefix("fuse.") in NETWORK_KINDS:
        return "network"
    if kind.startswith("fuse."):
        return "fuse"  # mostly a second view of what is mounted anyway; `fuseblk` is a disk
    mount = reading.mount_point.rstrip("/").lower()
    if mount == SYSTEM_MOUNT or (kind in FAT_KINDS and mount in EFI_MOUNTS):
        return "system"
    if kind in READ_ONLY_KINDS or (kind == ZFS_KIND and "@" in reading.device):
        return "read_only"
    if LOOP_DEVICE.fullmatch(reading.device):
        return "loop"  # a file of another file system, where it is counted
    if not reading.total_bytes or reading.used_bytes is None:
        return "no_size"
    return ""


def identities(reading: FilesystemReading, kind: str) -> tuple[tuple[object, ...], ...]:
    """Return by what the same file system is recognised when it is mounted again.

    Bind mounts and btrfs subvolumes have the device in common. A btrfs over several disks may be listed by another
    of them, and old agents tell no device: sizes that agree to the byte stand in for it.
    """
    sizes = (kind, reading.total_bytes, reading.used_bytes, reading.disks)
    if not reading.device:
        return (("sizes", *sizes),)
    if kind == "btrfs":
        return (("device", reading.device), ("btrfs", reading.total_bytes, reading.used_bytes))
    return (("device", reading.device),)
