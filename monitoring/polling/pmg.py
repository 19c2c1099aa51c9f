"""A Proxmox Mail Gateway: its nodes each poll, queues and statistics seldom."""

from __future__ import annotations

from msgspec.structs import replace

from monitoring.backups.judgement import Judgement
from monitoring.collecting.calls import Calls, quietly
from monitoring.concerns.applying import pmg_concerns
from monitoring.figures.instances import Figures
from monitoring.figures.servers import GatewayFigures
from monitoring.figures.staleness import GRACE_SECONDS, is_recent
from monitoring.known.facts import Facts
from monitoring.known.lanes import Lane
from monitoring.known.memory import PollMemory
from monitoring.polling import limits, silent
from monitoring.polling.cycle import Poll
from monitoring.polling.publishing import Picture
from nodes.models import Instance
from nodes.proxmox import mail, pve
from nodes.proxmox.client import Client
from nodes.proxmox.errors import BadAnswer, ProxmoxError
from nodes.proxmox.readings.mail import MailQueueReading

#: The queues of a node that are asked, each a call that forks a process there.
QUEUES = ("active", "deferred")
#: More nodes than any gateway has.
MOST_NODES = 32


class PmgPoll(Poll):
    """A poll of a mail gateway."""

    has_slow_lanes = False

    def read(self, calls: Calls) -> None:
        """Read what is due."""
        look(calls, self.memory, at_epoch=self.epoch)

    def true_now(self, judgement: Judgement) -> Picture:
        """Return the gateway as it is now; figures that could not be renewed are marked."""
        memory = self.memory
        present = {node.name for node in memory.mail_nodes}
        gateway = GatewayFigures(
            status="online",
            health="healthy",
            seen_epoch=self.epoch,
            is_stale=not is_recent(memory.mail_nodes_epoch, at_epoch=self.epoch, seconds=GRACE_SECONDS),
            nodes=memory.mail_nodes,
            nodes_epoch=memory.mail_nodes_epoch,
            queues={node: queues for node, queues in memory.mail_queues.items() if node in present},
            queues_epoch=memory.mail_queues_epoch or None,
            statistics=memory.mail_statistics,
            statistics_epoch=memory.mail_statistics_epoch or None,
        )
        concerns = pmg_concerns(
            memory.mail_nodes,
            nodes_epoch=memory.mail_nodes_epoch,
            polled=memory.progress,
            at_epoch=self.epoch,
        )
        return Picture(Figures(gateway=gateway), concerns)

    def finish(self, calls: Calls) -> None:
        """Nothing waits: no inventory is kept of a gateway."""

    def last_known(self, error: ProxmoxError) -> Figures:
        """Return the gateway offline at once, with its last figures."""
        memory, health = self.memory, silent.health_after(error)
        last = memory.figures.gateway
        if last is None:
            return Figures(gateway=GatewayFigures("offline", health, memory.succeeded_epoch))
        return Figures(gateway=replace(last, status="offline", health=health, is_stale=True))

    @staticmethod
    def restored(instance: Instance, facts: Facts, judgement: Judgement, *, at_epoch: float) -> Figures:
        """Return that there is a gateway: nothing of it is kept."""
        health, seen = silent.last_health(instance), silent.last_seen(instance)
        return Figures(gateway=GatewayFigures("unknown", health, seen, is_stale=True))


def look(calls: Calls, memory: PollMemory, *, at_epoch: float) -> None:
    """Read what is due and remember it; raises the ProxmoxError of a gateway that does not answer.

    Between two looks at the nodes the statistics, or at least the version, prove that it answers.
    """
    if calls.is_due(Lane.MAIL_NODES):
        nodes = calls.ask(mail.cluster_status)[:MOST_NODES]
        if not nodes:
            raise BadAnswer(
                "The gateway lists no node at all", remedy="Check the role of the account: audit is enough"
            )
        memory.mail_nodes, memory.mail_nodes_epoch = nodes, at_epoch
        calls.done(Lane.MAIL_NODES)
    else:
        calls.ask(pve.version)
    found = quietly(lambda: calls.when_due(Lane.MAIL_STATISTICS, lambda: calls.ask(mail.mail_statistics)))
    if found is not None:
        memory.mail_statistics, memory.mail_statistics_epoch = found, at_epoch
    for node in memory.mail_nodes:
        if not node.error:
            read_queues(calls, memory, node.name, at_epoch=at_epoch)
    calls.remember_refusals()


def read_queues(calls: Calls, memory: PollMemory, node: str, *, at_epoch: float) -> None:
    """Read the queues of one node, and keep the last ones when that fails."""
    found = [one for queue in QUEUES if (one := read_queue(calls, node, queue)) is not None]
    if found:
        memory.mail_queues, memory.mail_queues_epoch = {**memory.mail_queues, node: tuple(found)}, at_epoch


def read_queue(calls: Calls, node: str, queue: str) -> MailQueueReading | None:
    """Return one queue of a node, None when it is not due or cannot be read now."""

    def mail_queue(client: Client, *, timeout_seconds: float | None = None) -> MailQueueReading:
        return mail.mail_queue(client, node, queue, timeout_seconds=timeout_seconds)

    return quietly(
        lambda: calls.when_due(
            Lane.MAIL_QUEUES,
            lambda: calls.ask_here(mail_queue, longest_seconds=limits.DETAIL_CALL_SECONDS),
            (node, queue),
        )
    )
