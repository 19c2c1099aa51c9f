"""Which ids of the contract are taken: no two things have one, whatever their names spell together.

An id is put together from names with dashes, and names hold dashes: `home` with the node `lab-pve` and `home-lab` with `pve` both spell
`home-lab-pve`. Who is seen first keeps the plain id, the other gets a number behind it, and both keep what they have: over
restarts, and when one of them is removed. Only a new name of the instance makes new ids.
Source: state.md 4.1 and 4.3 of the contract ("never parse an id").
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator
from itertools import count
from typing import Self

from nodes.choices import InstanceKind
from nodes.models import Instance, Node, Storage

#: What stands behind the id of a node in those of its guests; Proxmox gives no lower number.
GUEST_NUMBER = re.compile(r"(.+)-([1-9][0-9]{2,8})", re.ASCII)

#: What stands behind an id that is taken, in the one that stands for it.
OTHER_NUMBER = re.compile(r"-[1-9][0-9]*", re.ASCII)


def numbered(identity: str) -> Iterator[str]:
    """Yield an id, and then the ids that stand for it where it is taken."""
    yield identity
    yield from (f"{identity}-{number}" for number in count(2))


def spells(identity: str, wanted: str) -> bool:
    """Return whether an id is this one, or one that stands for it where it is taken."""
    rest = identity.removeprefix(wanted)
    return identity.startswith(wanted) and (not rest or OTHER_NUMBER.fullmatch(rest) is not None)


def whole_ids(kind: str, name: str) -> set[str]:
    """Return the ids of what an instance of this name is as a whole: a server, a gateway, a PVE that lets nobody in."""
    return {f"{name}-failed"} if kind == InstanceKind.PVE else {f"{kind}-{name}"}


class FreeIds:
    """The ids that nobody has: neither told ones, nor those that guests of known nodes have or may get."""

    def __init__(self, nodes: Iterable[str], others: Iterable[str]) -> None:
        self.nodes = set(nodes)
        self.taken = {*others, *self.nodes}
        #: What stands before a guest's number in a taken id: no node may be called so.
        self.before_numbers = {match[1] for one in self.taken if (match := GUEST_NUMBER.fullmatch(one))}

    @classmethod
    def beside(
        cls, instance: Instance, *, nodes: Collection[int] = (), storages: Collection[str] = ()
    ) -> Self:
        """Return those that are free for nodes (by primary key) and storages (by id) of an instance, who give up theirs."""
        heads = Node.objects.exclude(pk__in=nodes).exclude(wire_id="").values_list("wire_id", flat=True)
        places = set(Storage.objects.values_list("wire_id", flat=True)) - set(storages)
        wholes = (
            one
            for pk, kind, name in Instance.objects.values_list("pk", "kind", "name")
            for one in whole_ids(kind, name)
            if pk != instance.pk or kind != InstanceKind.PVE
        )
        return cls(heads, (*places, *wholes))

    @classmethod
    def of_others(cls, pk: int) -> Self:
        """Return the ids that are free of nodes and storages of other instances than this one."""
        heads = Node.objects.exclude(instance=pk).exclude(wire_id="").values_list("wire_id", flat=True)
        return cls(heads, Storage.objects.exclude(instance=pk).values_list("wire_id", flat=True))

    def is_free(self, identity: str) -> bool:
        """Return whether nobody has this id, and no guest of a known node can get it."""
        match = GUEST_NUMBER.fullmatch(identity)
        return identity not in self.taken and not (match and match[1] in self.nodes)

    def claim(self, spellings: Iterable[str]) -> str:
        """Return the first free one of these, which is taken from now on."""
        identity = next(one for one in spellings if self.is_free(one))
        self.taken.add(identity)
        if match := GUEST_NUMBER.fullmatch(identity):
            self.before_numbers.add(match[1])
        return identity

    def claim_node(self, spellings: Iterable[str], *, kept: Collection[str] = ()) -> str:
        """Do the same for a node, whose guests' ids must be free too; `kept` are the plain ids of others."""
        fitting = (one for one in spellings if one not in kept and one not in self.before_numbers)
        identity = self.claim(fitting)
        self.nodes.add(identity)
        return identity
