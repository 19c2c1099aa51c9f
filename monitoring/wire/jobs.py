"""Datastores, namespaces and jobs of a PBS as the state sends them; pure. Source: state.md 2.5 of the contract."""

from __future__ import annotations

import msgspec


class NamespaceShape(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A namespace of a datastore; the root is "" and comes first. `depth` is the number of slashes."""

    path: str
    depth: int
    parent: str = ""


# state.md 2.5; from `maintenance` on the fields are our own.
class DatastoreShape(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A datastore of a backup server.

    `status`: `available`, `unavailable` when nothing can be read in it, `unknown` when its use is not told: all figures are 0 then.
    `fullAt` is when it will be full if it goes on growing as in the last month, `deduplication` how many times each stored byte
    is used, null while that is not known.
    """

    name: str
    total: int
    used: int
    free: int
    usage: float
    status: str
    error: str = ""
    namespaces: tuple[NamespaceShape, ...] = ()
    maintenance: str = ""  # read-only, offline, unmount, delete, ...
    maintenanceMessage: str = ""
    comment: str = ""
    mountStatus: str = ""  # mounted, notmounted, nonremovable
    backend: str = ""  # filesystem, s3
    fullAt: str = ""  # when it will be full if it goes on growing as in the last month
    deduplication: float | None = None  # factor: how many times each stored byte is used
    stale: bool = False


# From `instance` on the fields of all jobs are our own.
class BackupJobShape(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A backup job of Proxmox VE; `missedAt` is a run that was due and did not come.

    `store` is the datastore that it writes to, among the jobs of PVE itself the storage.
    """

    id: str
    store: str
    status: str
    type: str
    lastBackup: str
    nextRun: str
    vmid: str = ""
    error: str = ""
    instance: str = ""
    schedule: str = ""
    missedAt: str = ""
    disabled: bool = False


class SyncJobShape(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A job that copies backups from or to another server."""

    id: str
    store: str
    status: str
    remote: str
    lastSync: str
    nextRun: str
    error: str = ""
    schedule: str = ""
    direction: str = ""
    remoteStore: str = ""
    missedAt: str = ""
    disabled: bool = False


class VerifyJobShape(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A job that verifies backups."""

    id: str
    store: str
    status: str
    lastVerify: str
    nextRun: str
    error: str = ""
    schedule: str = ""
    missedAt: str = ""
    disabled: bool = False


class PruneJobShape(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A job that removes old backups."""

    id: str
    store: str
    status: str
    lastPrune: str
    nextRun: str
    error: str = ""
    schedule: str = ""
    missedAt: str = ""
    disabled: bool = False


class GarbageJobShape(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A garbage collection: it frees what no backup needs any more; sizes are bytes."""

    id: str
    store: str
    status: str
    lastGarbage: str
    nextRun: str
    error: str = ""
    removedBytes: int = 0
    schedule: str = ""
    pendingBytes: int = 0
    missedAt: str = ""
    disabled: bool = False


class ServerJobs(msgspec.Struct, frozen=True):
    """The five job lists of a PBS."""

    backup: tuple[BackupJobShape, ...] = ()
    sync: tuple[SyncJobShape, ...] = ()
    verify: tuple[VerifyJobShape, ...] = ()
    prune: tuple[PruneJobShape, ...] = ()
    garbage: tuple[GarbageJobShape, ...] = ()
