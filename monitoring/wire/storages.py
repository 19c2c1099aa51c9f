"""Storages as the state sends them; pure. Source: state.md 2.4 and 4.3 of the contract."""

from __future__ import annotations

from monitoring.figures.storages import DISABLED, StorageFigures
from monitoring.wire.ids import Label
from monitoring.wire.shapes import StorageShape
from monitoring.wire.usage import usage


def storage_shape(storage: StorageFigures, label: Label) -> StorageShape:
    """Return one storage; `active` when it has figures."""
    figures = usage(storage.used_bytes, storage.total_bytes, storage.free_bytes)
    return StorageShape(
        id=label.storage_id(storage.name, storage.node),
        name=storage.name,
        node=storage.node or "shared",
        instance=label.name,
        type=storage.plugin,
        status=storage.status,
        total=figures.total,
        used=figures.used,
        free=figures.free,
        usage=figures.usage,
        content=",".join(storage.content),
        shared=storage.is_shared,
        enabled=storage.status != DISABLED,
        active=storage.status == "available",
        nodes=storage.nodes,
        stale=storage.is_stale,
        sameAs=storage.same_as,
    )
