"""Namespaces, groups, snapshots and jobs of a Proxmox Backup Server."""

from __future__ import annotations

from typing import Annotated

import msgspec

from nodes.proxmox.values import Epoch, Text, Word


class NamespaceReading(msgspec.Struct, frozen=True, gc=False):
    """A row of GET /admin/datastore/{store}/namespace; the root is ""."""

    path: str
    comment: str = ""


class BackupGroupReading(msgspec.Struct, frozen=True):
    """A row of GET /admin/datastore/{store}/groups?ns=."""

    kind: Annotated[Word, "backup-type"]  # vm, ct, host
    id: Annotated[Text, "backup-id"]
    last_backup_epoch: Annotated[Epoch, "last-backup"] = None  # epoch seconds; None: none finished
    count: int = 0
    owner: Annotated[Text, "owner"] = ""
    comment: Annotated[Text, "comment"] = ""


class BackupFileReading(msgspec.Struct, frozen=True, gc=False):
    """One file of a backup snapshot."""

    name: str
    size_bytes: int | None = None
    crypt_mode: str = ""  # none, encrypt, sign-only


class BackupSnapshotReading(msgspec.Struct, frozen=True, gc=False):
    """A row of GET /admin/datastore/{store}/snapshots?ns=."""

    kind: str
    id: str
    taken_epoch: int  # epoch seconds
    size_bytes: int | None = None  # None: unfinished
    is_protected: bool = False
    owner: str = ""
    comment: str = ""
    verification: str = ""  # ok, failed; empty: never verified
    verified_epoch: int | None = None  # from the UPID of the verification
    files: tuple[BackupFileReading, ...] = ()

    @property
    def is_encrypted(self) -> bool:
        """Whether any file of it is."""
        return any(file.crypt_mode == "encrypt" for file in self.files)


class ServerJobReading(msgspec.Struct, frozen=True):
    """A sync, verify or prune job, or the garbage collection of a datastore. Instants are epoch seconds.

    Sources: GET /admin/sync?sync-direction=all, /admin/verify, /admin/prune, /admin/gc.
    """

    id: str
    kind: str  # sync, verify, prune, garbage
    store: str = ""
    namespace: str = ""
    schedule: str = ""
    remote: str = ""  # sync: name of the remote
    remote_store: str = ""
    direction: str = ""  # sync: pull, push
    comment: str = ""
    is_disabled: bool = False
    last_run_upid: str = ""
    last_run_state: str = ""  # OK, WARNINGS: 2, an error; empty while it runs and before the first run
    last_run_ended_epoch: int | None = None
    next_run_epoch: int | None = None
    duration_seconds: float | None = None  # garbage
    removed_bytes: int | None = None
    pending_bytes: int | None = None
    disk_bytes: int | None = None
    index_bytes: int | None = None
    bad_chunk_count: int | None = None

    @property
    def deduplication(self) -> float | None:
        """How many times each stored byte is used; None before the first garbage collection."""
        if self.index_bytes is None or not self.disk_bytes:
            return None
        return self.index_bytes / self.disk_bytes
