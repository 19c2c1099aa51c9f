"""What is true of a storage now; pure. Source: state.md 2.4 and 4.3 of the contract."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal

import msgspec

from nodes.proxmox.readings.backups import NodeStorageReading, StorageConfigReading
from nodes.proxmox.readings.live import StorageReading

#: The status of a storage that is configured and switched off; no list of live figures has it.
DISABLED: Literal["disabled"] = "disabled"

#: The name of a storage and the node that sees it, "" for one that several share.
Key = tuple[str, str]


class StorageFigures(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """One storage as a node sees it, or a shared one, once, with the figures of the first node that tells them.

    `is_stale`: it could not be looked at now, and all of it is as it was last seen.
    """

    name: str
    node: str  # empty: shared
    status: Literal["available", "inactive", "disabled", "unknown"]
    plugin: str = ""  # dir, zfspool, nfs, ...
    content: tuple[str, ...] = ()
    seen_epoch: float | None = None
    is_stale: bool = False
    used_bytes: int | None = None
    total_bytes: int | None = None
    free_bytes: int | None = None  # only where a node tells it: some of what is not used may be reserved
    nodes: tuple[str, ...] = ()  # who sees a shared one
    told_by: str = ""  # the node whose figures these are
    same_as: str = ""  # the storage of the same node on the same file system, which is counted in its place

    @property
    def is_shared(self) -> bool:
        """Whether several nodes see the same one."""
        return not self.node

    @property
    def key(self) -> Key:
        """By what it is known within its instance."""
        return self.name, self.node


def key_of(reading: StorageReading) -> Key:
    """Return by what a listed storage is known."""
    return reading.name, "" if reading.is_shared else reading.node


def live_storages(
    readings: Iterable[StorageReading], probed: Mapping[Key, NodeStorageReading], *, at_epoch: float
) -> list[StorageFigures]:
    """Return the storages that were listed just now; `probed` is what nodes told of (name, node) not long ago."""
    shared: dict[str, list[StorageReading]] = {}
    figures: list[StorageFigures] = []
    for reading in readings:
        if reading.is_shared:
            shared.setdefault(reading.name, []).append(reading)
        else:
            figures.append(live_storage(reading, probed.get((reading.name, reading.node)), at_epoch=at_epoch))
    for seen_by in shared.values():
        seen_by.sort(key=lambda reading: reading.node)
        first = next(
            (reading for reading in seen_by if reading.status == "available" and reading.total_bytes),
            seen_by[0],
        )
        nodes = tuple(reading.node for reading in seen_by)
        figures.append(live_storage(first, probed.get((first.name, first.node)), nodes, at_epoch=at_epoch))
    return figures


def live_storage(
    reading: StorageReading,
    probe: NodeStorageReading | None,
    nodes: tuple[str, ...] = (),
    *,
    at_epoch: float,
) -> StorageFigures:
    """Return one storage; `nodes` are those that see a shared one."""
    status: Literal["available", "inactive", "disabled"]
    if reading.status == "available":
        status = "available"
    else:
        status = DISABLED if reading.status == DISABLED else "inactive"
    return StorageFigures(
        name=reading.name,
        node="" if reading.is_shared else reading.node,
        status=status,
        plugin=reading.plugin,
        content=reading.content,
        seen_epoch=at_epoch,
        used_bytes=reading.used_bytes,
        total_bytes=reading.total_bytes,
        free_bytes=told_free(reading, probe) if status == "available" else None,
        nodes=nodes,
        told_by=reading.node,
    )


def told_free(reading: StorageReading, probe: NodeStorageReading | None) -> int | None:
    """Return what is free now, None where a node says nothing of it or speaks of another size than the list.

    A node's own list may be an hour older than what is used now. What it keeps back (blocks for root) hardly changes, so that
    is taken from it: used and free are of one instant.
    """
    total = max(reading.total_bytes or 0, 0)
    if (
        probe is None
        or probe.available_bytes is None
        or probe.used_bytes is None
        or probe.total_bytes != total
    ):
        return None
    kept_back = max(total - probe.used_bytes - probe.available_bytes, 0)
    return max(total - max(reading.used_bytes or 0, 0) - kept_back, 0)


def disabled_storages(
    configured: Iterable[StorageConfigReading], listed: Iterable[StorageReading], nodes: tuple[str, ...]
) -> tuple[StorageReading, ...]:
    """Return the storages that are configured and switched off, which the live list leaves out, as if it had them."""
    names = {storage.name for storage in listed}
    return tuple(
        StorageReading(storage.name, node, DISABLED, storage.plugin, storage.content, storage.is_shared)
        for storage in configured
        if storage.is_disabled and storage.name not in names
        for node in (storage.nodes or nodes)
        if node in nodes
    )
