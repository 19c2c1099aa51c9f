"""What prometheus-pve-exporter tells of the list of resources of a PVE: the same names, labels and values; pure.

Source: prometheus-pve-exporter 3.10, collector ClusterResourcesCollector; it is run beside ours in tests/clients.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from monitoring.exporting.exposition import Family, spelled
from nodes.proxmox.readings.live import (
    GuestReading,
    NodeReading,
    PoolReading,
    ResourcesReading,
    StorageReading,
)

Resource = NodeReading | GuestReading | StorageReading | PoolReading

GUEST_HA_STATES = (
    "stopped", "request_stop", "request_start", "request_start_balance", "started", "fence", "recovery", "migrate",
    "relocate", "freeze", "error",
)  # fmt: skip
NODE_HA_STATES = ("online", "maintenance", "unknown", "fence", "gone")
LOCKS = (
    "backup", "clone", "create", "migrate", "rollback", "snapshot", "snapshot-delete", "suspended", "suspending",
)  # fmt: skip


class Gauge(NamedTuple):
    """A family that has a sample for each resource that tells the field, by its name in our readings."""

    name: str
    field: str
    help: str


_OF_MACHINES = "(for types 'node', 'qemu' and 'lxc')"
_OF_GUESTS = "(for types 'qemu' and 'lxc')"
_SINCE = f"over the network since it was started. {_OF_GUESTS}"
_DISKS = f"block devices since the guest was started. This info is not available for all storage types. {_OF_GUESTS}"
_SENT = f"The amount of traffic in bytes that was sent from the guest {_SINCE}"
_RECEIVED = f"The amount of traffic in bytes that was sent to the guest {_SINCE}"
_WRITTEN = f"The amount of bytes the guest wrote to its {_DISKS}"
_READ = f"The amount of bytes the guest read from its {_DISKS}"

GAUGES = (
    Gauge("pve_disk_size_bytes", "disk_total_bytes", f"Storage size in bytes (for type 'storage'), root image size for VMs {_OF_GUESTS}."),
    Gauge("pve_disk_usage_bytes", "disk_used_bytes", f"Used disk space in bytes (for type 'storage'), used root image space for VMs {_OF_GUESTS}."),
    Gauge("pve_memory_size_bytes", "memory_total_bytes", f"Number of available memory in bytes {_OF_MACHINES}."),
    Gauge("pve_memory_usage_bytes", "memory_used_bytes", f"Used memory in bytes {_OF_MACHINES}."),
    Gauge("pve_network_transmit_bytes", "network_out_bytes", f"{_SENT} DEPRECATED: Use pve_network_transmit_bytes_total instead."),
    Gauge("pve_network_receive_bytes", "network_in_bytes", f"{_RECEIVED} DEPRECATED: Use pve_network_receive_bytes_total instead."),
    Gauge("pve_disk_write_bytes", "disk_write_bytes", f"{_WRITTEN} DEPRECATED: Use pve_disk_written_bytes_total instead."),
    Gauge("pve_disk_read_bytes", "disk_read_bytes", f"{_READ} DEPRECATED: Use pve_disk_read_bytes_total instead."),
    Gauge("pve_cpu_usage_ratio", "cpu_ratio", f"CPU utilization {_OF_MACHINES}."),
    Gauge("pve_cpu_usage_limit", "cpu_count", f"Number of available CPUs {_OF_MACHINES}."),
    Gauge("pve_uptime_seconds", "uptime_seconds", f"Uptime of node or virtual guest in seconds {_OF_MACHINES}."),
)  # fmt: skip
COUNTERS = (
    Gauge("pve_network_transmit_bytes_total", "network_out_bytes", _SENT),
    Gauge("pve_network_receive_bytes_total", "network_in_bytes", _RECEIVED),
    Gauge("pve_disk_written_bytes_total", "disk_write_bytes", _WRITTEN),
    Gauge("pve_disk_read_bytes_total", "disk_read_bytes", _READ),
)
#: What a storage calls the same.
OF_STORAGES = {"disk_total_bytes": "total_bytes", "disk_used_bytes": "used_bytes"}


def id_of(resource: Resource) -> str:
    """Return the id that Proxmox gives a resource, such as `qemu/100`; those of two clusters may be equal."""
    match resource:
        case NodeReading():
            return f"node/{resource.name}"
        case GuestReading():
            return f"{resource.kind}/{resource.vmid}"
        case StorageReading():
            return f"storage/{resource.node}/{resource.name}"
        case PoolReading():
            return f"/pool/{resource.id}"


def resource_families(resources: ResourcesReading) -> Iterator[Family]:
    """Yield what the list tells."""
    listed: Sequence[Resource] = (*resources.nodes, *resources.guests, *resources.storages, *resources.pools)
    labels = [spelled({"id": id_of(resource)}) for resource in listed]
    for gauge in GAUGES:
        yield filled(Family(gauge.name, "gauge", gauge.help), gauge.field, listed, labels)
    yield shared_storages(resources.storages)
    for counter in COUNTERS:
        yield filled(Family(counter.name, "counter", counter.help), counter.field, listed, labels)
    machines: Sequence[NodeReading | GuestReading] = (*resources.nodes, *resources.guests)
    yield ha_states(machines)
    yield locks(resources.guests)
    yield guest_info(resources.guests)
    yield storage_info(resources.storages)


def filled(family: Family, field: str, listed: Sequence[Resource], labels: Sequence[str]) -> Family:
    """Return a family with a field of all resources that have it."""
    of_storages = OF_STORAGES.get(field, field)
    family.extend(
        labels,
        [getattr(one, of_storages if type(one) is StorageReading else field, None) for one in listed],
    )
    return family


def shared_storages(storages: Sequence[StorageReading]) -> Family:
    """Return which storages are shared."""
    family = Family("pve_storage_shared", "gauge", "Whether or not the storage is shared among cluster nodes")
    for storage in storages:
        family.add(spelled({"id": id_of(storage)}), int(storage.is_shared))
    return family


def ha_states(machines: Sequence[NodeReading | GuestReading]) -> Family:
    """Return in which state of high availability each node and guest is: one sample of 1, or none where it is not used."""
    family = Family("pve_ha_state", "gauge", "HA service status (for HA managed VMs).")
    for machine in machines:
        states = NODE_HA_STATES if isinstance(machine, NodeReading) else GUEST_HA_STATES
        add_states(family, id_of(machine), states, machine.ha_state)
    return family


def locks(guests: Sequence[GuestReading]) -> Family:
    """Return by what the configuration of each guest is locked."""
    family = Family("pve_lock_state", "gauge", "The guest's current config lock (for types 'qemu' and 'lxc')")
    for guest in guests:
        add_states(family, id_of(guest), LOCKS, guest.lock)
    return family


def add_states(family: Family, identity: str, states: Sequence[str], state: str) -> None:
    """Add a sample for each state, 1 for the one that it is in."""
    begin = spelled({"id": identity})
    family.extend([f'{begin},state="{one}"' for one in states], [int(one == state) for one in states])


def guest_info(guests: Sequence[GuestReading]) -> Family:
    """Return what each guest is called and where it is."""
    family = Family("pve_guest_info", "gauge", "VM/CT info")
    for guest in guests:
        labels = {
            "id": id_of(guest),
            "node": guest.node,
            "name": guest.name,
            "type": guest.kind,
            # Of a guest whose node is silent Proxmox tells neither a name nor whether it is a template.
            "template": str(int(guest.is_template)) if guest.name else "",
            "tags": ";".join(guest.tags),
        }
        family.add(spelled(labels), 1)
    return family


def storage_info(storages: Sequence[StorageReading]) -> Family:
    """Return what each storage is and holds."""
    family = Family("pve_storage_info", "gauge", "Storage info")
    for storage in storages:
        labels = {
            "id": id_of(storage),
            "node": storage.node,
            "storage": storage.name,
            "plugintype": storage.plugin,
            "content": ",".join(storage.content),
        }
        family.add(spelled(labels), 1)
    return family
