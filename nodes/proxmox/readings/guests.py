"""What is told about one guest beyond its live figures: configuration, file systems, addresses, snapshots, pressure."""

from __future__ import annotations

import msgspec


class GuestDiskReading(msgspec.Struct, frozen=True, gc=False):
    """A disk or mount point in a guest's configuration; drives for media are not among them."""

    key: str  # scsi0, rootfs, mp0, efidisk0, unused0
    volume: str  # local-lvm:vm-100-disk-0
    storage: str = ""
    size_bytes: int | None = None
    mount_point: str = ""  # of a container, "/" for its root
    is_backed_up: bool = True  # as backup= says; a container's mount points are not, unless it says so


class GuestConfigReading(msgspec.Struct, frozen=True):
    """GET /nodes/{node}/{qemu|lxc}/{vmid}/config."""

    digest: str = ""
    name: str = ""
    notes: str = ""  # several lines, untrusted
    tags: tuple[str, ...] = ()
    os_type: str = ""
    agent_is_enabled: bool = False  # VM only: configured, which does not say that it answers
    memory_bytes: int | None = None
    balloon_bytes: int | None = None  # lowest size; 0: no ballooning
    starts_on_boot: bool = False
    is_protected: bool = False
    disks: tuple[GuestDiskReading, ...] = ()


class FilesystemReading(msgspec.Struct, frozen=True, gc=False):
    """An entry of GET .../agent/get-fsinfo, as the guest told it."""

    mount_point: str
    kind: str = ""  # ext4, NTFS, ...
    device: str = ""
    total_bytes: int | None = None
    used_bytes: int | None = None
    disks: tuple[
        str, ...
    ] = ()  # what tells the disks below it apart: serials, else bus addresses, else devices


class AddressReading(msgspec.Struct, frozen=True, gc=False):
    """One address of a guest's interface; from the agent, or GET .../lxc/{vmid}/interfaces."""

    interface: str
    address: str
    prefix: int | None = None
    hardware_address: str = ""


class GuestSnapshotReading(msgspec.Struct, frozen=True, gc=False):
    """A row of GET .../snapshot; the pseudo entry `current` is not among them."""

    name: str
    taken_at: int | None = None  # epoch seconds
    description: str = ""
    parent: str = ""
    has_memory: bool = False
    state: str = ""  # set while it is made or removed, or when it is broken


class PressureReading(msgspec.Struct, frozen=True, gc=False):
    """Pressure stall information of PVE 9: share of the last 10 s in percent 0 to 100."""

    cpu_some: float | None = None
    cpu_full: float | None = None
    io_some: float | None = None
    io_full: float | None = None
    memory_some: float | None = None
    memory_full: float | None = None
    measured_at: int | None = None  # of a node: epoch seconds of the minute before which it was measured


class GuestDetailReading(msgspec.Struct, frozen=True):
    """A row of GET /nodes/{node}/qemu?full=1 or /nodes/{node}/lxc: only what the resource list does not tell."""

    vmid: int
    kind: str  # qemu, lxc
    balloon_actual_bytes: int | None = None  # ballooninfo.actual; only while the guest's driver reports
    guest_total_bytes: int | None = None  # ballooninfo.total_mem: what the guest's kernel sees
    guest_free_bytes: int | None = None  # freemem or ballooninfo.free_mem
    host_memory_bytes: int | None = None  # memhost, PVE 9
    swap_used_bytes: int | None = None  # container
    swap_total_bytes: int | None = None
    pressure: PressureReading | None = None
