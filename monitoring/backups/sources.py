"""Where the lists of backups, tasks and snapshots come from: each place with its age, and why it was not read; pure.

An empty list says something only about the places that were read.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from functools import partial
from typing import Literal

import msgspec

from monitoring.backups import rights
from monitoring.backups.apart import Apart
from monitoring.backups.attribution import Estate
from monitoring.backups.collected import Collected
from monitoring.backups.coverage import NO_PERMISSION, NOT_READ_YET
from monitoring.backups.storages import (
    backup_storages,
    explained,
    read_at_own,
    read_at_server,
    storages_on_servers,
    when_unread,
)
from monitoring.backups.tries import backup_tasks
from monitoring.figures.servers import status_of
from monitoring.known.datastores import known_datastores, states_now
from monitoring.known.lanes import Key, Lane
from nodes.proxmox.readings.live import DatastoreReading, GuestReading

Kind = Literal["storage", "datastore", "tasks", "snapshots"]


class Source(msgspec.Struct, frozen=True):
    """One place. `reason` is "" when all of it was read lately, else a code, `message` what the host said about it.

    `name` is "" while none is known. `read_epoch` is 0 when it was never read. What is `read_from` a PBS is counted there.
    """

    instance: str
    kind: Kind
    name: str
    count: int = 0
    read_epoch: float = 0.0
    reason: str = ""
    message: str = ""
    namespace: str = ""
    node: str = ""
    read_from: str = ""


def sources(hosts: Sequence[Collected], servers: Sequence[Collected], *, at: datetime) -> list[Source]:
    """Return the places of these PVE and PBS, ordered by instance, kind and name."""
    care = Apart()
    found: list[Source] = []
    sound = [one for one in servers if care.of(one, partial(is_sound_server, one, at=at), False)]
    evidence = storages_on_servers(
        [one for one in hosts if care.of(one, partial(is_sound_host, one), False)], sound
    )
    for host in hosts:
        found += places_of(host, "storage", partial(of_host, host, sound, evidence, at=at), care)
    for server in servers:
        found += places_of(server, "datastore", partial(of_server, server, at=at), care)
    return sorted(found, key=lambda one: (one.instance, one.kind, one.name, one.namespace, one.node))


def is_sound_host(host: Collected) -> bool:
    """Return True for a PVE whose definitions of storages do not break the rules over all."""
    storages_on_servers([host], ())
    return True


def is_sound_server(server: Collected, *, at: datetime) -> bool:
    """Return True for a PBS whose facts do not break what is told of those that store there."""
    storages_on_servers((), [server])
    read_at_own(server, at=at)
    return True


def places_of(
    known: Collected, kind: Kind, places: Callable[[], Iterable[Source]], care: Apart
) -> list[Source]:
    """Return the places of an instance; one without a name that says so where Pulse itself fails over it."""
    stumbled = [Source(known.name, kind, "", reason="internal_error")]
    return care.of(known, lambda: list(places()), stumbled)


def of_host(
    host: Collected, servers: Sequence[Collected], evidence: Estate, *, at: datetime
) -> Iterator[Source]:
    """Yield the places of a PVE that are to be monitored."""
    if host.monitors_backups:
        yield from storages(host, servers, evidence, at=at)
        yield from tasks(host, at=at)
    yield from snapshots(host, at=at)


def storages(
    host: Collected, servers: Sequence[Collected], evidence: Estate, *, at: datetime
) -> Iterator[Source]:
    """Yield the storages for backups, one without a name where none can be seen."""
    facts = host.facts
    if not facts.storages:
        reason = NO_PERMISSION if facts.storages_epoch else NOT_READ_YET
        yield source(host, "storage", "", reason=reason, keys=((Lane.STORAGE_DEFINITIONS, ""),))
        return
    for place in backup_storages(host, servers, evidence, at=at):
        key = (place.storage, place.node)
        is_elsewhere = place.server is not None and place.reason != "server_not_monitored"
        yield source(
            host,
            "storage",
            place.storage,
            node=place.node,
            count=len(facts.volumes.get(key, ())),
            read_epoch=place.read_epoch,
            reason=place.reason,
            keys=() if is_elsewhere else ((Lane.BACKUP_VOLUMES, key),),
            read_from=place.server[0] if place.server is not None and is_elsewhere else "",
        )


def tasks(host: Collected, *, at: datetime) -> Iterator[Source]:
    """Yield how far the backup tasks were read, by node; without a node while none is known."""
    reading = host.memory.reading
    nodes = sorted(one.name for one in (reading.nodes if reading is not None else host.memory.figures.nodes))
    counts = Counter(task.node for task in backup_tasks(host.facts))
    if not nodes:
        yield source(host, "tasks", "", reason=NOT_READ_YET)
    for node in nodes:
        yield tasks_of(host, node, counts[node], at=at)


def tasks_of(host: Collected, node: str, count: int, *, at: datetime) -> Source:
    """Return how far the backup tasks of a node were read: its own list, and the newest ones in that of the cluster."""
    facts, held = host.facts, host.facts.permissions
    read_epoch = facts.backup_tasks_epoch.get(node, 0.0)
    sees_all = held is None or held.has("/", "Sys.Audit")
    if read_epoch and sees_all and node not in host.memory.absent_since:
        read_epoch = max(read_epoch, facts.tasks_epoch)
    if held is not None and not held.has(f"/nodes/{node}", "Sys.Audit"):
        reason = NO_PERMISSION
    else:
        reason = when_unread(read_epoch, at=at) if read_epoch else NOT_READ_YET
    return source(
        host,
        "tasks",
        node,
        node=node,
        count=count,
        read_epoch=read_epoch,
        reason=reason,
        keys=((Lane.BACKUP_TASKS, node),),
    )


def snapshots(host: Collected, *, at: datetime) -> Iterator[Source]:
    """Yield how far the snapshots of guests were read, by node; without a node where no guest can be seen."""
    by_node: dict[str, list[GuestReading]] = {}
    for guest in host.guests:
        if guest.kind in host.guest_kinds and not guest.is_template:
            by_node.setdefault(guest.node, []).append(guest)
    held = host.facts.permissions
    if not by_node and host.guest_kinds:
        if host.memory.reading is None:
            yield source(host, "snapshots", "", reason=NOT_READ_YET)
        elif held is not None and not held.has("/vms", "VM.Audit"):
            yield source(host, "snapshots", "", reason=NO_PERMISSION)
    for node, guests in by_node.items():
        yield snapshots_on(host, node, guests, at=at)


def snapshots_on(host: Collected, node: str, guests: Sequence[GuestReading], *, at: datetime) -> Source:
    """Return how far the snapshots of the guests of a node were read: as old as the oldest of them."""
    known = {guest.vmid: host.facts.guest(guest.vmid) for guest in guests}
    read_epoch = min((one.snapshots_epoch for one in known.values() if one.snapshots_epoch), default=0.0)
    unread = [vmid for vmid, one in known.items() if not one.snapshots_epoch]
    reason = NOT_READ_YET if unread else when_unread(read_epoch, at=at)
    late = unread or [vmid for vmid, one in known.items() if when_unread(one.snapshots_epoch, at=at)]
    told = source(
        host,
        "snapshots",
        node,
        node=node,
        count=sum(len(one.snapshots) for one in known.values()),
        read_epoch=read_epoch,
        reason=reason,
        keys=((Lane.GUEST_SNAPSHOTS, vmid) for vmid in late),
    )
    if reason and len(late) < len(guests):
        message = f"{len(late)} of {len(guests)} guests. {told.message}".strip()
        return msgspec.structs.replace(told, message=message)
    return told


def of_server(server: Collected, *, at: datetime) -> Iterator[Source]:
    """Yield the namespaces of the datastores of a PBS, one without a name where no datastore can be seen."""
    if not server.monitors_datastores:
        return
    facts = server.facts
    known = known_datastores(server.memory.datastores, states_now(facts, at_epoch=at.timestamp()))
    stores = {one.name: one for one in known}
    names = sorted(stores.keys() | facts.namespaces.keys())
    if not names:
        reason = NO_PERMISSION if server.memory.datastores_epoch else NOT_READ_YET
        yield source(server, "datastore", "", reason=reason)
    for name in names:
        namespaces = [one.path for one in facts.namespaces.get(name, ())]
        if not namespaces:
            yield unlisted_datastore(server, name, stores.get(name))
        for namespace in namespaces:
            yield namespace_of(server, name, namespace, stores.get(name), at=at)


def unlisted_datastore(server: Collected, name: str, store: DatastoreReading | None) -> Source:
    """Return a datastore of which not even the namespaces are known."""
    held = server.facts.permissions
    is_blind = held is not None and not rights.sees_datastore(held, name)
    return source(
        server,
        "datastore",
        name,
        reason=NO_PERMISSION if is_blind else NOT_READ_YET,
        keys=((Lane.NAMESPACES, name),),
        message=trouble_of(store),
    )


def trouble_of(store: DatastoreReading | None) -> str:
    """Return why nothing can be read in a datastore now, as the server tells it."""
    if store is None or status_of(store) != "unavailable":
        return ""
    return store.error or (f"in maintenance: {store.maintenance}" if store.maintenance else "not mounted")


def namespace_of(
    server: Collected, name: str, namespace: str, store: DatastoreReading | None, *, at: datetime
) -> Source:
    """Return one namespace of a datastore."""
    reason, read_epoch = read_at_server((server.name, name, namespace), {server.name: server}, at=at)
    key = (name, namespace)
    place = server.facts.backups.get(key)
    count = sum(len(known) for known in place.snapshots.values()) if place is not None else 0
    groups = place.groups if place is not None else ()
    return source(
        server,
        "datastore",
        name,
        namespace=namespace,
        count=count,
        read_epoch=read_epoch,
        reason=reason,
        keys=(
            (Lane.GROUPS, key),
            (Lane.SNAPSHOTS, key),
            *((Lane.GROUP_SNAPSHOTS, (*key, f"{one.kind}/{one.id}")) for one in groups),
        ),
        message=trouble_of(store),
    )


def source(
    known: Collected,
    kind: Kind,
    name: str,
    *,
    reason: str,
    namespace: str = "",
    node: str = "",
    count: int = 0,
    read_epoch: float = 0.0,
    keys: Iterable[Key] = (),
    message: str = "",
    read_from: str = "",
) -> Source:
    """Return one place; `message` is what is told of it already, `keys` are those of the lanes that read it."""
    code, told = explained(known, reason, node, keys)
    if known.memory.login_is_refused:  # nothing of such an instance is listed (state.md 6)
        code, told, count = known.failure_code or "login_failed", known.failure_message, 0
    return Source(
        instance=known.name,
        kind=kind,
        name=name,
        count=count,
        read_epoch=read_epoch,
        reason=code,
        message=(told or message) if code else "",
        namespace=namespace,
        node=node,
        read_from=read_from,
    )
