"""The calls about one node below its guests: disks, pools, certificates, subscription, updates, history.

A PBS answers most of them alike, with `localhost` as its node. Readers raise BadAnswer only.
Source: api-facts.md sections 4.1, 7 and 11.2.
"""

from __future__ import annotations

import re

import msgspec

from nodes.addresses import normalise_fingerprint
from nodes.proxmox.client import Client
from nodes.proxmox.errors import BadAnswer
from nodes.proxmox.guests import read_pressure
from nodes.proxmox.pve import WORD_LIMIT
from nodes.proxmox.readings import (
    CertificateReading,
    DiskReading,
    NodeHistoryReading,
    PendingUpdateReading,
    PressureReading,
    SmartReading,
    SubscriptionReading,
    ThinPoolReading,
    ZfsPoolReading,
)
from nodes.proxmox.rows import Row, entries, fields_of, name, read_rows, rows_of, segment
from nodes.proxmox.values import epoch, real, size, text, whole

TEXT_LIMIT = 256
SUBJECT_LIMIT = 512
SMART_TEXT_LIMIT = 20_000
ATTRIBUTES_LIMIT = 256
OSDS_LIMIT = 64
#: An hour in minutes, and some.
HISTORY_LIMIT = 500
TEMPERATURES = range(-40, 151)

#: By the number of SATA; a PBS names those of NVMe as smartctl does.
POWER_ON_ATTRIBUTES = (9, "power_on_hours")
#: The drive's own, then that of the air flow.
TEMPERATURE_ATTRIBUTES = (194, 190, "temperature")
#: Which disks either product takes: PVE by their path, a PBS by their name.
SMART_PATH = re.compile(r"/dev/[A-Za-z0-9/]{1,64}")
SMART_NAME = re.compile(r"(?:[hs]|x?v)d[a-z]{1,32}|nvme[0-9]{1,8}n[0-9]{1,8}", re.ASCII)
LEADING_NUMBER = re.compile(r"\s*(-?\d{1,12})", re.ASCII)
TEXT_TEMPERATURE = re.compile(r"^(?:Current Drive )?Temperature:\s+(-?\d{1,4}) C", re.ASCII | re.MULTILINE)
TEXT_USED = re.compile(r"^Percentage used[^:\n]{0,40}:\s+(\d{1,3})%", re.ASCII | re.IGNORECASE | re.MULTILINE)
TEXT_HOURS = re.compile(
    r"^\s*(?:Power On Hours:|number of hours powered up =|Accumulated power on time, hours:minutes)\s*([\d,]{1,15})",
    re.ASCII | re.MULTILINE,
)


def disks(
    client: Client, node: str, *, with_smart: bool = False, timeout_seconds: float | None = None
) -> tuple[DiskReading, ...]:
    """Return the disks of a node. Needs Sys.Audit on it (PVE), on /system/disks (PBS).

    With SMART the node asks every disk, up to 10 s each, and may wake those that sleep; without, health and wear are
    not told.
    """
    path, params = f"/nodes/{segment(node)}/disks/list", None if with_smart else {"skipsmart": 1}
    return read_disks(client.get(path, params, timeout_seconds=timeout_seconds).data, with_smart=with_smart)


def smart(client: Client, node: str, disk: str, *, timeout_seconds: float | None = None) -> SmartReading:
    """Return what a disk tells of itself; `disk` is spelled as `smart_name` does.

    Needs Sys.Audit on / (PVE), on /system/disks (PBS). It takes the node up to 10 s and may wake the disk.
    """
    path = f"/nodes/{segment(node)}/disks/smart"
    return read_smart(client.get(path, {"disk": disk}, timeout_seconds=timeout_seconds).data)


def smart_name(kind: str, device: str) -> str:
    """Return how a product (pve, pbs) wants a disk to be called when SMART is asked; "" for one that it does not take."""
    if kind == "pve":
        return device if SMART_PATH.fullmatch(device) else ""
    name_of_disk = device.removeprefix("/dev/")
    return name_of_disk if SMART_NAME.fullmatch(name_of_disk) else ""


def zfs_pools(
    client: Client, node: str, *, timeout_seconds: float | None = None
) -> tuple[ZfsPoolReading, ...]:
    """Return the ZFS pools of a node. Needs Sys.Audit on /. Raises NoZfs where it is not installed."""
    path = f"/nodes/{segment(node)}/disks/zfs"
    return read_zfs_pools(client.get(path, timeout_seconds=timeout_seconds).data)


def thin_pools(
    client: Client, node: str, *, timeout_seconds: float | None = None
) -> tuple[ThinPoolReading, ...]:
    """Return the LVM thin pools of a node. Needs Sys.Audit on /."""
    path = f"/nodes/{segment(node)}/disks/lvmthin"
    return read_thin_pools(client.get(path, timeout_seconds=timeout_seconds).data)


def certificates(
    client: Client, node: str, *, timeout_seconds: float | None = None
) -> tuple[CertificateReading, ...]:
    """Return the certificates of a node; any user may ask (PVE). On PBS it needs Sys.Modify."""
    path = f"/nodes/{segment(node)}/certificates/info"
    return read_certificates(client.get(path, timeout_seconds=timeout_seconds).data)


def subscription(client: Client, node: str, *, timeout_seconds: float | None = None) -> SubscriptionReading:
    """Return the subscription of a node; any user may ask."""
    path = f"/nodes/{segment(node)}/subscription"
    return read_subscription(client.get(path, timeout_seconds=timeout_seconds).data)


def pending_updates(
    client: Client, node: str, *, timeout_seconds: float | None = None
) -> tuple[PendingUpdateReading, ...]:
    """Return the packages that can be updated. Needs Sys.Modify on a PVE node, which no monitor should have; PBS
    wants Sys.Audit.
    """
    path = f"/nodes/{segment(node)}/apt/update"
    return read_pending_updates(client.get(path, timeout_seconds=timeout_seconds).data)


def node_history_newest(
    client: Client, node: str, *, timeout_seconds: float | None = None
) -> NodeHistoryReading:
    """Return the newest pressure and ZFS cache of a node, nothing before PVE 9.

    Needs Sys.Audit on the node; every node can answer.
    """
    path, params = f"/nodes/{segment(node)}/rrddata", {"timeframe": "hour", "cf": "AVERAGE"}
    return read_node_history_newest(client.get(path, params, timeout_seconds=timeout_seconds).data)


def read_disks(data: object, *, with_smart: bool) -> tuple[DiskReading, ...]:
    """Return the reading of GET /nodes/{node}/disks/list, by device.

    `with_smart` says whether SMART was asked: when not, the answer says UNKNOWN of every disk, which is no news.
    """
    readings = read_rows(data, "the disks", lambda row: _disk(row, with_smart=with_smart))
    return tuple(sorted(readings, key=lambda disk: disk.device))


def _disk(row: Row, *, with_smart: bool) -> DiskReading | None:
    device = text(row.get("devpath"), TEXT_LIMIT)
    if not device:
        return None
    kind = text(row.get("type"), WORD_LIMIT) or text(row.get("disk-type"), WORD_LIMIT)
    health = text(row.get("health"), WORD_LIMIT) or text(row.get("status"), WORD_LIMIT)
    return DiskReading(
        device=device,
        model=text(row.get("model"), TEXT_LIMIT),
        serial=text(row.get("serial"), TEXT_LIMIT),
        vendor=text(row.get("vendor"), TEXT_LIMIT),
        wwn=text(row.get("wwn"), TEXT_LIMIT),
        kind=kind.lower(),
        size_bytes=size(row.get("size")),
        used_for=text(row.get("used"), WORD_LIMIT),
        health=health if with_smart else "",
        life_left_percent=_percent(row.get("wearout")) if with_smart else None,
        osd_ids=_osds(row.get("osdid-list"), row.get("osdid")),
    )


def _percent(value: object) -> int | None:
    """Return a share of 0 to 100, None for "N/A" and what is out of range."""
    number = real(value)
    return round(number) if number is not None and 0 <= number <= 100 else None


def _osds(listed: object, single: object) -> tuple[int, ...]:
    """Return the OSDs on a disk; -1 stands for none, and releases before PVE 8 tell one only."""
    told = listed[:OSDS_LIMIT] if isinstance(listed, list) else [single]
    return tuple(sorted({number for entry in told if (number := size(entry)) is not None}))


def read_smart(data: object) -> SmartReading:
    """Return the reading of GET /nodes/{node}/disks/smart.

    A SATA disk has attributes whose raw values begin with the figure. NVMe and SAS disks are told in the words of
    smartctl, by a PBS in attributes that have a name alone.
    """
    row = fields_of(data, "a disk")
    told = row.get("text")
    words = told[:SMART_TEXT_LIMIT] if isinstance(told, str) else ""
    raw = _raw_values(row)
    temperatures = [_figure(raw.get(key, "")) for key in TEMPERATURE_ATTRIBUTES]
    found = TEXT_TEMPERATURE.search(words)
    temperatures.append(whole(found[1]) if found else None)
    used, hours = TEXT_USED.search(words), TEXT_HOURS.search(words)
    life_left = _percent(row.get("wearout"))
    if life_left is None and used:
        life_left = max(0, 100 - int(used[1]))
    return SmartReading(
        health=text(row.get("health"), WORD_LIMIT) or text(row.get("status"), WORD_LIMIT),
        temperature_celsius=next((one for one in temperatures if one in TEMPERATURES), None),
        life_left_percent=life_left,
        power_on_hours=size(hours[1].replace(",", "")) if hours else _power_on_hours(raw),
    )


def _raw_values(row: Row) -> dict[int | str, str]:
    """Return the raw values of the attributes, by number, of those without one by name."""
    raw: dict[int | str, str] = {}
    for attribute in entries(row.get("attributes"), ATTRIBUTES_LIMIT):
        number = size(attribute.get("id"))
        key = text(attribute.get("name"), 64) if number is None else number
        raw.setdefault(key, text(attribute.get("raw"), 64))
    return raw


def _power_on_hours(raw: dict[int | str, str]) -> int | None:
    figures = (size(_figure(raw.get(key, ""))) for key in POWER_ON_ATTRIBUTES)
    return next((figure for figure in figures if figure is not None), None)


def _figure(raw: str) -> int | None:
    """Return the number that a raw value begins with: "32 (Min/Max 22/46)", "1309h+05m"."""
    found = LEADING_NUMBER.match(raw)
    return int(found[1]) if found else None


def read_zfs_pools(data: object) -> tuple[ZfsPoolReading, ...]:
    """Return the reading of GET /nodes/{node}/disks/zfs, by name."""
    readings = read_rows(data, "the ZFS pools", _zfs_pool)
    return tuple(sorted(readings, key=lambda pool: pool.name))


def _zfs_pool(row: Row) -> ZfsPoolReading | None:
    pool = name(row.get("name"))
    if not pool:
        return None
    return ZfsPoolReading(
        name=pool,
        health=text(row.get("health"), WORD_LIMIT),
        size_bytes=size(row.get("size")),
        allocated_bytes=size(row.get("alloc")),
        free_bytes=size(row.get("free")),
        fragmentation_percent=_percent(row.get("frag")),
    )


def read_thin_pools(data: object) -> tuple[ThinPoolReading, ...]:
    """Return the reading of GET /nodes/{node}/disks/lvmthin, by volume group and name."""
    readings = read_rows(data, "the thin pools", _thin_pool)
    return tuple(sorted(readings, key=lambda pool: (pool.volume_group, pool.name)))


def _thin_pool(row: Row) -> ThinPoolReading | None:
    pool = name(row.get("lv"))
    if not pool:
        return None
    return ThinPoolReading(
        name=pool,
        volume_group=name(row.get("vg")),
        size_bytes=size(row.get("lv_size")),
        used_bytes=size(row.get("used")),
        metadata_size_bytes=size(row.get("metadata_size")),
        metadata_used_bytes=size(row.get("metadata_used")),
    )


def read_certificates(data: object) -> tuple[CertificateReading, ...]:
    """Return the reading of GET /nodes/{node}/certificates/info, by file name."""
    readings = read_rows(data, "the certificates", _certificate)
    return tuple(sorted(readings, key=lambda one: one.filename))


def _certificate(row: Row) -> CertificateReading | None:
    filename = name(row.get("filename"))
    if not filename:
        return None
    try:
        fingerprint = normalise_fingerprint(text(row.get("fingerprint")))
    except ValueError:
        fingerprint = ""
    return CertificateReading(
        filename=filename,
        subject=text(row.get("subject"), SUBJECT_LIMIT),
        issuer=text(row.get("issuer"), SUBJECT_LIMIT),
        fingerprint=fingerprint,
        expires_at=epoch(row.get("notafter")),
    )


def read_subscription(data: object) -> SubscriptionReading:
    """Return the reading of GET /nodes/{node}/subscription; its key stays out of it."""
    row = fields_of(data, "the subscription")
    status = text(row.get("status"), WORD_LIMIT)
    if not status:
        raise BadAnswer("The answer about the subscription tells no status")
    return SubscriptionReading(
        status=status.lower(),
        level=text(row.get("level"), WORD_LIMIT),
        product=text(row.get("productname"), TEXT_LIMIT),
        next_due=text(row.get("nextduedate"), WORD_LIMIT),
    )


def read_pending_updates(data: object) -> tuple[PendingUpdateReading, ...]:
    """Return the reading of GET /nodes/{node}/apt/update, by package."""
    readings = read_rows(data, "the pending updates", _update)
    return tuple(sorted(readings, key=lambda update: update.package))


def _update(row: Row) -> PendingUpdateReading | None:
    package = name(row.get("Package"))
    if not package:
        return None
    return PendingUpdateReading(
        package=package,
        version=name(row.get("Version")),
        old_version=name(row.get("OldVersion")),
        origin=name(row.get("Origin")),
    )


def read_node_history_newest(data: object) -> NodeHistoryReading:
    """Return the newest figures of GET /nodes/{node}/rrddata: of each the newest row that has it.

    The last rows may be empty as yet. Of the six pressures a node has five: the kernel knows no `cpufull` for a whole machine.
    """
    rows = entries(rows_of(data, "a node's history"), HISTORY_LIMIT)
    dated = [(at, row) for row in rows if (at := epoch(row.get("time"))) is not None]
    dated.sort(key=lambda entry: entry[0], reverse=True)
    caches = (size(row.get("arcsize")) for _, row in dated)
    return NodeHistoryReading(
        pressure=next((found for at, row in dated if (found := _pressure(row, at)) is not None), None),
        arc_bytes=next((found for found in caches if found is not None), None),
    )


def _pressure(row: Row, measured_at: int) -> PressureReading | None:
    pressure = read_pressure(row)
    return None if pressure is None else msgspec.structs.replace(pressure, measured_at=measured_at)
