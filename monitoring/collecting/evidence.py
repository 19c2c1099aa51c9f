"""What is known of one instance when backups are judged: of one that is polled, and of one that is paused."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from urllib.parse import urlsplit
from zlib import crc32

import msgspec

from monitoring.backups.attribution import BackupServer
from monitoring.backups.coverage import Backup
from monitoring.known.facts import FACTS, LAYOUT, Facts
from monitoring.known.memory import MEMORY, PollMemory
from monitoring.models import CollectedFacts
from monitoring.store.current import store
from monitoring.store.saved import is_of
from nodes.choices import InstanceKind
from nodes.models import Guest, Instance
from nodes.proxmox.readings import GuestReading


@dataclass(slots=True)
class Known:
    """One instance and what is known of it; of a paused one it is evidence only, and nothing is judged."""

    instance: Instance
    facts: Facts
    memory: PollMemory
    guests: Sequence[GuestReading] = ()  # of a PVE
    seen: dict[int, list[Backup]] = field(default_factory=dict)  # PVE: backups by vmid

    @property
    def name(self) -> str:
        """The name of the instance."""
        return self.instance.name


def marks_of(instances: Sequence[Instance]) -> dict[int, int]:
    """Return for each instance that `known_of` knows a number that differs whenever what is judged of it may differ.

    Nothing is loaded for it. Guests that were not read since the start, or of an instance that is paused, are as they were
    recorded: only a reading changes that.
    """
    outlines = store().outlines((MEMORY, FACTS), [one.pk for one in instances if not one.is_paused])
    paused = [one.pk for one in instances if is_evidence(one)]
    saved = CollectedFacts.objects.filter(instance__in=paused, layout=LAYOUT) if paused else None
    saved_at = dict(saved.values_list("instance_id", "saved_at")) if saved is not None else {}
    marks: dict[int, int] = {}
    for one in instances:
        memory, facts = outlines.of(MEMORY, one.pk), outlines.of(FACTS, one.pk)
        if not one.is_paused and not memory.duplicate_of:
            marks[one.pk] = mark(one, facts.version, memory.listed_mark)
        elif is_evidence(one):
            marks[one.pk] = mark(one, saved_at.get(one.pk))
    return marks


def mark(instance: Instance, *known: int | datetime | None) -> int:
    """Return the mark of an instance about which this is known."""
    made_of = (instance.is_paused, instance.name, instance.host, instance.fingerprint, *known)
    return crc32(msgspec.msgpack.encode(made_of))


def is_evidence(instance: Instance) -> bool:
    """Return whether a paused instance is looked at nevertheless."""
    return instance.is_paused and instance.kind == InstanceKind.PVE


def known_of(instance: Instance) -> Known | None:
    """Return what is known of an instance, None of one that another instance stands for, or that is a paused PBS.

    A paused PVE still owns its backups: without it they would be taken for those of a cluster with the same numbers.
    """
    if instance.is_paused:
        if not is_evidence(instance):
            return None
        row = CollectedFacts.objects.defer("body").filter(instance=instance, layout=LAYOUT).first()
        facts = saved(row.instance_id, row.saved_at, row) if row is not None else None
        if facts is None or not is_of(instance, facts):
            facts = Facts()
        return Known(instance, facts, PollMemory(), recorded_guests(instance))
    _saved.pop(instance.pk, None)
    memory = store().load(MEMORY, of=instance.pk) or PollMemory()
    if memory.duplicate_of:
        return None
    facts = store().load(FACTS, of=instance.pk)
    guests = memory.reading.guests if memory.reading is not None else recorded_guests(instance)
    return Known(instance, facts or Facts(), memory, guests)


_saved: dict[int, tuple[datetime, Facts | None]] = {}


def saved(pk: int, at: datetime, row: CollectedFacts) -> Facts | None:
    """Return the facts of a row; those of the same instant are opened once."""
    known = _saved.get(pk)
    if known is None or known[0] != at:
        known = _saved[pk] = (at, row.facts())
    return known[1]


def recorded_guests(instance: Instance) -> tuple[GuestReading, ...]:
    """Return the guests of a PVE as they were recorded last, for one that was not read since the start."""
    if instance.kind != InstanceKind.PVE:
        return ()
    return tuple(
        GuestReading(one.vmid, one.kind, one.node_name, "unknown", name=one.name)
        for one in Guest.objects.filter(instance=instance, gone_at=None).order_by("vmid")
    )


def server_of(instance: Instance) -> BackupServer:
    """Return under what a PBS is known: its configured host, and the certificate that it shows."""
    host = urlsplit(instance.host).hostname or ""
    return BackupServer(instance.name, (host,), instance.fingerprint)
