"""Routes that list storages. Source: http-api.md 4.2."""

from __future__ import annotations

import re
from collections.abc import Iterable

from rest_framework.request import Request
from rest_framework.response import Response

from monitoring.api.answers import StorageFound, StorageList, joined
from monitoring.api.subjects import shown_instances
from monitoring.feed.state import STATE
from monitoring.figures.instances import Figures
from monitoring.figures.nodes import NodeFigures
from monitoring.figures.storages import StorageFigures
from monitoring.store.current import store
from monitoring.wire.finding import resources_of
from monitoring.wire.fragments import FragmentKey
from monitoring.wire.ids import Label
from monitoring.wire.state import items_in
from nodes.models import Instance
from pulse.lib.auth import Access
from pulse.lib.endpoints import Endpoint, Operation, Parameter, Refusal, Tag
from pulse.lib.errors import ApiError

#: What an instance is called, and all that is true of it.
Named = tuple[Label, Figures]
#: What can be the number of an id such as `pve-0`.
WIRE_NUMBER = re.compile(r"(?:0|[1-9][0-9]{0,8})", re.ASCII)


class StorageListView(Endpoint):
    """All storages."""

    @Operation(Access.MONITORING_READ, Tag.MONITORING, {200: StorageList})
    def get(self, request: Request) -> Response:
        """All storages

        In the order of the state. A shared storage is listed once, `nodes` says who sees it.
        """
        return joined({"data": b"[%s]" % STATE.joined(store().fragments(), "storage")}, is_stamped=True)


class StorageView(Endpoint):
    """One storage, or those of a node."""

    @Operation(
        Access.MONITORING_READ,
        Tag.MONITORING,
        {200: StorageFound},
        refuses={404: Refusal("storage_not_found", "No storage and no node is called that.")},
        parameters={
            "identity": Parameter(
                "The id of a storage, the id or name of a node, or the id of a configured node such as `pve-0`.",
                "lab-pve1-local",
            )
        },
    )
    def get(self, request: Request, identity: str) -> Response:
        """One storage, or all that a node sees

        `identity` is looked for among the ids of the storages, then among ids and names of the nodes, then among the ids of
        `/api/config/nodes`. For a node `data` is a list, with the shared storages that it sees; for a configured one it has all
        that are listed of it.
        """
        bodies = {item.id: item.body for item in items_in(store().fragments(), "storage")}
        if identity in bodies:
            return joined({"data": bodies[identity]}, is_stamped=True)
        instances = [(shown.label, shown.memory.figures) for shown in shown_instances()]
        if nodes := nodes_called(identity, instances):
            visible = seen_by(nodes, instances)
            found = [body for key, body in bodies.items() if key in visible]
        else:
            found = configured_storages(identity)
        return joined({"data": b"[%s]" % b",".join(found)}, is_stamped=True)


def configured_storages(wire_id: str) -> list[bytes]:
    """Return the storages of the configured instance with this id; ApiError 404 when there is none."""
    kind, _, number = wire_id.partition("-")
    instance = (
        Instance.objects.by_wire_id(kind, int(number)).first() if WIRE_NUMBER.fullmatch(number) else None
    )
    if instance is None:
        raise ApiError(
            404, f"there is no storage and no node called {wire_id!r:.200}", code="storage_not_found"
        )
    fragment = store().fragments().get(FragmentKey(instance.pk, "resources"))
    return [item.body for item in fragment.items.get("storage", ())] if fragment is not None else []


def nodes_called(identity: str, instances: Iterable[Named]) -> set[tuple[str, str]]:
    """Return (instance, node) of the node with this id, else of all nodes with this name."""
    nodes = [
        (resource_id, (label.name, resource.name))
        for label, figures in instances
        for resource_id, resource in resources_of(figures, label)
        if isinstance(resource, NodeFigures)
    ]
    by_id = {node for node_id, node in nodes if node_id == identity}
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
