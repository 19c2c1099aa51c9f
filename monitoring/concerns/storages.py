"""Storages that nodes should see and do not; pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping

from monitoring.concerns.shapes import WARNING, Concern, listed
from monitoring.wire.storages import DISABLED, storage_id
from nodes.proxmox.readings import StorageReading


def unavailable(
    storages: Iterable[StorageReading],
    *,
    instance: str,
    wire_ids: Mapping[tuple[str, str], str],
    online: Collection[str],
) -> Iterator[tuple[str, Concern]]:
    """Yield (id of a storage, what is wrong) for those that are enabled and not available on nodes that are online.

    A shared one is told once, with the nodes that miss it.
    """
    seen: dict[str, int] = {}
    missing: dict[str, list[StorageReading]] = {}
    for one in storages:
        if one.node not in online or one.status == DISABLED:
            continue
        identity = storage_id(one, instance=instance, wire_ids=wire_ids)
        seen[identity] = seen.get(identity, 0) + 1
        if one.status != "available":
            missing.setdefault(identity, []).append(one)
    for identity, found in missing.items():
        name, nodes = found[0].name, sorted(one.node for one in found)
        where = "on any node" if 1 < len(nodes) == seen[identity] else f"on {listed(nodes)}"
        text = f"Storage {name} is not available {where}"
        yield identity, Concern("storage_unavailable", WARNING, name, text)
