"""Whether the member that was asked sees its cluster as the others do: one that is cut off takes all others for offline.

Where it has no majority, or its list and its membership contradict each other for a while, other members are asked in its place.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from msgspec.structs import replace

from monitoring.collecting.calls import Calls
from monitoring.known.memory import Contradiction, PollMemory
from nodes.proxmox import pve
from nodes.proxmox.client import Client
from nodes.proxmox.errors import ProxmoxError
from nodes.proxmox.readings.live import ClusterReading, ResourcesReading

#: Other members that are asked in one poll, and how long each may take.
MOST_WITNESSES = 2
WITNESS_SECONDS = 3.0
#: The list follows the membership by seconds: a contradiction that lasts longer than this is one.
DOUBT_SECONDS = 20.0
#: Where no other member has helped, they are asked again after this long.
AGAIN_SECONDS = 30.0


class View(NamedTuple):
    """What one member sees."""

    resources: ResourcesReading
    cluster: ClusterReading

    @property
    def witness(self) -> str:
        """The member that answered."""
        return next((member.name for member in self.cluster.members if member.is_local), "")

    @property
    def contradictions(self) -> frozenset[str]:
        """The nodes that are online by the list or by the membership, and not by both."""
        listed = {node.name: node.status == "online" for node in self.resources.nodes}
        return frozenset(
            member.name
            for member in self.cluster.members
            if member.is_online is not None and listed.get(member.name, member.is_online) != member.is_online
        )


def better_view(calls: Calls, memory: PollMemory, own: View, *, at_epoch: float) -> View:
    """Return what the asked member sees, or what another one does that is to be believed before it; remembers which."""
    members = {member.name for member in own.cluster.members}
    memory.contradicted = {name: one for name, one in memory.contradicted.items() if name in members}
    memory.doubted_since = {name: since for name, since in memory.doubted_since.items() if name in members}
    if not own.cluster.is_cluster or not is_doubtful(memory, own, at_epoch=at_epoch):
        believe(memory, own.witness)
        memory.others_are_silent, memory.witnesses_asked, memory.witnesses_silent = False, 0, 0
        look_again(calls, memory, at_epoch=at_epoch)
        return own
    is_settled = own.witness in memory.contradicted
    if not is_settled and 0 <= at_epoch - memory.witnesses_epoch < AGAIN_SECONDS:
        return own
    memory.witnesses_epoch = at_epoch
    others = calls.connection.others()
    for client in in_turn(others, memory.witnesses_asked):
        memory.witnesses_asked += 1
        try:
            view = view_of(calls, client)
        except ProxmoxError as error:
            memory.witnesses_silent = memory.witnesses_silent + 1 if error.is_connection_level else 0
            continue
        memory.witnesses_silent = 0
        if is_better(view, own):
            calls.connection.use(client)
            nodes = () if own.cluster.is_quorate is False else tuple(sorted(own.contradictions))
            told = Contradiction(view.witness, at_epoch, nodes)
            memory.contradicted = {**memory.contradicted, own.witness: told}
            memory.others_are_silent, memory.witnesses_asked = False, 0
            return view
    believe(memory, own.witness)
    memory.others_are_silent = bool(others) and memory.witnesses_silent >= len(others)
    return own


def in_turn(others: Sequence[Client], asked: int) -> Sequence[Client]:
    """Return the few that are asked now, after so many were asked in vain: each has its turn."""
    begin = asked % len(others) if others else 0
    return (*others[begin:], *others[:begin])[:MOST_WITNESSES]


def believe(memory: PollMemory, member: str) -> None:
    """Forget that a member was not believed."""
    memory.contradicted = {name: one for name, one in memory.contradicted.items() if name != member}


def look_again(calls: Calls, memory: PollMemory, *, at_epoch: float) -> None:
    """Ask the configured member, in whose place another one is asked, whether it is cut off still."""
    for name, told in memory.contradicted.items():
        if told.nodes:
            continue
        try:
            cluster = calls.ask_of(
                calls.connection.configured(), pve.cluster_status, longest_seconds=WITNESS_SECONDS
            )
        except ProxmoxError:
            believe(memory, name)  # that it does not answer at all, the others tell
            continue
        member = next((one.name for one in cluster.members if one.is_local), "")
        if member == name and cluster.is_quorate is False:
            memory.contradicted = {**memory.contradicted, name: replace(told, seen_epoch=at_epoch)}
        elif member == name:
            believe(memory, name)


def is_doubtful(memory: PollMemory, own: View, *, at_epoch: float) -> bool:
    """Return whether another member is to be asked; remembers since when each has contradicted itself."""
    if own.cluster.is_quorate is False:
        return True
    doubted = {name: since for name, since in memory.doubted_since.items() if name != own.witness}
    since = memory.doubted_since.get(own.witness, at_epoch)
    if own.contradictions:
        doubted[own.witness] = since
    memory.doubted_since = doubted
    return bool(own.contradictions) and at_epoch - since >= DOUBT_SECONDS


def view_of(calls: Calls, client: Client) -> View:
    """Return what another member sees; raises the ProxmoxError of one that does not tell it."""
    cluster = calls.ask_of(client, pve.cluster_status, longest_seconds=WITNESS_SECONDS)
    if cluster.is_quorate is not True:
        return View(ResourcesReading(), cluster)
    return View(calls.ask_of(client, pve.cluster_resources, longest_seconds=WITNESS_SECONDS), cluster)


def is_better(view: View, own: View) -> bool:
    """Return whether another view is to be believed: it is of the same cluster, has a majority, and contradicts itself less."""
    if (
        view.cluster.is_quorate is not True
        or view.cluster.name != own.cluster.name
        or not view.resources.nodes
    ):
        return False
    return own.cluster.is_quorate is False or len(view.contradictions) < len(own.contradictions)
