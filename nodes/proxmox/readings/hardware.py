"""Disks, pools, certificates, subscription, pending updates and recent history of one node; PBS answers most of them alike."""

from __future__ import annotations

import msgspec

from nodes.proxmox.readings.guests import PressureReading


class DiskReading(msgspec.Struct, frozen=True):
    """A row of GET /nodes/{node}/disks/list."""

    device: str  # /dev/sda
    model: str = ""
    serial: str = ""
    vendor: str = ""
    wwn: str = ""
    kind: str = ""  # hdd, ssd, nvme, usb, unknown
    size_bytes: int | None = None
    used_for: str = ""
    health: str = ""  # PASSED, OK, FAILED!, UNKNOWN, ...; empty when SMART was not asked
    life_left_percent: int | None = None  # `wearout`; None: not told
    osd_ids: tuple[int, ...] = ()


class SmartReading(msgspec.Struct, frozen=True):
    """GET /nodes/{node}/disks/smart."""

    health: str = ""
    temperature_celsius: int | None = None
    life_left_percent: int | None = None
    power_on_hours: int | None = None


class ZfsPoolReading(msgspec.Struct, frozen=True, gc=False):
    """A row of GET /nodes/{node}/disks/zfs."""

    name: str
    health: str = ""  # ONLINE, DEGRADED, FAULTED, ...
    size_bytes: int | None = None
    allocated_bytes: int | None = None
    free_bytes: int | None = None
    fragmentation_percent: int | None = None


class ThinPoolReading(msgspec.Struct, frozen=True, gc=False):
    """A row of GET /nodes/{node}/disks/lvmthin: full metadata stops a pool and is visible only here."""

    name: str
    volume_group: str = ""
    size_bytes: int | None = None
    used_bytes: int | None = None
    metadata_size_bytes: int | None = None
    metadata_used_bytes: int | None = None


class CertificateReading(msgspec.Struct, frozen=True, gc=False):
    """A row of GET /nodes/{node}/certificates/info."""

    filename: str
    subject: str = ""
    issuer: str = ""
    fingerprint: str = ""  # SHA-256, hex, lower case, without colons
    expires_at: int | None = None  # epoch seconds


class SubscriptionReading(msgspec.Struct, frozen=True, gc=False):
    """GET /nodes/{node}/subscription, without its key."""

    status: str  # active, notfound, invalid, expired, new, suspended
    level: str = ""
    product: str = ""
    next_due: str = ""  # date as told


class PendingUpdateReading(msgspec.Struct, frozen=True, gc=False):
    """A row of GET /nodes/{node}/apt/update."""

    package: str
    version: str = ""
    old_version: str = ""
    origin: str = ""


class NodeHistoryReading(msgspec.Struct, frozen=True):
    """What GET /nodes/{node}/rrddata alone tells, each of the newest row that has it; from PVE 9.0."""

    pressure: PressureReading | None = None
    arc_bytes: int | None = None  # `arcsize`, the cache of ZFS; 0 where ZFS is not used
