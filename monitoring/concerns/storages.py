"""Storages that nodes should see and do not; pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator

from monitoring.concerns.shapes import WARNING, About, Concern, listed
from monitoring.figures.storages import DISABLED, Key, key_of
from nodes.proxmox.readings.live import StorageReading


def unavailable(storages: Iterable[StorageReading], *, online: Collection[str]) -> Iterator[Concern]:
    """Yield the storages that are enabled and not available on nodes that are online.

    A shared one is told once, with the nodes that miss it.
    """
    seen: dict[Key, int] = {}
    missing: dict[Key, list[StorageReading]] = {}
    for one in storages:
        if one.node not in online or one.status == DISABLED:
            continue
        key = key_of(one)
        seen[key] = seen.get(key, 0) + 1
        if one.status != "available":
            missing.setdefault(key, []).append(one)
    for key, found in missing.items():
        name, nodes = found[0].name, sorted(one.node for one in found)
        where = "on any node" if 1 < len(nodes) == seen[key] else f"on {listed(nodes)}"
        text = f"Storage {name} is not available {where}"
        yield Concern("storage_unavailable", WARNING, name, text, about=About("storage", *key))
