"""The calls about single guests: configuration, snapshots, what the agent in the guest tells, and details by node.

Readers raise BadAnswer only. Source: api-facts.md section 4.1.
"""

from __future__ import annotations

import ipaddress
import re
from contextlib import suppress
from urllib.parse import unquote

from nodes.proxmox.calls import Call, unread
from nodes.proxmox.client import Client
from nodes.proxmox.errors import AgentRefused, AgentUnsupported, BadAnswer
from nodes.proxmox.properties import properties, unit_size
from nodes.proxmox.readings.guests import (
    AddressReading,
    FilesystemReading,
    GuestConfigReading,
    GuestDetailReading,
    GuestDiskReading,
    GuestSnapshotReading,
    GuestSystemReading,
    PressureReading,
)
from nodes.proxmox.rows import ReadRow, Row, entries, first, read_rows, row_of, rows_of
from nodes.proxmox.values import epoch, fields, is_true, lines, name, size, text, truth, whole, word

MIB = 1 << 20
DIGEST_LIMIT = 64
#: As Proxmox limits them itself.
NOTES_LIMIT = 8192
#: Keys of one configuration: 30 SCSI disks, 256 mount points and as many unused ones.
KEYS_LIMIT = 2000
DISKS_LIMIT = 600
VOLUME_LIMIT = 512
FILESYSTEMS_LIMIT = 512
DISKS_BELOW_LIMIT = 64
PATH_LIMIT = 512
INTERFACES_LIMIT = 512
ADDRESSES_LIMIT = 512

DISK_KEY = re.compile(r"(ide|sata|scsi|virtio|efidisk|tpmstate|mp|unused)(\d{1,3})|rootfs", re.ASCII)
CLOUD_INIT = re.compile(r"vm-\d{1,9}-cloudinit(?:\.\w{1,10})?", re.ASCII)
#: What Proxmox's own encoding of notes leaves: neither colons nor control characters nor other scripts.
ENCODED = re.compile(r"[ -9;-~]*")

PSEUDO_SNAPSHOT = "current"


def read_guest_config(data: object) -> GuestConfigReading:
    """Return the reading of GET /nodes/{node}/{qemu|lxc}/{vmid}/config; one of a guest just made may be empty."""
    if not isinstance(data, dict) or len(data) > KEYS_LIMIT:
        raise BadAnswer("The answer about a guest's configuration is not an object, or too large for one")
    reading = _config(data)
    return GuestConfigReading() if reading is None else reading


def _mebibytes(value: object) -> int | None:
    number = size(value)
    return None if number is None else size(number * MIB)


def _notes(value: object) -> str:
    """Return notes as they were written: told in plain text or, on some ways, in the percent-encoding of the file."""
    if isinstance(value, str) and "%" in value and ENCODED.fullmatch(value):
        with suppress(UnicodeDecodeError):  # a percent sign that was meant
            value = unquote(value, errors="strict")
    return lines(value, NOTES_LIMIT)


def _disks(config: Row) -> tuple[GuestDiskReading, ...]:
    """Return disks and mount points by kind and number: the order of the answer is random."""
    disks: list[tuple[str, int, GuestDiskReading]] = []
    for key, value in config.items():
        match = DISK_KEY.fullmatch(key) if isinstance(key, str) else None
        disk = _disk(key, match[1] or "", value) if match else None
        if match and disk:
            disks.append((match[1] or "", int(match[2] or 0), disk))
    disks.sort(key=lambda entry: entry[:2])
    return tuple(disk for _, _, disk in disks[:DISKS_LIMIT])


def _disk(key: str, bus: str, value: object) -> GuestDiskReading | None:
    options = properties(value, first="volume")
    volume = (options.get("volume") or options.get("file", ""))[:VOLUME_LIMIT]
    is_medium = options.get("media") == "cdrom" or volume in ("none", "cdrom")
    storage, separator, path = volume.partition(":")
    if not volume or is_medium or CLOUD_INIT.fullmatch(path.rpartition("/")[2]):
        return None
    is_volume = bool(separator) and not volume.startswith("/")
    backup = truth(options.get("backup"))
    if bus == "mp":
        is_backed_up = backup is True and is_volume
    else:
        is_backed_up = bus != "unused" and backup is not False
    return GuestDiskReading(
        key=key,
        volume=volume,
        storage=name(storage) if is_volume else "",
        size_bytes=unit_size(options.get("size")),
        mount_point="/" if key == "rootfs" else text(options.get("mp"), PATH_LIMIT),
        is_backed_up=is_backed_up,
    )


_config = row_of(
    GuestConfigReading,
    name=first(text, "name", "hostname"),
    notes=(_notes, "description"),
    agent_is_enabled=(lambda options: is_true(properties(options, first="enabled").get("enabled")), "agent"),
    memory_bytes=(
        lambda options: _mebibytes(properties(options, first="current").get("current")),
        "memory",
    ),  # from PVE 8.1
    balloon_bytes=(_mebibytes, "balloon"),
    disks=_disks,
    has_snapshots=(lambda parent: bool(text(parent)), "parent"),
    made_epoch=(lambda told: epoch(properties(told).get("ctime")), "meta"),
)


def read_guest_snapshots(data: object) -> tuple[GuestSnapshotReading, ...]:
    """Return the reading of GET .../snapshot, oldest first, without the entry that stands for the guest as it is."""
    rows = rows_of(data, "a guest's snapshots")
    kept = [row for row in rows if not (isinstance(row, dict) and row.get("name") == PSEUDO_SNAPSHOT)]
    readings = read_rows(kept, "a guest's snapshots", _snapshot)
    return tuple(sorted(readings, key=lambda snapshot: (snapshot.taken_epoch or 0, snapshot.name)))


_snapshot = row_of(GuestSnapshotReading, description=(_notes, "description"))


def _agent_rows(data: object, what: str, limit: int) -> list[Row]:
    """Return the objects in the `result` of an agent's answer; none where the agent answered with an error."""
    result = fields(data).get("result")
    if isinstance(result, dict) and "error" in result:
        return []
    if not isinstance(result, list):
        raise BadAnswer(f"The answer about {what} holds no result")
    return entries(result, limit)


def read_agent_filesystems(data: object) -> tuple[FilesystemReading, ...]:
    """Return the reading of GET .../agent/get-fsinfo: every file system the guest told, also those of no interest.

    Sizes are missing for some; the same device may be mounted several times.
    """
    rows = _agent_rows(data, "a guest's file systems", FILESYSTEMS_LIMIT)
    return tuple(filesystem for row in rows if (filesystem := _filesystem(row)) is not None)


def _disk_labels(value: object) -> tuple[str, ...]:
    labels = {_disk_label(disk) for disk in entries(value, DISKS_BELOW_LIMIT)}
    return tuple(sorted(labels - {""}))


def _disk_label(disk: Row) -> str:
    """Return what tells a disk apart from the others of its guest: serial, address, or device.

    Windows tells -1 for a controller that it does not know; the address is then the same for all disks.
    """
    if serial := text(disk.get("serial"), 128):
        return serial
    controller = fields(disk.get("pci-controller"))
    slot = [whole(controller.get(key)) for key in ("domain", "bus", "slot", "function")]
    device = text(disk.get("dev"), 128)
    if any(part is None or part < 0 for part in slot):
        return device
    place = ":".join(str(part) for part in slot)
    unit = ":".join(text(part, 12) or "?" for part in (disk.get("bus"), disk.get("target"), disk.get("unit")))
    return f"{word(disk.get('bus-type'))} {place} {unit}"


_filesystem = row_of(FilesystemReading, disks=(_disk_labels, "disk"))


def read_agent_addresses(data: object) -> tuple[AddressReading, ...]:
    """Return the reading of GET .../agent/network-get-interfaces, loopback and link-local addresses among them."""
    rows = _agent_rows(data, "a guest's interfaces", INTERFACES_LIMIT)
    addresses = [
        address for row in rows for address in _addresses(row, text(row.get("hardware-address"), 64))
    ]
    return tuple(addresses[:ADDRESSES_LIMIT])


_system = row_of(GuestSystemReading, name=first(text, "pretty-name", "name", "id"))


def read_agent_system(data: object) -> GuestSystemReading:
    """Return the reading of GET .../agent/get-osinfo. Raises BadAnswer for one that names no system."""
    system = _system(fields(fields(data).get("result")))
    if system is None:
        raise BadAnswer("The answer about a guest's operating system names none")
    return system


def read_container_addresses(data: object) -> tuple[AddressReading, ...]:
    """Return the reading of GET .../lxc/{vmid}/interfaces; a container that does not run has none.

    Before PVE 8.4 only one address of each family is told, with its prefix in the same text.
    """
    if data is None:
        return ()
    listed: list[AddressReading] = []
    for row in entries(rows_of(data, "a container's interfaces"), INTERFACES_LIMIT):
        hardware = text(row.get("hardware-address"), 64) or text(row.get("hwaddr"), 64)
        addresses = _addresses(row, hardware)
        if not addresses:
            interface = name(row.get("name"))
            values = (row.get("inet"), row.get("inet6"))
            addresses = [
                address for value in values if (address := _address(interface, value, None, hardware))
            ]
        listed += addresses
    return tuple(listed[:ADDRESSES_LIMIT])


def _addresses(row: Row, hardware: str) -> list[AddressReading]:
    interface = name(row.get("name"))
    rows = entries(row.get("ip-addresses"), ADDRESSES_LIMIT)
    addresses = (
        _address(interface, address.get("ip-address"), address.get("prefix"), hardware) for address in rows
    )
    return [address for address in addresses if address is not None]


def _address(interface: str, value: object, prefix: object, hardware: str) -> AddressReading | None:
    """Return an address in its one spelling, None for what is none; "/24" may hang on it."""
    spelled, _, length = text(value, 64).partition("/")
    try:
        address = ipaddress.ip_address(spelled.partition("%")[0])
    except ValueError:
        return None
    bits = size(length or prefix)
    return AddressReading(
        interface=interface,
        address=str(address),
        prefix=bits if bits is not None and bits <= address.max_prefixlen else None,
        hardware_address=hardware.lower(),
    )


_pressure = row_of(PressureReading)


def read_pressure(row: Row) -> PressureReading | None:
    """Return the pressures of a row, None when it has none of them: they came with PVE 9, and nodes lack one."""
    pressure = _pressure(row)
    return None if pressure == PressureReading() else pressure


def _free_bytes(row: Row) -> int | None:
    free = size(row.get("freemem"))
    return size(fields(row.get("ballooninfo")).get("free_mem")) if free is None else free


def _detail(kind: str) -> ReadRow[GuestDetailReading]:
    return row_of(
        GuestDetailReading,
        kind=lambda _: kind,
        guest_free_bytes=_free_bytes,
        host_memory_bytes=(lambda value: size(value) or None, "memhost"),
        pressure=read_pressure,
    )


DETAILS = {kind: _detail(kind) for kind in ("qemu", "lxc")}


def read_node_guests(data: object, *, kind: str) -> tuple[GuestDetailReading, ...]:
    """Return the reading of GET /nodes/{node}/qemu?full=1 or /nodes/{node}/lxc."""
    return read_rows(data, "a node's guests", DETAILS[kind])


#: Answered by the node of the guest, which is of the kind qemu or lxc.
guest_config = Call("/nodes/{node}/{kind}/{vmid}/config", read_guest_config)
guest_snapshots = Call("/nodes/{node}/{kind}/{vmid}/snapshot", read_guest_snapshots)
#: Only of a container that runs; from PVE 8.1, NotFound before.
container_addresses = Call("/nodes/{node}/lxc/{vmid}/interfaces", read_container_addresses)
AGENT_FILESYSTEMS = Call("/nodes/{node}/qemu/{vmid}/agent/get-fsinfo", unread)
AGENT_SYSTEM = Call("/nodes/{node}/qemu/{vmid}/agent/get-osinfo", unread)
AGENT_ADDRESSES = Call("/nodes/{node}/qemu/{vmid}/agent/network-get-interfaces", unread)
NODE_GUESTS = Call("/nodes/{node}/{kind}", unread)


def agent_filesystems(
    client: Client, node: str, vmid: int, *, timeout_seconds: float | None = None
) -> tuple[FilesystemReading, ...]:
    """Return the file systems of a VM, as its agent tells them.

    A dead agent holds up one of the node's three workers for 3 s. Raises GuestNotRunning, AgentNotConfigured,
    AgentNotRunning, AgentTimedOut, AgentRefused or AgentUnsupported.
    """
    data = AGENT_FILESYSTEMS(client, node, vmid, timeout_seconds=timeout_seconds)
    return read_agent_filesystems(_unless_refused(data, vmid))


def agent_addresses(
    client: Client, node: str, vmid: int, *, timeout_seconds: float | None = None
) -> tuple[AddressReading, ...]:
    """Return the addresses of a VM, as its agent tells them; errors as of agent_filesystems."""
    data = AGENT_ADDRESSES(client, node, vmid, timeout_seconds=timeout_seconds)
    return read_agent_addresses(_unless_refused(data, vmid))


def agent_system(
    client: Client, node: str, vmid: int, *, timeout_seconds: float | None = None
) -> GuestSystemReading:
    """Return the operating system of a VM, as its agent names it; errors as of agent_filesystems."""
    data = AGENT_SYSTEM(client, node, vmid, timeout_seconds=timeout_seconds)
    return read_agent_system(_unless_refused(data, vmid))


def _unless_refused(data: object, vmid: int) -> object:
    """Return the answer of an agent. Raises AgentRefused or AgentUnsupported for an error inside a success."""
    problem = fields(fields(data).get("result")).get("error")
    if problem:
        words = text(fields(problem).get("desc"), 200)
        failure = AgentRefused if "disabled" in words else AgentUnsupported
        raise failure(f"The agent of guest {vmid} could not answer{': ' if words else ''}{words}")
    return data


def node_guests(
    client: Client, node: str, kind: str, *, timeout_seconds: float | None = None
) -> tuple[GuestDetailReading, ...]:
    """Return what a node knows of its guests of one kind (qemu, lxc) beyond the resource list.

    For VMs the node asks every running one, so this is no call for the fast lane.
    """
    params = {"full": 1} if kind == "qemu" else None
    data = NODE_GUESTS(client, node, kind, params=params, timeout_seconds=timeout_seconds)
    return read_node_guests(data, kind=kind)
