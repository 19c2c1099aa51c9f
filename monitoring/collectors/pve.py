"""The slow lanes of a PVE host or cluster. Periods: api-facts.md 10, longer where a task tells what has changed."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from functools import lru_cache, partial

from monitoring.backups import attribution
from monitoring.collectors import rights
from monitoring.collectors.turn import AGENT_SECONDS, LISTING_SECONDS, Turn
from monitoring.errands import Errand
from monitoring.filesystems import FAILURES, summarise
from monitoring.resources import NodeView
from nodes.proxmox import access, backups, cluster, guests, hardware
from nodes.proxmox.errors import NoZfs, ProxmoxError
from nodes.proxmox.readings import GuestReading, StorageConfigReading, TaskReading
from nodes.proxmox.tasks import read_vzdump_log

#: Kinds of tasks after which a guest has other snapshots than before.
SNAPSHOT_TASKS = frozenset(
    {"qmsnapshot", "qmdelsnapshot", "qmrollback", "vzsnapshot", "vzdelsnapshot", "vzrollback"}
)
#: Kinds of tasks about a guest that leave its configuration as it is; every other one may have changed it.
HARMLESS_TASKS = frozenset(
    {"vncproxy", "spiceproxy", "vncshell", "termproxy", "qmstart", "qmstop", "qmshutdown", "qmreboot", "qmreset",
     "qmsuspend", "qmresume", "vzstart", "vzstop", "vzshutdown", "vzreboot", "vzdump", "hastart", "hastop"}
)  # fmt: skip
#: What a PBS that Pulse knows holds is read from there.
BACKUP_SERVER_PLUGIN = "pbs"
CEPH_PLUGINS = frozenset({"rbd", "cephfs"})
#: The newest backup tasks of each node.
TASKS_PER_NODE = 100
#: What the guest agent demands, by the version of the node.
AGENT_PRIVILEGES_SINCE = (9, 0)
AGENT_PRIVILEGES = ("VM.GuestAgent.Audit", "VM.GuestAgent.Unrestricted")
OLD_AGENT_PRIVILEGES = ("VM.Monitor",)
DENIED = "permission_denied"
#: Logs of jobs over several guests: how far back they are read, and how many are kept.
LOG_SECONDS = 3 * 24 * 3600
MOST_LOGS = 100
#: The agent of a guest is up so long after its start.
AGENT_START_SECONDS = 90.0
GUEST_KINDS = ("qemu", "lxc")
#: From this version on containers tell their addresses, and pressure is told.
ADDRESSES_SINCE = (8, 1)
PRESSURE_SINCE = (9, 0)


def errands(turn: Turn) -> Iterator[Errand]:
    """Yield every errand of the instance, due or not."""
    nodes = {node.name: is_online(node) for node in turn.views.nodes}
    online = sorted(name for name, is_there in nodes.items() if is_there)
    yield from instance_errands(turn)
    guests = wanted_guests(turn)
    running = {(guest.node, guest.kind) for guest in guests if guest.status == "running"}
    for node in turn.views.nodes:
        yield from node_errands(turn, node, {kind for name, kind in running if name == node.name})
    if turn.instance.monitor_backups:
        yield from backup_errands(turn, nodes, online)
    for guest in guests:
        yield from guest_errands(turn, guest, is_there=nodes.get(guest.node, False))


def is_online(node: NodeView) -> bool:
    """Return whether a node may be asked: a call to another one is answered late, by an error."""
    return node.status == "online" and not node.stale


def wanted_guests(turn: Turn) -> list[GuestReading]:
    """Return the guests as they were listed last, also those of nodes that are away."""
    instance, reading = turn.instance, turn.memory.reading
    wanted = {"qemu": instance.monitor_vms, "lxc": instance.monitor_containers}
    guests = reading.guests if reading is not None else ()
    return [guest for guest in guests if wanted.get(guest.kind) and not guest.is_template]


def instance_errands(turn: Turn) -> Iterator[Errand]:
    """Yield what is asked once for the whole cluster."""
    audits = turn.may("/", "Sys.Audit")
    yield Errand("permissions", "", 900.0, partial(read_permissions, turn), rank=0)
    yield Errand("storage configuration", "", 1800.0, partial(read_storages, turn), rank=0)
    yield Errand("tasks", "", 20.0, partial(read_tasks, turn), rank=0)
    yield Errand("high availability", "", ha_period(turn), partial(read_ha, turn), is_possible=audits)
    has_ceph = any(storage.type in CEPH_PLUGINS for storage in turn.views.storage)
    if has_ceph or turn.facts.ceph is not None:
        sees = audits or turn.may("/", "Datastore.Audit")
        yield Errand("ceph", "", 30.0, partial(read_ceph, turn), is_possible=sees)
        yield Errand("ceph", "pools", 300.0, partial(read_ceph_parts, turn), rank=3, is_possible=sees)
    yield Errand("replication", "", 900.0, partial(read_replication_nodes, turn))


def ha_period(turn: Turn) -> float:
    """Return how often to look at high availability: seldom where nothing is managed."""
    ha = turn.facts.ha
    return 30.0 if ha is not None and (ha.services or ha.is_quorate is False) else 300.0


def node_errands(turn: Turn, node: NodeView, running: Collection[str]) -> Iterator[Errand]:
    """Yield what is asked of each node, only while it is online; `running` are the kinds of guests that run there."""
    name, is_there = node.name, is_online(node)
    if is_there and node.uptime:  # it may have been started with another version
        turn.hasten([f"versions/{name}"], since=turn.at - node.uptime)
    audits = is_there and turn.may(f"/nodes/{name}", "Sys.Audit")
    sees_disks = is_there and turn.may("/", "Sys.Audit")

    def errand(
        lane: str,
        subject: str,
        period: float,
        run: Callable[..., None],
        *more: str,
        rank: int = 1,
        is_possible: bool = is_there,
        answers_alone: bool = True,
    ) -> Errand:
        done = partial(run, turn, name, *more)
        return Errand(lane, subject, period, done, rank, is_possible, name if answers_alone else "")

    for kind in GUEST_KINDS:
        yield errand("guest details", f"{kind} {name}", 120.0, read_guest_details, kind,
                     is_possible=is_there and kind in running)  # fmt: skip
    if turn.instance.monitor_storage:
        yield errand("storage", name, 300.0, read_node_storages, rank=2, answers_alone=False)
    for subject, run, period in (
        ("zfs", read_zfs, 300.0 if has_zfs(turn, name) else 3600.0),
        ("lvmthin", read_thin_pools, 1800.0),
        ("list", read_disks, 3600.0),
    ):
        yield errand("disks", f"{subject} {name}", period, run, rank=3, is_possible=sees_disks, answers_alone=False)  # fmt: skip
    yield errand("versions", name, 3600.0, read_node_version, rank=0)
    yield errand("time", name, 6 * 3600.0, read_node_time, rank=2, is_possible=audits)
    yield errand("certificates", name, 6 * 3600.0, read_certificates, rank=3)
    yield errand("subscription", name, 6 * 3600.0, read_subscription, rank=3)
    if turn.may(f"/nodes/{name}", "Sys.Modify"):
        yield errand("updates", name, 6 * 3600.0, read_updates, rank=3)
    if version_of(turn, name) >= PRESSURE_SINCE:
        yield errand("pressure", name, 120.0, read_pressure, rank=3, is_possible=audits)
    if name in turn.facts.replication_nodes:
        yield errand("replication", name, 60.0, read_replication)


def has_zfs(turn: Turn, node: str) -> bool:
    """Return whether a node has ZFS pools, as far as is known; one without answers with an error."""
    reading = turn.memory.reading
    storages = reading.storages if reading is not None else ()
    return bool(turn.facts.node(node).zfs_pools) or any(
        one.node == node and one.plugin == "zfspool" for one in storages
    )


def backup_errands(turn: Turn, nodes: Collection[str], online: list[str]) -> Iterator[Errand]:
    """Yield what tells of backups: jobs, tasks, and one listing of each storage that holds some."""
    audits = turn.may("/", "Sys.Audit")
    yield Errand("backup jobs", "", 300.0, partial(read_jobs, turn), rank=0, is_possible=audits)
    yield Errand("backup jobs", "uncovered", 900.0, partial(read_uncovered, turn), is_possible=audits)
    for job in turn.facts.jobs:
        volumes = partial(read_job_volumes, turn, job.id)
        yield Errand("backup jobs", f"volumes {job.id}", 3600.0, volumes, rank=3, is_possible=audits)
    for node in nodes:
        read = partial(read_backup_tasks, turn, node)
        yield Errand("backup tasks", node, 900.0, read, is_possible=node in online, node=node)
    for task in unread_logs(turn):
        log = partial(read_log, turn, task)
        yield Errand("backup logs", task.upid, 3600.0, log, 2, task.node in online, task.node)
    for key, node, name in listed_storages(turn, online):
        yield Errand("backups", key, 1800.0, partial(read_volumes, turn, key, node, name), is_possible=bool(node))  # fmt: skip


def listed_storages(turn: Turn, online: Collection[str]) -> Iterator[tuple[str, str, str]]:
    """Yield (key, node to ask, storage) of each storage whose backups are read through PVE; a shared one once.

    The node is empty while none is online that sees the storage.
    """
    reading = turn.memory.reading
    definitions = {one.name: one for one in turn.facts.storages}
    askable: dict[str, tuple[str, str]] = {}
    for storage in sorted(reading.storages if reading is not None else (), key=lambda one: one.node):
        config = definitions.get(storage.name)
        if "backup" not in storage.content or not may_list(turn, storage.name):
            continue
        if storage.plugin == BACKUP_SERVER_PLUGIN and (config is None or is_read_from_server(turn, config)):
            continue
        key = f"{storage.name}/" if storage.is_shared else f"{storage.name}/{storage.node}"
        is_there = storage.node in online and storage.status == "available"
        if key not in askable or (is_there and not askable[key][0]):
            askable[key] = (storage.node if is_there else "", storage.name)
    yield from ((key, node, name) for key, (node, name) in askable.items())


def may_list(turn: Turn, storage: str) -> bool:
    """Return whether to list the backups in a storage: an account that may not see them is told that there are none."""
    held = turn.facts.permissions
    return turn.rights_are_unreadable if held is None else rights.sees_backups(held, storage)


def is_read_from_server(turn: Turn, config: StorageConfigReading) -> bool:
    """Return whether a storage leads to a PBS that Pulse knows itself: what is there is read there, once."""
    told = attribution.pbs_storage(turn.instance.name, config)
    return told is not None and bool(attribution.estate((), [told], turn.servers).definitions)


def guest_errands(turn: Turn, guest: GuestReading, *, is_there: bool) -> Iterator[Errand]:
    """Yield what is asked of each guest; only while its node is online."""
    vmid, kind = guest.vmid, guest.kind
    known = turn.facts.guest(vmid)
    config = known.config
    is_running = is_there and guest.status == "running"
    if is_running and guest.uptime_seconds:
        started_at = turn.at - guest.uptime_seconds
        if known.config_at <= started_at + AGENT_START_SECONDS:  # else all of it has been looked at since
            hasten_started(turn, vmid, started_at)
    yield Errand("guest configuration", str(vmid), 7200.0, partial(read_config, turn, guest), 2, is_there, guest.node)  # fmt: skip
    yield Errand("guest snapshots", str(vmid), 3600.0, partial(read_snapshots, turn, guest), 4, is_there, guest.node)  # fmt: skip
    addresses = partial(read_addresses, turn, guest)
    if kind == "qemu" and config is not None and config.agent_is_enabled:
        may_ask = is_running and may_ask_agent(turn, guest)
        files = partial(read_filesystems, turn, guest)
        yield Errand("guest agent", f"filesystems {vmid}", 360.0, files, 2, may_ask)
        yield Errand("guest agent", f"addresses {vmid}", 3600.0, addresses, 4, may_ask)
    elif kind == "lxc" and version_of(turn, guest.node) >= ADDRESSES_SINCE:
        yield Errand("guest addresses", str(vmid), 3600.0, addresses, 4, is_running, guest.node)


def hasten_started(turn: Turn, vmid: int, started_at: float) -> None:
    """Let a guest that was started be read again: what was changed in its options is in force, its agent may run now."""
    turn.hasten([f"guest configuration/{vmid}"], since=started_at)
    if turn.at - started_at >= AGENT_START_SECONDS:
        names = [
            f"guest agent/filesystems {vmid}",
            f"guest agent/addresses {vmid}",
            f"guest addresses/{vmid}",
        ]
        turn.hasten(names, since=started_at + AGENT_START_SECONDS)


def may_ask_agent(turn: Turn, guest: GuestReading) -> bool:
    """Return whether the agent of a guest is to be asked: not before it is known which privilege its node demands.

    Asking without it costs the host a refusal for each guest; that it is missing is noted at the guest instead.
    """
    version = version_of(turn, guest.node)
    privileges = AGENT_PRIVILEGES if version >= AGENT_PRIVILEGES_SINCE else OLD_AGENT_PRIVILEGES
    if not version or turn.may(f"/vms/{guest.vmid}", *privileges):
        return bool(version)
    if turn.facts.permissions is not None and turn.facts.guest(guest.vmid).agent_code != DENIED:
        turn.facts.set_guest(guest.vmid, agent_code=DENIED)
    return False


def version_of(turn: Turn, node: str) -> tuple[int, ...]:
    """Return the version of a node as numbers, () while it is not known."""
    return numbers_of(turn.facts.node(node).version)


@lru_cache(maxsize=256)
def numbers_of(version: str) -> tuple[int, ...]:
    """Return `8.4-1` as (8, 4, 1); kept, because it is asked for every guest."""
    parts = version.replace("-", ".").split(".")[:3]
    return tuple(int(part) for part in parts if part.isascii() and part.isdigit())


# --- the cluster -------------------------------------------------------------------------------------------------


def read_permissions(turn: Turn) -> None:
    """Read what the account may do."""
    turn.keep(permissions=turn.ask(access.permissions))
    turn.facts.permissions_at = turn.at


def read_storages(turn: Turn) -> None:
    """Read how the storages are defined."""
    turn.keep(storages=turn.ask(backups.storage_definitions))
    turn.facts.storages_at = turn.at


def read_tasks(turn: Turn) -> None:
    """Read the recent tasks of all nodes, and let what they have changed be read again."""
    tasks = turn.ask(backups.cluster_tasks)
    before = {task.upid: task for task in turn.facts.tasks}
    ended = [
        task
        for task in tasks
        if task.ended_at is not None and (task.upid not in before or before[task.upid].ended_at is None)
    ]
    if before:
        turn.hasten(consequences(turn, ended))
    if vzdumps(before.values()) != vzdumps(tasks):
        turn.facts.version += 1  # others are no part of what is published or judged
    turn.facts.tasks = tasks


def vzdumps(tasks: Iterable[TaskReading]) -> list[TaskReading]:
    """Return the backup tasks among these."""
    return [task for task in tasks if task.kind == "vzdump"]


def consequences(turn: Turn, ended: Iterable[TaskReading]) -> Iterator[str]:
    """Yield the errands that tasks have made due."""
    for task in ended:
        if task.kind == "vzdump":
            yield f"backup tasks/{task.node}"
            # A task does not tell into which storage it has written; not into one of another node.
            yield from (
                f"backups/{key}" for key in turn.facts.volumes if key.endswith(("/", f"/{task.node}"))
            )
        elif task.kind in SNAPSHOT_TASKS:
            yield f"guest snapshots/{task.subject}"
        elif task.kind not in HARMLESS_TASKS:
            yield f"guest configuration/{task.subject}"


def read_ha(turn: Turn) -> None:
    """Read the state of high availability."""
    turn.keep(ha=turn.ask(cluster.ha_status))


def read_ceph(turn: Turn) -> None:
    """Read the health of Ceph; a cluster of which no node has it has none."""
    turn.keep(ceph=turn.ask(cluster.ceph_status, longest_seconds=AGENT_SECONDS))


def read_ceph_parts(turn: Turn) -> None:
    """Read OSDs and pools through the node that answers."""
    node = next((one.name for one in turn.views.nodes if is_online(one)), "localhost")
    turn.keep(ceph_osds=turn.ask(cluster.ceph_osds, node))
    turn.keep(ceph_pools=turn.ask(cluster.ceph_pools, node))


def read_replication_nodes(turn: Turn) -> None:
    """Read which nodes replicate guests to others."""
    turn.keep(replication_nodes=turn.ask(cluster.replication_nodes))


# --- nodes -------------------------------------------------------------------------------------------------------


def read_guest_details(turn: Turn, node: str, kind: str) -> None:
    """Read balloon, swap and pressure of all guests of a node and kind; templates are among them, and not wanted."""
    wanted = {guest.vmid for guest in wanted_guests(turn)}
    for detail in turn.ask(guests.node_guests, node, kind, longest_seconds=10.0):
        if detail.vmid in wanted:
            turn.facts.set_guest(detail.vmid, detail=detail, detail_at=turn.at)


def read_node_storages(turn: Turn, node: str) -> None:
    """Read the storages as the node probed them."""
    found = turn.ask(backups.node_storages, node, longest_seconds=LISTING_SECONDS)
    turn.facts.set_node(node, storages=found, storages_at=turn.at)


def read_zfs(turn: Turn, node: str) -> None:
    """Read the ZFS pools; a node without ZFS has none."""
    try:
        pools = turn.ask(hardware.zfs_pools, node)
    except NoZfs:
        pools = ()
    turn.keep_node(node, zfs_pools=pools)


def read_thin_pools(turn: Turn, node: str) -> None:
    """Read the LVM thin pools."""
    turn.keep_node(node, thin_pools=turn.ask(hardware.thin_pools, node))


def read_disks(turn: Turn, node: str) -> None:
    """Read the disks without waking them."""
    turn.keep_node(node, disks=turn.ask(hardware.disks, node, longest_seconds=10.0), disks_at=turn.at)


def read_node_version(turn: Turn, node: str) -> None:
    """Read the version of the node."""
    turn.keep_node(node, version=turn.ask(access.node_version, node).version)


def read_node_time(turn: Turn, node: str) -> None:
    """Read in which time zone schedules are meant."""
    turn.keep_node(node, time_zone=turn.ask(backups.node_time, node).zone)


def read_certificates(turn: Turn, node: str) -> None:
    """Read the certificates and when they expire."""
    turn.keep_node(node, certificates=turn.ask(hardware.certificates, node))


def read_subscription(turn: Turn, node: str) -> None:
    """Read whether the node has a subscription."""
    turn.keep_node(node, subscription=turn.ask(hardware.subscription, node))


def read_updates(turn: Turn, node: str) -> None:
    """Read the pending updates; most accounts may not see them."""
    turn.keep_node(node, updates=turn.ask(hardware.pending_updates, node))


def read_pressure(turn: Turn, node: str) -> None:
    """Read the pressure on the node itself."""
    pressure = turn.ask(hardware.node_pressure, node)
    turn.facts.set_node(node, pressure=pressure, pressure_at=turn.at)


def read_replication(turn: Turn, node: str) -> None:
    """Read the replication jobs whose source the node is."""
    turn.keep_node(node, replications=turn.ask(cluster.node_replication, node))


# --- backups -----------------------------------------------------------------------------------------------------


def read_jobs(turn: Turn) -> None:
    """Read the backup jobs."""
    jobs = turn.ask(backups.backup_jobs)
    turn.facts.see_jobs("backup", {job.id: f"{job.is_enabled} {job.schedule}" for job in jobs}, at=turn.at)
    turn.keep(jobs=jobs)
    turn.facts.jobs_at = turn.at
    known = {job.id for job in jobs}
    if turn.facts.job_volumes.keys() - known:
        turn.keep(job_volumes={key: one for key, one in turn.facts.job_volumes.items() if key in known})


def read_uncovered(turn: Turn) -> None:
    """Read which guests are in no backup job."""
    turn.keep(uncovered=turn.ask(backups.uncovered_guests))
    turn.facts.uncovered_at = turn.at


def read_job_volumes(turn: Turn, job: str) -> None:
    """Read which disks a job takes."""
    turn.keep_entry("job_volumes", job, turn.ask(backups.job_volumes, job))


def read_backup_tasks(turn: Turn, node: str) -> None:
    """Read the newest backup tasks of a node, which the short list of the cluster may have lost."""
    tasks = turn.ask(backups.node_tasks, node, kind="vzdump", limit=TASKS_PER_NODE)
    turn.keep_entry("backup_tasks", node, tasks)


def told_logs(turn: Turn) -> list[TaskReading]:
    """Return the tasks over several guests that ended lately and not well, the newest first, and not too many.

    Only their logs tell whose backup failed.
    """
    since = turn.at - LOG_SECONDS
    tasks = {task.upid: task for tasks in turn.facts.backup_tasks.values() for task in tasks}
    tasks |= {task.upid: task for task in turn.facts.tasks}
    failed = [
        task
        for task in tasks.values()
        if task.kind == "vzdump" and not task.subject and task.ended_at is not None
        if task.status != "OK" and (task.started_at or 0) > since
    ]
    failed.sort(key=lambda task: task.started_at or 0, reverse=True)
    return failed[:MOST_LOGS]


def unread_logs(turn: Turn) -> Iterator[TaskReading]:
    """Yield those whose log was not read yet."""
    return (task for task in told_logs(turn) if task.upid not in turn.facts.task_results)


def read_log(turn: Turn, task: TaskReading) -> None:
    """Read the log of a job once; those of old jobs are forgotten."""
    results = read_vzdump_log(turn.ask(backups.task_log, task.node, task.upid, longest_seconds=10.0))
    wanted = {one.upid for one in told_logs(turn)}
    known = {upid: one for upid, one in turn.facts.task_results.items() if upid in wanted}
    turn.keep(task_results={**known, task.upid: results})


def read_volumes(turn: Turn, key: str, node: str, storage: str) -> None:
    """Read the backups in a storage."""
    found = turn.ask(backups.backup_volumes, node, storage, longest_seconds=LISTING_SECONDS)
    turn.keep_entry("volumes", key, found)
    turn.facts.volumes_at = {**turn.facts.volumes_at, key: turn.at}


# --- guests ------------------------------------------------------------------------------------------------------


def read_config(turn: Turn, guest: GuestReading) -> None:
    """Read the configuration."""
    config = turn.ask(guests.guest_config, guest.node, guest.kind, guest.vmid)
    turn.keep_guest(guest.vmid, config=config, config_at=turn.at)


def read_snapshots(turn: Turn, guest: GuestReading) -> None:
    """Read the snapshots."""
    found = turn.ask(guests.guest_snapshots, guest.node, guest.kind, guest.vmid)
    turn.keep_guest(guest.vmid, snapshots=found, snapshots_at=turn.at)


def read_filesystems(turn: Turn, guest: GuestReading) -> None:
    """Read the file systems from the agent; why it does not tell them is kept beside what it told before."""
    try:
        found = turn.ask(guests.agent_filesystems, guest.node, guest.vmid, longest_seconds=AGENT_SECONDS)
    except ProxmoxError as error:
        if error.code in FAILURES:  # else it is the host that did not answer
            turn.facts.set_guest(guest.vmid, agent_code=error.code)
        raise
    config = turn.facts.guest(guest.vmid).config
    configured = (
        [disk.size_bytes or 0 for disk in config.disks if not disk.key.startswith("unused")] if config else []
    )
    disk = summarise(found, configured_bytes=sum(configured) or None)
    turn.facts.set_guest(guest.vmid, disk=disk, disk_at=turn.at, agent_code="")


def read_addresses(turn: Turn, guest: GuestReading) -> None:
    """Read the addresses of a guest."""
    if guest.kind == "qemu":
        found = turn.ask(guests.agent_addresses, guest.node, guest.vmid, longest_seconds=AGENT_SECONDS)
    else:
        found = turn.ask(guests.container_addresses, guest.node, guest.vmid)
    turn.facts.set_guest(guest.vmid, addresses=found, addresses_at=turn.at)
