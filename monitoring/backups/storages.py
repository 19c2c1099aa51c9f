"""Which places for backups were read, and why the others were not: nothing is said of what nobody could see; pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime

import msgspec

from monitoring.backups import rights
from monitoring.backups.attribution import Estate, PbsStorage, ServerNamespace, estate, pbs_storage
from monitoring.backups.collected import Collected
from monitoring.backups.coverage import NO_PERMISSION, NOT_READ_YET
from monitoring.figures.staleness import is_recent
from monitoring.known.lanes import Key, Lane
from nodes.proxmox.errors import PermissionDenied
from nodes.proxmox.readings.backups import StorageConfigReading

#: A place that was not read for this long says nothing about the backups made since.
UNREAD_SECONDS = 3 * 3600.0

#: What a failure of the lane explains better than that nothing was read.
UNEXPLAINED = frozenset({NOT_READ_YET, "not_read_lately"})


class BackupStorage(msgspec.Struct, frozen=True):
    """A storage for backups as a node sees it, all nodes when it is shared; `reason` is "" when it was read lately.

    `server` is the place on a PBS where its backups are read instead, None when they are read through PVE.
    """

    storage: str
    node: str = ""
    reason: str = ""
    read_epoch: float = 0.0
    server: ServerNamespace | None = None


def pbs_storages(hosts: Iterable[Collected]) -> list[PbsStorage]:
    """Return the storages of these PVE that lead to a PBS."""
    return [
        found
        for host in hosts
        for config in host.facts.storages
        if (found := pbs_storage(host.name, config)) is not None
    ]


def storages_on_servers(hosts: Iterable[Collected], servers: Iterable[Collected]) -> Estate:
    """Return which storages of these PVE lead to which places on these PBS, and nothing else."""
    return estate((), pbs_storages(hosts), [one.identity for one in servers])


def sources_of(
    host: Collected, servers: Sequence[Collected], evidence: Estate, *, at: datetime
) -> tuple[set[str], dict[str, str]]:
    """Return the storages for backups of a PVE that were read by every node, and why the others were not.

    Which storages there are must itself have been read, and a job may write to one that the account may not see.
    """
    by_name = {server.name: server for server in servers}
    read: set[str] = set()
    unread: dict[str, str] = {}
    for place in backup_storages(host, servers, evidence, at=at):
        if place.reason:
            unread.setdefault(place.storage, why_unread(host, by_name, place))
        else:
            read.add(place.storage)
    facts = host.facts
    if not facts.storages:
        unread[""] = NO_PERMISSION if facts.storages_epoch else NOT_READ_YET
    hidden = (
        {job.storage for job in facts.jobs if job.is_enabled} - {one.name for one in facts.storages} - {""}
    )
    if facts.permissions is not None:
        for storage in hidden:
            if not rights.sees_storage(facts.permissions, storage):
                unread.setdefault(storage, NO_PERMISSION)
    return read - unread.keys(), unread


def why_unread(host: Collected, servers: Mapping[str, Collected], place: BackupStorage) -> str:
    """Return why a place was not read; not that it will be while what should read it fails."""
    if place.reason != NOT_READ_YET:
        return place.reason
    if place.server is not None and place.server[0] in servers:
        server, *key = place.server
        lanes: list[Key] = [(lane, (key[0], key[1])) for lane in (Lane.GROUPS, Lane.SNAPSHOTS)]
        return explained(servers[server], place.reason, "", lanes)[0]
    return explained(host, place.reason, place.node, [(Lane.BACKUP_VOLUMES, (place.storage, place.node))])[0]


def backup_storages(
    host: Collected, servers: Sequence[Collected], evidence: Estate, *, at: datetime
) -> Iterator[BackupStorage]:
    """Yield the storages for backups of a PVE, one that is not shared once for each node that has it."""
    by_name = {server.name: server for server in servers}
    for config in host.facts.storages:
        if config.is_disabled or "backup" not in config.content:
            continue
        place = namespace_behind(host, config, evidence)
        if place is not None:
            reason, read_epoch = read_at_server(place, by_name, at=at)
            yield BackupStorage(config.name, "", reason, read_epoch, place)
        else:
            yield from storages_at_nodes(host, config, at=at)


def namespace_behind(
    host: Collected, config: StorageConfigReading, evidence: Estate
) -> ServerNamespace | None:
    """Return the place on a known PBS to which a storage leads."""
    if config.plugin != "pbs":
        return None
    found = (
        place
        for place, definitions in evidence.definitions.items()
        if host.name in definitions and config.name in definitions[host.name].storages
    )
    return next(found, None)


def storages_at_nodes(
    host: Collected, config: StorageConfigReading, *, at: datetime
) -> Iterator[BackupStorage]:
    """Yield a storage that is read through PVE."""
    held, is_pbs = host.facts.permissions, config.plugin == "pbs"
    blind = "server_not_monitored" if is_pbs else NO_PERMISSION
    is_blind = held is not None and not rights.sees_all_backups(held, config.name)
    for node in nodes_with(host, config):
        read_epoch = host.facts.volumes_epoch.get((config.name, node), 0.0)
        never = "server_not_monitored" if is_pbs else NOT_READ_YET
        reason = blind if is_blind else when_unread(read_epoch, at=at) if read_epoch else never
        yield BackupStorage(config.name, node, reason, read_epoch)


def nodes_with(host: Collected, config: StorageConfigReading) -> list[str]:
    """Return the nodes whose storage of this name is to be read, or was; "" alone for a shared one."""
    reading = host.memory.reading
    seen = [one for one in (reading.storages if reading is not None else ()) if one.name == config.name]
    nodes = {"" if one.is_shared else one.node for one in seen if "backup" in one.content}
    return sorted(nodes or {node for name, node in host.facts.volumes_epoch if name == config.name}) or [""]


def read_at_server(
    place: ServerNamespace, servers: Mapping[str, Collected], *, at: datetime
) -> tuple[str, float]:
    """Return why the backups in a place of a PBS were not all seen there, "" when they were, and when it was read."""
    server, datastore, namespace = place
    known = servers.get(server)
    if known is None or not known.monitors_datastores:
        return "server_not_monitored", 0.0
    held = known.facts.permissions
    found = known.facts.backups.get((datastore, namespace))
    read_epoch = (
        max(found.snapshots_epoch, found.groups_epoch) if found is not None and found.snapshots_epoch else 0.0
    )
    path = f"/datastore/{datastore}/{namespace}".rstrip("/")
    if held is not None and not held.has(path, "Datastore.Audit"):
        return NO_PERMISSION, read_epoch
    return (when_unread(read_epoch, at=at) if read_epoch else NOT_READ_YET), read_epoch


def read_at_own(server: Collected, *, at: datetime) -> list[tuple[str, float]]:
    """Return the same of every place on a PBS: what breaks over its facts does so here, and not at a PVE that stores there."""
    return [
        read_at_server((server.name, *place), {server.name: server}, at=at) for place in server.facts.backups
    ]


def when_unread(read_epoch: float, *, at: datetime) -> str:
    """Return "" for what was read lately: backups may have been made since what was read long ago."""
    is_read = is_recent(read_epoch, at_epoch=at.timestamp(), seconds=UNREAD_SECONDS)
    return "" if is_read else "not_read_lately"


def explained(known: Collected, reason: str, node: str, keys: Iterable[Key]) -> tuple[str, str]:
    """Return why a place was not read and what the host said: its node is away, its lanes or the live polls fail."""
    if reason not in UNEXPLAINED:
        return reason, ""
    if node in known.memory.absent_since:
        return "node_offline", ""
    failed = [one for key in keys if (one := known.facts.progress_of(*key)).code]
    if failed:
        code = Counter(one.code for one in failed).most_common(1)[0][0]
        message = next(one.message for one in failed if one.code == code)
        return (NO_PERMISSION if code == PermissionDenied.code else code), message
    if known.memory.failures and known.failure_code:
        return known.failure_code, known.failure_message
    return reason, ""
