"""How much of a list is kept that a host tells: one table for all of them, each beyond what any real host has.

A host may tell what it likes, and tells it again in every poll. Of nodes, guests and storages the first in a fixed order are kept, and
what is left out is told; any other list that is longer is no answer: one that is cut would say of the rest that it is gone.
"""

from __future__ import annotations

from collections.abc import Mapping

#: Of one PVE instance. Corosync carries some thirty nodes; the largest clusters that are known of have some thousand guests.
NODES = 256
GUESTS = 20_000
STORAGES = 5_000  # each node's of its own, a shared one once for each node that sees it
POOLS = 2_000
#: The lowest number that Proxmox gives a guest.
VMID_LOWEST = 100

#: Readings of one answer, by what it is about.
ROWS: Mapping[str, int] = {
    "the nodes": NODES,
    "the nodes of the gateway": 64,
    "the votes of the nodes": NODES,
    "a node's guests": GUESTS,
    "a guest's snapshots": 1_000,
    "a node's storages": 1_000,
    "the storage configuration": 1_000,
    "a storage's backups": 100_000,
    "the backup jobs": 1_000,
    "the guests without a backup job": GUESTS,
    "the tasks": 2_000,
    "the replication": GUESTS,
    "the disks": 2_000,
    "the ZFS pools": 200,
    "the thin pools": 500,
    "the certificates": 64,
    "the pending updates": 5_000,
    "the services": 200,
    "the flags of Ceph": 100,
    "the Ceph pools": 1_000,
    "the datastores": 1_000,
    "the namespaces": 20_000,
    "the backup groups": 100_000,
    "the backup snapshots": 100_000,
    "the sync jobs": 1_000,
    "the verify jobs": 1_000,
    "the prune jobs": 1_000,
    "the garbage collections": 1_000,
    "the records": 5_000,  # the longest have 1440 rows, and those from before an upgrade beside them
    "the samples": 100_000,
}

#: Of all lists of one kind together that are kept of an instance, such as the snapshots of all its guests, by the name of the fact.
TOTALS: Mapping[str, int] = {
    "backups": 500_000,  # groups and snapshots of a PBS
    "volumes": 500_000,  # backups in storages of a PVE
    "snapshots": 100_000,
}
TOTAL = 50_000
