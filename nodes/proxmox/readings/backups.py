"""Tasks, storages as they are configured, backups in them, and backup jobs of PVE."""

from __future__ import annotations

import msgspec


class TaskReading(msgspec.Struct, frozen=True, gc=False):
    """One Proxmox task: a row of GET /cluster/tasks, /nodes/{node}/tasks, or of PBS. Instants are epoch seconds."""

    upid: str
    node: str
    kind: str  # vzdump, qmigrate, ...; PBS: backup, verificationjob, ...
    subject: str = ""  # what it works on: a vmid, a storage, a datastore; empty for a job over several guests
    user: str = ""
    started_at: int | None = None
    ended_at: int | None = None  # None while it runs
    status: str = ""  # Proxmox's own text when it has ended: OK, WARNINGS: 2, an error; empty while it runs


class UpidReading(msgspec.Struct, frozen=True, gc=False):
    """What the id of a task tells by itself."""

    node: str
    kind: str
    subject: str = ""
    user: str = ""  # or the token: root@pam!monitor
    started_at: int | None = None  # epoch seconds


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
    offset_seconds: int | None = None  # east of UTC is positive
    at: int | None = None  # epoch seconds, by the clock of the node


class StorageConfigReading(msgspec.Struct, frozen=True):
    """A row of GET /storage: how a storage is defined in the cluster."""

    name: str
    plugin: str = ""
    content: tuple[str, ...] = ()  # sorted
    is_shared: bool = False
    is_disabled: bool = False
    nodes: tuple[str, ...] = ()  # where it exists; empty: everywhere
    server: str = ""  # of a pbs, nfs or cifs storage
    datastore: str = ""  # of a pbs storage
    namespace: str = ""
    username: str = ""
    fingerprint: str = ""  # SHA-256, hex, lower case, without colons
    path: str = ""


class NodeStorageReading(msgspec.Struct, frozen=True, gc=False):
    """A row of GET /nodes/{node}/storage: a storage as this node probed it."""

    name: str
    plugin: str = ""
    content: tuple[str, ...] = ()
    is_active: bool | None = None
    is_enabled: bool | None = None
    is_shared: bool | None = None
    total_bytes: int | None = None
    used_bytes: int | None = None
    available_bytes: int | None = None


class BackupVolumeReading(msgspec.Struct, frozen=True):
    """A row of GET /nodes/{node}/storage/{storage}/content?content=backup."""

    volume: str  # volid, such as nas:backup/vzdump-qemu-100-2026_01_01-01_00_00.vma.zst
    vmid: int | None = None
    kind: str = ""  # qemu, lxc, empty when it cannot be told
    created_at: int | None = None  # epoch seconds
    size_bytes: int | None = None  # None: not told, or unfinished (PBS)
    format: str = ""
    notes: str = ""
    is_protected: bool = False
    verification: str = ""  # ok, failed; PBS storages only
    is_encrypted: bool = False


class BackupJobReading(msgspec.Struct, frozen=True):
    """A row of GET /cluster/backup."""

    id: str
    is_enabled: bool = True
    schedule: str = ""  # calendar event
    storage: str = ""
    node: str = ""  # restricted to it; empty: all nodes
    mode: str = ""
    covers_all: bool = False
    vmids: tuple[int, ...] = ()
    excluded: tuple[int, ...] = ()
    pool: str = ""
    comment: str = ""
    next_run_at: int | None = None
    repeats_missed: bool = False


class UncoveredGuestReading(msgspec.Struct, frozen=True, gc=False):
    """A row of GET /cluster/backup-info/not-backed-up: no enabled job names this guest."""

    vmid: int
    kind: str = ""
    name: str = ""


class JobVolumeReading(msgspec.Struct, frozen=True, gc=False):
    """One volume of GET /cluster/backup/{id}/included_volumes, and whether the job takes it."""

    vmid: int
    guest_kind: str
    guest_name: str
    volume: str  # key of the disk: scsi0, mp1
    is_included: bool
    reason: str = ""  # of Proxmox: enabled, disabled, not a volume, ...
