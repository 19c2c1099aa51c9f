"""What prometheus-pve-exporter tells of the node that it asks: the same names, labels and values; pure.

Source: prometheus-pve-exporter 3.10, the collectors that `node=1` runs; it is run beside ours in tests/clients.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

from monitoring.exporting.exposition import Family, spelled
from monitoring.exporting.pve_cluster import number
from monitoring.exporting.pve_known import Known
from monitoring.known.replication import nodes_of, replicating_nodes
from nodes.proxmox.readings.hardware import SubscriptionReading

STATUSES = ("new", "notfound", "active", "invalid", "expired", "suspended")


def node_families(known: Known) -> Iterator[Family]:
    """Yield what the collectors of `node=1` tell, in their order; what is not known yet is left out."""
    node = known.facts.node(known.node)
    if node.subscription is not None:
        yield from subscription_families(known.node, node.subscription)
    yield starts_on_boot(known)
    if is_replication_known(known):
        yield from replication_families(known)


def subscription_families(node: str, subscription: SubscriptionReading) -> Iterator[Family]:
    """Yield which subscription the node has."""
    begin = {"id": f"node/{node}"}
    info = Family("pve_subscription_info", "gauge", "Proxmox VE subscription info (1 if present)")
    info.add(spelled({**begin, "level": subscription.level or "unknown"}), 1)
    yield info
    status = Family(
        "pve_subscription_status", "gauge", "Proxmox VE subscription status (1 if matches status)"
    )
    for one in STATUSES:
        status.add(spelled({**begin, "status": one}), int(subscription.status == one))
    yield status
    due = Family(
        "pve_subscription_next_due_timestamp_seconds",
        "gauge",
        "Subscription next due date as Unix timestamp",
    )
    due.add(spelled(begin), day_epoch(subscription.next_due))
    yield due


def day_epoch(day: str) -> float | None:
    """Return when a day such as `2026-03-01` begins in UTC, None for what is no day."""
    try:
        return datetime.strptime(day, "%Y-%m-%d").replace(tzinfo=UTC).timestamp()
    except ValueError:
        return None


def starts_on_boot(known: Known) -> Family:
    """Return which guests of the node start with it, as far as their configuration says so at all."""
    family = Family("pve_onboot_status", "gauge", "Proxmox vm config onboot value")
    for guest in known.resources.guests:
        config = known.facts.guest(guest.vmid).config
        if guest.node == known.node and config is not None:
            labels = {"id": f"{guest.kind}/{guest.vmid}", "node": guest.node, "type": guest.kind}
            family.add(spelled(labels), number(config.starts_on_boot))
    return family


def is_replication_known(known: Known) -> bool:
    """Return whether it is known how the jobs of the node go, or that it has none."""
    facts = known.facts
    if facts.node(known.node).replications_epoch:
        return True
    sources = replicating_nodes(facts.replication_jobs, nodes_of(known.resources.guests))
    return bool(facts.replication_jobs_epoch) and known.node not in sources


def replication_families(known: Known) -> Iterator[Family]:
    """Yield how the replication jobs of the node go; an instant of 0 is never."""
    kinds = {guest.vmid: guest.kind for guest in known.resources.guests}
    jobs = [job for job in known.facts.node(known.node).replications if job.vmid in kinds]
    labels = [spelled({"id": job.id}) for job in jobs]
    families: dict[str, tuple[str, Sequence[float | None]]] = {
        "duration_seconds": ("duration", [job.duration_seconds for job in jobs]),
        "last_sync_timestamp_seconds": ("last_sync", [job.last_sync_epoch or 0 for job in jobs]),
        "last_try_timestamp_seconds": ("last_try", [job.last_try_epoch or 0 for job in jobs]),
        "next_sync_timestamp_seconds": ("next_sync", [job.next_sync_epoch or 0 for job in jobs]),
        "failed_syncs": ("fail_count", [job.failure_count for job in jobs]),
    }
    for name, (field, values) in families.items():
        family = Family(f"pve_replication_{name}", "gauge", f"Proxmox vm replication {field}")
        family.extend(labels, values)
        yield family
    info = Family("pve_replication_info", "gauge", "Proxmox vm replication info")
    for job in jobs:
        told = {
            "id": job.id,
            "type": "local",  # Proxmox knows no other type
            "source": f"node/{job.source}",
            "target": f"node/{job.target}",
            "guest": f"{kinds[job.vmid or 0]}/{job.vmid}",
        }
        info.add(spelled(told), 1)
    yield info
