"""Load what is known of each instance when backups are judged: of one that is polled, and of one that is paused."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from operator import attrgetter
from urllib.parse import urlsplit
from zlib import crc32

import msgspec
from django.db import DatabaseError

from monitoring.backups.apart import Apart
from monitoring.backups.attribution import BackupServer
from monitoring.backups.collected import Collected
from monitoring.backups.sources import Source
from monitoring.backups.sources import sources as sources_of
from monitoring.known.facts import FACTS, LAYOUT, Facts
from monitoring.known.memory import MEMORY, PollMemory
from monitoring.known.wanted import wanted_kinds
from monitoring.models import CollectedFacts
from monitoring.store.current import store
from monitoring.store.saved import is_of
from nodes.choices import InstanceKind
from nodes.models import Guest, Instance
from nodes.proxmox.readings.live import GuestReading


def marks_of(instances: Sequence[Instance]) -> dict[int, int]:
    """Return for each instance that `collected_of` knows a number that differs whenever what is judged of it may differ.

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


def evidence_of(
    instances: Iterable[Instance], apart: Apart | None = None
) -> tuple[list[Collected], list[Collected]]:
    """Return what is known of the PVE and of the PBS among these instances, as far as it is evidence.

    One of which nothing can be loaded is passed over, and noted.
    """
    apart = apart or Apart()
    hosts: list[Collected] = []
    servers: list[Collected] = []
    by_kind = {InstanceKind.PVE.value: hosts, InstanceKind.PBS.value: servers}
    for instance in instances:
        if instance.kind not in by_kind:
            continue
        try:
            known = collected_of(instance)
        except DatabaseError:
            raise  # not of this instance
        except Exception as error:
            apart.note(instance.pk, instance.name, error)
            continue
        if known is not None:
            by_kind[instance.kind].append(known)
    return hosts, servers


def sources(at: datetime) -> list[Source]:
    """Return where the lists of all instances that are polled come from."""
    hosts, servers = evidence_of(Instance.objects.polled())
    return sources_of(hosts, servers, at=at)


def collected_of(instance: Instance) -> Collected | None:
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
        return collected(instance, facts, PollMemory(), recorded_guests(instance))
    _saved.pop(instance.pk, None)
    memory = store().load(MEMORY, of=instance.pk) or PollMemory()
    if memory.duplicate_of:
        return None
    facts = store().load(FACTS, of=instance.pk)
    guests = memory.reading.guests if memory.reading is not None else recorded_guests(instance)
    return collected(instance, facts or Facts(), memory, guests)


def collected(
    instance: Instance, facts: Facts, memory: PollMemory, guests: Sequence[GuestReading] = ()
) -> Collected:
    """Return an instance as it is configured with what is known of it."""
    return Collected(
        instance_id=instance.pk,
        identity=server_of(instance),
        facts=facts,
        memory=memory,
        guests=guests,
        is_paused=instance.is_paused,
        guest_kinds=wanted_kinds(instance),
        monitors_backups=instance.monitor_backups,
        monitors_datastores=instance.monitor_datastores,
        failure_code=instance.failure_code,
        failure_message=instance.failure_message,
    )


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
        for one in sorted(Guest.there(instance), key=attrgetter("vmid"))
    )


def server_of(instance: Instance) -> BackupServer:
    """Return under what a PBS is known: its configured host, and the certificate that it shows."""
    host = urlsplit(instance.host).hostname or ""
    return BackupServer(instance.name, (host,), instance.fingerprint)
