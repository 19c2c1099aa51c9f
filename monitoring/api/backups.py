"""Routes that list parts of the state: storages, backups, guest snapshots. Source: http-api.md 4.2, 4.4 and 4.5.

`sources`, which tell how far the places were read that the lists are from, are our own.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping

import msgspec
from django.utils import timezone
from rest_framework.request import Request
from rest_framework.response import Response

from monitoring.api.answers import (
    Backups,
    ServerBackups,
    Snapshots,
    Sources,
    StorageBackups,
    StorageFound,
    StorageList,
)
from monitoring.api.charts import Named, known_figures
from monitoring.collecting import evidence
from monitoring.feed.state import STATE
from monitoring.figures.nodes import NodeFigures
from monitoring.figures.storages import StorageFigures
from monitoring.store.current import store
from monitoring.wire.backup_sources import source_shape
from monitoring.wire.finding import resources_of
from monitoring.wire.state import items_in
from pulse.lib.auth import Access
from pulse.lib.endpoints import Endpoint, Operation, Parameter, Refusal, Tag
from pulse.lib.errors import ApiError


class StorageListView(Endpoint):
    """All storages."""

    @Operation(Access.MONITORING_READ, Tag.MONITORING, {200: StorageList})
    def get(self, request: Request) -> Response:
        """All storages

        In the order of the state. A shared storage is listed once, `nodes` says who sees it.
        """
        return answer({"data": b"[%s]" % STATE.joined(store().fragments(), "storage")}, is_stamped=True)


class StorageView(Endpoint):
    """One storage, or those of a node."""

    @Operation(
        Access.MONITORING_READ,
        Tag.MONITORING,
        {200: StorageFound},
        refuses={404: Refusal("storage_not_found", "No storage and no node is called that.")},
        parameters={
            "identity": Parameter("The id of a storage, or the id or name of a node.", "lab-pve1-local")
        },
    )
    def get(self, request: Request, identity: str) -> Response:
        """One storage, or all that a node sees

        `identity` is looked for among the ids of the storages, then among ids and names of the nodes. For a node `data` is a
        list, with the shared storages that it sees.
        """
        bodies = {item.id: item.body for item in items_in(store().fragments(), "storage")}
        if identity in bodies:
            return answer({"data": bodies[identity]}, is_stamped=True)
        instances = list(known_figures())
        nodes = nodes_called(identity, instances)
        if not nodes:
            raise ApiError(
                404, f"there is no storage and no node called {identity!r:.200}", code="storage_not_found"
            )
        seen = seen_by(nodes, instances)
        return answer(
            {"data": b"[%s]" % b",".join(body for key, body in bodies.items() if key in seen)},
            is_stamped=True,
        )


def nodes_called(identity: str, instances: Iterable[Named]) -> set[tuple[str, str]]:
    """Return (instance, node) of the node with this id, else of all nodes with this name."""
    nodes = [
        (known, (label.name, found.name))
        for label, figures in instances
        for known, found in resources_of(figures, label)
        if isinstance(found, NodeFigures)
    ]
    by_id = {node for known, node in nodes if known == identity}
    return by_id or {node for _, node in nodes if node[1] == identity}


def seen_by(nodes: set[tuple[str, str]], instances: Iterable[Named]) -> set[str]:
    """Return the ids of the storages that one of the nodes sees."""
    names = {name for name, _ in nodes}
    return {
        label.storage_id(*storage.key)
        for label, figures in instances
        if label.name in names
        for storage in figures.storages
        if is_seen_by(storage, {node for name, node in nodes if name == label.name})
    }


def is_seen_by(storage: StorageFigures, nodes: set[str]) -> bool:
    """Return whether one of the nodes sees a storage of theirs; a shared one that tells nobody is seen by all."""
    if not storage.is_shared:
        return storage.node in nodes
    return not storage.nodes or not nodes.isdisjoint(storage.nodes)


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
        return answer(parts | {"sources": encoded_sources()})


class BackupSourcesView(Endpoint):
    """The places where backups may be."""

    @Operation(Access.MONITORING_READ, Tag.BACKUPS, {200: Sources})
    def get(self, request: Request) -> Response:
        """Where the lists of backups come from

        One entry for each storage, namespace of a datastore, and node. For clients that follow the lists over the WebSocket.
        """
        return answer({"sources": encoded_sources()})


def encoded_sources() -> bytes:
    """Return the places where backups may be, as they are known now."""
    return msgspec.json.encode([source_shape(one) for one in evidence.sources(timezone.now())])


class PveBackupsView(Endpoint):
    """Backups in storages."""

    @Operation(Access.MONITORING_READ, Tag.BACKUPS, {200: StorageBackups})
    def get(self, request: Request) -> Response:
        """Backups in the storages of Proxmox VE

        The newest first.
        """
        return answer({"backups": b"[%s]" % STATE.joined(store().fragments(), "storageBackups")})


class PbsBackupsView(Endpoint):
    """Backups on backup servers."""

    @Operation(Access.MONITORING_READ, Tag.BACKUPS, {200: ServerBackups})
    def get(self, request: Request) -> Response:
        """Backup servers, and the backups on them

        `instances` are the servers as the state has them, with datastores and jobs.
        """
        fragments = store().fragments()
        return answer(
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
        return answer({"snapshots": b"[%s]" % STATE.joined(store().fragments(), "guestSnapshots")})


def answer(parts: Mapping[str, bytes], *, is_stamped: bool = False) -> Response:
    """Return an object of encoded parts; `timestamp` is in Unix seconds."""
    body: dict[str, object] = {name: msgspec.Raw(part) for name, part in parts.items()}
    if is_stamped:
        body["timestamp"] = int(time.time())
    return Response(body, headers={"Cache-Control": "private, no-cache"})
