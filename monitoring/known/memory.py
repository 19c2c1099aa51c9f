"""What the poller of one instance remembers from one poll to the next; can be stored, so that any worker goes on."""

from __future__ import annotations

from enum import StrEnum
from operator import attrgetter
from zlib import crc32

import msgspec

from monitoring.figures.instances import NO_FIGURES, Figures
from monitoring.figures.rates import Sample
from monitoring.known.costs import Costs
from monitoring.known.head import NO_HEAD, Head
from monitoring.known.kinds import Kind, Outline
from monitoring.known.lanes import Progressing
from nodes.proxmox.readings.live import (
    ClusterReading,
    DatastoreReading,
    NodeStatusReading,
    PbsStatusReading,
    ResourcesReading,
)
from nodes.proxmox.readings.mail import MailNodeReading, MailQueueReading, MailStatisticsReading

#: By what the backups of a guest are judged.
_judged_by = attrgetter("vmid", "kind", "node", "name", "pool", "is_template")

#: What moves whenever Proxmox renews the figures of a node: CPU, memory, uptime.
Mark = tuple[float | None, int | None, int | None]


class Contradiction(msgspec.Struct, frozen=True):
    """That a member does not see its cluster as another one does, who is believed. `nodes` are those about which it
    contradicts itself; none: it has no majority.
    """

    by: str
    seen_epoch: float
    nodes: tuple[str, ...] = ()


class Alike(StrEnum):
    """How another instance is alike that is shown beside this one."""

    SAME = "same"  # it does not answer, so that nothing is shown in the place of this one
    DISPUTED = "disputed"  # one tells what is the other's own, and has not proven to be it


class PollMemory(Progressing):
    """Instants are epoch seconds of our own clock."""

    instance_version: int = 0
    instance_name: str = ""
    compared_version: int = 0  # of the instance when changes were last looked for; 0: not since the start
    fragment_version: int = 0
    cycles: int = 0
    calls: int = 0
    failed_calls: int = 0
    costs: Costs = {}
    # outcome of the last polls
    polled_epoch: float = 0.0  # when the last one began
    first_polled_epoch: float = 0.0
    succeeded_epoch: float | None = None
    failures: int = 0  # in a row
    login_failures: int = 0  # in a row
    login_is_refused: bool = False  # five login failures in a row, until one poll succeeds
    recorded_epoch: float = 0.0  # when last_success_at was last written
    authority_epoch: float = 0.0  # when it was last tried who vouches for the pinned certificate
    trouble: str = ""  # what last went wrong after the figures were shown
    duplicate_of: int = 0  # the instance that already stands for this cluster
    duplicate_name: str = ""
    duplicate_seen_epoch: float = 0.0
    apart_until: dict[int, float] = {}  # until when instances with the same names are known to be others
    alike: dict[int, Alike] = {}  # other instances that are to be looked at again soon
    duplicate_until_epoch: float = (
        0.0  # until then its certificates may be new, and the other's not read again yet
    )
    # what was true at the last poll, in order
    figures: Figures = NO_FIGURES
    # history: the samples that are not saved yet, and when the last one was taken
    head: Head = NO_HEAD
    sampled_epoch: float = 0.0
    # the blind time that is not written yet
    blind_since: float = 0.0
    blind_until: float = 0.0
    # inventory: digest of what was written last, by model
    written: dict[str, str] = {}
    row_keys: dict[str, int] = {}  # primary keys of the objects that something is wrong with
    node_ids: dict[str, str] = {}  # name -> wire id
    storage_ids: dict[str, str] = {}  # "<name>/<node, empty when shared>" -> wire id
    # PVE
    reading: ResourcesReading | None = None  # of the last good poll, for who asks where a number comes from
    read_epoch: float = 0.0
    cluster: ClusterReading | None = None
    cluster_epoch: float = 0.0
    contradicted: dict[str, Contradiction] = {}  # by the member that is not believed
    doubted_since: dict[str, float] = {}  # by member whose list and membership differ
    witnesses_epoch: float = 0.0  # when other members were last asked in its place
    witnesses_asked: int = 0  # in a row that did not help
    witnesses_silent: int = 0  # in a row that did not answer at all
    others_are_silent: bool = False  # no other member answers
    details: dict[str, NodeStatusReading] = {}
    details_epoch: dict[str, float] = {}  # when each of these was read
    details_asked_epoch: dict[str, float] = {}  # when it was last asked for, whatever came of it
    marks: dict[str, Mark] = {}
    samples: dict[int, Sample] = {}
    empty_guest_lists: int = 0  # in a row
    empty_storage_lists: int = 0
    absent_since: dict[str, float] = {}  # by node that is not online
    incomplete_since: float = 0.0  # since when rows of the list cannot be read; 0: the list is whole
    # PBS
    pbs_version: str = ""
    pbs_status: PbsStatusReading | None = None
    pbs_status_epoch: float = 0.0
    datastores: tuple[DatastoreReading, ...] = ()
    datastores_epoch: float = 0.0
    empty_datastore_lists: int = 0
    # PMG
    mail_nodes: tuple[MailNodeReading, ...] = ()
    mail_nodes_epoch: float = 0.0
    mail_queues: dict[str, tuple[MailQueueReading, ...]] = {}  # by node
    mail_queues_epoch: float = 0.0
    mail_statistics: MailStatisticsReading | None = None
    mail_statistics_epoch: float = 0.0

    @property
    def listed_mark(self) -> int | None:
        """A number that differs whenever guests or storages for backups may be judged otherwise; None while none were read."""
        if self.reading is None:
            return None
        guests = list(map(_judged_by, self.reading.guests))
        storages = [
            (storage.name, storage.node, storage.is_shared)
            for storage in self.reading.storages
            if "backup" in storage.content
        ]
        return crc32(msgspec.msgpack.encode((guests, storages)))


def set_back(memory: PollMemory, *, seconds: float) -> None:
    """Keep everything as long ago as it was: the clock was set back by so many seconds, or by an interval more.

    Counters and rates are left, they see it by themselves.
    """
    for name in type(memory).__struct_fields__:
        kept = getattr(memory, name)
        if not name.endswith(("_epoch", "_since", "_until")) or not kept:
            continue
        if isinstance(kept, dict):
            setattr(memory, name, {key: one - seconds for key, one in kept.items()})
        else:
            setattr(memory, name, kept - seconds)
    memory.contradicted = {
        name: msgspec.structs.replace(one, seen_epoch=one.seen_epoch - seconds)
        for name, one in memory.contradicted.items()
    }


class MemoryOutline(Outline, frozen=True):
    """By what the judgement sees that other guests or storages are there; see PollMemory."""

    duplicate_of: int = 0
    listed_mark: int | None = None


#: Edited in place by the poller, who holds the lease of the instance and saves it afterwards.
MEMORY = Kind("memory", PollMemory, MemoryOutline)
