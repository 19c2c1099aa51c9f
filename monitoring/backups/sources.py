"""Which places for backups were read, and why the others were not: nothing is said of what nobody could see."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from monitoring.backups.attribution import Estate
from monitoring.backups.known import Known
from monitoring.collectors import rights
from nodes.proxmox.readings import (
    StorageConfigReading,
)

#: A place that was not read for this long says nothing about the backups made since.
STALE_SECONDS = 3 * 3600.0


def sources_of(
    host: Known, servers: Sequence[Known], evidence: Estate, *, at: datetime
) -> tuple[set[str], dict[str, str]]:
    """Return the storages for backups of a PVE that were read, and why the others were not."""
    read: set[str] = set()
    unread: dict[str, str] = {}
    by_name = {server.name: server for server in servers}
    for config in host.facts.storages:
        if config.is_disabled or "backup" not in config.content:
            continue
        reason = reason_unread(host, config, by_name, evidence, at=at)
        if reason:
            unread[config.name] = reason
        else:
            read.add(config.name)
    return read, unread


def reason_unread(
    host: Known,
    config: StorageConfigReading,
    servers: Mapping[str, Known],
    evidence: Estate,
    *,
    at: datetime,
) -> str:
    """Return why the backups in a storage may not all have been seen, "" when they have."""
    if config.plugin == "pbs":
        found = [
            place
            for place, definitions in evidence.definitions.items()
            if host.name in definitions and config.name in definitions[host.name].storages
        ]
        if found:
            return unread_at_server(*found[0], servers, at=at)
    held = host.facts.permissions
    if held is not None and not rights.sees_all_backups(held, config.name):
        return "server_not_monitored" if config.plugin == "pbs" else "no_permission"
    reads = [told for key, told in host.facts.volumes_at.items() if key.rpartition("/")[0] == config.name]
    if not reads:
        return "server_not_monitored" if config.plugin == "pbs" else "not_read_yet"
    return when_unread(min(reads), at=at)


def unread_at_server(
    server: str, datastore: str, namespace: str, servers: Mapping[str, Known], *, at: datetime
) -> str:
    """Return why the backups in a place of a PBS were not all seen there, "" when they were."""
    known = servers.get(server)
    if known is None or not known.instance.monitor_datastores:
        return "server_not_monitored"
    held = known.facts.permissions
    path = f"/datastore/{datastore}/{namespace}".rstrip("/")
    if held is not None and not held.has(path, "Datastore.Audit"):
        return "no_permission"
    place = known.facts.places.get(f"{datastore}/{namespace}")
    if place is None or not place.snapshots_at:
        return "not_read_yet"
    return when_unread(max(place.snapshots_at, place.groups_at), at=at)


def when_unread(read_at: float, *, at: datetime) -> str:
    """Return "" for what was read lately: backups may have been made since what was read long ago."""
    return "" if at.timestamp() - read_at <= STALE_SECONDS else "not_read_lately"
