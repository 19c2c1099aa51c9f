"""Disks, pools, certificates, subscription, pending updates and recent history of one node; PBS answers most of them alike."""

from __future__ import annotations

import re
from typing import Annotated

import msgspec

from nodes.proxmox.readings.guests import PressureReading
from nodes.proxmox.values import Epoch, Fingerprint, Name, Size, Text, Word, text_of

DATA_ERRORS = re.compile(r"[1-9]\d* data errors?\b", re.ASCII)


class DiskReading(msgspec.Struct, frozen=True):
    """A row of GET /nodes/{node}/disks/list."""

    device: Annotated[Text, "devpath"]  # /dev/sda
    model: Annotated[Text, "model"] = ""
    serial: Annotated[Text, "serial"] = ""
    vendor: Annotated[Text, "vendor"] = ""
    wwn: Annotated[Text, "wwn"] = ""
    kind: str = ""  # hdd, ssd, nvme, usb, unknown
    size_bytes: Annotated[Size, "size"] = None
    used_for: Annotated[Word, "used"] = ""
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

    name: Annotated[Name, "name"]
    health: Annotated[Word, "health"] = ""  # ONLINE, DEGRADED, FAULTED, ...
    size_bytes: Annotated[Size, "size"] = None
    allocated_bytes: Annotated[Size, "alloc"] = None
    free_bytes: Annotated[Size, "free"] = None
    fragmentation_percent: int | None = None


class ZfsDeviceReading(msgspec.Struct, frozen=True, gc=False):
    """A disk, a partition or a file of a ZFS pool: a leaf of its tree. Errors are counted since somebody last cleared them."""

    name: Annotated[Name, "name"]
    state: Annotated[Word, "state"] = (
        ""  # ONLINE, DEGRADED, FAULTED, OFFLINE, REMOVED, UNAVAIL; a spare: AVAIL, INUSE
    )
    read_errors: Annotated[Size, "read"] = None
    write_errors: Annotated[Size, "write"] = None
    checksum_errors: Annotated[Size, "cksum"] = None
    message: Annotated[Text, "msg"] = ""

    @property
    def is_bad(self) -> bool:
        """Whether the pool cannot use it as it should."""
        return self.state not in ("", "ONLINE", "AVAIL", "INUSE")

    @property
    def has_errors(self) -> bool:
        """Whether it failed at something that is not cleared."""
        return bool(self.read_errors or self.write_errors or self.checksum_errors)


class ZfsPoolDetailReading(msgspec.Struct, frozen=True):
    """GET /nodes/{node}/disks/zfs/{name}: what `zpool status` says of a pool, in its words."""

    state: Annotated[Word, "state"]
    status: Annotated[str, text_of(500), "status"] = ""  # empty while nothing is to be said
    action: Annotated[str, text_of(500), "action"] = ""
    scan: Annotated[str, text_of(500), "scan"] = ""  # the last scrub, or what runs now
    errors: Annotated[str, text_of(500), "errors"] = ""  # "No known data errors"
    devices: tuple[ZfsDeviceReading, ...] = ()

    @property
    def has_data_errors(self) -> bool:
        """Whether data are lost, by ZFS's own words; a list that nobody may see says nothing."""
        return self.errors.startswith("Permanent errors") or DATA_ERRORS.match(self.errors) is not None

    @property
    def is_troubled(self) -> bool:
        """Whether anything in it is not as it should be."""
        return self.has_data_errors or any(one.is_bad or one.has_errors for one in self.devices)


class ThinPoolReading(msgspec.Struct, frozen=True, gc=False):
    """A row of GET /nodes/{node}/disks/lvmthin: full metadata stops a pool and is visible only here."""

    name: Annotated[Name, "lv"]
    volume_group: Annotated[Name, "vg"] = ""
    size_bytes: Annotated[Size, "lv_size"] = None
    used_bytes: Annotated[Size, "used"] = None
    metadata_size_bytes: Annotated[Size, "metadata_size"] = None
    metadata_used_bytes: Annotated[Size, "metadata_used"] = None


class CertificateReading(msgspec.Struct, frozen=True, gc=False):
    """A row of GET /nodes/{node}/certificates/info."""

    filename: Annotated[Name, "filename"]
    subject: Annotated[str, text_of(512), "subject"] = ""
    issuer: Annotated[str, text_of(512), "issuer"] = ""
    fingerprint: Annotated[Fingerprint, "fingerprint"] = ""  # SHA-256, hex, lower case, without colons
    expires_epoch: Annotated[Epoch, "notafter"] = None  # epoch seconds


class CertificateTextReading(msgspec.Struct, frozen=True, gc=False):
    """The same row of GET /nodes/{node}/certificates/info: the certificate itself."""

    filename: Annotated[Name, "filename"]
    pem: str


class SubscriptionReading(msgspec.Struct, frozen=True, gc=False):
    """GET /nodes/{node}/subscription, without its key."""

    status: str  # active, notfound, invalid, expired, new, suspended
    level: Annotated[Word, "level"] = ""
    product: Annotated[Text, "productname"] = ""
    next_due: Annotated[Word, "nextduedate"] = ""  # date as told


class PendingUpdateReading(msgspec.Struct, frozen=True, gc=False):
    """A row of GET /nodes/{node}/apt/update."""

    package: Annotated[Name, "Package"]
    version: Annotated[Name, "Version"] = ""
    old_version: Annotated[Name, "OldVersion"] = ""
    origin: Annotated[Name, "Origin"] = ""


class NodeHistoryReading(msgspec.Struct, frozen=True):
    """What GET /nodes/{node}/rrddata alone tells, each of the newest row that has it; pressure and cache from PVE 9.0."""

    pressure: PressureReading | None = None
    arc_bytes: int | None = None  # `arcsize`, the cache of ZFS; 0 where ZFS is not used
    network_in_bytes_per_second: float | None = None  # `netin`, of the physical interfaces
    network_out_bytes_per_second: float | None = None
