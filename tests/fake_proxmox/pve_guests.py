"""The calls of Proxmox VE about guests: lists of a node, current status, configuration, snapshots, addresses of containers."""

from __future__ import annotations

import hashlib
from typing import Any

from tests.fake_proxmox import curves, guests
from tests.fake_proxmox.calls import ApiFailure, Call
from tests.fake_proxmox.figures import Row
from tests.fake_proxmox.model import Guest
from tests.fake_proxmox.pve import call, cluster_of, node_of, worker_cpu

_PRESSURES = (
    "pressurecpusome",
    "pressureiosome",
    "pressureiofull",
    "pressurememorysome",
    "pressurememoryfull",
)
_AUDIT = ("/vms/{vmid}", "VM.Audit")
_FOLDERS = {"qemu": "qemu-server", "lxc": "lxc"}
_MIB = 1 << 20


def guest_of(request: Call, kind: str) -> Guest:
    """Return the guest of the path; it fails for one that is not on that node, as for one that is nowhere."""
    text = request.names["vmid"]
    if not text.isdigit():
        error = "type check ('integer') failed - got '" + text + "'"
        raise ApiFailure(400, "Parameter verification failed.", {"vmid": error})
    node = node_of(request).name
    guest = cluster_of(request).guests.get(int(text))
    if guest is None or guest.kind != kind or guest.node != node:
        raise ApiFailure(
            500, f"Configuration file 'nodes/{node}/{_FOLDERS[kind]}/{text}.conf' does not exist"
        )
    return guest


def row_of(request: Call, guest: Guest) -> Row:
    """Return the row that /cluster/resources has for a guest."""
    return request.site.rows(request.now).by_vmid[guest.vmid]


@call("GET", "/nodes/{node}/qemu", parameters=("full",), is_proxied=True)
def machines(request: Call) -> list[Row]:
    """The virtual machines of a node; with `full` what QEMU says of each."""
    is_full = request.flag("full")
    return [_machine(request, guest, is_full=is_full) for guest in _of_node(request, "qemu")]


@call("GET", "/nodes/{node}/lxc", is_proxied=True)
def containers(request: Call) -> list[Row]:
    """The containers of a node."""
    return [_container(request, guest) for guest in _of_node(request, "lxc")]


def _of_node(request: Call, kind: str) -> list[Guest]:
    node = node_of(request).name
    return [
        guest
        for guest in cluster_of(request).guests.values()
        if guest.node == node and guest.kind == kind and request.may(f"/vms/{guest.vmid}", "VM.Audit")
    ]


def _version(request: Call) -> tuple[int, int]:
    return cluster_of(request).version_of(node_of(request).name).number


def _common(request: Call, guest: Guest, row: Row) -> Row:
    """Return what VM and container rows have in common."""
    is_running = guest.started_at is not None
    version = _version(request)
    own: Row = {
        "vmid": guest.vmid if version >= (8, 0) else str(guest.vmid),
        "name": guest.name,
        "status": "running" if is_running else "stopped",
        "cpu": worker_cpu(request, row["cpu"], f"{guest.node}/{guest.vmid}") if is_running else 0,
        "cpus": guest.cpus,
        "mem": row["mem"],
        "maxmem": guest.memory_bytes,
        "disk": row["disk"],
        "maxdisk": guest.disk_bytes,
        "uptime": row["uptime"],
        "netin": row["netin"],
        "netout": row["netout"],
    }
    if is_running:
        pid = 1_000 + guest.vmid * 7
        own["pid"] = pid if version >= (8, 0) else str(pid)
    if guest.is_template:
        own["template"] = 1
    elif version < (8, 0):
        own["template"] = ""
    for key in ("tags", "lock"):
        if text := getattr(guest, key):
            own[key] = text
    return own


def _pressures(guest: Guest, at: float, *, is_busy: bool) -> dict[str, float]:
    """Return percent of the last ten seconds in which something waited."""
    if not is_busy:
        return dict.fromkeys(_PRESSURES, 0.0)
    cpu = curves.cpu_ratio(guest.load, at)
    waits = 0.5 + 0.5 * curves.noise(guest.load.seed + 7, int(at / 10))
    found = {
        "pressurecpusome": cpu * 12 * waits,
        "pressureiosome": 1.8 * waits,
        "pressureiofull": 1.5 * waits,
        "pressurememorysome": 0.2 * waits,
        "pressurememoryfull": 0.15 * waits,
    }
    return {key: round(value, 2) for key, value in found.items()}


def _machine(request: Call, guest: Guest, *, is_full: bool) -> Row:
    row, version = row_of(request, guest), _version(request)
    own = _common(request, guest, row)
    is_running = guest.started_at is not None
    if guest.system == "docker":
        own["serial"] = 1
    if version >= (9, 0):
        own["memhost"] = row.get("memhost", 0)
        pressures = _pressures(guest, request.now, is_busy=is_running)
        own |= pressures | {"pressurecpufull": round(pressures["pressurecpusome"] * 0.8, 2)}
    if not is_full:
        if is_running:
            own["mem"] = own["memhost"] if version >= (9, 0) else int(min(row["maxmem"], row["mem"] * 1.07))
        if version < (9, 0):
            own |= {"diskread": 0, "diskwrite": 0}
        return own
    own |= {"qmpstatus": guest.status, "diskread": row["diskread"], "diskwrite": row["diskwrite"]}
    return own | _from_qemu(request, guest, row) if is_running else own


def _from_qemu(request: Call, guest: Guest, row: Row) -> Row:
    """Return what only a running QEMU tells."""
    release = {7: "7.2.0", 8: "9.2.0"}.get(_version(request)[0], "10.1.2")
    machine = "pc-q35-10.1" if guest.system == "windows" else "pc-i440fx-" + release.rpartition(".")[0]
    own: Row = {
        "running-qemu": release,
        "running-machine": f"{machine}+pve0",
        "proxmox-support": {
            "pbs-dirty-bitmap": True,
            "pbs-dirty-bitmap-savevm": True,
            "pbs-dirty-bitmap-migration": True,
            "backup-max-workers": True,
            "query-bitmap-info": True,
            "pbs-library-version": "1.5.1",
        },
        "blockstat": {"scsi0": _block(row["diskread"], row["diskwrite"]), "ide2": _block(0, 0)},
        "nics": {f"tap{guest.vmid}i0": _nic(request, row)},
    }
    if guests.SYSTEMS[guest.system].has_balloon and guest.status == "running":
        total = row["maxmem"] - min(row["maxmem"] // 30, 512 * _MIB)
        free = max(0, row["maxmem"] - row["mem"])
        own |= {
            "balloon": row["maxmem"],
            "freemem": free,
            "ballooninfo": {
                "actual": row["maxmem"],
                "max_mem": row["maxmem"],
                "total_mem": total,
                "free_mem": free,
                "mem_swapped_in": 0,
                "mem_swapped_out": 0,
                "major_page_faults": 2_400 + guest.vmid,
                "minor_page_faults": row["uptime"] * 40,
                "last_update": int(request.now) // 10 * 10,
            },
        }
    return own


def _nic(request: Call, row: Row) -> Row:
    counters: Row = {"netin": row["netin"], "netout": row["netout"]}
    if _version(request) < (8, 0):
        return {key: str(value) for key, value in counters.items()}
    return counters


def _block(read: int, written: int) -> Row:
    return {
        "rd_bytes": read,
        "wr_bytes": written,
        "rd_operations": read // 16_384,
        "wr_operations": written // 8_192,
        "flush_operations": written // 200_000,
        "rd_total_time_ns": read * 11,
        "wr_total_time_ns": written * 26,
        "flush_total_time_ns": written * 3,
        "failed_rd_operations": 0,
        "failed_wr_operations": 0,
        "failed_flush_operations": 0,
        "wr_highest_offset": written * 3 // 2,
        "account_failed": True,
        "account_invalid": True,
    }


def _container(request: Call, guest: Guest) -> Row:
    row, version = row_of(request, guest), _version(request)
    is_running = guest.started_at is not None
    swap = max(256 * _MIB, guest.memory_bytes // 4)
    own = _common(request, guest, row) | {
        "type": "lxc",
        "swap": int(swap * 0.04) // 4_096 * 4_096 if is_running else 0,
        "maxswap": swap,
        "diskread": row["diskread"],
        "diskwrite": row["diskwrite"],
    }
    if version < (8, 0):
        own |= {"disk": str(own["disk"]), "maxdisk": str(own["maxdisk"]), "lock": own.get("lock", "")}
    if version >= (9, 0):
        pressures = _pressures(guest, request.now, is_busy=is_running)
        # The kernel's own text, passed on as it is.
        own |= {key: f"{value:.2f}" for key, value in pressures.items()}
        own["pressurecpufull"] = f"{pressures['pressurecpusome'] * 0.8:.2f}"
    return own


def _ha(guest: Guest) -> Row:
    if not guest.hastate:
        return {"managed": 0}
    return {"managed": 1, "state": guest.hastate}


@call("GET", "/nodes/{node}/qemu/{vmid}/status/current", privilege=_AUDIT, is_proxied=True)
def machine_status(request: Call) -> Row:
    """All that is known of one virtual machine."""
    guest = guest_of(request, "qemu")
    own = _machine(request, guest, is_full=True) | {"ha": _ha(guest)}
    if guest.agent != "none":
        own["agent"] = 1
    if guest.started_at is not None and _version(request) >= (8, 0):
        own["clipboard"] = None
    return own


@call("GET", "/nodes/{node}/lxc/{vmid}/status/current", privilege=_AUDIT, is_proxied=True)
def container_status(request: Call) -> Row:
    """All that is known of one container."""
    guest = guest_of(request, "lxc")
    return _container(request, guest) | {"ha": _ha(guest)}


def disk_storage(request: Call, guest: Guest) -> str:
    """Return the storage on which a guest has its disks."""
    names = [
        storage.name
        for storage in cluster_of(request).storages.values()
        if "images" in storage.content and not storage.is_disabled
    ]
    return names[guest.vmid % len(names)] if names else "local"


def _with_digest(config: Row) -> Row:
    digest = hashlib.sha1(repr(sorted(config.items())).encode(), usedforsecurity=False).hexdigest()
    return {**config, "digest": digest}


def _config_of(request: Call, guest: Guest) -> Row:
    own: Row = {"cores": guest.cpus}
    if guest.notes:
        own["description"] = guest.notes + "\n"
    for key in ("tags", "lock"):
        if text := getattr(guest, key):
            own[key] = text
    if guest.is_template:
        own["template"] = 1
    if guest.snapshots:
        own["parent"] = list(guest.snapshots)[-1]
    if guests.draw(guest, 3) < 0.8:
        own["onboot"] = 1
    memory = guest.memory_bytes // _MIB
    disk = f"{disk_storage(request, guest)}:{{}}-{guest.vmid}-disk-0"
    return own | (_machine_config if guest.kind == "qemu" else _container_config)(
        request, guest, memory, disk
    )


def _machine_config(request: Call, guest: Guest, memory: int, disk: str) -> Row:
    system = guests.SYSTEMS[guest.system]
    place = disk.format("base" if guest.is_template else "vm")
    skipped = ",backup=0" if guest.vmid % 17 == 3 else ""
    own: Row = {
        "name": guest.name,
        "memory": str(memory) if _version(request) >= (8, 0) else memory,
        "sockets": 1,
        "cpu": "x86-64-v2-AES",
        "numa": 0,
        "ostype": system.ostype,
        "scsihw": "virtio-scsi-single",
        "scsi0": f"{place}{skipped},iothread=1,size={guest.disk_bytes >> 30}G",
        "ide2": "none,media=cdrom",
        "boot": "order=scsi0;ide2;net0",
        "net0": f"virtio={guests.mac(guest)},bridge=vmbr0,firewall=1",
        "smbios1": f"uuid={guests.uuid(guest, 'smbios')}",
        "vmgenid": guests.uuid(guest, "vmgenid"),
        "meta": "creation-qemu=9.0.2,ctime=1729071811",
    }
    if guest.agent != "none":
        own["agent"] = ("1", "enabled=1", "1,fstrim_cloned_disks=1")[guest.vmid % 3]
    elif guest.vmid % 2:
        own["agent"] = "0"
    if guest.system == "windows":
        own |= {
            "bios": "ovmf",
            "machine": "pc-q35-9.2",
            "efidisk0": f"{place[:-1]}1,efitype=4m,pre-enrolled-keys=1,size=1M",
            "balloon": 0,
        }
    return own


def _container_config(request: Call, guest: Guest, memory: int, disk: str) -> Row:
    del request
    own: Row = {
        "hostname": guest.name,
        "memory": memory,
        "swap": max(256, memory // 4),
        "arch": "amd64",
        "ostype": "debian",
        "unprivileged": 1,
        "features": "nesting=1",
        "rootfs": f"{disk.format('subvol')},size={guest.disk_bytes >> 30}G",
        "net0": f"name=eth0,bridge=vmbr0,firewall=1,hwaddr={guests.mac(guest)},ip={guests.address(guest)}/16,type=veth",
    }
    if guest.vmid % 4 == 0:
        own["mp0"] = "/mnt/shared,mp=/srv/shared"
        own["mp1"] = f"{disk.format('subvol')[:-1]}1,mp=/srv/data,backup=1,size=64G"
    return own


@call(
    "GET",
    "/nodes/{node}/qemu/{vmid}/config",
    parameters=("current", "snapshot"),
    privilege=_AUDIT,
    is_proxied=True,
)
def machine_config(request: Call) -> Row:
    """The configuration of a virtual machine, changes that wait for a restart included."""
    return _with_digest(_config_of(request, guest_of(request, "qemu")))


@call(
    "GET",
    "/nodes/{node}/lxc/{vmid}/config",
    parameters=("current", "snapshot"),
    privilege=_AUDIT,
    is_proxied=True,
)
def container_config(request: Call) -> Row:
    """The configuration of a container."""
    return _with_digest(_config_of(request, guest_of(request, "lxc")))


def _snapshots(request: Call, kind: str) -> list[Row]:
    guest = guest_of(request, kind)
    rows: list[Row] = []
    for snapshot in guest.snapshots.values():
        row: Row = {
            "name": snapshot.name,
            "snaptime": int(snapshot.taken_at),
            "description": snapshot.description,
        }
        if kind == "qemu":
            row["vmstate"] = int(snapshot.has_memory)
        if snapshot.parent:
            row["parent"] = snapshot.parent
        if snapshot.state:
            row["snapstate"] = snapshot.state
        rows.append(row)
    current: Row = {
        "name": "current",
        "description": "You are here!",
        "digest": _with_digest(_config_of(request, guest))["digest"],
    }
    if kind == "qemu" or _version(request) >= (8, 0):
        current["running"] = int(guest.started_at is not None)
    if guest.snapshots:
        current["parent"] = list(guest.snapshots)[-1]
    # Proxmox lists a hash: in no order.
    turn = guest.vmid % (len(rows) + 1)
    return [*rows[turn:], *rows[:turn], current]


@call("GET", "/nodes/{node}/qemu/{vmid}/snapshot", privilege=_AUDIT, is_proxied=True)
def machine_snapshots(request: Call) -> list[Row]:
    """The snapshots of a virtual machine, and where it is now."""
    return _snapshots(request, "qemu")


@call("GET", "/nodes/{node}/lxc/{vmid}/snapshot", privilege=_AUDIT, is_proxied=True)
def container_snapshots(request: Call) -> list[Row]:
    """The snapshots of a container, and where it is now."""
    return _snapshots(request, "lxc")


@call(
    "GET",
    "/nodes/{node}/lxc/{vmid}/interfaces",
    privilege=_AUDIT,
    since=(8, 1),
    is_proxied=True,
)
def container_interfaces(request: Call) -> list[Row] | None:
    """The network interfaces of a running container, null of another."""
    guest = guest_of(request, "lxc")
    if guest.started_at is None:
        return None
    card = guests.mac(guest).lower()
    link_local = f"fe80::be24:11ff:fe{card[9:11]}:{card[12:14]}{card[15:17]}"
    found: list[tuple[str, str, list[tuple[str, str, int]]]] = [
        ("lo", "00:00:00:00:00:00", [("inet", "127.0.0.1", 8), ("inet6", "::1", 128)]),
        ("eth0", card, [("inet", guests.address(guest), 16), ("inet6", link_local, 64)]),
    ]
    rows: list[Row] = []
    for name, hardware, addresses in found:
        row: dict[str, Any] = {"name": name, "hwaddr": hardware, "hardware-address": hardware}
        row |= {kind: f"{text}/{prefix}" for kind, text, prefix in addresses}
        if _version(request) >= (8, 4):
            row["ip-addresses"] = [
                {"ip-address-type": kind, "ip-address": text, "prefix": prefix}
                for kind, text, prefix in addresses
            ]
        rows.append(row)
    return rows
