"""What is told about one guest beyond its live figures: configuration, file systems, addresses, snapshots, pressure."""

from __future__ import annotations

from typing import Annotated

import msgspec

from nodes.proxmox.properties import Tags, Vmid
from nodes.proxmox.values import Epoch, IsTrue, Name, Ratio, Size, Text, Truth, Word, text_of


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

    name: str = ""
    notes: str = ""  # several lines, untrusted
    tags: Annotated[Tags, "tags"] = ()
    os_type: Annotated[Word, "ostype"] = ""
    agent_is_enabled: bool = False  # VM only: configured, which does not say that it answers
    memory_bytes: int | None = None
    balloon_bytes: int | None = None  # lowest size; 0: no ballooning
    starts_on_boot: Annotated[Truth, "onboot"] = None  # not told: no
    is_protected: Annotated[IsTrue, "protection"] = False
    disks: tuple[GuestDiskReading, ...] = ()
    has_snapshots: bool = (
        False  # as `parent` tells, after which of them its present state came; others may be left beside that
    )
    made_epoch: int | None = (
        None  # when it was made, in epoch seconds; no container tells, and no old machine
    )


class FilesystemReading(msgspec.Struct, frozen=True, gc=False):
    """An entry of GET .../agent/get-fsinfo, as the guest told it."""

    mount_point: Annotated[str, text_of(512), "mountpoint"]
    kind: Annotated[Word, "type"] = ""  # ext4, NTFS, ...
    device: Annotated[Text, "name"] = ""
    total_bytes: Annotated[Size, "total-bytes"] = None
    used_bytes: Annotated[Size, "used-bytes"] = None
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

    name: Annotated[Name, "name"]
    taken_epoch: Annotated[Epoch, "snaptime"] = None  # epoch seconds
    description: str = ""
    parent: Annotated[Name, "parent"] = ""
    has_memory: Annotated[IsTrue, "vmstate"] = False
    state: Annotated[Word, "snapstate"] = ""  # set while it is made or removed, or when it is broken


class PressureReading(msgspec.Struct, frozen=True, gc=False):
    """Pressure stall information of PVE 9: share of the last 10 s in percent 0 to 100."""

    cpu_some: Annotated[Ratio, "pressurecpusome"] = None
    cpu_full: Annotated[Ratio, "pressurecpufull"] = None
    io_some: Annotated[Ratio, "pressureiosome"] = None
    io_full: Annotated[Ratio, "pressureiofull"] = None
    memory_some: Annotated[Ratio, "pressurememorysome"] = None
    memory_full: Annotated[Ratio, "pressurememoryfull"] = None
    measured_epoch: int | None = None  # of a node: epoch seconds of the minute before which it was measured


class GuestDetailReading(msgspec.Struct, frozen=True):
    """A row of GET /nodes/{node}/qemu?full=1 or /nodes/{node}/lxc: only what the resource list does not tell."""

    vmid: Annotated[Vmid, "vmid"]
    kind: str  # qemu, lxc
    balloon_actual_bytes: Annotated[Size, "ballooninfo", "actual"] = None  # while the guest's driver reports
    guest_free_bytes: int | None = None  # freemem or ballooninfo.free_mem
    host_memory_bytes: int | None = None  # memhost, PVE 9
    swap_used_bytes: Annotated[Size, "swap"] = None  # container
    swap_total_bytes: Annotated[Size, "maxswap"] = None
    pressure: PressureReading | None = None


class GuestSystemReading(msgspec.Struct, frozen=True, gc=False):
    """GET .../agent/get-osinfo: the operating system of a virtual machine as its agent names it."""

    name: str  # Debian GNU/Linux 12 (bookworm)
    kernel: Annotated[Text, "kernel-release"] = ""
    machine: Annotated[Word, "machine"] = ""  # x86_64
