"""Routes that list backups and snapshots of guests. Source: http-api.md 4.4 and 4.5.

`sources`, which tell how far the places were read that the lists are from, are our own.
"""

from __future__ import annotations

import msgspec
from django.utils import timezone
from rest_framework.request import Request
from rest_framework.response import Response

from monitoring.api.answers import Backups, ServerBackups, Snapshots, Sources, StorageBackups, joined
from monitoring.collecting import evidence
from monitoring.feed.state import STATE
from monitoring.store.current import store
from monitoring.wire.backup_sources import source_shape
from pulse.lib.auth import Access
from pulse.lib.endpoints import Endpoint, Operation, Tag


class BackupsView(Endpoint):
    """All backups."""

    @Operation(Access.MONITORING_READ, Tag.BACKUPS, {200: Backups})
    def get(self, request: Request) -> Response:
        """Backup tasks, backups and snapshots of all instances

        Each list has the newest first. What could not be read is in no list: `sources` says which places were read, and why
        one was not.
        """
        fragments = store().fragments()
        parts = {
            name: b"[%s]" % STATE.joined(fragments, name)
            for name in ("backupTasks", "storageBackups", "guestSnapshots", "pbsBackups")
        }
        return joined(parts | {"sources": encoded_sources()})


class BackupSourcesView(Endpoint):
    """The places where backups may be."""

    @Operation(Access.MONITORING_READ, Tag.BACKUPS, {200: Sources})
    def get(self, request: Request) -> Response:
        """Where the lists of backups come from

        One entry for each storage, namespace of a datastore, and node. For clients that follow the lists over the WebSocket.
        """
        return joined({"sources": encoded_sources()})


def encoded_sources() -> bytes:
    """Return the places where backups may be, as they are known now."""
    return msgspec.json.encode([source_shape(source) for source in evidence.sources(timezone.now())])


class PveBackupsView(Endpoint):
    """Backups in storages."""

    @Operation(Access.MONITORING_READ, Tag.BACKUPS, {200: StorageBackups})
    def get(self, request: Request) -> Response:
        """Backups in the storages of Proxmox VE

        The newest first.
        """
        return joined({"backups": b"[%s]" % STATE.joined(store().fragments(), "storageBackups")})


class PbsBackupsView(Endpoint):
    """Backups on backup servers."""

    @Operation(Access.MONITORING_READ, Tag.BACKUPS, {200: ServerBackups})
    def get(self, request: Request) -> Response:
        """Backup servers, and the backups on them

        `instances` are the servers as the state has them, with datastores and jobs.
        """
        fragments = store().fragments()
        return joined(
            {
                "instances": b"[%s]" % STATE.joined(fragments, "pbs"),
                "backups": b"[%s]" % STATE.joined(fragments, "pbsBackups"),
            }
        )


class SnapshotsView(Endpoint):
    """Snapshots of guests."""

    @Operation(Access.MONITORING_READ, Tag.BACKUPS, {200: Snapshots})
    def get(self, request: Request) -> Response:
        """Snapshots of all guests

        The newest first.
        """
        return joined({"snapshots": b"[%s]" % STATE.joined(store().fragments(), "guestSnapshots")})
