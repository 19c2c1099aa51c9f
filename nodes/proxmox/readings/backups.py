"""Tasks, storages as they are configured, backups in them, and backup jobs of PVE."""

from __future__ import annotations

from typing import Annotated

import msgspec

from nodes.proxmox.properties import Content, Hosts, Names, Vmid, Vmids, backup_directory
from nodes.proxmox.values import Epoch, Fingerprint, IsTrue, Name, Size, Text, Truth, Word, text_of


class TaskReading(msgspec.Struct, frozen=True, gc=False):
    """One Proxmox task: a row of GET /cluster/tasks, /nodes/{node}/tasks, or of PBS. Instants are epoch seconds."""

    upid: str
    node: str
    kind: str  # vzdump, qmigrate, ...; PBS: backup, verificationjob, ...
    subject: str = ""  # what it works on: a vmid, a storage, a datastore; empty for a job over several guests
    user: str = ""
    started_epoch: int | None = None
    ended_epoch: int | None = None  # None while it runs
    status: str = ""  # Proxmox's own text when it has ended: OK, WARNINGS: 2, an error; empty while it runs


class UpidReading(msgspec.Struct, frozen=True, gc=False):
    """What the id of a task tells by itself."""

    node: str
    kind: str
    subject: str = ""
    user: str = ""  # or the token: root@pam!monitor
    started_epoch: int | None = None  # epoch seconds


class VzdumpGuestReading(msgspec.Struct, frozen=True, gc=False):
    """How the backup of one guest went, from the log of a vzdump task."""

    vmid: int
    kind: str = ""  # qemu, lxc
    is_ok: bool | None = None  # None: the log tells no end, because it still runs or was cut off
    error: str = ""
    seconds: int | None = None
    size_bytes: int | None = None  # of the archive; to a PBS what was transferred, rounded as it was told


class TimeReading(msgspec.Struct, frozen=True, gc=False):
    """GET /nodes/{node}/time: in which zone the schedules of a node are meant."""

    zone: str = ""  # Europe/Vienna
    told_epoch: int | None = None  # epoch seconds, by the clock of the node


class StorageConfigReading(msgspec.Struct, frozen=True):
    """A row of GET /storage: how a storage is defined in the cluster."""

    name: Annotated[Name, "storage"]
    plugin: Annotated[Word, "type"] = ""
    content: Annotated[Content, "content"] = ()  # sorted
    is_shared: Annotated[IsTrue, "shared"] = False
    is_disabled: Annotated[IsTrue, "disable"] = False
    nodes: Annotated[Names, "nodes"] = ()  # where it exists; empty: everywhere
    server: Annotated[Text, "server"] = ""  # of a pbs, nfs, cifs or glusterfs storage
    second_server: Annotated[Text, "server2"] = ""  # of a glusterfs storage
    monitors: Annotated[Hosts, "monhost"] = ()  # of Ceph elsewhere: sorted, without ports
    export: Annotated[str, text_of(512), "export"] = ""  # of an nfs storage
    share: Annotated[str, text_of(512), "share"] = ""  # of a cifs storage
    gluster_volume: Annotated[str, text_of(512), "volume"] = ""
    filesystem: Annotated[Name, "fs-name"] = ""  # of a cephfs storage
    subdirectory: Annotated[str, text_of(512), "subdir"] = ""  # of the share; mounted in place of the whole
    backup_directory: Annotated[str, backup_directory, "content-dirs"] = ""
    datastore: Annotated[Name, "datastore"] = ""  # of a pbs storage
    namespace: Annotated[str, text_of(512), "namespace"] = ""
    username: Annotated[Text, "username"] = ""
    fingerprint: Annotated[Fingerprint, "fingerprint"] = ""  # SHA-256, hex, lower case, without colons
    path: Annotated[str, text_of(512), "path"] = ""


class NodeStorageReading(msgspec.Struct, frozen=True, gc=False):
    """A row of GET /nodes/{node}/storage: a storage as this node probed it."""

    name: Annotated[Name, "storage"]
    plugin: Annotated[Word, "type"] = ""
    content: Annotated[Content, "content"] = ()
    is_active: Annotated[Truth, "active"] = None
    is_enabled: Annotated[Truth, "enabled"] = None
    is_shared: Annotated[Truth, "shared"] = None
    total_bytes: Annotated[Size, "total"] = None
    used_bytes: Annotated[Size, "used"] = None
    available_bytes: Annotated[Size, "avail"] = None


class BackupVolumeReading(msgspec.Struct, frozen=True):
    """A row of GET /nodes/{node}/storage/{storage}/content?content=backup."""

    volume: str  # volid, such as nas:backup/vzdump-qemu-100-2026_01_01-01_00_00.vma.zst
    vmid: int | None = None
    kind: str = ""  # qemu, lxc, empty when it cannot be told
    created_epoch: Annotated[Epoch, "ctime"] = None  # epoch seconds
    size_bytes: int | None = None  # None: not told, or unfinished (PBS)
    format: Annotated[Word, "format"] = ""
    notes: Annotated[Text, "notes"] = ""
    is_protected: Annotated[IsTrue, "protected"] = False
    verification: Annotated[Word, "verification", "state"] = ""  # ok, failed; PBS storages only
    is_encrypted: bool = False


class BackupJobReading(msgspec.Struct, frozen=True):
    """A row of GET /cluster/backup."""

    id: Annotated[Text, "id"]
    is_enabled: bool = True
    schedule: Annotated[Text, "schedule"] = ""  # calendar event
    storage: Annotated[Name, "storage"] = ""
    node: Annotated[Name, "node"] = ""  # restricted to it; empty: all nodes
    mode: Annotated[Word, "mode"] = ""
    covers_all: Annotated[IsTrue, "all"] = False
    vmids: Annotated[Vmids, "vmid"] = ()
    excluded: Annotated[Vmids, "exclude"] = ()
    pool: Annotated[Name, "pool"] = ""
    comment: Annotated[str, text_of(512), "comment"] = ""
    next_run_epoch: Annotated[Epoch, "next-run"] = None


class UncoveredGuestReading(msgspec.Struct, frozen=True, gc=False):
    """A row of GET /cluster/backup-info/not-backed-up: no enabled job names this guest."""

    vmid: Annotated[Vmid, "vmid"]
    kind: Annotated[Word, "type"] = ""
    name: Annotated[Text, "name"] = ""


class JobVolumeReading(msgspec.Struct, frozen=True, gc=False):
    """One volume of GET /cluster/backup/{id}/included_volumes, and whether the job takes it."""

    vmid: int
    guest_name: str
    volume: str  # key of the disk: scsi0, mp1
    is_included: bool
    reason: str = ""  # of Proxmox: enabled, disabled, not a volume, ...
