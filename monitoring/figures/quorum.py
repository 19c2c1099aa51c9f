"""How many votes a cluster has, counts and needs: from its configuration, its membership and its QDevice; pure.

Proxmox tells whether there is a quorum and not by how many votes. The votes of a QDevice are told nowhere: they follow from
its algorithm. Source: votequorum(5), corosync-qdevice(8), GET /cluster/config/nodes, GET /cluster/config/qdevice.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from nodes.proxmox.readings.cluster import QdeviceReading, VoteReading
from nodes.proxmox.readings.live import ClusterReading

#: What a QDevice has said longer ago than this says nothing of now; it is asked every five minutes.
TOLD_SECONDS = 900.0
ONE_VOTE = "Fifty-Fifty split"
#: With these it has a vote less than there are nodes, so that the last of them goes on.
LAST_MAN_STANDING = frozenset({"LMS", "2 Node LMS"})


class NodeVotes(msgspec.Struct, frozen=True, gc=False):
    """A member with its votes; `is_online` as the answering node has it."""

    node: str
    votes: int | None
    is_online: bool | None


class Quorum(msgspec.Struct, frozen=True):
    """The votes of a cluster; None: what it would take to count them is not known. `is_quorate` as the host tells it."""

    nodes: tuple[NodeVotes, ...]
    qdevice_votes: int | None
    expected_votes: int | None
    present_votes: int | None
    is_quorate: bool | None = None

    @property
    def is_contradicted(self) -> bool:
        """Return whether the host has a quorum with too few votes for one, or none with enough.

        Corosync has options that Proxmox does not tell (two_node, wait_for_all, last_man_standing, auto_tie_breaker), and
        the expected votes can be set while it runs.
        """
        if self.is_quorate is None or self.expected_votes is None or self.present_votes is None:
            return False
        return self.is_quorate != (self.present_votes >= majority(self.expected_votes))

    @property
    def needed_votes(self) -> int | None:
        """More than half, unless the host's own word says that it is another number."""
        return None if self.expected_votes is None or self.is_contradicted else majority(self.expected_votes)


def quorum_of(
    cluster: ClusterReading,
    votes: Iterable[VoteReading],
    qdevice: QdeviceReading | None,
    *,
    qdevice_is_known: bool,
) -> Quorum:
    """Return the votes; `qdevice` None with `qdevice_is_known` is a cluster without one."""
    by_node = {vote.node: vote.votes for vote in votes}
    online = {member.name: member.is_online for member in cluster.members}
    nodes = tuple(
        NodeVotes(name, by_node.get(name), online.get(name)) for name in sorted({*by_node, *online})
    )
    device = qdevice_votes(qdevice, len(nodes)) if qdevice_is_known else None
    casts = (qdevice is None or qdevice.casts_vote) if qdevice_is_known else None
    return Quorum(
        nodes=nodes,
        qdevice_votes=device,
        expected_votes=total([*(node.votes for node in nodes), device]),
        present_votes=total(
            [*(counted(node.votes, node.is_online) for node in nodes), counted(device, casts)]
        ),
        is_quorate=cluster.is_quorate,
    )


def majority(votes: int) -> int:
    """Return more than half of the votes."""
    return votes // 2 + 1


def qdevice_votes(qdevice: QdeviceReading | None, node_count: int) -> int | None:
    """Return the votes that a QDevice has by its algorithm, 0 without one, None for an algorithm that is not known."""
    if qdevice is None:
        return 0
    if qdevice.algorithm == ONE_VOTE:
        return 1
    return node_count - 1 if qdevice.algorithm in LAST_MAN_STANDING else None


def counted(votes: int | None, is_present: bool | None) -> int | None:
    """Return the votes of one that is there, 0 of one that is not."""
    return 0 if is_present is False else votes if is_present else None


def total(votes: Iterable[int | None]) -> int | None:
    """Return the sum, None when one of them is not known."""
    parts = list(votes)
    return None if None in parts else sum(part for part in parts if part is not None)
