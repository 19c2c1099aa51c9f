"""What is asked once for a whole cluster: rights, storages, tasks, votes, high availability, Ceph, replication."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from monitoring.backups.attribution import VMID
from monitoring.collecting.credentials import credential_questions
from monitoring.collecting.pve.common import is_online
from monitoring.collecting.schedule import Question
from monitoring.collecting.visit import AGENT_SECONDS, Visit
from monitoring.known.ceph import tells_flags
from monitoring.known.freshness import manages_services
from monitoring.known.lanes import Key, Lane
from monitoring.known.terms import DENIALS, TERMS
from nodes.proxmox import access, backups, cluster
from nodes.proxmox.errors import NoCeph
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


def instance_questions(visit: Visit) -> Iterator[Question]:
    """Yield what is asked once for the whole cluster."""
    audits = visit.may("/", "Sys.Audit")
    yield Question(Lane.PERMISSIONS, "", read_permissions)
    yield from credential_questions(visit)
    yield Question(Lane.STORAGE_DEFINITIONS, "", read_storages)
    yield Question(Lane.TASKS, "", read_tasks)
    yield Question(Lane.HA, "", read_ha, is_possible=audits, is_idle=not manages_services(visit.facts.ha))
    yield from ceph_questions(visit, is_possible=audits or visit.may("/", "Datastore.Audit"))
    yield Question(Lane.REPLICATION_JOBS, "", read_replication_jobs)
    if visit.memory.cluster is not None and visit.memory.cluster.is_cluster:
        yield Question(Lane.VOTES, "", read_votes, is_possible=audits)
        yield Question(Lane.QDEVICE, "", read_qdevice, is_possible=audits)


def read_permissions(visit: Visit) -> None:
    """Read what the account may do."""
    visit.keep(permissions=visit.ask(access.permissions))


def read_storages(visit: Visit) -> None:
    """Read how the storages are defined."""
    visit.keep(storages=visit.ask(backups.storage_definitions))


def read_tasks(visit: Visit) -> None:
    """Read the recent tasks of all nodes, and let what they have changed be read again."""
    tasks = visit.ask(backups.cluster_tasks)
    before = {task.upid: task for task in visit.facts.tasks}
    ended = [
        task
        for task in tasks
        if task.ended_epoch is not None and (task.upid not in before or before[task.upid].ended_epoch is None)
    ]
    if before:
        visit.hasten(consequences(visit, ended))
    if vzdumps(before.values()) != vzdumps(tasks):
        visit.facts.version += 1  # others are no part of what is published or judged
    visit.facts.tasks, visit.facts.tasks_epoch = tasks, visit.epoch


def vzdumps(tasks: Iterable[TaskReading]) -> list[TaskReading]:
    """Return the backup tasks among these."""
    return [task for task in tasks if task.kind == "vzdump"]


def consequences(visit: Visit, ended: Iterable[TaskReading]) -> Iterator[Key]:
    """Yield the questions that tasks have made due."""
    for task in ended:
        if task.kind == "vzdump":
            yield Lane.BACKUP_TASKS, task.node
            # A task does not tell into which storage it has written; not into one of another node.
            yield from (
                (Lane.BACKUP_VOLUMES, key) for key in visit.facts.volumes if key[1] in ("", task.node)
            )
        elif task.kind not in HARMLESS_TASKS and VMID.fullmatch(task.subject):
            lane = Lane.GUEST_SNAPSHOTS if task.kind in SNAPSHOT_TASKS else Lane.GUEST_CONFIGURATION
            yield lane, int(task.subject)


def read_ha(visit: Visit) -> None:
    """Read the state of high availability."""
    visit.keep(ha=visit.ask(cluster.ha_status))


def ceph_questions(visit: Visit, *, is_possible: bool) -> Iterator[Question]:
    """Yield what is asked about Ceph: often of one node that has it, of all others only now and then whether they do."""
    online = sorted(node.name for node in visit.figures.nodes if is_online(node))
    asked = ceph_node(visit, online)
    for node in (one.name for one in visit.figures.nodes):
        is_there = is_possible and node in online
        yield Question(Lane.CEPH, node, read_ceph, (node,), is_there, is_idle=node != asked)
    if asked:
        if (
            visit.facts.progress_of(Lane.CEPH, asked).next_epoch
            > visit.epoch + TERMS[Lane.CEPH].period_seconds * 2
        ):
            visit.hasten([(Lane.CEPH, asked)])  # it takes the place of one that does not answer any more
        yield Question(Lane.CEPH_POOLS, "", read_ceph_pools, (asked,), is_possible)
    here = next((node for node in online if is_asked(visit, node)), "")
    may = visit.may("/", "Sys.Audit") and visit.facts.node(here).has_ceph is True
    yield Question(Lane.CEPH_FLAGS, "", read_ceph_flags, (), may)


def ceph_node(visit: Visit, online: Iterable[str]) -> str:
    """Return the node to ask about Ceph, "" while none is known: one that answered, else the one that was left alone longest."""
    facts = visit.facts

    def rank(node: str) -> tuple[bool, float]:
        progress = facts.progress_of(Lane.CEPH, node)
        return bool(progress.code), progress.tried_epoch if progress.code else 0.0

    def may_have(node: str) -> bool:
        told = facts.node(node).has_ceph
        return facts.progress_of(Lane.CEPH, node).code not in ("", *DENIALS) if told is None else told

    # One that fails otherwise than for want of Ceph may well have it.
    return min(filter(may_have, online), key=rank, default="")


def read_ceph(visit: Visit, node: str) -> None:
    """Read the health of Ceph from a node, which may have none; a cluster of which no node has it has none."""
    try:
        if is_asked(visit, node):
            ceph = visit.ask(cluster.ceph_status, longest_seconds=AGENT_SECONDS)
        else:
            ceph = visit.ask(cluster.node_ceph_status, node, longest_seconds=AGENT_SECONDS)
    except NoCeph:
        note_ceph(visit, node, has_ceph=False)
        if all(known.has_ceph is False for known in visit.facts.nodes.values()):
            visit.keep(ceph=None, ceph_osds=(), ceph_pools=(), ceph_flags=())
    else:
        note_ceph(visit, node, has_ceph=True)
        if tells_flags(ceph) != tells_flags(visit.facts.ceph):
            visit.hasten([(Lane.CEPH_FLAGS, "")])
        visit.keep(ceph=ceph)


def is_asked(visit: Visit, node: str) -> bool:
    """Return whether a node is the one whose address is in use."""
    members = visit.memory.cluster.members if visit.memory.cluster is not None else ()
    return len(visit.figures.nodes) == 1 or any(one.name == node and one.is_local for one in members)


def note_ceph(visit: Visit, node: str, *, has_ceph: bool) -> None:
    """Keep whether a node has Ceph."""
    if visit.facts.node(node).has_ceph is not has_ceph:
        visit.keep_node(node, has_ceph=has_ceph)


def read_ceph_pools(visit: Visit, node: str) -> None:
    """Read OSDs and pools through a node that has Ceph."""
    visit.keep(ceph_osds=visit.ask(cluster.ceph_osds, node))
    visit.keep(ceph_pools=visit.ask(cluster.ceph_pools, node))


def read_ceph_flags(visit: Visit) -> None:
    """Read what somebody has switched off in Ceph; only the node whose address is in use can tell."""
    visit.keep(ceph_flags=visit.ask(cluster.ceph_flags))


def read_replication_jobs(visit: Visit) -> None:
    """Read which guests are to be replicated, and where to."""
    visit.keep(replication_jobs=visit.ask(cluster.replication_jobs))


def read_votes(visit: Visit) -> None:
    """Read how many votes each node has."""
    visit.keep(votes=visit.ask(cluster.node_votes))


def read_qdevice(visit: Visit) -> None:
    """Read whether the QDevice, if there is one, is there."""
    visit.keep(qdevice=visit.ask(cluster.qdevice))
