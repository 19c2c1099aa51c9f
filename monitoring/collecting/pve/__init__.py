"""The slow lanes of a PVE host or cluster. Periods: api-facts.md 10, longer where a task tells what has changed."""

from __future__ import annotations

from collections.abc import Iterator

from monitoring.collecting.pve.backups import backup_questions
from monitoring.collecting.pve.cluster import instance_questions
from monitoring.collecting.pve.common import is_online, wanted_guests
from monitoring.collecting.pve.guests import guest_questions
from monitoring.collecting.pve.nodes import node_questions
from monitoring.collecting.schedule import Question
from monitoring.collecting.visit import Visit
from monitoring.known.replication import nodes_of, replicating_nodes


def questions(visit: Visit) -> Iterator[Question]:
    """Yield every question of the instance, due or not."""
    nodes = {node.name: is_online(node) for node in visit.figures.nodes}
    online = sorted(name for name, is_there in nodes.items() if is_there)
    yield from instance_questions(visit)
    guests = wanted_guests(visit)
    running = {(guest.node, guest.kind) for guest in guests if guest.status == "running"}
    sources = replication_sources(visit)
    for node in visit.figures.nodes:
        kinds = {kind for name, kind in running if name == node.name}
        yield from node_questions(visit, node, kinds, replicates=node.name in sources)
    if visit.instance.monitor_backups:
        yield from backup_questions(visit, nodes, online)
    for guest in guests:
        yield from guest_questions(visit, guest, is_there=nodes.get(guest.node, False))


def replication_sources(visit: Visit) -> frozenset[str]:
    """Return the nodes where guests are that are to be replicated."""
    jobs, reading = visit.facts.replication_jobs, visit.memory.reading
    if not jobs or reading is None:
        return frozenset()
    return replicating_nodes(jobs, nodes_of(reading.guests))
