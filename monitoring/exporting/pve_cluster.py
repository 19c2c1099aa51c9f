"""What prometheus-pve-exporter tells of a PVE host or cluster as a whole: the same names, labels and values; pure.

Source: prometheus-pve-exporter 3.10, the collectors that `cluster=1` runs; it is run beside ours in tests/clients.
"""

from __future__ import annotations

from collections.abc import Iterator

from monitoring.exporting.exposition import Family, spelled
from monitoring.exporting.pve_known import Known
from monitoring.exporting.pve_resources import id_of, resource_families
from nodes.proxmox.readings.cluster import QdeviceReading
from nodes.proxmox.readings.live import ClusterReading


def cluster_families(known: Known) -> Iterator[Family]:
    """Yield what the collectors of `cluster=1` tell, in their order; what is not known yet is left out."""
    yield up(known)
    yield from resource_families(known.resources)
    if known.cluster is not None:
        yield from node_info(known.cluster)
        yield from cluster_info(known.cluster)
    yield from version_info(known.pve_version)
    yield from not_backed_up(known)
    if known.cluster is not None and known.cluster.name and known.facts.qdevice is not None:
        yield from qdevice_families(known.cluster.name, known.facts.qdevice)


def up(known: Known) -> Family:
    """Return what is online, quorate, running or available."""
    family = Family("pve_up", "gauge", "Node/VM/CT-Status is online/running")
    if known.cluster is not None:
        for member in known.cluster.members:
            family.add(spelled({"id": f"node/{member.name}"}), number(member.is_online))
        if known.cluster.name:
            family.add(spelled({"id": f"cluster/{known.cluster.name}"}), number(known.cluster.is_quorate))
    for guest in known.resources.guests:
        family.add(spelled({"id": id_of(guest)}), int(guest.status == "running"))
    for storage in known.resources.storages:
        family.add(spelled({"id": id_of(storage)}), int(storage.status == "available"))
    return family


def number(truth: bool | None) -> int | None:
    """Return 1, 0, or None for what is not known."""
    return None if truth is None else int(truth)


def node_info(cluster: ClusterReading) -> Iterator[Family]:
    """Yield the members of the cluster."""
    family = Family("pve_node_info", "gauge", "Node info")
    for member in cluster.members:
        if member.number is not None:
            labels = {
                "id": f"node/{member.name}",
                "level": member.level,
                "name": member.name,
                "nodeid": str(member.number),
            }
            family.add(spelled(labels), 1)
    if cluster.members:
        yield family


def cluster_info(cluster: ClusterReading) -> Iterator[Family]:
    """Yield the cluster, nothing for a host of its own."""
    if not cluster.name or None in (cluster.node_count, cluster.is_quorate, cluster.config_version):
        return
    family = Family("pve_cluster_info", "gauge", "Cluster info")
    labels = {
        "id": f"cluster/{cluster.name}",
        "nodes": str(cluster.node_count),
        "quorate": str(number(cluster.is_quorate)),
        "version": str(cluster.config_version),
    }
    family.add(spelled(labels), 1)
    yield family


def version_info(pve_version: str) -> Iterator[Family]:
    """Yield the release of the node, which told it as `pve-manager/9.2.4/71a5d9e3`."""
    _, _, told = pve_version.partition("/")
    version, _, commit = told.partition("/")
    if not version or not commit:
        return
    family = Family("pve_version_info", "gauge", "Proxmox VE version info")
    release = ".".join(version.partition("-")[0].split(".")[:2])
    family.add(spelled({"release": release, "repoid": commit, "version": version}), 1)
    yield family


def not_backed_up(known: Known) -> Iterator[Family]:
    """Yield the guests that no backup job names."""
    if not known.facts.uncovered_epoch:
        return
    total = Family(
        "pve_not_backed_up_total", "gauge", "Total number of guests not covered by any backup job."
    )
    # Proxmox tells the node in the place of the cluster where there is none.
    name = known.cluster.name if known.cluster is not None and known.cluster.name else known.node
    total.add(spelled({"id": f"cluster/{name}"}), len(known.facts.uncovered))
    yield total
    info = Family("pve_not_backed_up_info", "gauge", "Present if guest is not covered by any backup job.")
    for guest in known.facts.uncovered:
        info.add(spelled({"id": f"{guest.kind}/{guest.vmid}"}), 1)
    yield info


def qdevice_families(cluster: str, device: QdeviceReading) -> Iterator[Family]:
    """Yield how the QDevice is, as the node sees it that was asked."""
    labels = {
        "id": f"cluster/{cluster}",
        "model": device.model,
        "algorithm": device.algorithm,
        "qnetd_host": device.host,
        "tie_breaker": device.tie_breaker,
        "state": device.state,
    }
    up = Family("pve_qdevice_up", "gauge", "Proxmox VE QDevice is connected (1) or not (0)")
    up.add(spelled({"id": labels["id"]}), int(bool(device.is_connected)))
    yield up
    info = Family("pve_qdevice_info", "gauge", "Proxmox VE QDevice info (1 if configured)")
    info.add(spelled(labels), 1)
    yield info
