"""The calls about single guests: configuration, snapshots, what the agent in the guest tells, and details by node.

Readers raise BadAnswer only. Source: api-facts.md section 4.1.
"""

from __future__ import annotations

import ipaddress
import re
from contextlib import suppress
from urllib.parse import unquote

from nodes.proxmox.client import Client
from nodes.proxmox.errors import AgentRefused, AgentUnsupported, BadAnswer
from nodes.proxmox.properties import properties, tags, unit_size, vmid
from nodes.proxmox.pve import GUEST_NAME_LIMIT, WORD_LIMIT
from nodes.proxmox.readings import (
    AddressReading,
    FilesystemReading,
    GuestConfigReading,
    GuestDetailReading,
    GuestDiskReading,
    GuestSnapshotReading,
    PressureReading,
)
from nodes.proxmox.rows import Row, entries, name, read_rows, rows_of, segment
from nodes.proxmox.values import epoch, fields, lines, ratio, size, text, truth, whole

MIB = 1 << 20
DIGEST_LIMIT = 64
#: As Proxmox limits them itself.
NOTES_LIMIT = 8192
#: Keys of one configuration: 30 SCSI disks, 256 mount points and as many unused ones.
KEYS_LIMIT = 2000
DISKS_LIMIT = 600
VOLUME_LIMIT = 512
SNAPSHOTS_LIMIT = 2000
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


def guest_config(
    client: Client, node: str, kind: str, vmid: int, *, timeout_seconds: float | None = None
) -> GuestConfigReading:
    """Return the configuration of a guest, `kind` qemu or lxc. Needs VM.Audit; is answered by the node."""
    return read_guest_config(
        client.get(f"{_guest(node, kind, vmid)}/config", timeout_seconds=timeout_seconds).data
    )


def guest_snapshots(
    client: Client, node: str, kind: str, vmid: int, *, timeout_seconds: float | None = None
) -> tuple[GuestSnapshotReading, ...]:
    """Return the snapshots of a guest, oldest first. Needs VM.Audit; is answered by the node."""
    return read_guest_snapshots(
        client.get(f"{_guest(node, kind, vmid)}/snapshot", timeout_seconds=timeout_seconds).data
    )


def agent_filesystems(
    client: Client, node: str, vmid: int, *, timeout_seconds: float | None = None
) -> tuple[FilesystemReading, ...]:
    """Return the file systems of a VM, as its agent tells them.

    Needs VM.Monitor up to PVE 8 and VM.GuestAgent.Audit from PVE 9. A dead agent holds up one of the node's three
    workers for 3 s. Raises GuestNotRunning, AgentNotConfigured, AgentNotRunning, AgentTimedOut, AgentRefused
    or AgentUnsupported.
    """
    return read_agent_filesystems(_agent(client, node, vmid, "get-fsinfo", timeout_seconds))


def agent_addresses(
    client: Client, node: str, vmid: int, *, timeout_seconds: float | None = None
) -> tuple[AddressReading, ...]:
    """Return the addresses of a VM, as its agent tells them; privileges and errors as of agent_filesystems."""
    return read_agent_addresses(_agent(client, node, vmid, "network-get-interfaces", timeout_seconds))


def container_addresses(
    client: Client, node: str, vmid: int, *, timeout_seconds: float | None = None
) -> tuple[AddressReading, ...]:
    """Return the addresses of a running container. Needs VM.Audit; from PVE 8.1, NotFound before."""
    return read_container_addresses(
        client.get(f"{_guest(node, 'lxc', vmid)}/interfaces", timeout_seconds=timeout_seconds).data
    )


def node_guests(
    client: Client, node: str, kind: str, *, timeout_seconds: float | None = None
) -> tuple[GuestDetailReading, ...]:
    """Return what a node knows of its guests of one kind (qemu, lxc) beyond the resource list. Needs VM.Audit.

    For VMs the node asks every running one, so this is no call for the fast lane.
    """
    params = {"full": 1} if kind == "qemu" else None
    answer = client.get(f"/nodes/{segment(node)}/{segment(kind)}", params, timeout_seconds=timeout_seconds)
    return read_node_guests(answer.data, kind=kind)


def _guest(node: str, kind: str, vmid: int) -> str:
    return f"/nodes/{segment(node)}/{segment(kind)}/{segment(str(vmid))}"


def _agent(client: Client, node: str, vmid: int, command: str, timeout_seconds: float | None) -> object:
    """Return the answer of the agent. Raises AgentRefused or AgentUnsupported for an error inside a success."""
    data = client.get(f"{_guest(node, 'qemu', vmid)}/agent/{command}", timeout_seconds=timeout_seconds).data
    problem = fields(fields(data).get("result")).get("error")
    if problem:
        told = text(fields(problem).get("desc"), 200)
        failure = AgentRefused if "disabled" in told else AgentUnsupported
        raise failure(f"The agent of guest {vmid} could not answer{': ' if told else ''}{told}")
    return data


def read_guest_config(data: object) -> GuestConfigReading:
    """Return the reading of GET /nodes/{node}/{qemu|lxc}/{vmid}/config; one of a guest just made may be empty."""
    if not isinstance(data, dict) or len(data) > KEYS_LIMIT:
        raise BadAnswer("The answer about a guest's configuration is not an object, or too large for one")
    agent = properties(data.get("agent"), first="enabled")
    memory = properties(data.get("memory"), first="current")  # "current=2048" from PVE 8.1
    return GuestConfigReading(
        digest=text(data.get("digest"), DIGEST_LIMIT),
        name=text(data.get("name"), GUEST_NAME_LIMIT) or text(data.get("hostname"), GUEST_NAME_LIMIT),
        notes=_notes(data.get("description")),
        tags=tags(data.get("tags")),
        os_type=text(data.get("ostype"), WORD_LIMIT),
        agent_is_enabled=truth(agent.get("enabled")) is True,
        memory_bytes=_mebibytes(memory.get("current")),
        balloon_bytes=_mebibytes(data.get("balloon")),
        starts_on_boot=truth(data.get("onboot")) is True,
        is_protected=truth(data.get("protection")) is True,
        disks=_disks(data),
    )


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
    found: list[tuple[str, int, GuestDiskReading]] = []
    for key, value in config.items():
        match = DISK_KEY.fullmatch(key) if isinstance(key, str) else None
        disk = _disk(key, match[1] or "", value) if match else None
        if match and disk:
            found.append((match[1] or "", int(match[2] or 0), disk))
    found.sort(key=lambda entry: entry[:2])
    return tuple(disk for _, _, disk in found[:DISKS_LIMIT])


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


def read_guest_snapshots(data: object) -> tuple[GuestSnapshotReading, ...]:
    """Return the reading of GET .../snapshot, oldest first, without the entry that stands for the guest as it is."""
    rows = rows_of(data, "a guest's snapshots")
    kept = [row for row in rows if not (isinstance(row, dict) and row.get("name") == PSEUDO_SNAPSHOT)]
    readings = read_rows(kept, "a guest's snapshots", _snapshot, limit=SNAPSHOTS_LIMIT)
    return tuple(sorted(readings, key=lambda one: (one.taken_at or 0, one.name)))


def _snapshot(row: Row) -> GuestSnapshotReading | None:
    snapshot = name(row.get("name"))
    if not snapshot:
        return None
    return GuestSnapshotReading(
        name=snapshot,
        taken_at=epoch(row.get("snaptime")),
        description=_notes(row.get("description")),
        parent=name(row.get("parent")),
        has_memory=truth(row.get("vmstate")) is True,
        state=text(row.get("snapstate"), WORD_LIMIT),
    )


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


def _filesystem(row: Row) -> FilesystemReading | None:
    mount_point = text(row.get("mountpoint"), PATH_LIMIT)
    if not mount_point:
        return None
    disks = {label for disk in entries(row.get("disk"), DISKS_BELOW_LIMIT) if (label := _disk_label(disk))}
    return FilesystemReading(
        mount_point=mount_point,
        kind=text(row.get("type"), WORD_LIMIT),
        device=text(row.get("name"), 256),
        total_bytes=size(row.get("total-bytes")),
        used_bytes=size(row.get("used-bytes")),
        disks=tuple(sorted(disks)),
    )


def _disk_label(disk: Row) -> str:
    """Return what tells a disk apart from the others of its guest: serial, address, or device.

    Windows tells -1 for a controller that it does not know; the address is then the same for all disks.
    """
    if serial := text(disk.get("serial"), 128):
        return serial
    controller = fields(disk.get("pci-controller"))
    slot = (
        whole(controller.get("domain")),
        whole(controller.get("bus")),
        whole(controller.get("slot")),
        whole(controller.get("function")),
    )
    device = text(disk.get("dev"), 128)
    if any(part is None or part < 0 for part in slot):
        return device
    place = ":".join(str(part) for part in slot)
    unit = ":".join(text(part, 12) or "?" for part in (disk.get("bus"), disk.get("target"), disk.get("unit")))
    return f"{text(disk.get('bus-type'), WORD_LIMIT)} {place} {unit}"


def read_agent_addresses(data: object) -> tuple[AddressReading, ...]:
    """Return the reading of GET .../agent/network-get-interfaces, loopback and link-local addresses among them."""
    rows = _agent_rows(data, "a guest's interfaces", INTERFACES_LIMIT)
    found = [address for row in rows for address in _addresses(row, text(row.get("hardware-address"), 64))]
    return tuple(found[:ADDRESSES_LIMIT])


def read_container_addresses(data: object) -> tuple[AddressReading, ...]:
    """Return the reading of GET .../lxc/{vmid}/interfaces; a container that does not run has none.

    Before PVE 8.4 only one address of each family is told, with its prefix in the same text.
    """
    if data is None:
        return ()
    found: list[AddressReading] = []
    for row in entries(rows_of(data, "a container's interfaces"), INTERFACES_LIMIT):
        hardware = text(row.get("hardware-address"), 64) or text(row.get("hwaddr"), 64)
        addresses = _addresses(row, hardware)
        if not addresses:
            interface = name(row.get("name"))
            told = (row.get("inet"), row.get("inet6"))
            addresses = [one for value in told if (one := _address(interface, value, None, hardware))]
        found += addresses
    return tuple(found[:ADDRESSES_LIMIT])


def _addresses(row: Row, hardware: str) -> list[AddressReading]:
    interface = name(row.get("name"))
    rows = entries(row.get("ip-addresses"), ADDRESSES_LIMIT)
    found = (
        _address(interface, address.get("ip-address"), address.get("prefix"), hardware) for address in rows
    )
    return [address for address in found if address is not None]


def _address(interface: str, told: object, prefix: object, hardware: str) -> AddressReading | None:
    """Return an address in its one spelling, None for what is none; "/24" may hang on it."""
    spelled, _, length = text(told, 64).partition("/")
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


def read_node_guests(data: object, *, kind: str) -> tuple[GuestDetailReading, ...]:
    """Return the reading of GET /nodes/{node}/qemu?full=1 or /nodes/{node}/lxc."""
    return read_rows(data, "a node's guests", lambda row: _detail(row, kind))


def _detail(row: Row, kind: str) -> GuestDetailReading | None:
    number = vmid(row.get("vmid"))
    if number is None:
        return None
    balloon = fields(row.get("ballooninfo"))
    free = size(row.get("freemem"))
    return GuestDetailReading(
        vmid=number,
        kind=kind,
        balloon_actual_bytes=size(balloon.get("actual")),
        guest_total_bytes=size(balloon.get("total_mem")),
        guest_free_bytes=size(balloon.get("free_mem")) if free is None else free,
        host_memory_bytes=size(row.get("memhost")) or None,  # 0: not measured
        swap_used_bytes=size(row.get("swap")),
        swap_total_bytes=size(row.get("maxswap")),
        pressure=read_pressure(row),
    )


def read_pressure(row: Row) -> PressureReading | None:
    """Return the pressures of a row, None when it has none of them: they came with PVE 9, and nodes lack one."""
    told = PressureReading(
        cpu_some=ratio(row.get("pressurecpusome")),
        cpu_full=ratio(row.get("pressurecpufull")),
        io_some=ratio(row.get("pressureiosome")),
        io_full=ratio(row.get("pressureiofull")),
        memory_some=ratio(row.get("pressurememorysome")),
        memory_full=ratio(row.get("pressurememoryfull")),
    )
    return None if told == PressureReading() else told
