"""By which labels the series of an object are found, wherever it runs and whatever it is called just now; pure.

An instance is known by its wire id, such as `pve-0`, which no renaming changes; a guest by its vmid and its kind. Names, and the
node of a guest, stand in one series with `_info` in its name alone: a migration begins no new series of its figures.
"""

from __future__ import annotations

#: Label to value, in the order in which they are written. A label without a value is left out: to Prometheus it is the same.
Labels = dict[str, str]


def instance_labels(instance: str) -> Labels:
    """Return the labels of an instance by its wire id; of a PBS host and of a mail gateway as a whole too."""
    return {"instance": instance}


def node_labels(instance: str, node: str) -> Labels:
    """Return the labels of a node of a PVE or of a mail gateway."""
    return {"instance": instance, "node": node}


def guest_labels(instance: str, vmid: int, kind: str) -> Labels:
    """Return the labels of a guest, whose kind is `qemu` or `lxc`."""
    return {"instance": instance, "vmid": str(vmid), "kind": kind}


def storage_labels(instance: str, storage: str, node: str) -> Labels:
    """Return the labels of a storage; one that several nodes share has no `node`."""
    labels = {"instance": instance, "storage": storage}
    return labels | {"node": node} if node else labels


def datastore_labels(instance: str, datastore: str) -> Labels:
    """Return the labels of a datastore of a PBS."""
    return {"instance": instance, "datastore": datastore}


def pool_labels(instance: str, node: str, pool: str) -> Labels:
    """Return the labels of a ZFS pool; that of a PBS has no `node`."""
    labels = {"instance": instance, "pool": pool}
    return labels | {"node": node} if node else labels


def filesystem_labels(instance: str, vmid: int, kind: str, mount_point: str) -> Labels:
    """Return the labels of a file system of a guest."""
    return guest_labels(instance, vmid, kind) | {"mount_point": mount_point}
