"""How a client of `pulse.delta.v1` applies changes: the reference that the product is held to."""

from __future__ import annotations

import copy
from typing import Any

#: The documented order of each collection (state.md 2); PBS keep the order in which they came.
ORDER = {
    "nodes": lambda one: (one["name"], one["instance"]),
    "vms": lambda one: (one["vmid"], one["instance"], one["id"]),
    "containers": lambda one: (one["vmid"], one["instance"], one["id"]),
    "storage": lambda one: (one["instance"], one["name"], one["node"]),
    "concerns": lambda one: (one["level"], one["instance"], one["id"]),
}
RESOURCES = ("nodes", "vms", "containers", "storage", "pbs", "pmg", "concerns")
#: The long lists with the field that orders them, the newest first; all but `pbsBackups` stand under `pveBackups`.
LISTS = {
    "backupTasks": "startTime",
    "storageBackups": "time",
    "guestSnapshots": "time",
    "backupJobs": "lastBackup",
    "pbsBackups": "backupTime",
}
COLLECTIONS = (*RESOURCES, *LISTS)


def apply_collections(resources: dict[str, dict[str, Any]], collections: dict[str, Any]) -> None:
    """Change the resources, by collection and id, as one `collections` object says."""
    for name, change in collections.items():
        known = resources.setdefault(name, {})
        for identity in change.get("gone", ()):
            known.pop(identity, None)
        for whole in change.get("set", ()):
            known[whole["id"]] = copy.deepcopy(whole)
        for identity, *values in change.get("rows", ()):
            for path, value in zip(change["cols"], values, strict=True):
                put(known[identity], path, value)


def put(resource: dict[str, Any], path: str, value: Any) -> None:
    """Set the value at a dotted path."""
    *parts, last = path.split(".")
    for part in parts:
        resource = resource[part]
    resource[last] = value


def flattened(state: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """Return every collection of a state under its own name."""
    return {
        name: state["pveBackups"][name] if name in state["pveBackups"] else state.get(name, [])
        for name in COLLECTIONS
    }


def by_id(state: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the resources of a state by collection and id."""
    return {name: {one["id"]: one for one in known} for name, known in flattened(state).items()}


def in_order(name: str, known: dict[str, dict[str, Any]]) -> list[dict[str, Any]]:
    """Return a collection as the state has it; PBS keep the order in which they came."""
    if name in LISTS:
        by_name = sorted(known.values(), key=lambda one: one["id"])
        return sorted(by_name, key=lambda one: one[LISTS[name]], reverse=True)
    return sorted(known.values(), key=ORDER[name]) if name in ORDER else list(known.values())
