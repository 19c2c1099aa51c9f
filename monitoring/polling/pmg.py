"""One look at a Proxmox Mail Gateway: its nodes each poll, queues and statistics seldom."""

from __future__ import annotations

from monitoring.collecting import lanes
from monitoring.collecting.calls import Calls, quietly
from monitoring.concerns import pmg_concerns
from monitoring.known.memory import PollMemory
from monitoring.wire.servers import pmg_view
from monitoring.wire.shapes import Shapes
from nodes.models import Instance
from nodes.proxmox import mail, pve
from nodes.proxmox.client import Client
from nodes.proxmox.errors import BadAnswer
from nodes.proxmox.readings import MailQueueReading

STATISTICS_PATH = "/statistics/mail"
#: The queues of a node that are asked, each a call that forks a process there.
QUEUES = ("active", "deferred")
QUEUE_SECONDS = 60.0
STATISTICS_SECONDS = 60.0
#: The asked node contacts the others one after the other.
NODES_SECONDS = 30.0
#: More nodes than any gateway has.
MOST_NODES = 32


def look(calls: Calls, memory: PollMemory, *, at: float) -> None:
    """Read what is due and remember it; raises the ProxmoxError of a gateway that does not answer.

    Between two looks at the nodes the statistics, or at least the version, prove that it answers.
    """
    if lanes.is_due(memory.mail_nodes_at, NODES_SECONDS, at):
        nodes = calls.ask(mail.cluster_status)[:MOST_NODES]
        if not nodes:
            raise BadAnswer(
                "The gateway lists no node at all", remedy="Check the role of the account: audit is enough"
            )
        memory.mail_nodes, memory.mail_nodes_at = nodes, at
    else:
        calls.ask(pve.version)
    if lanes.is_due(memory.mail_statistics_at, STATISTICS_SECONDS, at):
        found = quietly(
            lambda: calls.unless_refused(STATISTICS_PATH, lambda: calls.ask(mail.mail_statistics))
        )
        if found is not None:
            memory.mail_statistics, memory.mail_statistics_at = found, at
    if lanes.is_due(memory.mail_queues_at, QUEUE_SECONDS, at):
        memory.mail_queues_at = at
        for node in memory.mail_nodes:
            if not node.error:
                read_queues(calls, memory, node.name)
    calls.remember_refusals()


def read_queues(calls: Calls, memory: PollMemory, node: str) -> None:
    """Read the queues of one node, and keep the last ones when that fails."""
    found = [one for queue in QUEUES if (one := read_queue(calls, node, queue)) is not None]
    if found:
        memory.mail_queues = {**memory.mail_queues, node: tuple(found)}


def read_queue(calls: Calls, node: str, queue: str) -> MailQueueReading | None:
    """Return one queue of a node, None when it cannot be read now."""

    def mail_queue(client: Client, *, timeout_seconds: float | None = None) -> MailQueueReading:
        return mail.mail_queue(client, node, queue, timeout_seconds=timeout_seconds)

    path = f"/nodes/{node}/postfix/qshape"
    return quietly(
        lambda: calls.unless_refused(
            path, lambda: calls.ask_here(mail_queue, longest_seconds=lanes.DETAIL_CALL_SECONDS)
        )
    )


def views_of(instance: Instance, memory: PollMemory, *, seen: str, at: float) -> Shapes:
    """Return the gateway as it is now; figures that could not be renewed are marked."""
    present = {node.name for node in memory.mail_nodes}
    view = pmg_view(
        name=instance.name,
        host=instance.host,
        nodes=memory.mail_nodes,
        queues={node: queues for node, queues in memory.mail_queues.items() if node in present},
        statistics=memory.mail_statistics,
        seen=seen,
        is_stale=at - memory.mail_nodes_at > lanes.GRACE_SECONDS,
    )
    concerns = pmg_concerns(instance=instance.name, nodes=memory.mail_nodes, nodes_at=memory.mail_nodes_at)
    return Shapes(pmg=(view,), concerns=concerns)
