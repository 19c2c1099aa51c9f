"""Routes that list parts of the state: storages, backups, guest snapshots. Source: http-api.md 4.2, 4.4 and 4.5.

`sources`, which tell how far the places were read that the lists are from, are our own.
"""

from __future__ import annotations

import time
from collections.abc import Mapping

import msgspec
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from monitoring.collecting import listings
from monitoring.feed import state
from monitoring.store.current import store
from monitoring.wire.fragments import Fragment
from monitoring.wire.shapes import NodeView, StorageView
from pulse.lib.auth import Access, policy
from pulse.lib.errors import ApiError

_storage_of = msgspec.json.Decoder(StorageView).decode
_node_of = msgspec.json.Decoder(NodeView).decode


@policy(GET=Access.MONITORING_READ)
def storage_list(request: HttpRequest) -> HttpResponse:
    """Return all storages, as they are ordered in the state."""
    return answer({"data": b"[%s]" % state.joined(store().fragments(), "storage")}, is_stamped=True)


@policy(GET=Access.MONITORING_READ)
def storage_detail(request: HttpRequest, identity: str) -> HttpResponse:
    """Return one storage by its id, else those that a node sees, by the node's id or name."""
    fragments = store().fragments()
    bodies = {item.id: item.body for item in state.items(fragments, "storage")}
    if identity in bodies:
        return answer({"data": bodies[identity]}, is_stamped=True)
    nodes = nodes_called(identity, fragments)
    if not nodes:
        raise ApiError(
            404, f"there is no storage and no node called {identity!r:.200}", code="storage_not_found"
        )
    seen = [body for body in bodies.values() if is_seen_by(_storage_of(body), nodes)]
    return answer({"data": b"[%s]" % b",".join(seen)}, is_stamped=True)


def nodes_called(identity: str, fragments: Mapping[int, Fragment]) -> set[tuple[str, str]]:
    """Return (instance, node) of the node with this id, else of all nodes with this name."""
    nodes = [_node_of(item.body) for item in state.items(fragments, "nodes")]
    by_id = {(node.instance, node.name) for node in nodes if node.id == identity}
    return by_id or {(node.instance, node.name) for node in nodes if node.name == identity}


def is_seen_by(storage: StorageView, nodes: set[tuple[str, str]]) -> bool:
    """Return whether one of the nodes sees the storage; a shared one that tells nobody is seen by its whole instance."""
    if not storage.shared:
        return (storage.instance, storage.node) in nodes
    if not storage.nodes:
        return storage.instance in {instance for instance, _ in nodes}
    return any((storage.instance, node) in nodes for node in storage.nodes)


@policy(GET=Access.MONITORING_READ)
def backups(request: HttpRequest, rest: str = "") -> HttpResponse:
    """Return tasks, backups in storages, guest snapshots and backups on PBS, each with the newest first, and their sources."""
    fragments = store().fragments()
    parts = {
        name: b"[%s]" % state.joined(fragments, name)
        for name in ("backupTasks", "storageBackups", "guestSnapshots", "pbsBackups")
    }
    return answer(parts | {"sources": encoded_sources()})


@policy(GET=Access.MONITORING_READ)
def backup_sources(request: HttpRequest) -> HttpResponse:
    """Return the sources alone: a page that follows the lists over the live feed needs no more."""
    return answer({"sources": encoded_sources()})


def encoded_sources() -> bytes:
    """Return the places where backups may be, as they are known now."""
    return msgspec.json.encode(listings.sources(timezone.now()))


@policy(GET=Access.MONITORING_READ)
def pve_backups(request: HttpRequest) -> HttpResponse:
    """Return the backups in the storages of PVE."""
    return answer({"backups": b"[%s]" % state.joined(store().fragments(), "storageBackups")})


@policy(GET=Access.MONITORING_READ)
def pbs_backups(request: HttpRequest) -> HttpResponse:
    """Return the PBS instances, which is what clients of this route read, and beside them the backups on them."""
    fragments = store().fragments()
    return answer(
        {
            "instances": b"[%s]" % state.joined(fragments, "pbs"),
            "backups": b"[%s]" % state.joined(fragments, "pbsBackups"),
        }
    )


@policy(GET=Access.MONITORING_READ)
def snapshots(request: HttpRequest) -> HttpResponse:
    """Return the snapshots of all guests, the newest first."""
    return answer({"snapshots": b"[%s]" % state.joined(store().fragments(), "guestSnapshots")})


def answer(parts: Mapping[str, bytes], *, is_stamped: bool = False) -> HttpResponse:
    """Return an object of encoded parts; `timestamp` is in Unix seconds."""
    body: dict[str, object] = {name: msgspec.Raw(part) for name, part in parts.items()}
    if is_stamped:
        body["timestamp"] = int(time.time())
    return HttpResponse(
        msgspec.json.encode(body),
        content_type="application/json",
        headers={"Cache-Control": "private, no-cache"},
    )
