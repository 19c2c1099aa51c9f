"""How storages are built from readings; pure. Source: state.md 2.4 and 4.3 of the contract."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from monitoring.wire.shapes import StorageShape
from monitoring.wire.usage import usage
from nodes.proxmox.readings import (
    NodeStorageReading,
    StorageReading,
)

#: The status of a storage that is configured and switched off; no list of live figures has it.
DISABLED = "disabled"
NO_PROBES: Mapping[tuple[str, str], NodeStorageReading] = {}


def storage_views(
    readings: Iterable[StorageReading],
    *,
    instance: str,
    wire_ids: Mapping[tuple[str, str], str],
    probed: Mapping[tuple[str, str], NodeStorageReading] = NO_PROBES,
) -> list[StorageShape]:
    """Return one row per storage: a shared one once, with the figures of the first node, by name, that tells them.

    `wire_ids` maps (name, node name; "" for shared) to the id, so that a name which another cluster owns keeps
    apart (state.md 4.3). `probed` is what the nodes themselves told of (name, node) not long ago.
    """
    shared: dict[str, list[StorageReading]] = {}
    views: list[StorageShape] = []
    for reading in readings:
        if reading.is_shared:
            shared.setdefault(reading.name, []).append(reading)
        else:
            identity = storage_id(reading, instance=instance, wire_ids=wire_ids)
            probe = probed.get((reading.name, reading.node))
            views.append(
                storage_view(reading, probe, instance=instance, node=reading.node, identity=identity)
            )
    for seen_by in shared.values():
        seen_by.sort(key=lambda one: one.node)
        first = next((one for one in seen_by if one.status == "available" and one.total_bytes), seen_by[0])
        identity = storage_id(first, instance=instance, wire_ids=wire_ids)
        nodes = tuple(one.node for one in seen_by)
        probe = probed.get((first.name, first.node))
        views.append(
            storage_view(first, probe, instance=instance, node="shared", identity=identity, nodes=nodes)
        )
    return views


def storage_id(reading: StorageReading, *, instance: str, wire_ids: Mapping[tuple[str, str], str]) -> str:
    """Return the id that was claimed for a storage, else the one that the contract gives it."""
    if reading.is_shared:
        return wire_ids.get((reading.name, "")) or f"shared-{reading.name}"
    claimed = wire_ids.get((reading.name, reading.node))
    return claimed or f"{instance}-{reading.node}-{reading.name}"


def storage_view(
    reading: StorageReading,
    probe: NodeStorageReading | None,
    *,
    instance: str,
    node: str,
    identity: str,
    nodes: tuple[str, ...] = (),
) -> StorageShape:
    """Return one row; `active` when it has figures. What is free is told by the node: some of it may be reserved."""
    figures = usage(reading.used_bytes, reading.total_bytes)
    active = reading.status == "available"
    is_disabled = reading.status == DISABLED
    free = figures.free
    if (
        active
        and probe is not None
        and probe.available_bytes is not None
        and probe.total_bytes == figures.total
    ):
        free = min(probe.available_bytes, figures.free)
    return StorageShape(
        id=identity,
        name=reading.name,
        node=node,
        instance=instance,
        type=reading.plugin,
        status="available" if active else DISABLED if is_disabled else "inactive",
        total=figures.total,
        used=figures.used,
        free=free,
        usage=figures.usage,
        content=",".join(reading.content),
        shared=reading.is_shared,
        enabled=not is_disabled,
        active=active,
        nodes=nodes,
    )
