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
}


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


def by_id(state: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the resources of a state by collection and id."""
    names = ("nodes", "vms", "containers", "storage", "pbs")
    return {name: {one["id"]: one for one in state[name]} for name in names}
