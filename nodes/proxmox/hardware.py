"""The calls about one node below its guests: disks, pools, certificates, subscription, updates, history.

A PBS answers most of them alike, with `localhost` as its node. Readers raise BadAnswer only.
Source: api-facts.md sections 4.1, 7 and 11.2.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

import msgspec

from nodes.proxmox.calls import Call, unread
from nodes.proxmox.client import Client
from nodes.proxmox.guests import read_pressure
from nodes.proxmox.readings.guests import PressureReading
from nodes.proxmox.readings.hardware import (
    CertificateReading,
    CertificateTextReading,
    DiskReading,
    NodeHistoryReading,
    PendingUpdateReading,
    SmartReading,
    SubscriptionReading,
    ThinPoolReading,
    ZfsDeviceReading,
    ZfsPoolDetailReading,
    ZfsPoolReading,
)
from nodes.proxmox.rows import Row, Rows, Thing, entries, fields_of, first, row_of, rows_of
from nodes.proxmox.values import epoch, real, size, text, whole, word

SUBJECT_LIMIT = 512
SMART_TEXT_LIMIT = 20_000
ATTRIBUTES_LIMIT = 256
OSDS_LIMIT = 64
#: An hour in minutes, and some.
HISTORY_LIMIT = 500
#: Sections, groups and devices of one pool.
VDEVS_LIMIT = 2_000
TEMPERATURES = range(-40, 151)

PEM = re.compile(r"-----BEGIN CERTIFICATE-----\n[A-Za-z0-9+/=\n]+-----END CERTIFICATE-----\n?")
PEM_LIMIT = 32_768

#: By the number of SATA; a PBS names those of NVMe as smartctl does.
POWER_ON_ATTRIBUTES = (9, "power_on_hours")
#: The drive's own, then that of the air flow.
TEMPERATURE_ATTRIBUTES = (194, 190, "temperature")
#: An NVMe of a PBS has it; beyond 100 % its `wearout` is empty.
USED_ATTRIBUTE = "percentage_used"
#: Which disks either product takes: PVE by their path, a PBS by their name.
SMART_PATH = re.compile(r"/dev/[A-Za-z0-9/]{1,64}")
SMART_NAME = re.compile(r"(?:[hs]|x?v)d[a-z]{1,32}|nvme[0-9]{1,8}n[0-9]{1,8}", re.ASCII)
#: An NVMe counts its use up to 255 % and stays there.
LIFE_LEAST = 100 - 255
LEADING_NUMBER = re.compile(r"\s*(-?\d{1,12})", re.ASCII)
TEXT_TEMPERATURE = re.compile(r"^(?:Current Drive )?Temperature:\s+(-?\d{1,4}) C", re.ASCII | re.MULTILINE)
TEXT_USED = re.compile(r"^Percentage used[^:\n]{0,40}:\s+(\d{1,3})%", re.ASCII | re.IGNORECASE | re.MULTILINE)
TEXT_HOURS = re.compile(
    r"^\s*(?:Power On Hours:|number of hours powered up =|Accumulated power on time, hours:minutes)\s*([\d,]{1,15})",
    re.ASCII | re.MULTILINE,
)


def smart_name(kind: str, device: str) -> str:
    """Return how a product (pve, pbs) wants a disk to be called when SMART is asked; "" for one that it does not take."""
    if kind == "pve":
        return device if SMART_PATH.fullmatch(device) else ""
    name_of_disk = device.removeprefix("/dev/")
    return name_of_disk if SMART_NAME.fullmatch(name_of_disk) else ""


def read_disks(data: object, *, with_smart: bool) -> tuple[DiskReading, ...]:
    """Return the reading of GET /nodes/{node}/disks/list, by device.

    `with_smart` says whether SMART was asked: when not, the answer says UNKNOWN of every disk, which is no news.
    """
    readings = _disks(data)
    if with_smart:
        return readings
    return tuple(msgspec.structs.replace(disk, health="", life_left_percent=None) for disk in readings)


def _percent(value: object) -> int | None:
    """Return a share of 0 to 100, None for what is out of range."""
    number = real(value)
    return round(number) if number is not None and 0 <= number <= 100 else None


def _life_left(value: object) -> int | None:
    """Return what is left of a life, in percent: 0 for one that is over by more than all of it, None for "N/A".

    PVE takes 100 less what is used, which goes below 0. More than 100 is the count of a maker whose scale is not told.
    """
    number = real(value)
    return max(0, round(number)) if number is not None and LIFE_LEAST <= number <= 100 else None


def _osds(row: Row) -> tuple[int, ...]:
    """Return the OSDs on a disk; -1 stands for none, and releases before PVE 8 tell one only."""
    listed = row.get("osdid-list")
    numbers = listed[:OSDS_LIMIT] if isinstance(listed, list) else [row.get("osdid")]
    return tuple(sorted({number for entry in numbers if (number := size(entry)) is not None}))


_disks = Rows(
    "the disks",
    row_of(
        DiskReading,
        kind=lambda row: str(first(word, "type", "disk-type")(row)).lower(),
        health=first(word, "health", "status"),
        life_left_percent=(_life_left, "wearout"),
        osd_ids=_osds,
    ),
    by=("device",),
)


def read_smart(data: object) -> SmartReading:
    """Return the reading of GET /nodes/{node}/disks/smart.

    A SATA disk has attributes whose raw values begin with the figure. NVMe and SAS disks are told in the words of
    smartctl, by a PBS in attributes that have a name alone.
    """
    row = fields_of(data, "a disk")
    output = row.get("text")
    words = output[:SMART_TEXT_LIMIT] if isinstance(output, str) else ""
    raw = _raw_values(row)
    temperatures = [_figure(raw.get(key, "")) for key in TEMPERATURE_ATTRIBUTES]
    match = TEXT_TEMPERATURE.search(words)
    temperatures.append(whole(match[1]) if match else None)
    used, hours = TEXT_USED.search(words), TEXT_HOURS.search(words)
    life_used = int(used[1]) if used else _figure(raw.get(USED_ATTRIBUTE, ""))
    life_left = _life_left(row.get("wearout"))
    if life_left is None and life_used is not None:
        life_left = _life_left(100 - life_used)
    return SmartReading(
        health=word(row.get("health")) or word(row.get("status")),
        temperature_celsius=next((celsius for celsius in temperatures if celsius in TEMPERATURES), None),
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
    match = LEADING_NUMBER.match(raw)
    return int(match[1]) if match else None


read_zfs_pools = Rows(
    "the ZFS pools", row_of(ZfsPoolReading, fragmentation_percent=(_percent, "frag")), by=("name",)
)
_zfs_device = row_of(ZfsDeviceReading)


def _zfs_devices(children: object) -> tuple[ZfsDeviceReading, ...]:
    """Return the leaves of a pool's tree in its order; a section, such as `spares`, and a group have their own below them."""
    found: list[ZfsDeviceReading] = []
    stack = list(reversed(entries(children, VDEVS_LIMIT)))
    left = VDEVS_LIMIT
    while stack and left:
        left -= 1
        row = stack.pop()
        if below := entries(row.get("children"), VDEVS_LIMIT):
            stack += reversed(below)
        elif row.get("state") and (device := _zfs_device(row)):
            found.append(device)
    return tuple(found)


read_zfs_pool = Thing(
    "a ZFS pool", row_of(ZfsPoolDetailReading, devices=(_zfs_devices, "children")), lack="tells no state"
)
read_thin_pools = Rows("the thin pools", row_of(ThinPoolReading), by=("volume_group", "name"))


def _pem(value: object) -> str:
    """Return the first certificate of a text in PEM, "" for what is none."""
    match = PEM.search(value[:PEM_LIMIT]) if isinstance(value, str) else None
    return match.group() if match else ""


read_certificates = Rows("the certificates", row_of(CertificateReading), by=("filename",))
read_certificate_texts = Rows("the certificates", row_of(CertificateTextReading, pem=(_pem, "pem")))
#: Its key stays out of it.
read_subscription = Thing(
    "the subscription",
    row_of(SubscriptionReading, status=(lambda value: word(value).lower(), "status")),
    lack="tells no status",
)
read_pending_updates = Rows("the pending updates", row_of(PendingUpdateReading), by=("package",))


def read_node_history_newest(data: object) -> NodeHistoryReading:
    """Return the newest figures of GET /nodes/{node}/rrddata: of each the newest row that has it.

    The last rows may be empty as yet. Of the six pressures a node has five: the kernel knows no `cpufull` for a whole machine.
    """
    rows = entries(rows_of(data, "a node's history"), HISTORY_LIMIT)
    dated = [(at, row) for row in rows if (at := epoch(row.get("time"))) is not None]
    dated.sort(key=lambda entry: entry[0], reverse=True)
    caches = (size(row.get("arcsize")) for _, row in dated)
    return NodeHistoryReading(
        pressure=next((pressure for at, row in dated if (pressure := _pressure(row, at)) is not None), None),
        arc_bytes=next((cache for cache in caches if cache is not None), None),
        network_in_bytes_per_second=_newest_amount(dated, "netin"),
        network_out_bytes_per_second=_newest_amount(dated, "netout"),
    )


def _newest_amount(dated: Iterable[tuple[int, Row]], name: str) -> float | None:
    amounts = (real(row.get(name)) for _, row in dated)
    return next((told for told in amounts if told is not None), None)


def _pressure(row: Row, measured_epoch: int) -> PressureReading | None:
    pressure = read_pressure(row)
    return None if pressure is None else msgspec.structs.replace(pressure, measured_epoch=measured_epoch)


DISKS = Call("/nodes/{node}/disks/list", unread)
SMART = Call("/nodes/{node}/disks/smart", read_smart)
#: Raises NoZfs where it is not installed.
zfs_pools = Call("/nodes/{node}/disks/zfs", read_zfs_pools)
#: With its devices; it takes the node one `zpool status`.
zfs_pool = Call("/nodes/{node}/disks/zfs/{name}", read_zfs_pool)
thin_pools = Call("/nodes/{node}/disks/lvmthin", read_thin_pools)
certificates = Call("/nodes/{node}/certificates/info", read_certificates)
#: Asked apart: the texts are needed once, and the list is kept.
certificate_texts = Call("/nodes/{node}/certificates/info", read_certificate_texts)
subscription = Call("/nodes/{node}/subscription", read_subscription)
pending_updates = Call("/nodes/{node}/apt/update", read_pending_updates)
#: The newest pressure and ZFS cache of a node, nothing before PVE 9; every node can answer.
node_history_newest = Call(
    "/nodes/{node}/rrddata", read_node_history_newest, {"timeframe": "hour", "cf": "AVERAGE"}
)


def disks(
    client: Client, node: str, *, with_smart: bool = False, timeout_seconds: float | None = None
) -> tuple[DiskReading, ...]:
    """Return the disks of a node.

    With SMART the node asks every disk, up to 10 s each, and may wake those that sleep; without, health and wear are
    not told.
    """
    params = None if with_smart else {"skipsmart": 1}
    data = DISKS(client, node, params=params, timeout_seconds=timeout_seconds)
    return read_disks(data, with_smart=with_smart)


def smart(client: Client, node: str, disk: str, *, timeout_seconds: float | None = None) -> SmartReading:
    """Return what a disk tells of itself; `disk` is spelled as `smart_name` does.

    It takes the node up to 10 s and may wake the disk.
    """
    return SMART(client, node, params={"disk": disk}, timeout_seconds=timeout_seconds)
