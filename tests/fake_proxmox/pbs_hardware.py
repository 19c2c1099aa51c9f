"""The calls of Proxmox Backup Server about disks and pools of the host. It spells most fields otherwise than PVE does."""

from __future__ import annotations

import re
import zlib

from tests.fake_proxmox import hardware
from tests.fake_proxmox.calls import ApiFailure, Call
from tests.fake_proxmox.figures import Row
from tests.fake_proxmox.hardware import TB, Disk
from tests.fake_proxmox.model import BackupServer
from tests.fake_proxmox.pbs import backup_server_of, call

_AUDIT = ("/system/disks", "Sys.Audit")
_NAME = re.compile(r"(?:[hs]|x?v)d[a-z]+|nvme\d+n\d+", re.ASCII)
_POOLS = ("rpool", "backup")


def disks(server: BackupServer) -> list[Disk]:
    """Return the disks of a backup server: two to start from, four for the backups."""
    if server.disks is None:
        system = [
            Disk(f"/dev/nvme{number}n1", "nvme", "INTEL SSDPE2KX010T8", TB, "ZFS", 94 - number)
            for number in range(2)
        ]
        stores = [
            Disk(f"/dev/sd{letter}", "hdd", "TOSHIBA MG08ACA16TE", 16 * TB, "ZFS", rpm=7_200, celsius=36)
            for letter in "abcd"
        ]
        for disk in system + stores:
            disk.serial = f"B{zlib.crc32(f'{server.name}{disk.path}'.encode()):08X}"
        server.disks = system + stores
    return server.disks


def _status(disk: Disk) -> str:
    return {"PASSED": "passed", "OK": "passed", "FAILED!": "failed"}.get(disk.health, "unknown")


def _short(disk: Disk) -> str:
    return disk.path.removeprefix("/dev/")


@call(
    "GET",
    "/nodes/{node}/disks/list",
    parameters=("include-partitions", "skipsmart", "usage-type"),
    privilege=_AUDIT,
)
def disk_list(request: Call) -> list[Row]:
    """The disks of the host; status and wear only when SMART may be asked."""
    return [
        _disk_row(disk, has_smart=not request.flag("skipsmart")) for disk in disks(backup_server_of(request))
    ]


def _disk_row(disk: Disk, *, has_smart: bool) -> Row:
    row: Row = {
        "name": _short(disk),
        "devpath": disk.path,
        "disk-type": "ssd" if disk.kind == "nvme" else disk.kind,
        "gpt": True,
        "model": disk.model,
        "serial": disk.serial,
        "size": disk.size,
        "status": _status(disk) if has_smart else "unknown",
        "used": disk.used.lower() or "unused",
        "vendor": disk.vendor.strip(),
    }
    if disk.kind == "hdd":
        row["rpm"] = disk.rpm
    if has_smart and disk.wearout != "N/A":
        row["wearout"] = float(disk.wearout)
    return row


@call("GET", "/nodes/{node}/disks/smart", parameters=("healthonly",), required=("disk",), privilege=_AUDIT)
def smart(request: Call) -> Row:
    """What SMART says of one disk, which is named without its directory."""
    wanted = request.parameters["disk"]
    if not _NAME.fullmatch(wanted):
        raise ApiFailure(
            400, "parameter verification failed - 'disk': value does not match the regex pattern"
        )
    disk = next((one for one in disks(backup_server_of(request)) if _short(one) == wanted), None)
    if disk is None:
        raise ApiFailure(400, f"no such block device '{wanted}'")
    answer: Row = {"status": _status(disk), "attributes": []}
    if request.flag("healthonly"):
        return answer
    if disk.kind == "nvme":
        answer["attributes"] = _nvme_attributes(disk)
    else:
        answer["attributes"] = [_attribute(each) for each in hardware.smart(disk)["attributes"]]
    return answer if disk.wearout == "N/A" else answer | {"wearout": float(disk.wearout)}


def _nvme_attributes(disk: Disk) -> list[Row]:
    figures = {
        "available_spare": 100,
        "critical_warning": 0,
        "data_units_written": 44_182_917,
        "media_errors": 0,
        "percentage_used": 100 - int(disk.wearout) if disk.wearout != "N/A" else 0,
        "power_on_hours": 9_913,
        "temperature": disk.celsius,
    }
    return [{"name": name, "value": str(figure), "raw": str(figure)} for name, figure in figures.items()]


def _attribute(row: Row) -> Row:
    return {
        "id": int(row["id"]),
        "name": row["name"],
        "flags": row["flags"],
        "normalized": float(row["normalized"]),
        "worst": float(row["worst"]),
        "threshold": float(row["threshold"]),
        "raw": row["raw"],
        "value": row["raw"],
    }


@call("GET", "/nodes/{node}/disks/zfs", privilege=_AUDIT)
def zfs_pools(request: Call) -> list[Row]:
    """The ZFS pools of the host."""
    server = backup_server_of(request)
    return [_pool_row(server, name, request.now) for name in _POOLS]


@call("GET", "/nodes/{node}/disks/zfs/{name}", privilege=_AUDIT)
def zfs_pool(request: Call) -> Row:
    """One ZFS pool with its devices."""
    server, name = backup_server_of(request), request.names["name"]
    if name not in _POOLS:
        raise ApiFailure(400, f"cannot open '{name}': no such pool")
    kind = "nvme" if name == "rpool" else "hdd"
    found = [disk for disk in disks(server) if disk.kind == kind]
    health, changes = server.pool_health.get(name, "ONLINE"), server.pool_changes.get(name, {})
    return hardware.detail_of(name, health, found, changes)


def _pool_row(server: BackupServer, name: str, now: float) -> Row:
    kind = "nvme" if name == "rpool" else "hdd"
    size = int(0.93 * sum(disk.size for disk in disks(server) if disk.kind == kind) / 2)
    alloc = int(size * (0.4 + 0.01 * (now / 86_400 % 7)))
    return {
        "name": name,
        "size": size,
        "alloc": alloc,
        "free": size - alloc,
        "frag": 7,
        "dedup": 1.0,
        "health": server.pool_health.get(name, "ONLINE"),
    }
