"""The estates that have a name on the command line."""

from __future__ import annotations

from tests.fake_proxmox.building import PbsSpec, PmgSpec, PveSpec, Spec


def demo(*, hostile: bool = False) -> tuple[Spec, ...]:
    """A home lab, a cluster with a dead node, a backup server that both use; each has some of the troubles that real places have."""
    return (
        PveSpec(
            name="homelab",
            nodes=1,
            guests=14,
            version="9.2",
            is_home_lab=True,
            hostile=hostile,
            node_prefix="pve",
            backup_server="vault",
            backup_namespace="homelab",
            agents=5,
            guest_snapshots=4,
            certificate_days=9,
            privileges=("Datastore.Allocate",),
        ),
        PveSpec(
            name="production",
            nodes=4,
            guests=52,
            version="8.4",
            dead_nodes=1,
            hostile=hostile,
            older_nodes=1,
            agent_troubles=4,
            backup_server="vault",
            backup_namespace="production",
            backup_troubles=True,
            qdevice=True,
            ceph_trouble=True,
            replication_jobs=4,
            replication_trouble=True,
            disk_trouble=True,
            privileges=("VM.Monitor", "Datastore.Allocate"),
        ),
        PbsSpec(
            name="vault",
            datastores=3,
            version="4.2",
            hostile=hostile,
            verification_failures=1,
            push_status="connection error: timed out",
        ),
    )


def homelab(*, hostile: bool = False) -> tuple[Spec, ...]:
    """One PVE host with 14 guests."""
    return demo(hostile=hostile)[:1]


def limited(*, hostile: bool = False) -> tuple[Spec, ...]:
    """One PVE host whose account may see everything but the backups in its storages."""
    return (PveSpec(name="workshop", nodes=1, guests=6, version="9.2", is_home_lab=True, hostile=hostile),)


def cluster(*, hostile: bool = False) -> tuple[Spec, ...]:
    """One healthy cluster of four nodes with 50 guests."""
    return (PveSpec(name="production", nodes=4, guests=50, version="9.2", hostile=hostile),)


def large(
    clusters: int = 10, nodes: int = 16, guests: int = 1_000, *, hostile: bool = False
) -> tuple[Spec, ...]:
    """Ten clusters of sixteen nodes with a thousand guests each, unless told otherwise."""
    return tuple(
        PveSpec(
            name=f"cluster-{number:02d}",
            nodes=nodes,
            guests=guests,
            version="9.2",
            node_prefix=f"c{number:02d}-n",
            hostile=hostile,
        )
        for number in range(1, clusters + 1)
    )


def mail(*, hostile: bool = False) -> tuple[Spec, ...]:
    """A mail gateway of two nodes."""
    del hostile
    return (PmgSpec(name="mail", nodes=2),)
