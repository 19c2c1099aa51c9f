"""The slow lanes of a PVE host or cluster. Periods: api-facts.md 10, longer where a task tells what has changed."""

from __future__ import annotations

from collections.abc import Iterator

from monitoring.collecting.pve.backups import backup_errands
from monitoring.collecting.pve.cluster import instance_errands
from monitoring.collecting.pve.common import is_online, wanted_guests
from monitoring.collecting.pve.guests import guest_errands
from monitoring.collecting.pve.nodes import node_errands
from monitoring.collecting.schedule import Errand
from monitoring.collecting.turn import Turn
from monitoring.known.replication import nodes_of, replicating_nodes


def errands(turn: Turn) -> Iterator[Errand]:
    """Yield every errand of the instance, due or not."""
    nodes = {node.name: is_online(node) for node in turn.figures.nodes}
    online = sorted(name for name, is_there in nodes.items() if is_there)
    yield from instance_errands(turn)
    guests = wanted_guests(turn)
    running = {(guest.node, guest.kind) for guest in guests if guest.status == "running"}
    sources = replication_sources(turn)
    for node in turn.figures.nodes:
        kinds = {kind for name, kind in running if name == node.name}
        yield from node_errands(turn, node, kinds, replicates=node.name in sources)
    if turn.instance.monitor_backups:
        yield from backup_errands(turn, nodes, online)
    for guest in guests:
        yield from guest_errands(turn, guest, is_there=nodes.get(guest.node, False))


def replication_sources(turn: Turn) -> frozenset[str]:
    """Return the nodes where guests are that are to be replicated."""
    jobs, reading = turn.facts.replication_jobs, turn.memory.reading
    if not jobs or reading is None:
        return frozenset()
    return replicating_nodes(jobs, nodes_of(reading.guests))
