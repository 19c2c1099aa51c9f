"""What is asked once for a whole cluster: rights, storages, tasks, votes, high availability, Ceph, replication."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from monitoring.backups.attribution import VMID
from monitoring.collecting.pve.common import is_online
from monitoring.collecting.schedule import Errand
from monitoring.collecting.turn import AGENT_SECONDS, Turn
from monitoring.known.lanes import Key, Lane
from nodes.proxmox import access, backups, cluster
from nodes.proxmox.readings.backups import TaskReading

#: Kinds of tasks after which a guest has other snapshots than before.
SNAPSHOT_TASKS = frozenset(
    {"qmsnapshot", "qmdelsnapshot", "qmrollback", "vzsnapshot", "vzdelsnapshot", "vzrollback"}
)
#: Kinds of tasks about a guest that leave its configuration as it is; every other one may have changed it.
HARMLESS_TASKS = frozenset(
    {"vncproxy", "spiceproxy", "vncshell", "termproxy", "qmstart", "qmstop", "qmshutdown", "qmreboot", "qmreset",
     "qmsuspend", "qmresume", "vzstart", "vzstop", "vzshutdown", "vzreboot", "vzdump", "hastart", "hastop"}
)  # fmt: skip
CEPH_PLUGINS = frozenset({"rbd", "cephfs"})


def instance_errands(turn: Turn) -> Iterator[Errand]:
    """Yield what is asked once for the whole cluster."""
    audits = turn.may("/", "Sys.Audit")
    yield Errand(Lane.PERMISSIONS, "", read_permissions)
    yield Errand(Lane.STORAGE_DEFINITIONS, "", read_storages)
    yield Errand(Lane.TASKS, "", read_tasks)
    yield Errand(Lane.HA, "", read_ha, is_possible=audits, is_idle=not manages_services(turn))
    has_ceph = any(storage.plugin in CEPH_PLUGINS for storage in turn.figures.storages)
    if has_ceph or turn.facts.ceph is not None:
        sees = audits or turn.may("/", "Datastore.Audit")
        yield Errand(Lane.CEPH, "", read_ceph, is_possible=sees)
        yield Errand(Lane.CEPH_POOLS, "", read_ceph_parts, is_possible=sees)
    yield Errand(Lane.REPLICATION_JOBS, "", read_replication_jobs)
    if turn.memory.cluster is not None and turn.memory.cluster.is_cluster:
        yield Errand(Lane.VOTES, "", read_votes, is_possible=audits)
        yield Errand(Lane.QDEVICE, "", read_qdevice, is_possible=audits)


def manages_services(turn: Turn) -> bool:
    """Return whether high availability has something to do, as far as is known."""
    ha = turn.facts.ha
    return ha is not None and bool(ha.services or ha.is_quorate is False)


def read_permissions(turn: Turn) -> None:
    """Read what the account may do."""
    turn.keep(permissions=turn.ask(access.permissions))


def read_storages(turn: Turn) -> None:
    """Read how the storages are defined."""
    turn.keep(storages=turn.ask(backups.storage_definitions))


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
    turn.facts.tasks, turn.facts.tasks_epoch = tasks, turn.at


def vzdumps(tasks: Iterable[TaskReading]) -> list[TaskReading]:
    """Return the backup tasks among these."""
    return [task for task in tasks if task.kind == "vzdump"]


def consequences(turn: Turn, ended: Iterable[TaskReading]) -> Iterator[Key]:
    """Yield the errands that tasks have made due."""
    for task in ended:
        if task.kind == "vzdump":
            yield Lane.BACKUP_TASKS, task.node
            # A task does not tell into which storage it has written; not into one of another node.
            yield from ((Lane.BACKUP_VOLUMES, key) for key in turn.facts.volumes if key[1] in ("", task.node))
        elif task.kind not in HARMLESS_TASKS and VMID.fullmatch(task.subject):
            lane = Lane.GUEST_SNAPSHOTS if task.kind in SNAPSHOT_TASKS else Lane.GUEST_CONFIGURATION
            yield lane, int(task.subject)


def read_ha(turn: Turn) -> None:
    """Read the state of high availability."""
    turn.keep(ha=turn.ask(cluster.ha_status))


def read_ceph(turn: Turn) -> None:
    """Read the health of Ceph; a cluster of which no node has it has none."""
    turn.keep(ceph=turn.ask(cluster.ceph_status, longest_seconds=AGENT_SECONDS))


def read_ceph_parts(turn: Turn) -> None:
    """Read OSDs and pools through the node that answers."""
    node = next((one.name for one in turn.figures.nodes if is_online(one)), "localhost")
    turn.keep(ceph_osds=turn.ask(cluster.ceph_osds, node))
    turn.keep(ceph_pools=turn.ask(cluster.ceph_pools, node))


def read_replication_jobs(turn: Turn) -> None:
    """Read which guests are to be replicated, and where to."""
    turn.keep(replication_jobs=turn.ask(cluster.replication_jobs))


def read_votes(turn: Turn) -> None:
    """Read how many votes each node has."""
    turn.keep(votes=turn.ask(cluster.node_votes))


def read_qdevice(turn: Turn) -> None:
    """Read whether the QDevice, if there is one, is there."""
    turn.keep(qdevice=turn.ask(cluster.qdevice))
