"""The calls of Proxmox VE about storages and what lies in them."""

from __future__ import annotations

import hashlib
from urllib.parse import urlsplit

from tests.fake_proxmox.backups import Archive, file_name, form, snapshot_name
from tests.fake_proxmox.calls import ApiFailure, Call
from tests.fake_proxmox.figures import Row
from tests.fake_proxmox.model import Storage
from tests.fake_proxmox.pve import call, cluster_of, node_of
from tests.fake_proxmox.pve_guests import disk_storage

_SEES = ("Datastore.Audit", "Datastore.AllocateSpace")
_ISOS = (("debian-12.9.0-amd64-netinst.iso", 663_748_608), ("virtio-win-0.1.266.iso", 724_971_520))


@call("GET", "/storage", parameters=("type",))
def configured(request: Call) -> list[Row]:
    """The configuration of the storages that the caller may see."""
    cluster = cluster_of(request)
    digest = hashlib.sha1(repr(sorted(cluster.storages)).encode(), usedforsecurity=False).hexdigest()
    rows = []
    for storage in cluster.storages.values():
        if not request.may(f"/storage/{storage.name}", *_SEES):
            continue
        if request.parameters.get("type", storage.plugin) != storage.plugin:
            continue
        row: Row = {
            "storage": storage.name,
            "type": storage.plugin,
            "content": storage.content,
            "digest": digest,
            **_options(request, storage),
        }
        if storage.nodes:
            row["nodes"] = ",".join(sorted(storage.nodes))
        if storage.is_disabled:
            row["disable"] = 1
        if storage.is_shared and storage.plugin == "dir":
            row["shared"] = 1
        rows.append(row)
    return rows


def _options(request: Call, storage: Storage) -> Row:
    options = dict(storage.options)
    if storage.plugin != "pbs":
        return options
    # The backup server that the name stands for, where it listens now.
    backup_server = request.site.backup_server_of(storage)
    if backup_server is not None:
        options |= {"server": backup_server.first.host, "port": urlsplit(backup_server.url).port}
        options["fingerprint"] = backup_server.model.fingerprint.lower()
    return options


@call(
    "GET",
    "/nodes/{node}/storage",
    parameters=("content", "enabled", "format", "storage", "target"),
    is_proxied=True,
)
def of_node(request: Call) -> list[Row]:
    """The storages of a node, probed one after the other."""
    node = node_of(request)
    sizes = {
        row["storage"]: row for row in request.site.rows(request.now).storages if row["node"] == node.name
    }
    wanted = set(filter(None, request.parameters.get("content", "").split(",")))
    rows = []
    for storage in cluster_of(request).storages.values():
        if storage.nodes and node.name not in storage.nodes:
            continue
        if not request.may(f"/storage/{storage.name}", *_SEES):
            continue
        if (request.flag("enabled") and storage.is_disabled) or (
            wanted and not wanted & set(storage.content.split(","))
        ):
            continue
        if request.parameters.get("storage", storage.name) != storage.name:
            continue
        rows.append(_probed(storage, sizes.get(storage.name, {})))
    return rows


def _probed(storage: Storage, known: Row) -> Row:
    row: Row = {
        "storage": storage.name,
        "type": storage.plugin,
        "content": storage.content,
        "shared": int(storage.is_shared),
        "enabled": int(not storage.is_disabled),
        "active": int("disk" in known),
        "total": 0,
        "used": 0,
        "avail": 0,
    }
    if "disk" in known:
        total, used = known["maxdisk"], known["disk"]
        reserved = total // 20 if storage.plugin == "dir" else 0
        row |= {"total": total, "used": used, "avail": max(0, total - used - reserved)}
        row["used_fraction"] = used / total
    return row


@call(
    "GET",
    "/nodes/{node}/storage/{storage}/content",
    parameters=("content", "vmid"),
    privilege=("/storage/{storage}", *_SEES),
    is_proxied=True,
)
def content(request: Call) -> list[Row]:
    """The volumes in a storage, each shown only to who may use it: an auditor sees no backup at all."""
    node, name = node_of(request).name, request.names["storage"]
    storage = cluster_of(request).storages.get(name)
    if storage is None:
        raise ApiFailure(500, f"storage '{name}' does not exist")
    if storage.nodes and node not in storage.nodes:
        raise ApiFailure(500, f"storage '{name}' is not available on node '{node}'")
    if storage.is_disabled:
        raise ApiFailure(500, f"storage '{name}' is disabled")
    if node in storage.inactive_on:
        text = "error fetching datastores - 500 Can't connect" if storage.plugin == "pbs" else "is not online"
        raise ApiFailure(500, f"storage '{name}' {text}" if storage.plugin != "pbs" else f"{name}: {text}")
    wanted = request.parameters.get("content", "")
    vmid = request.number("vmid", 0)
    known = set(storage.content.split(","))
    rows: list[Row] = []
    if wanted in ("", "backup") and "backup" in known:
        rows += _backups(request, storage, node, vmid)
    if wanted in ("", "images", "rootdir") and known & {"images", "rootdir"}:
        rows += _images(request, storage, node, vmid, wanted)
    if wanted in ("", "iso") and "iso" in known and not vmid:
        rows += [
            {
                "volid": f"{name}:iso/{file}",
                "content": "iso",
                "format": "iso",
                "size": size,
                "ctime": 1_736_000_000,
            }
            for file, size in _ISOS
        ]
    return rows


def _backups(request: Call, storage: Storage, node: str, vmid: int) -> list[Row]:
    sees_all = request.may(f"/storage/{storage.name}", "Datastore.Allocate")
    may_write = request.may(f"/storage/{storage.name}", "Datastore.AllocateSpace")
    rows = []
    for archive in request.site.archives(storage, request.now, vmid):
        if not storage.is_shared and archive.node != node:
            continue
        if sees_all or (may_write and request.may(f"/vms/{archive.vmid}", "VM.Backup")):
            rows.append(_volume(storage, archive))
    return rows


def _volume(storage: Storage, archive: Archive) -> Row:
    row: Row = {
        "vmid": archive.vmid,
        "ctime": archive.at,
        "content": "backup",
        "size": archive.size if archive.is_finished else 1,
        "subtype": archive.kind,
    }
    if archive.notes:
        row["notes"] = archive.notes.partition("\n")[0]
    if archive.is_protected:
        row["protected"] = 1
    if storage.plugin != "pbs":
        return row | {"volid": f"{storage.name}:backup/{file_name(archive)}", "format": form(archive)}
    row |= {
        "volid": f"{storage.name}:backup/{snapshot_name(archive)}",
        "format": "pbs-vm" if archive.kind == "qemu" else "pbs-ct",
    }
    if archive.verification:
        row["verification"] = {
            "state": archive.verification,
            "upid": f"UPID:vault:000004D2:00001F5A:00000003:{archive.at + 7_200:08X}:verify:main:root@pam:",
        }
    if archive.fingerprint:
        row["encrypted"] = archive.fingerprint
    return row


def _images(request: Call, storage: Storage, node: str, vmid: int, wanted: str) -> list[Row]:
    rows = []
    for guest in cluster_of(request).guests.values():
        kind = "rootdir" if guest.kind == "lxc" else "images"
        if (vmid and guest.vmid != vmid) or wanted not in ("", kind):
            continue
        if disk_storage(request, guest) != storage.name or not (storage.is_shared or guest.node == node):
            continue
        if not request.may(f"/vms/{guest.vmid}", "VM.Config.Disk"):
            continue
        form = "vm" if guest.kind == "qemu" else "subvol"
        rows.append(
            {
                "volid": f"{storage.name}:{form}-{guest.vmid}-disk-0",
                "content": kind,
                "format": "raw" if guest.kind == "qemu" else "subvol",
                "size": guest.disk_bytes,
                "vmid": guest.vmid,
                "ctime": 1_729_071_811 + guest.vmid,
            }
        )
    return rows
