"""Disks, pools and volumes of nodes, each derived from the facts of the node; what a test has set comes first."""

from __future__ import annotations

import zlib
from dataclasses import dataclass, field, fields
from typing import Any

from tests.fake_proxmox import curves
from tests.fake_proxmox.model import GIB, Cluster, Node

Row = dict[str, Any]
TB = 1_000_204_886_016


@dataclass
class Disk:
    """A disk of a node."""

    path: str
    kind: str  # nvme, ssd, hdd, unknown
    model: str
    size: int
    used: str = ""  # ZFS, LVM, BIOS boot, partitions, ...
    wearout: int | str = "N/A"  # percent left; SATA disks tell it as text
    health: str = "PASSED"
    celsius: int = 34
    rpm: int = 0
    osd: int = -1
    serial: str = ""
    vendor: str = "ATA     "
    attributes: dict[str, int] = field(default_factory=dict)  # more raw values, by SMART name


def change_disk(found: list[Disk], path: str, facts: dict[str, Any]) -> None:
    """Change facts of one of these disks."""
    unknown = facts.keys() - {one.name for one in fields(Disk)}
    if unknown:
        raise ValueError(f"no such facts: {', '.join(sorted(unknown))}")
    disk = next(disk for disk in found if disk.path == path)
    for key, value in facts.items():
        setattr(disk, key, value)


def disks(cluster: Cluster, node: Node) -> list[Disk]:
    """Return the disks of a node."""
    if node.disks is None:
        node.disks = _bought(cluster, node)
    return node.disks


def _bought(cluster: Cluster, node: Node) -> list[Disk]:
    seed = zlib.crc32(f"{cluster.seed}/{node.name}".encode())

    def serial(number: int) -> str:
        return f"S{zlib.crc32(f'{seed}/{number}'.encode()):08X}{number:02d}"

    def percent(number: int) -> int:
        return 71 + int(28 * abs(curves.noise(seed, number)))

    found = [
        Disk(
            f"/dev/nvme{number}n1",
            "nvme",
            "Samsung SSD 990 PRO 1TB",
            TB,
            "ZFS",
            percent(number),
            vendor="unknown",
        )
        for number in range(2)
    ]
    if not cluster.is_cluster:
        found += [
            Disk(f"/dev/sd{letter}", "hdd", "WDC WD40EFRX-68N32N0", 4 * TB, "ZFS", rpm=5_400, celsius=38)
            for letter in "ab"
        ]
    else:
        found.append(Disk("/dev/sda", "ssd", "INTEL SSDSC2KB480G8", TB // 2, "LVM", str(percent(9))))
        osds = cluster.ceph.osds_per_node if cluster.ceph is not None else 0
        first = (node.node_id - 1) * osds
        found += [
            Disk(
                f"/dev/sd{chr(98 + number)}",
                "ssd",
                "SAMSUNG MZ7L31T9HBLT-00A07",
                1_920_383_410_176,
                "LVM",
                str(percent(10 + number)),
                osd=first + number,
            )
            for number in range(osds)
        ]
    for number, disk in enumerate(found):
        disk.serial = serial(number)
    return found


def wear_out(cluster: Cluster) -> None:
    """Let a pool of the second node, or of the only one, be degraded, and a disk of it nearly worn out."""
    node = list(cluster.nodes.values())[:2][-1]
    node.pool_health[pools(cluster, node)[-1]] = "DEGRADED"
    worn = members(cluster, node, "rpool")[1]
    worn.wearout, worn.celsius = 6, 61


def disk_row(disk: Disk, *, has_smart: bool, has_osd_list: bool) -> Row:
    """Return a disk as the list shows it."""
    row: Row = {
        "devpath": disk.path,
        "by_id_link": f"/dev/disk/by-id/{'nvme' if disk.kind == 'nvme' else 'ata'}-{disk.model.replace(' ', '_')}_{disk.serial}",
        "model": disk.model,
        "serial": disk.serial,
        "vendor": disk.vendor,
        "wwn": "unknown" if disk.kind == "nvme" else f"0x{zlib.crc32(disk.serial.encode()):016x}",
        "size": disk.size,
        "type": disk.kind,
        "rpm": disk.rpm,
        "gpt": 1,
        "mounted": 0,
        "osdid": disk.osd,
    }
    if has_osd_list:
        row["osdid-list"] = [disk.osd] if disk.osd >= 0 else None
    if disk.used:
        row["used"] = disk.used
    if has_smart:
        row |= {"health": disk.health, "wearout": disk.wearout}
    else:
        row |= {"health": "UNKNOWN", "wearout": "N/A"}
    return row


def smart(disk: Disk) -> Row:
    """Return what smartctl says of a disk: attributes of a SATA disk, text of others."""
    if disk.kind == "nvme":
        used = 100 - int(disk.wearout) if disk.wearout != "N/A" else 0
        text = (
            "\nSMART/Health Information (NVMe Log 0x02)\n"
            "Critical Warning:                   0x00\n"
            f"Temperature:                        {disk.celsius} Celsius\n"
            "Available Spare:                    100%\n"
            "Available Spare Threshold:          10%\n"
            f"Percentage Used:                    {used}%\n"
            "Data Units Written:                 44,182,917 [22.6 TB]\n"
            "Power On Hours:                     9,913\n"
            "Media and Data Integrity Errors:    0\n"
        )
        row: Row = {"type": "text", "health": disk.health, "text": text}
        return row if disk.wearout == "N/A" else row | {"wearout": disk.wearout}
    values = {
        "Reallocated_Sector_Ct": (5, 0, 10),
        "Power_On_Hours": (9, 21_904, 0),
        "Temperature_Celsius": (194, disk.celsius, 0),
        "Current_Pending_Sector": (197, 0, 0),
        "UDMA_CRC_Error_Count": (199, 0, 0),
    }
    if disk.kind == "ssd":
        values["Wear_Leveling_Count"] = (177, 34, 5)
    attributes = []
    for name, (number, raw, threshold) in values.items():
        left = int(disk.wearout) if name == "Wear_Leveling_Count" and disk.wearout != "N/A" else 100
        attributes.append(
            {
                "id": f"{number:>3}",
                "name": name,
                "value": left,
                "normalized": left,
                "worst": left,
                "threshold": threshold,
                "fail": "-",
                "flags": "-O--CK",
                "raw": str(disk.attributes.get(name, raw)),
            }
        )
    return {"type": "ata", "health": disk.health, "attributes": attributes}


def pools(cluster: Cluster, node: Node) -> list[str]:
    """Return the names of a node's ZFS pools."""
    return ["rpool"] if cluster.is_cluster else ["rpool", "tank"]


def pool_row(cluster: Cluster, node: Node, name: str, at: float) -> Row:
    """Return a ZFS pool as the list shows it."""
    size = int(0.93 * sum(disk.size for disk in members(cluster, node, name)) / 2)
    alloc = int(
        size
        * (0.3 + 0.3 * abs(curves.noise(zlib.crc32(name.encode()), node.node_id)) + 0.01 * (at / 86_400 % 7))
    )
    return {
        "name": name,
        "size": size,
        "alloc": alloc,
        "free": size - alloc,
        "frag": 11,
        "dedup": 1,
        "health": node.pool_health.get(name, "ONLINE"),
    }


def members(cluster: Cluster, node: Node, name: str) -> list[Disk]:
    """Return the disks of a pool."""
    kind = "nvme" if name == "rpool" else "hdd"
    return [disk for disk in disks(cluster, node) if disk.kind == kind]


def pool_detail(cluster: Cluster, node: Node, name: str) -> Row:
    """Return a ZFS pool of a node with its tree of devices."""
    return detail_of(
        name,
        node.pool_health.get(name, "ONLINE"),
        members(cluster, node, name),
        node.pool_changes.get(name, {}),
    )


def detail_of(name: str, health: str, disks: list[Disk], changes: dict[str, Any]) -> Row:
    """Return a ZFS pool of these disks, the second of which is the bad one; `changes` of it in wire keys, `devices` by name."""
    leaves: list[Row] = []
    for number, disk in enumerate(disks):
        is_bad = health != "ONLINE" and number == 1
        leaves.append(
            {
                "name": f"{disk.path.removeprefix('/dev/')}p3"
                if disk.kind == "nvme"
                else disk.path.removeprefix("/dev/"),
                "state": ("UNAVAIL" if health == "FAULTED" else "FAULTED") if is_bad else "ONLINE",
                "read": 14 if is_bad else 0,
                "write": 187 if is_bad else 0,
                "cksum": 0,
                "msg": "too many errors" if is_bad else "",
                "leaf": 1,
            }
        )
    mirror: Row = {
        "name": "mirror-0",
        "state": health,
        "read": 0,
        "write": 0,
        "cksum": 0,
        "msg": "",
        "children": leaves,
    }
    answer: Row = {
        "name": name,
        "state": health,
        "scan": "scrub repaired 0B in 00:21:07 with 0 errors on Sun Dec 14 00:45:08 2025",
        "errors": "No known data errors",
        "children": [
            {
                "name": name,
                "state": health,
                "read": 0,
                "write": 0,
                "cksum": 0,
                "msg": "",
                "children": [mirror],
            }
        ],
    }
    for leaf in leaves:
        leaf.update(changes.get("devices", {}).get(leaf["name"], {}))
    answer |= {key: value for key, value in changes.items() if key != "devices"}
    if health != "ONLINE":
        answer["status"] = (
            "One or more devices are faulted in response to persistent errors. Sufficient replicas exist for the pool to "
            "continue functioning in a degraded state."
        )
        answer["action"] = "Replace the faulted device, or use 'zpool clear' to mark the device repaired."
    return answer


def thin_pools(cluster: Cluster, node: Node) -> list[Row]:
    """Return the LVM thin pools of a node, with the use of their metadata."""
    if not cluster.is_cluster:
        return []
    size, metadata = 800 * GIB, 8 * GIB
    share = node.fixed_thin.get("used_ratio", 0.4 + 0.2 * abs(curves.noise(cluster.seed, node.node_id)))
    metadata_share = node.fixed_thin.get("metadata_ratio", share / 20)
    return [
        {
            "lv": "data",
            "vg": "pve",
            "lv_size": size,
            "used": int(size * share),
            "metadata_size": metadata,
            "metadata_used": int(metadata * metadata_share),
        }
    ]
