"""What is inside guests: systems, file systems and addresses, each derived from the facts of the guest and the time."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

from tests.fake_proxmox import curves
from tests.fake_proxmox.model import GIB, Guest

Row = dict[str, Any]
MIB = 1 << 20


@dataclass(frozen=True)
class System:
    """An operating system as QEMU's agent and the configuration name it."""

    ostype: str  # of the configuration
    id: str
    name: str
    pretty_name: str
    version: str
    version_id: str
    kernel: str = "6.1.0-28-amd64"
    has_balloon: bool = True


_DEBIAN = System("l26", "debian", "Debian GNU/Linux", "Debian GNU/Linux 12 (bookworm)", "12 (bookworm)", "12")
_UBUNTU = System("l26", "ubuntu", "Ubuntu", "Ubuntu 24.04.1 LTS", "24.04.1 LTS (Noble Numbat)", "24.04")
SYSTEMS = {
    "debian": _DEBIAN,
    "data": _DEBIAN,
    "docker": _DEBIAN,
    "ubuntu": _UBUNTU,
    "kubernetes": _UBUNTU,
    "btrfs": System(
        "l26", "opensuse-leap", "openSUSE Leap", "openSUSE Leap 15.6", "15.6", "15.6", "6.4.0-150600.23"
    ),
    "windows": System(
        "win11",
        "mswindows",
        "Microsoft Windows",
        "Windows Server 2022 Standard",
        "Microsoft Windows Server 2022",
        "2022",
        "20348",
    ),
    "haos": System(
        "l26",
        "haos",
        "Home Assistant OS",
        "Home Assistant OS 16.3",
        "16.3 (stable)",
        "16.3",
        "6.12.51-haos",
    ),
    "truenas": System(
        "l26", "debian", "TrueNAS", "TrueNAS SCALE 25.04", "25.04", "25.04", "6.12.15-production+truenas"
    ),
    "freebsd": System(
        "other", "freebsd", "FreeBSD", "FreeBSD 14.2-RELEASE", "14.2", "14.2", "14.2-RELEASE-p1", False
    ),
}
_SYSTEM_OF_ROLE = {
    "home-assistant": "haos",
    "truenas": "truenas",
    "opnsense": "freebsd",
    "docker-host": "docker",
    "web": "ubuntu",
    "app": "ubuntu",
    "postgres": "data",
    "mariadb": "data",
    "k8s-worker": "kubernetes",
    "k8s-control": "kubernetes",
    "gitlab": "btrfs",
    "elastic": "data",
    "mail": "data",
}


def system_of(role: str) -> str:
    """Return the key of the system that a role runs on."""
    return "windows" if role.startswith("win") else _SYSTEM_OF_ROLE.get(role, "debian")


def draw(guest: Guest, salt: int) -> float:
    """Return a number from 0 to 1 that belongs to a guest for good."""
    return curves.noise(guest.load.seed, 1_000_003 * salt) * 0.5 + 0.5


def hexadecimal(guest: Guest, salt: str, length: int) -> str:
    """Return hexadecimal digits that belong to a guest for good."""
    return hashlib.sha256(f"{guest.load.seed}/{salt}".encode()).hexdigest()[:length]


def mac(guest: Guest, number: int = 0) -> str:
    """Return the hardware address of a network card, in Proxmox's own range."""
    digits = hexadecimal(guest, f"mac{number}", 6).upper()
    return "BC:24:11:" + ":".join(digits[at : at + 2] for at in (0, 2, 4))


def address(guest: Guest) -> str:
    """Return the IPv4 address of a guest."""
    return f"10.{20 + guest.vmid // 62_500}.{guest.vmid // 250 % 250}.{guest.vmid % 250 + 2}"


def uuid(guest: Guest, salt: str) -> str:
    """Return an identifier of the usual form."""
    digits = hexadecimal(guest, salt, 32)
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))


def filesystems(guest: Guest, at: float) -> list[Row]:
    """Return what the agent tells of file systems, those included that must not be counted."""
    if guest.filesystems is not None:
        return guest.filesystems
    total = guest.disk_bytes
    used = int(total * min(0.97, 0.25 + 0.5 * draw(guest, 1) + 0.01 * (at / 86_400 % 7)))
    make = _LAYOUTS.get(guest.system, _plain)
    return make(guest, total, used)


def _entry(name: str, mountpoint: str, kind: str, total: int, used: int, *disks: Row) -> Row:
    return {
        "name": name,
        "mountpoint": mountpoint,
        "type": kind,
        "total-bytes": int(total * 0.95) if kind in ("ext4", "ext3") else total,
        "total-bytes-privileged": total,
        "used-bytes": used,
        "disk": list(disks),
    }


def _sizeless(name: str, mountpoint: str, kind: str, *disks: Row) -> Row:
    return {"name": name, "mountpoint": mountpoint, "type": kind, "disk": list(disks)}


def _disk(device: str, unit: int = 0) -> Row:
    return {
        "bus": 0,
        "bus-type": "scsi",
        "target": 0,
        "unit": unit,
        "dev": device,
        "serial": f"0QEMU_QEMU_HARDDISK_drive-scsi{unit}",
        "pci-controller": {"domain": 0, "bus": 9, "slot": 1, "function": 0},
    }


def _plain(guest: Guest, total: int, used: int) -> list[Row]:
    del guest
    boot = 124 * MIB
    return [
        _entry("sda1", "/", "ext4", total - boot - 2 * MIB, used, _disk("/dev/sda1")),
        _entry("sda15", "/boot/efi", "vfat", boot, 11 * MIB, _disk("/dev/sda15")),
        _entry("sr0", "/media/cloud-init", "iso9660", 374_784, 374_784, _disk("/dev/sr0", 1)),
    ]


def _ubuntu(guest: Guest, total: int, used: int) -> list[Row]:
    snaps = (("core22/1748", 74), ("lxd/31333", 92), ("snapd/23545", 45))
    loops = [
        _entry(f"loop{number}", f"/snap/{name}", "squashfs", size * MIB, size * MIB)
        for number, (name, size) in enumerate(snaps)
    ]
    return [
        *_plain(guest, total, used),
        *loops,
        _entry("tmpfs", "/run/lock", "tmpfs", 5 * MIB, 0),
    ]


def _data(guest: Guest, total: int, used: int) -> list[Row]:
    root = min(20 * GIB, total // 3)
    return [
        _entry("sda1", "/", "ext4", root, root // 3, _disk("/dev/sda1")),
        _entry(
            "dm-0",
            "/srv/data",
            "xfs",
            total - root,
            max(0, used - root // 3),
            _disk("/dev/sdb", 1),
        ),
        # Bound to a second place, and visible there as the same device.
        _entry("dm-0", "/var/lib/data", "xfs", total - root, max(0, used - root // 3), _disk("/dev/sdb", 1)),
    ]


def _docker(guest: Guest, total: int, used: int) -> list[Row]:
    layers = [
        _entry(
            "overlay",
            f"/var/lib/docker/overlay2/{hexadecimal(guest, f'layer{number}', 64)}/merged",
            "overlay",
            total,
            used,
        )
        for number in range(3)
    ]
    return [*_plain(guest, total, used), *layers]


def _kubernetes(guest: Guest, total: int, used: int) -> list[Row]:
    root = _entry("sda1", "/", "ext4", total - 126 * MIB, used, _disk("/dev/sda1"))
    bound = [
        {
            **root,
            "mountpoint": f"/var/lib/kubelet/pods/{uuid(guest, f'pod{number}')}/volume-subpaths/config/app/0",
        }
        for number in range(2)
    ]
    return [*_ubuntu(guest, total, used), *bound]


def _btrfs(guest: Guest, total: int, used: int) -> list[Row]:
    del guest
    places = ("/", "/home", "/var", "/.snapshots")
    return [_entry("sda2", place, "btrfs", total - 8 * MIB, used, _disk("/dev/sda2")) for place in places]


def _windows(guest: Guest, total: int, used: int) -> list[Row]:
    def volume(number: int) -> str:
        return f"\\\\?\\Volume{{{uuid(guest, f'volume{number}')}}}\\"

    disk = _disk("\\\\.\\PhysicalDrive0")
    data = total // 4
    return [
        _entry(volume(0), "System Reserved", "NTFS", 524_283_904, 31_457_280, disk),
        _entry(volume(1), "C:\\", "NTFS", total - data, min(used, total - data), disk),
        _entry(volume(2), "D:\\", "NTFS", data, data // 3, disk),
        _sizeless(volume(3), "E:\\", "CDFS", _disk("\\\\.\\CDROM0", 1)),
        _sizeless(volume(4), "", "FAT32", disk),
    ]


def _haos(guest: Guest, total: int, used: int) -> list[Row]:
    del guest
    data = total - 2 * GIB
    return [
        _entry("sda3", "/", "erofs", 238 * MIB, 238 * MIB, _disk("/dev/sda3")),
        _entry("sda8", "/mnt/data", "ext4", data, min(used, data), _disk("/dev/sda8")),
        _entry("sda8", "/var/lib/docker", "ext4", data, min(used, data), _disk("/dev/sda8")),
        _entry("sda1", "/mnt/boot", "vfat", 64 * MIB, 9 * MIB, _disk("/dev/sda1")),
        _entry("zram1", "/var", "ext4", 31 * MIB, 2 * MIB),
    ]


def _truenas(guest: Guest, total: int, used: int) -> list[Row]:
    del used
    # Datasets share what is free in their pool: each says used + free of the pool as its total.
    pool = 8_000 * GIB
    sizes = {"tank": 1, "tank/media": 3_300, "tank/backup": 1_450, "tank/homes": 240}
    free = pool - sum(sizes.values()) * GIB
    root = int(total * (0.2 + 0.1 * draw(guest, 2)))
    return [
        _entry("boot-pool/ROOT/25.04", "/", "zfs", total, root),
        *(_entry(name, f"/mnt/{name}", "zfs", size * GIB + free, size * GIB) for name, size in sizes.items()),
        _entry("tmpfs", "/run", "tmpfs", 1_600 * MIB, 12 * MIB),
    ]


def _freebsd(guest: Guest, total: int, used: int) -> list[Row]:
    del guest
    return [
        _entry("/dev/gpt/rootfs", "/", "ufs", total, used),
        _sizeless("devfs", "/dev", "devfs"),
    ]


_LAYOUTS = {
    "ubuntu": _ubuntu,
    "data": _data,
    "docker": _docker,
    "kubernetes": _kubernetes,
    "btrfs": _btrfs,
    "windows": _windows,
    "haos": _haos,
    "truenas": _truenas,
    "freebsd": _freebsd,
}


def interfaces(guest: Guest, netin: int, netout: int) -> list[Row]:
    """Return what the agent tells of network interfaces."""
    card = mac(guest).lower()
    link_local = f"fe80::be24:11ff:fe{card[9:11]}:{card[12:14]}{card[15:17]}"
    is_windows = guest.system == "windows"
    found = [
        _interface(
            "Ethernet" if is_windows else {"haos": "enp0s18", "freebsd": "vtnet0"}.get(guest.system, "eth0"),
            card,
            [
                ("ipv4", address(guest), 16),
                ("ipv6", f"fd00:20::{guest.vmid:x}", 64),
                ("ipv6", link_local + ("%4" if is_windows else ""), 64),
            ],
            netin,
            netout,
        ),
        _interface(
            "Loopback Pseudo-Interface 1" if is_windows else "lo0" if guest.system == "freebsd" else "lo",
            "" if is_windows else "00:00:00:00:00:00",
            [("ipv4", "127.0.0.1", 8), ("ipv6", "::1", 128)],
            163_244,
            163_244,
        ),
    ]
    if guest.system in ("docker", "haos"):
        found.append(_interface("docker0", "02:42:8e:1c:5f:0a", [("ipv4", "172.17.0.1", 16)], 0, 0))
        found.append(_interface(f"veth{hexadecimal(guest, 'veth', 7)}", "7a:11:3c:90:4e:51", [], 0, 0))
    return found


def _interface(
    name: str, hardware: str, addresses: list[tuple[str, str, int]], received: int, sent: int
) -> Row:
    row: Row = {
        "name": name,
        "ip-addresses": [
            {"ip-address-type": kind, "ip-address": text, "prefix": prefix}
            for kind, text, prefix in addresses
        ],
        "statistics": {
            "rx-bytes": received,
            "rx-packets": received // 900,
            "rx-errs": 0,
            "rx-dropped": 0,
            "tx-bytes": sent,
            "tx-packets": sent // 900,
            "tx-errs": 0,
            "tx-dropped": 0,
        },
    }
    if hardware:
        row["hardware-address"] = hardware
    if not addresses:
        del row["ip-addresses"]
    return row
